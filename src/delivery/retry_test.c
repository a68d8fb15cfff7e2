/* The rules of when to try again, as tables. */
#include "delivery/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void every_answer_means_what_the_design_says(void **state) {
    (void)state;
    static const struct {
        enum err err;
        int status;
        enum answer answer;
        enum reason reason;
    } rows[] = {
        {OK, 200, ANSWER_DELIVERED, REASON_NONE},
        {OK, 204, ANSWER_DELIVERED, REASON_NONE},
        {OK, 297, ANSWER_DELIVERED, REASON_NONE},
        {OK, 298, ANSWER_FILTERED, REASON_DECLINED},
        {OK, 299, ANSWER_FILTERED, REASON_SUPPRESSED},
        {OK, 301, ANSWER_DEAD, REASON_HTTP_STATUS},
        {OK, 304, ANSWER_DEAD, REASON_HTTP_STATUS},
        {OK, 400, ANSWER_DEAD, REASON_HTTP_STATUS},
        {OK, 401, ANSWER_AUTH, REASON_AUTH},
        {OK, 403, ANSWER_AUTH, REASON_AUTH},
        {OK, 404, ANSWER_DEAD, REASON_HTTP_STATUS},
        {OK, 408, ANSWER_RETRY, REASON_NONE},
        {OK, 410, ANSWER_DEAD, REASON_HTTP_STATUS},
        {OK, 425, ANSWER_RETRY, REASON_NONE},
        {OK, 429, ANSWER_THROTTLED, REASON_NONE},
        {OK, 499, ANSWER_DEAD, REASON_HTTP_STATUS},
        {OK, 500, ANSWER_RETRY, REASON_NONE},
        {OK, 599, ANSWER_RETRY, REASON_NONE},
        {OK, 101, ANSWER_RETRY, REASON_NONE},
        {ERR_TIMEOUT, 0, ANSWER_RETRY, REASON_TIMEOUT},
        {ERR_CONNECT, 0, ANSWER_RETRY, REASON_NETWORK},
        {ERR_IO, 0, ANSWER_RETRY, REASON_NETWORK},
        {ERR_DENIED, 0, ANSWER_DENIED, REASON_EGRESS_DENIED},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        enum reason reason = REASON_COUNT;
        assert_int_equal(retry_classify(rows[i].err, rows[i].status, &reason), rows[i].answer);
        assert_int_equal(reason, rows[i].reason);
    }
}

static void pauses_double_up_to_the_longest_and_spread_over_all_of_it(void **state) {
    (void)state;
    static const int64_t longest[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
    for (unsigned i = 0; i < COUNT_OF(longest); i++) {
        assert_int_equal(retry_pause(1000, 30000, i + 1, 0), 1);
        assert_int_equal(retry_pause(1000, 30000, i + 1, (uint64_t)longest[i] - 1), longest[i]);
        assert_int_equal(retry_pause(1000, 30000, i + 1, (uint64_t)longest[i]), 1);
    }
}

static void a_pause_after_very_many_attempts_does_not_overflow(void **state) {
    (void)state;
    assert_in_range(retry_pause(1, INT64_MAX / 4, 65535, UINT64_MAX), 1, INT64_MAX / 4);
}

static void an_event_is_given_up_after_the_window_and_the_fewest_attempts(void **state) {
    (void)state;
    assert_false(retry_exhausted(1000, 5999, 5000, 9, 3));
    assert_true(retry_exhausted(1000, 6000, 5000, 3, 3));
    assert_false(retry_exhausted(1000, 6000, 5000, 2, 3));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_means_what_the_design_says),
        cmocka_unit_test(pauses_double_up_to_the_longest_and_spread_over_all_of_it),
        cmocka_unit_test(a_pause_after_very_many_attempts_does_not_overflow),
        cmocka_unit_test(an_event_is_given_up_after_the_window_and_the_fewest_attempts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
