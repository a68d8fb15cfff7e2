/* Every conversion: what goes in, what comes out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "destination/destination_testing.h"

/* `as` applied to `value`; "{}" when it is dropped. */
static void check(const char *as, const char *value, const char *expected) {
    struct testing t;
    testing_start(&t);
    struct slice rows = arena_printf(&t.arena, "[{\"to\":\"v\",\"from\":\"x\",\"as\":%s}]", as);
    if (testing_open_rows(&t, rows.ptr, "{}") != OK) {
        fail_msg("%s: %s", t.why.path, t.why.text);
    }
    struct slice event = arena_printf(&t.arena, "{\"type\":\"track\",\"x\":%s}", value);
    const char *body = testing_body(&t, event.ptr);
    if (strncmp(expected, "refused", 7) != 0 && strcmp(expected, "{}") != 0) {
        expected = arena_printf(&t.arena, "{\"v\":%s}", expected).ptr;
    }
    assert_string_equal(body, expected);
    testing_stop(&t);
}

static void a_text_is_made_as_javascript_would(void **state) {
    (void)state;
    check("\"text\"", "1.0", "\"1\"");
    check("\"text\"", "1e21", "\"1e+21\"");
    check("\"text\"", "0.000001", "\"0.000001\"");
    check("\"text\"", "1e-7", "\"1e-7\"");
    check("\"text\"", "-12.50", "\"-12.5\"");
    check("\"text\"", "123456789012345678", "\"123456789012345680\"");
    check("\"text\"", "true", "\"true\"");
    check("\"text\"", "[1, {\"a\": \"b c\"}]", "\"[1,{\\\"a\\\":\\\"b c\\\"}]\"");
    check("\"lower\"", "\"ÄBc\"", "\"Äbc\"");
    check("\"upper\"", "\"abc\"", "\"ABC\"");
    check("\"trim\"", "\"  a b \"", "\"a b\"");
    check("\"trim\"", "5", "5");
    check("\"strip\"", "\"12-3 4\"", "\"1234\"");
    check("{\"cut\":3}", "\"aäb\"", "\"aä\"");
    check("{\"cut\":2}", "\"aäb\"", "\"a\"");
    check("{\"template\":\"<${value}|${value}>\"}", "\"v\"", "\"<v|v>\"");
}

