/* json.h: which texts are JSON, and where the others go wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "json/json.h"

#define DEPTH 8
#define TEXT_MAX 1024

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

static const struct slice accepted[] = {
    SLICE("null"),
    SLICE("true"),
    SLICE("false"),
    SLICE("0"),
    SLICE("-0"),
    SLICE("-1"),
    SLICE("10"),
    SLICE("1.5"),
    SLICE("0.0"),
    SLICE("1e5"),
    SLICE("1E+5"),
    SLICE("1.25e-7"),
    SLICE("-0e-0"),
    SLICE("1e400"),
    SLICE("-1e-400"),
    SLICE("9007199254740993"),
    SLICE("1234567890123456789012345678901234567890"),
    SLICE("0.10000000000000000000000001"),
    SLICE("\"\""),
    SLICE("\"a\""),
    SLICE(" \t\r\n1 \t\r\n"),
    SLICE(" \"a\" "),
    SLICE("[]"),
    SLICE("{}"),
    SLICE("[ ]"),
    SLICE("{ }"),
    SLICE("[[]]"),
    SLICE("[{}]"),
    SLICE("[1,2,3]"),
    SLICE("[ 1 , \"a\" , null ]"),
    SLICE("{\"a\":1}"),
    SLICE("{ \"a\" : { \"b\" : [ ] } , \"c\" : 2 }"),
    SLICE("{\"\":0}"),
    SLICE("{\"a\":1,\"a\":2}"),
    SLICE("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
    SLICE("\"\\u0000\""),
    SLICE("\"\\u00Ff\""),
    SLICE("\"\\ud83d\\ude00\""),
    SLICE("\"\\ud800\""),
    SLICE("\"\\udc00\\ud800\""),
    SLICE("\"\\\\\""),
    SLICE("[\"\\\\\",\"\\\\\"]"),
    SLICE("\"\\u005C\""),
    SLICE("\"[]{}:,\""),
    SLICE("\"\x7f\""),
    SLICE("\"\xc2\x80\""),
    SLICE("\"\xdf\xbf\""),
    SLICE("\"\xe0\xa0\x80\""),
    SLICE("\"\xed\x9f\xbf\""),
    SLICE("\"\xee\x80\x80\""),
    SLICE("\"\xef\xbf\xbf\""),
    SLICE("\"\xf0\x90\x80\x80\""),
    SLICE("\"\xf4\x8f\xbf\xbf\""),
    SLICE("\"\xe2\x80\xa8\""),
    SLICE("\"\xef\xbb\xbf\""),
    SLICE("[[[[[[[[1]]]]]]]]"),
    SLICE("{\"a\":[{\"b\":[{\"c\":[{\"d\":[]}]}]}]}"),
};

struct refusal {
    struct slice text;
    uint64_t at;
};

static const struct refusal refused[] = {
    /* nothing, or too much */
    {SLICE(""), 0},
    {SLICE(" \n"), 2},
    {SLICE("1 2"), 2},
    {SLICE("1,"), 1},
    {SLICE("\"a\" \"b\""), 4},
    {SLICE("\"a\"\"b\""), 3},
    {SLICE("\"a\"x"), 3},
    {SLICE("\"a\"1"), 3},
    {SLICE("{}{}"), 2},
    {SLICE("[]]"), 2},
    {SLICE("{}}"), 2},
    {SLICE("nullnull"), 0},
    {SLICE("[1]x"), 3},
    {SLICE("{}:"), 2},
    {SLICE("{} //"), 3},
    /* numbers */
    {SLICE("-"), 0},
    {SLICE("+1"), 0},
    {SLICE("01"), 0},
    {SLICE("-01"), 0},
    {SLICE("00"), 0},
    {SLICE("1."), 0},
    {SLICE(".5"), 0},
    {SLICE("-.5"), 0},
    {SLICE("1.e5"), 0},
    {SLICE("1e"), 0},
    {SLICE("1e+"), 0},
    {SLICE("1e5.0"), 0},
    {SLICE("1.2.3"), 0},
    {SLICE("0x10"), 0},
    {SLICE("1a"), 0},
    {SLICE("--1"), 0},
    {SLICE("1_000"), 0},
    {SLICE("1-2"), 0},
    {SLICE("NaN"), 0},
    {SLICE("Infinity"), 0},
    {SLICE("-Infinity"), 0},
    {SLICE("[1.]"), 1},
    {SLICE("[-]"), 1},
    {SLICE("1\"a\""), 0},
    {SLICE("[0 1]"), 3},
    {SLICE("1\xc2\xa0"), 0},
    /* literals */
    {SLICE("tru"), 0},
    {SLICE("truex"), 0},
    {SLICE("True"), 0},
    {SLICE("nul"), 0},
    {SLICE("fals"), 0},
    {SLICE("falsy"), 0},
    {SLICE("[tru]"), 1},
    {SLICE("true\"\""), 0},
    {SLICE("undefined"), 0},
    {SLICE("t"), 0},
    /* arrays and objects */
    {SLICE("["), 1},
    {SLICE("[1"), 2},
    {SLICE("[1,"), 3},
    {SLICE("[1,]"), 3},
    {SLICE("[,1]"), 1},
    {SLICE("[,]"), 1},
    {SLICE("[1 2]"), 3},
    {SLICE("[1,,2]"), 3},
    {SLICE("[1:2]"), 2},
    {SLICE("[\"a\":1]"), 4},
    {SLICE("[1}"), 2},
    {SLICE("]"), 0},
    {SLICE("}"), 0},
    {SLICE(","), 0},
    {SLICE(":"), 0},
    {SLICE("{"), 1},
    {SLICE("{\"a\""), 4},
    {SLICE("{\"a\":"), 5},
    {SLICE("{\"a\":1"), 6},
    {SLICE("{\"a\":1,"), 7},
    {SLICE("{\"a\":1,}"), 7},
    {SLICE("{\"a\":}"), 5},
    {SLICE("{\"a\"}"), 4},
    {SLICE("{\"a\" 1}"), 5},
    {SLICE("{\"a\",1}"), 4},
    {SLICE("{1:2}"), 1},
    {SLICE("{a:2}"), 1},
    {SLICE("{'a':2}"), 1},
    {SLICE("{null:2}"), 1},
    {SLICE("{[]:2}"), 1},
    {SLICE("{,}"), 1},
    {SLICE("{:1}"), 1},
    {SLICE("{\"a\":1]"), 6},
    {SLICE("{\"a\":1 \"b\":2}"), 7},
    {SLICE("{\"a\":1,,\"b\":2}"), 7},
    {SLICE("{\"a\"::1}"), 5},
    {SLICE("{\"a\":1:2}"), 6},
    {SLICE("{\"a\":[}"), 6},
    {SLICE("[{]"), 2},
    {SLICE("[/* no */1]"), 1},
    {SLICE("[1,#\n2]"), 3},
    /* strings */
    {SLICE("\""), 0},
    {SLICE("\"a"), 0},
    {SLICE("[\"a]"), 1},
    {SLICE("\"\\\""), 0},
    {SLICE("1 \""), 2},
    {SLICE("\"\\x\""), 1},
    {SLICE("\"ab\\'\""), 3},
    {SLICE("\"\\u\""), 1},
    {SLICE("\"\\u12\""), 1},
    {SLICE("\"\\u123\""), 1},
    {SLICE("\"\\u123g\""), 1},
    {SLICE("\"\\U0041\""), 1},
    {SLICE("[\"\\n\",\"\\q\"]"), 7},
    {SLICE("\"\\n \\q\""), 4},
    {SLICE("{\"\\q\":1}"), 2},
    {SLICE("\"\n\""), 1},
    {SLICE("\"\t\""), 1},
    {SLICE("\"a\x01\""), 2},
    {SLICE("\"\\\n\""), 1},
    {SLICE("\"\\q\x01\""), 1},
    {SLICE("'a'"), 0},
    {SLICE("\\\"a"), 0},
    {SLICE("\\\"a\""), 0},
    {SLICE("x\"a\""), 0},
    {SLICE("[\\n]"), 1},
    {SLICE("\"a\"\\\"b\""), 3},
    {SLICE("\"\\"), 0},
    /* bytes */
    {SLICE("\0"), 0},
    {SLICE("1\0"), 0},
    {SLICE("[1]\0"), 3},
    {SLICE("\"\0\""), 1},
    {SLICE("[\0]"), 1},
    {SLICE("\xef\xbb\xbf{}"), 0},
    {SLICE("\xff\xfe[\0]\0"), 0},
    {SLICE("[1 \f]"), 3},
    {SLICE("[\x1a]"), 1},
    {SLICE("\v1"), 0},
    {SLICE("[\x0c]"), 1},
    {SLICE("{\"a\"\x1a 1}"), 4},
    {SLICE("[1 \x0c 2]"), 3},
    {SLICE("\xc2\xa0[]"), 0},
    {SLICE("\"\x80\""), 1},
    {SLICE("\"\xbf\""), 1},
    {SLICE("\"\xc0\xaf\""), 1},
    {SLICE("\"\xc1\xbf\""), 1},
    {SLICE("\"\xe0\x9f\xbf\""), 1},
    {SLICE("\"\xed\xa0\x80\""), 1},
    {SLICE("\"\xed\xbf\xbf\""), 1},
    {SLICE("\"\xf0\x8f\xbf\xbf\""), 1},
    {SLICE("\"\xf4\x90\x80\x80\""), 1},
    {SLICE("\"\xf5\x80\x80\x80\""), 1},
    {SLICE("\"\xff\""), 1},
    {SLICE("\"\xc2\""), 1},
    {SLICE("\"\xe2\x82\""), 1},
    {SLICE("\"\xf0\x9f\x98\""), 1},
    {SLICE("\"\xc2"), 1},
    {SLICE("\"ab\xe2\x28\xa1\""), 3},
    {SLICE("[\"ok\",\"\xc3\x28\"]"), 7},
};

