/* json.h: limits of depth and size, and what a document answers. What is accepted at all: json_grammar_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "json/json.h"

#define DEPTH 8
#define TEXT_MAX (64 * 1024)

static struct json_parser *parser;
static char text_bytes[TEXT_MAX + JSON_PADDING];

static int setup(void **state) {
    (void)state;
    parser = json_parser_new(DEPTH);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    json_parser_free(parser);
    return 0;
}

/* The text with `behind` in every byte of its padding. */
static struct slice padded(struct slice text, char behind) {
    assert_true(text.len <= TEXT_MAX);
    memcpy(text_bytes, text.ptr, text.len);
    memset(text_bytes + text.len, behind, JSON_PADDING);
    return slice_of(text_bytes, text.len);
}

static struct json_doc parsed(struct slice text) {
    struct json_doc doc;
    struct errinfo why = {0};
    enum err e = json_parse(parser, padded(text, '"'), &doc, &why);
    if (e != OK) {
        fail_msg("%.*s: %s", SLICE_ARG(text), why.text);
    }
    return doc;
}

#define DOC(literal) parsed(SLICE(literal))

static void assert_text(struct slice actual, const char *expected) {
    assert_int_equal(actual.len, strlen(expected));
    assert_memory_equal(actual.ptr, expected, actual.len);
}

static void one_level_too_many_is_too_deep(void **state) {
    (void)state;
    struct json_doc doc;
    struct errinfo why = {0};
    assert_int_equal(json_parse(parser, padded(SLICE("[[[[[[[[[]]]]]]]]]"), 0), &doc, &why), ERR_TOO_DEEP);
    assert_int_equal(why.at, DEPTH);
    assert_int_equal(json_parse(parser, padded(SLICE("[[[[{\"a\":[[[{}]]]}]]]]"), 0), &doc, &why), ERR_TOO_DEEP);
}

static void a_nesting_bomb_is_refused_at_the_limit(void **state) {
    (void)state;
    static char bomb[TEXT_MAX];
    memset(bomb, '[', sizeof(bomb));
    struct json_doc doc;
    struct errinfo why = {0};
    assert_int_equal(json_parse(parser, padded(slice_of(bomb, sizeof(bomb)), '['), &doc, &why), ERR_TOO_DEEP);
    assert_int_equal(why.at, DEPTH);
}

static void errors_need_no_errinfo(void **state) {
    (void)state;
    struct json_doc doc;
    assert_int_equal(json_parse(parser, padded(SLICE("["), 0), &doc, NULL), ERR_INVALID_JSON);
    assert_int_equal(json_parse(parser, padded(SLICE("\"\xff\""), 0), &doc, NULL), ERR_INVALID_JSON);
}

static void nodes_are_flat_in_order_and_know_their_end(void **state) {
    (void)state;
    struct json_doc doc = DOC(" {\"a\": [1, -2.50 ,{}], \"b\":\"x\" }");
    static const struct json_node expected[] = {
        {1, 32, 8, 0, JSON_OBJECT, 0},
        {2, 5, 2, 1, JSON_STRING, 0},
        {7, 21, 6, 1, JSON_ARRAY, 0},
        {8, 9, 4, 2, JSON_NUMBER, 0},
        {11, 16, 5, 2, JSON_NUMBER, 0},
        {18, 20, 6, 2, JSON_OBJECT, 0},
        {23, 26, 7, 1, JSON_STRING, 0},
        {27, 30, 8, 1, JSON_STRING, 0},
    };
    assert_int_equal(doc.count, COUNT_OF(expected));
    assert_memory_equal(doc.nodes, expected, sizeof(expected));
}

