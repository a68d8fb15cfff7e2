/* sluice transform test: saved cases, offline.
 *
 * expect: {events: [one per event], new: [outputs that belong to no event], error: of the batch, logs: [...],
 * compile: error}. Of an event: {output: {}}, {outputs: [{}, …]}, {dropped: true} or {error: "part of its text"}. What
 * is left out is not looked at, but for events: an event without an entry must not have failed. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/json_diff.h"
#include "cli/show.h"
#include "cli/transform_cli.h"
#include "json/json_write.h"

enum { CASE_DEPTH = 192, PATH_SIZE = 4096, OUTPUTS_MAX = 256 };

struct tally {
    const struct transform_conf *conf;
    struct buf out;
    struct json_writer json;
    bool as_json;
    size_t passed, failed;
};

/* One case while it runs. */
struct trial {
    struct spec spec;
    struct json_parser *parser; /* of outputs */
    struct buf faults;          /* a line each */
};

static void fault_text(struct trial *trial, const char *where, size_t index, struct slice text) {
    buf_printf(&trial->faults, "%s", where);
    if (index != SIZE_MAX) {
        buf_printf(&trial->faults, " %zu", index + 1);
    }
    buf_append(&trial->faults, SLICE(": "));
    buf_append(&trial->faults, text);
    buf_append_byte(&trial->faults, '\n');
}

static void fault(struct trial *trial, const char *where, size_t index, const char *text) {
    fault_text(trial, where, index, slice_cstr(text));
}

struct place {
    struct trial *trial;
    const char *where;
    size_t index;
};

static void on_change(void *ctx, const struct json_change *change) {
    struct place *place = ctx;
    struct buf text;
    buf_init(&text, 0);
    buf_append(&text, change->path.len > 0 ? change->path : SLICE("(all)"));
    buf_append(&text, SLICE(" is "));
    buf_append(&text, change->to.ptr != NULL ? change->to : SLICE("absent"));
    buf_append(&text, SLICE("; expected "));
    buf_append(&text, change->from.ptr != NULL ? change->from : SLICE("absent"));
    fault_text(place->trial, place->where, place->index, buf_slice(&text));
    buf_fini(&text);
}

static void compare(struct trial *trial, const char *where, size_t index, uint32_t expected, struct slice output) {
    struct buf copy;
    struct json_doc doc;
    struct place place = {trial, where, index};
    buf_init(&copy, 0);
    buf_append(&copy, output);
    enum err e = buf_reserve(&copy, JSON_PADDING);
    e = e == OK ? json_parse(trial->parser, buf_slice(&copy), &doc, NULL) : e;
    ASSERT(e == OK); /* the answer it is part of has been read */
    json_diff(&trial->spec.doc, expected, &doc, 0, on_change, &place);
    buf_fini(&copy);
}

static size_t outputs_of(const struct transform_answer *answer, uint32_t input, struct slice out[OUTPUTS_MAX]) {
    size_t count = 0;
    for (size_t i = 0; i < answer->result_count; i++) {
        const struct transform_result *result = &answer->results[i];
        if (!result->failed && result->input == input && count < OUTPUTS_MAX) {
            out[count++] = result->output;
        }
    }
    return count;
}

static struct slice error_of(const struct transform_answer *answer, uint32_t input) {
    for (size_t i = 0; i < answer->result_count; i++) {
        const struct transform_result *result = &answer->results[i];
        if (result->failed && (result->input == input || result->input == TRANSFORM_NO_INPUT)) {
            return result->error;
        }
    }
    return SLICE_NONE;
}

/* That `text` holds what the case says, or that there is an error where none is expected. */
static void check_error(struct trial *trial, const char *where, size_t index, uint32_t expected, struct slice text) {
    struct slice part = json_string(&trial->spec.doc, expected, &trial->spec.arena);
    if (text.ptr == NULL) {
        fault(trial, where, index, "no error; one was expected");
    } else if (part.len > 0 && memmem(text.ptr, text.len, part.ptr, part.len) == NULL) {
        fault_text(trial, where, index, text);
    }
}

static void check_outputs(
    struct trial *trial, const char *where, size_t index, uint32_t list, const struct transform_answer *answer) {
    struct slice outputs[OUTPUTS_MAX];
    uint32_t input = index == SIZE_MAX ? TRANSFORM_NO_INPUT : (uint32_t)index;
    size_t count = outputs_of(answer, input, outputs);
    if (count != json_count(&trial->spec.doc, list)) {
        char text[96];
        snprintf(text, sizeof text, "%zu outputs; %u were expected", count, json_count(&trial->spec.doc, list));
        fault(trial, where, index, text);
        return;
    }
    size_t i = 0;
    for (uint32_t at = json_first(&trial->spec.doc, list); at != JSON_ABSENT;
         at = json_after(&trial->spec.doc, list, at)) {
        compare(trial, where, index, at, outputs[i++]);
    }
}

