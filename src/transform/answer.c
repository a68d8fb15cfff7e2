/* Reads what a worker says of a step. The worker runs other people's code: nothing it sends is believed. */
#include "transform/transform_internal.h"
#include "json/json.h"

enum row_kind { ROW_OUTPUT, ROW_ERROR, ROW_DROPPED, ROW_AGAIN };

static const char *const cause_words[] = {
#define C(name, word, text) word,
#include "transform/cause.def"
#undef C
};
static const char *const cause_texts[] = {
#define C(name, word, text) text,
#include "transform/cause.def"
#undef C
};

const char *transform_cause_word(enum transform_cause cause) {
    return cause_words[cause];
}

const char *transform_cause_text(enum transform_cause cause) {
    return cause_texts[cause];
}

static enum transform_cause cause_of(struct slice word) {
    for (size_t i = 0; i < COUNT_OF(cause_words); i++) {
        if (slice_eq(word, slice_cstr(cause_words[i]))) {
            return (enum transform_cause)i;
        }
    }
    return TRANSFORM_CAUSE_ENGINE;
}

struct transform_result *job_add_result(struct job *job) {
    if (job->result_count == job->result_room) {
        size_t room = job->result_room > 0 ? job->result_room * 2 : job->step_count + 1;
        struct transform_result *results = ARENA_ARRAY(&job->arena, struct transform_result, room);
        if (job->result_count > 0) {
            memcpy(results, job->results, job->result_count * sizeof *results);
        }
        job->results = results;
        job->result_room = room;
    }
    return &job->results[job->result_count++];
}

static void add_log(struct job *job, struct slice line) {
    if (job->log_count == job->log_room) {
        enum { FIRST_ROOM = 16 };
        size_t room = job->log_room > 0 ? job->log_room * 2 : FIRST_ROOM;
        struct slice *logs = ARENA_ARRAY(&job->arena, struct slice, room);
        if (job->log_count > 0) {
            memcpy(logs, job->logs, job->log_count * sizeof *logs);
        }
        job->logs = logs;
        job->log_room = room;
    }
    job->logs[job->log_count++] = line;
}

/* [input, kind, value, cause] */
static enum err read_row(struct job *job, const struct json_doc *doc, uint32_t row, struct answer_again *again) {
    uint32_t at[4] = {JSON_ABSENT, JSON_ABSENT, JSON_ABSENT, JSON_ABSENT};
    size_t count = 0;
    for (uint32_t cell = json_first(doc, row); cell != JSON_ABSENT && count < COUNT_OF(at);
         cell = json_after(doc, row, cell)) {
        at[count++] = cell;
    }
    int64_t local = 0, kind = 0;
    if (count < 3 || !json_is(doc, at[0], JSON_NUMBER) || !json_is(doc, at[1], JSON_NUMBER) ||
        json_i64(doc, at[0], &local) != OK || json_i64(doc, at[1], &kind) != OK || local < -1 ||
        local >= (int64_t)job->step_count) {
        return ERR_CORRUPT;
    }
    /* alone, what concerns the whole batch concerns this event */
    bool none = local < 0 && (!job->alone || kind != ROW_ERROR);
    uint32_t input = none ? TRANSFORM_NO_INPUT : job->step[local < 0 ? 0 : local];
    switch (kind) {
    case ROW_OUTPUT:
        if (!json_is(doc, at[2], JSON_OBJECT)) {
            return ERR_CORRUPT;
        }
        *job_add_result(job) = (struct transform_result){.input = input, .output = json_raw(doc, at[2])};
        return OK;
    case ROW_ERROR:
        if (!json_is(doc, at[2], JSON_STRING)) {
            return ERR_CORRUPT;
        }
        *job_add_result(job) = (struct transform_result){.input = input,
            .failed = true,
            .error = json_string(doc, at[2], &job->arena),
            .cause = cause_of(json_is(doc, at[3], JSON_STRING) ? json_string(doc, at[3], &job->arena) : SLICE_NONE)};
        return OK;
    case ROW_DROPPED:
        return OK;
    case ROW_AGAIN:
        if (local < 0 || job->step_count == 1 || again->count == job->step_count) {
            return ERR_CORRUPT;
        }
        again->inputs[again->count++] = input;
        return OK;
    default:
        return ERR_CORRUPT;
    }
}

