/* A run: one batch per connection, side by side, and their answers put back into the order of the inputs.
 *
 * thread: the run's loop, all of it. Memory is the run's arena. */
#include "delivery/user_code.h"

#include "delivery/delivery_internal.h"
#include "delivery/http/external.h"
#include "delivery/user_code_internal.h"
#include "json/json_write.h"

struct code_run;

struct code_row { /* an output on its way */
    struct code_row *next;
    struct slice message;
};

struct code_batch {
    struct transform_call call;
    struct external_code *external; /* NULL: a worker runs it, or it has answered */
    struct code_run *run;
    const struct code_connection *connection;
    uint32_t *inputs; /* numbers in the run */
    size_t count;
};

struct code_input {
    struct code_batch *batch; /* NULL: passes as it is */
    struct code_row *first, **end;
};

struct code_run {
    struct user_code_run *public;
    struct loop_msg msg; /* of a run without batches */
    struct code_input *inputs;
    struct code_batch *batches;
    size_t batch_count, open;
    enum err err;
    struct errinfo why;
};

/* ---- what settings say ---- */

static const struct code_connection *find_connection(const struct sender_settings *settings, uint64_t source) {
    const struct user_code_settings *code = settings->user_code;
    for (size_t i = 0; code != NULL && i < code->connection_count; i++) {
        if (code->connections[i].source == source) {
            return &code->connections[i];
        }
    }
    return NULL;
}

bool user_code_wanted(const struct sender_settings *settings, uint64_t source) {
    return find_connection(settings, source) != NULL;
}

const char *user_code_missing(const struct sender_settings *settings) {
    return settings->user_code != NULL ? settings->user_code->missing : NULL;
}

/* ---- metadata ---- */

static void put_raw(struct json_writer *json, const char *key, const struct json_doc *doc, uint32_t node) {
    if (node != JSON_ABSENT && !json_is(doc, node, JSON_NULL)) {
        json_put_raw(json, key, json_raw(doc, node));
    }
}

/* What the event says of itself. */
static void write_own(struct json_writer *json, const struct json_doc *doc) {
    static const struct slice keys[] = {{"messageId", 9}, {"event", 5}, {"type", 4}, {"receivedAt", 10},
        {"recordId", 8}, {"rudderId", 8}, {"context", 7}};
    static const char *const names[] = {"messageId", "eventName", "eventType", "receivedAt", "recordId", "rudderId"};
    static const struct slice run_keys[] = {{"job_id", 6}, {"job_run_id", 10}, {"task_run_id", 11}};
    static const char *const run_names[] = {"sourceJobId", "sourceJobRunId", "sourceTaskRunId"};
    uint32_t values[COUNT_OF(keys)], run_values[COUNT_OF(run_keys)];
    json_find_many(doc, 0, keys, COUNT_OF(keys), values);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        put_raw(json, names[i], doc, values[i]);
    }
    uint32_t sources = json_find(doc, values[COUNT_OF(names)], SLICE("sources"));
    json_find_many(doc, sources, run_keys, COUNT_OF(run_keys), run_values);
    for (size_t i = 0; i < COUNT_OF(run_keys) && sources != JSON_ABSENT; i++) {
        put_raw(json, run_names[i], doc, run_values[i]);
    }
}

/* What the caller knows of it, which is said last and therefore counts. */
static void write_given(struct json_writer *json, struct json_parser *parser, struct slice given, struct arena *arena) {
    struct json_doc doc;
    char *copy = arena_alloc(arena, given.len + JSON_PADDING);
    memcpy(copy, given.ptr, given.len);
    if (json_parse(parser, slice_of(copy, given.len), &doc, NULL) != OK) {
        return;
    }
    for (uint32_t key = json_first(&doc, 0); key != JSON_ABSENT; key = json_after(&doc, 0, key)) {
        json_write_key(json, json_string(&doc, key, arena));
        json_write_raw(json, json_raw(&doc, key + 1));
    }
}

static struct slice metadata_of(const struct user_code_run *public, size_t input, struct buf *text) {
    struct json_parser *parser = public->settings->user_code->parser;
    struct json_writer json;
    struct json_doc doc;
    buf_reset(text);
    json_writer_init(&json, text);
    json_write_object(&json);
    if (json_parse(parser, public->messages[input], &doc, NULL) == OK) {
        write_own(&json, &doc);
    }
    if (public->metadata != NULL && public->metadata[input].len > 0) {
        write_given(&json, parser, public->metadata[input], public->arena);
    }
    json_write_end(&json);
    return arena_dup(public->arena, buf_slice(text));
}

/* ---- the end of a run ---- */

static void add_row(struct code_run *run, uint32_t input, struct slice message) {
    struct code_row *row = ARENA_NEW(run->public->arena, struct code_row);
    row->message = message;
    *run->inputs[input].end = row;
    run->inputs[input].end = &row->next;
    run->public->output_count++;
}

