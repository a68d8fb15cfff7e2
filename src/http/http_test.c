/* Method names, status texts, decoding of targets. */
#include "http/http.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void methods_have_names_that_parse_back(void **state) {
    (void)state;
    for (unsigned i = 0; i < HTTP_METHOD_OTHER; i++) {
        assert_int_equal(http_method_parse(slice_cstr(http_method_name((enum http_method)i))), i);
    }
    assert_int_equal(http_method_parse(SLICE("get")), HTTP_METHOD_OTHER);
    assert_int_equal(http_method_parse(SLICE("TRACE")), HTTP_METHOD_OTHER);
}

static void statuses_have_texts(void **state) {
    (void)state;
    assert_string_equal(http_status_text(200), "OK");
    assert_string_equal(http_status_text(431), "Request Header Fields Too Large");
    assert_string_equal(http_status_text(299), "Unknown");
}

static void escapes_are_decoded_and_bad_ones_kept(void **state) {
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"a+b%20c", "a b c"},
        {"%41%62%2B", "Ab+"},
        {"%c3%A9", "\xc3\xa9"},
        {"%", "%"},
        {"%4", "%4"},
        {"%zz%4g", "%zz%4g"},
        {"100%25", "100%"},
        {"%%41", "%A"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char out[32];
        size_t len = http_url_decode(slice_cstr(cases[i].in), out);
        assert_true(slice_eq(slice_of(out, len), slice_cstr(cases[i].out)));
    }
}

static void a_query_is_walked_pair_by_pair(void **state) {
    (void)state;
    static const struct {
        const char *key, *value;
    } expected[] = {{"a", "1"}, {"b", ""}, {"c", ""}, {"", "d"}, {"e", "f=g"}};
    struct slice query = SLICE("&a=1&b=&&c&=d&e=f=g&");
    struct slice key;
    struct slice value;
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_true(http_query_next(&query, &key, &value));
        assert_true(slice_eq(key, slice_cstr(expected[i].key)));
        assert_true(slice_eq(value, slice_cstr(expected[i].value)));
    }
    assert_false(http_query_next(&query, &key, &value));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_have_names_that_parse_back),
        cmocka_unit_test(statuses_have_texts),
        cmocka_unit_test(escapes_are_decoded_and_bad_ones_kept),
        cmocka_unit_test(a_query_is_walked_pair_by_pair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