/* The n-th is that of the step's n-th event. */
static enum err read_outputs(struct job *job, const struct json_doc *doc, uint32_t outputs) {
    size_t count = 0;
    for (uint32_t at = json_first(doc, outputs); at != JSON_ABSENT; at = json_after(doc, outputs, at)) {
        if (count == job->step_count || !json_is(doc, at, JSON_OBJECT)) {
            return ERR_CORRUPT;
        }
        *job_add_result(job) = (struct transform_result){.input = job->step[count++], .output = json_raw(doc, at)};
    }
    return count == job->step_count ? OK : ERR_CORRUPT;
}

static enum err read_rows(struct job *job, const struct json_doc *doc, struct answer_again *again) {
    uint32_t outputs = json_find(doc, 0, SLICE("outputs"));
    if (json_is(doc, outputs, JSON_ARRAY)) {
        return read_outputs(job, doc, outputs);
    }
    uint32_t rows = json_find(doc, 0, SLICE("rows"));
    if (!json_is(doc, rows, JSON_ARRAY)) {
        return ERR_CORRUPT;
    }
    for (uint32_t row = json_first(doc, rows); row != JSON_ABSENT; row = json_after(doc, rows, row)) {
        enum err e = json_is(doc, row, JSON_ARRAY) ? read_row(job, doc, row, again) : ERR_CORRUPT;
        if (e != OK) {
            return e;
        }
    }
    return OK;
}

/* Every event once more, each in a context of its own. */
static void run_all_again(struct job *job, size_t kept, struct answer_again *again) {
    job->result_count = kept;
    again->count = job->step_count;
    memcpy(again->inputs, job->step, job->step_count * sizeof *again->inputs);
}

/* Something of the batch made it impossible to say what became of the rest. mode: "" when the runtime could not be
 * asked. */
static bool gave_up(const struct job *job, size_t kept, struct slice mode) {
    if (job->step_count == 1 || job->result_count != kept + 1) {
        return false;
    }
    const struct transform_result *result = &job->results[kept];
    return result->failed && result->input == TRANSFORM_NO_INPUT &&
        (result->cause == TRANSFORM_CAUSE_ENGINE || (result->cause == TRANSFORM_CAUSE_CPU && mode.len == 0));
}

enum err answer_read(struct job *job, struct slice text, struct answer_again *ret_again) {
    struct json_doc doc;
    if (json_parse(job->transform->parser, text, &doc, NULL) != OK || !json_is(&doc, 0, JSON_OBJECT)) {
        return ERR_CORRUPT;
    }
    uint32_t mode = json_find(&doc, 0, SLICE("mode"));
    uint32_t logs = json_find(&doc, 0, SLICE("logs"));
    struct answer_again again = {.inputs = ARENA_ARRAY(&job->arena, uint32_t, job->step_count)};
    size_t kept = job->result_count;
    if (!json_is(&doc, mode, JSON_STRING) || !json_is(&doc, logs, JSON_ARRAY)) {
        return ERR_CORRUPT;
    }
    enum err e = read_rows(job, &doc, &again);
    if (e != OK) {
        job->result_count = kept;
        return e;
    }
    if (json_is(&doc, json_find(&doc, 0, SLICE("single")), JSON_TRUE) && !job->single) {
        atomic_store(&job->version->single, true);
        job->result_count = kept;
        *ret_again = (struct answer_again){.single = true};
        return OK;
    }
    struct slice mode_text = json_string(&doc, mode, &job->arena);
    job->mode = mode_text.len > 0 ? mode_text : job->mode;
    bool polluted = json_is(&doc, json_find(&doc, 0, SLICE("polluted")), JSON_TRUE);
    bool changed = polluted && job->step_count > 1 && slice_eq(job->mode, SLICE("transformEvent"));
    if (changed) { /* the next event has seen what one did to the language's built-ins */
        atomic_store(&job->version->polluter, true);
        stat_add(&job->transform->stat.polluted, 1);
    }
    if (changed || gave_up(job, kept, mode_text)) {
        run_all_again(job, kept, &again);
        *ret_again = again;
        return OK;
    }
    for (uint32_t line = json_first(&doc, logs); line != JSON_ABSENT; line = json_after(&doc, logs, line)) {
        if (json_is(&doc, line, JSON_STRING)) {
            add_log(job, json_string(&doc, line, &job->arena));
        }
    }
    *ret_again = again;
    return OK;
}
