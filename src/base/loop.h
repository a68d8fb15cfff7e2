/* A thread with an event loop (libuv), an inbox and timers that obey base/clock.h.
 *
 * thread: everything here belongs to the loop's own thread, except loop_post and loop_stop, which any thread
 * may call. Messages are intrusive and belong to the receiver from loop_post until their function has returned; order
 * per poster is kept. A loop with nothing to do sleeps in the kernel without a time-out. Under the test clock, timers
 * fire when clock_test_advance passes their due time: loop_test_poke_all wakes every loop. */
#ifndef SLUICE_BASE_LOOP_H
#define SLUICE_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct loop;
struct uv_loop_s;

struct loop_msg {
    struct loop_msg *next;
    void (*on_msg)(struct loop_msg *msg);
};

/* A one-shot timer at an absolute clock_ms() time. Caller's memory; must be cleared before that memory goes. */
struct loop_timer {
    struct loop *loop;
    void (*on_timer)(struct loop_timer *timer);
    int64_t due_ms;
    uint32_t slot; /* place in the loop's heap; UINT32_MAX = not set */
};

/* Runs once at the end of each loop iteration in which it was asked for by loop_defer (to send what an iteration
 * gathered). */
struct loop_defer {
    struct loop_defer *next;
    void (*on_defer)(struct loop_defer *defer);
    bool pending;
};

struct loop *loop_new(const char *name); /* name <= 15 bytes: the thread's name */
void loop_free(struct loop *loop);       /* not running; asserts that no timer is set */
/* Runs in the calling thread until loop_stop. */
void loop_run(struct loop *loop);
/* Runs in a new thread; loop_join waits for it after loop_stop. */
void loop_start(struct loop *loop);
void loop_join(struct loop *loop);
void loop_stop(struct loop *loop);
void loop_post(struct loop *loop, struct loop_msg *msg);
bool loop_is_current(const struct loop *loop);
/* For http/ only: handles of its own on this loop. */
struct uv_loop_s *loop_uv(struct loop *loop);

void loop_timer_init(struct loop_timer *timer, struct loop *loop, void (*on_timer)(struct loop_timer *));
void loop_timer_set(struct loop_timer *timer, int64_t due_ms); /* moves it if it is set already */
void loop_timer_clear(struct loop_timer *timer);
static inline bool loop_timer_is_set(const struct loop_timer *timer) {
    return timer->slot != UINT32_MAX;
}

void loop_defer(struct loop *loop, struct loop_defer *defer);

/* Makes every loop look at its timers again, and returns once each has run those that are due (the test clock's
 * advance). Must not be called from a loop's thread, except with that loop as `caller`, whose due timers then run
 * before it returns. */
void loop_test_poke_all(struct loop *caller);

#endif
