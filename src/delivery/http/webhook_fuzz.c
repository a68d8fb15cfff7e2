/* Any bytes as settings and as an event: what is built must be a request that the client would take. */
#include "base/buf.h"
#include "delivery/http/webhook.h"
#include "http/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_CHUNK = 64 * 1024 };

static void check(const struct kind_request *request) {
    ASSERT(http_url_check(request->url, NULL) == OK);
    for (size_t i = 0; i < request->header_count; i++) {
        struct slice value = request->headers[i].value;
        ASSERT(request->headers[i].name.len > 0);
        ASSERT(value.len == 0 ||
            (memchr(value.ptr, '\r', value.len) == NULL && memchr(value.ptr, '\n', value.len) == NULL));
    }
}

/* The first byte chooses the method; then settings and event, divided by the first NUL, or an event alone. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct slice defaults[] = {
        SLICE("{\"webhookUrl\":\"https://example.com/in?a=b\"}"),
        SLICE("{\"webhookUrl\":\"https://example.com/in\",\"webhookMethod\":\"GET\"}"),
    };
    if (size == 0) {
        return 0;
    }
    struct slice input = slice_of((const char *)data + 1, size - 1);
    struct slice event;
    struct slice config = slice_cut(input, '\0', &event);
    if (event.ptr == NULL) {
        event = input;
        config = defaults[data[0] % COUNT_OF(defaults)];
    }
    struct json_parser *parser = json_parser_new(1024);
    struct arena arena;
    arena_init(&arena, ARENA_CHUNK, 0);
    const void *settings = NULL;
    if (delivery_webhook.open(SLICE("WEBHOOK"), config, parser, &arena, &settings, NULL) == OK) {
        char *padded = arena_alloc(&arena, event.len + JSON_PADDING);
        memcpy(padded, event.ptr, event.len);
        struct kind_request request = {0};
        if (delivery_webhook.build(settings, slice_of(padded, event.len), parser, &arena, &request, NULL) == OK) {
            check(&request);
        }
    }
    arena_fini(&arena);
    json_parser_free(parser);
    return 0;
}
