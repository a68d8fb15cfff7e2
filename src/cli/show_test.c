/* How numbers, times and tables look. */
#include "cli/show.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void counts_are_grouped_by_thousands(void **state) {
    (void)state;
    char out[SHOW_SIZE];
    assert_string_equal(show_count(0, out), "0");
    assert_string_equal(show_count(999, out), "999");
    assert_string_equal(show_count(1000, out), "1 000");
    assert_string_equal(show_count(1234567, out), "1 234 567");
    assert_string_equal(show_count(-123456, out), "-123 456");
    assert_string_equal(show_count(INT64_MIN, out), "-9 223 372 036 854 775 808");
}

static void sizes_have_binary_units(void **state) {
    (void)state;
    char out[SHOW_SIZE];
    assert_string_equal(show_bytes(0, out), "0 B");
    assert_string_equal(show_bytes(1023, out), "1023 B");
    assert_string_equal(show_bytes(1536, out), "1.5 KiB");
    assert_string_equal(show_bytes(UINT64_C(200) << 20, out), "200 MiB");
    assert_string_equal(show_bytes(UINT64_MAX, out), "16.0 EiB");
}

static void durations_show_their_two_largest_units(void **state) {
    (void)state;
    char out[SHOW_SIZE];
    assert_string_equal(show_duration(0, out), "0 s");
    assert_string_equal(show_duration(-5, out), "0 s");
    assert_string_equal(show_duration(250, out), "250 ms");
    assert_string_equal(show_duration(1500, out), "1 s");
    assert_string_equal(show_duration(61000, out), "1 min 1 s");
    assert_string_equal(show_duration(93784000, out), "1 d 2 h");
    assert_string_equal(show_duration(86400000, out), "1 d");
}

static void latencies_have_the_unit_that_fits(void **state) {
    (void)state;
    char out[SHOW_SIZE];
    assert_string_equal(show_micros(64, out), "64 us");
    assert_string_equal(show_micros(1500, out), "1.5 ms");
    assert_string_equal(show_micros(250000, out), "250 ms");
    assert_string_equal(show_micros(2500000, out), "2.5 s");
}

static void a_time_is_cut_to_the_clock(void **state) {
    (void)state;
    assert_true(slice_eq(show_clock(SLICE("2026-08-07T10:20:30.123Z")), SLICE("10:20:30.123")));
    assert_true(slice_eq(show_clock(SLICE("yesterday")), SLICE("yesterday")));
}

static void columns_are_as_wide_as_their_widest_cell_and_numbers_stand_right(void **state) {
    (void)state;
    struct show_table table;
    struct buf out;
    buf_init(&out, 0);
    show_table_init(&table, 3);
    table.right[1] = true;
    static const char *const cells[] = {"NAME", "N", "", "hook", "12345", "fine", "é", "1", ""};
    for (size_t i = 0; i < COUNT_OF(cells); i++) {
        show_table_text(&table, cells[i]);
    }
    show_table_print(&table, /* colour: */ false, &out);
    assert_true(slice_eq(buf_slice(&out),
        SLICE("NAME      N  \n"
              "hook  12345  fine\n"
              "é         1  \n")));
    show_table_fini(&table);
    buf_fini(&out);
}

static void a_column_is_filled_by_characters_and_never_touches_the_next(void **state) {
    (void)state;
    struct buf out;
    buf_init(&out, 0);
    show_column(&out, SLICE("a→b"), 5, SHOW_PLAIN);
    show_column(&out, SLICE("longer than that"), 5, SHOW_PLAIN);
    show_column(&out, SLICE(""), 2, SHOW_PLAIN);
    assert_true(slice_eq(buf_slice(&out), SLICE("a→b   longer than that    ")));
    buf_fini(&out);
}

static void control_characters_of_events_do_not_reach_the_terminal(void **state) {
    (void)state;
    struct buf out;
    buf_init(&out, 0);
    show_text(&out, SLICE("a\x1b[31mb\nc\x7f"), SHOW_PLAIN);
    assert_true(slice_eq(buf_slice(&out), SLICE("a?[31mb?c?")));
    buf_fini(&out);
}

static void colour_is_put_around_the_text_only(void **state) {
    (void)state;
    struct show_table table;
    struct buf out;
    buf_init(&out, 0);
    show_table_init(&table, 2);
    show_table_cell(&table, SLICE("dead"), show_outcome_colour(SLICE("dead")));
    show_table_text(&table, "x");
    show_table_print(&table, /* colour: */ true, &out);
    assert_true(slice_eq(buf_slice(&out), SLICE("\033[31mdead\033[0m  x\n")));
    show_table_fini(&table);
    buf_fini(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_grouped_by_thousands),
        cmocka_unit_test(sizes_have_binary_units),
        cmocka_unit_test(durations_show_their_two_largest_units),
        cmocka_unit_test(latencies_have_the_unit_that_fits),
        cmocka_unit_test(a_time_is_cut_to_the_clock),
        cmocka_unit_test(columns_are_as_wide_as_their_widest_cell_and_numbers_stand_right),
        cmocka_unit_test(a_column_is_filled_by_characters_and_never_touches_the_next),
        cmocka_unit_test(control_characters_of_events_do_not_reach_the_terminal),
        cmocka_unit_test(colour_is_put_around_the_text_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
