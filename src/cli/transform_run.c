/* sluice transform run: what becomes of each event. */
#include <stdio.h>

#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/json_diff.h"
#include "cli/show.h"
#include "cli/transform_cli.h"
#include "json/json_write.h"

enum { BATCH = 200, RUN_DEPTH = 192 };

struct run {
    const struct spec *spec;
    struct buf out;
    struct json_writer json;
    struct json_parser *parsers[2]; /* of an input and an output */
    bool as_json;
    size_t from, count; /* the batch that runs */
    size_t failed;      /* events */
    enum err err;
};

/* ---- what happened to one event ---- */

struct story {
    const struct transform_answer *answer;
    uint32_t input;
    size_t outputs;
    const struct transform_result *first, *error;
};

static struct story story_of(const struct transform_answer *answer, uint32_t input) {
    struct story story = {.answer = answer, .input = input};
    for (size_t i = 0; i < answer->result_count; i++) {
        const struct transform_result *result = &answer->results[i];
        if (result->failed && (result->input == input || result->input == TRANSFORM_NO_INPUT)) {
            story.error = story.error == NULL || result->input == input ? result : story.error;
        } else if (!result->failed && result->input == input) {
            story.first = story.outputs++ == 0 ? result : story.first;
        }
    }
    return story;
}

static void parse(struct json_parser *parser, struct buf *copy, struct slice text, struct json_doc *ret_doc) {
    buf_init(copy, 0);
    buf_append(copy, text);
    enum err e = buf_reserve(copy, JSON_PADDING);
    e = e == OK ? json_parse(parser, buf_slice(copy), ret_doc, NULL) : e;
    ASSERT(e == OK); /* both have been read before */
}

static void each_change(struct run *run, struct slice from, struct slice to,
    void (*each)(void *ctx, const struct json_change *change), void *ctx) {
    struct buf copies[2];
    struct json_doc docs[2];
    parse(run->parsers[0], &copies[0], from, &docs[0]);
    parse(run->parsers[1], &copies[1], to, &docs[1]);
    json_diff(&docs[0], 0, &docs[1], 0, each, ctx);
    buf_fini(&copies[0]);
    buf_fini(&copies[1]);
}

static void on_any(void *ctx, const struct json_change *change) {
    (void)change; /* that there is one is enough */
    *(bool *)ctx = true;
}

static const char *outcome_of(struct run *run, const struct story *story, struct slice message) {
    switch (story->answer->fates[story->input]) {
    case TRANSFORM_FAILED:
        return "failed";
    case TRANSFORM_DROPPED:
        return "dropped";
    default:
        break;
    }
    if (story->outputs > 1) {
        return "split";
    }
    bool changed = false;
    each_change(run, message, story->first->output, on_any, &changed);
    return changed ? "changed" : "unchanged";
}

static struct slice message_id(struct run *run, struct slice message, struct arena *arena) {
    struct buf copy;
    struct json_doc doc;
    parse(run->parsers[0], &copy, message, &doc);
    struct slice id = json_string(&doc, json_find(&doc, 0, SLICE("messageId")), arena);
    id = id.ptr != NULL ? arena_dup(arena, id) : SLICE("");
    buf_fini(&copy);
    return id;
}

/* ---- as text ---- */

static void show_json(struct buf *out, struct slice json) {
    enum { SHOWN = 200 };
    show_text(out, slice_of(json.ptr, json.len < SHOWN ? json.len : SHOWN), SHOW_PLAIN);
    if (json.len > SHOWN) {
        buf_append(out, SLICE("…"));
    }
}

static void on_change_text(void *ctx, const struct json_change *change) {
    struct run *run = ctx;
    const char *sign = change->from.ptr == NULL ? "+" : change->to.ptr == NULL ? "-" : "~";
    buf_printf(&run->out, "    %s ", sign);
    show_text(&run->out, change->path, SHOW_PLAIN);
    buf_append(&run->out, SLICE(": "));
    if (change->from.ptr != NULL) {
        show_json(&run->out, change->from);
        buf_append(&run->out, change->to.ptr != NULL ? SLICE(" -> ") : SLICE(""));
    }
    if (change->to.ptr != NULL) {
        show_json(&run->out, change->to);
    }
    buf_append_byte(&run->out, '\n');
}

