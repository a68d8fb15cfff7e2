/* What an external transformer answers: per event a request, several, or why there is none.
 *
 *   /v0/destinations/x   [{output: R, metadata: {jobId}, statusCode, error}]
 *   /routerTransform     {output: [{batchedRequest: R | [R], metadata: [{jobId}], statusCode, error}]}
 *   R                    {method, endpoint, headers, params, body: {JSON, JSON_ARRAY: {batch}, FORM, XML: {payload},
 * GZIP: {payload}}}
 *
 * jobId is ours: the number of the event in the run. */
#include "delivery/http/external_internal.h"

#include <stdlib.h>

#include "json/json_write.h"

enum { DEPTH = 128, STATUS_OK = 200, STATUS_FILTERED = 298, STATUS_SUPPRESSED = 299 };

struct reading {
    struct kind_run *run;
    const struct json_doc *doc;
    struct json_parser *parser; /* for requests: not the document's */
    size_t request_room, refusal_room;
    bool *named;
    struct errinfo *why;
};

static enum err wrong(const struct reading *r, const char *what) {
    return err_why(ERR_UNAVAILABLE, r->why, "delivery.transformer_url", "the transformer's answer %s", what);
}

/* ---- lists that grow ---- */

static struct kind_request *add_request(struct reading *r) {
    struct kind_run *run = r->run;
    if (run->request_count == r->request_room) {
        r->request_room = r->request_room > 0 ? 2 * r->request_room : 8;
        struct kind_request *more = ARENA_ARRAY(run->arena, struct kind_request, r->request_room);
        if (run->request_count > 0) {
            memcpy(more, run->requests, run->request_count * sizeof *more);
        }
        run->requests = more;
    }
    return &run->requests[run->request_count++];
}

static void refuse(struct reading *r, uint32_t event, enum kind_refusal_fate fate, struct slice text) {
    struct kind_run *run = r->run;
    if (run->refusal_count == r->refusal_room) {
        r->refusal_room = r->refusal_room > 0 ? 2 * r->refusal_room : 8;
        struct kind_refusal *more = ARENA_ARRAY(run->arena, struct kind_refusal, r->refusal_room);
        if (run->refusal_count > 0) {
            memcpy(more, run->refusals, run->refusal_count * sizeof *more);
        }
        run->refusals = more;
    }
    run->refusals[run->refusal_count++] = (struct kind_refusal){event, fate, text};
}

/* ---- a request ---- */

enum body { BODY_OF_JSON, BODY_OF_ARRAY, BODY_OF_FORM, BODY_OF_XML, BODY_OF_GZIP, BODY_KINDS };

/* The one format that holds something. */
static void write_body(const struct reading *r, uint32_t body, struct json_writer *w) {
    static const struct slice names[BODY_KINDS] = {[BODY_OF_JSON] = SLICE("JSON"),
        [BODY_OF_ARRAY] = SLICE("JSON_ARRAY"),
        [BODY_OF_FORM] = SLICE("FORM"),
        [BODY_OF_XML] = SLICE("XML"),
        [BODY_OF_GZIP] = SLICE("GZIP")};
    const struct json_doc *doc = r->doc;
    for (size_t kind = 0; kind < BODY_KINDS; kind++) {
        uint32_t node = json_find(doc, body, names[kind]);
        if (!json_is(doc, node, JSON_OBJECT) || json_count(doc, node) == 0) {
            continue;
        }
        uint32_t payload = json_find(doc, node, kind == BODY_OF_ARRAY ? SLICE("batch") : SLICE("payload"));
        struct slice text = json_is(doc, payload, JSON_STRING) ? json_string(doc, payload, r->run->arena) : SLICE("");
        switch (kind) {
        case BODY_OF_JSON:
            json_put_raw(w, "json", json_raw(doc, node));
            break;
        case BODY_OF_ARRAY:
            json_put_raw(w, "json", text.len > 0 ? text : SLICE("null"));
            break;
        case BODY_OF_FORM:
            json_put_raw(w, "form", json_raw(doc, node));
            break;
        case BODY_OF_XML:
            json_put_string(w, "xml", text);
            break;
        default:
            json_put_string(w, "text", text);
            json_put_bool(w, "gzip", true);
            break;
        }
        return;
    }
}

