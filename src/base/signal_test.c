/* Signals arrive on the loop, and the default action is back when the watch is freed. */
#include "base/signal.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct seen {
    struct loop *loop;
    int number;
    uint32_t times;
};

static void on_signal(void *ctx, int number) {
    struct seen *seen = ctx;
    assert_true(loop_is_current(seen->loop));
    seen->number = number;
    seen->times++;
    loop_stop(seen->loop);
}

static void a_signal_calls_back_on_the_loop_each_time(void **state) {
    (void)state;
    struct seen seen = {.loop = loop_new("signal")};
    struct signal_watch *watch = signal_watch_new(seen.loop, SIGHUP, on_signal, &seen);
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(raise(SIGHUP), 0);
        loop_run(seen.loop);
        assert_int_equal(seen.times, i);
        assert_int_equal(seen.number, SIGHUP);
    }
    signal_watch_free(watch);
    loop_free(seen.loop);
}

static void after_the_watch_is_freed_the_default_action_is_back(void **state) {
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct seen seen = {.loop = loop_new("signal")};
        signal_watch_free(signal_watch_new(seen.loop, SIGTERM, on_signal, &seen));
        loop_free(seen.loop);
        raise(SIGTERM);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

int main(void) {
    alarm(60);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signal_calls_back_on_the_loop_each_time),
        cmocka_unit_test(after_the_watch_is_freed_the_default_action_is_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
