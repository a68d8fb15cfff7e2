/* Log lines as a reader of stderr sees them. */
#include "base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

struct capture {
    int saved, reader;
    char text[65536];
};

static void capture_start(struct capture *capture) {
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    capture->saved = dup(STDERR_FILENO);
    capture->reader = ends[0];
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    close(ends[1]);
}

static const char *capture_end(struct capture *capture) {
    assert_true(dup2(capture->saved, STDERR_FILENO) >= 0); /* closes the pipe's writing end */
    close(capture->saved);
    size_t len = 0;
    ssize_t n;
    while ((n = read(capture->reader, capture->text + len, sizeof capture->text - 1 - len)) > 0) {
        len += (size_t)n;
    }
    close(capture->reader);
    capture->text[len] = '\0';
    return capture->text;
}

static struct capture capture;

static int setup(void **state) {
    (void)state;
    clock_test_start(1786060800000);
    log_setup(LOG_INFO, false);
    return 0;
}

static void a_line_has_time_level_tag_message_and_pairs(void **state) {
    (void)state;
    capture_start(&capture);
    LOG(INFO, "store", "segment rolled", "offset=%d bytes=%d", 1, 2);
    LOG(ERROR, "http", "gone", "%s", "");
    assert_string_equal(capture_end(&capture),
        "2026-08-07T00:00:00.000Z info  store segment rolled offset=1 bytes=2\n"
        "2026-08-07T00:00:00.000Z error http gone\n");
}

static void lines_below_the_threshold_are_not_written(void **state) {
    (void)state;
    capture_start(&capture);
    LOG(DEBUG, "store", "unseen", "n=%d", 1);
    log_setup(LOG_ERROR, false);
    LOG(WARN, "store", "unseen", "n=%d", 1);
    assert_string_equal(capture_end(&capture), "");
}

static void a_line_break_in_a_value_does_not_make_a_second_line(void **state) {
    (void)state;
    capture_start(&capture);
    LOG(WARN, "gateway", "refused", "id=%s", "a\nb\x1b[31m");
    assert_string_equal(capture_end(&capture), "2026-08-07T00:00:00.000Z warn  gateway refused id=a?b?[31m\n");
}

static void json_lines_have_the_pairs_as_members(void **state) {
    (void)state;
    log_setup(LOG_INFO, true);
    capture_start(&capture);
    LOG(INFO, "model", "not reloaded", "line=%d why=%s", 12, "no \"quote\" \\ and a = sign");
    assert_string_equal(capture_end(&capture),
        "{\"time\":\"2026-08-07T00:00:00.000Z\",\"level\":\"info\",\"tag\":\"model\",\"message\":\"not reloaded\",\"line\":\"12\","
        "\"why\":\"no \\\"quote\\\" \\\\ and a = sign\"}\n");
}

static void a_long_json_line_stays_whole_json(void **state) {
    (void)state;
    log_setup(LOG_INFO, true);
    char big[3000];
    memset(big, '"', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    capture_start(&capture);
    LOG(INFO, "model", "big", "a=%s", big);
    const char *text = capture_end(&capture);
    size_t len = strlen(text);
    assert_true(len < 4096 && len > 20);
    assert_string_equal(text + len - 3, "\"}\n");
}

static void a_call_site_writes_ten_lines_a_second(void **state) {
    (void)state;
    capture_start(&capture);
    for (int i = 0; i < 1000; i++) {
        LOG(INFO, "x", "again", "i=%d", i);
    }
    const char *text = capture_end(&capture);
    size_t lines = 0;
    for (const char *at = text; *at != '\0'; at++) {
        lines += *at == '\n';
    }
    assert_true(lines >= 10 && lines <= 20); /* two seconds at most have begun */
}

static void lines_lost_to_the_limit_are_counted_in_the_next_one(void **state) {
    (void)state;
    struct log_site site = {.second = 1, .count = 25}; /* a second long gone */
    capture_start(&capture);
    log_line(&site, LOG_INFO, "x", "again", "i=%d", 1);
    assert_string_equal(capture_end(&capture), "2026-08-07T00:00:00.000Z info  x again i=1 repeats_dropped=15\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_line_has_time_level_tag_message_and_pairs, setup),
        cmocka_unit_test_setup(lines_below_the_threshold_are_not_written, setup),
        cmocka_unit_test_setup(a_line_break_in_a_value_does_not_make_a_second_line, setup),
        cmocka_unit_test_setup(json_lines_have_the_pairs_as_members, setup),
        cmocka_unit_test_setup(a_long_json_line_stays_whole_json, setup),
        cmocka_unit_test_setup(a_call_site_writes_ten_lines_a_second, setup),
        cmocka_unit_test_setup(lines_lost_to_the_limit_are_counted_in_the_next_one, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
