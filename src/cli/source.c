/* sluice source: webhook sources: which there are, their settings, their cases, and what a webhook becomes. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/dest.h"
#include "cli/show.h"
#include "source/source.h"

enum { ARENA_CHUNK = 65536, PATH_SIZE = 4400 };

/* ---- list, show ---- */

static void list_json(struct buf *out) {
    size_t count = 0;
    const struct destination_type *const *list = destination_source_list(&count);
    struct json_writer w;
    json_writer_init(&w, out);
    json_write_array(&w);
    for (size_t i = 0; i < count; i++) {
        json_write_object(&w);
        json_put_string(&w, "type", list[i]->type);
        json_put_string(&w, "label", list[i]->label);
        json_put_string(&w, "origin", list[i]->origin);
        json_put_bool(&w, "checks_sender", list[i]->webhook->signature_count > 0);
        json_write_end(&w);
    }
    json_write_end(&w);
    buf_append_byte(out, '\n');
}

static void list_table(struct buf *out) {
    static const char *const heads[] = {"TYPE", "LABEL", "SENDER", "FROM"};
    size_t count = 0;
    const struct destination_type *const *list = destination_source_list(&count);
    struct show_table table;
    show_table_init(&table, COUNT_OF(heads));
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        show_table_cell(&table, slice_cstr(heads[i]), SHOW_DIM);
    }
    for (size_t i = 0; i < count; i++) {
        show_table_cell(&table, list[i]->type, SHOW_PLAIN);
        show_table_cell(&table, list[i]->label, SHOW_PLAIN);
        show_table_text(&table, list[i]->webhook->signature_count > 0 ? "can be checked" : "");
        show_table_cell(&table, list[i]->origin, SHOW_PLAIN);
    }
    show_table_print(&table, show_colour_wanted(), out);
    show_table_fini(&table);
}

static int list(const struct args *args) {
    struct buf out;
    buf_init(&out, 0);
    (args_has(args, OPTION_JSON) ? list_json : list_table)(&out);
    (void)show_flush(&out); /* nobody reads: nothing to do about it */
    buf_fini(&out);
    return EXIT_OK;
}

static int show(const struct args *args) {
    const struct destination_type *type =
        args->positional_count == 2 ? destination_source_find(slice_cstr(args->positional[1])) : NULL;
    if (type == NULL) {
        fprintf(stderr, "sluice: source show TYPE; `sluice source list` names them\n");
        return args->positional_count == 2 ? EXIT_NO : EXIT_USAGE;
    }
    struct buf out;
    buf_init(&out, 0);
    dest_show(type, args_has(args, OPTION_JSON), &out);
    (void)show_flush(&out); /* nobody reads: nothing to do about it */
    buf_fini(&out);
    return EXIT_OK;
}

/* ---- test ---- */

static enum err load_folder(
    struct dest_tests *tests, const char *folder, const struct destination_type **ret_type, struct errinfo *why) {
    enum err e = destination_load(folder, ret_type, why);
    if (e == OK && (*ret_type)->webhook == NULL) {
        e = err_why(ERR_INVALID, why, folder, "is a destination, no source: `sluice dest test`");
    }
    return e == OK ? destination_code_check(dest_seat_transform(&tests->seat), *ret_type, why) : e;
}

static enum err run_case(struct dest_tests *tests, const struct destination_type *type, struct slice text,
    struct arena *arena, struct dest_verdict *ret_verdict, struct errinfo *why) {
    struct source_case result = {.passed = false};
    struct source_seat seat = {.transform = dest_seat_transform(&tests->seat),
        .parser = tests->parser,
        .arena = arena,
        .loop = tests->seat.loop};
    enum err e = source_case_run(&seat, type, text, &result, why);
    *ret_verdict = (struct dest_verdict){result.passed, result.why, result.text};
    return e;
}

static int test(const struct args *args, const struct conf *conf) {
    static const struct dest_tester tester = {
        "source test DIR...: folders with a definition.json, a transform.js and cases/", load_folder, run_case};
    return dest_test(&tester, args, conf);
}

/* ---- run ---- */

/* One question: {"type", …}; see source_ask. */
static enum err answer(struct dest_seat *seat, struct json_parser *parser, const struct json_doc *doc, uint32_t node,
    struct json_writer *w, struct errinfo *why) {
    struct arena arena;
    arena_init(&arena, ARENA_CHUNK, 0);
    struct slice name = json_string(doc, json_find(doc, node, SLICE("type")), &arena);
    const struct destination_type *type = destination_source_find(name);
    enum err e = type != NULL ? OK : err_why(ERR_NOT_FOUND, why, "type", "there is no source %.*s", SLICE_ARG(name));
    if (e == OK) {
        const struct source_seat asked = {
            .transform = dest_seat_transform(seat), .parser = parser, .arena = &arena, .loop = seat->loop};
        e = source_ask(&asked, type, doc, node, w, why);
    }
    arena_fini(&arena);
    return e;
}

static enum err answer_all(const struct conf *conf, struct slice text, struct buf *out, struct errinfo *why) {
    struct json_doc doc;
    struct json_writer w;
    struct dest_seat seat;
    struct json_parser *reader = json_parser_new(DEST_DEPTH);
    struct json_parser *parser = json_parser_new(DEST_DEPTH);
    dest_seat_init(&seat, conf);
    json_writer_init(&w, out);
    enum err e = json_parse(reader, text, &doc, why);
    if (e == OK && !json_is(&doc, 0, JSON_ARRAY)) {
        e = err_why(ERR_INVALID, why, "-", "standard input is no list of questions");
    }
    if (e == OK) {
        json_write_array(&w);
        for (uint32_t node = json_first(&doc, 0); node != JSON_ABSENT && e == OK; node = json_after(&doc, 0, node)) {
            e = answer(&seat, parser, &doc, node, &w, why);
        }
        json_write_end(&w);
        buf_append_byte(out, '\n');
    }
    dest_seat_fini(&seat);
    json_parser_free(parser);
    json_parser_free(reader);
    return e;
}

static int run(const struct conf *conf) {
    struct arena arena;
    struct buf out;
    struct slice text;
    struct errinfo why = {.at = 0};
    arena_init(&arena, ARENA_CHUNK, 0);
    buf_init(&out, 0);
    enum err e = dest_read("-", &arena, &text, &why);
    e = e == OK ? answer_all(conf, text, &out, &why) : e;
    if (e == OK) {
        (void)show_flush(&out); /* nobody reads: nothing to do about it */
    } else {
        cli_print_error(&why);
    }
    buf_fini(&out);
    arena_fini(&arena);
    return e == OK ? EXIT_OK : EXIT_NO;
}

/* ---- the verb ---- */

static int with_conf(const struct args *args, const struct conf *conf) {
    struct slice word = slice_cstr(args->positional[0]);
    if (slice_eq(word, SLICE("list"))) {
        return list(args);
    }
    if (slice_eq(word, SLICE("show"))) {
        return show(args);
    }
    if (slice_eq(word, SLICE("test"))) {
        return test(args, conf);
    }
    if (slice_eq(word, SLICE("run"))) {
        return run(conf);
    }
    fprintf(stderr, "sluice: source list, show, test or run, not \"%s\"\n", args->positional[0]);
    return EXIT_USAGE;
}

int verb_source(const struct args *args) {
    if (args->positional_count == 0) {
        fprintf(stderr, "sluice: source list, show, test or run; `sluice source -h` explains them\n");
        return EXIT_USAGE;
    }
    return dest_with_conf(args, with_conf);
}
