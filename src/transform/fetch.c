/* fetch, fetchV2 and geolocation by the server's HTTP client: http and https only, no private addresses on any hop, a
 * time-out, a ceiling for the answer. Texts of errors are the original's. */
#include <arpa/inet.h>
#include <stdio.h>

#include "transform/transform_internal.h"
#include "json/json_write.h"

enum { REDIRECTS = 20, CONNECTIONS = 64, PER_HOST = 16, CONNECT_MS = 5000, GEOLOCATION_MS = 1000, ADDRESS_SIZE = 64 };

/* ---- answers ---- */

static void answer_error(struct ask *ask, const char *text, const char *detail) {
    struct slice whole = arena_printf(&ask->arena, "%s%s", text, detail);
    struct buf out;
    struct json_writer json;
    buf_init(&out, 0);
    json_writer_init(&json, &out);
    json_write_object(&json);
    json_put_string(&json, "error", whole);
    json_write_end(&json);
    transform_ask_answer(&ask->public, buf_slice(&out));
    buf_fini(&out);
}

static struct slice lower(struct arena *arena, struct slice name) {
    struct slice copy = arena_dup(arena, name);
    for (size_t i = 0; i < copy.len; i++) {
        char *c = (char *)(uintptr_t)&copy.ptr[i]; /* ours: just made */
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c + ('a' - 'A')) : *c;
    }
    return copy;
}

/* Names in lower case; values of one name joined by ", ". */
static void write_headers(struct json_writer *json, struct arena *arena, const struct http_result *result) {
    json_write_object(json);
    for (size_t i = 0; i < result->header_count; i++) {
        struct slice name = result->headers[i].name;
        bool seen = false;
        for (size_t j = 0; j < i && !seen; j++) {
            seen = slice_eq_nocase(result->headers[j].name, name);
        }
        if (seen) {
            continue;
        }
        struct slice value = result->headers[i].value;
        for (size_t j = i + 1; j < result->header_count; j++) {
            if (slice_eq_nocase(result->headers[j].name, name)) {
                value = arena_printf(arena, "%.*s, %.*s", SLICE_ARG(value), SLICE_ARG(result->headers[j].value));
            }
        }
        json_write_key(json, lower(arena, name));
        json_write_string(json, value);
    }
    json_write_end(json);
}

static void answer_response(struct ask *ask, const struct http_result *result) {
    struct buf out;
    struct json_writer json;
    buf_init(&out, 0);
    json_writer_init(&json, &out);
    json_write_object(&json);
    json_put_string(&json, "url", result->url);
    json_put_i64(&json, "status", result->status);
    json_write_key(&json, SLICE("headers"));
    write_headers(&json, &ask->arena, result);
    json_put_string(&json, "body", result->body);
    json_write_end(&json);
    transform_ask_answer(&ask->public, buf_slice(&out));
    buf_fini(&out);
}

/* The host of a URL that has passed refuse_url, without the brackets of an IPv6 address. */
static struct slice host_of(struct slice url) {
    size_t from = 0, to = 0;
    while (from + 2 < url.len && !slice_starts(slice_of(url.ptr + from, url.len - from), SLICE("://"))) {
        from++;
    }
    from += SLICE("://").len;
    for (to = from; to < url.len && memchr("/?#", url.ptr[to], 3) == NULL; to++) {
        from = url.ptr[to] == '@' ? to + 1 : from;
    }
    if (from < to && url.ptr[from] == '[') {
        struct slice rest;
        return slice_cut(slice_of(url.ptr + from + 1, to - from - 1), ']', &rest);
    }
    struct slice port;
    return slice_cut(slice_of(url.ptr + from, from < to ? to - from : 0), ':', &port);
}

/* 127.0.0.1, but also 127.1 and 0x7f000001 */
static bool is_literal(struct slice host) {
    struct slice last = host, rest = host;
    while (rest.len > 0) {
        last = slice_cut(rest, '.', &rest);
    }
    return memchr(host.ptr, ':', host.len) != NULL || (last.len > 0 && last.ptr[0] >= '0' && last.ptr[0] <= '9');
}

