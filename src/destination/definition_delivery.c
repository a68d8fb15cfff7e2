/* definition.json: requests, batching, limits, and what answers mean. */
#include "destination/definition.h"

static const char *const body_words[] = {[BODY_NONE] = "none",
    [BODY_JSON] = "json",
    [BODY_FORM] = "form",
    [BODY_EVENT] = "event",
    [BODY_XML] = "xml",
    [BODY_TEXT] = "text"};

const char *destination_body_name(enum destination_body body) {
    return body_words[body];
}

/* ---- requests ---- */

enum request_part {
    REQUEST_NAME,
    REQUEST_WHEN,
    REQUEST_METHOD,
    REQUEST_URL,
    REQUEST_HEADERS,
    REQUEST_QUERY,
    REQUEST_QUERY_TABLE,
    REQUEST_BODY,
    REQUEST_TABLE,
    REQUEST_COUNT
};

static const struct schema_key request_keys[REQUEST_COUNT] = {
    [REQUEST_NAME] = {"name", SCHEMA_TEXT, true},
    [REQUEST_WHEN] = {"when", SCHEMA_OBJECT, false},
    [REQUEST_METHOD] = {"method", SCHEMA_TEXT, false},
    [REQUEST_URL] = {"url", SCHEMA_TEXT, false},
    [REQUEST_HEADERS] = {"headers", SCHEMA_OBJECT, false},
    [REQUEST_QUERY] = {"query", SCHEMA_OBJECT, false},
    [REQUEST_QUERY_TABLE] = {"query_table", SCHEMA_TEXT | SCHEMA_LIST, false},
    [REQUEST_BODY] = {"body", SCHEMA_TEXT, false},
    [REQUEST_TABLE] = {"table", SCHEMA_TEXT | SCHEMA_LIST, false},
};

static enum err read_words(struct compiler *c, const uint32_t *at, struct request_definition *request) {
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
    size_t method = 0;
    size_t body = at[REQUEST_TABLE] != JSON_ABSENT ? BODY_JSON : BODY_NONE;
    request->has_method = at[REQUEST_METHOD] != JSON_ABSENT;
    request->has_url = at[REQUEST_URL] != JSON_ABSENT;
    enum err e = request->has_method ? schema_word(c->s, at[REQUEST_METHOD], methods, COUNT_OF(methods), &method) : OK;
    if (e == OK && at[REQUEST_BODY] != JSON_ABSENT) {
        e = schema_word(c->s, at[REQUEST_BODY], body_words, BODY_EVENT + 1, &body);
    }
    if (e != OK) {
        return e;
    }
    request->method = http_method_parse(slice_cstr(methods[method]));
    request->body_kind = (enum destination_body)body;
    bool wants_table = body == BODY_JSON || body == BODY_FORM;
    if (wants_table != (at[REQUEST_TABLE] != JSON_ABSENT)) {
        uint32_t place = at[REQUEST_BODY] != JSON_ABSENT ? at[REQUEST_BODY] : at[REQUEST_TABLE];
        return schema_fail(c->s, place, "\"table\" goes with the bodies json and form, and only with them");
    }
    return OK;
}

/* A transform.js may say what its request leaves out; without one it is complete. */
static enum err check_complete(struct compiler *c, uint32_t node, const uint32_t *at) {
    static const enum request_part parts[] = {REQUEST_METHOD, REQUEST_URL, REQUEST_BODY};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (at[parts[i]] == JSON_ABSENT) {
            return schema_fail(c->s, node, "\"%s\" is missing", request_keys[parts[i]].name);
        }
    }
    return OK;
}

