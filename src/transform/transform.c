/* The transform as a whole: its loop, its queue, its start and end. */
#include <stdio.h>

#include "transform/transform_internal.h"

enum { ANSWER_DEPTH = 192 };

static const struct stat_info infos[] = {
#define S(name, kind, unit, help) STAT_INFO_(struct transform_stat, name, kind, unit, help)
#include "transform/transform_stat.def"
#undef S
};

/* ---- the queue ---- */

void transform_enqueue(struct transform *transform, struct job *job, bool in_front) {
    if (transform->closing) {
        job_abandon(job, ERR_CLOSED, "the transformations are being stopped");
        return;
    }
    if (in_front) {
        job->next = transform->queue;
        transform->queue = job;
        transform->queue_tail = job->next == NULL ? &job->next : transform->queue_tail;
    } else {
        job->next = NULL;
        *transform->queue_tail = job;
        transform->queue_tail = &job->next;
    }
    stat_set(&transform->stat.queued, (int64_t)++transform->queued);
}

struct job *transform_dequeue(struct transform *transform) {
    struct job *job = transform->queue;
    if (job == NULL) {
        return NULL;
    }
    transform->queue = job->next;
    if (transform->queue == NULL) {
        transform->queue_tail = &transform->queue;
    }
    stat_set(&transform->stat.queued, (int64_t)--transform->queued);
    return job;
}

/* ---- calls from other threads ---- */

static void on_run(struct loop_msg *msg) {
    struct transform_call *call = CONTAINER_OF(msg, struct transform_call, msg);
    struct transform *transform = call->job;
    job_submit(transform, call);
    crew_schedule(transform);
}

void transform_run(struct transform *transform, struct transform_call *call) {
    ASSERT(call->input_count > 0);
    call->msg.on_msg = on_run;
    call->job = transform; /* until the job is made */
    loop_post(transform->loop, &call->msg);
}

static void on_check(struct loop_msg *msg) {
    struct check *check = CONTAINER_OF(msg, struct check, msg);
    struct transform *transform = check->transform;
    job_submit_check(transform, check);
    crew_schedule(transform);
}

/* ---- checking ---- */

static int64_t number_of(const struct json_doc *doc, uint32_t object, struct slice key) {
    int64_t value = 0;
    uint32_t at = json_find(doc, object, key);
    return json_is(doc, at, JSON_NUMBER) && json_i64(doc, at, &value) == OK ? value : 0;
}

/* "file:line:column", the error, the line of code, a caret below the place. */
static enum err refusal(const struct json_doc *doc, uint32_t refused, struct errinfo *why) {
    struct arena arena;
    arena_init(&arena, 0, 0);
    struct slice file = json_string(doc, json_find(doc, refused, SLICE("file")), &arena);
    struct slice text = json_string(doc, json_find(doc, refused, SLICE("text")), &arena);
    uint32_t code_at = json_find(doc, refused, SLICE("code"));
    int64_t line = number_of(doc, refused, SLICE("line"));
    enum err e = ERR_INVALID;
    if (line == 0) {
        e = err_why(e, why, "", "%.*s", SLICE_ARG(text));
        snprintf(why->path, sizeof why->path, "%.*s", SLICE_ARG(file));
    } else {
        struct slice code = json_is(doc, code_at, JSON_STRING) ? json_string(doc, code_at, &arena) : SLICE_NONE;
        int64_t caret = number_of(doc, refused, SLICE("caret"));
        enum { INDENT = 4 };
        e = err_why(e, why, "", "%.*s%s%s%.*s%s%*s", SLICE_ARG(text), code.len > 0 ? "\n    " : "", "", SLICE_ARG(code),
            code.len > 0 ? "\n" : "", code.len > 0 ? (int)caret + INDENT + 1 : 0, code.len > 0 ? "^" : "");
        snprintf(why->path, sizeof why->path, "%.*s:%ld:%ld", SLICE_ARG(file), (long)line,
            (long)number_of(doc, refused, SLICE("column")));
    }
    arena_fini(&arena);
    return e;
}

