/* Routes that take no events: state, version, and what SDKs fetch before they send anything. */
#include "base/hash.h"
#include "gateway/gateway_internal.h"
#include "json/json_write.h"

#define TEXT_PLAIN SLICE("text/plain; charset=utf-8")
#define JSON_TYPE SLICE("application/json; charset=utf-8")

void gateway_handle_drop(struct worker *worker, struct http_request *request, struct intake *intake) {
    (void)request; /* its body is not looked at */
    gateway_reply(worker, intake);
}

static struct json_writer page_begin(struct worker *worker) {
    struct json_writer w;
    buf_reset(&worker->page);
    json_writer_init(&w, &worker->page);
    json_write_object(&w);
    return w;
}

static void page_end(struct worker *worker, struct intake *intake, struct json_writer *w, int status) {
    json_write_end(w);
    gateway_respond_page(worker, intake, status, JSON_TYPE, buf_slice(&worker->page));
}

/* ---- state ---- */

/* The original's keys, all of them text, and `ready`. lastSync is when the workspace was loaded. */
void gateway_handle_health(struct worker *worker, struct http_request *request, struct intake *intake) {
    (void)request;
    struct gateway *gateway = worker->gateway;
    bool ready = atomic_load_explicit(&gateway->ready, memory_order_relaxed);
    bool accepting = store_pressure(gateway->deps.store) == OK;
    struct workspace *workspace = workspace_cell_get(gateway->deps.cell);
    struct json_writer w = page_begin(worker);
    json_put_cstr(&w, "appType", "EMBEDDED");
    json_put_cstr(&w, "server", "UP");
    json_put_cstr(&w, "db", "UP");
    json_put_cstr(&w, "acceptingEvents", accepting ? "TRUE" : "FALSE");
    json_put_cstr(&w, "routingEvents", "TRUE");
    json_put_cstr(&w, "mode", "NORMAL");
    json_put_cstr(&w, "backendConfigMode", "JSON");
    json_put_time(&w, "lastSync", workspace_info(workspace)->loaded_ms);
    json_put_cstr(&w, "lastRegulationSync", "");
    json_put_bool(&w, "ready", ready);
    workspace_release(workspace);
    page_end(worker, intake, &w, ready ? 200 : 503);
}

void gateway_handle_live(struct worker *worker, struct http_request *request, struct intake *intake) {
    (void)request;
    gateway_respond_page(worker, intake, 200, TEXT_PLAIN, SLICE("ok"));
}

void gateway_handle_version(struct worker *worker, struct http_request *request, struct intake *intake) {
    (void)request;
    const char *version = worker->gateway->deps.version;
    struct json_writer w = page_begin(worker);
    json_put_cstr(&w, "Version", version != NULL ? version : "");
    json_put_cstr(&w, "Commit", "");
    json_put_cstr(&w, "BuildDate", "");
    json_put_cstr(&w, "BuiltBy", "");
    json_write_key(&w, SLICE("Features"));
    json_write_array(&w);
    json_write_string(&w, SLICE("gzip-req-payload"));
    json_write_end(&w);
    page_end(worker, intake, &w, 200);
}

void gateway_handle_robots(struct worker *worker, struct http_request *request, struct intake *intake) {
    (void)request;
    gateway_respond_page(worker, intake, 200, TEXT_PLAIN, SLICE("User-agent: * \nDisallow: / \n"));
}

/* Nothing here needs escaping: it is our own table. */
void gateway_handle_docs(struct worker *worker, struct http_request *request, struct intake *intake) {
    (void)request;
    struct buf *out = &worker->page;
    buf_reset(out);
    buf_append(out,
        SLICE("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Sluice: HTTP routes</title>"
              "<h1>HTTP routes</h1><table><tr><th>Method<th>Path<th>What it does\n"));
    size_t count = 0;
    const struct gateway_route *rows = gateway_routes(&count);
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "<tr><td>%s<td><code>%s</code><td>%s\n", rows[i].method, rows[i].path, rows[i].summary);
    }
    buf_append(out, SLICE("</table></html>\n"));
    gateway_respond_page(worker, intake, 200, SLICE("text/html; charset=utf-8"), buf_slice(out));
}