static void a_parser_is_reused_after_errors_and_for_larger_and_smaller_texts(void **state) {
    (void)state;
    static char many[TEXT_MAX];
    size_t len = 0;
    many[len++] = '[';
    while (len < sizeof(many) - 2) {
        many[len++] = '1';
        many[len++] = ',';
    }
    many[len - 1] = ']';
    for (int round = 0; round < 3; round++) {
        struct json_doc doc = parsed(slice_of(many, len));
        assert_int_equal(json_count(&doc, 0), len / 2);
        assert_int_equal(json_parse(parser, padded(slice_of(many, len - 1), ']'), &doc, NULL), ERR_INVALID_JSON);
        doc = DOC("[1]");
        assert_int_equal(doc.count, 2);
    }
}

static void a_body_of_many_megabytes_is_parsed_and_its_memory_not_needed_after(void **state) {
    (void)state;
    size_t len = 12 * 1024 * 1024;
    char *big = mem_alloc(len + JSON_PADDING);
    memset(big, ',', len);
    for (size_t i = 1; i < len; i += 2) {
        big[i] = '7';
    }
    big[0] = '[';
    big[len - 1] = ']';
    big[len - 2] = ' ';
    big[len - 3] = '7';
    struct json_doc doc;
    struct errinfo why = {0};
    assert_int_equal(json_parse(parser, slice_of(big, len), &doc, &why), OK);
    assert_int_equal(json_count(&doc, 0), len / 2 - 1);
    mem_free(big);
    doc = DOC("{\"a\":1}");
    assert_int_equal(doc.count, 3);
}

static void a_member_is_found_by_its_key(void **state) {
    (void)state;
    struct json_doc doc = DOC("{\"a\":1,\"ab\":{\"a\":2},\"\":3,\"b\":[4]}");
    assert_text(json_raw(&doc, json_find(&doc, 0, SLICE("a"))), "1");
    assert_text(json_raw(&doc, json_find(&doc, 0, SLICE("ab"))), "{\"a\":2}");
    assert_text(json_raw(&doc, json_find(&doc, 0, SLICE(""))), "3");
    assert_text(json_raw(&doc, json_find(&doc, 0, SLICE("b"))), "[4]");
    assert_int_equal(json_find(&doc, 0, SLICE("c")), JSON_ABSENT);
    assert_int_equal(json_find(&doc, 0, SLICE("abc")), JSON_ABSENT);
    assert_int_equal(json_find(&doc, json_find(&doc, 0, SLICE("b")), SLICE("a")), JSON_ABSENT);
    assert_int_equal(json_find(&doc, JSON_ABSENT, SLICE("a")), JSON_ABSENT);
}

static void a_member_of_a_child_is_not_found_in_its_parent(void **state) {
    (void)state;
    struct json_doc doc = DOC("[{\"x\":{\"y\":1}},{\"z\":2}]");
    assert_int_equal(json_find(&doc, 1, SLICE("y")), JSON_ABSENT);
    assert_int_equal(json_find(&doc, 1, SLICE("z")), JSON_ABSENT);
}

static void the_last_of_equal_keys_wins(void **state) {
    (void)state;
    struct json_doc doc = DOC("{\"a\":1,\"b\":2,\"\\u0061\":3}");
    struct slice keys[] = {SLICE("a"), SLICE("b")};
    uint32_t values[2];
    json_find_many(&doc, 0, keys, 2, values);
    assert_text(json_raw(&doc, json_find(&doc, 0, SLICE("a"))), "3");
    assert_text(json_raw(&doc, values[0]), "3");
    assert_text(json_raw(&doc, values[1]), "2");
}

