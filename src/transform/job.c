/* The life of a batch: one step with all its events; what that did not settle, one step each. */
#include <stdio.h>

#include "base/clock.h"
#include "transform/transform_internal.h"
#include "json/json_write.h"

enum { JOB_CHUNK = 4096, ALONE_MIN_MS = 50, NS_PER_US = 1000 };

/* ---- begin ---- */

static struct job *job_new(struct transform *transform, struct transform_version *version) {
    struct job *job = mem_alloc(sizeof *job);
    job->transform = transform;
    job->version = version;
    job->started_ns = clock_mono_ns();
    job->limit_ms = (uint32_t)transform->conf.cpu_time;
    job->wait_left_ms = (uint64_t)transform->conf.wait_time;
    arena_init(&job->arena, JOB_CHUNK, 0);
    return job;
}

/* From now on one event a step. Together they get what the batch had, but each enough to tell a loop from work. */
static void go_alone(struct job *job, const uint32_t *inputs, size_t count) {
    job->alone = true;
    job->todo = ARENA_ARRAY(&job->arena, uint32_t, count);
    memcpy(job->todo, inputs, count * sizeof *inputs);
    job->todo_count = count;
    job->todo_at = 0;
    uint32_t share = (uint32_t)((uint64_t)job->transform->conf.cpu_time / count);
    job->limit_ms = share > ALONE_MIN_MS || count == 1 ? share : ALONE_MIN_MS;
    stat_add(&job->transform->stat.alone, (int64_t)count);
}

static void next_alone(struct job *job) {
    job->step = &job->todo[job->todo_at++];
    job->step_count = 1;
}

void job_submit(struct transform *transform, struct transform_call *call) {
    struct job *job = job_new(transform, call->version);
    job->call = call;
    job->step_count = call->input_count;
    job->step = ARENA_ARRAY(&job->arena, uint32_t, call->input_count);
    for (size_t i = 0; i < call->input_count; i++) {
        job->step[i] = (uint32_t)i;
    }
    if (call->input_count > 1 && atomic_load(&call->version->polluter)) {
        go_alone(job, job->step, job->step_count);
        next_alone(job);
    }
    transform_enqueue(transform, job, /* in_front: */ false);
}

void job_submit_check(struct transform *transform, struct check *check) {
    struct job *job = job_new(transform, check->version);
    job->check = check;
    transform_enqueue(transform, job, /* in_front: */ false);
}

static struct slice or_else(struct slice json, struct slice otherwise) {
    return json.len > 0 ? json : otherwise;
}

static bool any_metadata(const struct job *job) {
    for (size_t i = 0; i < job->step_count; i++) {
        if (job->call->inputs[job->step[i]].metadata.len > 0) {
            return true;
        }
    }
    return false;
}

void job_write_run(const struct job *job, struct buf *out) {
    const struct transform_call *call = job->call;
    struct json_writer json;
    json_writer_init(&json, out);
    json_write_object(&json);
    json_put_u64(&json, "limit", job->transform->conf.output);
    json_put_bool(&json, "logs", call->want_logs);
    json_put_raw(&json, "credentials", or_else(call->credentials, SLICE("[]")));
    json_put_raw(&json, "common", or_else(call->metadata, SLICE("{}")));
    json_write_key(&json, SLICE("meta"));
    json_write_array(&json);
    bool any = any_metadata(job);
    for (size_t i = 0; i < job->step_count && any; i++) {
        json_write_ascii(&json, or_else(call->inputs[job->step[i]].metadata, SLICE("{}")));
    }
    json_write_end(&json);
    json_write_key(&json, SLICE("events"));
    json_write_array(&json);
    for (size_t i = 0; i < job->step_count; i++) {
        json_write_ascii(&json, call->inputs[job->step[i]].message);
    }
    json_write_end(&json);
    json_write_end(&json);
}

/* ---- end ---- */

/* thread: the caller's loop */
static void on_deliver(struct loop_msg *msg) {
    struct transform_call *call = CONTAINER_OF(msg, struct transform_call, msg);
    struct job *job = call->job;
    call->on_done(call, &job->answer); /* may free the call */
    arena_fini(&job->arena);
    mem_free(job);
}

static void end_check(struct job *job, enum err err, const char *text) {
    struct check *check = job->check;
    check->err = err;
    snprintf(check->text, sizeof check->text, "%s", text);
    arena_fini(&job->arena);
    mem_free(job);
    sem_post(&check->done); /* the check is gone from here on */
}

static const enum transform_fate *fates_of(struct job *job) {
    size_t count = job->call->input_count;
    enum transform_fate *fates = ARENA_ARRAY(&job->arena, enum transform_fate, count);
    bool all_failed = false;
    for (size_t i = 0; i < job->result_count; i++) {
        const struct transform_result *result = &job->results[i];
        if (result->input == TRANSFORM_NO_INPUT) {
            all_failed = all_failed || result->failed;
        } else if (fates[result->input] != TRANSFORM_FAILED) {
            fates[result->input] = result->failed ? TRANSFORM_FAILED : TRANSFORM_OUTPUT;
        }
    }
    for (size_t i = 0; i < count && all_failed; i++) {
        fates[i] = fates[i] == TRANSFORM_DROPPED ? TRANSFORM_FAILED : fates[i];
    }
    return fates;
}

