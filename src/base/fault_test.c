/* Fault specs, counting of passes, kill. */
#include "base/fault.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int disarm(void **state) {
    (void)state;
    return fault_arm(SLICE("STORE_BEFORE_WRITE=off,STORE_ROLL=off"), NULL) == OK ? 0 : -1;
}

static void an_unarmed_point_never_acts(void **state) {
    (void)state;
    assert_false(fault_any_armed);
    assert_false(FAULT(STORE_BEFORE_WRITE));
}

static void an_armed_point_fails_on_its_first_pass_only(void **state) {
    (void)state;
    assert_int_equal(fault_arm(SLICE("store_before_write=fail"), NULL), OK);
    assert_true(FAULT(STORE_BEFORE_WRITE));
    assert_false(FAULT(STORE_BEFORE_WRITE));
    assert_false(FAULT(STORE_ROLL));
}

static void a_hit_counts_the_passes_since_arming(void **state) {
    (void)state;
    assert_int_equal(fault_arm(SLICE(" STORE_BEFORE_WRITE = fail@3 , STORE_ROLL=fail@2+ "), NULL), OK);
    assert_false(FAULT(STORE_BEFORE_WRITE));
    assert_false(FAULT(STORE_BEFORE_WRITE));
    assert_true(FAULT(STORE_BEFORE_WRITE));
    assert_false(FAULT(STORE_BEFORE_WRITE));
    assert_false(FAULT(STORE_ROLL));
    for (int i = 0; i < 5; i++) {
        assert_true(FAULT(STORE_ROLL));
    }
    assert_int_equal(fault_arm(SLICE("STORE_BEFORE_WRITE=fail@2"), NULL), OK);
    assert_false(FAULT(STORE_BEFORE_WRITE));
    assert_true(FAULT(STORE_BEFORE_WRITE));
}

static void off_disarms(void **state) {
    (void)state;
    assert_int_equal(fault_arm(SLICE("STORE_ROLL=fail@1+"), NULL), OK);
    assert_true(FAULT(STORE_ROLL));
    assert_int_equal(fault_arm(SLICE("STORE_ROLL=off"), NULL), OK);
    assert_false(fault_any_armed);
    assert_false(FAULT(STORE_ROLL));
}

static void a_bad_spec_says_what_is_wrong_and_names_the_nearest_point(void **state) {
    (void)state;
    struct errinfo why = {0};
    assert_int_equal(fault_arm(SLICE("STORE_BEFORE_RIGHT=kill"), &why), ERR_UNKNOWN_KEY);
    assert_non_null(strstr(why.text, "STORE_BEFORE_WRITE"));
    assert_int_equal(fault_arm(SLICE("STORE_ROLL=explode"), &why), ERR_INVALID);
    assert_non_null(strstr(why.text, "explode"));
    const char *const bad[] = {"STORE_ROLL", "STORE_ROLL=", "STORE_ROLL=fail@", "STORE_ROLL=fail@0",
        "STORE_ROLL=fail@+", "STORE_ROLL=fail@x", "STORE_ROLL=fail@-1"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(fault_arm(slice_cstr(bad[i]), &why), ERR_INVALID);
    }
    assert_int_equal(fault_arm(SLICE(""), &why), OK);
    assert_int_equal(fault_arm(SLICE_NONE, &why), OK);
    assert_false(fault_any_armed);
}

static void kill_ends_the_process_at_once(void **state) {
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        if (fault_arm(SLICE("STORE_ROLL=kill@2"), NULL) == OK && !FAULT(STORE_ROLL)) {
            (void)FAULT(STORE_ROLL); /* does not return */
        }
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void every_point_has_a_name(void **state) {
    (void)state;
    for (int i = 0; i < FAULT_COUNT; i++) {
        assert_true(strlen(fault_name(i)) > 0);
    }
    assert_string_equal(fault_name(FAULT_STORE_ROLL), "STORE_ROLL");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unarmed_point_never_acts),
        cmocka_unit_test_teardown(an_armed_point_fails_on_its_first_pass_only, disarm),
        cmocka_unit_test_teardown(a_hit_counts_the_passes_since_arming, disarm),
        cmocka_unit_test_teardown(off_disarms, disarm),
        cmocka_unit_test_teardown(a_bad_spec_says_what_is_wrong_and_names_the_nearest_point, disarm),
        cmocka_unit_test(kill_ends_the_process_at_once),
        cmocka_unit_test(every_point_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
