/* sluice tail: rows of GET /v0/tail, as columns or as JSON lines. */
#include <signal.h>
#include <stdio.h>

#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/show.h"

enum { COUNT_MAX = 1000, JSON_DEPTH = 8, ARENA_CHUNK = 4096 };

struct tail_printer {
    bool json, colour;
    uint64_t rows;
    struct buf out;
    struct answer row; /* the line being printed, as if it were an answer */
};

static void put_number(struct tail_printer *printer, const char *key, const char *format) {
    int64_t n = answer_number(&printer->row, 0, key);
    if (n > 0) {
        buf_printf(&printer->out, format, (long)n); /* NOLINT: the two callers' literals take a long */
    }
}

static void print_row(struct tail_printer *printer) {
    struct answer *row = &printer->row;
    struct buf *out = &printer->out;
    enum { TIME = 12, STAGE = 9, OUTCOME = 9, TYPE = 8, EVENT = 24, ROUTE = 24 };
    struct slice outcome = answer_text(row, 0, "outcome");
    struct slice source = answer_text(row, 0, "source"), destination = answer_text(row, 0, "destination");
    struct slice route = destination.len == 0
        ? source
        : arena_printf(&row->arena, "%.*s→%.*s", SLICE_ARG(source), SLICE_ARG(destination));
    show_column(out, show_clock(answer_text(row, 0, "time")), TIME, printer->colour ? SHOW_DIM : SHOW_PLAIN);
    show_column(out, answer_text(row, 0, "stage"), STAGE, SHOW_PLAIN);
    show_column(out, outcome, OUTCOME, printer->colour ? show_outcome_colour(outcome) : SHOW_PLAIN);
    show_column(out, answer_text(row, 0, "type"), TYPE, SHOW_PLAIN);
    show_column(out, answer_text(row, 0, "event"), EVENT, SHOW_PLAIN);
    show_column(out, route, ROUTE, SHOW_PLAIN);
    put_number(printer, "status", "%ld ");
    put_number(printer, "attempt", "#%ld ");
    show_column(out, answer_text(row, 0, "message_id"), 0, printer->colour ? SHOW_DIM : SHOW_PLAIN);
    show_text(out, answer_text(row, 0, "reason"), SHOW_PLAIN);
    buf_append_byte(out, '\n');
}

static bool on_line(void *ctx, struct slice line) {
    struct tail_printer *printer = ctx;
    struct answer *row = &printer->row;
    if (printer->json) {
        buf_append(&printer->out, line);
        buf_append_byte(&printer->out, '\n');
        printer->rows++;
        return show_flush(&printer->out);
    }
    arena_reset(&row->arena);
    char *copy = arena_alloc(&row->arena, line.len + JSON_PADDING);
    memcpy(copy, line.ptr, line.len);
    if (json_parse(row->parser, slice_of(copy, line.len), &row->doc, NULL) != OK) {
        fprintf(stderr, "sluice: not understood: %.*s\n", SLICE_ARG(line));
        return true;
    }
    int64_t missed = answer_number(row, 0, "missed");
    if (missed > 0) {
        fprintf(stderr, "sluice: %ld rows were missed here: they come faster than they are read\n", (long)missed);
        return true;
    }
    print_row(printer);
    printer->rows++;
    return show_flush(&printer->out);
}

static void build_target(const struct args *args, uint64_t count, struct buf *target) {
    static const enum option filters[] = {OPTION_SOURCE, OPTION_DESTINATION, OPTION_OUTCOME, OPTION_TYPE};
    buf_printf(target, "/v0/tail?count=%lu", (unsigned long)count);
    if (args_has(args, OPTION_FOLLOW)) {
        buf_append(target, SLICE("&follow=1"));
    }
    for (size_t i = 0; i < COUNT_OF(filters); i++) {
        if (args_has(args, filters[i])) {
            buf_printf(target, "&%s=", option_info(filters[i])->name);
            ask_encode(target, slice_cstr(args->value[filters[i]]));
        }
    }
    buf_append_byte(target, '\0');
}

int verb_tail(const struct args *args) {
    enum { COUNT_DEFAULT = 20 };
    uint64_t count = 0;
    struct errinfo why = {.at = 0};
    if (args_number(args, OPTION_COUNT, COUNT_DEFAULT, COUNT_MAX, &count, &why) != OK) {
        fprintf(stderr, "sluice: %s\n", why.text);
        return EXIT_USAGE;
    }
    struct tail_printer printer = {
        .json = args_has(args, OPTION_JSON), .colour = show_colour_wanted(), .row.parser = json_parser_new(JSON_DEPTH)};
    struct buf target;
    buf_init(&target, 0);
    buf_init(&printer.out, 0);
    arena_init(&printer.row.arena, ARENA_CHUNK, 0);
    build_target(args, count, &target);
    signal(SIGPIPE, SIG_DFL); /* `| head` ends a follower at once */
    int code = ask_lines(args, target.ptr, on_line, &printer);
    if (code == EXIT_OK && printer.rows == 0 && !args_has(args, OPTION_FOLLOW)) {
        fprintf(stderr, "sluice: nothing yet; --follow waits for it\n");
    }
    arena_fini(&printer.row.arena);
    json_parser_free(printer.row.parser);
    buf_fini(&printer.out);
    buf_fini(&target);
    return code;
}
