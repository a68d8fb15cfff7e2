/* Any bytes as the answer of an external transformer, first as a processor's, then as a router's. Either it is no
 * answer, or each event is in a request or refused. */
#include <stddef.h>
#include <stdint.h>

#include "delivery/http/external_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EVENTS = 3, DEPTH = 128 };

static void check(const uint8_t *data, size_t size, bool router) {
    static struct json_parser *parser;
    parser = parser != NULL ? parser : json_parser_new(DEPTH);
    struct arena arena;
    struct errinfo why = {.at = 0};
    bool named[EVENTS] = {false};
    arena_init(&arena, 4096, 0);
    char *text = arena_alloc(&arena, size + JSON_PADDING);
    if (size > 0) {
        memcpy(text, data, size);
    }
    struct kind_run run = {.count = EVENTS, .arena = &arena};
    if (external_answer_read(&run, slice_of(text, size), router, parser, &why) == OK) {
        for (size_t i = 0; i < run.refusal_count; i++) {
            named[run.refusals[i].event] = true;
        }
        for (size_t i = 0; i < run.request_count; i++) {
            ASSERT(run.requests[i].url.len > 0 && run.requests[i].event_count > 0);
            for (uint32_t k = 0; k < run.requests[i].event_count; k++) {
                named[run.requests[i].events[k]] = true;
            }
        }
        ASSERT(named[0] && named[1] && named[2]);
    } else {
        ASSERT(why.text[0] != '\0');
    }
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    check(data, size, /* router: */ false);
    check(data, size, /* router: */ true);
    return 0;
}
