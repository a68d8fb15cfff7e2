/* A case of a source: a webhook in, events or an answer out, compared as structures. */
#include "destination/compare.h"
#include "source/source_internal.h"

enum { DEPTH = 128 };

static struct slice padded(struct slice text, struct arena *arena) {
    char *copy = arena_alloc(arena, text.len + JSON_PADDING);
    memcpy(copy, text.ptr, text.len);
    return slice_of(copy, text.len);
}

static enum err ask(const struct source_seat *seat, const struct destination_type *type, const struct json_doc *doc,
    struct slice *ret_answer, struct errinfo *why) {
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    enum err e = source_ask(seat, type, doc, 0, &w, why);
    if (e == OK) {
        *ret_answer = padded(buf_slice(&out), seat->arena);
    }
    buf_fini(&out);
    return e;
}

/* {"refused": true} is any refusal. */
static bool is_any_refusal(const struct json_doc *expected, uint32_t node, const struct json_doc *actual) {
    return json_is(expected, json_find(expected, node, SLICE("refused")), JSON_TRUE) &&
        json_find(actual, 0, SLICE("refused")) != JSON_ABSENT;
}

static enum err check(const struct source_seat *seat, const struct destination_type *type, const struct json_doc *doc,
    struct source_case *ret_case, struct errinfo *why) {
    struct slice answer;
    uint32_t expect = json_find(doc, 0, SLICE("expect"));
    uint32_t reason = json_find(doc, 0, SLICE("why"));
    if (!json_is(doc, expect, JSON_OBJECT) || !json_is(doc, reason, JSON_STRING)) {
        return err_why(ERR_INVALID, why, "case", "\"why\" and \"expect\" are wanted");
    }
    ret_case->why = json_string(doc, reason, seat->arena);
    enum err e = ask(seat, type, doc, &answer, why);
    struct comparison c = {.expected = *doc, .arena = seat->arena};
    if (e == OK) {
        e = json_parse(seat->parser, answer, &c.actual, why);
    }
    if (e == OK) {
        ret_case->passed = is_any_refusal(doc, expect, &c.actual) || compare_nodes(&c, expect, 0);
        ret_case->text = c.text;
    }
    return e;
}

enum err source_case_run(const struct source_seat *seat, const struct destination_type *type, struct slice text,
    struct source_case *ret_case, struct errinfo *why) {
    struct json_doc doc;
    struct json_parser *parser = json_parser_new(DEPTH); /* the case stays while the run parses */
    enum err e = json_parse(parser, padded(text, seat->arena), &doc, why);
    if (e == OK) {
        e = check(seat, type, &doc, ret_case, why);
    }
    json_parser_free(parser);
    return e;
}
