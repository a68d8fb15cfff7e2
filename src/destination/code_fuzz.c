/* What a worker says that a destination's code returned, and a request for ctx.http, as bytes that somebody hostile
 * wrote: every event ends in a refusal or in requests, indexes stay inside the run. */
#include "destination/code_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EVENTS = 3, DEPTH = 192 };

static const char text[] = "{\"type\":\"FUZZ\",\"label\":\"F\",\"category\":\"c\",\"settings\":{},"
                           "\"delivery\":{\"batch\":{\"into\":\"items\",\"events\":2,\"bytes\":200}}}";

static const struct destination_settings *open_settings(struct json_parser *parser, struct arena *arena) {
    struct definition *definition = NULL;
    const struct destination_settings *settings = NULL;
    const struct code_module main = {SLICE("transform"), SLICE(""), SLICE("transform.js")};
    enum err e = definition_parse(slice_cstr(text), "d.json", /* has_code: */ true, &definition, NULL);
    ASSERT(e == OK);
    definition->code = code_new(&main, NULL, 0);
    e = destination_open(&definition->type, SLICE("{}"), parser, arena, &settings, NULL);
    ASSERT(e == OK);
    return settings;
}

static void check(const struct destination_batch *batch, const struct code_result *result) {
    bool sent[EVENTS] = {false};
    for (size_t i = 0; i < batch->request_count; i++) {
        const struct destination_request *request = &batch->requests[i];
        ASSERT(request->event_count > 0);
        for (size_t k = 0; k < request->event_count; k++) {
            ASSERT(request->events[k] < EVENTS && (k == 0 || request->events[k] > request->events[k - 1]));
            sent[request->events[k]] = true;
        }
    }
    for (size_t i = 0; i < EVENTS; i++) {
        ASSERT(sent[i] != (result->refusals[i].text.ptr != NULL));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct arena lasting;
    static struct json_parser *parser;
    static const struct destination_settings *settings;
    if (parser == NULL) {
        arena_init(&lasting, 0, 0);
        parser = json_parser_new(DEPTH);
        settings = open_settings(parser, &lasting);
    }
    struct arena arena;
    arena_init(&arena, 0, 0);
    static const uint32_t all[EVENTS] = {0, 1, 2};
    static const uint64_t users[EVENTS] = {7, 0, 7};
    /* rows of an answer stand one behind the other */
    struct transform_result rows[EVENTS] = {{.input = 0}, {.input = 1}, {.input = 2}};
    size_t count = 0;
    struct slice rest = arena_dup(&arena, slice_of(size > 0 ? (const char *)data : "", size));
    while (rest.ptr != NULL && count < EVENTS) {
        rows[count++].output = slice_cut(rest, '\n', &rest);
    }
    const struct transform_answer answer = {.results = rows, .result_count = count};
    struct code_part part = {.settings = settings, .count = EVENTS};
    struct destination_run run = {.settings = settings, .count = EVENTS, .parser = parser, .arena = &arena};
    struct code_result result = {.run = &run,
        .part = &part,
        .refusals = ARENA_ARRAY(&arena, struct destination_refusal, EVENTS),
        .named = ARENA_ARRAY(&arena, bool, EVENTS)};
    code_answer_read(&result, &answer, all, EVENTS);
    run.batch.requests = ARENA_ARRAY(&arena, struct destination_request, result.item_count + 1);
    code_merge(&result, users);
    check(&run.batch, &result);
    arena_fini(&arena);
    return 0;
}
