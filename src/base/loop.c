/* Event loops over libuv.
 *
 * One iteration: libuv timers -> prepare -> poll (I/O, the wake-up handle). The prepare step runs what was deferred
 * since the last one, then sets the libuv timer to the head of our heap, so that a loop without timers sleeps without a
 * time-out. The inbox is a lock-free stack that posters push to and the owner takes whole and reverses; only the poster
 * that finds it empty wakes the owner. thread: see loop.h. `registry` (list of loops, poke generations) is under
 * registry_lock; no callback runs under it. */
#include "base/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <uv.h>

#include "base/arena.h"
#include "base/clock.h"

struct loop {
    uv_loop_t uv;
    uv_poll_t wake;
    int wake_fd; /* an eventfd */
    uv_prepare_t prepare;
    uv_timer_t timer;
    _Atomic(struct loop_msg *) inbox;
    atomic_bool stop;
    atomic_bool running;
    struct loop_timer **heap; /* smallest due_ms first */
    uint32_t timers, timers_room;
    int64_t armed_ms; /* what the libuv timer is set to; INT64_MAX = not set */
    struct loop_defer *defers, **defers_tail;
    pthread_t thread;
    char name[16];
    struct loop *next;     /* registry */
    uint64_t poke_seen;    /* registry_lock */
    bool poking;           /* registry_lock: waits in loop_test_poke_all itself */
    _Atomic uint64_t poke; /* generation asked for */
};

static __thread struct loop *current;
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t registry_changed = PTHREAD_COND_INITIALIZER;
static struct loop *registry;
static uint64_t poke_generation;

/* ---- timers: a binary heap, each timer knows its slot ---- */

static void heap_put(struct loop *loop, uint32_t slot, struct loop_timer *timer) {
    loop->heap[slot] = timer;
    timer->slot = slot;
}

static void heap_up(struct loop *loop, uint32_t slot) {
    struct loop_timer *timer = loop->heap[slot];
    while (slot > 0 && loop->heap[(slot - 1) / 2]->due_ms > timer->due_ms) {
        heap_put(loop, slot, loop->heap[(slot - 1) / 2]);
        slot = (slot - 1) / 2;
    }
    heap_put(loop, slot, timer);
}

static void heap_down(struct loop *loop, uint32_t slot) {
    struct loop_timer *timer = loop->heap[slot];
    for (uint32_t child = 2 * slot + 1; child < loop->timers; child = 2 * slot + 1) {
        if (child + 1 < loop->timers && loop->heap[child + 1]->due_ms < loop->heap[child]->due_ms) {
            child++;
        }
        if (loop->heap[child]->due_ms >= timer->due_ms) {
            break;
        }
        heap_put(loop, slot, loop->heap[child]);
        slot = child;
    }
    heap_put(loop, slot, timer);
}

static void assert_owned(const struct loop *loop) {
    ASSERT(current == loop || !atomic_load_explicit(&loop->running, memory_order_relaxed));
}

void loop_timer_init(struct loop_timer *timer, struct loop *loop, void (*on_timer)(struct loop_timer *)) {
    *timer = (struct loop_timer){.loop = loop, .on_timer = on_timer, .slot = UINT32_MAX};
}

void loop_timer_set(struct loop_timer *timer, int64_t due_ms) {
    struct loop *loop = timer->loop;
    assert_owned(loop);
    timer->due_ms = due_ms;
    if (!loop_timer_is_set(timer)) {
        if (loop->timers == loop->timers_room) {
            loop->timers_room = loop->timers_room > 0 ? loop->timers_room * 2 : 64;
            loop->heap = mem_resize(loop->heap, loop->timers_room * sizeof *loop->heap);
        }
        heap_put(loop, loop->timers++, timer);
    }
    heap_up(loop, timer->slot);
    heap_down(loop, timer->slot);
}

void loop_timer_clear(struct loop_timer *timer) {
    if (!loop_timer_is_set(timer)) {
        return;
    }
    struct loop *loop = timer->loop;
    assert_owned(loop);
    uint32_t slot = timer->slot;
    ASSERT(slot < loop->timers && loop->heap[slot] == timer);
    timer->slot = UINT32_MAX;
    struct loop_timer *last = loop->heap[--loop->timers];
    if (last != timer) {
        heap_put(loop, slot, last);
        heap_up(loop, slot);
        heap_down(loop, last->slot);
    }
}

/* Runs the timers that are due now. At most as many as there were, so that one that sets itself to "now" cannot keep
 * the loop from its other work: what is left is due again in the next iteration. */
static void run_timers(struct loop *loop) {
    int64_t now = clock_ms();
    for (uint32_t left = loop->timers; left > 0 && loop->timers > 0; left--) {
        struct loop_timer *timer = loop->heap[0];
        if (timer->due_ms > now) {
            return;
        }
        loop_timer_clear(timer);
        timer->on_timer(timer);
    }
}