static enum err read_request(
    struct compiler *c, uint32_t node, enum destination_kind kind, struct request_definition *request) {
    uint32_t at[REQUEST_COUNT];
    enum err e = schema_object(c->s, node, request_keys, REQUEST_COUNT, at);
    if (e == OK && kind != DESTINATION_CODE) {
        e = check_complete(c, node, at);
    }
    if (e == OK) {
        request->name = schema_text(c->s, at[REQUEST_NAME]);
        e = read_words(c, at, request);
    }
    if (e == OK && at[REQUEST_WHEN] != JSON_ABSENT) {
        e = condition_compile(c, at[REQUEST_WHEN], &request->when);
    }
    if (e == OK && request->has_url) {
        e = template_compile(c, at[REQUEST_URL], &request->url);
    }
    if (e == OK) {
        e = template_map_compile(c, at[REQUEST_HEADERS], &request->headers, &request->header_count);
    }
    if (e == OK) {
        e = template_map_compile(c, at[REQUEST_QUERY], &request->query, &request->query_count);
    }
    if (e == OK && at[REQUEST_QUERY_TABLE] != JSON_ABSENT) {
        request->has_query_plan = true;
        e = plan_compile(c, at[REQUEST_QUERY_TABLE], &request->query_plan);
    }
    if (e == OK && at[REQUEST_TABLE] != JSON_ABSENT) {
        e = plan_compile(c, at[REQUEST_TABLE], &request->body);
    }
    return e;
}

static enum err read_requests(struct compiler *c, uint32_t node, struct definition *d) {
    const struct json_doc *doc = c->s->doc;
    d->requests = ARENA_ARRAY(c->s->arena, struct request_definition, json_count(doc, node) + 1);
    for (uint32_t item = json_first(doc, node); item != JSON_ABSENT; item = json_after(doc, node, item)) {
        size_t mark = schema_enter_index(c->s, d->request_count);
        enum err e = read_request(c, item, d->type.kind, &d->requests[d->request_count++]);
        if (e != OK) {
            return e;
        }
        schema_leave(c->s, mark);
    }
    bool enough = d->request_count > 0 || d->type.kind == DESTINATION_CODE;
    return enough ? OK : schema_fail(c->s, node, "there is no request");
}

/* ---- authorization ---- */

static enum err read_basic(struct compiler *c, uint32_t node, struct definition *d) {
    static const struct schema_key keys[] = {{"user", SCHEMA_TEXT, true}, {"password", SCHEMA_TEXT, true}};
    uint32_t at[COUNT_OF(keys)];
    enum err e = schema_object(c->s, node, keys, COUNT_OF(keys), at);
    if (e == OK) {
        e = template_compile(c, at[0], &d->auth.user);
    }
    return e == OK ? template_compile(c, at[1], &d->auth.secret) : e;
}

static enum err read_auth(struct compiler *c, uint32_t node, struct definition *d) {
    static const struct schema_key keys[] = {{"basic", SCHEMA_OBJECT, false}, {"bearer", SCHEMA_TEXT, false}};
    uint32_t at[COUNT_OF(keys)];
    enum err e = schema_object(c->s, node, keys, COUNT_OF(keys), at);
    if (e == OK && (at[0] == JSON_ABSENT) == (at[1] == JSON_ABSENT)) {
        e = schema_fail(c->s, node, "one of \"basic\" and \"bearer\"");
    }
    if (e != OK) {
        return e;
    }
    d->auth.kind = at[0] != JSON_ABSENT ? AUTH_BASIC : AUTH_BEARER;
    return d->auth.kind == AUTH_BASIC ? read_basic(c, at[0], d) : template_compile(c, at[1], &d->auth.secret);
}

/* ---- batches and limits ---- */

static bool may_be_batched(const struct definition *d) {
    for (size_t i = 0; i < d->request_count; i++) {
        if (d->requests[i].body_kind != BODY_JSON && d->requests[i].body_kind != BODY_EVENT) {
            return false;
        }
    }
    return true;
}