static void end_run(struct code_run *run) {
    struct user_code_run *public = run->public;
    public->give_up = NULL;
    public->outputs = ARENA_ARRAY(public->arena, struct user_code_output, public->output_count + 1);
    size_t count = 0;
    for (size_t i = 0; i < public->count; i++) {
        for (const struct code_row *row = run->inputs[i].first; row != NULL; row = row->next) {
            public->outputs[count++] = (struct user_code_output){.input = (uint32_t)i, .message = row->message};
        }
    }
    public->on_done(public, run->err, &run->why);
}

static void on_nothing_to_do(struct loop_msg *msg) {
    end_run(CONTAINER_OF(msg, struct code_run, msg));
}

/* ---- an answer ---- */

/* On one line, for notes and the live view: "TypeError: no x at transformEvent (NAME:2:3)". */
static struct slice one_line(struct arena *arena, struct slice text) {
    char *line = arena_alloc(arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        bool blank = text.ptr[i] == '\n' || text.ptr[i] == '\r' || text.ptr[i] == '\t' || text.ptr[i] == ' ';
        if (!blank) {
            line[len++] = text.ptr[i];
        } else if (len > 0 && line[len - 1] != ' ') {
            line[len++] = ' ';
        }
    }
    return slice_of(line, len);
}

/* Its own error, else one of the whole batch. */
static struct slice error_of(const struct transform_answer *answer, uint32_t input) {
    struct slice found = SLICE("");
    for (size_t i = 0; i < answer->result_count; i++) {
        const struct transform_result *result = &answer->results[i];
        if (result->failed && result->input == input) {
            return result->error;
        }
        found = result->failed && result->input == TRANSFORM_NO_INPUT ? result->error : found;
    }
    return found;
}

static struct user_code_result failed(
    struct code_batch *batch, uint32_t input, const struct transform_answer *answer, uint32_t at) {
    struct code_run *run = batch->run;
    struct arena *arena = run->public->arena;
    const struct code_connection *connection = batch->connection;
    struct slice error = one_line(arena, error_of(answer, at));
    struct user_code_result result = {.fate = USER_CODE_DEAD,
        .text = arena_printf(arena, "failed in transformation %.*s: %.*s", SLICE_ARG(connection->transformation->name),
            SLICE_ARG(error))};
    if (connection->on_error == ON_ERROR_STOP) {
        result.fate = USER_CODE_STOP;
    } else if (connection->on_error == ON_ERROR_PASS) {
        result.fate = USER_CODE_OUTPUT;
        add_row(run, input, run->public->messages[input]);
        stat_add(&connection->unit->stat.passed, 1);
    }
    return result;
}

static struct slice padded(struct arena *arena, struct slice json) {
    char *copy = arena_alloc(arena, json.len + JSON_PADDING);
    memcpy(copy, json.ptr, json.len);
    return slice_of(copy, json.len);
}

/* Events that the code made up have the first event for their origin, as in the original; when that one has failed,
 * the first that has not. */
static uint32_t origin_of_new(const struct code_batch *batch, const struct transform_answer *answer) {
    for (uint32_t at = 0; at < batch->count; at++) {
        if (answer->fates[at] != TRANSFORM_FAILED) {
            return at;
        }
    }
    return TRANSFORM_NO_INPUT;
}

static void take_outputs(struct code_batch *batch, const struct transform_answer *answer) {
    struct user_code_run *public = batch->run->public;
    uint32_t origin = origin_of_new(batch, answer);
    for (size_t i = 0; i < answer->result_count; i++) {
        const struct transform_result *result = &answer->results[i];
        uint32_t at = result->input == TRANSFORM_NO_INPUT ? origin : result->input;
        if (!result->failed && at != TRANSFORM_NO_INPUT && answer->fates[at] != TRANSFORM_FAILED) {
            uint32_t input = batch->inputs[at];
            add_row(batch->run, input, padded(public->arena, result->output));
            public->results[input].fate = USER_CODE_OUTPUT;
            stat_add(&batch->connection->unit->stat.outputs, 1);
        }
    }
}

static void take_answer(struct code_batch *batch, const struct transform_answer *answer) {
    struct user_code_run *public = batch->run->public;
    struct user_code_stat *stat = &batch->connection->unit->stat;
    struct slice dropped = arena_printf(
        public->arena, "dropped by transformation %.*s", SLICE_ARG(batch->connection->transformation->name));
    for (uint32_t at = 0; at < batch->count; at++) {
        uint32_t input = batch->inputs[at];
        if (answer->fates[at] == TRANSFORM_FAILED) {
            public->results[input] = failed(batch, input, answer, at);
            stat_add(&stat->failed, 1);
        } else {
            public->results[input] = (struct user_code_result){.fate = USER_CODE_DROPPED, .text = dropped};
        }
    }
    take_outputs(batch, answer);
    for (uint32_t at = 0; at < batch->count; at++) {
        struct user_code_result *result = &public->results[batch->inputs[at]];
        if (answer->fates[at] != TRANSFORM_FAILED && result->fate == USER_CODE_OUTPUT) {
            result->text = SLICE("");
        } else if (answer->fates[at] != TRANSFORM_FAILED) {
            stat_add(&stat->dropped, 1);
        }
    }
    stat_add(&stat->events, (int64_t)batch->count);
    stat_add(&stat->cpu, (int64_t)answer->cpu_us);
}

