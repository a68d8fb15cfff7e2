/* The YAML tree: scalars of the core schema as JSON, ${NAME}, anchors, and its bounds. */
#include "model/ytree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"

struct fixture {
    struct arena arena;
    struct errinfo why;
    struct ytree tree;
    struct buf json;
};

static void fixture_init(struct fixture *f, bool environment) {
    *f = (struct fixture){.why = {.text = ""}};
    arena_init(&f->arena, 16384, 0);
    f->tree = (struct ytree){.arena = &f->arena, .file = "t.yaml", .why = &f->why, .environment = environment};
    buf_init(&f->json, 1 << 20);
}

static void fixture_fini(struct fixture *f) {
    buf_fini(&f->json);
    arena_fini(&f->arena);
}

static void expect_json(const char *yaml, const char *json) {
    struct fixture f;
    fixture_init(&f, true);
    assert_int_equal(ytree_parse(&f.tree, slice_cstr(yaml)), OK);
    struct json_writer writer;
    json_writer_init(&writer, &f.json);
    assert_int_equal(ytree_write_json(&f.tree, f.tree.root, &writer), OK);
    assert_int_equal(buf_append_byte(&f.json, '\0'), OK);
    assert_string_equal(f.json.ptr, json);
    fixture_fini(&f);
}

static void expect_error(const char *yaml, const char *path, const char *text) {
    struct fixture f;
    fixture_init(&f, true);
    enum err e = ytree_parse(&f.tree, slice_cstr(yaml));
    if (e == OK) { /* some things are only wrong once they are written as JSON */
        struct json_writer writer;
        json_writer_init(&writer, &f.json);
        e = ytree_write_json(&f.tree, f.tree.root, &writer);
    }
    assert_int_not_equal(e, OK);
    assert_string_equal(f.why.path, path);
    assert_string_equal(f.why.text, text);
    fixture_fini(&f);
}

static void plain_scalars_follow_the_core_schema(void **state) {
    (void)state;
    expect_json("[true, True, FALSE, null, ~, NULL, ]", "[true,true,false,null,null,null]");
    expect_json("[yes, no, on, off, y, nUll, 1_000, 12:30:45, 2024-01-01]",
        "[\"yes\",\"no\",\"on\",\"off\",\"y\",\"nUll\",\"1_000\",\"12:30:45\",\"2024-01-01\"]");
    expect_json("a:\nb: x", "{\"a\":null,\"b\":\"x\"}");
}

static void number_text_is_kept(void **state) {
    (void)state;
    expect_json("[0, -1, 9007199254740993, 1e400, 1.10, -0.0, 1E+2, 123456789012345678901234567890]",
        "[0,-1,9007199254740993,1e400,1.10,-0.0,1E+2,123456789012345678901234567890]");
}

static void numbers_that_json_lacks_get_its_nearest_form(void **state) {
    (void)state;
    expect_json("[+5, .5, 5., -.5e3, 007, -00, 0x1F, 0o17, 0xffffffffffffffff]",
        "[5,0.5,5,-0.5e3,7,-0,31,15,18446744073709551615]");
    expect_json("[1e, 0x, 0o8, e5, ., -, 1.2.3, --1]", "[\"1e\",\"0x\",\"0o8\",\"e5\",\".\",\"-\",\"1.2.3\",\"--1\"]");
    expect_error("a: .inf", "t.yaml:1:4", ".inf has no form in JSON");
    expect_error("a: [-.INF]", "t.yaml:1:5", "-.INF has no form in JSON");
    expect_error("a: .nan", "t.yaml:1:4", ".nan has no form in JSON");
    expect_error("a: 0x10000000000000000", "t.yaml:1:4", "the number 0x10000000000000000 does not fit in 64 bits");
}

static void quoted_and_tagged_scalars_stay_text(void **state) {
    (void)state;
    expect_json("['1', \"true\", !!str 5, ! '6']", "[\"1\",\"true\",\"5\",\"6\"]");
    expect_json("- |\n  1\n  2\n- >\n  3", "[\"1\\n2\\n\",\"3\"]");
    expect_error("a: !!int '5'", "t.yaml:1:4", "the tag 'tag:yaml.org,2002:int' is not supported");
    expect_error("a: !secret x", "t.yaml:1:4", "the tag '!secret' is not supported");
}