void gateway_handle_extra(struct worker *worker, struct http_request *request, struct intake *intake) {
    const struct gateway_deps *deps = &worker->gateway->deps;
    struct slice type = TEXT_PLAIN;
    buf_reset(&worker->page);
    if (!deps->extra(deps->extra_ctx, request->path, &worker->page, &type)) {
        gateway_refuse(worker, intake, ERR_NOT_HERE, SLICE_NONE, /* wait_ms: */ 0);
        return;
    }
    gateway_respond_page(worker, intake, 200, type, buf_slice(&worker->page));
}

/* ---- what SDKs fetch ---- */

/* NULL when the request has been refused. */
static const struct source *source_of_reader(
    struct worker *worker, struct http_request *request, struct intake *intake) {
    char decoded[GATEWAY_WRITE_KEY_MAX];
    struct slice key;
    enum err err = gateway_basic_user(request, decoded, &key);
    if (err == ERR_NOT_FOUND) {
        err = http_request_query(request, SLICE("writeKey"), &key) && key.len > 0 ? OK : ERR_NO_WRITE_KEY;
    }
    const struct source *source = err == OK ? gateway_source_find(worker, intake, key) : NULL;
    if (source == NULL) {
        gateway_refuse(worker, intake, err != OK ? err : ERR_BAD_WRITE_KEY, SLICE_NONE, /* wait_ms: */ 0);
    }
    return source;
}

/* A key with {"enabled":false}. */
static void put_off(struct json_writer *w, const char *key) {
    json_write_key(w, slice_cstr(key));
    json_write_object(w);
    json_put_bool(w, "enabled", false);
    json_write_end(w);
}

static void write_source(struct json_writer *w, const struct source *source, const struct workspace_info *info) {
    json_put_string(w, "id", source->id);
    json_put_string(w, "name", source->name);
    json_put_string(w, "writeKey", source->write_key);
    json_put_string(w, "workspaceId", info->id);
    json_put_bool(w, "enabled", source->enabled);
    json_write_key(w, SLICE("config"));
    json_write_object(w);
    json_write_key(w, SLICE("statsCollection"));
    json_write_object(w);
    put_off(w, "errors");
    put_off(w, "metrics");
    json_write_end(w);
    json_write_end(w);
    json_write_key(w, SLICE("sourceDefinition"));
    json_write_object(w);
    json_put_string(w, "name", source->definition);
    json_put_string(w, "displayName", source->definition);
    json_put_string(w, "category", source->category);
    json_write_end(w);
    json_write_key(w, SLICE("destinations"));
    json_write_array(w); /* of device mode; no destination type has one yet */
    json_write_end(w);
    json_put_time(w, "updatedAt", info->loaded_ms);
}

static void respond_cached(struct worker *worker, struct intake *intake) {
    struct http_request *request = intake->request;
    struct slice body = buf_slice(&worker->page);
    struct slice tag = arena_printf(&request->arena, "\"%016lx\"", (unsigned long)hash64(body));
    struct http_header headers[] = {{SLICE("Cache-Control"), SLICE("private, max-age=60")}, {SLICE("ETag"), tag}};
    struct slice seen;
    bool same = http_request_header(request, SLICE("if-none-match"), &seen) && slice_eq(seen, tag);
    struct http_response response = {.status = same ? 304 : 200,
        .content_type = same ? SLICE_NONE : JSON_TYPE,
        .body = same ? SLICE_NONE : body,
        .headers = headers,
        .header_count = COUNT_OF(headers)};
    gateway_respond(worker, intake, &response);
}

void gateway_handle_source_config(struct worker *worker, struct http_request *request, struct intake *intake) {
    const struct source *source = source_of_reader(worker, request, intake);
    if (source == NULL) {
        return;
    }
    const struct workspace_info *info = workspace_info(worker->workspace);
    struct json_writer w = page_begin(worker);
    json_write_key(&w, SLICE("source"));
    json_write_object(&w);
    write_source(&w, source, info);
    json_write_end(&w);
    json_put_time(&w, "updatedAt", info->loaded_ms);
    json_write_end(&w);
    respond_cached(worker, intake);
}