static void text_lines(struct buf *out, struct slice text, const char *indent) {
    for (struct slice rest = text; rest.ptr != NULL;) {
        struct slice line = slice_cut(rest, '\n', &rest);
        buf_printf(out, "%s", indent);
        show_text(out, line, SHOW_PLAIN);
        buf_append_byte(out, '\n');
    }
}

static void event_text(struct run *run, const struct story *story, struct slice message, struct slice id) {
    const char *outcome = outcome_of(run, story, message);
    buf_printf(&run->out, "%zu ", run->from + story->input + 1);
    show_text(&run->out, id, SHOW_PLAIN);
    buf_append_byte(&run->out, ' ');
    show_text(&run->out, slice_cstr(outcome),
        !show_colour_wanted()                                        ? SHOW_PLAIN
            : story->answer->fates[story->input] == TRANSFORM_FAILED ? SHOW_RED
                                                                     : SHOW_GREEN);
    buf_append_byte(&run->out, '\n');
    if (story->error != NULL && story->answer->fates[story->input] == TRANSFORM_FAILED) {
        text_lines(&run->out, story->error->error, "    ");
    }
    for (size_t i = 0, n = 0; i < story->answer->result_count; i++) {
        const struct transform_result *result = &story->answer->results[i];
        if (result->failed || result->input != story->input) {
            continue;
        }
        if (story->outputs > 1) {
            buf_printf(&run->out, "  output %zu of %zu\n", ++n, story->outputs);
        }
        each_change(run, message, result->output, on_change_text, run);
    }
}

static void rest_text(struct run *run, const struct transform_answer *answer) {
    for (size_t i = 0; i < answer->result_count; i++) {
        const struct transform_result *result = &answer->results[i];
        if (result->input == TRANSFORM_NO_INPUT) {
            buf_printf(&run->out, "%s\n", result->failed ? "of the batch: failed" : "new event");
            text_lines(&run->out, result->failed ? result->error : result->output, "    ");
        }
    }
    for (size_t i = 0; i < answer->log_count; i++) {
        text_lines(&run->out, answer->logs[i], "");
    }
    char cpu[SHOW_SIZE], total[SHOW_SIZE];
    buf_printf(
        &run->out, "%s of CPU, %s in all\n", show_micros(answer->cpu_us, cpu), show_micros(answer->total_us, total));
}

/* ---- as JSON ---- */

static void on_change_json(void *ctx, const struct json_change *change) {
    struct json_writer *json = ctx;
    json_write_object(json);
    json_put_string(json, "path", change->path);
    if (change->from.ptr != NULL) {
        json_put_raw(json, "from", change->from);
    }
    if (change->to.ptr != NULL) {
        json_put_raw(json, "to", change->to);
    }
    json_write_end(json);
}

static void event_json(struct run *run, const struct story *story, struct slice message, struct slice id) {
    struct json_writer *json = &run->json;
    json_write_object(json);
    json_put_u64(json, "index", run->from + story->input);
    json_put_string(json, "messageId", id);
    json_put_cstr(json, "outcome", outcome_of(run, story, message));
    if (story->outputs == 1) {
        json_write_key(json, SLICE("diff"));
        json_write_array(json);
        each_change(run, message, story->first->output, on_change_json, json);
        json_write_end(json);
    }
    json_write_end(json);
}