static void answer_failure(struct ask *ask, const struct http_result *result) {
    struct slice host = host_of(result->url.len > 0 ? result->url : ask->call.url);
    if (result->err == ERR_DENIED && is_literal(host)) {
        answer_error(ask, "blocked request to non-public address: ", result->refused_address);
    } else if (result->err == ERR_DENIED) {
        struct slice text =
            arena_printf(&ask->arena, "cannot use %s as IP address for %.*s", result->refused_address, SLICE_ARG(host));
        answer_error(ask, text.ptr, "");
    } else if (result->unresolved) {
        answer_error(ask, "unable to resolve IP address for ", arena_dup(&ask->arena, host).ptr);
    } else {
        answer_error(ask, "request failed: ", result->text);
    }
}

static bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static void on_fetched(struct http_call *call, const struct http_result *result) {
    struct ask *ask = CONTAINER_OF(call, struct ask, call);
    ask->is_open = false;
    if (result->err != OK) {
        answer_failure(ask, result);
    } else if (result->body_cut) {
        answer_error(ask, "the response is larger than transform.fetch_bytes", "");
    } else if (result->broken) {
        answer_error(ask, "request failed: the answer broke off", "");
    } else if (ask->refuse_redirects && is_redirect(result->status)) {
        answer_error(ask, "uri requested responds with a redirect, redirect mode is set to error", "");
    } else {
        answer_response(ask, result);
    }
}

/* ---- sending ---- */

static struct http_client *client_of(struct transform *transform) {
    if (transform->client == NULL) {
        const struct http_client_conf conf = {.connections = CONNECTIONS,
            .connections_per_host = PER_HOST,
            .connect_ms = CONNECT_MS,
            .allow_private = transform->conf.fetch_private,
            .response_bytes = transform->conf.fetch_bytes};
        transform->client = http_client_new(transform->loop, &conf);
    }
    return transform->client;
}

static struct http_client *requests_of(struct transform *transform) {
    if (transform->deps.requests.connections == 0) {
        return client_of(transform);
    }
    if (transform->requests == NULL) {
        transform->requests = http_client_new(transform->loop, &transform->deps.requests);
    }
    return transform->requests;
}

static void send_call(struct ask *ask, struct http_client *client) {
    struct errinfo why = {.at = 0};
    ask->is_open = true;
    ask->client = client;
    if (http_client_send(client, &ask->call, &why) != OK) {
        ask->is_open = false;
        answer_error(ask, "request failed: ", why.text);
    }
}

/* NULL: fine; else why not. */
static const char *refuse_url(struct slice url) {
    size_t scheme = 0;
    while (scheme < url.len && url.ptr[scheme] != ':' && url.ptr[scheme] != '/') {
        scheme++;
    }
    if (scheme == 0 || scheme >= url.len || url.ptr[scheme] != ':') {
        return "invalid url, Invalid URL";
    }
    struct slice word = slice_of(url.ptr, scheme);
    if (!slice_eq_nocase(word, SLICE("http")) && !slice_eq_nocase(word, SLICE("https"))) {
        return "invalid protocol, only http and https are supported";
    }
    return http_url_check(url, NULL) != OK ? "invalid url, Invalid URL" : NULL;
}

/* A URL as browsers write it: spaces and the like escaped, line breaks gone, what is escaped left alone. */
static struct slice written_url(struct arena *arena, struct slice url) {
    char *out = arena_alloc(arena, url.len * 3 + 1);
    size_t len = 0, slashes = 0;
    bool query = false;
    for (size_t i = 0; i < url.len; i++) {
        unsigned char c = (unsigned char)(url.ptr[i] == '\\' && !query ? '/' : url.ptr[i]);
        bool host = slashes < 3 && !query;
        bool plain = c > ' ' && c < 0x7f && strchr(query ? "\"<>'" : "\"<>`{}", c) == NULL;
        if (c == '\t' || c == '\n' || c == '\r') {
            continue;
        }
        slashes += c == '/';
        query = query || c == '?' || c == '#';
        if (plain || host) {
            out[len++] = (char)c;
        } else {
            len += http_url_escape((char)c, out + len);
        }
    }
    return slice_of(out, len);
}