static enum err read_batch(struct compiler *c, uint32_t node, struct definition *d) {
    static const struct schema_key keys[] = {{"into", SCHEMA_TEXT, true}, {"events", SCHEMA_NUMBER, true},
        {"bytes", SCHEMA_NUMBER, false}, {"time", SCHEMA_TEXT, false}, {"with", SCHEMA_TEXT | SCHEMA_LIST, false}};
    enum { EVENTS_MAX = 100000, BYTES_MAX = 1 << 28, BYTES_DEFAULT = 1 << 20 };
    uint32_t at[COUNT_OF(keys)];
    uint64_t events = 0;
    d->has_batch = true;
    d->type.batching.bytes = BYTES_DEFAULT;
    enum err e = schema_object(c->s, node, keys, COUNT_OF(keys), at);
    if (e == OK && d->type.kind != DESTINATION_CODE && !may_be_batched(d)) {
        e = schema_fail(c->s, node, "a batch goes with the bodies json and event");
    }
    if (e == OK) {
        d->batch_into = schema_text(c->s, at[0]);
        e = schema_number(c->s, at[1], 1, EVENTS_MAX, &events);
        d->type.batching.events = (uint32_t)events;
    }
    if (e == OK && at[2] != JSON_ABSENT) {
        e = schema_number(c->s, at[2], 1, BYTES_MAX, &d->type.batching.bytes);
    }
    if (e == OK && at[3] != JSON_ABSENT) {
        e = schema_duration(c->s, at[3], &d->type.batching.time_ms);
    }
    if (e == OK && at[4] != JSON_ABSENT && d->type.kind == DESTINATION_CODE) {
        e = schema_fail(c->s, at[4], "\"with\" goes with tables alone: the code writes what is beside the array");
    }
    if (e == OK && at[4] != JSON_ABSENT) {
        d->has_envelope = true;
        e = d->batch_into.len > 0
            ? plan_compile(c, at[4], &d->envelope)
            : schema_fail(c->s, at[4], "\"with\" needs a member for the array: \"into\" is empty");
    }
    return e;
}

static enum err read_limits(struct compiler *c, uint32_t node, struct definition *d) {
    static const struct schema_key keys[] = {{"concurrency", SCHEMA_NUMBER, false}, {"timeout", SCHEMA_TEXT, false}};
    enum { CONCURRENCY_MAX = 10000 };
    uint32_t at[COUNT_OF(keys)];
    uint64_t concurrency = 0;
    enum err e = schema_object(c->s, node, keys, COUNT_OF(keys), at);
    if (e == OK && at[0] != JSON_ABSENT) {
        e = schema_number(c->s, at[0], 1, CONCURRENCY_MAX, &concurrency);
    }
    if (e == OK && at[1] != JSON_ABSENT) {
        e = schema_duration(c->s, at[1], &d->type.limits.timeout_ms);
    }
    d->type.limits.concurrency = (uint32_t)concurrency;
    return e;
}

/* ---- what core puts on requests of a transform.js ---- */

static bool reads_event(const struct template *template) {
    for (size_t i = 0; i < template->count; i++) {
        if (template->parts[i].hole == HOLE_EVENT) {
            return true;
        }
    }
    return false;
}

static enum err check_core(struct compiler *c, uint32_t node, const struct definition *d) {
    bool reads = reads_event(&d->auth.user) || reads_event(&d->auth.secret);
    for (size_t i = 0; i < d->header_count; i++) {
        reads = reads || reads_event(&d->headers[i].value);
    }
    return reads && d->type.kind == DESTINATION_CODE
        ? schema_fail(c->s, node, "\"auth\" and \"headers\" beside a transform.js have no holes for events")
        : OK;
}

/* ---- the block ---- */

enum part { PART_AUTH, PART_HEADERS, PART_LIMITS, PART_REQUESTS, PART_BATCH, PART_COUNT };

static enum err read_part(struct compiler *c, enum part part, uint32_t node, struct definition *d) {
    switch (part) {
    case PART_AUTH:
        return read_auth(c, node, d);
    case PART_HEADERS:
        return template_map_compile(c, node, &d->headers, &d->header_count);
    case PART_LIMITS:
        return read_limits(c, node, d);
    case PART_REQUESTS:
        return read_requests(c, node, d);
    case PART_BATCH:
        return read_batch(c, node, d);
    default:
        return OK;
    }
}

enum err definition_delivery(struct compiler *c, uint32_t node, struct definition *d) {
    static const struct schema_key keys[PART_COUNT] = {
        [PART_AUTH] = {"auth", SCHEMA_OBJECT, false},
        [PART_HEADERS] = {"headers", SCHEMA_OBJECT, false},
        [PART_LIMITS] = {"limits", SCHEMA_OBJECT, false},
        [PART_REQUESTS] = {"requests", SCHEMA_LIST, false},
        [PART_BATCH] = {"batch", SCHEMA_OBJECT, false},
    };
    uint32_t at[PART_COUNT];
    enum err e = schema_object(c->s, node, keys, PART_COUNT, at);
    if (e == OK && at[PART_REQUESTS] == JSON_ABSENT && d->type.kind != DESTINATION_CODE) {
        e = schema_fail(c->s, node, "\"requests\" is missing");
    }
    for (size_t part = 0; part < PART_COUNT && e == OK; part++) {
        if (at[part] == JSON_ABSENT) {
            continue;
        }
        size_t mark = schema_enter(c->s, slice_cstr(keys[part].name));
        e = read_part(c, (enum part)part, at[part], d);
        if (e == OK) {
            schema_leave(c->s, mark);
        }
    }
    return e == OK ? check_core(c, node, d) : e;
}