static void check_event(struct trial *trial, size_t index, uint32_t expected, const struct transform_answer *answer) {
    const struct json_doc *doc = &trial->spec.doc;
    enum transform_fate fate = answer->fates[index];
    uint32_t error = json_find(doc, expected, SLICE("error"));
    if (error != JSON_ABSENT) {
        check_error(
            trial, "event", index, error, fate == TRANSFORM_FAILED ? error_of(answer, (uint32_t)index) : SLICE_NONE);
        return;
    }
    if (fate == TRANSFORM_FAILED) {
        fault_text(trial, "event", index, error_of(answer, (uint32_t)index));
        return;
    }
    uint32_t output = json_find(doc, expected, SLICE("output"));
    uint32_t outputs = json_find(doc, expected, SLICE("outputs"));
    if (json_is(doc, json_find(doc, expected, SLICE("dropped")), JSON_TRUE) && fate != TRANSFORM_DROPPED) {
        fault(trial, "event", index, "it came out; it was expected to be dropped");
    } else if (json_is(doc, outputs, JSON_ARRAY)) {
        check_outputs(trial, "event", index, outputs, answer);
    } else if (output != JSON_ABSENT) {
        struct slice found[OUTPUTS_MAX];
        if (outputs_of(answer, (uint32_t)index, found) != 1) {
            fault(trial, "event", index, "not one output, as was expected");
        } else {
            compare(trial, "event", index, output, found[0]);
        }
    }
}

static void check_logs(struct trial *trial, uint32_t list, const struct transform_answer *answer) {
    const struct json_doc *doc = &trial->spec.doc;
    size_t i = 0;
    for (uint32_t at = json_first(doc, list); at != JSON_ABSENT; at = json_after(doc, list, at), i++) {
        struct slice line = json_string(doc, at, &trial->spec.arena);
        if (i >= answer->log_count || !slice_eq(line, answer->logs[i])) {
            fault_text(trial, "log", i, i < answer->log_count ? answer->logs[i] : SLICE("it is missing"));
        }
    }
    if (i < answer->log_count) {
        fault_text(trial, "log", i, answer->logs[i]);
    }
}

static void on_answer(void *ctx, const struct transform_answer *answer) {
    struct trial *trial = ctx;
    const struct json_doc *doc = &trial->spec.doc;
    if (answer->err != OK) {
        fault(trial, "run", SIZE_MAX, answer->text);
        return;
    }
    uint32_t expect = json_find(doc, 0, SLICE("expect"));
    uint32_t events = json_find(doc, expect, SLICE("events"));
    uint32_t error = json_find(doc, expect, SLICE("error"));
    uint32_t fresh = json_find(doc, expect, SLICE("new"));
    uint32_t logs = json_find(doc, expect, SLICE("logs"));
    if (error != JSON_ABSENT) {
        check_error(trial, "batch", SIZE_MAX, error, error_of(answer, TRANSFORM_NO_INPUT));
    }
    uint32_t at = json_is(doc, events, JSON_ARRAY) ? json_first(doc, events) : JSON_ABSENT;
    for (size_t i = 0; i < trial->spec.input_count; i++) {
        if (error == JSON_ABSENT || at != JSON_ABSENT) {
            check_event(trial, i, at, answer);
        }
        at = at != JSON_ABSENT ? json_after(doc, events, at) : at;
    }
    if (json_is(doc, fresh, JSON_ARRAY)) {
        check_outputs(trial, "new events", SIZE_MAX, fresh, answer);
    }
    if (json_is(doc, logs, JSON_ARRAY)) {
        check_logs(trial, logs, answer);
    }
}

static void check_exchanges(struct trial *trial) {
    for (size_t i = 0; i < trial->spec.exchange_count; i++) {
        if (!trial->spec.exchanges[i].used) {
            fault(trial, "http", i, "the code did not ask for it");
        }
    }
}