static enum err read_check(struct slice text, struct errinfo *why) {
    struct json_parser *parser = json_parser_new(ANSWER_DEPTH);
    struct buf padded;
    struct json_doc doc;
    struct errinfo unused = {.at = 0};
    buf_init(&padded, 0);
    buf_append(&padded, text);
    enum err e = buf_reserve(&padded, JSON_PADDING);
    e = e == OK ? json_parse(parser, buf_slice(&padded), &doc, &unused) : e;
    if (e != OK) {
        e = err_why(ERR_UNAVAILABLE, why, "", "the worker's answer is no JSON");
    } else {
        uint32_t refused = json_find(&doc, 0, SLICE("refused"));
        e = refused != JSON_ABSENT ? refusal(&doc, refused, why != NULL ? why : &unused) : OK;
    }
    buf_fini(&padded);
    json_parser_free(parser);
    return e;
}

enum err transform_version_check(
    struct transform *transform, struct transform_version *version, struct buf *ret_info, struct errinfo *why) {
    if (ret_info == NULL && atomic_load(&version->compiles)) {
        return OK;
    }
    struct buf own;
    struct check check = {.msg = {.on_msg = on_check}, .transform = transform, .version = version, .info = &own};
    buf_init(&own, 0);
    sem_init(&check.done, 0, 0);
    loop_post(transform->loop, &check.msg);
    while (sem_wait(&check.done) != 0) {
        /* a signal */
    }
    sem_destroy(&check.done);
    enum err e = check.err != OK ? err_why(check.err, why, "", "%s", check.text) : read_check(buf_slice(&own), why);
    if (e == OK) {
        atomic_store(&version->compiles, true);
    }
    if (ret_info != NULL) {
        buf_append(ret_info, buf_slice(&own));
    }
    buf_fini(&own);
    return e;
}

/* ---- life ---- */

enum err transform_conf_check(const struct transform_conf *conf, struct errinfo *why) {
    struct errinfo inner = {.at = 0};
    struct geo *geo = NULL;
    if (conf->geo_database.len == 0) {
        return OK;
    }
    enum err e = geo_open(conf->geo_database.ptr, &geo, &inner); /* a knob's text is a C string */
    geo_close(geo);
    return e == OK ? OK : err_why(e, why, "transform.geo_database", "%s: %s", inner.path, inner.text);
}

struct transform *transform_new(const struct transform_conf *conf, const struct transform_deps *deps) {
    struct transform *transform = mem_alloc(sizeof *transform);
    arena_init(&transform->arena, 0, 0);
    transform->conf = *conf;
    transform->conf.geolocation_url = arena_dup(&transform->arena, conf->geolocation_url);
    transform->conf.geo_database = arena_dup(&transform->arena, conf->geo_database);
    transform->deps = *deps;
    if (deps->program != NULL) {
        transform->deps.program = arena_dup(&transform->arena, slice_cstr(deps->program)).ptr;
    }
    transform->queue_tail = &transform->queue;
    transform->parser = json_parser_new(ANSWER_DEPTH);
    transform->stat_group = (struct stat_group){
        .module = "transform", .info = infos, .info_count = COUNT_OF(infos), .base = &transform->stat};
    stat_group_add(&transform->stat_group);
    transform->loop = loop_new("transform");
    loop_start(transform->loop);
    return transform;
}

void transform_maybe_stop(struct transform *transform) {
    if (transform->closing && transform->hands == NULL) {
        struct http_client **clients[] = {&transform->client, &transform->requests};
        for (size_t i = 0; i < COUNT_OF(clients); i++) {
            if (*clients[i] != NULL) {
                http_client_free(*clients[i]);
                *clients[i] = NULL;
            }
        }
        loop_stop(transform->loop);
    }
}

struct stop {
    struct loop_msg msg;
    struct transform *transform;
};

static void on_stop(struct loop_msg *msg) {
    struct transform *transform = CONTAINER_OF(msg, struct stop, msg)->transform;
    transform->closing = true;
    for (struct job *job = NULL; (job = transform_dequeue(transform)) != NULL;) {
        job_abandon(job, ERR_CLOSED, "the transformations are being stopped");
    }
    crew_dismiss(transform);
    transform_maybe_stop(transform);
}

void transform_free(struct transform *transform) {
    if (transform == NULL) {
        return;
    }
    struct stop stop = {.msg = {.on_msg = on_stop}, .transform = transform};
    loop_post(transform->loop, &stop.msg);
    loop_join(transform->loop);
    loop_free(transform->loop);
    stat_group_remove(&transform->stat_group);
    geo_close(transform->geo);
    json_parser_free(transform->parser);
    arena_fini(&transform->arena);
    mem_free(transform);
}
