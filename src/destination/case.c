/* A case of a destination: events and a config in, requests and refusals out, compared as structures. */
#include <stdio.h>
#include <stdlib.h>

#include "destination/definition.h"

struct comparison {
    struct json_doc expected, actual;
    struct arena *arena;
    char path[160];
    size_t path_len;
    struct slice text; /* the first difference */
};

/* ---- comparison ---- */

static bool compare(struct comparison *c, uint32_t expected, uint32_t actual);

static bool differ(struct comparison *c, uint32_t expected, uint32_t actual) {
    enum { SHOWN = 300 };
    struct slice left = expected != JSON_ABSENT ? json_raw(&c->expected, expected) : SLICE("nothing");
    struct slice right = actual != JSON_ABSENT ? json_raw(&c->actual, actual) : SLICE("nothing");
    left.len = left.len < SHOWN ? left.len : SHOWN;
    right.len = right.len < SHOWN ? right.len : SHOWN;
    c->text = arena_printf(
        c->arena, "%.*s: expected %.*s, got %.*s", (int)c->path_len, c->path, SLICE_ARG(left), SLICE_ARG(right));
    return false;
}

static bool compare_below(struct comparison *c, struct slice name, uint32_t expected, uint32_t actual) {
    size_t mark = c->path_len;
    int n = snprintf(c->path + mark, sizeof c->path - mark, "%s%.*s", mark > 0 ? "." : "", SLICE_ARG(name));
    c->path_len += n > 0 && (size_t)n < sizeof c->path - mark ? (size_t)n : 0;
    bool same =
        expected != JSON_ABSENT && actual != JSON_ABSENT ? compare(c, expected, actual) : differ(c, expected, actual);
    c->path_len = mark;
    return same;
}

static bool compare_objects(struct comparison *c, uint32_t expected, uint32_t actual) {
    for (uint32_t k = json_first(&c->expected, expected); k != JSON_ABSENT; k = json_after(&c->expected, expected, k)) {
        struct slice name = json_string(&c->expected, k, c->arena);
        if (!compare_below(c, name, k + 1, json_find(&c->actual, actual, name))) {
            return false;
        }
    }
    for (uint32_t k = json_first(&c->actual, actual); k != JSON_ABSENT; k = json_after(&c->actual, actual, k)) {
        struct slice name = json_string(&c->actual, k, c->arena);
        if (json_find(&c->expected, expected, name) == JSON_ABSENT) {
            return compare_below(c, name, JSON_ABSENT, k + 1);
        }
    }
    return true;
}

static bool compare_arrays(struct comparison *c, uint32_t expected, uint32_t actual) {
    uint32_t left = json_first(&c->expected, expected);
    uint32_t right = json_first(&c->actual, actual);
    for (size_t index = 0; left != JSON_ABSENT || right != JSON_ABSENT; index++) {
        char name[24];
        snprintf(name, sizeof name, "%zu", index);
        if (!compare_below(c, slice_cstr(name), left, right)) {
            return false;
        }
        left = left != JSON_ABSENT ? json_after(&c->expected, expected, left) : left;
        right = right != JSON_ABSENT ? json_after(&c->actual, actual, right) : right;
    }
    return true;
}

static bool same_number(struct slice left, struct slice right, struct arena *arena) {
    struct value a = {.kind = VALUE_NUMBER, .text = left};
    struct value b = {.kind = VALUE_NUMBER, .text = right};
    double x = 0;
    double y = 0;
    return slice_eq(left, right) || (value_number(&a, arena, &x) && value_number(&b, arena, &y) && x == y);
}

/* Numbers are equal by value, objects whatever their order. */
static bool compare(struct comparison *c, uint32_t expected, uint32_t actual) {
    enum json_kind kind = json_kind(&c->expected, expected);
    bool same = kind == json_kind(&c->actual, actual);
    if (same && kind == JSON_OBJECT) {
        return compare_objects(c, expected, actual);
    }
    if (same && kind == JSON_ARRAY) {
        return compare_arrays(c, expected, actual);
    }
    if (same && kind == JSON_STRING) {
        same = slice_eq(json_string(&c->expected, expected, c->arena), json_string(&c->actual, actual, c->arena));
    } else if (same && kind == JSON_NUMBER) {
        same = same_number(json_raw(&c->expected, expected), json_raw(&c->actual, actual), c->arena);
    }
    return same ? true : differ(c, expected, actual);
}

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
        ret_case->passed = compare(&c, expect, 0);
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