static void codes_and_hashes_are_of_the_text(void **state) {
    (void)state;
    check("\"base64\"", "\"user:\"", "\"dXNlcjo=\"");
    check("\"base64\"", "\"a\"", "\"YQ==\"");
    check("\"base64\"", "\"abc\"", "\"YWJj\"");
    check("\"url_encode\"", "\"a b/ä~'\"", "\"a%20b%2F%C3%A4~'\"");
    check("\"sha256\"", "\"abc\"", "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"");
    check("\"gender_sha256\"", "\"Female\"", "\"252f10c83610ebca1a059c0bae8255eba2f95be4d1d7bcfa89d7248a82d9f111\"");
    check("\"gender_sha256\"", "\"other\"", "{}");
}

static void numbers_are_read_or_dropped_or_refused(void **state) {
    (void)state;
    check("\"number\"", "\" 12.5 \"", "12.5");
    check("\"number\"", "\"12x\"", "{}");
    check("\"number\"", "\"0x10\"", "{}");
    check("\"number\"", "true", "1");
    check("\"number\"", "{}", "{}");
    check("\"float\"", "\"12.5kg\"", "12.5");
    check("\"float\"", "\"kg\"", "{}");
    check("\"float_strict\"", "\"kg\"", "refused: v: \"kg\" is no number");
    check("\"integer\"", "\"-12.9\"", "-12");
    check("\"revenue\"", "\"$12.345\"", "12.35");
    check("\"revenue\"", "25", "25");
    check("\"revenue\"", "\"free\"", "refused: v: \"free\" is no amount of money");
}

static void times_are_read_as_sdks_send_them_and_written_in_any_format(void **state) {
    (void)state;
    check("\"time_ms\"", "\"2020-04-17T20:25:31.381+05:30\"", "1587135331381");
    check("\"time_ms\"", "\"2020-05-26\"", "1590451200000");
    check("\"time_ms\"", "\"2020-05-26T10:00:00\"", "1590487200000");
    check("\"time_ms\"", "\"yesterday\"", "{}");
    check("\"time_s\"", "\"2020-05-26T00:00:00.999Z\"", "1590451200");
    check("\"time_s\"", "1590451200", "1590451200");
    check("\"time_us\"", "\"2020-05-26\"", "1590451200000000");
    check("{\"time\":\"YYYY-MM-DD[T]HH:mm:ss.SSSZ\"}", "\"2020-04-17T20:25:31.381+05:30\"",
        "\"2020-04-17T14:55:31.381+00:00\"");
    check("{\"time\":\"D/M/YY h:m A x X\"}", "1590451200001", "\"26/5/20 12:0 AM 1590451200001 1590451200\"");
    check("{\"within\":{\"past\":\"72h\"}}", "\"2026-08-06T00:00:00Z\"", "\"2026-08-06T00:00:00Z\"");
    check("{\"within\":{\"past\":\"72h\"}}", "\"2026-08-03T00:00:00Z\"",
        "refused: v: the time is more than 4320 minutes in the past");
    check("{\"within\":{\"future\":\"15m\"}}", "\"2026-08-07T00:16:00Z\"",
        "refused: v: the time is more than 15 minutes in the future");
    check("\"month_day\"", "\"1990-05-26\"", "\"05/26\"");
}

static void an_address_gives_its_host(void **state) {
    (void)state;
    check("\"domain\"", "\"https://www.a.test:80/b?c\"", "\"www.a.test:80\"");
    check("\"hostname\"", "\"https://u:p@www.A.test:80/b?c\"", "\"a.test\"");
    check("\"hostname\"", "\"a.test\"", "refused: v: \"a.test\" is no URL");
}

static void shapes_are_asked_for_and_changed(void **state) {
    (void)state;
    check("\"is_boolean\"", "\"x\"", "false");
    check("\"is_boolean\"", "false", "true");
    check("\"array\"", "[1]", "[1]");
    check("\"array\"", "1", "{}");
    check("\"object\"", "[1]", "{}");
    check("\"list\"", "1", "[1]");
    check("\"json\"", "\"a\"", "\"\\\"a\\\"\"");
    check("\"json_objects\"", "\"a\"", "\"a\"");
    check("\"json_objects\"", "{\"a\": 1}", "\"{\\\"a\\\":1}\"");
    check("\"json_members\"", "{\"a\": [1], \"b\": 2}", "{\"a\":\"[1]\",\"b\":2}");
    check("{\"without\":[\"a\"]}", "{\"a\":1,\"b\":2}", "{\"b\":2}");
    check("{\"only\":\"a\"}", "{\"a\":1,\"b\":2}", "{\"a\":1}");
    check("\"compact\"", "{\"a\":null,\"b\":{\"c\":null}}", "{\"b\":{\"c\":null}}");
}

static void flatten_leaves_an_object_without_depth(void **state) {
    (void)state;
    check("\"flatten\"", "{\"a\":{\"b\":[{\"c\":1},2]},\"d\":{},\"e\":[]}",
        "{\"a.b[0].c\":1,\"a.b[1]\":2,\"d\":{},\"e\":[]}");
    check("{\"flatten\":\"strict\"}", "{\"a\":{\"b\":[{\"c\":1},2]}}", "{\"a.b.0.c\":1,\"a.b.1\":2}");
    check("\"flatten\"", "\"a\"", "\"a\"");
}

static void choices_drop_or_refuse_what_they_do_not_know(void **state) {
    (void)state;
    check("{\"lookup\":[{\"from\":[\"a\",\"b\"],\"to\":1},{\"from\":\"c\",\"to\":{\"d\":2}}]}", "\"b\"", "1");
    check("{\"lookup\":[{\"from\":[\"a\",\"b\"],\"to\":1},{\"from\":\"c\",\"to\":{\"d\":2}}]}", "\"c\"", "{\"d\":2}");
    check("{\"lookup\":[{\"from\":\"a\",\"to\":1}]}", "\"x\"", "{}");
    check("{\"lookup_strict\":[{\"from\":\"a\",\"to\":1}]}", "\"x\"",
        "refused: v: \"x\" is none of the values that it may have");
    check("{\"allow\":[\"a\",\"b\"]}", "\"b\"", "\"b\"");
    check("{\"allow\":[\"a\",\"b\"]}", "\"c\"", "{}");
    check("{\"pattern\":\"^[0-9]+$\"}", "\"12\"", "\"12\"");
    check("{\"pattern\":\"^[0-9]+$\"}", "\"1x\"", "refused: v: \"1x\" is not of the form ^[0-9]+$");
}

static void steps_follow_each_other_and_absent_passes_through(void **state) {
    (void)state;
    check("[\"trim\",\"lower\",\"sha256\"]", "\" ABC \"",
        "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"");
    check("[\"number\",\"text\",\"list\"]", "\"x\"", "{}");
    check("[\"float_strict\"]", "null", "{}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_made_as_javascript_would),
        cmocka_unit_test(codes_and_hashes_are_of_the_text),
        cmocka_unit_test(numbers_are_read_or_dropped_or_refused),
        cmocka_unit_test(times_are_read_as_sdks_send_them_and_written_in_any_format),
        cmocka_unit_test(an_address_gives_its_host),
        cmocka_unit_test(shapes_are_asked_for_and_changed),
        cmocka_unit_test(flatten_leaves_an_object_without_depth),
        cmocka_unit_test(choices_drop_or_refuse_what_they_do_not_know),
        cmocka_unit_test(steps_follow_each_other_and_absent_passes_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
