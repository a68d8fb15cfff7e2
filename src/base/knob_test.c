/* Knobs from text and environment: forms, ranges, nearest names, secrets. */
#include "base/knob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define TOY_KNOBS \
    K(U64, workers, "4", 1, 64, "threads", 0, "workers") \
    K(I64, offset, "-3", -10, 10, "", 0, "may be negative") \
    K(BOOL, strict, "false", 0, 0, "", KNOB_LIVE, "whole batch or nothing") \
    K(TEXT, path, "data", 1, 8, "", 0, "directory") \
    K(TEXT, token, "", 4, 100, "", KNOB_SECRET, "secret") \
    K(ENUM, sync, "data", 0, 0, "none|data|full", 0, "when to sync") \
    K(DURATION, idle, "90s", 10, 86400000, "ms", 0, "idle time-out") \
    K(DURATION, forever, "0", 0, INT64_MAX, "ms", 0, "no limit but the type's") \
    K(BYTES, body, "4MiB", 1, INT64_MAX, "bytes", 0, "largest body")

struct toy_conf {
#define K(type, key, def, min, max, unit, flags, help) KNOB_FIELD_##type(key)
    TOY_KNOBS
#undef K
};

static const struct knob rows[] = {
#define K(type, key, def, min, max, unit, flags, help) \
    KNOB_ROW_(struct toy_conf, type, key, def, min, max, unit, flags, help)
    TOY_KNOBS
#undef K
};

struct toy {
    struct toy_conf conf;
    struct arena arena;
    struct knob_section section;
    struct errinfo why;
};

static int setup(void **state) {
    struct toy *toy = mem_alloc(sizeof *toy);
    arena_init(&toy->arena, 0, 0);
    toy->section = (struct knob_section){.name = "toy", .knobs = rows, .count = COUNT_OF(rows), .base = &toy->conf};
    knob_defaults(&toy->section, &toy->arena);
    *state = toy;
    return 0;
}

static int teardown(void **state) {
    struct toy *toy = *state;
    arena_fini(&toy->arena);
    mem_free(toy);
    return 0;
}

static enum err set(struct toy *toy, const char *key, const char *value) {
    return knob_set(&toy->section, &toy->arena, slice_cstr(key), slice_cstr(value), &toy->why);
}

static const struct knob *row(const char *key) {
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (strcmp(rows[i].key, key) == 0) {
            return &rows[i];
        }
    }
    fail_msg("no row %s", key);
    return NULL;
}

static void defaults_come_from_the_rows(void **state) {
    struct toy *toy = *state;
    assert_int_equal(toy->conf.workers, 4);
    assert_int_equal(toy->conf.offset, -3);
    assert_false(toy->conf.strict);
    assert_true(slice_eq(toy->conf.path, SLICE("data")));
    assert_int_equal(toy->conf.token.len, 0);
    assert_int_equal(toy->conf.sync, 1);
    assert_int_equal(toy->conf.idle, 90000);
    assert_int_equal(toy->conf.forever, 0);
    assert_int_equal(toy->conf.body, 4 << 20);
}

static void each_type_is_read_from_its_text(void **state) {
    struct toy *toy = *state;
    assert_int_equal(set(toy, "workers", "64"), OK);
    assert_int_equal(set(toy, "offset", "-10"), OK);
    assert_int_equal(set(toy, "strict", "yes"), OK);
    assert_int_equal(set(toy, "path", "a b"), OK);
    assert_int_equal(set(toy, "sync", "full"), OK);
    assert_int_equal(toy->conf.workers, 64);
    assert_int_equal(toy->conf.offset, -10);
    assert_true(toy->conf.strict);
    assert_true(slice_eq(toy->conf.path, SLICE("a b")));
    assert_int_equal(toy->conf.sync, 2);
    assert_int_equal(set(toy, "strict", "off"), OK);
    assert_false(toy->conf.strict);
}

static void a_text_outlives_the_bytes_it_came_from(void **state) {
    struct toy *toy = *state;
    char text[] = "abc";
    assert_int_equal(set(toy, "path", text), OK);
    memset(text, 'x', 3);
    assert_true(slice_eq(toy->conf.path, SLICE("abc")));
}

