/* Rows, conditions and templates: what they make of an event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "destination/destination_testing.h"

/* A table of rows and an event; the body that comes of it. */
static void check(const char *rows, const char *event, const char *expected) {
    struct testing t;
    testing_start(&t);
    if (testing_open_rows(&t, rows, "{\"key\":\"k1\"}") != OK) {
        fail_msg("%s: %s", t.why.path, t.why.text);
    }
    assert_string_equal(testing_body(&t, event), expected);
    testing_stop(&t);
}

#define TRACK(rest) "{\"type\":\"track\",\"event\":\"Buy\"," rest "}"

static void a_value_keeps_its_bytes(void **state) {
    (void)state;
    check("[{\"to\":\"a\",\"from\":\"properties.n\"},{\"to\":\"b\",\"from\":\"properties.o\"}]",
        TRACK("\"properties\":{\"n\":1.50,\"o\":{ \"z\": [1e3, null] }}"), "{\"a\":1.50,\"b\":{ \"z\": [1e3, null] }}");
}

static void the_first_source_that_is_set_counts(void **state) {
    (void)state;
    check("[{\"to\":\"a\",\"from\":[\"x\",\"y\",\"z\"]}]", TRACK("\"x\":null,\"y\":\"\",\"z\":0"), "{\"a\":0}");
    check("[{\"to\":\"a\",\"from\":[\"x\",\"y\"]}]", TRACK("\"x\":false,\"y\":1"), "{\"a\":false}");
}

static void empty_texts_and_nulls_are_not_written(void **state) {
    (void)state;
    check("[{\"to\":\"a\",\"from\":\"x\"},{\"to\":\"b\",\"from\":\"y\"},{\"to\":\"c\",\"from\":\"z\"}]",
        TRACK("\"x\":\"\",\"y\":null,\"z\":[]"), "{\"c\":[]}");
}

static void a_default_stands_for_absent_and_null_but_not_for_an_empty_text(void **state) {
    (void)state;
    check("[{\"to\":\"a\",\"from\":\"x\",\"default\":7}]", TRACK("\"y\":1"), "{\"a\":7}");
    check("[{\"to\":\"a\",\"from\":\"x\",\"default\":7}]", TRACK("\"x\":null"), "{\"a\":7}");
    check("[{\"to\":\"a\",\"from\":\"x\",\"default\":7}]", TRACK("\"x\":\"\""), "{}");
}

static void a_missing_required_value_refuses_the_event(void **state) {
    (void)state;
    check("[{\"to\":\"a.b\",\"from\":[\"x\",\"y\"],\"required\":true}]", TRACK("\"z\":1"),
        "refused: a.b is required and is missing (from [\"x\",\"y\"])");
}

static void targets_nest_and_number_arrays(void **state) {
    (void)state;
    check("[{\"to\":\"a.b.c\",\"from\":\"x\"},{\"to\":\"a.d\",\"from\":\"x\"},{\"to\":\"l.2.v\",\"value\":true}]",
        TRACK("\"x\":1"), "{\"a\":{\"b\":{\"c\":1},\"d\":1},\"l\":[null,null,{\"v\":true}]}");
}

static void the_later_row_of_one_target_wins_when_it_is_set(void **state) {
    (void)state;
    check("[{\"to\":\"a\",\"from\":\"x\"},{\"to\":\"a\",\"from\":\"y\"}]", TRACK("\"x\":1,\"y\":2"), "{\"a\":2}");
    check("[{\"to\":\"a\",\"from\":\"x\"},{\"to\":\"a\",\"from\":\"y\"}]", TRACK("\"x\":1"), "{\"a\":1}");
}

static void a_spread_merges_members_and_named_rows_win(void **state) {
    (void)state;
    check("[{\"to\":\"*\",\"from\":\"p\"},{\"to\":\"a\",\"value\":0},{\"to\":\"*\",\"from\":\"q\"}]",
        TRACK("\"p\":{\"a\":1,\"b\":2,\"c\":3},\"q\":{\"c\":4}"), "{\"b\":2,\"c\":4,\"a\":0}");
}

