/* Dead letters show requests without secrets. */
#include "delivery/redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_redacted(const struct http_call *call, const char *expected) {
    struct arena arena;
    arena_init(&arena, 1024, 0);
    assert_string_equal(redact_request(call, NULL, 0, &arena).ptr, expected);
    arena_fini(&arena);
}

static void secrets_in_headers_are_starred_and_the_rest_is_kept(void **state) {
    (void)state;
    static const struct http_header headers[] = {
        {SLICE("content-type"), SLICE("application/json")},
        {SLICE("Authorization"), SLICE("Bearer abc")},
        {SLICE("X-Api-Key"), SLICE("abc")},
        {SLICE("COOKIE"), SLICE("sid=1")},
        {SLICE("X-Plan"), SLICE("gold")},
    };
    struct http_call call = {.method = HTTP_METHOD_POST,
        .url = SLICE("https://example.com/in"),
        .headers = headers,
        .header_count = COUNT_OF(headers)};
    assert_redacted(&call,
        "POST https://example.com/in\ncontent-type: application/json\nAuthorization: ***\n"
        "X-Api-Key: ***\nCOOKIE: ***\nX-Plan: gold\n");
}

static void secrets_in_the_url_are_starred(void **state) {
    (void)state;
    static const struct {
        const char *url, *expected;
    } rows[] = {
        {"https://user:pass@example.com/a", "GET https://***@example.com/a\n"},
        {"https://us%40er:p@ss@example.com", "GET https://***@example.com\n"},
        {"https://example.com/a@b?x=1", "GET https://example.com/a@b?x=1\n"},
        {"https://example.com/?api_key=1&b=2&TOKEN=3&c", "GET https://example.com/?api_key=***&b=2&TOKEN=***&c\n"},
        {"https://example.com/?password=a=b", "GET https://example.com/?password=***\n"},
        {"https://example.com/?token", "GET https://example.com/?token\n"},
        {"https://example.com/?", "GET https://example.com/?\n"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_call call = {.method = HTTP_METHOD_GET, .url = slice_cstr(rows[i].url)};
        assert_redacted(&call, rows[i].expected);
    }
}

static void what_settings_call_secret_is_starred_wherever_it_is(void **state) {
    (void)state;
    static const struct http_header headers[] = {{SLICE("X-Who"), SLICE("us:pa55word")}};
    static const struct slice secrets[] = {SLICE("T1/B1/s3cret"), SLICE("pa55word"), SLICE("not there")};
    struct http_call call = {.method = HTTP_METHOD_POST,
        .url = SLICE("https://hooks.example.com/T1/B1/s3cret?again=T1/B1/s3cret"),
        .headers = headers,
        .header_count = COUNT_OF(headers)};
    struct arena arena;
    arena_init(&arena, 1024, 0);
    assert_string_equal(redact_request(&call, secrets, COUNT_OF(secrets), &arena).ptr,
        "POST https://hooks.example.com/***?again=***\nX-Who: us:***\n");
    arena_fini(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_in_headers_are_starred_and_the_rest_is_kept),
        cmocka_unit_test(secrets_in_the_url_are_starred),
        cmocka_unit_test(what_settings_call_secret_is_starred_wherever_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