static void keys_are_compared_unescaped(void **state) {
    (void)state;
    struct json_doc doc = DOC("{\"us\\u0065rId\":1,\"\\ud83d\\ude00\":2,\"a\\/b\":3,\"\\ud800\":4,\"n\\u0000\":5}");
    assert_text(json_raw(&doc, json_find(&doc, 0, SLICE("userId"))), "1");
    assert_text(json_raw(&doc, json_find(&doc, 0, SLICE("\xf0\x9f\x98\x80"))), "2");
    assert_text(json_raw(&doc, json_find(&doc, 0, SLICE("a/b"))), "3");
    assert_text(json_raw(&doc, json_find(&doc, 0, SLICE("\xef\xbf\xbd"))), "4");
    assert_text(json_raw(&doc, json_find(&doc, 0, SLICE("n\0"))), "5");
    assert_int_equal(json_find(&doc, 0, SLICE("userI")), JSON_ABSENT);
    assert_int_equal(json_find(&doc, 0, SLICE("userIdx")), JSON_ABSENT);
    assert_int_equal(json_find(&doc, 0, SLICE("us\\u0065rId")), JSON_ABSENT);
    assert_int_equal(json_find(&doc, 0, SLICE("n")), JSON_ABSENT);
}

static void a_path_is_followed_through_objects(void **state) {
    (void)state;
    struct json_doc doc = DOC("{\"context\":{\"library\":{\"name\":\"js\"},\"ip\":null}}");
    assert_text(json_raw(&doc, json_find_path(&doc, 0, SLICE("context.library.name"))), "\"js\"");
    assert_text(json_raw(&doc, json_find_path(&doc, 0, SLICE("context.ip"))), "null");
    assert_int_equal(json_find_path(&doc, 0, SLICE("context.ip.x")), JSON_ABSENT);
    assert_int_equal(json_find_path(&doc, 0, SLICE("context.app.name")), JSON_ABSENT);
    assert_int_equal(json_find_path(&doc, 0, SLICE("library")), JSON_ABSENT);
}

static void many_keys_are_found_in_one_walk_as_one_by_one(void **state) {
    (void)state;
    static char text[TEXT_MAX], names[80][8];
    static struct slice keys[80];
    size_t len = 0;
    for (unsigned i = 0; i < COUNT_OF(keys); i++) {
        int name_len = snprintf(names[i], sizeof(names[i]), "%c%u", 'a' + i % 7, i * i % 97);
        keys[i] = slice_of(names[i], (size_t)name_len);
        if (i % 3 != 0) {
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%c\"%s\":%u", len == 0 ? '{' : ',', names[i], i);
        }
    }
    text[len++] = '}';
    struct json_doc doc = parsed(slice_of(text, len));
    uint32_t values[COUNT_OF(keys)];
    json_find_many(&doc, 0, keys, COUNT_OF(keys), values);
    unsigned found = 0;
    for (unsigned i = 0; i < COUNT_OF(keys); i++) {
        assert_int_equal(values[i], json_find(&doc, 0, keys[i]));
        found += values[i] != JSON_ABSENT;
    }
    assert_in_range(found, 40, 70);
}

static void many_keys_of_something_else_than_an_object_are_all_absent(void **state) {
    (void)state;
    struct json_doc doc = DOC("[\"a\",1]");
    struct slice keys[] = {SLICE("a"), SLICE("")};
    uint32_t values[2] = {7, 7};
    json_find_many(&doc, 0, keys, 2, values);
    assert_int_equal(values[0], JSON_ABSENT);
    assert_int_equal(values[1], JSON_ABSENT);
}

static void children_are_walked_in_order_over_their_subtrees(void **state) {
    (void)state;
    struct json_doc doc = DOC("{\"a\":[[1,2],{\"x\":[]},3],\"b\":{},\"c\":[]}");
    uint32_t key = json_first(&doc, 0);
    assert_text(json_raw(&doc, key), "\"a\"");
    uint32_t array = key + 1;
    uint32_t item = json_first(&doc, array);
    assert_text(json_raw(&doc, item), "[1,2]");
    item = json_after(&doc, array, item);
    assert_text(json_raw(&doc, item), "{\"x\":[]}");
    item = json_after(&doc, array, item);
    assert_text(json_raw(&doc, item), "3");
    assert_int_equal(json_after(&doc, array, item), JSON_ABSENT);
    key = json_after(&doc, 0, key);
    assert_text(json_raw(&doc, key), "\"b\"");
    assert_int_equal(json_first(&doc, key + 1), JSON_ABSENT);
    key = json_after(&doc, 0, key);
    assert_text(json_raw(&doc, key), "\"c\"");
    assert_int_equal(json_first(&doc, key + 1), JSON_ABSENT);
    assert_int_equal(json_after(&doc, 0, key), JSON_ABSENT);
    assert_int_equal(json_count(&doc, 0), 3);
    assert_int_equal(json_count(&doc, array), 3);
    assert_int_equal(json_count(&doc, key), 0);
    assert_int_equal(json_first(&doc, JSON_ABSENT), JSON_ABSENT);
}

