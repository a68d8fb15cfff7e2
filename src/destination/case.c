/* A case of a destination: events and a config in, requests and refusals out, compared as structures; then what answers
 * mean. */
#include "destination/case.h"

#include "destination/compare.h"
#include "destination/definition.h"
#include "destination/exchange.h"

struct running {
    struct schema s;
    struct json_doc doc; /* the case */
    const struct destination_settings *settings;
    const struct destination_case_seat *seat;
    struct json_parser *parser;
    struct arena *arena;
    struct errinfo *why;
};

enum part {
    PART_WHY,
    PART_CONFIG,
    PART_NOW,
    PART_EVENTS,
    PART_METADATA,
    PART_CONNECTIONS,
    PART_BATCH,
    PART_LIMITS,
    PART_UUIDS,
    PART_RANDOM,
    PART_EXCHANGES,
    PART_EXPECT,
    PART_ANSWERS,
    PART_OUTCOMES,
    PART_COUNT
};

static const struct schema_key parts[PART_COUNT] = {
    [PART_WHY] = {"why", SCHEMA_TEXT, true},
    [PART_CONFIG] = {"config", SCHEMA_OBJECT, true},
    [PART_NOW] = {"now", SCHEMA_TEXT, false},
    [PART_EVENTS] = {"events", SCHEMA_LIST, false},
    [PART_METADATA] = {"metadata", SCHEMA_LIST, false},
    [PART_CONNECTIONS] = {"connections", SCHEMA_LIST, false},
    [PART_BATCH] = {"batch", SCHEMA_BOOL, false},
    [PART_LIMITS] = {"limits", SCHEMA_OBJECT, false},
    [PART_UUIDS] = {"uuids", SCHEMA_LIST, false},
    [PART_RANDOM] = {"random", SCHEMA_NUMBER, false},
    [PART_EXCHANGES] = {"exchanges", SCHEMA_LIST, false},
    [PART_EXPECT] = {"expect", SCHEMA_OBJECT, false},
    [PART_ANSWERS] = {"answers", SCHEMA_LIST, false},
    [PART_OUTCOMES] = {"outcomes", SCHEMA_LIST, false},
};

static struct slice padded(struct slice text, struct arena *arena) {
    char *copy = arena_alloc(arena, text.len + JSON_PADDING);
    memcpy(copy, text.ptr, text.len);
    return slice_of(copy, text.len);
}

static struct slice raw_or_none(const struct running *r, uint32_t node) {
    return node != JSON_ABSENT ? json_raw(&r->doc, node) : SLICE("");
}

/* The events of the case; metadata and connections are lists beside them. */
static struct destination_event *read_events(const struct running *r, const uint32_t *at) {
    uint32_t list = at[PART_EVENTS];
    struct destination_event *events = ARENA_ARRAY(r->arena, struct destination_event, json_count(&r->doc, list) + 1);
    uint32_t meta = at[PART_METADATA] != JSON_ABSENT ? json_first(&r->doc, at[PART_METADATA]) : JSON_ABSENT;
    uint32_t connection = at[PART_CONNECTIONS] != JSON_ABSENT ? json_first(&r->doc, at[PART_CONNECTIONS]) : JSON_ABSENT;
    size_t count = 0;
    for (uint32_t item = json_first(&r->doc, list); item != JSON_ABSENT; item = json_after(&r->doc, list, item)) {
        events[count++] = (struct destination_event){
            padded(json_raw(&r->doc, item), r->arena), raw_or_none(r, meta), raw_or_none(r, connection)};
        meta = meta != JSON_ABSENT ? json_after(&r->doc, at[PART_METADATA], meta) : meta;
        connection = connection != JSON_ABSENT ? json_after(&r->doc, at[PART_CONNECTIONS], connection) : connection;
    }
    return events;
}

static enum err run_events(struct running *r, const uint32_t *at, int64_t now_ms, struct slice *ret_actual) {
    struct destination_exchanges *exchanges = NULL;
    enum err e = destination_exchanges_read(&r->doc, at[PART_EXCHANGES], r->arena, &exchanges, r->why);
    if (e != OK) {
        return e;
    }
    const struct destination_stage stage = {.limits = raw_or_none(r, at[PART_LIMITS]),
        .uuids = raw_or_none(r, at[PART_UUIDS]),
        .random = raw_or_none(r, at[PART_RANDOM]),
        .on_http = destination_exchanges_answer,
        .ctx = exchanges};
    struct destination_run run = {.transform = r->seat->transform,
        .settings = r->settings,
        .events = read_events(r, at),
        .count = json_count(&r->doc, at[PART_EVENTS]),
        .now_ms = now_ms,
        .no_batch = json_is(&r->doc, at[PART_BATCH], JSON_FALSE),
        .stage = &stage,
        .parser = r->parser,
        .arena = r->arena,
        .loop = r->seat->loop};
    e = destination_run_wait(&run, r->why);
    if (e != OK) {
        return e;
    }
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    destination_batch_write(&run.batch, &w);
    *ret_actual = padded(buf_slice(&out), r->arena);
    buf_fini(&out);
    return OK;
}

