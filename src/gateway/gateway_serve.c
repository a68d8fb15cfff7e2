/* The HTTP server's handlers: after the headers the route, the write key and the store's state; then the route's
 * handler. And the ways in which a request ends. */
#include "gateway/gateway_internal.h"

#define WORKER_MAGIC 0x67774b52u
#define INTAKE_MAGIC 0x67774974u

/* 1x1, transparent; byte for byte the original's. */
static const char gif[] = "GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00\x21\xf9\x04\x01\x00\x00\x00\x00"
                          "\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00\x3b";
_Static_assert(sizeof(gif) - 1 == 43, "the original's image has 43 bytes");

struct worker *gateway_worker_of(void *ctx) {
    struct worker *worker = ctx;
    ASSERT(worker->magic == WORKER_MAGIC);
    return worker;
}

struct intake *gateway_intake_of(const struct http_request *request) {
    struct intake *intake = request->user;
    ASSERT(intake == NULL || intake->magic == INTAKE_MAGIC);
    return intake;
}

/* ---- ends ---- */

static void respond_gif(struct http_request *request) {
    static const struct http_header headers[] = {{{"Cache-Control", 13}, {"no-store", 8}}};
    struct http_response response = {.status = 200,
        .content_type = SLICE("image/gif"),
        .body = slice_of(gif, sizeof(gif) - 1),
        .headers = headers,
        .header_count = COUNT_OF(headers)};
    http_respond(request, &response);
}

static void count_answer(struct worker *worker, const struct http_request *request) {
    gateway_count(&worker->stat.requests, 1);
    gateway_count(&worker->stat.body_bytes, (int64_t)request->body.len);
    gateway_count(&worker->stat.wire_bytes, (int64_t)request->wire_bytes);
}

void gateway_reply(struct worker *worker, struct intake *intake) {
    static const struct http_response answers[] = {
        [REPLY_OK] = {.status = 200, .content_type = {"text/plain; charset=utf-8", 25}, .body = {"ok", 2}},
        [REPLY_SEGMENT] = {.status = 200,
            .content_type = {"application/json", 16},
            .body = {"{\"success\": true}", 17}},
    };
    struct http_request *request = intake->request;
    count_answer(worker, request);
    if (intake->route->reply == REPLY_GIF) {
        respond_gif(request);
    } else if (intake->answer != NULL) {
        http_respond(request, intake->answer);
    } else {
        http_respond(request, &answers[intake->route->reply]);
    }
}

/* As http_respond_err, with our Retry-After. */
static void respond_later(const struct worker *worker, struct intake *intake, enum err why, int64_t wait_ms) {
    struct arena *arena = &intake->request->arena;
    uint64_t seconds = worker->gateway->conf.retry_after;
    if (wait_ms > 0 && wait_ms < INT64_MAX - 999) {
        seconds = (uint64_t)(wait_ms + 999) / 1000;
    }
    struct http_header headers[] = {
        {SLICE("Retry-After"), arena_printf(arena, "%lu", (unsigned long)seconds)},
        {SLICE("X-Content-Type-Options"), SLICE("nosniff")},
    };
    struct http_response response = {.status = err_http_status(why),
        .content_type = SLICE("text/plain; charset=utf-8"),
        .body = arena_printf(arena, "%s\n", err_text(why)),
        .headers = headers,
        .header_count = COUNT_OF(headers)};
    http_respond(intake->request, &response);
}

void gateway_refuse(struct worker *worker, struct intake *intake, enum err why, struct slice detail, int64_t wait_ms) {
    int status = err_http_status(why);
    gateway_report_refusal(worker, intake->request, why, status, detail);
    count_answer(worker, intake->request);
    if (intake->route->reply == REPLY_GIF) {
        respond_gif(intake->request);
    } else if (status == 429 || status == 503) {
        respond_later(worker, intake, why, wait_ms);
    } else {
        http_respond_err(intake->request, why);
    }
}

void gateway_respond(struct worker *worker, struct intake *intake, const struct http_response *response) {
    count_answer(worker, intake->request);
    http_respond(intake->request, response);
}

void gateway_respond_page(
    struct worker *worker, struct intake *intake, int status, struct slice content_type, struct slice body) {
    struct http_response response = {.status = status, .content_type = content_type, .body = body};
    gateway_respond(worker, intake, &response);
}

/* ---- after the headers ---- */

