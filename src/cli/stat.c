/* sluice stat: one screen from GET /v0/stat. */
#include <stdio.h>
#include <time.h>

#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/show.h"

static void print_head(struct answer *answer, struct buf *out) {
    char uptime[SHOW_SIZE], resident[SHOW_SIZE];
    show_duration(answer_number(answer, 0, "uptime_ms"), uptime);
    show_bytes((uint64_t)answer_number(answer, 0, "resident_bytes"), resident);
    buf_printf(out, "sluice     %.*s, process %ld, port %ld, up %s, %s resident, %ld ms of CPU\n",
        SLICE_ARG(answer_text(answer, 0, "version")), (long)answer_number(answer, 0, "pid"),
        (long)answer_number(answer, 0, "port"), uptime, resident, (long)answer_number(answer, 0, "cpu_ms"));
    buf_append(out, SLICE("workspace  "));
    show_text(out, answer_text(answer, 0, "workspace.name"), SHOW_PLAIN);
    buf_printf(out, " from ");
    show_text(out, answer_text(answer, 0, "workspace.path"), SHOW_PLAIN);
    buf_printf(out, ", generation %ld, loaded %.*s\n", (long)answer_number(answer, 0, "workspace.generation"),
        SLICE_ARG(answer_text(answer, 0, "workspace.loaded")));
}

static void print_gateway(struct answer *answer, struct buf *out) {
    char requests[SHOW_SIZE], refused[SHOW_SIZE], stored[SHOW_SIZE], duplicate[SHOW_SIZE], rejected[SHOW_SIZE];
    char p50[SHOW_SIZE], p99[SHOW_SIZE];
    buf_printf(out,
        "gateway    %s requests (%s refused); events: %s stored, %s duplicate, %s rejected; ack p50 %s p99 %s\n",
        show_count(answer_number(answer, 0, "gateway.requests"), requests),
        show_count(answer_number(answer, 0, "gateway.requests_refused"), refused),
        show_count(answer_number(answer, 0, "gateway.events_stored"), stored),
        show_count(answer_number(answer, 0, "gateway.events_duplicate"), duplicate),
        show_count(answer_number(answer, 0, "gateway.events_rejected"), rejected),
        show_micros((uint64_t)answer_number(answer, 0, "gateway.ack_p50_us"), p50),
        show_micros((uint64_t)answer_number(answer, 0, "gateway.ack_p99_us"), p99));
}

static void print_store(struct answer *answer, struct buf *out) {
    char head[SHOW_SIZE], tail[SHOW_SIZE], bytes[SHOW_SIZE], free_bytes[SHOW_SIZE], ids[SHOW_SIZE];
    struct slice pressure = answer_text(answer, 0, "store.pressure");
    buf_printf(out, "store      offsets %s to %s, %s in %ld segments, %s free, %s message ids remembered%s\n",
        show_count(answer_number(answer, 0, "store.tail"), tail),
        show_count(answer_number(answer, 0, "store.head"), head),
        show_bytes((uint64_t)answer_number(answer, 0, "store.bytes"), bytes),
        (long)answer_number(answer, 0, "store.segments"),
        show_bytes((uint64_t)answer_number(answer, 0, "store.free_bytes"), free_bytes),
        show_count(answer_number(answer, 0, "store.dedup_entries"), ids),
        slice_eq(pressure, SLICE("none")) ? "" : "; FULL: new events are refused");
}

static void add_count(struct show_table *table, const struct answer *answer, uint32_t row, const char *key, bool bad) {
    char text[SHOW_SIZE];
    int64_t n = answer_number(answer, row, key);
    show_table_cell(table, slice_cstr(show_count(n, text)), bad && n > 0 ? SHOW_RED : SHOW_PLAIN);
}

static void add_row(struct show_table *table, struct answer *answer, uint32_t row) {
    char text[SHOW_SIZE];
    struct slice state = answer_text(answer, row, "state");
    show_table_cell(table, answer_text(answer, row, "id"), SHOW_PLAIN);
    show_table_cell(table, answer_text(answer, row, "type"), SHOW_DIM);
    show_table_cell(table, state, show_outcome_colour(state));
    add_count(table, answer, row, "in", false);
    add_count(table, answer, row, "delivered", false);
    add_count(table, answer, row, "filtered", false);
    add_count(table, answer, row, "dead", true);
    add_count(table, answer, row, "expired", true);
    add_count(table, answer, row, "open", false);
    add_count(table, answer, row, "behind", false);
    show_table_text(table, show_micros((uint64_t)answer_number(answer, row, "p50_us"), text));
    show_table_text(table, show_micros((uint64_t)answer_number(answer, row, "p99_us"), text));
    show_table_text(table, show_duration(answer_number(answer, row, "lag_ms"), text));
    show_table_cell(table, answer_text(answer, row, "reason"), SHOW_YELLOW);
}

static void print_destinations(struct answer *answer, struct buf *out) {
    static const char *const heads[] = {"DESTINATION", "TYPE", "STATE", "IN", "DELIVERED", "FILTERED", "DEAD",
        "EXPIRED", "PENDING", "BEHIND", "P50", "P99", "LAG", ""};
    enum { FIRST_NUMBER = 3, LAST_NUMBER = 12 };
    struct show_table table;
    uint32_t array;
    show_table_init(&table, COUNT_OF(heads));
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        show_table_cell(&table, slice_cstr(heads[i]), SHOW_DIM);
        table.right[i] = i >= FIRST_NUMBER && i <= LAST_NUMBER;
    }
    for (uint32_t row = answer_first(answer, 0, "destinations", &array); row != JSON_ABSENT;
         row = json_after(&answer->doc, array, row)) {
        add_row(&table, answer, row);
    }
    show_table_print(&table, show_colour_wanted(), out);
    show_table_fini(&table);
}

/* False: nobody reads any more. */
static bool print_stat(const struct args *args, struct answer *answer) {
    static const char home_and_clear[] = "\033[H\033[2J";
    struct buf out;
    buf_init(&out, 0);
    if (args_has(args, OPTION_JSON)) {
        buf_append(&out, buf_slice(&answer->body));
        buf_append_byte(&out, '\n');
    } else {
        if (args_has(args, OPTION_WATCH) && show_colour_wanted()) { /* a terminal: one screen that changes */
            buf_append(&out, slice_cstr(home_and_clear));
        }
        print_head(answer, &out);
        print_gateway(answer, &out);
        print_store(answer, &out);
        buf_append_byte(&out, '\n');
        print_destinations(answer, &out);
    }
    bool read = show_flush(&out);
    buf_fini(&out);
    return read;
}

int verb_stat(const struct args *args) {
    static const struct timespec second = {.tv_sec = 1};
    for (;;) {
        struct answer answer;
        int code = ask(args, "GET", "/v0/stat", &answer);
        bool read = code == EXIT_OK && print_stat(args, &answer);
        answer_fini(&answer);
        if (!read || !args_has(args, OPTION_WATCH)) {
            return code;
        }
        (void)nanosleep(&second, NULL); /* a signal ends us anyway */
    }
}