static enum err check_expectation(
    struct running *r, uint32_t expect, struct slice actual, struct destination_case *ret_case) {
    struct comparison c = {.expected = r->doc, .arena = r->arena};
    enum err e = json_parse(r->parser, actual, &c.actual, r->why);
    if (e == OK) {
        ret_case->passed = compare_nodes(&c, expect, 0);
        ret_case->text = c.text;
    }
    return e;
}

/* {"status": 429, "body": …, "outcome": "throttled"} */
static enum err check_answer(struct running *r, uint32_t node, struct destination_case *ret_case) {
    static const struct schema_key keys[] = {
        {"status", SCHEMA_NUMBER, true}, {"body", SCHEMA_ANY, false}, {"outcome", SCHEMA_TEXT, true}};
    uint32_t at[COUNT_OF(keys)];
    uint64_t status = 0;
    enum err e = schema_object(&r->s, node, keys, COUNT_OF(keys), at);
    if (e == OK) {
        e = schema_number(&r->s, at[0], 100, 599, &status);
    }
    if (e != OK) {
        return e;
    }
    /* a text is a body that is no JSON */
    struct slice body = at[1] == JSON_ABSENT ? SLICE("") : json_raw(&r->doc, at[1]);
    if (json_is(&r->doc, at[1], JSON_STRING)) {
        body = json_string(&r->doc, at[1], r->arena);
    }
    const char *got = destination_outcome_name(destination_answer(r->settings, (int)status, body, r->parser, r->arena));
    struct slice expected = json_string(&r->doc, at[2], r->arena);
    if (ret_case->passed && !slice_eq(expected, slice_cstr(got))) {
        ret_case->passed = false;
        ret_case->text = arena_printf(
            r->arena, "answer %lu %.*s: expected %.*s, got %s", status, SLICE_ARG(body), SLICE_ARG(expected), got);
    }
    return OK;
}

/* ---- what outcome() of the code says ---- */

enum outcome_part { OUTCOME_REQUEST, OUTCOME_RESPONSE, OUTCOME_EVENTS, OUTCOME_KEEP, OUTCOME_EXPECT, OUTCOME_COUNT };

static const struct schema_key outcome_parts[OUTCOME_COUNT] = {
    [OUTCOME_REQUEST] = {"request", SCHEMA_OBJECT, true},
    [OUTCOME_RESPONSE] = {"response", SCHEMA_OBJECT, true},
    [OUTCOME_EVENTS] = {"events", SCHEMA_NUMBER, false},
    [OUTCOME_KEEP] = {"keep", SCHEMA_ANY, false},
    [OUTCOME_EXPECT] = {"expect", SCHEMA_TEXT | SCHEMA_OBJECT | SCHEMA_LIST, true},
};

static enum err read_response(struct running *r, uint32_t node, struct destination_judging *judging) {
    static const struct schema_key keys[] = {
        {"status", SCHEMA_NUMBER, true}, {"headers", SCHEMA_OBJECT, false}, {"body", SCHEMA_ANY, false}};
    enum { STATUS_MIN = 100, STATUS_MAX = 599 };
    uint32_t at[COUNT_OF(keys)];
    uint64_t status = 0;
    enum err e = schema_object(&r->s, node, keys, COUNT_OF(keys), at);
    if (e == OK) {
        e = schema_number(&r->s, at[0], STATUS_MIN, STATUS_MAX, &status);
    }
    if (e != OK) {
        return e;
    }
    judging->status = (int)status;
    judging->headers = destination_headers_read(&r->doc, at[1], r->arena, &judging->header_count);
    judging->body =
        json_is(&r->doc, at[2], JSON_STRING) ? json_string(&r->doc, at[2], r->arena) : raw_or_none(r, at[2]);
    return OK;
}

static bool same_verdict(const struct running *r, uint32_t expect, const struct destination_verdict *verdict) {
    bool object = json_is(&r->doc, expect, JSON_OBJECT);
    uint32_t word = object ? json_find(&r->doc, expect, SLICE("outcome")) : expect;
    uint32_t text = object ? json_find(&r->doc, expect, SLICE("text")) : JSON_ABSENT;
    return json_is(&r->doc, word, JSON_STRING) &&
        slice_eq(json_string(&r->doc, word, r->arena), slice_cstr(destination_outcome_name(verdict->outcome))) &&
        (text == JSON_ABSENT ||
            (json_is(&r->doc, text, JSON_STRING) && slice_eq(json_string(&r->doc, text, r->arena), verdict->text)));
}

/* A word or {outcome, text} for all events, or a list with one for each. */
static bool check_verdicts(const struct running *r, uint32_t expect, const struct destination_judging *judging) {
    bool list = json_is(&r->doc, expect, JSON_ARRAY);
    uint32_t item = list ? json_first(&r->doc, expect) : expect;
    for (size_t i = 0; i < judging->request->event_count; i++) {
        if (item == JSON_ABSENT || !same_verdict(r, item, &judging->verdicts[i])) {
            return false;
        }
        item = list ? json_after(&r->doc, expect, item) : item;
    }
    return !list || item == JSON_ABSENT;
}