/* What may stand in the padding: it must not change anything. */
static const char behind[] = {0, ' ', '"', '\\', '0', '}', ']', ',', ':', 'e', '.', '-', '\x80'};

static void every_valid_text_is_accepted_whatever_follows_it(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(accepted); i++) {
        for (size_t b = 0; b < COUNT_OF(behind); b++) {
            struct json_doc doc;
            struct errinfo why = {0};
            if (json_parse(parser, padded(accepted[i], behind[b]), &doc, &why) != OK) {
                fail_msg("%.*s refused: %s", SLICE_ARG(accepted[i]), why.text);
            }
            assert_int_equal(doc.nodes[0].next, doc.count);
        }
    }
}

static void every_invalid_text_is_refused_with_its_position_whatever_follows_it(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct errinfo first = {0};
        for (size_t b = 0; b < COUNT_OF(behind); b++) {
            struct json_doc doc = {0};
            struct errinfo why = {0};
            enum err e = json_parse(parser, padded(refused[i].text, behind[b]), &doc, &why);
            if (e != ERR_INVALID_JSON || why.at != refused[i].at || why.text[0] == '\0' || doc.nodes != NULL) {
                fail_msg("refusal %zu, %.*s with %d behind: %s at %llu, expected at %llu", i,
                    SLICE_ARG(refused[i].text), behind[b], err_name(e), (unsigned long long)why.at,
                    (unsigned long long)refused[i].at);
            }
            first = b == 0 ? why : first;
            assert_string_equal(why.text, first.text);
        }
    }
}