static void durations_carry_their_unit(void **state) {
    struct toy *toy = *state;
    const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"250ms", 250}, {"4s", 4000}, {"2m", 120000}, {"24h", 86400000}, {"1d", 86400000}, {"1h30m", 5400000}};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_int_equal(set(toy, "idle", good[i].text), OK);
        assert_int_equal(toy->conf.idle, good[i].ms);
    }
    assert_int_equal(set(toy, "forever", "0"), OK);
    const char *const bad[] = {"", "5", "s", "5 parsecs", "5S", "-5s", "1.5s", "5s5", "0x5s", "1h30"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(set(toy, "idle", bad[i]), ERR_INVALID);
        assert_non_null(strstr(toy->why.text, "toy.idle"));
        assert_non_null(strstr(toy->why.text, "ms, s, m, h or d"));
    }
}

static void bytes_take_binary_and_decimal_units_or_none(void **state) {
    struct toy *toy = *state;
    const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"1", 1}, {"512B", 512}, {"64KiB", 65536}, {"1 MiB", 1048576}, {"1GiB", 1073741824},
        {"2TiB", UINT64_C(2) << 40}, {"5kB", 5000}, {"5MB", 5000000}, {"1GB", 1000000000}};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_int_equal(set(toy, "body", good[i].text), OK);
        assert_true(toy->conf.body == good[i].bytes);
    }
    const char *const bad[] = {"", "KiB", "1K", "1kib", "1.5MiB", "-1", "1MiBx"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(set(toy, "body", bad[i]), ERR_INVALID);
    }
}

static void a_value_that_overflows_is_out_of_range(void **state) {
    struct toy *toy = *state;
    assert_int_equal(set(toy, "forever", "106751991168d"), ERR_RANGE);
    assert_int_equal(set(toy, "forever", "99999999999999999999ms"), ERR_RANGE);
    assert_int_equal(set(toy, "forever", "9223372036854775807ms1ms"), ERR_RANGE);
    assert_int_equal(set(toy, "body", "9000000TiB"), ERR_RANGE);
    assert_int_equal(set(toy, "body", "18446744073709551615"), ERR_RANGE);
    assert_int_equal(set(toy, "workers", "18446744073709551615"), ERR_RANGE);
    assert_int_equal(toy->conf.forever, 0);
    assert_int_equal(toy->conf.body, 4 << 20);
}

static void a_value_out_of_range_names_the_knob_the_value_and_the_limits(void **state) {
    struct toy *toy = *state;
    assert_int_equal(set(toy, "workers", "65"), ERR_RANGE);
    assert_string_equal(toy->why.text, "toy.workers: \"65\" is out of range: 1 to 64");
    assert_string_equal(toy->why.path, "toy.workers");
    assert_int_equal(set(toy, "workers", "0"), ERR_RANGE);
    assert_int_equal(set(toy, "offset", "11"), ERR_RANGE);
    assert_int_equal(set(toy, "idle", "9ms"), ERR_RANGE);
    assert_string_equal(toy->why.text, "toy.idle: \"9ms\" is out of range: 10ms to 1d");
    assert_int_equal(set(toy, "path", ""), ERR_RANGE);
    assert_int_equal(set(toy, "path", "123456789"), ERR_RANGE);
    assert_string_equal(toy->why.text, "toy.path: \"123456789\" is out of range: length 1 to 8 bytes");
    assert_int_equal(toy->conf.workers, 4);
}

static void a_word_that_is_no_choice_lists_the_choices(void **state) {
    struct toy *toy = *state;
    assert_int_equal(set(toy, "sync", "sometimes"), ERR_INVALID);
    assert_non_null(strstr(toy->why.text, "none|data|full"));
    assert_int_equal(set(toy, "sync", "none|data"), ERR_INVALID);
    assert_int_equal(set(toy, "sync", ""), ERR_INVALID);
    assert_int_equal(set(toy, "strict", "maybe"), ERR_INVALID);
    assert_int_equal(set(toy, "workers", "four"), ERR_INVALID);
    assert_int_equal(set(toy, "workers", "-1"), ERR_INVALID);
}

static void an_unknown_key_names_the_nearest_known_one(void **state) {
    struct toy *toy = *state;
    assert_int_equal(set(toy, "worker", "1"), ERR_UNKNOWN_KEY);
    assert_string_equal(toy->why.text, "unknown key toy.worker; the nearest is toy.workers");
    assert_int_equal(set(toy, "", "1"), ERR_UNKNOWN_KEY);
}