static void show_verdicts(
    struct running *r, uint32_t expect, const struct destination_judging *judging, struct destination_case *ret_case) {
    struct buf out;
    buf_init(&out, 0);
    buf_printf(&out, "an answer of %d: expected %.*s, got", judging->status, SLICE_ARG(json_raw(&r->doc, expect)));
    for (size_t i = 0; i < judging->request->event_count; i++) {
        buf_printf(&out, "%s %s%s%.*s", i > 0 ? "," : "", destination_outcome_name(judging->verdicts[i].outcome),
            judging->verdicts[i].text.len > 0 ? ": " : "", SLICE_ARG(judging->verdicts[i].text));
    }
    ret_case->passed = false;
    ret_case->text = buf_keep(&out, r->arena);
}

static enum err check_outcome(struct running *r, uint32_t node, struct destination_case *ret_case) {
    enum { EVENTS_MAX = 10000 };
    uint32_t at[OUTCOME_COUNT];
    uint64_t events = 1;
    struct destination_request request;
    struct destination_judging judging = {.transform = r->seat->transform,
        .settings = r->settings,
        .request = &request,
        .parser = r->parser,
        .arena = r->arena,
        .loop = r->seat->loop};
    enum err e = schema_object(&r->s, node, outcome_parts, OUTCOME_COUNT, at);
    if (e == OK && at[OUTCOME_EVENTS] != JSON_ABSENT) {
        e = schema_number(&r->s, at[OUTCOME_EVENTS], 1, EVENTS_MAX, &events);
    }
    if (e == OK) {
        e = read_response(r, at[OUTCOME_RESPONSE], &judging);
    }
    if (e == OK) {
        e = destination_request_read(&r->doc, at[OUTCOME_REQUEST], r->arena, &request, r->why);
    }
    if (e == OK) {
        request.event_count = (size_t)events;
        request.keep = raw_or_none(r, at[OUTCOME_KEEP]);
        e = destination_judge_wait(&judging, r->why);
    }
    if (e == OK && ret_case->passed && !check_verdicts(r, at[OUTCOME_EXPECT], &judging)) {
        show_verdicts(r, at[OUTCOME_EXPECT], &judging, ret_case);
    }
    return e;
}

/* ---- the whole ---- */

static enum err check_list(struct running *r, uint32_t list,
    enum err (*check)(struct running *r, uint32_t item, struct destination_case *ret_case),
    struct destination_case *ret_case) {
    enum err e = OK;
    uint32_t item = list != JSON_ABSENT ? json_first(&r->doc, list) : JSON_ABSENT;
    while (e == OK && item != JSON_ABSENT) {
        e = check(r, item, ret_case);
        item = json_after(&r->doc, list, item);
    }
    return e;
}

static enum err check_parts(struct running *r, const uint32_t *at, struct destination_case *ret_case) {
    static const int64_t default_now_ms = 1786060800000; /* 2026-08-07T00:00:00Z */
    int64_t now_ms = default_now_ms;
    struct value now = value_of_node(&r->doc, at[PART_NOW]);
    bool events = at[PART_EVENTS] != JSON_ABSENT && json_count(&r->doc, at[PART_EVENTS]) > 0;
    struct slice actual;
    if (at[PART_NOW] != JSON_ABSENT && !convert_read_time(&now, r->arena, &now_ms)) {
        return schema_fail(&r->s, at[PART_NOW], "\"now\" is a time");
    }
    if (events != (at[PART_EXPECT] != JSON_ABSENT)) {
        return schema_fail(&r->s, 0, "\"events\" and \"expect\" go together");
    }
    ret_case->passed = true;
    enum err e = events ? run_events(r, at, now_ms, &actual) : OK;
    if (e == OK && events) {
        e = check_expectation(r, at[PART_EXPECT], actual, ret_case);
    }
    e = e == OK ? check_list(r, at[PART_ANSWERS], check_answer, ret_case) : e;
    return e == OK ? check_list(r, at[PART_OUTCOMES], check_outcome, ret_case) : e;
}

enum err destination_case_run(const struct destination_type *type, struct slice text,
    const struct destination_case_seat *seat, struct arena *arena, struct destination_case *ret_case,
    struct errinfo *why) {
    struct errinfo unused = {.at = 0};
    struct running r = {.seat = seat, .parser = seat->parser, .arena = arena, .why = why != NULL ? why : &unused};
    struct json_doc parsed;
    enum err e = json_parse(r.parser, padded(text, arena), &parsed, r.why);
    if (e != OK) {
        return e;
    }
    definition_doc_dup(&parsed, arena, &r.doc);
    r.s = (struct schema){.file = "case", .doc = &r.doc, .arena = arena, .why = r.why};
    uint32_t at[PART_COUNT];
    e = schema_object(&r.s, 0, parts, PART_COUNT, at);
    if (e == OK) {
        ret_case->why = schema_text(&r.s, at[PART_WHY]);
        e = destination_open(type, json_raw(&r.doc, at[PART_CONFIG]), r.parser, arena, &r.settings, r.why);
    }
    return e == OK ? check_parts(&r, at, ret_case) : e;
}