/* A header's value: text as it is, a list joined, anything else as JSON writes it. */
static struct slice header_value(struct ask *ask, const struct json_doc *doc, uint32_t node) {
    if (json_is(doc, node, JSON_STRING)) {
        return json_string(doc, node, &ask->arena);
    }
    if (!json_is(doc, node, JSON_ARRAY)) {
        return json_raw(doc, node);
    }
    struct slice joined = SLICE("");
    for (uint32_t at = json_first(doc, node); at != JSON_ABSENT; at = json_after(doc, node, at)) {
        struct slice each = json_is(doc, at, JSON_STRING) ? json_string(doc, at, &ask->arena) : json_raw(doc, at);
        joined =
            arena_printf(&ask->arena, "%.*s%s%.*s", SLICE_ARG(joined), joined.len > 0 ? ", " : "", SLICE_ARG(each));
    }
    return joined;
}

struct header_list {
    struct http_header *at;
    size_t count;
};

static bool has_header(const struct header_list *list, struct slice name) {
    for (size_t i = 0; i < list->count; i++) {
        if (slice_eq_nocase(list->at[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* {name: value} or [[name, value]] */
static void read_headers(struct ask *ask, const struct json_doc *doc, uint32_t node, struct header_list *list) {
    bool pairs = json_is(doc, node, JSON_ARRAY);
    bool any = pairs || json_is(doc, node, JSON_OBJECT);
    list->at = ARENA_ARRAY(&ask->arena, struct http_header, (any ? json_count(doc, node) : 0) + 2);
    for (uint32_t at = any ? json_first(doc, node) : JSON_ABSENT; at != JSON_ABSENT; at = json_after(doc, node, at)) {
        uint32_t name = !pairs ? at : json_is(doc, at, JSON_ARRAY) ? json_first(doc, at) : JSON_ABSENT;
        uint32_t value = !pairs ? at + 1 : name != JSON_ABSENT ? json_after(doc, at, name) : JSON_ABSENT;
        if (value != JSON_ABSENT && (!pairs || json_is(doc, name, JSON_STRING))) {
            list->at[list->count++] =
                (struct http_header){json_string(doc, name, &ask->arena), header_value(ask, doc, value)};
        }
    }
}

/* The code's headers, and those that it may leave out. */
static void set_headers(struct ask *ask, const struct json_doc *doc, uint32_t node) {
    struct header_list list = {.count = 0};
    read_headers(ask, doc, node, &list);
    if (ask->call.body.len > 0 && !has_header(&list, SLICE("content-type"))) {
        list.at[list.count++] = (struct http_header){SLICE("Content-Type"), SLICE("text/plain;charset=UTF-8")};
    }
    if (!has_header(&list, SLICE("user-agent"))) {
        list.at[list.count++] = (struct http_header){SLICE("User-Agent"), SLICE("sluice-transform")};
    }
    ask->call.headers = list.at;
    ask->call.header_count = list.count;
}

static void set_redirects(struct ask *ask, const struct json_doc *doc, uint32_t options) {
    uint32_t mode_at = json_find(doc, options, SLICE("redirect"));
    uint32_t follow_at = json_find(doc, options, SLICE("follow"));
    struct slice mode = json_is(doc, mode_at, JSON_STRING) ? json_string(doc, mode_at, &ask->arena) : SLICE("follow");
    int64_t most = REDIRECTS;
    if (json_is(doc, follow_at, JSON_NUMBER) && (json_i64(doc, follow_at, &most) != OK || most > REDIRECTS)) {
        most = REDIRECTS;
    }
    bool follows = slice_eq(mode, SLICE("follow")) && most > 0;
    ask->call.redirects = follows ? (uint8_t)most : 0;
    ask->refuse_redirects = !follows && !slice_eq(mode, SLICE("manual"));
}

static void set_options(struct ask *ask, const struct json_doc *doc, uint32_t options) {
    struct http_call *call = &ask->call;
    uint32_t at = json_find(doc, options, SLICE("method"));
    if (json_is(doc, at, JSON_STRING)) {
        struct slice name = json_string(doc, at, &ask->arena);
        char upper[16] = "";
        for (size_t i = 0; i < name.len && i < sizeof upper - 1; i++) {
            upper[i] = name.ptr[i] >= 'a' && name.ptr[i] <= 'z' ? (char)(name.ptr[i] - ('a' - 'A')) : name.ptr[i];
        }
        call->method = http_method_parse(slice_cstr(upper));
    }
    at = json_find(doc, options, SLICE("body"));
    if (at != JSON_ABSENT && !json_is(doc, at, JSON_NULL)) {
        call->body = json_is(doc, at, JSON_STRING) ? json_string(doc, at, &ask->arena) : json_raw(doc, at);
    }
    int64_t timeout = 0;
    if (json_i64(doc, json_find(doc, options, SLICE("timeout")), &timeout) == OK && timeout > 0 &&
        timeout < call->timeout_ms) {
        call->timeout_ms = timeout;
    }
    set_redirects(ask, doc, options);
}

/* What is given for a URL or an address, and is a text that says something; else the promise is rejected. */
static bool get_text(struct ask *ask, const struct json_doc *doc, uint32_t node, const char *missing, const char *wrong,
    struct slice *ret_text) {
    *ret_text = json_is(doc, node, JSON_STRING) ? json_string(doc, node, &ask->arena) : SLICE("");
    bool none = node == JSON_ABSENT || json_is(doc, node, JSON_NULL) || json_is(doc, node, JSON_FALSE) ||
        slice_eq(json_raw(doc, node), SLICE("0"));
    if (ret_text->len == 0) {
        answer_error(ask, none || json_is(doc, node, JSON_STRING) ? missing : wrong, "");
    }
    return ret_text->len > 0;
}

void fetch_begin(struct ask *ask, const struct json_doc *doc, uint32_t parameters) {
    uint32_t url_at = json_first(doc, parameters);
    uint32_t options = url_at == JSON_ABSENT ? JSON_ABSENT : json_after(doc, parameters, url_at);
    struct slice url;
    if (!get_text(ask, doc, url_at, "fetch url is required", "invalid url, Invalid URL", &url)) {
        return;
    }
    url = written_url(&ask->arena, slice_trim(url));
    const char *refusal = url.len == 0 ? "fetch url is required" : refuse_url(url);
    if (refusal != NULL) {
        answer_error(ask, refusal, "");
        return;
    }
    ask->call = (struct http_call){.method = HTTP_METHOD_GET,
        .url = url,
        .timeout_ms = ask->transform->conf.fetch_time,
        .want_headers = true,
        .unpack = true,
        .redirects = REDIRECTS,
        .on_done = on_fetched};
    if (json_is(doc, options, JSON_OBJECT)) {
        set_options(ask, doc, options);
        bool bare = ask->call.method == HTTP_METHOD_GET || ask->call.method == HTTP_METHOD_HEAD;
        if (bare && ask->call.body.ptr != NULL) {
            answer_error(ask, "Request with GET/HEAD method cannot have body", "");
            return;
        }
        set_headers(ask, doc, json_find(doc, options, SLICE("headers")));
    } else {
        set_headers(ask, doc, JSON_ABSENT);
    }
    send_call(ask, client_of(ask->transform));
}

void transform_ask_send(struct transform_ask *public, const struct transform_request *request) {
    struct ask *ask = CONTAINER_OF(public, struct ask, public);
    int64_t limit_ms = ask->transform->conf.fetch_time;
    const char *refusal = refuse_url(request->url);
    ask->on_answer = request->on_answer;
    ask->answer_ctx = request->ctx;
    if (refusal != NULL) {
        answer_error(ask, refusal, "");
        return;
    }
    ask->call = (struct http_call){.method = request->method,
        .url = request->url,
        .headers = request->headers,
        .header_count = request->header_count,
        .body = request->body,
        .timeout_ms = request->timeout_ms > 0 && request->timeout_ms < limit_ms ? request->timeout_ms : limit_ms,
        .want_headers = true,
        .redirects = REDIRECTS,
        .on_done = on_fetched};
    send_call(ask, requests_of(ask->transform));
}

/* ---- geolocation ---- */

static void on_located(struct http_call *call, const struct http_result *result) {
    struct ask *ask = CONTAINER_OF(call, struct ask, call);
    ask->is_open = false;
    if (result->err != OK) {
        answer_error(ask, "request to fetch geolocation failed: ", result->text);
        return;
    }
    char status[16];
    snprintf(status, sizeof status, "%d", result->status);
    if (result->status != 200) {
        answer_error(ask, "request to fetch geolocation failed with status code: ", status);
        return;
    }
    struct json_doc doc;
    char *copy = arena_alloc(&ask->arena, result->body.len + JSON_PADDING);
    memcpy(copy, result->body.ptr, result->body.len);
    struct slice body = slice_of(copy, result->body.len);
    if (json_parse(ask->transform->parser, body, &doc, NULL) != OK) {
        answer_error(ask, "the geolocation service gave no JSON", "");
        return;
    }
    struct buf out;
    struct json_writer json;
    buf_init(&out, 0);
    json_writer_init(&json, &out);
    json_write_object(&json);
    json_put_raw(&json, "value", body);
    json_write_end(&json);
    transform_ask_answer(&ask->public, buf_slice(&out));
    buf_fini(&out);
}

static bool is_address(struct slice text) {
    char copy[ADDRESS_SIZE];
    unsigned char bytes[sizeof(struct in6_addr)];
    if (text.len >= sizeof copy) {
        return false;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return inet_pton(AF_INET, copy, bytes) == 1 || inet_pton(AF_INET6, copy, bytes) == 1;
}

/* From the database, which is opened when it is first asked. */
static void answer_from_database(struct ask *ask, struct slice ip) {
    struct transform *transform = ask->transform;
    struct errinfo why = {.at = 0};
    if (transform->geo == NULL && geo_open(transform->conf.geo_database.ptr, &transform->geo, &why) != OK) {
        answer_error(ask, "transform.geo_database: ", why.text);
        return;
    }
    struct buf out;
    struct json_writer json;
    buf_init(&out, 0);
    json_writer_init(&json, &out);
    json_write_object(&json);
    json_write_key(&json, SLICE("value"));
    enum err e = geo_write(transform->geo, arena_dup(&ask->arena, ip).ptr, &json);
    if (e == OK) {
        json_write_end(&json);
        transform_ask_answer(&ask->public, buf_slice(&out));
    } else {
        answer_error(ask, "the geolocation database cannot be read: ", err_text(e));
    }
    buf_fini(&out);
}

void geolocation_begin(struct ask *ask, const struct json_doc *doc, uint32_t parameters) {
    const struct transform_conf *conf = &ask->transform->conf;
    uint32_t at = json_first(doc, parameters);
    struct slice ip;
    if (!get_text(ask, doc, at, "ip address is required", "invalid ip address", &ip)) {
        return;
    }
    if (!is_address(ip)) {
        answer_error(ask, "invalid ip address", "");
        return;
    }
    if (conf->geo_database.len > 0) {
        answer_from_database(ask, ip);
        return;
    }
    if (conf->geolocation_url.len == 0) {
        answer_error(ask, "geolocation is not available right now", "");
        return;
    }
    ask->call = (struct http_call){.method = HTTP_METHOD_GET,
        .url = arena_printf(&ask->arena, "%.*s/geoip/%.*s", SLICE_ARG(conf->geolocation_url), SLICE_ARG(ip)),
        .timeout_ms = GEOLOCATION_MS,
        .allow_private = true, /* the operator's own setting */
        .on_done = on_located};
    send_call(ask, client_of(ask->transform));
}