static const struct route *find_route(
    const struct gateway *gateway, const struct http_request *request, enum err *ret_why) {
    if (request->method == HTTP_METHOD_OPTIONS) {
        return &gateway_route_preflight;
    }
    const struct route *route = gateway_route_find(&gateway->routes, request->method, request->path, ret_why);
    bool reads = request->method == HTTP_METHOD_GET || request->method == HTTP_METHOD_HEAD;
    if (route == NULL && *ret_why == ERR_NOT_HERE && reads && gateway->deps.extra != NULL &&
        (gateway->conf.metrics || !slice_eq(request->path, SLICE("/metrics")))) {
        return &gateway_route_extra;
    }
    return route;
}

static enum err authenticate(struct worker *worker, struct http_request *request, struct intake *intake) {
    struct slice key;
    if (intake->route->auth == AUTH_QUERY) {
        bool given = http_request_query(request, SLICE("writeKey"), &key) && key.len > 0;
        return given ? gateway_authenticate(worker, intake, key) : ERR_NO_WRITE_KEY_QUERY;
    }
    char decoded[GATEWAY_WRITE_KEY_MAX];
    enum err err = gateway_basic_user(request, decoded, &key);
    if (err == ERR_NOT_FOUND) {
        intake->body_key = true;
        return OK;
    }
    return err == OK ? gateway_authenticate(worker, intake, key) : err;
}

/* Only an audience list may pass gateway.max_body: the server's own limit stands above it for its sake. */
static enum err check_length(
    const struct worker *worker, const struct http_request *request, const struct intake *intake) {
    struct slice text;
    uint64_t length = 0;
    if (!http_request_header(request, SLICE("content-length"), &text) || slice_to_u64(text, &length) != OK) {
        return OK; /* chunked; the server has refused what is no number */
    }
    bool fits = length <= worker->gateway->conf.max_body || slice_eq(intake->route->type, SLICE("audiencelist"));
    return fits ? OK : ERR_TOO_LARGE;
}

static enum err on_headers(void *ctx, struct http_request *request) {
    struct worker *worker = gateway_worker_of(ctx);
    struct intake *intake = ARENA_NEW(&request->arena, struct intake);
    intake->magic = INTAKE_MAGIC;
    intake->request = request;
    request->user = intake;
    enum err err = OK;
    const struct route *route = find_route(worker->gateway, request, &err);
    if (route == NULL) {
        return err;
    }
    intake->route = route;
    if (route->auth != AUTH_KEY && route->auth != AUTH_QUERY) {
        return OK;
    }
    err = authenticate(worker, request, intake);
    if (err == OK) {
        err = store_pressure(worker->gateway->deps.store);
    }
    return err == OK ? check_length(worker, request, intake) : err;
}

static void on_request(void *ctx, struct http_request *request) {
    struct worker *worker = gateway_worker_of(ctx);
    struct intake *intake = gateway_intake_of(request);
    intake->route->handle(worker, request, intake);
}

static void on_refused(void *ctx, const struct http_request *request, enum err why, int status) {
    struct worker *worker = gateway_worker_of(ctx);
    gateway_count(&worker->stat.requests, 1);
    gateway_report_refusal(worker, request, why, status, SLICE_NONE);
}

struct http_server *gateway_serve(struct worker *worker) {
    worker->magic = WORKER_MAGIC;
    const struct gateway_conf *conf = &worker->gateway->conf;
    uint64_t body = conf->max_body > GATEWAY_AUDIENCE_BYTES ? conf->max_body : GATEWAY_AUDIENCE_BYTES;
    struct http_limits limits = {.header_bytes = conf->max_header,
        .body_bytes = body,
        .inflated_bytes = body,
        .connections = (uint32_t)conf->max_connections,
        .requests = (uint32_t)conf->max_requests,
        .buffered_bytes = conf->max_buffered,
        .header_ms = conf->header_timeout,
        .body_ms = conf->body_timeout,
        .idle_ms = conf->idle_timeout,
        .write_ms = conf->write_timeout,
        .retry_after_s = (uint32_t)conf->retry_after};
    struct http_handlers handlers = {.on_headers = on_headers,
        .on_request = on_request,
        .on_refused = on_refused,
        .add_headers = gateway_add_headers,
        .ctx = worker};
    return http_server_new(worker->loop, &limits, &handlers);
}
