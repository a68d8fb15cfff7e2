/* Any body, as one event or as a batch, and any query of a pixel become records or an error: every good record is JSON
 * with what the gateway promises, every rejected one is a piece of the body, and what fails leaves the batch as it was.
 */
#include "base/encode.h"
#include "gateway/gateway_internal.h"
#include "store/frame.h"

#define DEPTH 64
#define INPUT_MAX (64 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct json_parser *parser, *checker;

static void check_good(struct slice payload, bool typed) {
    char *text = mem_alloc(payload.len + JSON_PADDING);
    memcpy(text, payload.ptr, payload.len);
    struct json_doc doc;
    enum err err = json_parse(checker, slice_of(text, payload.len), &doc, NULL);
    ASSERT(err == OK && json_is(&doc, 0, JSON_OBJECT));
    uint32_t rudder_id = json_find(&doc, 0, SLICE("rudderId"));
    ASSERT(json_is(&doc, rudder_id, JSON_STRING) && json_raw(&doc, rudder_id).len == UUID_LEN + 2);
    ASSERT(json_is(&doc, json_find(&doc, 0, SLICE("messageId")), JSON_STRING));
    ASSERT(json_find(&doc, 0, SLICE("receivedAt")) != JSON_ABSENT);
    ASSERT(json_find(&doc, 0, SLICE("request_ip")) != JSON_ABSENT);
    ASSERT(!typed || slice_eq(json_raw(&doc, json_find(&doc, 0, SLICE("type"))), SLICE("\"track\"")));
    mem_free(text);
}

static void check_rejected(struct slice payload, struct slice body) {
    ASSERT(payload.len > 0 && memmem(body.ptr, body.len, payload.ptr, payload.len) != NULL);
}

static void check_events(struct enrich *enrich, const struct events *events, bool strict, struct slice body) {
    struct store_batch batch;
    store_batch_init(&batch, NULL, NULL);
    struct intake_result result = {0};
    enum err err = gateway_events_add(enrich, events, strict, &batch, &result);
    ASSERT(err == OK || (batch.count == 0 && batch.frames.len == 0));
    ASSERT(batch.count == result.records && (err != OK || result.records == events->count));
    uint32_t rejected = 0;
    for (uint32_t i = 0; i < batch.count; i++) {
        struct record record;
        frame_record(frame_of(&batch, i), &record);
        if (record.head.flags & RECORD_REJECTED) {
            check_rejected(record.payload, body);
            rejected++;
        } else {
            check_good(record.payload, enrich->type.len > 0);
        }
    }
    ASSERT(rejected == result.rejected && (rejected < batch.count || batch.count == 0));
    store_batch_fini(&batch);
}

static void check_body(struct slice body, struct arena *arena) {
    struct json_doc doc;
    if (json_parse(parser, body, &doc, NULL) != OK) {
        return;
    }
    static struct identity_memo memo;
    struct enrich enrich = {.doc = &doc,
        .arena = arena,
        .memo = &memo,
        .received_member = SLICE("\"receivedAt\":\"2026-08-07T00:00:00.000Z\""),
        .address_member = SLICE("\"request_ip\":\"192.0.2.1\"")};
    struct events events = gateway_events_batch(&doc);
    for (unsigned strict = 0; strict < 2 && events.count > 0; strict++) {
        check_events(&enrich, &events, strict != 0, body);
    }
    enrich.type = SLICE("track");
    enrich.type_member = SLICE("\"type\":\"track\"");
    enrich.forced = EVENT_TRACK;
    events = gateway_events_single();
    check_events(&enrich, &events, /* strict: */ false, body);
}

static void check_query(struct slice query, struct arena *arena) {
    struct slice text;
    struct slice write_key;
    if (gateway_pixel_event(query, SLICE("track"), arena, &text, &write_key) == OK) {
        struct json_doc doc;
        enum err err = json_parse(parser, text, &doc, NULL);
        ASSERT(err == OK && json_is(&doc, 0, JSON_OBJECT));
        check_body(text, arena);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > INPUT_MAX) {
        return 0;
    }
    if (parser == NULL) {
        parser = json_parser_new(DEPTH);
        checker = json_parser_new(DEPTH);
    }
    struct arena arena;
    arena_init(&arena, 4096, 0);
    char *body = mem_alloc(size + JSON_PADDING); /* of exactly its size: a sanitizer sees the first byte read beyond */
    if (size > 0) {
        memcpy(body, data, size);
    }
    check_body(slice_of(body, size), &arena);
    check_query(slice_of(body, size), &arena);
    char *decoded = mem_alloc(size + 1);
    size_t len = 0;
    bool coded = decode_base64(slice_of(body, size), decoded, &len);
    ASSERT(!coded || len <= size);
    struct slice cleaned = gateway_clean(slice_of(body, size), &arena);
    ASSERT(cleaned.len <= size);
    mem_free(decoded);
    mem_free(body);
    arena_fini(&arena);
    return 0;
}