/* The service's request in the form that code of ours returns, whose reader checks it. */
static struct slice translate(const struct reading *r, uint32_t node) {
    static const struct slice keys[] = {
        SLICE("method"), SLICE("endpoint"), SLICE("headers"), SLICE("params"), SLICE("body")};
    static const char *const names[] = {"method", "url", "headers", "query"};
    uint32_t at[COUNT_OF(keys)];
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_find_many(r->doc, node, keys, COUNT_OF(keys), at);
    json_write_object(&w);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (at[i] != JSON_ABSENT) {
            json_put_raw(&w, names[i], json_raw(r->doc, at[i]));
        }
    }
    if (json_is(r->doc, at[4], JSON_OBJECT)) {
        write_body(r, at[4], &w);
    }
    json_write_end(&w);
    char *text = arena_alloc(r->run->arena, out.len + JSON_PADDING);
    memcpy(text, out.ptr, out.len);
    struct slice made = slice_of(text, out.len);
    buf_fini(&out);
    return made;
}

/* False: *ret_text says why it cannot be sent. */
static bool read_request(
    struct reading *r, uint32_t node, const uint32_t *events, uint32_t event_count, struct slice *ret_text) {
    struct json_doc doc;
    struct errinfo why = {.at = 0};
    struct destination_request *request = ARENA_NEW(r->run->arena, struct destination_request);
    enum err e =
        json_is(r->doc, node, JSON_OBJECT) ? json_parse(r->parser, translate(r, node), &doc, &why) : ERR_INVALID;
    e = e == OK ? destination_request_read(&doc, 0, r->run->arena, request, &why) : e;
    if (e != OK) {
        *ret_text = arena_printf(r->run->arena, "the transformer's request cannot be sent: %s",
            why.text[0] != '\0' ? why.text : "it is none");
        return false;
    }
    *add_request(r) = (struct kind_request){.method = request->method,
        .url = request->url,
        .headers = request->headers,
        .header_count = request->header_count,
        .body = request->body,
        .events = events,
        .event_count = event_count,
        .own = request};
    return true;
}

/* ---- a row ---- */

static bool read_job(struct reading *r, uint32_t metadata, uint32_t *ret_event) {
    uint64_t job = 0;
    uint32_t node = json_find(r->doc, metadata, SLICE("jobId"));
    if (!json_is(r->doc, node, JSON_NUMBER) || json_u64(r->doc, node, &job) != OK || job >= r->run->count) {
        return false;
    }
    *ret_event = (uint32_t)job;
    return true;
}

static int by_number(const void *a, const void *b) {
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

/* Of one metadata, or of a list of them; ascending, each once. */
static bool read_jobs(struct reading *r, uint32_t metadata, uint32_t **ret_events, uint32_t *ret_count) {
    bool several = json_is(r->doc, metadata, JSON_ARRAY);
    if (!several && !json_is(r->doc, metadata, JSON_OBJECT)) {
        return false;
    }
    uint32_t *events = ARENA_ARRAY(r->run->arena, uint32_t, several ? json_count(r->doc, metadata) + 1 : 1);
    uint32_t count = 0;
    uint32_t item = several ? json_first(r->doc, metadata) : metadata;
    while (item != JSON_ABSENT) {
        if (!read_job(r, item, &events[count])) {
            return false;
        }
        r->named[events[count++]] = true;
        item = several ? json_after(r->doc, metadata, item) : JSON_ABSENT;
    }
    qsort(events, count, sizeof *events, by_number);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (kept == 0 || events[kept - 1] != events[i]) {
            events[kept++] = events[i];
        }
    }
    *ret_events = events;
    *ret_count = kept;
    return kept > 0;
}

