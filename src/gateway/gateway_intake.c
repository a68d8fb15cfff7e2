/* A body becomes events: parse, write key from the body where the route allows it, rate limit, enrich, frame. What
 * fails is refused here; what succeeds waits in the worker's gather for the store. */
#include "gateway/gateway_internal.h"
#include "json/json_write.h"

static struct slice received_member(struct worker *worker, int64_t now) {
    if (now != worker->received_ms) {
        char text[CLOCK_RFC3339_SIZE];
        clock_format(now, text);
        int len = snprintf(worker->received_member, sizeof(worker->received_member), "\"receivedAt\":\"%s\"", text);
        worker->received_len = (size_t)len; /* digits and punctuation of a date: nothing to escape, and it fits */
        worker->received_ms = now;
    }
    return slice_of(worker->received_member, worker->received_len);
}

/* First element of X-Forwarded-For without its spaces, else the peer's address. */
static struct slice client_address(struct worker *worker, struct http_request *request) {
    struct slice list;
    if (!worker->gateway->conf.trust_forwarded || !http_request_header(request, SLICE("x-forwarded-for"), &list)) {
        return request->peer;
    }
    struct slice rest;
    struct slice first = slice_cut(list, ',', &rest);
    char *out = arena_alloc(&request->arena, first.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < first.len; i++) {
        if (first.ptr[i] != ' ') {
            out[len++] = first.ptr[i];
        }
    }
    return len > 0 ? slice_of(out, len) : request->peer;
}

/* Into worker->page. */
static struct slice address_member(struct worker *worker, struct http_request *request) {
    struct buf *out = &worker->page;
    buf_reset(out);
    buf_append(out, SLICE("\"request_ip\":"));
    json_escape(out, client_address(worker, request));
    return buf_slice(out);
}

static enum err key_from_body(struct worker *worker, struct intake *intake, const struct json_doc *doc) {
    struct slice key = json_string(doc, json_find(doc, 0, SLICE("writeKey")), &intake->request->arena);
    return key.len > 0 ? gateway_authenticate(worker, intake, key) : ERR_NO_WRITE_KEY;
}

/* What is wrong with the text, for people; the wire says "invalid json". */
static struct slice parse_detail(struct intake *intake, const struct errinfo *why) {
    return arena_printf(&intake->request->arena, "byte %lu: %s", (unsigned long)why->at, why->text);
}

static enum err parse(
    struct worker *worker, struct intake *intake, struct slice body, struct json_doc *doc, struct slice *ret_detail) {
    struct errinfo why = {0};
    enum err err = json_parse(worker->parser, body, doc, &why);
    if (err == ERR_INVALID_JSON || err == ERR_TOO_DEEP) {
        if (intake->body_key) {
            return ERR_NO_WRITE_KEY; /* authentication comes before the body's own faults */
        }
        *ret_detail = parse_detail(intake, &why);
        return ERR_INVALID_JSON;
    }
    return err == OK && intake->body_key ? key_from_body(worker, intake, doc) : err;
}

/* The limit of a body that on_headers could not know (chunked, gzip), and the room for what it becomes. */
static enum err check_room(const struct worker *worker, const struct intake *intake, size_t body) {
    const struct gateway_conf *conf = &worker->gateway->conf;
    bool audience = slice_eq(intake->route->type, SLICE("audiencelist"));
    if (body > conf->max_body && !(audience && body <= GATEWAY_AUDIENCE_BYTES)) {
        return ERR_TOO_LARGE;
    }
    return worker->appending_bytes + worker->gather->batch.frames.len > conf->max_buffered ? ERR_BUSY : OK;
}

static void enrich_init(
    struct enrich *enrich, struct worker *worker, struct intake *intake, const struct json_doc *doc) {
    const struct route *route = intake->route;
    int64_t now = clock_ms();
    *enrich = (struct enrich){.doc = doc,
        .arena = &intake->request->arena,
        .memo = &worker->memo,
        .source = intake->source->key,
        .received_ms = now,
        .received_member = received_member(worker, now),
        .address_member = address_member(worker, intake->request),
        .type = route->type,
        .type_member = route->type_member,
        .forced = event_type_parse(route->type),
        .allow_no_identity = worker->gateway->conf.allow_no_identity,
        .makes_identity = intake->of_webhook};
}

static enum err add_events(struct worker *worker, struct intake *intake, const struct json_doc *doc,
    const struct events *events, int64_t *ret_wait_ms) {
    struct gateway *gateway = worker->gateway;
    struct limit limit = gateway->limit;
    if (limit.interval_ns > 0 &&
        !gateway_limit_take(&intake->source->tat, limit, clock_ms(), events->count, ret_wait_ms)) {
        return ERR_RATE_LIMIT;
    }
    struct enrich enrich;
    enrich_init(&enrich, worker, intake, doc);
    if (feed_wanted(gateway->deps.feed)) {
        intake->live_count = events->count < GATEWAY_LIVE_ROWS ? events->count : GATEWAY_LIVE_ROWS;
        intake->live = ARENA_ARRAY(&intake->request->arena, struct live_row, intake->live_count);
        enrich.live = intake->live;
    }
    struct store_batch *batch = &worker->gather->batch;
    intake->first = batch->count;
    struct intake_result result;
    enum err err = gateway_events_add(&enrich, events, gateway->conf.strict, batch, &result);
    if (err == OK) {
        intake->records = result.records;
        intake->rejected = result.rejected;
        intake->first_error = result.first_error;
    }
    return err;
}

void gateway_take(struct worker *worker, struct intake *intake, const struct intake_want *want) {
    struct json_doc doc;
    struct slice detail = SLICE_NONE;
    int64_t wait_ms = 0;
    enum err err = check_room(worker, intake, want->body.len);
    if (err == OK) {
        err = parse(worker, intake, want->body, &doc, &detail);
    }
    if (err != OK) {
        gateway_refuse(worker, intake, err, detail, wait_ms);
        return;
    }
    struct events events = want->is_batch ? gateway_events_batch(&doc) : gateway_events_single();
    if (events.count == 0 && want->empty_is_fine) {
        gateway_reply(worker, intake);
        return;
    }
    err = events.count == 0 ? ERR_EMPTY_BATCH : add_events(worker, intake, &doc, &events, &wait_ms);
    if (err != OK) {
        gateway_refuse(worker, intake, err, detail, wait_ms);
        return;
    }
    gateway_gather_put(worker, intake);
}

void gateway_handle_single(struct worker *worker, struct http_request *request, struct intake *intake) {
    gateway_take(worker, intake, &(struct intake_want){.body = request->body});
}

void gateway_handle_batch(struct worker *worker, struct http_request *request, struct intake *intake) {
    gateway_take(worker, intake, &(struct intake_want){.body = request->body, .is_batch = true});
}

void gateway_handle_import(struct worker *worker, struct http_request *request, struct intake *intake) {
    gateway_take(worker, intake, &(struct intake_want){.body = request->body, .is_batch = true, .empty_is_fine = true});
}
