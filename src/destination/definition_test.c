/* What a wrong definition gets: file, line, column, path, and the nearest known word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "destination/destination_testing.h"

#define HEAD \
    "{\"type\":\"TEST\",\"label\":\"Test\",\"category\":\"c\",\"settings\":{\"key\":{\"type\":\"text\",\"label\":\"K\",\"help\":\"h\"}}"
#define REQUEST(rest) \
    HEAD ",\"delivery\":{\"requests\":[{\"name\":\"r\",\"method\":\"POST\",\"url\":\"https://x.test/\"," rest "}]}"
#define ROWS(rows) REQUEST("\"body\":\"json\",\"table\":\"t\"") ",\"tables\":{\"t\":" rows "}}"

static void refuses(const char *definition, const char *place, const char *text) {
    struct definition *d = NULL;
    struct errinfo why = {.at = 0};
    assert_int_equal(definition_parse(slice_cstr(definition), "d.json", false, &d, &why), ERR_INVALID);
    const char *path = strchr(why.path, ' ');
    assert_string_equal(path != NULL ? path + 1 : "", place);
    if (strstr(why.text, text) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", text, why.text);
    }
}

static void accepts(const char *definition) {
    struct definition *d = NULL;
    struct errinfo why = {.at = 0};
    if (definition_parse(slice_cstr(definition), "d.json", false, &d, &why) != OK) {
        fail_msg("%s: %s", why.path, why.text);
    }
    definition_free(d);
}

static void a_small_definition_is_enough(void **state) {
    (void)state;
    accepts(REQUEST("\"body\":\"event\"") "}");
    accepts(HEAD ",\"kind\":\"native\"}");
    accepts(ROWS("[]"));
}

static void an_unknown_key_names_the_nearest(void **state) {
    (void)state;
    refuses(HEAD ",\"delivry\":{}}", "", "unknown key \"delivry\"; the nearest is \"delivery\"");
    refuses(REQUEST("\"body\":\"event\",\"header\":{}") "}", "delivery.requests[0]", "the nearest is \"headers\"");
    refuses(ROWS("[{\"to\":\"a\",\"form\":\"b\"}]"), "tables.t[0]", "unknown key \"form\"; the nearest is \"from\"");
}

static void a_key_is_not_given_twice(void **state) {
    (void)state;
    refuses(HEAD ",\"kind\":\"native\",\"label\":\"b\"}", "", "\"label\" is given twice");
}

static void the_place_is_line_and_column(void **state) {
    (void)state;
    struct definition *d = NULL;
    struct errinfo why = {.at = 0};
    const char *text = "{\n  \"type\": \"TEST\",\n  \"lable\": 1\n}";
    assert_int_equal(definition_parse(slice_cstr(text), "d.json", false, &d, &why), ERR_INVALID);
    assert_string_equal(why.path, "d.json:3:3");
}

static void what_is_no_json_says_where(void **state) {
    (void)state;
    struct definition *d = NULL;
    struct errinfo why = {.at = 0};
    assert_int_equal(definition_parse(SLICE("{\"type\":}"), "d.json", false, &d, &why), ERR_INVALID_JSON);
    assert_string_equal(why.path, "d.json");
}

static void words_have_a_nearest_too(void **state) {
    (void)state;
    refuses(HEAD ",\"kind\":\"nativ\"}", "", "the nearest is \"native\"");
    refuses(HEAD ",\"kind\":\"native\",\"message_types\":[\"trak\"]}", "message_types", "the nearest is \"track\"");
    refuses(HEAD ",\"kind\":\"native\",\"modes\":{\"webb\":[\"cloud\"]}}", "modes", "the nearest is \"web\"");
    refuses(ROWS("[{\"to\":\"a\",\"from\":\"b\",\"as\":\"lowr\"}]"), "tables.t[0]", "the nearest is \"lower\"");
    refuses(ROWS("[{\"to\":\"a\",\"from\":\"@emial\"}]"), "tables.t[0]", "the nearest is \"@email\"");
}

static void what_is_not_declared_cannot_be_used(void **state) {
    (void)state;
    refuses(REQUEST("\"body\":\"json\",\"table\":\"x\"") "}", "delivery.requests[0]", "there is no table \"x\"");
    refuses(ROWS("[{\"to\":\"a\",\"setting\":\"x\"}]"), "tables.t[0]", "there is no setting \"x\"");
    refuses(REQUEST("\"body\":\"none\",\"query\":{\"a\":\"${settings.x}\"}") "}", "delivery.requests[0].a",
        "there is none of that name");
    refuses(REQUEST("\"body\":\"none\",\"when\":{\"settings\":{\"x\":1}}") "}", "delivery.requests[0]",
        "there is no setting \"x\"");
}

static void arguments_of_conversions_are_checked(void **state) {
    (void)state;
    refuses(ROWS("[{\"to\":\"a\",\"from\":\"b\",\"as\":\"cut\"}]"), "tables.t[0]", "wants an argument");
    refuses(ROWS("[{\"to\":\"a\",\"from\":\"b\",\"as\":{\"lower\":1}}]"), "tables.t[0]", "takes no argument");
    refuses(ROWS("[{\"to\":\"a\",\"from\":\"b\",\"as\":{\"pattern\":\"[\"}}]"), "tables.t[0]", "regular expression");
    refuses(
        ROWS("[{\"to\":\"a\",\"from\":\"b\",\"as\":{\"within\":{\"past\":\"3 days\"}}}]"), "tables.t[0]", "duration");
    refuses(
        ROWS(
            "[{\"to\":\"a\",\"from\":\"b\",\"as\":[\"list\",\"list\",\"list\",\"list\",\"list\",\"list\",\"list\",\"list\",\"list\"]}]"),
        "tables.t[0]", "more than 8");
}

static void a_row_has_one_source_and_a_target(void **state) {
    (void)state;
    refuses(ROWS("[{\"to\":\"a\"}]"), "tables.t[0]", "one of \"from\"");
    refuses(ROWS("[{\"to\":\"a\",\"from\":\"b\",\"value\":1}]"), "tables.t[0]", "one of \"from\"");
    refuses(ROWS("[{\"to\":\"a..b\",\"value\":1}]"), "tables.t[0]", "names joined by dots");
    refuses(ROWS("[{\"from\":\"b\"}]"), "tables.t[0]", "\"to\" is missing");
}

static void tables_that_nobody_uses_are_checked_as_well(void **state) {
    (void)state;
    refuses(REQUEST("\"body\":\"event\"") ",\"tables\":{\"t\":[{\"to\":\"a\",\"from\":7}]}}", "tables.t[0]",
        "\"from\" must be");
}

static void a_setting_is_not_given_twice(void **state) {
    (void)state;
    refuses(
        "{\"type\":\"T\",\"label\":\"l\",\"category\":\"c\",\"kind\":\"native\",\"settings\":{\"a\":{\"type\":\"text\",\"label\":\"K\","
        "\"help\":\"h\"},\"a\":{\"type\":\"text\",\"label\":\"K\",\"help\":\"h\"}}}",
        "settings", "given twice");
}

static void conditions_of_settings_do_not_ask_the_event(void **state) {
    (void)state;
    refuses(HEAD ",\"kind\":\"native\",\"variables\":{\"v\":[{\"when\":{\"has\":\"userId\"},\"text\":\"a\"}]}}",
        "variables.v[0]", "only \"settings\"");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_definition_is_enough),
        cmocka_unit_test(an_unknown_key_names_the_nearest),
        cmocka_unit_test(a_key_is_not_given_twice),
        cmocka_unit_test(the_place_is_line_and_column),
        cmocka_unit_test(what_is_no_json_says_where),
        cmocka_unit_test(words_have_a_nearest_too),
        cmocka_unit_test(what_is_not_declared_cannot_be_used),
        cmocka_unit_test(arguments_of_conversions_are_checked),
        cmocka_unit_test(a_row_has_one_source_and_a_target),
        cmocka_unit_test(tables_that_nobody_uses_are_checked_as_well),
        cmocka_unit_test(a_setting_is_not_given_twice),
        cmocka_unit_test(conditions_of_settings_do_not_ask_the_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
