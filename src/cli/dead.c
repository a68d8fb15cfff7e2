/* sluice dead list | show | redrive. */
#include <stdio.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/show.h"
#include "json/json_write.h"

enum { LIST_DEFAULT = 100, LIST_MAX = 10000, PAGE = 500 };

static int usage(const char *problem) {
    fprintf(stderr, "sluice: %s; sluice dead list | show ID | redrive (ID... | --destination NAME | --all)\n", problem);
    return EXIT_USAGE;
}

/* ---- list ---- */

static void list_target(const struct args *args, uint64_t count, uint64_t after, bool taken_too, struct buf *target) {
    buf_reset(target);
    buf_printf(target, "/v0/dead?count=%lu&after=%lu", (unsigned long)count, (unsigned long)after);
    if (args_has(args, OPTION_DESTINATION)) {
        buf_append(target, SLICE("&destination="));
        ask_encode(target, slice_cstr(args->value[OPTION_DESTINATION]));
    }
    if (taken_too) {
        buf_append(target, SLICE("&all=1"));
    }
    buf_append_byte(target, '\0');
}

static void add_letter(struct show_table *table, struct answer *answer, uint32_t row) {
    char text[SHOW_SIZE];
    struct slice destination = answer_text(answer, row, "destination");
    snprintf(text, sizeof text, "%ld", (long)answer_number(answer, row, "id"));
    show_table_text(table, text);
    show_table_cell(table, answer_text(answer, row, "at"), SHOW_DIM);
    show_table_cell(table, destination.len > 0 ? destination : SLICE("(gateway)"), SHOW_PLAIN);
    show_table_cell(table, answer_text(answer, row, "type"), SHOW_PLAIN);
    show_table_cell(table, answer_text(answer, row, "message_id"), SHOW_PLAIN);
    snprintf(text, sizeof text, "%ld", (long)answer_number(answer, row, "attempts"));
    show_table_text(table, text);
    snprintf(text, sizeof text, "%ld", (long)answer_number(answer, row, "status"));
    show_table_text(table, text);
    show_table_text(table, answer_is_true(answer, row, "taken") ? "redriven" : "");
    show_table_cell(table, answer_text(answer, row, "text"), SHOW_PLAIN);
}

static void print_list(struct answer *answer, struct buf *out) {
    static const char *const heads[] = {
        "ID", "AT", "DESTINATION", "TYPE", "MESSAGE ID", "ATTEMPTS", "STATUS", "", "REASON"};
    enum { ID = 0, ATTEMPTS = 5, STATUS = 6 };
    struct show_table table;
    uint32_t array;
    show_table_init(&table, COUNT_OF(heads));
    table.right[ID] = table.right[ATTEMPTS] = table.right[STATUS] = true;
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        show_table_cell(&table, slice_cstr(heads[i]), SHOW_DIM);
    }
    for (uint32_t row = answer_first(answer, 0, "letters", &array); row != JSON_ABSENT;
         row = json_after(&answer->doc, array, row)) {
        add_letter(&table, answer, row);
    }
    show_table_print(&table, show_colour_wanted(), out);
    show_table_fini(&table);
    int64_t next = answer_number(answer, 0, "next");
    if (next > 0) {
        fprintf(stderr, "sluice: there are more; --count N shows them\n");
    }
}

static int list(const struct args *args, struct buf *out) {
    uint64_t count = 0;
    struct errinfo why = {.at = 0};
    if (args_number(args, OPTION_COUNT, LIST_DEFAULT, LIST_MAX, &count, &why) != OK) {
        return usage(why.text);
    }
    struct answer answer;
    struct buf target;
    buf_init(&target, 0);
    list_target(args, count, /* after: */ 0, args_has(args, OPTION_ALL), &target);
    int code = ask(args, "GET", target.ptr, &answer);
    if (code == EXIT_OK && args_has(args, OPTION_JSON)) {
        buf_append(out, buf_slice(&answer.body));
        buf_append_byte(out, '\n');
    } else if (code == EXIT_OK) {
        print_list(&answer, out);
    }
    answer_fini(&answer);
    buf_fini(&target);
    return code;
}