static void put_empty(struct json_writer *w, const char *key, bool is_array) {
    json_write_key(w, slice_cstr(key));
    if (is_array) {
        json_write_array(w);
    } else {
        json_write_object(w);
    }
    json_write_end(w);
}

/* Segment.io's part: where the browser client sends events, which is here. */
static void write_segment(struct json_writer *w, struct http_request *request, struct slice key) {
    struct slice host = SLICE("localhost");
    struct slice protocol;
    (void)http_request_header(request, SLICE("host"), &host); /* without one: HTTP/1.0 */
    bool tls =
        http_request_header(request, SLICE("x-forwarded-proto"), &protocol) && slice_eq(protocol, SLICE("https"));
    json_put_string(w, "apiKey", key);
    json_put_string(w, "apiHost", arena_printf(&request->arena, "%.*s/v1", SLICE_ARG(host)));
    json_put_cstr(w, "protocol", tls ? "https" : "http");
    put_empty(w, "unbundledIntegrations", /* is_array: */ true);
    put_empty(w, "maybeBundledConfigIds", /* is_array: */ false);
    json_put_bool(w, "addBundledMetadata", true);
    json_write_key(w, SLICE("versionSettings"));
    json_write_object(w);
    json_put_cstr(w, "version", "4.4.7");
    json_write_key(w, SLICE("componentTypes"));
    json_write_array(w);
    json_write_string(w, SLICE("browser"));
    json_write_end(w);
    json_write_end(w);
}

/* Every event is wanted: {"<type>":{"__default":{"enabled":true,"integrations":{}}}}. */
static void write_plan(struct json_writer *w) {
    static const char *const types[] = {"track", "identify", "group"};
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        json_write_key(w, slice_cstr(types[i]));
        json_write_object(w);
        json_write_key(w, SLICE("__default"));
        json_write_object(w);
        json_put_bool(w, "enabled", true);
        put_empty(w, "integrations", /* is_array: */ false);
        json_write_end(w);
        json_write_end(w);
    }
}

static void write_settings(struct json_writer *w, struct http_request *request, struct slice key) {
    json_write_key(w, SLICE("integrations"));
    json_write_object(w);
    json_write_key(w, SLICE("Segment.io"));
    json_write_object(w);
    write_segment(w, request, key);
    json_write_end(w);
    json_write_end(w);
    json_write_key(w, SLICE("plan"));
    json_write_object(w);
    write_plan(w);
    json_write_end(w);
    put_empty(w, "edgeFunction", /* is_array: */ false);
    json_put_bool(w, "analyticsNextEnabled", true);
    put_empty(w, "middlewareSettings", /* is_array: */ false);
    put_empty(w, "enabledMiddleware", /* is_array: */ false);
    json_write_key(w, SLICE("metrics"));
    json_write_object(w);
    json_put_u64(w, "sampleRate", 0);
    json_write_end(w);
    json_put_bool(w, "legacyVideoPluginsEnabled", false);
    put_empty(w, "remotePlugins", /* is_array: */ true);
}

void gateway_handle_settings(struct worker *worker, struct http_request *request, struct intake *intake) {
    struct slice coded = gateway_route_argument(intake->route, request->path);
    char *text = arena_alloc(&request->arena, coded.len + 1);
    struct slice key = slice_of(text, http_url_decode(coded, text));
    const struct source *source = gateway_source_find(worker, intake, key);
    if (source == NULL || !source->enabled) {
        gateway_refuse(
            worker, intake, source == NULL ? ERR_BAD_WRITE_KEY : ERR_SOURCE_DISABLED, SLICE_NONE, /* wait_ms: */ 0);
        return;
    }
    struct json_writer w = page_begin(worker);
    write_settings(&w, request, key);
    json_write_end(&w);
    respond_cached(worker, intake);
}