static void on_uv_timer(uv_timer_t *handle) {
    struct loop *loop = handle->data;
    loop->armed_ms = INT64_MAX;
    run_timers(loop);
}

static void disarm(struct loop *loop) {
    if (loop->armed_ms != INT64_MAX) {
        uv_timer_stop(&loop->timer);
        loop->armed_ms = INT64_MAX;
    }
}

static void arm(struct loop *loop) {
    if (loop->timers == 0) {
        disarm(loop);
        return;
    }
    int64_t due = loop->heap[0]->due_ms;
    if (due == loop->armed_ms) {
        return;
    }
    int64_t delay = due - clock_ms();
    if (delay > 0 && clock_test_active()) {
        disarm(loop); /* only loop_test_poke_all makes it due */
        return;
    }
    uv_update_time(&loop->uv);
    int e = uv_timer_start(&loop->timer, on_uv_timer, delay > 0 ? (uint64_t)delay : 0, 0);
    ASSERT(e == 0);
    loop->armed_ms = due;
}

/* ---- deferred work ---- */

void loop_defer(struct loop *loop, struct loop_defer *defer) {
    assert_owned(loop);
    if (defer->pending) {
        return;
    }
    defer->pending = true;
    defer->next = NULL;
    *loop->defers_tail = defer;
    loop->defers_tail = &defer->next;
}

/* Until none is left: what a deferred function defers still belongs to this iteration. */
static void run_defers(struct loop *loop) {
    while (loop->defers != NULL) {
        struct loop_defer *defer = loop->defers;
        loop->defers = defer->next;
        if (loop->defers == NULL) {
            loop->defers_tail = &loop->defers;
        }
        defer->pending = false;
        defer->on_defer(defer);
    }
}

static void on_prepare(uv_prepare_t *handle) {
    struct loop *loop = handle->data;
    run_defers(loop);
    arm(loop);
}

/* ---- inbox ---- */

/* libuv's own handle for this (1.44) lets the owner spin while the thread that woke it stands between two steps of
 * uv_async_send: on busy cores that is where the scheduler stops it. */
static void wake(struct loop *loop) {
    const uint64_t one = 1;
    ssize_t n = write(loop->wake_fd, &one, sizeof one);
    ASSERT(n == sizeof one || errno == EAGAIN); /* 2^64 - 1 wake-ups are on the way */
}

void loop_post(struct loop *loop, struct loop_msg *msg) {
    struct loop_msg *head = atomic_load_explicit(&loop->inbox, memory_order_relaxed);
    do {
        msg->next = head;
    } while (
        !atomic_compare_exchange_weak_explicit(&loop->inbox, &head, msg, memory_order_release, memory_order_relaxed));
    if (head == NULL) {
        wake(loop);
    }
}

static void run_inbox(struct loop *loop) {
    struct loop_msg *newest = atomic_exchange_explicit(&loop->inbox, NULL, memory_order_acquire);
    struct loop_msg *oldest = NULL;
    while (newest != NULL) {
        struct loop_msg *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct loop_msg *next = oldest->next; /* on_msg may free or post the message again */
        oldest->on_msg(oldest);
        oldest = next;
    }
}

/* Tells those that wait in loop_test_poke_all. */
static void answer_poke(struct loop *loop) {
    uint64_t asked = atomic_load_explicit(&loop->poke, memory_order_acquire);
    if (asked == 0) {
        return;
    }
    run_timers(loop);
    pthread_mutex_lock(&registry_lock);
    loop->poke_seen = asked;
    pthread_cond_broadcast(&registry_changed);
    pthread_mutex_unlock(&registry_lock);
    /* asked for again meanwhile: the value differs and stays, and its wake-up is on the way */
    atomic_compare_exchange_strong(&loop->poke, &asked, 0);
}

static void on_wake(uv_poll_t *handle, int status, int events) {
    (void)status; /* an eventfd can only be readable: shape of uv_poll_cb, as is the next */
    (void)events;
    struct loop *loop = handle->data;
    uint64_t count = 0;
    (void)!read(loop->wake_fd, &count, sizeof count); /* before all looking: what comes later wakes again */
    bool stop =
        atomic_load_explicit(&loop->stop, memory_order_acquire); /* before the inbox: what was posted first runs */
    run_inbox(loop);
    answer_poke(loop);
    if (stop) {
        uv_stop(&loop->uv);
    }
}

/* ---- life ---- */