/* ---- show ---- */

static void print_letter(struct answer *answer, struct buf *out) {
    static const char *const fields[] = {
        "destination", "source", "message_id", "type", "at", "received", "reason", "text"};
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        struct slice text = answer_text(answer, 0, fields[i]);
        if (text.len > 0) {
            buf_printf(out, "%-12s ", fields[i]);
            show_text(out, text, SHOW_PLAIN);
            buf_append_byte(out, '\n');
        }
    }
    buf_printf(out, "%-12s %ld\n%-12s %ld\n", "attempts", (long)answer_number(answer, 0, "attempts"), "status",
        (long)answer_number(answer, 0, "status"));
    static const char *const texts[] = {"request", "response"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct slice rest = answer_text(answer, 0, texts[i]);
        if (rest.len == 0) {
            continue; /* the gateway refused it: nothing was ever sent */
        }
        buf_printf(out, "\n%s\n", texts[i]);
        while (rest.len > 0) {
            buf_append(out, SLICE("    "));
            show_text(out, slice_trim(slice_cut(rest, '\n', &rest)), SHOW_PLAIN);
            buf_append_byte(out, '\n');
        }
    }
    uint32_t payload = json_find(&answer->doc, 0, SLICE("payload"));
    buf_printf(out, "\npayload\n    %.*s\n", SLICE_ARG(json_raw(&answer->doc, payload)));
}

static int show(const struct args *args, struct buf *out) {
    uint64_t id = 0;
    if (args->positional_count != 2 || slice_to_u64(slice_cstr(args->positional[1]), &id) != OK) {
        return usage("show takes the number of one letter");
    }
    struct answer answer;
    char target[64];
    snprintf(target, sizeof target, "/v0/dead/%lu", (unsigned long)id);
    int code = ask(args, "GET", target, &answer);
    if (code == EXIT_OK && args_has(args, OPTION_JSON)) {
        buf_append(out, buf_slice(&answer.body));
        buf_append_byte(out, '\n');
    } else if (code == EXIT_OK) {
        print_letter(&answer, out);
    }
    answer_fini(&answer);
    return code;
}

/* ---- redrive ---- */

/* Numbers of letters, all known before the first is redriven: an event that dies again gets a new letter, which is not
 * ours. */
struct redrive {
    const struct args *args;
    uint64_t *ids;
    size_t count, room;
    uint64_t done, failed, skipped;
    int code;
};

static void add_id(struct redrive *work, uint64_t id) {
    if (work->count == work->room) {
        work->room = work->room > 0 ? work->room * 2 : 64;
        work->ids = mem_resize(work->ids, work->room * sizeof *work->ids);
    }
    work->ids[work->count++] = id;
}

/* One page of letters behind `after`. Returns where to go on, 0 = nowhere. */
static uint64_t gather_page(struct redrive *work, uint64_t after) {
    struct answer answer;
    struct buf target;
    uint32_t array;
    buf_init(&target, 0);
    list_target(work->args, PAGE, after, /* taken_too: */ false, &target);
    work->code = ask(work->args, "GET", target.ptr, &answer);
    uint32_t row = work->code == EXIT_OK ? answer_first(&answer, 0, "letters", &array) : JSON_ABSENT;
    for (; row != JSON_ABSENT; row = json_after(&answer.doc, array, row)) {
        if (answer_text(&answer, row, "destination").len == 0) {
            work->skipped++; /* the gateway refused it: there is nothing to deliver */
        } else {
            add_id(work, (uint64_t)answer_number(&answer, row, "id"));
        }
    }
    uint64_t next = work->code == EXIT_OK ? (uint64_t)answer_number(&answer, 0, "next") : 0;
    answer_fini(&answer);
    buf_fini(&target);
    return next;
}

