/* Buffers: growth, ceilings, the sticky failure. */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void appends_accumulate(void **state) {
    (void)state;
    struct buf buf;
    buf_init(&buf, 0);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(buf_printf(&buf, "%03d,", i), OK);
    }
    assert_int_equal(buf.len, 4000);
    assert_memory_equal(buf.ptr + 4 * 517, "517,", 4);
    assert_int_equal(buf_append(&buf, SLICE_NONE), OK);
    assert_int_equal(buf.len, 4000);
    buf_fini(&buf);
}

static void a_buffer_fills_up_to_its_ceiling_and_not_past_it(void **state) {
    (void)state;
    struct buf buf;
    buf_init(&buf, 300);
    for (int i = 0; i < 300; i++) {
        assert_int_equal(buf_append_byte(&buf, 'x'), OK);
    }
    assert_int_equal(buf_append_byte(&buf, 'x'), ERR_TOO_LARGE);
    assert_int_equal(buf.len, 300);
    assert_true(buf.cap <= 300);
    buf_fini(&buf);
}

static void the_first_failure_sticks_until_reset(void **state) {
    (void)state;
    struct buf buf;
    buf_init(&buf, 4);
    assert_int_equal(buf_append(&buf, SLICE("12345")), ERR_TOO_LARGE);
    assert_int_equal(buf_append(&buf, SLICE("1")), ERR_TOO_LARGE);
    assert_int_equal(buf_printf(&buf, "%d", 1), ERR_TOO_LARGE);
    assert_int_equal(buf.failed, ERR_TOO_LARGE);
    assert_int_equal(buf.len, 0);
    buf_reset(&buf);
    assert_int_equal(buf_append(&buf, SLICE("1234")), OK);
    assert_int_equal(buf.failed, OK);
    buf_fini(&buf);
}

static void printf_fits_exactly_up_to_the_ceiling(void **state) {
    (void)state;
    struct buf buf;
    buf_init(&buf, 5);
    assert_int_equal(buf_printf(&buf, "%s", "12345"), OK);
    assert_true(slice_eq(buf_slice(&buf), SLICE("12345")));
    assert_int_equal(buf_printf(&buf, "%s", ""), OK);
    assert_int_equal(buf_printf(&buf, "%s", "6"), ERR_TOO_LARGE);
    buf_fini(&buf);
}

static void printf_of_a_long_text_is_whole(void **state) {
    (void)state;
    struct buf buf;
    buf_init(&buf, 0);
    assert_int_equal(buf_printf(&buf, "<%*d>", 5000, 7), OK);
    assert_int_equal(buf.len, 5002);
    assert_int_equal(buf.ptr[0], '<');
    assert_int_equal(buf.ptr[5000], '7');
    assert_int_equal(buf.ptr[5001], '>');
    buf_fini(&buf);
}

static void a_reserve_that_overflows_is_too_large(void **state) {
    (void)state;
    struct buf buf;
    buf_init(&buf, 0);
    assert_int_equal(buf_append(&buf, SLICE("x")), OK);
    assert_int_equal(buf_reserve(&buf, SIZE_MAX), ERR_TOO_LARGE);
    buf_fini(&buf);
}

static void a_reserve_that_the_machine_cannot_give_says_so(void **state) {
    (void)state;
    struct buf buf;
    buf_init(&buf, 0);
    assert_int_equal(buf_reserve(&buf, SIZE_MAX / 4), ERR_NOMEM);
    assert_int_equal(buf.failed, ERR_NOMEM);
    buf_fini(&buf);
}

static void room_that_was_reserved_may_be_written_directly(void **state) {
    (void)state;
    struct buf buf;
    buf_init(&buf, 0);
    assert_int_equal(buf_reserve(&buf, 10000), OK);
    memset(buf.ptr, 'y', 10000);
    buf.len = 10000;
    assert_int_equal(buf_append(&buf, SLICE("z")), OK);
    assert_int_equal(buf.ptr[9999], 'y');
    assert_int_equal(buf.ptr[10000], 'z');
    buf_fini(&buf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_accumulate),
        cmocka_unit_test(a_buffer_fills_up_to_its_ceiling_and_not_past_it),
        cmocka_unit_test(the_first_failure_sticks_until_reset),
        cmocka_unit_test(printf_fits_exactly_up_to_the_ceiling),
        cmocka_unit_test(printf_of_a_long_text_is_whole),
        cmocka_unit_test(a_reserve_that_overflows_is_too_large),
        cmocka_unit_test(a_reserve_that_the_machine_cannot_give_says_so),
        cmocka_unit_test(room_that_was_reserved_may_be_written_directly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
