/* Numbers, cutting, comparison and edit distance of slices. */
#include "base/slice.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void decimal_text_becomes_a_number(void **state) {
    (void)state;
    uint64_t u = 0;
    assert_int_equal(slice_to_u64(SLICE("0"), &u), OK);
    assert_true(u == 0);
    assert_int_equal(slice_to_u64(SLICE("18446744073709551615"), &u), OK);
    assert_true(u == UINT64_MAX);
    int64_t i = 0;
    assert_int_equal(slice_to_i64(SLICE("-9223372036854775808"), &i), OK);
    assert_true(i == INT64_MIN);
    assert_int_equal(slice_to_i64(SLICE("9223372036854775807"), &i), OK);
    assert_true(i == INT64_MAX);
}

static void a_number_too_large_is_out_of_range_and_leaves_the_output_alone(void **state) {
    (void)state;
    uint64_t u = 7;
    int64_t i = 7;
    assert_int_equal(slice_to_u64(SLICE("18446744073709551616"), &u), ERR_RANGE);
    assert_int_equal(slice_to_u64(SLICE("99999999999999999999999999"), &u), ERR_RANGE);
    assert_int_equal(slice_to_i64(SLICE("9223372036854775808"), &i), ERR_RANGE);
    assert_int_equal(slice_to_i64(SLICE("-9223372036854775809"), &i), ERR_RANGE);
    assert_true(u == 7 && i == 7);
}

static void what_is_not_all_digits_is_invalid(void **state) {
    (void)state;
    const struct slice bad[] = {SLICE(""), SLICE_NONE, SLICE("+1"), SLICE(" 1"), SLICE("1 "), SLICE("1.0"),
        SLICE("0x1"), SLICE("1e3"), SLICE("-"), SLICE("--1"), SLICE("99999999999999999999x")};
    for (size_t n = 0; n < COUNT_OF(bad); n++) {
        uint64_t u;
        int64_t i;
        assert_int_equal(slice_to_u64(bad[n], &u), ERR_INVALID);
        assert_int_equal(slice_to_i64(bad[n], &i), ERR_INVALID);
    }
}

static void cut_splits_at_the_first_separator_and_tells_absent_from_empty(void **state) {
    (void)state;
    struct slice rest;
    assert_true(slice_eq(slice_cut(SLICE("a=b=c"), '=', &rest), SLICE("a")));
    assert_true(slice_eq(rest, SLICE("b=c")));
    assert_true(slice_eq(slice_cut(SLICE("a="), '=', &rest), SLICE("a")));
    assert_true(rest.ptr != NULL && rest.len == 0);
    assert_true(slice_eq(slice_cut(SLICE("a"), '=', &rest), SLICE("a")));
    assert_null(rest.ptr);
    assert_int_equal(slice_cut(SLICE_NONE, '=', &rest).len, 0);
    assert_null(rest.ptr);
}

static void trim_takes_blanks_off_both_ends_only(void **state) {
    (void)state;
    assert_true(slice_eq(slice_trim(SLICE(" \t a b\r\n")), SLICE("a b")));
    assert_int_equal(slice_trim(SLICE(" \t ")).len, 0);
    assert_int_equal(slice_trim(SLICE_NONE).len, 0);
}

static void comparison_without_case_is_for_ascii_letters_only(void **state) {
    (void)state;
    assert_true(slice_eq_nocase(SLICE("Content-TYPE"), SLICE("content-type")));
    assert_false(slice_eq_nocase(SLICE("a"), SLICE("ab")));
    assert_false(slice_eq_nocase(SLICE("@"), SLICE("`")));
    assert_false(slice_eq_nocase(SLICE("[\xc3\x84"), SLICE("[\xc3\xa4")));
}

static void distance_counts_single_byte_edits(void **state) {
    (void)state;
    assert_int_equal(slice_distance(SLICE("kitten"), SLICE("sitting")), 3);
    assert_int_equal(slice_distance(SLICE(""), SLICE("abc")), 3);
    assert_int_equal(slice_distance(SLICE("abc"), SLICE("abc")), 0);
    assert_int_equal(slice_distance(SLICE("segment_byte"), SLICE("segment_bytes")), 1);
}

static void words_over_64_bytes_count_as_far(void **state) {
    (void)state;
    char word[65];
    memset(word, 'a', sizeof word);
    assert_int_equal(slice_distance(slice_of(word, 65), slice_of(word, 65)), 65);
    assert_int_equal(slice_distance(slice_of(word, 64), slice_of(word, 64)), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimal_text_becomes_a_number),
        cmocka_unit_test(a_number_too_large_is_out_of_range_and_leaves_the_output_alone),
        cmocka_unit_test(what_is_not_all_digits_is_invalid),
        cmocka_unit_test(cut_splits_at_the_first_separator_and_tells_absent_from_empty),
        cmocka_unit_test(trim_takes_blanks_off_both_ends_only),
        cmocka_unit_test(comparison_without_case_is_for_ascii_letters_only),
        cmocka_unit_test(distance_counts_single_byte_edits),
        cmocka_unit_test(words_over_64_bytes_count_as_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