static void assert_string(struct slice text, struct slice expected) {
    struct arena arena;
    arena_init(&arena, 256, 0);
    struct json_doc doc = parsed(text);
    struct slice actual = json_string(&doc, 0, &arena);
    assert_int_equal(actual.len, expected.len);
    assert_memory_equal(actual.ptr, expected.ptr, expected.len);
    arena_fini(&arena);
}

static void strings_are_unescaped(void **state) {
    (void)state;
    assert_string(SLICE("\"\""), SLICE(""));
    assert_string(SLICE("\"a\\\"b\\\\c\\/d\""), SLICE("a\"b\\c/d"));
    assert_string(SLICE("\"\\b\\f\\n\\r\\t\""), SLICE("\b\f\n\r\t"));
    assert_string(SLICE("\"x\\u0000y\""), SLICE("x\0y"));
    assert_string(
        SLICE("\"\\u007f\\u0080\\u07ff\\u0800\\uFFFF\""), SLICE("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf"));
    assert_string(SLICE("\"\\ud800\\udc00\\uDBFF\\uDFFF\""), SLICE("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"));
    assert_string(SLICE("\"\\\\u0041\""), SLICE("\\u0041"));
}

static void lone_surrogates_become_the_replacement_character(void **state) {
    (void)state;
    assert_string(SLICE("\"\\ud800\""), SLICE("\xef\xbf\xbd"));
    assert_string(SLICE("\"\\udc00a\""),
        SLICE("\xef\xbf\xbd"
              "a"));
    assert_string(SLICE("\"\\ud83d\\ud83d\\ude00\""), SLICE("\xef\xbf\xbd\xf0\x9f\x98\x80"));
    assert_string(SLICE("\"\\ud83d\\n\""), SLICE("\xef\xbf\xbd\n"));
    assert_string(SLICE("\"\\ud83dude00\""), SLICE("\xef\xbf\xbdude00"));
}

static void a_string_without_escapes_is_not_copied(void **state) {
    (void)state;
    struct json_doc doc = DOC("[\"plain\",\"\\n\"]");
    struct slice s = json_string(&doc, 1, NULL);
    assert_ptr_equal(s.ptr, doc.text + 2);
    assert_int_equal(doc.nodes[1].escaped, 0);
    assert_int_equal(doc.nodes[2].escaped, 1);
}

static void only_strings_that_hold_a_backslash_are_marked_escaped(void **state) {
    (void)state;
    struct json_doc doc = DOC("[\"a\",\"\\\\\",\"b\",\"c\\n\\n\",\"\",\"\\t\",\"d\"]");
    static const uint8_t expected[] = {0, 1, 0, 1, 0, 1, 0};
    for (uint32_t i = 0; i < COUNT_OF(expected); i++) {
        assert_int_equal(doc.nodes[i + 1].escaped, expected[i]);
    }
}

static void what_is_not_a_string_has_no_string(void **state) {
    (void)state;
    struct json_doc doc = DOC("[1]");
    assert_null(json_string(&doc, 0, NULL).ptr);
    assert_null(json_string(&doc, 1, NULL).ptr);
    assert_null(json_string(&doc, JSON_ABSENT, NULL).ptr);
}

