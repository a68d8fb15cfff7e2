/* sluice audit: the conservation law from GET /v0/audit. */
#include <stdio.h>

#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/show.h"

static void print_verdict(struct buf *out, bool ok) {
    bool colour = show_colour_wanted();
    show_text(out, ok ? SLICE("OK") : SLICE("VIOLATED"), colour ? (ok ? SHOW_GREEN : SHOW_RED) : SHOW_PLAIN);
}

static void print_destination(struct answer *answer, uint32_t row, struct buf *out) {
    print_verdict(out, answer_is_true(answer, row, "ok"));
    buf_append(out, SLICE("  "));
    show_text(out, answer_text(answer, row, "id"), SHOW_PLAIN);
    buf_printf(out, ": %ld in = %ld delivered + %ld filtered + %ld dead + %ld expired + %ld pending%s\n",
        (long)answer_number(answer, row, "in"), (long)answer_number(answer, row, "delivered"),
        (long)answer_number(answer, row, "filtered"), (long)answer_number(answer, row, "dead"),
        (long)answer_number(answer, row, "expired"), (long)answer_number(answer, row, "pending"),
        answer_is_true(answer, row, "balanced") ? "" : "   <- does not add up");
    if (json_is(&answer->doc, json_find(&answer->doc, row, SLICE("log")), JSON_OBJECT)) {
        buf_printf(out, "      log from offset %ld to %ld: %ld events for it, %ld handed over%s; %ld further on\n",
            (long)answer_number(answer, row, "log.from"), (long)answer_number(answer, row, "log.to"),
            (long)answer_number(answer, row, "log.events"), (long)answer_number(answer, row, "log.handed_over"),
            answer_is_true(answer, row, "log.ok") ? "" : "   <- differs", (long)answer_number(answer, row, "behind"));
    } else {
        buf_printf(out, "      not compared with the log: not fed, or its sources have just changed; %ld waiting\n",
            (long)answer_number(answer, row, "behind"));
    }
}

static void print_report(struct answer *answer, struct buf *out) {
    uint32_t array;
    print_verdict(out, answer_is_true(answer, 0, "gateway.ok"));
    buf_printf(out, "  gateway: %ld acknowledged since start, %ld in the log\n",
        (long)answer_number(answer, 0, "gateway.acknowledged"), (long)answer_number(answer, 0, "gateway.log"));
    for (uint32_t row = answer_first(answer, 0, "destinations", &array); row != JSON_ABSENT;
         row = json_after(&answer->doc, array, row)) {
        print_destination(answer, row, out);
    }
}

int verb_audit(const struct args *args) {
    struct answer answer;
    struct buf out;
    int code = ask(args, "GET", "/v0/audit", &answer);
    buf_init(&out, 0);
    if (code == EXIT_OK && args_has(args, OPTION_JSON)) {
        buf_append(&out, buf_slice(&answer.body));
        buf_append_byte(&out, '\n');
    } else if (code == EXIT_OK) {
        print_report(&answer, &out);
    }
    (void)show_flush(&out); /* nobody reads: nothing to do about it */
    if (code == EXIT_OK && !answer_is_true(&answer, 0, "ok")) {
        code = EXIT_NO;
    }
    buf_fini(&out);
    answer_fini(&answer);
    return code;
}