static void results_json(struct run *run, const struct transform_answer *answer) {
    struct json_writer *json = &run->json;
    for (size_t i = 0; i < answer->result_count; i++) {
        const struct transform_result *result = &answer->results[i];
        json_write_object(json);
        json_write_key(json, SLICE("index"));
        if (result->input == TRANSFORM_NO_INPUT) {
            json_write_null(json);
        } else {
            json_write_u64(json, run->from + result->input);
        }
        if (result->failed) {
            json_put_string(json, "error", result->error);
            json_put_cstr(json, "cause", transform_cause_word(result->cause));
        } else {
            json_put_raw(json, "output", result->output);
        }
        json_write_end(json);
    }
}

static void answer_json(struct run *run, const struct transform_answer *answer) {
    struct json_writer *json = &run->json;
    json_write_object(json);
    json_put_string(json, "mode", answer->mode);
    json_put_u64(json, "cpu_us", answer->cpu_us);
    json_put_u64(json, "total_us", answer->total_us);
    json_write_key(json, SLICE("events"));
    json_write_array(json);
    struct arena arena;
    arena_init(&arena, 0, 0);
    for (size_t i = 0; i < run->count; i++) {
        struct story story = story_of(answer, (uint32_t)i);
        struct slice message = run->spec->inputs[run->from + i].message;
        event_json(run, &story, message, message_id(run, message, &arena));
    }
    arena_fini(&arena);
    json_write_end(json);
    json_write_key(json, SLICE("results"));
    json_write_array(json);
    results_json(run, answer);
    json_write_end(json);
    json_write_key(json, SLICE("logs"));
    json_write_array(json);
    for (size_t i = 0; i < answer->log_count; i++) {
        json_write_string(json, answer->logs[i]);
    }
    json_write_end(json);
    json_write_end(json);
}

/* ---- the run ---- */

static void on_answer(void *ctx, const struct transform_answer *answer) {
    struct run *run = ctx;
    if (answer->err != OK) {
        fprintf(stderr, "sluice: %s\n", answer->text);
        run->err = answer->err;
        return;
    }
    for (size_t i = 0; i < run->count; i++) {
        run->failed += answer->fates[i] == TRANSFORM_FAILED;
    }
    if (run->as_json) {
        answer_json(run, answer);
        return;
    }
    struct arena arena;
    arena_init(&arena, 0, 0);
    for (size_t i = 0; i < run->count; i++) {
        struct story story = story_of(answer, (uint32_t)i);
        struct slice message = run->spec->inputs[run->from + i].message;
        event_text(run, &story, message, message_id(run, message, &arena));
    }
    arena_fini(&arena);
    rest_text(run, answer);
}

static void run_all(struct run *run, struct transform_seat *seat) {
    if (run->as_json) {
        json_writer_init(&run->json, &run->out);
        json_write_object(&run->json);
        json_put_bool(&run->json, "ok", true);
        json_write_key(&run->json, SLICE("batches"));
        json_write_array(&run->json);
    }
    for (run->from = 0; run->from < run->spec->input_count && run->err == OK; run->from += run->count) {
        size_t left = run->spec->input_count - run->from;
        run->count = left < BATCH ? left : BATCH;
        seat_run(seat, run->spec, run->from, run->count, on_answer, run);
        if (!run->as_json) {
            (void)show_flush(&run->out); /* nobody reads: the events are still worth their exit code */
        }
    }
    if (run->as_json) {
        json_write_end(&run->json);
        json_write_end(&run->json);
        buf_append_byte(&run->out, '\n');
        (void)show_flush(&run->out); /* as above */
    }
}

static int compile_and_run(struct run *run, struct transform_seat *seat, struct spec *spec) {
    struct errinfo why = {.at = 0};
    struct buf info;
    buf_init(&info, 0);
    seat->version = spec_version(spec, seat->transform, TRANSFORM_KIND_CODE);
    enum err e = transform_version_check(seat->transform, seat->version, &info, &why);
    if (e != OK) {
        cli_print_error(&why);
        if (run->as_json && e == ERR_INVALID) {
            json_writer_init(&run->json, &run->out);
            json_write_object(&run->json);
            json_put_bool(&run->json, "ok", false);
            json_put_raw(&run->json, "compile", buf_slice(&info));
            json_write_end(&run->json);
            buf_append_byte(&run->out, '\n');
            (void)show_flush(&run->out); /* the exit code says it too */
        }
        buf_fini(&info);
        return e == ERR_INVALID ? EXIT_NO : EXIT_START;
    }
    buf_fini(&info);
    run_all(run, seat);
    return run->err != OK ? EXIT_START : run->failed > 0 ? EXIT_NO : EXIT_OK;
}

