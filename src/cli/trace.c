/* sluice trace MESSAGE_ID: what became of an event, from GET /v0/trace/{id}. */
#include <stdio.h>

#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/show.h"

struct trace_printer {
    struct answer *answer;
    struct buf *out;
    bool colour;
};

static enum show_colour colour_of(const struct trace_printer *printer, struct slice word) {
    return printer->colour ? show_outcome_colour(word) : SHOW_PLAIN;
}

static void print_attempt(const struct trace_printer *printer, uint32_t attempt) {
    struct answer *answer = printer->answer;
    struct buf *out = printer->out;
    char duration[SHOW_SIZE];
    struct slice text = answer_text(answer, attempt, "text");
    struct slice reason = answer_text(answer, attempt, "reason");
    int64_t status = answer_number(answer, attempt, "status");
    buf_printf(out, "      #%ld  %.*s  ", (long)answer_number(answer, attempt, "attempt"),
        SLICE_ARG(answer_text(answer, attempt, "at")));
    if (status != 0) {
        buf_printf(out, "%ld", (long)status);
    } else {
        buf_append(out, SLICE("no answer"));
    }
    buf_printf(out, " in %s", show_micros((uint64_t)answer_number(answer, attempt, "duration_us"), duration));
    if (reason.len > 0) {
        buf_printf(out, ": %.*s", SLICE_ARG(reason));
    }
    if (text.len > 0) {
        buf_append(out, SLICE(" | "));
        show_text(out, text, SHOW_PLAIN);
    }
    buf_append_byte(out, '\n');
}

static void print_destination(const struct trace_printer *printer, uint32_t row) {
    struct answer *answer = printer->answer;
    struct buf *out = printer->out;
    struct slice end = answer_text(answer, row, "end"), reason = answer_text(answer, row, "reason");
    struct slice ended = answer_text(answer, row, "ended"), next = answer_text(answer, row, "next");
    struct slice text = answer_text(answer, row, "text");
    uint32_t array;
    buf_append(out, SLICE("  → "));
    show_text(out, answer_text(answer, row, "id"), SHOW_PLAIN);
    buf_append(out, SLICE(": "));
    show_text(out, end, colour_of(printer, end));
    if (ended.len > 0) {
        buf_printf(out, " at %.*s", SLICE_ARG(ended));
    }
    if (reason.len > 0) {
        buf_append(out, SLICE(": "));
        show_text(out, reason, SHOW_PLAIN);
    }
    if (text.len > 0) {
        buf_append(out, SLICE(" | "));
        show_text(out, text, SHOW_PLAIN);
    }
    if (next.len > 0) {
        buf_printf(out, " at %.*s", SLICE_ARG(next));
    }
    buf_append_byte(out, '\n');
    for (uint32_t attempt = answer_first(answer, row, "attempts", &array); attempt != JSON_ABSENT;
         attempt = json_after(&answer->doc, array, attempt)) {
        print_attempt(printer, attempt);
    }
}

static void print_sighting(const struct trace_printer *printer, uint32_t event) {
    struct answer *answer = printer->answer;
    struct buf *out = printer->out;
    char bytes[SHOW_SIZE];
    uint32_t array, payload = json_find(&answer->doc, event, SLICE("payload"));
    struct slice rejected = answer_text(answer, event, "rejected"), target = answer_text(answer, event, "redriven_to");
    buf_printf(out, "%.*s  ", SLICE_ARG(answer_text(answer, event, "type")));
    show_text(out, answer_text(answer, event, "event"), SHOW_PLAIN);
    buf_append(out, SLICE("  from "));
    show_text(out, answer_text(answer, event, "source"), SHOW_PLAIN);
    buf_append(out, SLICE(", user "));
    show_text(out, answer_text(answer, event, "user"), SHOW_PLAIN);
    buf_printf(out, "\n  received %.*s, offset %ld, %s\n", SLICE_ARG(answer_text(answer, event, "received")),
        (long)answer_number(answer, event, "offset"),
        show_bytes((uint64_t)answer_number(answer, event, "bytes"), bytes));
    if (rejected.len > 0) {
        buf_append(out, SLICE("  rejected: "));
        show_text(out, rejected, SHOW_PLAIN);
        buf_append_byte(out, '\n');
    }
    if (target.len > 0) {
        buf_printf(out, "  redriven to %.*s\n", SLICE_ARG(target));
    }
    for (uint32_t row = answer_first(answer, event, "destinations", &array); row != JSON_ABSENT;
         row = json_after(&answer->doc, array, row)) {
        print_destination(printer, row);
    }
    if (payload != JSON_ABSENT) {
        buf_printf(out, "  %.*s\n", SLICE_ARG(json_raw(&answer->doc, payload)));
    }
}

static void print_report(struct answer *answer, struct buf *out) {
    struct trace_printer printer = {.answer = answer, .out = out, .colour = show_colour_wanted()};
    uint32_t array;
    for (uint32_t event = answer_first(answer, 0, "events", &array); event != JSON_ABSENT;
         event = json_after(&answer->doc, array, event)) {
        print_sighting(&printer, event);
    }
}

int verb_trace(const struct args *args) {
    if (args->positional_count != 1) {
        fprintf(stderr, "sluice: trace takes one MESSAGE_ID\n");
        return EXIT_USAGE;
    }
    struct answer answer;
    struct buf target, out;
    buf_init(&target, 0);
    buf_init(&out, 0);
    buf_append(&target, SLICE("/v0/trace/"));
    ask_encode(&target, slice_cstr(args->positional[0]));
    buf_append(&target, args_has(args, OPTION_PAYLOAD) ? SLICE("?payload=1\0") : SLICE("\0"));
    int code = ask(args, "GET", target.ptr, &answer);
    if (code == EXIT_OK && args_has(args, OPTION_JSON)) {
        buf_append(&out, buf_slice(&answer.body));
        buf_append_byte(&out, '\n');
    } else if (code == EXIT_OK) {
        print_report(&answer, &out);
    }
    (void)show_flush(&out); /* nobody reads: nothing to do about it */
    buf_fini(&out);
    buf_fini(&target);
    answer_fini(&answer);
    return code;
}