static int gather_ids(struct redrive *work) {
    const struct args *args = work->args;
    bool several = args_has(args, OPTION_ALL) || args_has(args, OPTION_DESTINATION);
    if (several == (args->positional_count > 1)) {
        return usage("redrive takes numbers of letters, or --destination NAME, or --all");
    }
    for (int i = 1; i < args->positional_count; i++) {
        uint64_t id = 0;
        if (slice_to_u64(slice_cstr(args->positional[i]), &id) != OK) {
            return usage("redrive takes numbers of letters");
        }
        add_id(work, id);
    }
    for (uint64_t next = several ? gather_page(work, 0) : 0; next != 0;) {
        next = gather_page(work, next);
    }
    return work->code;
}

/* False: the server has gone, there is no point in going on. */
static bool redrive_one(struct redrive *work, uint64_t id) {
    struct answer answer;
    char target[64];
    snprintf(target, sizeof target, "/v0/dead/%lu/redrive", (unsigned long)id);
    int code = ask(work->args, "POST", target, &answer);
    answer_fini(&answer);
    work->done += code == EXIT_OK;
    work->failed += code != EXIT_OK;
    if (code != EXIT_OK) {
        work->code = code == EXIT_UNREACHABLE ? code : EXIT_NO;
    }
    return code != EXIT_UNREACHABLE;
}

static void redrive_all(struct redrive *work) {
    enum { SHOW_EVERY = 100 };
    bool progress = isatty(STDERR_FILENO) == 1 && work->count > SHOW_EVERY;
    bool there = true;
    for (size_t i = 0; there && i < work->count; i++) {
        there = redrive_one(work, work->ids[i]);
        if (progress && (i % SHOW_EVERY == 0 || i + 1 == work->count)) {
            fprintf(stderr, "\rredriving %zu of %zu%s", i + 1, work->count, i + 1 == work->count ? "\n" : "");
        }
    }
}

static void print_result(const struct redrive *work, struct buf *out) {
    if (args_has(work->args, OPTION_JSON)) {
        struct json_writer json;
        json_writer_init(&json, out);
        json_write_object(&json);
        json_put_u64(&json, "redriven", work->done);
        json_put_u64(&json, "failed", work->failed);
        json_put_u64(&json, "refused_by_gateway", work->skipped);
        json_write_end(&json);
        buf_append_byte(out, '\n');
        return;
    }
    buf_printf(out, "%lu redriven", (unsigned long)work->done);
    if (work->failed > 0) {
        buf_printf(out, ", %lu failed", (unsigned long)work->failed);
    }
    if (work->skipped > 0) {
        buf_printf(
            out, ", %lu left out: the gateway refused them, they never were events", (unsigned long)work->skipped);
    }
    buf_append_byte(out, '\n');
}

static int redrive(const struct args *args, struct buf *out) {
    struct redrive work = {.args = args, .code = EXIT_OK};
    int code = gather_ids(&work);
    if (code == EXIT_OK) {
        redrive_all(&work);
        print_result(&work, out);
        code = work.code;
    }
    mem_free(work.ids);
    return code;
}

int verb_dead(const struct args *args) {
    static const struct {
        struct slice name;
        int (*run)(const struct args *args, struct buf *out);
    } words[] = {{SLICE("list"), list}, {SLICE("show"), show}, {SLICE("redrive"), redrive}};
    struct slice what = args->positional_count > 0 ? slice_cstr(args->positional[0]) : SLICE("");
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (slice_eq(what, words[i].name)) {
            struct buf out;
            buf_init(&out, 0);
            int code = words[i].run(args, &out);
            (void)show_flush(&out); /* nobody reads: nothing to do about it */
            buf_fini(&out);
            return code;
        }
    }
    return usage("dead what?");
}
