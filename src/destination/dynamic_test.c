/* {{ event.path || default }}: which texts have the form, and what events make of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "destination/definition.h"
#include "destination/dynamic.h"

static void only_the_exact_form_is_filled(void **state) {
    (void)state;
    struct dynamic dynamic;
    static const char *const forms[][3] = {
        {"{{ event.a || b }}", "event.a", "b"},
        {"{{event.a.b_1||\"x y\"}}", "event.a.b_1", "x y"},
        {" {{ message.type || \"\" }} ", "message.type", ""},
        {"{{ event.a || b || c }}", "event.a", "b || c"},
    };
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        assert_true(dynamic_parse(slice_cstr(forms[i][0]), &dynamic));
        assert_true(slice_eq(dynamic.path, slice_cstr(forms[i][1])));
        assert_true(slice_eq(dynamic.fallback, slice_cstr(forms[i][2])));
    }
    static const char *const others[] = {"", "a", "{{}}", "{{ event.a }}", "{{name}} did {{event}} || x",
        "{{ event.0 || x }}", "{{ event..a || x }}", "{{ event.a. || x }}", "{{ event.a[0] || x }}",
        "x {{ event.a || b }}", "{{ || x }}"};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        assert_false(dynamic_parse(slice_cstr(others[i]), &dynamic));
    }
}

static struct slice padded(const char *text, struct arena *arena) {
    char *copy = arena_alloc(arena, strlen(text) + JSON_PADDING);
    memcpy(copy, text, strlen(text));
    return slice_of(copy, strlen(text));
}

static void expect_filled(const char *config, const char *event, const char *filled, const char *left) {
    struct arena arena;
    struct json_doc parsed;
    struct json_doc config_doc;
    struct json_doc event_doc;
    struct slice got_config;
    struct slice got_event;
    struct json_parser *parser = json_parser_new(32);
    arena_init(&arena, 0, 0);
    assert_int_equal(json_parse(parser, padded(config, &arena), &parsed, NULL), OK);
    definition_doc_dup(&parsed, &arena, &config_doc);
    assert_true(dynamic_is_any(&config_doc, &arena));
    assert_int_equal(json_parse(parser, padded(event, &arena), &event_doc, NULL), OK);
    dynamic_fill(&config_doc, &event_doc, &arena, &got_config, &got_event);
    assert_string_equal(arena_dup(&arena, got_config).ptr, filled);
    assert_string_equal(arena_dup(&arena, got_event).ptr, left);
    json_parser_free(parser);
    arena_fini(&arena);
}

static void what_is_found_goes_into_the_settings_and_out_of_the_event(void **state) {
    (void)state;
    expect_filled(
        "{\"a\":\"{{ event.x.y || 1 }}\",\"b\":[{\"c\":\"{{event.n || z}}\"}],\"d\":\"{{ event.none || \\\"q\\\" }}\"}",
        "{\"x\":{\"y\":{\"deep\":true},\"z\":1},\"n\":5,\"k\":1.50}",
        "{\"a\":{\"deep\":true},\"b\":[{\"c\":5}],\"d\":\"q\"}", "{\"x\":{\"z\":1},\"k\":1.50}");
    /* null is not found; false and 0 are */
    expect_filled("{\"a\":\"{{ event.x || d }}\",\"b\":\"{{ event.y || d }}\"}", "{\"x\":null,\"y\":false}",
        "{\"a\":\"d\",\"b\":false}", "{\"x\":null}");
    /* a value within another that is taken, too */
    expect_filled("{\"a\":\"{{ event.x || d }}\",\"b\":\"{{ event.x.y || d }}\"}", "{\"x\":{\"y\":1}}",
        "{\"a\":{\"y\":1},\"b\":1}", "{}");
    /* what is around the event is not for settings */
    expect_filled("{\"a\":\"{{ destination.Config.key || d }}\"}", "{\"x\":1}", "{\"a\":\"d\"}", "{\"x\":1}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_exact_form_is_filled),
        cmocka_unit_test(what_is_found_goes_into_the_settings_and_out_of_the_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
