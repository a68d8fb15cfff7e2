/* Any bytes as a webhook: first byte chooses the content type, what follows up to a line break is the query, the rest
 * the body. What the code would be given is JSON, or the webhook is refused with a reason. */
#include <stddef.h>
#include <stdint.h>

#include "source/source_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct slice content_types[] = {SLICE("application/json"), SLICE("application/x-www-form-urlencoded"),
    SLICE("multipart/form-data; boundary=B"), SLICE("multipart/form-data; boundary=\"\""), SLICE("")};

static void check(const struct source_request *request, struct json_parser *parser) {
    static const struct destination_webhook webhook = {
        .bodies = WEBHOOK_BODY_JSON | WEBHOOK_BODY_FORM | WEBHOOK_BODY_QUERY | WEBHOOK_BODY_LINES, .takes_get = true};
    const struct destination_type type = {.webhook = &webhook};
    struct arena arena;
    struct buf out;
    struct json_writer w;
    struct slice detail = SLICE_NONE;
    arena_init(&arena, 4096, 0);
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    if (source_body_write(&type, request, parser, &arena, &w, &detail) == OK) {
        struct json_doc doc;
        ASSERT(buf_reserve(&out, JSON_PADDING) == OK);
        ASSERT(json_parse(parser, buf_slice(&out), &doc, NULL) == OK);
    } else {
        ASSERT(detail.len > 0);
    }
    buf_fini(&out);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct json_parser *parser;
    enum { DEPTH = 128 };
    parser = parser != NULL ? parser : json_parser_new(DEPTH);
    if (size == 0) {
        return 0;
    }
    struct arena arena;
    arena_init(&arena, 4096, 0);
    char *copy = arena_alloc(&arena, size + JSON_PADDING);
    memcpy(copy, data + 1, size - 1);
    struct slice body = SLICE("");
    struct slice query = slice_cut(slice_of(copy, size - 1), '\n', &body);
    struct http_header type = {SLICE("Content-Type"), content_types[data[0] % COUNT_OF(content_types)]};
    struct source_request request = {.method = data[0] & 0x80 ? HTTP_METHOD_GET : HTTP_METHOD_POST,
        .target = query,
        .query = query,
        .headers = &type,
        .header_count = 1,
        .body = body.ptr != NULL ? body : SLICE("")};
    check(&request, parser);
    arena_fini(&arena);
    return 0;
}