struct loop *loop_new(const char *name) {
    struct loop *loop = mem_alloc(sizeof *loop);
    snprintf(loop->name, sizeof loop->name, "%s", name);
    loop->defers_tail = &loop->defers;
    loop->armed_ms = INT64_MAX;
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int e = loop->wake_fd >= 0 ? uv_loop_init(&loop->uv) : -errno; /* libuv's errors are negated ones */
    e = e == 0 ? uv_poll_init(&loop->uv, &loop->wake, loop->wake_fd) : e;
    e = e == 0 ? uv_poll_start(&loop->wake, UV_READABLE, on_wake) : e;
    e = e == 0 ? uv_prepare_init(&loop->uv, &loop->prepare) : e;
    e = e == 0 ? uv_prepare_start(&loop->prepare, on_prepare) : e;
    e = e == 0 ? uv_timer_init(&loop->uv, &loop->timer) : e;
    if (e != 0) {
        /* at start only: a process without descriptors for its loops cannot work */
        fprintf(stderr, "cannot create an event loop: %s\n", uv_strerror(e));
        abort();
    }
    loop->uv.data = loop;
    loop->wake.data = loop->prepare.data = loop->timer.data = loop;
    pthread_mutex_lock(&registry_lock);
    loop->next = registry;
    registry = loop;
    pthread_mutex_unlock(&registry_lock);
    return loop;
}

static void assert_closing(uv_handle_t *handle, void *arg) {
    (void)arg; /* shape of uv_walk's callback */
    ASSERT(uv_is_closing(handle));
}

void loop_free(struct loop *loop) {
    if (loop == NULL) {
        return;
    }
    ASSERT(!atomic_load(&loop->running));
    ASSERT(loop->timers == 0);
    pthread_mutex_lock(&registry_lock);
    struct loop **link = &registry;
    while (*link != loop) {
        link = &(*link)->next;
    }
    *link = loop->next;
    pthread_mutex_unlock(&registry_lock);
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->timer, NULL);
    uv_walk(&loop->uv, assert_closing, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT); /* the close callbacks of everybody's handles */
    int e = uv_loop_close(&loop->uv);
    ASSERT(e == 0);
    close(loop->wake_fd);
    mem_free(loop->heap);
    mem_free(loop);
}

static void set_running(struct loop *loop, bool running) {
    pthread_mutex_lock(&registry_lock);
    atomic_store(&loop->running, running);
    pthread_cond_broadcast(&registry_changed);
    pthread_mutex_unlock(&registry_lock);
}

void loop_run(struct loop *loop) {
    ASSERT(current == NULL);
    current = loop;
    set_running(loop, true);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    run_defers(loop); /* of the last iteration */
    atomic_store(&loop->stop, false);
    set_running(loop, false);
    current = NULL;
}

static void *loop_thread(void *arg) {
    struct loop *loop = arg;
    pthread_setname_np(pthread_self(), loop->name);
    loop_run(loop);
    return NULL;
}

void loop_start(struct loop *loop) {
    set_running(loop, true); /* from here on a poke waits for it, though its thread may still be on its way */
    int e = pthread_create(&loop->thread, NULL, loop_thread, loop);
    ASSERT(e == 0);
}

void loop_join(struct loop *loop) {
    int e = pthread_join(loop->thread, NULL);
    ASSERT(e == 0);
}

void loop_stop(struct loop *loop) {
    atomic_store_explicit(&loop->stop, true, memory_order_release);
    wake(loop);
}

bool loop_is_current(const struct loop *loop) {
    return current == loop;
}

struct uv_loop_s *loop_uv(struct loop *loop) {
    return &loop->uv;
}

/* ---- the test clock ---- */

static bool all_poked(const struct loop *caller, uint64_t generation) {
    for (const struct loop *loop = registry; loop != NULL; loop = loop->next) {
        if (loop != caller && !loop->poking && atomic_load(&loop->running) && loop->poke_seen < generation) {
            return false;
        }
    }
    return true;
}

void loop_test_poke_all(struct loop *caller) {
    ASSERT(current == caller);
    pthread_mutex_lock(&registry_lock);
    uint64_t generation = ++poke_generation;
    for (struct loop *loop = registry; loop != NULL; loop = loop->next) {
        if (loop != caller && atomic_load(&loop->running)) {
            atomic_store_explicit(&loop->poke, generation, memory_order_release);
            wake(loop);
        } else {
            loop->poke_seen = generation; /* one that starts from now on looks at its timers first */
        }
    }
    if (caller != NULL) {
        caller->poking = true;
    }
    while (!all_poked(caller, generation)) {
        pthread_cond_wait(&registry_changed, &registry_lock);
    }
    if (caller != NULL) {
        caller->poking = false;
    }
    pthread_mutex_unlock(&registry_lock);
    if (caller != NULL) {
        run_timers(caller);
    }
}