static void large_objects_are_spread_in_a_moment(void **state) {
    (void)state;
    enum { KEYS = 100000 };
    struct testing t;
    testing_start(&t);
    assert_int_equal(testing_open_rows(&t, "[{\"to\":\"*\",\"from\":\"p\"},{\"to\":\"*\",\"from\":\"q\"}]", "{}"), OK);
    struct buf event;
    struct json_writer w;
    buf_init(&event, 0);
    json_writer_init(&w, &event);
    json_write_object(&w);
    json_put_cstr(&w, "type", "track");
    for (int object = 0; object < 2; object++) {
        json_write_key(&w, object == 0 ? SLICE("p") : SLICE("q"));
        json_write_object(&w);
        for (int i = 0; i < KEYS; i++) {
            json_put_i64(&w, arena_printf(&t.arena, "key%d", i + object * (KEYS - 1)).ptr, object);
        }
        json_write_end(&w);
    }
    json_write_end(&w);
    buf_append_byte(&event, '\0');
    /* quadratic, this would take half a minute */
    uint64_t started = clock_mono_ns();
    const char *body = testing_body(&t, event.ptr);
    assert_true(clock_mono_ns() - started < 5000000000);
    assert_non_null(strstr(body, "\"key99998\":0,\"key99999\":1,\"key100000\":1"));
    buf_fini(&event);
    testing_stop(&t);
}

static void a_spread_lies_under_deeper_rows(void **state) {
    (void)state;
    check("[{\"to\":\"u\",\"from\":\"p\"},{\"to\":\"u.address.city\",\"value\":\"X\"}]",
        TRACK("\"p\":{\"n\":1,\"address\":{\"city\":\"Y\",\"zip\":2}}"),
        "{\"u\":{\"n\":1,\"address\":{\"zip\":2,\"city\":\"X\"}}}");
}

static void an_index_of_an_array_is_a_path(void **state) {
    (void)state;
    check("[{\"to\":\"a\",\"from\":\"context.externalId.1.id\"}]",
        TRACK("\"context\":{\"externalId\":[{\"id\":1},{\"id\":2}]}"), "{\"a\":2}");
}

static void a_key_with_dots_is_found_behind_the_nested_one(void **state) {
    (void)state;
    check("[{\"to\":\"x\",\"from\":\"p.a.b\"}]", TRACK("\"p\":{\"a.b\":1}"), "{\"x\":1}");
    check("[{\"to\":\"x\",\"from\":\"p.a.b\"}]", TRACK("\"p\":{\"a.b\":1,\"a\":{\"b\":2}}"), "{\"x\":2}");
}

static void of_a_key_given_twice_the_last_counts(void **state) {
    (void)state;
    check("[{\"to\":\"x\",\"from\":\"p.a\"},{\"to\":\"y\",\"from\":\"p.b\"}]",
        TRACK("\"p\":{\"a\":1,\"b\":1},\"p\":{\"a\":2}"), "{\"x\":2}");
}

static void escaped_keys_are_the_same_keys(void **state) {
    (void)state;
    check("[{\"to\":\"x\",\"from\":\"p.abc\"}]", TRACK("\"p\":{\"\\u0061bc\":\"q\\n\"}"), "{\"x\":\"q\\n\"}");
}

static void generic_names_stand_for_their_paths(void **state) {
    (void)state;
    check("[{\"to\":\"e\",\"from\":\"@email\"},{\"to\":\"u\",\"from\":\"@userIdOnly\"}]",
        TRACK("\"anonymousId\":\"a\",\"context\":{\"traits\":{\"email\":\"e@x\"}}"), "{\"e\":\"e@x\"}");
}

