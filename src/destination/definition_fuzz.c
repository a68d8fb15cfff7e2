/* Any bytes as a definition. What is accepted is opened and builds requests. */
#include <stddef.h>
#include <stdint.h>

#include "destination/destination_testing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char event[] =
    "{\"type\":\"track\",\"event\":\"Buy\",\"userId\":\"u\",\"anonymousId\":\"a\",\"timestamp\":\"2026-08-07T00:00:00Z\","
    "\"context\":{\"traits\":{\"email\":\"e@x\",\"n\":1.5},\"externalId\":[{\"id\":1}]},"
    "\"properties\":{\"revenue\":\"$5\",\"products\":[{\"sku\":\"s\",\"deep\":{\"a\":[1,{\"b\":null}]}}],\"a.b\":true}}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct testing t;
    struct destination_batch batch;
    testing_start(&t);
    enum err e = definition_parse(slice_of((const char *)data, size), "d.json", size % 2 == 1, &t.definition, &t.why);
    ASSERT(e == OK || t.why.path[0] != '\0');
    if (e == OK) {
        e = destination_open(&t.definition->type, SLICE("{\"key\":\"k\",\"apiKey\":\"k\",\"region\":\"eu\"}"), t.parser,
            &t.arena, &t.settings, &t.why);
    }
    if (e == OK && t.definition->type.kind == DESTINATION_TABLES) {
        const char *events[] = {event, event};
        e = testing_build(&t, events, COUNT_OF(events), &batch);
        ASSERT(e == OK && batch.refusal_count <= COUNT_OF(events));
        (void)destination_answer(t.settings, 429, slice_cstr(event), t.parser, &t.arena);
    }
    testing_stop(&t);
    return 0;
}
