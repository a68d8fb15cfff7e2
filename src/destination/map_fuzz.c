/* Any bytes as an event for a definition that uses every kind of row. Each event ends in one request or refusal, and a
 * body is JSON. */
#include <stddef.h>
#include <stdint.h>

#include "destination/destination_testing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char rows[] =
    "[{\"to\":\"*\",\"from\":\"@traits\",\"as\":\"flatten\"},{\"to\":\"*\",\"from\":\"properties\",\"as\":{\"without\":[\"a\"]}},"
    "{\"to\":\"a.b\",\"from\":[\"properties.a.b\",\"context.externalId.0.id\"],\"as\":[\"text\",\"trim\",\"lower\"]},"
    "{\"to\":\"a\",\"from\":\"properties.a\"},{\"to\":\"l.1\",\"from\":\"properties.n\",\"as\":\"revenue\"},"
    "{\"to\":\"l.0\",\"from\":\"properties.n\",\"as\":\"time_s\"},{\"to\":\"t\",\"from\":\"timestamp\",\"as\":{\"time\":\"YYYY-MM-DD[T]HH:mm:ssZ\"}},"
    "{\"to\":\"h\",\"from\":\"@email\",\"as\":[\"sha256\",\"list\"]},{\"to\":\"j\",\"from\":\".\",\"as\":[\"json_members\",\"json\"]},"
    "{\"to\":\"w\",\"text\":\"${event.event|url_encode}-${settings.key}\"},"
    "{\"to\":\"items\",\"from\":\"properties.products\",\"each\":[{\"to\":\"*\",\"from\":\".\"},{\"to\":\"n\",\"from\":\"q\",\"as\":\"number\"},"
    "{\"to\":\"v\",\"from\":\"variants\",\"each\":[{\"to\":\"s\",\"from\":\"sku\",\"as\":{\"cut\":3}}]}]},"
    "{\"to\":\"c\",\"from\":\"url\",\"as\":\"hostname\",\"when\":{\"not\":{\"is\":{\"url\":[\"\",false]}},\"has\":\"url\"}}]";

static struct testing t;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (t.parser == NULL) {
        testing_start(&t);
        enum err opened = testing_open_rows(&t, rows, "{\"key\":\"k\"}");
        ASSERT(opened == OK);
    }
    struct arena arena;
    struct destination_batch batch;
    struct json_doc doc;
    arena_init(&arena, 4096, 0);
    char *event = arena_alloc(&arena, size + JSON_PADDING);
    if (size > 0) {
        memcpy(event, data, size);
    }
    struct slice list[2] = {slice_of(event, size), slice_of(event, size)};
    struct destination_input input = {.events = list, .count = COUNT_OF(list), .now_ms = TESTING_NOW_MS};
    if (destination_build(t.settings, &input, t.parser, &arena, &batch, NULL) == OK) {
        ASSERT(batch.request_count + batch.refusal_count == COUNT_OF(list));
        for (size_t i = 0; i < batch.request_count; i++) {
            struct slice body = batch.requests[i].body;
            char *copy = arena_alloc(&arena, body.len + JSON_PADDING);
            memcpy(copy, body.ptr, body.len);
            enum err e = json_parse(t.parser, slice_of(copy, body.len), &doc, NULL);
            ASSERT(e == OK || e == ERR_TOO_DEEP);
        }
    }
    (void)destination_answer(t.settings, 200, slice_of(event, size), t.parser, &arena);
    arena_fini(&arena);
    return 0;
}