static void each_object_of_a_list_goes_through_its_rows(void **state) {
    (void)state;
    check(
        "[{\"to\":\"items\",\"from\":\"properties.products\",\"each\":[{\"to\":\"id\",\"from\":\"product_id\",\"required\":true},"
        "{\"to\":\"n\",\"from\":\"quantity\",\"as\":\"number\",\"default\":1}]}]",
        TRACK("\"properties\":{\"products\":[{\"product_id\":\"a\",\"quantity\":\"2\"},5,{\"product_id\":\"b\"}]}"),
        "{\"items\":[{\"id\":\"a\",\"n\":2},{\"id\":\"b\",\"n\":1}]}");
    check("[{\"to\":\"items\",\"from\":\"p\",\"each\":[{\"to\":\"id\",\"from\":\"i\",\"required\":true}]}]",
        TRACK("\"p\":[{}]"), "refused: id is required and is missing (from \"i\")");
}

static void rows_have_conditions(void **state) {
    (void)state;
    const char *rows =
        "[{\"to\":\"t\",\"value\":1,\"when\":{\"type\":\"track\"}},"
        "{\"to\":\"n\",\"value\":1,\"when\":{\"event\":[\"Sell\",\"Buy\"]}},"
        "{\"to\":\"h\",\"value\":1,\"when\":{\"has\":\"x\",\"lacks\":[\"y\",\"z\"]}},"
        "{\"to\":\"i\",\"value\":1,\"when\":{\"is\":{\"x\":[1,true]}}},"
        "{\"to\":\"s\",\"value\":1,\"when\":{\"settings\":{\"region\":\"eu\"}}},"
        "{\"to\":\"o\",\"value\":1,\"when\":{\"not\":{\"has\":\"y\"},\"any\":[{\"has\":\"q\"},{\"has\":\"x\"}]}}]";
    check(rows, TRACK("\"x\":1"), "{\"t\":1,\"n\":1,\"h\":1,\"i\":1,\"o\":1}");
    check(rows, "{\"type\":\"Track\",\"event\":\"buy\",\"x\":2,\"y\":3}", "{\"t\":1}");
}

static void a_text_with_holes_is_filled_or_left_out(void **state) {
    (void)state;
    const char *rows = "[{\"to\":\"a\",\"text\":\"${settings.key}/${event.x|upper}!\"}]";
    check(rows, TRACK("\"x\":\"ab\""), "{\"a\":\"k1/AB!\"}");
    check(rows, TRACK("\"y\":1"), "{}");
}

static void an_event_without_type_is_refused(void **state) {
    (void)state;
    check("[]", "{\"event\":\"x\"}", "refused: the event has no type");
    check("[]", "[]", "refused: the event has no type");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_keeps_its_bytes),
        cmocka_unit_test(the_first_source_that_is_set_counts),
        cmocka_unit_test(empty_texts_and_nulls_are_not_written),
        cmocka_unit_test(a_default_stands_for_absent_and_null_but_not_for_an_empty_text),
        cmocka_unit_test(a_missing_required_value_refuses_the_event),
        cmocka_unit_test(targets_nest_and_number_arrays),
        cmocka_unit_test(the_later_row_of_one_target_wins_when_it_is_set),
        cmocka_unit_test(a_spread_merges_members_and_named_rows_win),
        cmocka_unit_test(large_objects_are_spread_in_a_moment),
        cmocka_unit_test(a_spread_lies_under_deeper_rows),
        cmocka_unit_test(an_index_of_an_array_is_a_path),
        cmocka_unit_test(a_key_with_dots_is_found_behind_the_nested_one),
        cmocka_unit_test(of_a_key_given_twice_the_last_counts),
        cmocka_unit_test(escaped_keys_are_the_same_keys),
        cmocka_unit_test(generic_names_stand_for_their_paths),
        cmocka_unit_test(each_object_of_a_list_goes_through_its_rows),
        cmocka_unit_test(rows_have_conditions),
        cmocka_unit_test(a_text_with_holes_is_filled_or_left_out),
        cmocka_unit_test(an_event_without_type_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