static void escapes_and_foreign_letters_survive(void **state) {
    (void)state;
    expect_json("{\"k\\\"ey\": \"tab\\tquote\\\" ünï\\u0000\"}", "{\"k\\\"ey\":\"tab\\tquote\\\" ünï\\u0000\"}");
}

static void an_environment_name_is_replaced_inside_text(void **state) {
    (void)state;
    assert_int_equal(setenv("YTREE_TEST_TOKEN", "s3 \"cret", 1), 0);
    expect_json("a: Bearer ${YTREE_TEST_TOKEN}!", "{\"a\":\"Bearer s3 \\\"cret!\"}");
    expect_json("a: '${YTREE_TEST_TOKEN}${YTREE_TEST_TOKEN}'", "{\"a\":\"s3 \\\"crets3 \\\"cret\"}");
    expect_json("a: $${YTREE_TEST_TOKEN} $5 $", "{\"a\":\"${YTREE_TEST_TOKEN} $5 $\"}");
    expect_json("'${YTREE_TEST_TOKEN}': x", "{\"${YTREE_TEST_TOKEN}\":\"x\"}");
}

static void a_replaced_value_is_text_whatever_it_looks_like(void **state) {
    (void)state;
    assert_int_equal(setenv("YTREE_TEST_NUMBER", "5", 1), 0);
    expect_json("a: ${YTREE_TEST_NUMBER}", "{\"a\":\"5\"}");
}

static void an_unset_environment_name_is_an_error(void **state) {
    (void)state;
    assert_int_equal(unsetenv("YTREE_TEST_ABSENT"), 0);
    expect_error(
        "a:\n  - x${YTREE_TEST_ABSENT}", "t.yaml:2:5", "the environment variable YTREE_TEST_ABSENT is not set");
    const char *form = "'${a-b}': \"${\" must be followed by NAME}; write \"$${\" for a literal \"${\"";
    expect_error("a: ${a-b}", "t.yaml:1:4", form);
    expect_error("a: '${'", "t.yaml:1:4", "'${': \"${\" must be followed by NAME}; write \"$${\" for a literal \"${\"");
}

static void without_the_environment_dollars_are_dollars(void **state) {
    (void)state;
    struct fixture f;
    fixture_init(&f, false);
    assert_int_equal(ytree_parse(&f.tree, SLICE("${HOME}")), OK);
    assert_true(slice_eq(f.tree.root->text, SLICE("${HOME}")));
    fixture_fini(&f);
}

static void an_alias_is_the_anchored_value(void **state) {
    (void)state;
    expect_json("a: &x {k: [1]}\nb: *x\nc: &y text\nd: [*y, *x]",
        "{\"a\":{\"k\":[1]},\"b\":{\"k\":[1]},\"c\":\"text\",\"d\":[\"text\",{\"k\":[1]}]}");
    expect_json("- &x 1\n- &x 2\n- *x", "[1,2,2]");
}

static void what_is_not_allowed_in_yaml_is_told(void **state) {
    (void)state;
    expect_error("a: 1\nb: 2\na: 3", "t.yaml:3:1", "the key 'a' is here twice; first on line 1");
    expect_error("a: &x [*x]", "t.yaml:1:8", "the alias *x has no complete anchor before it");
    expect_error("a: &x {b: 1}\nc:\n  <<: *x", "t.yaml:3:3", "merge keys (<<) belong to YAML 1.1; alias a whole value");
    expect_error("? [a]\n: b", "t.yaml:1:3", "a key must be plain text, not an alias, a list or a map");
    expect_error("- &x k\n- {*x : b}", "t.yaml:2:4", "a key must be plain text, not an alias, a list or a map");
    expect_error("a: 1\n---\nb: 2", "t.yaml:2:1", "only one YAML document is allowed in a file");
    expect_error(
        "a: [1\nb: 2", "t.yaml:2:2", "not YAML: did not find expected ',' or ']' while parsing a flow sequence");
    expect_error("a: b: c", "t.yaml:1:5", "not YAML: mapping values are not allowed in this context");
    expect_error("a: 1\nb: \xff", "t.yaml:2:4", "not YAML: invalid leading UTF-8 octet");
    expect_error("a: \x01", "t.yaml:1:4", "not YAML: control characters are not allowed");
}

