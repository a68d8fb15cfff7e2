/* RFC 3339 both ways, and the test clock. */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "base/err.h"

struct pair {
    const char *text;
    int64_t ms;
};

static void times_are_written_in_utc_with_milliseconds(void **state) {
    (void)state;
    const struct pair pairs[] = {
        {"1970-01-01T00:00:00.000Z", 0},
        {"1969-12-31T23:59:59.999Z", -1},
        {"2026-08-07T00:00:00.000Z", 1786060800000},
        {"2000-02-29T12:34:56.789Z", 951827696789},
        {"2100-03-01T00:00:00.000Z", 4107542400000},
        {"0000-01-01T00:00:00.000Z", -62167219200000},
        {"9999-12-31T23:59:59.999Z", 253402300799999},
    };
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        char out[CLOCK_RFC3339_SIZE];
        clock_format(pairs[i].ms, out);
        assert_string_equal(out, pairs[i].text);
        int64_t back = 1;
        assert_int_equal(clock_parse(slice_cstr(out), &back), OK);
        assert_true(back == pairs[i].ms);
    }
}

static void a_time_outside_four_digit_years_is_written_as_the_nearest_inside(void **state) {
    (void)state;
    char out[CLOCK_RFC3339_SIZE];
    clock_format(INT64_MAX, out);
    assert_string_equal(out, "9999-12-31T23:59:59.999Z");
    clock_format(INT64_MIN, out);
    assert_string_equal(out, "0000-01-01T00:00:00.000Z");
}

static void dates_agree_with_the_c_library_over_six_centuries(void **state) {
    (void)state;
    for (int64_t ms = -9000000000000; ms < 9000000000000; ms += 86400000 * 3 + 12345677) {
        char ours[CLOCK_RFC3339_SIZE], theirs[64], whole[80];
        clock_format(ms, ours);
        int64_t of_second = ((ms % 1000) + 1000) % 1000;
        time_t seconds = (time_t)((ms - of_second) / 1000);
        struct tm tm;
        assert_non_null(gmtime_r(&seconds, &tm));
        assert_true(strftime(theirs, sizeof theirs, "%Y-%m-%dT%H:%M:%S", &tm) > 0);
        snprintf(whole, sizeof whole, "%s.%03dZ", theirs, (int)of_second);
        assert_string_equal(ours, whole);
        int64_t back;
        assert_int_equal(clock_parse(slice_cstr(ours), &back), OK);
        assert_true(back == ms);
    }
}

static void forms_that_sdks_send_are_read(void **state) {
    (void)state;
    const struct pair pairs[] = {
        {"2026-08-07T00:00:00Z", 1786060800000},
        {"2026-08-07t00:00:00z", 1786060800000},
        {"2026-08-07 00:00:00Z", 1786060800000},
        {"2026-08-07T00:00Z", 1786060800000},
        {"2026-08-07T00:00:00.1Z", 1786060800100},
        {"2026-08-07T00:00:00.12Z", 1786060800120},
        {"2026-08-07T00:00:00.123456789Z", 1786060800123},
        {"2026-08-07T00:00:00,999999999999999999999Z", 1786060800999},
        {"2026-08-07T05:30:00.000+05:30", 1786060800000},
        {"2026-08-07T05:30:00+0530", 1786060800000},
        {"2026-08-06T17:00:00-07", 1786060800000},
        {"2026-08-06T17:00:00.5-07:00", 1786060800500},
        {"2026-08-07T00:00:00+00:00", 1786060800000},
        {"2016-12-31T23:59:60Z", 1483228800000},
    };
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        int64_t ms = 1;
        assert_int_equal(clock_parse(slice_cstr(pairs[i].text), &ms), OK);
        assert_true(ms == pairs[i].ms);
    }
}

static void what_is_not_a_time_is_refused_and_leaves_the_output_alone(void **state) {
    (void)state;
    const char *const bad[] = {"", "2026", "2026-08-07", "2026-08-07T", "2026-08-07T00", "2026-08-07T00:00:00",
        "2026-08-07T00:00:00.Z", "2026-08-07T00:00:00Z ", " 2026-08-07T00:00:00Z", "2026-13-07T00:00:00Z",
        "2026-00-07T00:00:00Z", "2026-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-08-00T00:00:00Z",
        "2026-08-07T24:00:00Z", "2026-08-07T00:60:00Z", "2026-08-07T00:00:61Z", "2026-08-07T00:00:00+24:00",
        "2026-08-07T00:00:00+05:60", "2026-08-07T00:00:00+5", "2026-8-7T00:00:00Z", "20260807T000000Z", "1786060800000",
        "-026-08-07T00:00:00Z", "2026-08-07X00:00:00Z", "2026-08-07T00:00:00ZZ", "yesterday"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int64_t ms = 42;
        assert_int_equal(clock_parse(slice_cstr(bad[i]), &ms), ERR_INVALID);
        assert_true(ms == 42);
    }
    int64_t ms;
    assert_int_equal(clock_parse(SLICE_NONE, &ms), ERR_INVALID);
    assert_int_equal(clock_parse(SLICE("2026-08-07T00:00:00\0"), &ms), ERR_INVALID);
}

static void every_cut_of_a_good_time_is_refused_or_read_within_its_bytes(void **state) {
    (void)state;
    static const char whole[] = "2026-08-07T05:30:00.250+05:30";
    for (size_t len = 0; len < sizeof whole - 1; len++) {
        char cut[sizeof whole];
        memset(cut, '9', sizeof cut); /* digits behind the end must not be taken for part of it */
        memcpy(cut, whole, len);
        int64_t ms;
        enum err e = clock_parse(slice_of(cut, len), &ms);
        assert_true(e == ERR_INVALID || len == 26); /* "+05" alone is an offset */
    }
}

static void the_test_clock_stands_until_it_is_moved(void **state) {
    (void)state;
    assert_false(clock_test_active());
    int64_t real = clock_ms();
    assert_true(real > 1700000000000);
    clock_test_start(5000);
    assert_true(clock_test_active());
    assert_true(clock_ms() == 5000);
    clock_test_advance(250);
    assert_true(clock_ms() == 5250);
    uint64_t before = clock_mono_ns();
    assert_true(clock_mono_ns() >= before && before > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written_in_utc_with_milliseconds),
        cmocka_unit_test(a_time_outside_four_digit_years_is_written_as_the_nearest_inside),
        cmocka_unit_test(dates_agree_with_the_c_library_over_six_centuries),
        cmocka_unit_test(forms_that_sdks_send_are_read),
        cmocka_unit_test(what_is_not_a_time_is_refused_and_leaves_the_output_alone),
        cmocka_unit_test(every_cut_of_a_good_time_is_refused_or_read_within_its_bytes),
        cmocka_unit_test(the_test_clock_stands_until_it_is_moved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