static enum kind_refusal_fate fate_of(uint64_t status) {
    if (status == STATUS_FILTERED || status == STATUS_SUPPRESSED) {
        return KIND_FILTERED;
    }
    if (status == 429) {
        return KIND_THROTTLED;
    }
    return status == 408 || status >= 500 ? KIND_RETRY : KIND_DEAD;
}

static void refuse_all(struct reading *r, const uint32_t *events, uint32_t count, uint64_t status, uint32_t row) {
    uint32_t node = json_find(r->doc, row, SLICE("error"));
    struct slice text = json_is(r->doc, node, JSON_STRING) ? json_string(r->doc, node, r->run->arena) : SLICE("");
    if (text.len == 0) {
        text = arena_printf(r->run->arena, "the transformer says %lu", (unsigned long)status);
    }
    for (uint32_t i = 0; i < count; i++) {
        refuse(r, events[i], fate_of(status), text);
    }
}

static void make_requests(struct reading *r, uint32_t output, const uint32_t *events, uint32_t count) {
    bool several = json_is(r->doc, output, JSON_ARRAY);
    uint32_t item = several ? json_first(r->doc, output) : output;
    struct slice text = SLICE("the transformer returned no request");
    bool good = item != JSON_ABSENT;
    while (item != JSON_ABSENT && good) {
        good = read_request(r, item, events, count, &text);
        item = several ? json_after(r->doc, output, item) : JSON_ABSENT;
    }
    for (uint32_t i = 0; i < count && !good; i++) {
        refuse(r, events[i], KIND_DEAD, text);
    }
}

static enum err read_row(struct reading *r, uint32_t row, bool router) {
    uint64_t status = 0;
    uint32_t *events = NULL;
    uint32_t count = 0;
    uint32_t status_at = json_find(r->doc, row, SLICE("statusCode"));
    if (!read_jobs(r, json_find(r->doc, row, SLICE("metadata")), &events, &count)) {
        return wrong(r, "has a row whose metadata names none of the events");
    }
    if (!json_is(r->doc, status_at, JSON_NUMBER) || json_u64(r->doc, status_at, &status) != OK) {
        return wrong(r, "has a row without statusCode");
    }
    if (status == STATUS_OK) {
        make_requests(r, json_find(r->doc, row, router ? SLICE("batchedRequest") : SLICE("output")), events, count);
    } else {
        refuse_all(r, events, count, status, row);
    }
    return OK;
}

/* ---- the whole ---- */

static enum err read_rows(struct reading *r, uint32_t list, bool router) {
    if (!json_is(r->doc, list, JSON_ARRAY)) {
        return wrong(r, "has no list of rows");
    }
    for (uint32_t row = json_first(r->doc, list); row != JSON_ABSENT; row = json_after(r->doc, list, row)) {
        enum err e = read_row(r, row, router);
        if (e != OK) {
            return e;
        }
    }
    for (uint32_t i = 0; i < r->run->count; i++) {
        if (!r->named[i]) {
            refuse(r, i, KIND_FILTERED, SLICE("the transformer returned nothing for it"));
        }
    }
    return OK;
}

enum err external_answer_read(
    struct kind_run *run, struct slice text, bool router, struct json_parser *parser, struct errinfo *why) {
    struct json_doc doc;
    struct reading r = {.run = run, .doc = &doc, .why = why};
    if (json_parse(parser, text, &doc, NULL) != OK) {
        return wrong(&r, "is no JSON");
    }
    r.parser = json_parser_new(DEPTH);
    r.named = ARENA_ARRAY(run->arena, bool, run->count + 1);
    enum err e = read_rows(&r, router ? json_find(&doc, 0, SLICE("output")) : 0, router);
    json_parser_free(r.parser);
    return e;
}