static void a_deep_document_is_refused(void **state) {
    (void)state;
    char text[2 * YTREE_DEPTH_MAX + 4] = "";
    memset(text, '[', YTREE_DEPTH_MAX);
    memset(text + YTREE_DEPTH_MAX, ']', YTREE_DEPTH_MAX);
    struct fixture f;
    fixture_init(&f, false);
    assert_int_equal(ytree_parse(&f.tree, slice_cstr(text)), OK);
    memset(text, '[', YTREE_DEPTH_MAX + 1);
    memset(text + YTREE_DEPTH_MAX + 1, ']', YTREE_DEPTH_MAX + 1);
    assert_int_equal(ytree_parse(&f.tree, slice_cstr(text)), ERR_TOO_DEEP);
    assert_string_equal(f.why.path, "t.yaml:1:25");
    fixture_fini(&f);
}

/* Nine aliases of nine aliases of …: few bytes, 9^9 values. */
static void a_billion_laughs_are_refused(void **state) {
    (void)state;
    struct fixture f;
    fixture_init(&f, false);
    struct buf text;
    buf_init(&text, 1 << 16);
    buf_printf(&text, "a0: &a0 [lol]\n");
    for (int i = 1; i < 10; i++) {
        buf_printf(&text, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1, i - 1, i - 1,
            i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    }
    assert_int_equal(ytree_parse(&f.tree, buf_slice(&text)), ERR_TOO_LARGE);
    assert_string_equal(f.why.text, "has more than 500000 values, aliases written out");
    buf_fini(&text);
    fixture_fini(&f);
}

static void aliases_cannot_deepen_past_the_bound(void **state) {
    (void)state;
    struct fixture f;
    fixture_init(&f, false);
    struct buf text;
    buf_init(&text, 1 << 16);
    buf_printf(&text, "a0: &a0 [x]\n");
    for (int i = 1; i < 30; i++) {
        buf_printf(&text, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    }
    assert_int_equal(ytree_parse(&f.tree, buf_slice(&text)), ERR_TOO_DEEP);
    buf_fini(&text);
    fixture_fini(&f);
}

static void too_many_anchors_are_refused(void **state) {
    (void)state;
    struct fixture f;
    fixture_init(&f, false);
    struct buf text;
    buf_init(&text, 1 << 16);
    for (int i = 0; i <= YTREE_ANCHORS_MAX; i++) {
        buf_printf(&text, "- &a%d x\n", i);
    }
    assert_int_equal(ytree_parse(&f.tree, buf_slice(&text)), ERR_TOO_LARGE);
    assert_string_equal(f.why.path, "t.yaml:257:3");
    buf_fini(&text);
    fixture_fini(&f);
}

static void a_path_finds_the_deepest_node_that_exists(void **state) {
    (void)state;
    struct fixture f;
    fixture_init(&f, false);
    assert_int_equal(ytree_parse(&f.tree, SLICE("headers:\n  - {from: a}\n  - {from: b, to: c}\n")), OK);
    assert_true(slice_eq(ytree_find(f.tree.root, "headers[1].to")->text, SLICE("c")));
    assert_int_equal(ytree_find(f.tree.root, "headers[0].to")->line, 2);
    assert_int_equal(ytree_find(f.tree.root, "headers[7]")->kind, YTREE_LIST);
    assert_ptr_equal(ytree_find(f.tree.root, "nothing.at.all"), f.tree.root);
    assert_ptr_equal(ytree_find(f.tree.root, ""), f.tree.root);
    assert_ptr_equal(ytree_find(f.tree.root, "[[.].]"), f.tree.root);
    fixture_fini(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_scalars_follow_the_core_schema),
        cmocka_unit_test(number_text_is_kept),
        cmocka_unit_test(numbers_that_json_lacks_get_its_nearest_form),
        cmocka_unit_test(quoted_and_tagged_scalars_stay_text),
        cmocka_unit_test(escapes_and_foreign_letters_survive),
        cmocka_unit_test(an_environment_name_is_replaced_inside_text),
        cmocka_unit_test(a_replaced_value_is_text_whatever_it_looks_like),
        cmocka_unit_test(an_unset_environment_name_is_an_error),
        cmocka_unit_test(without_the_environment_dollars_are_dollars),
        cmocka_unit_test(an_alias_is_the_anchored_value),
        cmocka_unit_test(what_is_not_allowed_in_yaml_is_told),
        cmocka_unit_test(a_deep_document_is_refused),
        cmocka_unit_test(a_billion_laughs_are_refused),
        cmocka_unit_test(aliases_cannot_deepen_past_the_bound),
        cmocka_unit_test(too_many_anchors_are_refused),
        cmocka_unit_test(a_path_finds_the_deepest_node_that_exists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
