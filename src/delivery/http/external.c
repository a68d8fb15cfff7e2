/* Asking an external transformer. What it can do (/features) is asked first, and again after a while: types that it
 * batches go to /routerTransform, the others to /v0/destinations/<type>. */
#include "delivery/http/external_internal.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "json/json_write.h"

enum { DEPTH = 128, FEATURES_MS = 60000, URL_BYTES = 2000 };

static struct {
    struct slice url, types; /* "" = no service; types: separated by commas */
    int64_t timeout_ms;
    bool takes_code;
} service;

/* What the service can do, as of `until`. */
static struct {
    pthread_mutex_t lock;
    int64_t until_ms;
    struct buf router_types; /* "HS MARKETO " */
} features = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct external_settings {
    struct slice type, lower, config;
};

struct external_run {
    struct http_call call; /* first */
    struct kind_run *run;
    struct json_parser *parser;
    bool asks_features, router;
};

/* ---- configuration ---- */

enum err external_configure(const struct delivery_conf *conf, struct errinfo *why) {
    struct slice url = slice_trim(conf->transformer_url);
    while (url.len > 0 && url.ptr[url.len - 1] == '/') {
        url.len--;
    }
    if (url.len > URL_BYTES) {
        return err_why(ERR_RANGE, why, "delivery.transformer_url", "%zu bytes; %d are allowed", url.len, URL_BYTES);
    }
    if (url.len > 0 && http_url_check(url, why) != OK) {
        return err_why(ERR_INVALID, why, "delivery.transformer_url", "is no http or https URL");
    }
    service.url = url;
    service.types = conf->transformer_types;
    service.timeout_ms = conf->transformer_timeout;
    service.takes_code = conf->transformer_code;
    return OK;
}

bool external_is_there(void) {
    return service.url.len > 0;
}

bool external_takes_code(void) {
    return external_is_there() && service.takes_code;
}

static bool is_listed(struct slice list, char separator, struct slice word) {
    while (list.len > 0) {
        struct slice one = slice_trim(slice_cut(list, separator, &list));
        if (slice_eq_nocase(one, word)) {
            return true;
        }
    }
    return false;
}

bool external_wants(struct slice type) {
    return external_is_there() && is_listed(service.types, ',', type);
}

static struct slice lower(struct slice text, struct arena *arena) {
    char *out = arena_alloc(arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++) {
        out[i] = (char)(text.ptr[i] >= 'A' && text.ptr[i] <= 'Z' ? text.ptr[i] - 'A' + 'a' : text.ptr[i]);
    }
    return slice_of(out, text.len);
}

static enum err external_open(struct slice type, struct slice config, struct json_parser *parser, struct arena *arena,
    const void **ret_settings, struct errinfo *why) {
    struct json_doc doc;
    if (json_parse(parser, config, &doc, why) != OK) {
        return err_why(ERR_INVALID, why, "config", "is no JSON");
    }
    struct external_settings *settings = ARENA_NEW(arena, struct external_settings);
    *settings = (struct external_settings){
        .type = arena_dup(arena, type), .lower = lower(type, arena), .config = arena_dup(arena, json_raw(&doc, 0))};
    *ret_settings = settings;
    return OK;
}

/* ---- what it can do ---- */

/* False: nobody has asked for a while. */
static bool router_known(struct slice type, bool *ret_router) {
    pthread_mutex_lock(&features.lock);
    bool known = features.until_ms > clock_ms();
    *ret_router = known && is_listed(buf_slice(&features.router_types), ' ', type);
    pthread_mutex_unlock(&features.lock);
    return known;
}

static void keep_features(struct slice router_types) {
    pthread_mutex_lock(&features.lock);
    buf_reset(&features.router_types);
    buf_append(&features.router_types, router_types);
    features.until_ms = clock_ms() + FEATURES_MS;
    pthread_mutex_unlock(&features.lock);
}

/* {"routerTransform": {"HS": true, …}, …} */
static enum err read_features(struct external_run *x, struct slice text, struct errinfo *why) {
    struct json_doc doc;
    if (json_parse(x->parser, text, &doc, NULL) != OK || !json_is(&doc, 0, JSON_OBJECT)) {
        return err_why(
            ERR_UNAVAILABLE, why, "delivery.transformer_url", "the transformer's features are no JSON object");
    }
    struct buf types;
    buf_init(&types, 0);
    uint32_t router = json_find(&doc, 0, SLICE("routerTransform"));
    bool listed = json_is(&doc, router, JSON_OBJECT);
    uint32_t key = listed ? json_first(&doc, router) : JSON_ABSENT;
    for (; key != JSON_ABSENT; key = json_after(&doc, router, key)) {
        if (json_is(&doc, key + 1, JSON_TRUE)) {
            buf_append(&types, json_string(&doc, key, x->run->arena));
            buf_append_byte(&types, ' ');
        }
    }
    keep_features(buf_slice(&types));
    buf_fini(&types);
    return OK;
}

