/* A case of a destination: events and a config in, requests and refusals out, compared as structures. */
#include <stdio.h>
#include <stdlib.h>

#include "destination/compare.h"
#include "destination/definition.h"

/* ---- running ---- */

struct running {
    struct schema s;
    struct json_doc doc; /* the case */
    const struct destination_settings *settings;
    struct json_parser *parser;
    struct arena *arena;
    struct errinfo *why;
};

static struct slice padded(struct slice text, struct arena *arena) {
    char *copy = arena_alloc(arena, text.len + JSON_PADDING);
    memcpy(copy, text.ptr, text.len);
    return slice_of(copy, text.len);
}

static enum err run_events(struct running *r, uint32_t list, int64_t now_ms, struct slice *ret_actual) {
    struct slice *events = ARENA_ARRAY(r->arena, struct slice, json_count(&r->doc, list) + 1);
    struct destination_input input = {.events = events, .now_ms = now_ms};
    for (uint32_t item = json_first(&r->doc, list); item != JSON_ABSENT; item = json_after(&r->doc, list, item)) {
        events[input.count++] = padded(json_raw(&r->doc, item), r->arena);
    }
    struct destination_batch batch;
    enum err e = destination_build(r->settings, &input, r->parser, r->arena, &batch, r->why);
    if (e != OK) {
        return e;
    }
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    destination_batch_write(&batch, &w);
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

enum part { PART_WHY, PART_CONFIG, PART_NOW, PART_EVENTS, PART_EXPECT, PART_ANSWERS, PART_COUNT };

static enum err check_parts(struct running *r, const uint32_t *at, struct destination_case *ret_case) {
    static const int64_t default_now_ms = 1786060800000; /* 2026-08-07T00:00:00Z */
    int64_t now_ms = default_now_ms;
    struct value now = value_of_node(&r->doc, at[PART_NOW]);
    if (at[PART_NOW] != JSON_ABSENT && !convert_read_time(&now, r->arena, &now_ms)) {
        return schema_fail(&r->s, at[PART_NOW], "\"now\" is a time");
    }
    struct slice actual;
    enum err e = run_events(r, at[PART_EVENTS], now_ms, &actual);
    if (e == OK) {
        e = check_expectation(r, at[PART_EXPECT], actual, ret_case);
    }
    uint32_t list = at[PART_ANSWERS];
    uint32_t item = list != JSON_ABSENT ? json_first(&r->doc, list) : JSON_ABSENT;
    while (e == OK && item != JSON_ABSENT) {
        e = check_answer(r, item, ret_case);
        item = json_after(&r->doc, list, item);
    }
    return e;
}

enum err destination_case_run(const struct destination_type *type, struct slice text, struct json_parser *parser,
    struct arena *arena, struct destination_case *ret_case, struct errinfo *why) {
    static const struct schema_key keys[PART_COUNT] = {
        [PART_WHY] = {"why", SCHEMA_TEXT, true},
        [PART_CONFIG] = {"config", SCHEMA_OBJECT, true},
        [PART_NOW] = {"now", SCHEMA_TEXT, false},
        [PART_EVENTS] = {"events", SCHEMA_LIST, true},
        [PART_EXPECT] = {"expect", SCHEMA_OBJECT, true},
        [PART_ANSWERS] = {"answers", SCHEMA_LIST, false},
    };
    struct errinfo unused = {.at = 0};
    struct running r = {.parser = parser, .arena = arena, .why = why != NULL ? why : &unused};
    struct json_doc parsed;
    enum err e = json_parse(parser, padded(text, arena), &parsed, r.why);
    if (e != OK) {
        return e;
    }
    definition_doc_dup(&parsed, arena, &r.doc);
    r.s = (struct schema){.file = "case", .doc = &r.doc, .arena = arena, .why = r.why};
    uint32_t at[PART_COUNT];
    e = schema_object(&r.s, 0, keys, PART_COUNT, at);
    if (e == OK) {
        ret_case->why = schema_text(&r.s, at[PART_WHY]);
        e = destination_open(type, json_raw(&r.doc, at[PART_CONFIG]), parser, arena, &r.settings, r.why);
    }
    return e == OK ? check_parts(&r, at, ret_case) : e;
}