static void a_secret_is_never_shown(void **state) {
    struct toy *toy = *state;
    assert_int_equal(set(toy, "token", "abc"), ERR_RANGE);
    assert_null(strstr(toy->why.text, "abc"));
    assert_int_equal(set(toy, "token", "abcdef"), OK);
    assert_true(slice_eq(toy->conf.token, SLICE("abcdef")));
    assert_true(slice_eq(knob_text(&toy->section, row("token"), &toy->arena), SLICE("***")));
}

static void values_are_shown_in_the_form_they_may_be_written(void **state) {
    struct toy *toy = *state;
    const struct {
        const char *key, *set, *shown;
    } rows_shown[] = {{"workers", "8", "8"}, {"offset", "-7", "-7"}, {"strict", "on", "true"}, {"path", "here", "here"},
        {"sync", "none", "none"}, {"idle", "90s", "90s"}, {"idle", "120s", "2m"}, {"idle", "1500ms", "1500ms"},
        {"idle", "24h", "1d"}, {"body", "65536", "64KiB"}, {"body", "1000", "1000B"}, {"forever", "0", "0ms"}};
    for (size_t i = 0; i < COUNT_OF(rows_shown); i++) {
        assert_int_equal(set(toy, rows_shown[i].key, rows_shown[i].set), OK);
        struct slice text = knob_text(&toy->section, row(rows_shown[i].key), &toy->arena);
        assert_true(slice_eq(text, slice_cstr(rows_shown[i].shown)));
        assert_int_equal(knob_set(&toy->section, &toy->arena, slice_cstr(rows_shown[i].key), text, &toy->why), OK);
    }
}

static void the_environment_sets_knobs_by_section_and_key(void **state) {
    struct toy *toy = *state;
    const char *environment[] = {"HOME=/", "SLUICE_TOY_WORKERS=9", "SLUICE_TOY_PATH=x=y", "SLUICE_FAULTS=x",
        "SLUICE_CONFIG=f", "SLUICED=1", "novalue", NULL};
    assert_int_equal(knob_set_from_env(&toy->section, 1, &toy->arena, (char **)environment, &toy->why), OK);
    assert_int_equal(toy->conf.workers, 9);
    assert_true(slice_eq(toy->conf.path, SLICE("x=y")));
}

static void an_unknown_variable_is_an_error_that_names_the_nearest(void **state) {
    struct toy *toy = *state;
    const char *environment[] = {"SLUICE_TOY_WORKRES=9", NULL};
    assert_int_equal(
        knob_set_from_env(&toy->section, 1, &toy->arena, (char **)environment, &toy->why), ERR_UNKNOWN_KEY);
    assert_string_equal(toy->why.text, "unknown variable SLUICE_TOY_WORKRES; the nearest is SLUICE_TOY_WORKERS");
    const char *bad_value[] = {"SLUICE_TOY_WORKERS=none", NULL};
    assert_int_equal(knob_set_from_env(&toy->section, 1, &toy->arena, (char **)bad_value, &toy->why), ERR_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(defaults_come_from_the_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(each_type_is_read_from_its_text, setup, teardown),
        cmocka_unit_test_setup_teardown(a_text_outlives_the_bytes_it_came_from, setup, teardown),
        cmocka_unit_test_setup_teardown(durations_carry_their_unit, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_take_binary_and_decimal_units_or_none, setup, teardown),
        cmocka_unit_test_setup_teardown(a_value_that_overflows_is_out_of_range, setup, teardown),
        cmocka_unit_test_setup_teardown(a_value_out_of_range_names_the_knob_the_value_and_the_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(a_word_that_is_no_choice_lists_the_choices, setup, teardown),
        cmocka_unit_test_setup_teardown(an_unknown_key_names_the_nearest_known_one, setup, teardown),
        cmocka_unit_test_setup_teardown(a_secret_is_never_shown, setup, teardown),
        cmocka_unit_test_setup_teardown(values_are_shown_in_the_form_they_may_be_written, setup, teardown),
        cmocka_unit_test_setup_teardown(the_environment_sets_knobs_by_section_and_key, setup, teardown),
        cmocka_unit_test_setup_teardown(an_unknown_variable_is_an_error_that_names_the_nearest, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