/* ---- the question ---- */

static struct slice text_in(const struct json_doc *doc, const char *key, struct arena *arena) {
    uint32_t node = json_find(doc, 0, slice_cstr(key));
    return json_is(doc, node, JSON_STRING) ? json_string(doc, node, arena) : SLICE("");
}

/* The names are the protocol's, capitals and all. */
static void write_destination(const struct external_run *x, const struct json_doc *metadata, struct json_writer *w) {
    const struct external_settings *settings = x->run->settings;
    struct arena *arena = x->run->arena;
    json_write_key(w, SLICE("destination"));
    json_write_object(w);
    json_put_string(w, "ID", text_in(metadata, "destinationId", arena));
    json_put_string(w, "Name", text_in(metadata, "destinationName", arena));
    json_write_key(w, SLICE("DestinationDefinition"));
    json_write_object(w);
    json_put_string(w, "ID", text_in(metadata, "destinationDefinitionId", arena));
    json_put_string(w, "Name", settings->type);
    json_put_string(w, "DisplayName", settings->type);
    json_put_raw(w, "Config", SLICE("{}"));
    json_write_end(w);
    json_put_raw(w, "Config", settings->config);
    json_put_bool(w, "Enabled", true);
    json_put_string(w, "WorkspaceID", text_in(metadata, "workspaceId", arena));
    json_put_raw(w, "Transformations", SLICE("[]"));
    json_put_bool(w, "IsProcessorEnabled", true);
    json_put_string(w, "RevisionID", SLICE(""));
    json_write_end(w);
}

static void write_metadata(uint32_t job, struct slice message_id, const struct json_doc *metadata, struct arena *arena,
    struct json_writer *w) {
    json_write_key(w, SLICE("metadata"));
    json_write_object(w);
    for (uint32_t key = json_first(metadata, 0); key != JSON_ABSENT; key = json_after(metadata, 0, key)) {
        json_write_key(w, json_string(metadata, key, arena));
        json_write_raw(w, json_raw(metadata, key + 1));
    }
    json_put_u64(w, "jobId", job);
    json_put_string(w, "messageId", message_id);
    json_write_end(w);
}

static struct slice padded(struct slice text, struct arena *arena) {
    char *copy = arena_alloc(arena, text.len + JSON_PADDING);
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    return slice_of(copy, text.len);
}

static enum err write_event(struct external_run *x, uint32_t number, struct json_writer *w) {
    const struct destination_event *event = &x->run->events[number];
    struct json_doc doc;
    struct slice raw = event->message;
    enum err e = json_parse(x->parser, raw, &doc, NULL);
    struct slice message_id = e == OK ? text_in(&doc, "messageId", x->run->arena) : SLICE("");
    raw = e == OK ? json_raw(&doc, 0) : raw;
    struct slice metadata = padded(event->metadata.len > 0 ? event->metadata : SLICE("{}"), x->run->arena);
    e = e == OK ? json_parse(x->parser, metadata, &doc, NULL) : e;
    if (e == OK) {
        json_write_object(w);
        json_put_raw(w, "message", raw);
        write_metadata(number, message_id, &doc, x->run->arena, w);
        write_destination(x, &doc, w);
        if (event->connection.len > 0) {
            json_put_raw(w, "connection", event->connection);
        }
        json_write_end(w);
    }
    return e;
}

static enum err question(struct external_run *x, struct slice *ret_text) {
    const struct external_settings *settings = x->run->settings;
    struct buf out;
    struct json_writer w;
    enum err e = OK;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    if (x->router) {
        json_write_object(&w);
        json_write_key(&w, SLICE("input"));
    }
    json_write_array(&w);
    for (uint32_t i = 0; i < x->run->count && e == OK; i++) {
        e = write_event(x, i, &w);
    }
    json_write_end(&w);
    if (x->router) {
        json_put_string(&w, "destType", settings->lower);
        json_write_end(&w);
    }
    *ret_text = buf_keep(&out, x->run->arena);
    return e;
}

/* ---- asking ---- */

static void end(struct external_run *x, enum err e, const struct errinfo *why) {
    struct kind_run *run = x->run;
    run->give_up = NULL;
    json_parser_free(x->parser);
    x->parser = NULL;
    run->on_done(run, e, why);
}

