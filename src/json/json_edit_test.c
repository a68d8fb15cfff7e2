/* json_edit.h: the edited object is the original but for what was asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "json/json_edit.h"

#define TEXT_MAX 4096

static struct json_parser *parser;
static char text_bytes[TEXT_MAX + JSON_PADDING];
static struct json_doc doc;
static struct json_edit edit;

static int setup(void **state) {
    (void)state;
    parser = json_parser_new(16);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    json_parser_free(parser);
    return 0;
}

static void parse(const char *text) {
    size_t len = strlen(text);
    assert_true(len <= TEXT_MAX);
    memcpy(text_bytes, text, len);
    assert_int_equal(json_parse(parser, slice_of(text_bytes, len), &doc, NULL), OK);
}

static void start(const char *text) {
    parse(text);
    json_edit_init(&edit, &doc, 0);
}

static uint32_t at(const char *path) {
    uint32_t node = json_find_path(&doc, 0, slice_cstr(path));
    assert_int_not_equal(node, JSON_ABSENT);
    return node;
}

static void assert_result(const char *expected) {
    static char out[TEXT_MAX + 1];
    size_t size = json_edit_size(&edit);
    assert_int_equal(size, strlen(expected));
    memset(out, '#', sizeof(out));
    json_edit_write(&edit, out);
    assert_memory_equal(out, expected, size);
    assert_int_equal(out[size], '#');
}

static void without_edits_the_object_comes_back(void **state) {
    (void)state;
    start("{ \"a\" : 1.50 ,\t\"b\":[ ]}");
    assert_result("{ \"a\" : 1.50 ,\t\"b\":[ ]}");
}

static void a_replaced_value_leaves_every_other_byte(void **state) {
    (void)state;
    start("{ \"b\" : 1.50 , \"a\":\"\\u0041\", \"n\":1e400 ,\"x\":{\"y\": [1, 2]} }");
    json_edit_replace(&edit, at("a"), SLICE("null"));
    assert_result("{ \"b\" : 1.50 , \"a\":null, \"n\":1e400 ,\"x\":{\"y\": [1, 2]} }");
}

static void values_are_replaced_in_any_order_and_at_any_depth(void **state) {
    (void)state;
    start("{\"a\":1,\"x\":{\"y\":[1,2]},\"z\":3}");
    json_edit_replace(&edit, at("z"), SLICE("\"last\""));
    json_edit_replace(&edit, at("a"), SLICE("{}"));
    json_edit_replace(&edit, at("x.y"), SLICE("[]"));
    assert_result("{\"a\":{},\"x\":{\"y\":[]},\"z\":\"last\"}");
}

static void neighbours_in_an_array_are_replaced(void **state) {
    (void)state;
    start("{\"a\":[1,2]}");
    json_edit_replace(&edit, at("a") + 2, SLICE("22"));
    json_edit_replace(&edit, at("a") + 1, SLICE("11"));
    assert_result("{\"a\":[11,22]}");
}

static void members_are_appended_in_order(void **state) {
    (void)state;
    start("{\"a\":1 }");
    json_edit_append(&edit, SLICE("\"b\":2"));
    json_edit_append(&edit, SLICE("\"c\":3"));
    assert_result("{\"a\":1 ,\"b\":2,\"c\":3}");
}

static void an_empty_object_takes_its_first_member_without_a_comma(void **state) {
    (void)state;
    start("{}");
    json_edit_append(&edit, SLICE("\"a\":1"));
    assert_result("{\"a\":1}");
    start("{ \n}");
    json_edit_append(&edit, SLICE("\"a\":1"));
    json_edit_append(&edit, SLICE("\"b\":{}"));
    assert_result("{ \n\"a\":1,\"b\":{}}");
}

static void replacing_the_last_value_and_appending_go_together(void **state) {
    (void)state;
    start("{\"a\":1,\"b\":2}");
    json_edit_append(&edit, SLICE("\"c\":3"));
    json_edit_replace(&edit, at("b"), SLICE("22"));
    json_edit_append(&edit, SLICE("\"d\":4"));
    assert_result("{\"a\":1,\"b\":22,\"c\":3,\"d\":4}");
}

static void as_many_appends_as_there_is_room_for(void **state) {
    (void)state;
    start("{}");
    for (int i = 0; i < JSON_EDIT_MAX; i++) {
        json_edit_append(&edit, SLICE("\"k\":0"));
    }
    assert_result("{\"k\":0,\"k\":0,\"k\":0,\"k\":0,\"k\":0,\"k\":0,\"k\":0,\"k\":0,"
                  "\"k\":0,\"k\":0,\"k\":0,\"k\":0,\"k\":0,\"k\":0,\"k\":0,\"k\":0}");
}

static void one_event_is_edited_out_of_its_batch(void **state) {
    (void)state;
    parse(" {\"batch\":[{\"a\":1}, {\"a\":2, \"b\":[]} ,{\"a\":3}]} ");
    uint32_t batch = at("batch");
    uint32_t second = json_after(&doc, batch, json_first(&doc, batch));
    json_edit_init(&edit, &doc, second);
    json_edit_replace(&edit, json_find(&doc, second, SLICE("a")), SLICE("\"two\""));
    json_edit_append(&edit, SLICE("\"c\":null"));
    assert_result("{\"a\":\"two\", \"b\":[],\"c\":null}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_edits_the_object_comes_back),
        cmocka_unit_test(a_replaced_value_leaves_every_other_byte),
        cmocka_unit_test(values_are_replaced_in_any_order_and_at_any_depth),
        cmocka_unit_test(neighbours_in_an_array_are_replaced),
        cmocka_unit_test(members_are_appended_in_order),
        cmocka_unit_test(an_empty_object_takes_its_first_member_without_a_comma),
        cmocka_unit_test(replacing_the_last_value_and_appending_go_together),
        cmocka_unit_test(as_many_appends_as_there_is_room_for),
        cmocka_unit_test(one_event_is_edited_out_of_its_batch),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
