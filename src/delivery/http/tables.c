/* See tables.h. The work is destination/'s: here an event is a batch of one, and outcomes become answers. */
#include "delivery/http/tables.h"

#include "base/clock.h"
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

static enum err tables_build(const void *settings, struct slice event, struct json_parser *parser, struct arena *arena,
    struct kind_request *ret_request, struct errinfo *why) {
    struct destination_input input = {.events = &event, .count = 1, .now_ms = clock_ms()};
    struct destination_batch batch;
    enum err e = destination_build(settings, &input, parser, arena, &batch, why);
    if (e != OK) {
        return e;
    }
    if (batch.refusal_count > 0) {
        const struct destination_refusal *refusal = &batch.refusals[0];
        e = refusal->kind == REFUSAL_DEAD ? ERR_INVALID : ERR_UNSUPPORTED;
        return err_why(e, why, refusal->kind == REFUSAL_TYPE ? "type" : "event", "%.*s", SLICE_ARG(refusal->text));
    }
    const struct destination_request *request = &batch.requests[0];
    *ret_request = (struct kind_request){.method = request->method,
        .url = request->url,
        .headers = request->headers,
        .header_count = request->header_count,
        .body = request->body};
    return OK;
}

static enum answer tables_judge(const void *settings, const struct http_result *result, enum answer by_status,
    struct json_parser *parser, struct arena *arena) {
    static const enum answer answers[] = {
        [OUTCOME_DELIVERED] = ANSWER_DELIVERED,
        [OUTCOME_FILTERED] = ANSWER_FILTERED,
        [OUTCOME_RETRY] = ANSWER_RETRY,
        [OUTCOME_THROTTLED] = ANSWER_RETRY,
        [OUTCOME_DEAD] = ANSWER_DEAD,
        [OUTCOME_AUTH] = ANSWER_AUTH,
    };
    enum destination_outcome outcome = destination_answer(settings, result->status, result->body, parser, arena);
    return outcome == OUTCOME_BY_STATUS ? by_status : answers[outcome];
}

const struct delivery_kind delivery_tables = {.open = tables_open, .build = tables_build, .judge = tables_judge};