/* The first stage works on blocks of 64 bytes: each text must mean the same wherever in a block it falls. */
static void a_text_means_the_same_at_every_offset_of_a_block(void **state) {
    (void)state;
    static char shifted[512];
    for (size_t offset = 0; offset <= 130; offset++) {
        memset(shifted, ' ', offset);
        for (size_t i = 0; i < COUNT_OF(accepted); i++) {
            memcpy(shifted + offset, accepted[i].ptr, accepted[i].len);
            struct slice text = padded(slice_of(shifted, offset + accepted[i].len), '}');
            struct json_doc doc;
            assert_int_equal(json_parse(parser, text, &doc, NULL), OK);
            assert_true(doc.nodes[0].start >= offset);
        }
        for (size_t i = 0; i < COUNT_OF(refused); i++) {
            memcpy(shifted + offset, refused[i].text.ptr, refused[i].text.len);
            struct json_doc doc;
            struct errinfo why = {0};
            struct slice text = padded(slice_of(shifted, offset + refused[i].text.len), '}');
            assert_int_equal(json_parse(parser, text, &doc, &why), ERR_INVALID_JSON);
            assert_int_equal(why.at, refused[i].at + offset);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_valid_text_is_accepted_whatever_follows_it),
        cmocka_unit_test(every_invalid_text_is_refused_with_its_position_whatever_follows_it),
        cmocka_unit_test(a_text_means_the_same_at_every_offset_of_a_block),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