static void on_answer(struct transform_call *call, const struct transform_answer *answer) {
    struct code_batch *batch = CONTAINER_OF(call, struct code_batch, call);
    struct code_run *run = batch->run;
    batch->external = NULL;
    if (answer->err != OK) {
        run->err = err_why(answer->err, &run->why, "", "transformation %.*s: %s",
            SLICE_ARG(batch->connection->transformation->name), answer->text);
    } else {
        take_answer(batch, answer);
    }
    if (--run->open == 0) {
        end_run(run);
    }
}

/* ---- the beginning ---- */

static struct code_batch *batch_of(struct code_run *run, const struct code_connection *connection) {
    for (size_t i = 0; i < run->batch_count; i++) {
        if (run->batches[i].connection == connection) {
            return &run->batches[i];
        }
    }
    struct code_batch *batch = &run->batches[run->batch_count++];
    batch->run = run;
    batch->connection = connection;
    batch->inputs = ARENA_ARRAY(run->public->arena, uint32_t, run->public->count);
    return batch;
}

static void sort_inputs(struct code_run *run) {
    struct user_code_run *public = run->public;
    for (size_t i = 0; i < public->count; i++) {
        const struct code_connection *connection = find_connection(public->settings, public->sources[i]);
        run->inputs[i].end = &run->inputs[i].first;
        if (connection == NULL) {
            add_row(run, (uint32_t)i, public->messages[i]);
            continue;
        }
        struct code_batch *batch = batch_of(run, connection);
        batch->inputs[batch->count++] = (uint32_t)i;
    }
}

static void give_up(struct user_code_run *public) {
    struct code_run *run = public->private;
    run->open++; /* the run outlives the loop below */
    for (size_t i = 0; i < run->batch_count; i++) {
        if (run->batches[i].external != NULL) {
            external_code_give_up(run->batches[i].external);
        }
    }
    if (--run->open == 0) {
        end_run(run);
    }
}

/* Only the service has the code (external_takes_code, else the run would not have begun). */
static void ask_service(struct code_batch *batch) {
    struct user_code_run *public = batch->run->public;
    const struct transformation *transformation = batch->connection->transformation;
    batch->external = ARENA_NEW(public->arena, struct external_code);
    *batch->external = (struct external_code){.client = public->client,
        .call = &batch->call,
        .id = transformation->id,
        .version_id = transformation->version_id,
        .arena = public->arena};
    public->give_up = give_up;
    external_code_run(batch->external);
}

static void start_batch(struct code_batch *batch, struct buf *text) {
    struct user_code_run *public = batch->run->public;
    struct transform_input *inputs = ARENA_ARRAY(public->arena, struct transform_input, batch->count);
    for (size_t i = 0; i < batch->count; i++) {
        inputs[i].message = public->messages[batch->inputs[i]];
        inputs[i].metadata = metadata_of(public, batch->inputs[i], text);
    }
    batch->call = (struct transform_call){.version = batch->connection->version,
        .metadata = batch->connection->common,
        .credentials = batch->connection->transformation->credentials,
        .inputs = inputs,
        .input_count = batch->count,
        .loop = public->loop,
        .on_done = on_answer};
    if (batch->connection->transformation->missing != NULL) {
        ask_service(batch);
    } else {
        transform_run(public->transform, &batch->call);
    }
}

void user_code_run(struct user_code_run *public) {
    struct code_run *run = ARENA_NEW(public->arena, struct code_run);
    const struct user_code_settings *code = public->settings->user_code;
    run->public = public;
    run->inputs = ARENA_ARRAY(public->arena, struct code_input, public->count);
    run->batches = ARENA_ARRAY(public->arena, struct code_batch, code != NULL ? code->connection_count : 1);
    public->private = run;
    public->output_count = 0;
    public->results = ARENA_ARRAY(public->arena, struct user_code_result, public->count);
    sort_inputs(run);
    run->open = run->batch_count + 1; /* one more until all have begun: a service may fail at once */
    bool runs = public->transform != NULL && (code == NULL || code->missing == NULL);
    if (run->batch_count == 0 || !runs) {
        if (run->batch_count > 0) {
            run->err = err_why(ERR_UNAVAILABLE, &run->why, "", "%s",
                code->missing != NULL ? code->missing : "transformations are not available");
        }
        run->msg.on_msg = on_nothing_to_do;
        loop_post(public->loop, &run->msg);
        return;
    }
    struct buf text;
    buf_init(&text, 0);
    for (size_t i = 0; i < run->batch_count; i++) {
        start_batch(&run->batches[i], &text);
    }
    buf_fini(&text);
    if (--run->open == 0) {
        run->msg.on_msg = on_nothing_to_do;
        loop_post(public->loop, &run->msg);
    }
}
