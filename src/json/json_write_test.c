/* json_write.h: what is written is JSON, whatever was put in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "json/json.h"
#include "json/json_write.h"

static struct buf out;
static struct json_writer w;

static int setup(void **state) {
    (void)state;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    buf_fini(&out);
    return 0;
}

static void restart(void) {
    buf_reset(&out);
    json_writer_init(&w, &out);
}

static void assert_out(const char *expected) {
    assert_int_equal(out.failed, OK);
    assert_int_equal(out.len, strlen(expected));
    assert_memory_equal(out.ptr, expected, out.len);
}

static void commas_and_colons_are_put_where_they_belong(void **state) {
    (void)state;
    json_write_object(&w);
    json_write_key(&w, SLICE("a"));
    json_write_array(&w);
    json_write_u64(&w, 1);
    json_write_object(&w);
    json_write_end(&w);
    json_write_array(&w);
    json_write_end(&w);
    json_write_null(&w);
    json_write_end(&w);
    json_write_key(&w, SLICE("b"));
    json_write_object(&w);
    json_put_bool(&w, "c", true);
    json_put_bool(&w, "d", false);
    json_write_end(&w);
    json_put_raw(&w, "e", SLICE("1e400"));
    json_write_end(&w);
    assert_out("{\"a\":[1,{},[],null],\"b\":{\"c\":true,\"d\":false},\"e\":1e400}");
}

static void a_root_may_be_any_value(void **state) {
    (void)state;
    json_write_string(&w, SLICE("x"));
    assert_out("\"x\"");
    restart();
    json_write_raw(&w, SLICE("[1, 2]"));
    assert_out("[1, 2]");
}

static void members_are_put_in_one_call(void **state) {
    (void)state;
    json_write_object(&w);
    json_put_string(&w, "s", SLICE("v"));
    json_put_cstr(&w, "c", "v");
    json_put_cstr(&w, "n", NULL);
    json_put_u64(&w, "u", UINT64_MAX);
    json_put_i64(&w, "i", INT64_MIN);
    json_put_time(&w, "t", 1786104672345);
    json_put_time(&w, "z", 0);
    json_write_end(&w);
    assert_out("{\"s\":\"v\",\"c\":\"v\",\"n\":null,\"u\":18446744073709551615,\"i\":-9223372036854775808,"
               "\"t\":\"2026-08-07T12:11:12.345Z\",\"z\":null}");
}

static void containers_nest_to_the_stated_depth(void **state) {
    (void)state;
    for (int i = 0; i < JSON_WRITE_DEPTH; i++) {
        json_write_array(&w);
    }
    for (int i = 0; i < JSON_WRITE_DEPTH; i++) {
        json_write_end(&w);
    }
    assert_out("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
}

static void what_json_cannot_hold_as_it_is_gets_escaped(void **state) {
    (void)state;
    json_escape(&out, SLICE("a\"b\\c/\b\f\n\r\t\x01\x1f\x7f\0z"));
    assert_out("\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\\u0000z\"");
    restart();
    json_escape(&out, SLICE_NONE);
    assert_out("\"\"");
    restart();
    json_escape(&out, SLICE("\n"));
    assert_out("\"\\n\"");
}

static void valid_utf8_is_kept_and_invalid_bytes_are_replaced(void **state) {
    (void)state;
    json_escape(&out, SLICE("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
    assert_out("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
    restart();
    json_escape(&out,
        SLICE("a\xff"
              "b\xc3"));
    assert_out("\"a\xef\xbf\xbd"
               "b\xef\xbf\xbd\"");
    restart();
    json_escape(&out, SLICE("\xed\xa0\x80"));
    assert_out("\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void keys_are_escaped_too(void **state) {
    (void)state;
    json_write_object(&w);
    json_write_key(&w, SLICE("a\"\n"));
    json_write_null(&w);
    json_write_end(&w);
    assert_out("{\"a\\\"\\n\":null}");
}

static void every_byte_string_reads_back_or_is_replaced(void **state) {
    (void)state;
    struct json_parser *parser = json_parser_new(2);
    struct arena arena;
    arena_init(&arena, 4096, 0);
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned second = 0; second < 256; second++) {
            char bytes[2] = {(char)first, (char)second};
            restart();
            json_escape(&out, slice_of(bytes, 2));
            size_t len = out.len;
            assert_int_equal(buf_reserve(&out, JSON_PADDING), OK);
            struct json_doc doc;
            assert_int_equal(json_parse(parser, slice_of(out.ptr, len), &doc, NULL), OK);
            struct slice back = json_string(&doc, 0, &arena);
            bool ascii = first < 0x80 && second < 0x80;
            bool pair = first >= 0xc2 && first <= 0xdf && second >= 0x80 && second <= 0xbf;
            assert_int_equal(slice_eq(back, slice_of(bytes, 2)), ascii || pair);
            arena_reset(&arena);
        }
    }
    arena_fini(&arena);
    json_parser_free(parser);
}

static void assert_double(double v, const char *expected) {
    restart();
    json_write_double(&w, v);
    assert_out(expected);
}

static void doubles_are_as_short_as_reads_back(void **state) {
    (void)state;
    assert_double(0, "0");
    assert_double(-0.0, "-0");
    assert_double(1, "1");
    assert_double(-12345678, "-12345678");
    assert_double(0.1, "0.1");
    assert_double(0.1 + 0.2, "0.30000000000000004");
    assert_double(1.5e300, "1.5e+300");
    assert_double(5e-324, "5e-324");
    assert_double(DBL_MAX, "1.7976931348623157e+308");
    assert_double(9007199254740991, "9007199254740991");
    assert_double(9007199254740992, "9007199254740992");
    assert_double(99.99, "99.99");
}

static void a_number_that_json_has_not_becomes_null(void **state) {
    (void)state;
    assert_double(NAN, "null");
    assert_double(INFINITY, "null");
    assert_double(-INFINITY, "null");
}

static void characters_beyond_ascii_become_escapes_of_the_same_characters(void **state) {
    (void)state;
    json_write_object(&w);
    json_write_key(&w, SLICE("a"));
    json_write_ascii(&w, SLICE("{\"\xc3\xa4 \\u00e4\":\"\xe2\x82\xac in word \xf0\x9f\x9a\x80\",\"b\":1}"));
    json_write_key(&w, SLICE("c"));
    json_write_ascii(&w, SLICE("\"\xf4\x8f\xbf\xbf\xef\xbf\xbf\""));
    json_write_end(&w);
    assert_out("{\"a\":{\"\\u00e4 \\u00e4\":\"\\u20ac in word \\ud83d\\ude80\",\"b\":1},"
               "\"c\":\"\\udbff\\udfff\\uffff\"}");
}

static void a_full_buffer_is_seen_at_the_end(void **state) {
    (void)state;
    struct buf small;
    buf_init(&small, 8);
    json_writer_init(&w, &small);
    json_write_array(&w);
    json_write_string(&w, SLICE("longer than eight"));
    json_write_end(&w);
    assert_int_equal(small.failed, ERR_TOO_LARGE);
    buf_fini(&small);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(commas_and_colons_are_put_where_they_belong, setup, teardown),
        cmocka_unit_test_setup_teardown(a_root_may_be_any_value, setup, teardown),
        cmocka_unit_test_setup_teardown(members_are_put_in_one_call, setup, teardown),
        cmocka_unit_test_setup_teardown(containers_nest_to_the_stated_depth, setup, teardown),
        cmocka_unit_test_setup_teardown(what_json_cannot_hold_as_it_is_gets_escaped, setup, teardown),
        cmocka_unit_test_setup_teardown(valid_utf8_is_kept_and_invalid_bytes_are_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_are_escaped_too, setup, teardown),
        cmocka_unit_test_setup_teardown(every_byte_string_reads_back_or_is_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(doubles_are_as_short_as_reads_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_number_that_json_has_not_becomes_null, setup, teardown),
        cmocka_unit_test_setup_teardown(characters_beyond_ascii_become_escapes_of_the_same_characters, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_buffer_is_seen_at_the_end, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