static void fail(struct external_run *x, const char *text) {
    struct errinfo why = {.at = 0};
    enum err e = err_why(ERR_UNAVAILABLE, &why, "delivery.transformer_url", "%s", text);
    end(x, e, &why);
}

static void ask(struct external_run *x);

static bool header_is(const struct http_result *result, struct slice name, struct slice value) {
    for (size_t i = 0; i < result->header_count; i++) {
        if (slice_eq_nocase(result->headers[i].name, name)) {
            return slice_eq(slice_trim(result->headers[i].value), value);
        }
    }
    return false;
}

const char *external_fault(const struct http_result *result, bool versioned) {
    if (result->err != OK) {
        return "the transformer cannot be reached";
    }
    if (result->status != 200) {
        return "the transformer did not answer 200";
    }
    if (result->body_cut) {
        return "the transformer's answer is too large";
    }
    return !versioned || header_is(result, SLICE("apiVersion"), SLICE("2"))
        ? NULL
        : "the transformer's answer has no header apiVersion: 2";
}

static void on_features(struct external_run *x, const struct http_result *result) {
    static const struct slice of_old_services = SLICE("MARKETO HS ");
    struct errinfo why = {.at = 0};
    const char *fault = external_fault(result, /* versioned: */ false);
    if (result->err == OK && result->status == 404) {
        keep_features(of_old_services);
    } else if (fault != NULL) {
        fail(x, fault);
        return;
    } else if (read_features(x, padded(result->body, x->run->arena), &why) != OK) {
        end(x, ERR_UNAVAILABLE, &why);
        return;
    }
    x->asks_features = false;
    ask(x);
}

static void on_answer(struct http_call *call, const struct http_result *result) {
    struct external_run *x = CONTAINER_OF(call, struct external_run, call);
    struct errinfo why = {.at = 0};
    if (x->asks_features) {
        on_features(x, result);
        return;
    }
    const char *fault = external_fault(result, /* versioned: */ true);
    if (fault != NULL) {
        fail(x, fault);
        return;
    }
    enum err e = external_answer_read(x->run, padded(result->body, x->run->arena), x->router, x->parser, &why);
    end(x, e, &why);
}

static void give_up(struct kind_run *run) {
    struct external_run *x = run->own;
    http_client_cancel(run->client, &x->call);
    fail(x, "given up");
}

struct http_call external_call(
    struct arena *arena, enum http_method method, const char *path, struct slice name, struct slice body) {
    static const struct http_header headers[] = {{SLICE("Content-Type"), SLICE("application/json; charset=utf-8")},
        {SLICE("X-Feature-Gzip-Support"), SLICE("?1")}, {SLICE("X-Feature-Filter-Code"), SLICE("?1")}};
    return (struct http_call){.method = method,
        .url = arena_printf(arena, "%.*s%s%.*s", SLICE_ARG(service.url), path, SLICE_ARG(name)),
        .headers = headers,
        .header_count = COUNT_OF(headers),
        .body = body,
        .timeout_ms = service.timeout_ms,
        .allow_private = true,
        .want_headers = true};
}

static void send_call(
    struct external_run *x, enum http_method method, const char *path, struct slice name, struct slice body) {
    struct errinfo why = {.at = 0};
    x->call = external_call(x->run->arena, method, path, name, body);
    x->call.on_done = on_answer;
    x->run->own = x;
    x->run->give_up = give_up;
    if (http_client_send(x->run->client, &x->call, &why) != OK) {
        fail(x, why.text);
    }
}

static void ask(struct external_run *x) {
    const struct external_settings *settings = x->run->settings;
    struct slice body;
    if (!router_known(settings->type, &x->router)) {
        x->asks_features = true;
        send_call(x, HTTP_METHOD_GET, "/features", SLICE(""), SLICE(""));
        return;
    }
    struct errinfo why = {.at = 0};
    enum err e = question(x, &body);
    if (e != OK) {
        (void)err_why(e, &why, "event", "is no JSON");
        end(x, e, &why);
        return;
    }
    if (x->router) {
        send_call(x, HTTP_METHOD_POST, "/routerTransform", SLICE(""), body);
    } else {
        send_call(x, HTTP_METHOD_POST, "/v0/destinations/", settings->lower, body);
    }
}

static void external_run_events(struct kind_run *run) {
    struct external_run *x = ARENA_NEW(run->arena, struct external_run);
    x->run = run;
    x->parser = json_parser_new(DEPTH);
    ask(x);
}

const struct delivery_kind delivery_external = {.open = external_open, .run = external_run_events};