/* ---- answers ---- */

static const char *const outcome_words[] = {
    [OUTCOME_BY_STATUS] = "by_status",
    [OUTCOME_DELIVERED] = "delivered",
    [OUTCOME_FILTERED] = "filtered",
    [OUTCOME_RETRY] = "retry",
    [OUTCOME_THROTTLED] = "throttled",
    [OUTCOME_DEAD] = "dead",
    [OUTCOME_AUTH] = "auth",
};

const char *destination_outcome_name(enum destination_outcome outcome) {
    return outcome_words[outcome];
}

/* 429, or "4xx". */
static enum err read_status(struct compiler *c, uint32_t node, struct status_range *range) {
    enum { STATUS_MIN = 100, STATUS_MAX = 599 };
    if (json_is(c->s->doc, node, JSON_STRING)) {
        static const char *const classes[] = {"1xx", "2xx", "3xx", "4xx", "5xx"};
        size_t index = 0;
        enum err e = schema_word(c->s, node, classes, COUNT_OF(classes), &index);
        *range = (struct status_range){100 * (index + 1), 100 * (index + 1) + 99};
        return e;
    }
    if (!json_is(c->s->doc, node, JSON_NUMBER)) {
        return schema_fail(c->s, node, "a status is a number or \"4xx\"");
    }
    enum err e = schema_number(c->s, node, STATUS_MIN, STATUS_MAX, &range->first);
    range->last = range->first;
    return e;
}

static enum err read_statuses(struct compiler *c, uint32_t node, struct response_rule *rule) {
    const struct json_doc *doc = c->s->doc;
    bool list = json_is(doc, node, JSON_ARRAY);
    rule->statuses = ARENA_ARRAY(c->s->arena, struct status_range, list ? json_count(doc, node) + 1 : 1);
    uint32_t item = list ? json_first(doc, node) : node;
    while (item != JSON_ABSENT) {
        enum err e = read_status(c, item, &rule->statuses[rule->status_count++]);
        if (e != OK) {
            return e;
        }
        item = list ? json_after(doc, node, item) : JSON_ABSENT;
    }
    return OK;
}

static enum err read_response(struct compiler *c, uint32_t node, struct response_rule *rule) {
    static const struct schema_key keys[] = {{"status", SCHEMA_NUMBER | SCHEMA_TEXT | SCHEMA_LIST, true},
        {"when", SCHEMA_OBJECT, false}, {"outcome", SCHEMA_TEXT, true}, {"why", SCHEMA_TEXT, false},
        {"docs", SCHEMA_TEXT, false}};
    uint32_t at[COUNT_OF(keys)];
    size_t outcome = 0;
    enum err e = schema_object(c->s, node, keys, COUNT_OF(keys), at);
    if (e == OK) {
        e = read_statuses(c, at[0], rule);
    }
    if (e == OK && at[1] != JSON_ABSENT) {
        e = condition_compile(c, at[1], &rule->when);
    }
    if (e == OK) {
        e = schema_word(c->s, at[2], outcome_words, COUNT_OF(outcome_words), &outcome);
    }
    rule->outcome = (enum destination_outcome)outcome;
    return e;
}

enum err definition_responses(struct compiler *c, uint32_t node, struct definition *d) {
    const struct json_doc *doc = c->s->doc;
    struct compiler answers = *c;
    answers.trie = &d->response_trie;
    d->responses = ARENA_ARRAY(c->s->arena, struct response_rule, json_count(doc, node) + 1);
    for (uint32_t item = json_first(doc, node); item != JSON_ABSENT; item = json_after(doc, node, item)) {
        size_t mark = schema_enter_index(c->s, d->response_count);
        enum err e = read_response(&answers, item, &d->responses[d->response_count++]);
        if (e != OK) {
            return e;
        }
        schema_leave(c->s, mark);
    }
    return OK;
}