/* The last events of a running server. Returns an exit code; what is wrong has been said. */
static int read_log(struct spec *spec, const struct args *args) {
    enum { COUNT_DEFAULT = 20, COUNT_MAX = 1000 };
    uint64_t count = 0;
    struct errinfo why = {.at = 0};
    if (args_number(args, OPTION_FROM_LOG, COUNT_DEFAULT, COUNT_MAX, &count, &why) != OK) {
        fprintf(stderr, "sluice: %s\n", why.text);
        return EXIT_USAGE;
    }
    struct buf target;
    struct answer answer;
    buf_init(&target, 0);
    buf_printf(&target, "/v0/log?count=%lu", (unsigned long)count);
    if (args_has(args, OPTION_SOURCE)) {
        buf_append(&target, SLICE("&source="));
        ask_encode(&target, slice_cstr(args->value[OPTION_SOURCE]));
    }
    buf_append_byte(&target, '\0');
    int code = ask(args, "GET", target.ptr, &answer);
    uint32_t list = code == EXIT_OK ? json_find(&answer.doc, 0, SLICE("events")) : JSON_ABSENT;
    if (code == EXIT_OK && (list == JSON_ABSENT || spec_take_events(spec, json_raw(&answer.doc, list), &why) != OK)) {
        cli_print_error(&why);
        code = EXIT_START;
    }
    answer_fini(&answer);
    buf_fini(&target);
    return code;
}

static int read_all(struct spec *spec, const struct args *args) {
    struct errinfo why = {.at = 0};
    enum err e = spec_read(spec, args->positional[1], &why);
    e = e == OK && args_has(args, OPTION_WITH) ? spec_read_with(spec, args->value[OPTION_WITH], &why) : e;
    e = e == OK && args_has(args, OPTION_EVENTS) ? spec_read_events(spec, args->value[OPTION_EVENTS], &why) : e;
    int code = e == OK ? EXIT_OK : EXIT_USAGE;
    if (e != OK) {
        cli_print_error(&why);
    } else if (args_has(args, OPTION_FROM_LOG)) {
        code = read_log(spec, args);
    }
    if (code == EXIT_OK && spec->input_count == 0) {
        fprintf(stderr, "sluice: there are no events%s\n",
            args_has(args, OPTION_FROM_LOG) ? " in the log" : ": --events FILE, or --from-log N");
        code = EXIT_USAGE;
    }
    return code;
}

int transform_run_verb(const struct args *args, const struct transform_conf *conf) {
    struct spec spec;
    if (args->positional_count != 2) {
        fprintf(stderr,
            "sluice: transform run FILE (--events FILE | --from-log N [--source NAME]) [--with FILE] [--json]\n");
        return EXIT_USAGE;
    }
    spec_init(&spec);
    int code = read_all(&spec, args);
    if (code != EXIT_OK) {
        spec_fini(&spec);
        return code;
    }
    struct run run = {.spec = &spec, .as_json = args_has(args, OPTION_JSON)};
    struct transform_seat seat;
    buf_init(&run.out, 0);
    run.parsers[0] = json_parser_new(RUN_DEPTH);
    run.parsers[1] = json_parser_new(RUN_DEPTH);
    seat_init(&seat, conf, &spec, /* offline: */ spec.exchange_count > 0);
    code = compile_and_run(&run, &seat, &spec);
    seat_fini(&seat);
    json_parser_free(run.parsers[0]);
    json_parser_free(run.parsers[1]);
    buf_fini(&run.out);
    spec_fini(&spec);
    return code;
}
