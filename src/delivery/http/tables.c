/* See tables.h. The work is destination/'s. */
#include "delivery/http/tables.h"

#include "destination/code.h"

static enum err tables_open(struct slice type, struct slice config, struct json_parser *parser, struct arena *arena,
    const void **ret_settings, struct errinfo *why) {
    const struct destination_type *definition = destination_find(type);
    ASSERT(definition != NULL && definition->kind != DESTINATION_NATIVE);
    const struct destination_settings *settings = NULL;
    enum err e = destination_open(definition, config, parser, arena, &settings, why);
    if (e == OK) {
        *ret_settings = settings;
    }
    return e;
}

/* ---- events to requests ---- */

struct tables_run {
    struct destination_run run;
    struct kind_run *kind;
};

static void take_batch(struct kind_run *run, const struct destination_batch *batch) {
    static const enum kind_refusal_fate fates[] = {[REFUSAL_DEAD] = KIND_DEAD,
        [REFUSAL_FILTERED] = KIND_FILTERED,
        [REFUSAL_TYPE] = KIND_TYPE,
        [REFUSAL_RETRY] = KIND_RETRY,
        [REFUSAL_THROTTLED] = KIND_THROTTLED,
        [REFUSAL_AUTH] = KIND_AUTH};
    run->requests = ARENA_ARRAY(run->arena, struct kind_request, batch->request_count + 1);
    run->request_count = batch->request_count;
    for (size_t i = 0; i < batch->request_count; i++) {
        const struct destination_request *request = &batch->requests[i];
        run->requests[i] = (struct kind_request){.method = request->method,
            .url = request->url,
            .headers = request->headers,
            .header_count = request->header_count,
            .body = request->body,
            .events = request->events,
            .event_count = (uint32_t)request->event_count,
            .own = request};
    }
    run->refusals = ARENA_ARRAY(run->arena, struct kind_refusal, batch->refusal_count + 1);
    run->refusal_count = batch->refusal_count;
    for (size_t i = 0; i < batch->refusal_count; i++) {
        const struct destination_refusal *refusal = &batch->refusals[i];
        run->refusals[i] = (struct kind_refusal){refusal->event, fates[refusal->kind], refusal->text};
    }
}

static void on_run(struct destination_run *done, enum err e, const struct errinfo *why) {
    struct tables_run *tables = CONTAINER_OF(done, struct tables_run, run);
    if (e == OK) {
        take_batch(tables->kind, &done->batch);
    }
    tables->kind->on_done(tables->kind, e, why);
}

static void run_tables(struct kind_run *run) {
    struct tables_run *tables = ARENA_NEW(run->arena, struct tables_run);
    tables->kind = run;
    tables->run = (struct destination_run){.transform = run->transform,
        .settings = run->settings,
        .events = run->events,
        .count = run->count,
        .now_ms = run->now_ms,
        .parser = run->parser,
        .arena = run->arena,
        .loop = run->loop,
        .on_done = on_run};
    destination_run(&tables->run);
}

/* ---- answers to outcomes ---- */

struct tables_judging {
    struct destination_judging judging;
    struct kind_judging *kind;
};

static void on_judged(struct destination_judging *done, enum err e, const struct errinfo *why) {
    static const enum answer answers[] = {
        [OUTCOME_DELIVERED] = ANSWER_DELIVERED,
        [OUTCOME_FILTERED] = ANSWER_FILTERED,
        [OUTCOME_RETRY] = ANSWER_RETRY,
        [OUTCOME_THROTTLED] = ANSWER_THROTTLED,
        [OUTCOME_DEAD] = ANSWER_DEAD,
        [OUTCOME_AUTH] = ANSWER_AUTH,
    };
    struct tables_judging *tables = CONTAINER_OF(done, struct tables_judging, judging);
    struct kind_judging *kind = tables->kind;
    if (e == OK) {
        uint32_t count = kind->request->event_count;
        kind->verdicts = ARENA_ARRAY(kind->arena, struct kind_verdict, count);
        for (uint32_t i = 0; i < count; i++) {
            kind->verdicts[i] = (struct kind_verdict){answers[done->verdicts[i].outcome], done->verdicts[i].text};
        }
    }
    kind->on_done(kind, e, why);
}

static void judge_tables(struct kind_judging *judging) {
    struct tables_judging *tables = ARENA_NEW(judging->arena, struct tables_judging);
    const struct http_result *result = judging->result;
    tables->kind = judging;
    tables->judging = (struct destination_judging){.transform = judging->transform,
        .settings = judging->settings,
        .request = judging->request->own,
        .status = result->status,
        .headers = result->headers,
        .header_count = result->header_count,
        .body = result->body,
        .parser = judging->parser,
        .arena = judging->arena,
        .loop = judging->loop,
        .on_done = on_judged};
    destination_judge(&tables->judging);
}

static const struct slice *tables_secrets(const void *settings, struct arena *arena, size_t *ret_count) {
    return destination_settings_secrets(settings, arena, ret_count);
}

const struct delivery_kind delivery_tables = {
    .open = tables_open, .run = run_tables, .judge = judge_tables, .secrets = tables_secrets};