static void numbers_keep_their_text(void **state) {
    (void)state;
    struct json_doc doc = DOC("[9007199254740993,1e400,-0.00,1234567890123456789012345678901234567890]");
    assert_text(json_raw(&doc, 1), "9007199254740993");
    assert_text(json_raw(&doc, 2), "1e400");
    assert_text(json_raw(&doc, 3), "-0.00");
    assert_text(json_raw(&doc, 4), "1234567890123456789012345678901234567890");
}

static void integers_are_exact_or_an_error(void **state) {
    (void)state;
    struct json_doc doc = DOC("[9223372036854775807,-9223372036854775808,9223372036854775808,-9223372036854775809,"
                              "18446744073709551615,18446744073709551616,-1,1.0,1e3,\"1\",-0,-1.5]");
    int64_t i = 0;
    uint64_t u = 0;
    assert_int_equal(json_i64(&doc, 1, &i), OK);
    assert_true(i == INT64_MAX);
    assert_int_equal(json_i64(&doc, 2, &i), OK);
    assert_true(i == INT64_MIN);
    assert_int_equal(json_i64(&doc, 3, &i), ERR_RANGE);
    assert_int_equal(json_i64(&doc, 4, &i), ERR_RANGE);
    assert_int_equal(json_u64(&doc, 5, &u), OK);
    assert_true(u == UINT64_MAX);
    assert_int_equal(json_u64(&doc, 6, &u), ERR_RANGE);
    assert_int_equal(json_u64(&doc, 7, &u), ERR_RANGE);
    assert_int_equal(json_u64(&doc, 2, &u), ERR_RANGE);
    assert_int_equal(json_i64(&doc, 8, &i), ERR_INVALID);
    assert_int_equal(json_u64(&doc, 9, &u), ERR_INVALID);
    assert_int_equal(json_i64(&doc, 10, &i), ERR_INVALID);
    assert_int_equal(json_u64(&doc, 11, &u), OK);
    assert_true(u == 0);
    assert_int_equal(json_i64(&doc, 11, &i), OK);
    assert_true(i == 0);
    assert_int_equal(json_u64(&doc, 12, &u), ERR_INVALID);
    assert_int_equal(json_i64(&doc, 0, &i), ERR_INVALID);
    assert_int_equal(json_i64(&doc, JSON_ABSENT, &i), ERR_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_level_too_many_is_too_deep),
        cmocka_unit_test(a_nesting_bomb_is_refused_at_the_limit),
        cmocka_unit_test(errors_need_no_errinfo),
        cmocka_unit_test(nodes_are_flat_in_order_and_know_their_end),
        cmocka_unit_test(a_parser_is_reused_after_errors_and_for_larger_and_smaller_texts),
        cmocka_unit_test(a_body_of_many_megabytes_is_parsed_and_its_memory_not_needed_after),
        cmocka_unit_test(a_member_is_found_by_its_key),
        cmocka_unit_test(a_member_of_a_child_is_not_found_in_its_parent),
        cmocka_unit_test(the_last_of_equal_keys_wins),
        cmocka_unit_test(keys_are_compared_unescaped),
        cmocka_unit_test(a_path_is_followed_through_objects),
        cmocka_unit_test(many_keys_are_found_in_one_walk_as_one_by_one),
        cmocka_unit_test(many_keys_of_something_else_than_an_object_are_all_absent),
        cmocka_unit_test(children_are_walked_in_order_over_their_subtrees),
        cmocka_unit_test(strings_are_unescaped),
        cmocka_unit_test(lone_surrogates_become_the_replacement_character),
        cmocka_unit_test(a_string_without_escapes_is_not_copied),
        cmocka_unit_test(only_strings_that_hold_a_backslash_are_marked_escaped),
        cmocka_unit_test(what_is_not_a_string_has_no_string),
        cmocka_unit_test(numbers_keep_their_text),
        cmocka_unit_test(integers_are_exact_or_an_error),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