static void run_case(struct trial *trial, const struct transform_conf *conf) {
    struct errinfo why = {.at = 0};
    struct transform_seat seat;
    struct spec *spec = &trial->spec;
    uint32_t expect = json_find(&spec->doc, 0, SLICE("expect"));
    uint32_t refusal = json_find(&spec->doc, expect, SLICE("compile"));
    seat_init(&seat, conf, spec, /* offline: */ true);
    seat.version = spec_version(spec, seat.transform, TRANSFORM_KIND_CODE);
    enum err e = transform_version_check(seat.transform, seat.version, NULL, &why);
    if (refusal != JSON_ABSENT) {
        check_error(trial, "compile", SIZE_MAX, refusal, e == OK ? SLICE_NONE : slice_cstr(why.text));
    } else if (e != OK) {
        buf_printf(&trial->faults, "%s: %s\n", why.path, why.text);
    } else if (spec->input_count == 0) {
        fault(trial, "case", SIZE_MAX, "it has no events");
    } else {
        seat_run(&seat, spec, 0, spec->input_count, on_answer, trial);
        check_exchanges(trial);
    }
    seat_fini(&seat);
}

/* ---- all cases ---- */

static void report(struct tally *tally, const char *path, const struct trial *trial) {
    bool passed = trial->faults.len == 0;
    tally->passed += passed;
    tally->failed += !passed;
    if (tally->as_json) {
        json_write_object(&tally->json);
        json_put_cstr(&tally->json, "path", path);
        json_put_bool(&tally->json, "passed", passed);
        json_put_string(&tally->json, "text", buf_slice(&trial->faults));
        json_write_end(&tally->json);
        return;
    }
    buf_printf(&tally->out, "%s %s\n", passed ? "ok  " : "FAIL", path);
    for (struct slice rest = buf_slice(&trial->faults); !passed && rest.len > 0;) {
        struct slice line = slice_cut(rest, '\n', &rest);
        buf_append(&tally->out, SLICE("     "));
        show_text(&tally->out, line, SHOW_PLAIN);
        buf_append_byte(&tally->out, '\n');
    }
    (void)show_flush(&tally->out); /* nobody reads: the exit code says it */
}

static void try_case(struct tally *tally, const char *path) {
    struct trial trial;
    struct errinfo why = {.at = 0};
    spec_init(&trial.spec);
    buf_init(&trial.faults, 0);
    trial.parser = json_parser_new(CASE_DEPTH);
    if (spec_read(&trial.spec, path, &why) != OK) {
        buf_printf(&trial.faults, "%s: %s\n", why.path, why.text);
    } else if (trial.spec.parser == NULL) {
        fault(&trial, "case", SIZE_MAX, "a case is a JSON file; its `file` names the code");
    } else {
        run_case(&trial, tally->conf);
    }
    report(tally, path, &trial);
    json_parser_free(trial.parser);
    buf_fini(&trial.faults);
    spec_fini(&trial.spec);
}

static int is_case(const struct dirent *entry) {
    size_t len = strlen(entry->d_name);
    enum { END = sizeof ".json" - 1 };
    return len > END && entry->d_name[0] != '.' && strcmp(entry->d_name + len - END, ".json") == 0;
}

/* The .json files of a folder, by name; a file itself. */
static bool try_path(struct tally *tally, const char *path) {
    DIR *folder = opendir(path);
    if (folder == NULL && errno != ENOTDIR) {
        fprintf(stderr, "sluice: %s: %s\n", path, strerror(errno));
        return false;
    }
    if (folder == NULL) {
        try_case(tally, path);
        return true;
    }
    closedir(folder);
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, is_case, alphasort);
    for (int i = 0; i < count; i++) {
        char inside[PATH_SIZE];
        snprintf(inside, sizeof inside, "%s/%s", path, entries[i]->d_name);
        try_case(tally, inside);
        mem_free(entries[i]); /* scandir's memory is the heap's, as ours */
    }
    mem_free(entries);
    if (count == 0) {
        fprintf(stderr, "sluice: %s holds no case (*.json)\n", path);
    }
    return count > 0;
}

int transform_test_verb(const struct args *args, const struct transform_conf *conf) {
    struct tally tally = {.conf = conf, .as_json = args_has(args, OPTION_JSON)};
    bool found = args->positional_count > 1;
    if (!found) {
        fprintf(stderr, "sluice: transform test FILE|DIR... [--json]\n");
        return EXIT_USAGE;
    }
    buf_init(&tally.out, 0);
    json_writer_init(&tally.json, &tally.out);
    if (tally.as_json) {
        json_write_array(&tally.json);
    }
    for (int i = 1; i < args->positional_count; i++) {
        found = try_path(&tally, args->positional[i]) && found;
    }
    if (tally.as_json) {
        json_write_end(&tally.json);
        buf_append_byte(&tally.out, '\n');
    } else {
        buf_printf(&tally.out, "%zu passed, %zu failed\n", tally.passed, tally.failed);
    }
    (void)show_flush(&tally.out); /* as in report */
    buf_fini(&tally.out);
    return !found ? EXIT_USAGE : tally.failed > 0 ? EXIT_NO : EXIT_OK;
}
