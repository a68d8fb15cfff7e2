/* The error table and err_why. */
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void every_error_has_a_name_a_class_and_a_status(void **state) {
    (void)state;
    assert_int_equal(OK, 0);
    assert_int_equal(err_http_status(OK), 200);
    for (int e = 1; e < ERR_COUNT; e++) {
        assert_true(strlen(err_name(e)) > 0);
        assert_non_null(err_text(e));
        assert_true(err_http_status(e) >= 400 && err_http_status(e) <= 504);
        assert_true(err_class(e) == ERR_CLASS_RETRY || err_class(e) == ERR_CLASS_ABORT);
    }
    assert_string_equal(err_name(ERR_TOO_LARGE), "TOO_LARGE");
    assert_string_equal(err_text(ERR_BAD_WRITE_KEY), "invalid write key");
    assert_int_equal(err_http_status(ERR_NO_WRITE_KEY), 401);
}

static void the_table_holds_the_original_gateways_wire_texts(void **state) {
    (void)state;
    assert_string_equal(err_text(ERR_BODY_NIL), "request body is nil");
    assert_string_equal(err_text(ERR_NO_IDENTITY), "request neither has anonymousId nor userId");
    assert_int_equal(err_http_status(ERR_SOURCE_DISABLED), 404);
    assert_int_equal(err_http_status(ERR_RATE_LIMIT), 429);
}

static void a_full_disk_and_a_missing_file_are_told_apart_from_other_failures(void **state) {
    (void)state;
    assert_int_equal(err_from_errno(ENOSPC), ERR_FULL);
    assert_int_equal(err_from_errno(EDQUOT), ERR_FULL);
    assert_int_equal(err_from_errno(ENOENT), ERR_NOT_FOUND);
    assert_int_equal(err_from_errno(EMFILE), ERR_BUSY);
    assert_int_equal(err_from_errno(EIO), ERR_IO);
    assert_int_equal(err_class(err_from_errno(ENOSPC)), ERR_CLASS_RETRY);
}

static void why_is_optional_and_returns_the_error(void **state) {
    (void)state;
    assert_int_equal(err_why(ERR_RANGE, NULL, "x", "%d", 1), ERR_RANGE);
    struct errinfo why = {0};
    assert_int_equal(err_why(ERR_RANGE, &why, "file:3", "%s is %d", "size", 7), ERR_RANGE);
    assert_string_equal(why.path, "file:3");
    assert_string_equal(why.text, "size is 7");
}

static void why_cuts_what_is_too_long_and_keeps_its_own_path(void **state) {
    (void)state;
    char big[1000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    struct errinfo why = {0};
    assert_int_equal(err_why(ERR_IO, &why, big, "%s", big), ERR_IO);
    assert_int_equal(strlen(why.path), sizeof why.path - 1);
    assert_int_equal(strlen(why.text), sizeof why.text - 1);
    assert_int_equal(err_why(ERR_IO, &why, why.path, "shorter"), ERR_IO);
    assert_int_equal(strlen(why.path), sizeof why.path - 1);
    assert_string_equal(why.text, "shorter");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_a_name_a_class_and_a_status),
        cmocka_unit_test(the_table_holds_the_original_gateways_wire_texts),
        cmocka_unit_test(a_full_disk_and_a_missing_file_are_told_apart_from_other_failures),
        cmocka_unit_test(why_is_optional_and_returns_the_error),
        cmocka_unit_test(why_cuts_what_is_too_long_and_keeps_its_own_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