static void count_answer(struct transform_stat *stat, const struct transform_answer *answer, size_t input_count) {
    int64_t counts[3] = {0, 0, 0}, outputs = 0;
    for (size_t i = 0; i < input_count; i++) {
        counts[answer->fates[i]]++;
    }
    for (size_t i = 0; i < answer->result_count; i++) {
        outputs += answer->results[i].failed ? 0 : 1;
    }
    stat_add(&stat->batches, 1);
    stat_add(&stat->events, (int64_t)input_count);
    stat_add(&stat->outputs, outputs);
    stat_add(&stat->dropped, counts[TRANSFORM_DROPPED]);
    stat_add(&stat->failed, counts[TRANSFORM_FAILED]);
    stat_add(&stat->cpu, (int64_t)answer->cpu_us);
    stat_observe(&stat->run_time, answer->total_us);
}

static void deliver(struct job *job) {
    job->call->job = job;
    job->call->msg.on_msg = on_deliver;
    loop_post(job->call->loop, &job->call->msg); /* the job is the other thread's from here on */
}

static void finish(struct job *job) {
    job->answer = (struct transform_answer){.text = "",
        .mode = job->mode,
        .results = job->results,
        .result_count = job->result_count,
        .fates = fates_of(job),
        .logs = job->logs,
        .log_count = job->log_count,
        .cpu_us = job->cpu_us,
        .total_us = (clock_mono_ns() - job->started_ns) / NS_PER_US};
    count_answer(&job->transform->stat, &job->answer, job->call->input_count);
    deliver(job);
}

void job_abandon(struct job *job, enum err err, const char *text) {
    if (job->check != NULL) {
        end_check(job, err, text);
        return;
    }
    struct slice kept = arena_dup(&job->arena, slice_cstr(text));
    job->answer = (struct transform_answer){.err = err,
        .text = kept.ptr,
        .fates = ARENA_ARRAY(&job->arena, enum transform_fate, job->call->input_count),
        .total_us = (clock_mono_ns() - job->started_ns) / NS_PER_US};
    deliver(job);
}

/* ---- steps ---- */

static void go_on(struct job *job) {
    if (job->todo_at < job->todo_count) {
        next_alone(job);
        transform_enqueue(job->transform, job, /* in_front: */ true);
        return;
    }
    finish(job);
}

static void fail_step(struct job *job, enum transform_cause cause, struct slice text) {
    *job_add_result(job) = (struct transform_result){.input = job->step_count == 1 ? job->step[0] : TRANSFORM_NO_INPUT,
        .failed = true,
        .error = text,
        .cause = cause};
}

void job_step_failed(struct job *job, enum transform_cause cause) {
    if (job->step_count > 1) {
        go_alone(job, job->step, job->step_count);
    } else {
        fail_step(job, cause, arena_printf(&job->arena, "Error: %s", transform_cause_text(cause)));
    }
    go_on(job);
}

void job_run_single(struct job *job) {
    job->single = true;
    transform_enqueue(job->transform, job, /* in_front: */ true);
}

void job_step_done(struct job *job, struct slice text, uint64_t cpu_us) {
    struct answer_again again = {.count = 0};
    job->cpu_us += cpu_us;
    if (job->refused) { /* of a version that is not there the worker can only say so */
        finish(job);
        return;
    }
    if (answer_read(job, text, &again) != OK) {
        stat_add(&job->transform->stat.died, 1);
        job_step_failed(job, TRANSFORM_CAUSE_ENGINE);
        return;
    }
    if (again.single) {
        job_run_single(job);
        return;
    }
    if (again.count > 0) {
        go_alone(job, again.inputs, again.count);
    }
    go_on(job);
}

void job_loaded(struct job *job, struct slice text) {
    if (job->check != NULL) {
        buf_append(job->check->info, text);
        end_check(job, OK, "");
        return;
    }
    struct json_doc doc;
    char *copy = arena_alloc(&job->arena, text.len + JSON_PADDING);
    memcpy(copy, text.ptr, text.len);
    if (json_parse(job->transform->parser, slice_of(copy, text.len), &doc, NULL) != OK) {
        return; /* then the RUN behind it fails */
    }
    uint32_t refused = json_find(&doc, 0, SLICE("refused"));
    if (refused == JSON_ABSENT) {
        return;
    }
    struct slice error = json_string(&doc, json_find(&doc, refused, SLICE("text")), &job->arena);
    struct slice file = json_string(&doc, json_find(&doc, refused, SLICE("file")), &job->arena);
    int64_t line = 0, column = 0;
    uint32_t line_at = json_find(&doc, refused, SLICE("line")), column_at = json_find(&doc, refused, SLICE("column"));
    if (json_is(&doc, line_at, JSON_NUMBER) && json_is(&doc, column_at, JSON_NUMBER) &&
        json_i64(&doc, line_at, &line) == OK && json_i64(&doc, column_at, &column) == OK) {
        error = arena_printf(
            &job->arena, "%.*s [%.*s:%ld:%ld]", SLICE_ARG(error), SLICE_ARG(file), (long)line, (long)column);
    }
    *job_add_result(job) = (struct transform_result){
        .input = TRANSFORM_NO_INPUT, .failed = true, .error = error, .cause = TRANSFORM_CAUSE_COMPILE};
    job->refused = true;
    job->todo_count = job->todo_at = 0;
    stat_add(&job->transform->stat.refused, 1);
}
