/* Descriptors and alarms on a loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/loop_io.h"

struct seen {
    struct loop *loop;
    struct loop_io *io;
    int fd;
    unsigned events;
    int count;
};

static void on_ready(void *ctx, unsigned events) {
    struct seen *seen = ctx;
    char byte;
    seen->events |= events;
    seen->count++;
    if ((events & LOOP_IO_READ) != 0) {
        ssize_t n = read(seen->fd, &byte, 1);
        assert_true(n == 1 || n == 0);
    }
    loop_stop(seen->loop);
}

static void a_readable_descriptor_calls_and_so_does_its_end(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct seen seen = {.loop = loop_new("test"), .fd = ends[0]};
    seen.io = loop_io_new(seen.loop, ends[0], on_ready, &seen);
    loop_io_want(seen.io, LOOP_IO_READ);
    assert_int_equal(write(ends[1], "x", 1), 1);
    loop_run(seen.loop);
    assert_int_equal(seen.count, 1);
    close(ends[1]);
    loop_run(seen.loop);
    assert_true(seen.count >= 2); /* as long as nobody stops wanting it */
    assert_int_equal(seen.events, LOOP_IO_READ);
    loop_io_free(seen.io);
    close(ends[0]);
    loop_free(seen.loop);
}

static void an_empty_pipe_can_be_written(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct seen seen = {.loop = loop_new("test"), .fd = ends[1]};
    seen.io = loop_io_new(seen.loop, ends[1], on_ready, &seen);
    loop_io_want(seen.io, LOOP_IO_WRITE);
    loop_run(seen.loop);
    assert_int_equal(seen.events, LOOP_IO_WRITE);
    loop_io_free(seen.io);
    close(ends[0]);
    close(ends[1]);
    loop_free(seen.loop);
}

static void on_alarm(void *ctx) {
    struct seen *seen = ctx;
    seen->count++;
    loop_stop(seen->loop);
}

static void an_alarm_rings_in_real_time_whatever_the_test_clock_says(void **state) {
    (void)state;
    clock_test_start(1000);
    struct seen seen = {.loop = loop_new("test")};
    struct loop_alarm *cleared = loop_alarm_new(seen.loop, on_alarm, &seen);
    struct loop_alarm *alarm = loop_alarm_new(seen.loop, on_alarm, &seen);
    loop_alarm_set(cleared, 1);
    loop_alarm_set(cleared, 0);
    loop_alarm_set(alarm, 2);
    loop_run(seen.loop);
    assert_int_equal(seen.count, 1);
    loop_alarm_free(alarm);
    loop_alarm_free(cleared);
    loop_free(seen.loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_readable_descriptor_calls_and_so_does_its_end),
        cmocka_unit_test(an_empty_pipe_can_be_written),
        cmocka_unit_test(an_alarm_rings_in_real_time_whatever_the_test_clock_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
