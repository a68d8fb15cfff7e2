/* See tables.h. The work is destination/'s. */
#include "delivery/http/tables.h"

#include "destination/destination.h"

static enum err tables_open(struct slice type, struct slice config, struct json_parser *parser, struct arena *arena,
    const void **ret_settings, struct errinfo *why) {
    const struct destination_type *definition = destination_find(type);
    ASSERT(definition != NULL && definition->kind == DESTINATION_TABLES);
    const struct destination_settings *settings = NULL;
    enum err e = destination_open(definition, config, parser, arena, &settings, why);
    if (e == OK) {
        *ret_settings = settings;
    }
    return e;
}

static void take_batch(struct kind_run *run, const struct destination_batch *batch) {
    static const enum kind_refusal_fate fates[] = {
        [REFUSAL_DEAD] = KIND_DEAD, [REFUSAL_FILTERED] = KIND_FILTERED, [REFUSAL_TYPE] = KIND_TYPE};
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

static void tables_run(struct kind_run *run) {
    struct slice *events = ARENA_ARRAY(run->arena, struct slice, run->count);
    for (size_t i = 0; i < run->count; i++) {
        events[i] = run->events[i].message;
    }
    struct destination_input input = {.events = events, .count = run->count, .now_ms = run->now_ms};
    struct destination_batch batch;
    struct errinfo why = {.at = 0};
    enum err e = destination_build(run->settings, &input, run->parser, run->arena, &batch, &why);
    if (e == OK) {
        take_batch(run, &batch);
    }
    run->on_done(run, e, &why);
}

static void tables_judge(struct kind_judging *judging) {
    static const enum answer answers[] = {
        [OUTCOME_DELIVERED] = ANSWER_DELIVERED,
        [OUTCOME_FILTERED] = ANSWER_FILTERED,
        [OUTCOME_RETRY] = ANSWER_RETRY,
        [OUTCOME_THROTTLED] = ANSWER_THROTTLED,
        [OUTCOME_DEAD] = ANSWER_DEAD,
        [OUTCOME_AUTH] = ANSWER_AUTH,
    };
    const struct http_result *result = judging->result;
    enum destination_outcome outcome =
        destination_answer(judging->settings, result->status, result->body, judging->parser, judging->arena);
    enum answer answer = outcome == OUTCOME_BY_STATUS ? judging->by_status : answers[outcome];
    uint32_t count = judging->request->event_count;
    judging->verdicts = ARENA_ARRAY(judging->arena, struct kind_verdict, count);
    for (uint32_t i = 0; i < count; i++) {
        judging->verdicts[i].answer = answer;
    }
    judging->on_done(judging, OK, NULL);
}

const struct delivery_kind delivery_tables = {.open = tables_open, .run = tables_run, .judge = tables_judge};
