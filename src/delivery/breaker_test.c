/* The circuit, the credentials window and the token bucket: pure, so time is a number. */
#include "delivery/breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "delivery/auth.h"
#include "delivery/throttle.h"

static const struct breaker_conf conf = {.failures = 5, .time_ms = 2000, .probe_min_ms = 1000, .probe_max_ms = 8000};

static struct breaker opened_at(int64_t now_ms) {
    struct breaker breaker;
    breaker_init(&breaker);
    for (unsigned i = 0; i < 5; i++) {
        breaker_failure(&breaker, &conf, now_ms - 2000 + 500 * i, i, false, 0);
    }
    assert_true(breaker.open);
    return breaker;
}

static void enough_failures_in_a_row_over_enough_time_open_the_circuit(void **state) {
    (void)state;
    struct breaker breaker;
    breaker_init(&breaker);
    for (unsigned i = 0; i < 50; i++) {
        assert_false(breaker_failure(&breaker, &conf, 1000 + i, i, false, 0)); /* many, but all at once */
    }
    assert_true(breaker_failure(&breaker, &conf, 3000, 99, false, 0));
    assert_true(breaker.open);
}

static void a_success_in_between_starts_the_row_again(void **state) {
    (void)state;
    struct breaker breaker;
    breaker_init(&breaker);
    for (unsigned i = 0; i < 100; i++) {
        assert_false(breaker_failure(&breaker, &conf, 1000 * i, i, false, 0));
        if (i % 4 == 3) {
            assert_false(breaker_success(&breaker));
        }
    }
}

static void one_event_that_always_fails_does_not_open_the_circuit(void **state) {
    (void)state;
    struct breaker breaker;
    breaker_init(&breaker);
    for (unsigned i = 0; i < 100; i++) {
        assert_false(breaker_failure(&breaker, &conf, 1000 * i, 7 + i % 2, false, 0)); /* nor do two */
    }
    assert_true(breaker_failure(&breaker, &conf, 100000, 9, false, 0));
}

static void pauses_between_probes_double_and_half_of_each_is_dice(void **state) {
    (void)state;
    struct breaker breaker = opened_at(10000);
    static const int64_t longest[] = {2000, 4000, 8000, 8000, 8000};
    assert_int_equal(breaker.probe_due_ms, 11000);
    for (size_t i = 0; i < sizeof longest / sizeof longest[0]; i++) {
        struct breaker other = breaker;
        breaker_failure(&breaker, &conf, 20000, 1, true, 0);
        assert_int_equal(breaker.probe_due_ms, 20000 + longest[i]);
        breaker_failure(&other, &conf, 20000, 1, true, (uint64_t)longest[i] / 2);
        assert_int_equal(other.probe_due_ms, 20000 + longest[i] / 2);
    }
}

static void late_failures_of_other_requests_do_not_move_the_probe(void **state) {
    (void)state;
    struct breaker breaker = opened_at(10000);
    int64_t due_ms = breaker.probe_due_ms;
    assert_false(breaker_failure(&breaker, &conf, 10900, 1, false, 0));
    assert_int_equal(breaker.probe_due_ms, due_ms);
}

static void a_success_closes_the_circuit_and_requests_ramp_up_from_one(void **state) {
    (void)state;
    struct breaker breaker = opened_at(10000);
    assert_true(breaker_success(&breaker));
    assert_false(breaker.open);
    uint32_t inflight = breaker_limit(&breaker, 64);
    assert_int_equal(inflight, 1);
    for (unsigned round = 0; round < 4; round++) { /* all that are allowed succeed: a round trip */
        for (uint32_t i = 0; i < inflight; i++) {
            assert_false(breaker_success(&breaker));
        }
        assert_int_equal(breaker_limit(&breaker, 64), inflight * 2);
        inflight *= 2;
    }
    assert_int_equal(breaker_limit(&breaker, 10), 10);
}

static void credentials_are_refused_when_most_of_the_last_attempts_were(void **state) {
    (void)state;
    struct auth auth = {0};
    assert_true(auth_answered(&auth, true)); /* the first attempt counts */
    auth_reset(&auth);
    for (unsigned i = 0; i < 100; i++) {
        assert_false(auth_answered(&auth, false));
    }
    for (unsigned i = 0; i < 10; i++) {
        assert_false(auth_answered(&auth, true)); /* up to half of the last twenty */
    }
    assert_true(auth_answered(&auth, true));
    assert_false(auth_answered(&auth, false)); /* an attempt that was not refused never decides */
}

static void a_rate_allows_one_second_at_once_and_then_spaces(void **state) {
    (void)state;
    struct throttle throttle;
    throttle_init(&throttle, 10, 5000);
    for (unsigned i = 0; i < 10; i++) {
        assert_true(throttle_take(&throttle, 5000));
    }
    assert_false(throttle_take(&throttle, 5000));
    assert_int_equal(throttle_due_ms(&throttle), 5100);
    assert_false(throttle_take(&throttle, 5099));
    assert_true(throttle_take(&throttle, throttle_due_ms(&throttle)));
    assert_false(throttle_take(&throttle, 5100));
    unsigned taken = 0;
    while (throttle_take(&throttle, 60000)) {
        taken++;
    }
    assert_int_equal(taken, 10); /* what was not used is not saved up */
}

static void slow_rates_and_no_rate_work(void **state) {
    (void)state;
    struct throttle throttle;
    throttle_init(&throttle, 0.1, 0);
    assert_true(throttle_take(&throttle, 0));
    assert_false(throttle_take(&throttle, 9999));
    assert_int_equal(throttle_due_ms(&throttle), 10000);
    assert_true(throttle_take(&throttle, 10000));
    throttle_set_rate(&throttle, 0, 10000);
    for (unsigned i = 0; i < 1000; i++) {
        assert_true(throttle_take(&throttle, 10000));
    }
    throttle_set_rate(&throttle, 2, 10000);
    assert_true(throttle_take(&throttle, 10000));
    assert_true(throttle_take(&throttle, 10000));
    assert_false(throttle_take(&throttle, 10000));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enough_failures_in_a_row_over_enough_time_open_the_circuit),
        cmocka_unit_test(a_success_in_between_starts_the_row_again),
        cmocka_unit_test(one_event_that_always_fails_does_not_open_the_circuit),
        cmocka_unit_test(pauses_between_probes_double_and_half_of_each_is_dice),
        cmocka_unit_test(late_failures_of_other_requests_do_not_move_the_probe),
        cmocka_unit_test(a_success_closes_the_circuit_and_requests_ramp_up_from_one),
        cmocka_unit_test(credentials_are_refused_when_most_of_the_last_attempts_were),
        cmocka_unit_test(a_rate_allows_one_second_at_once_and_then_spaces),
        cmocka_unit_test(slow_rates_and_no_rate_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
