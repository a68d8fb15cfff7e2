/* What loop.h promises: order of posts across threads, timers on both clocks, deferred work, stopping. */
#include "base/loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "base/arena.h"
#include "base/clock.h"

enum { POSTERS = 4, POSTS = 20000 };

/* ---- posts ---- */

struct numbered {
    struct loop_msg msg;
    struct gather *gather;
    uint32_t poster, number;
};

struct gather {
    struct loop *loop;
    uint32_t seen[POSTERS];
    uint32_t total;
    bool out_of_order;
};

static void on_numbered(struct loop_msg *msg) {
    struct numbered *n = CONTAINER_OF(msg, struct numbered, msg);
    struct gather *gather = n->gather;
    gather->out_of_order |= n->number != gather->seen[n->poster];
    gather->seen[n->poster]++;
    if (++gather->total == POSTERS * POSTS) {
        loop_stop(gather->loop);
    }
    mem_free(n);
}

struct poster {
    struct gather *gather;
    uint32_t index;
};

static void *post_many(void *arg) {
    struct poster *poster = arg;
    for (uint32_t i = 0; i < POSTS; i++) {
        struct numbered *n = mem_alloc(sizeof *n);
        *n = (struct numbered){
            .msg.on_msg = on_numbered, .gather = poster->gather, .poster = poster->index, .number = i};
        loop_post(poster->gather->loop, &n->msg);
    }
    return NULL;
}

static void posts_of_many_threads_all_arrive_in_each_posters_order(void **state) {
    (void)state;
    struct gather gather = {.loop = loop_new("gather")};
    pthread_t threads[POSTERS];
    struct poster posters[POSTERS];
    for (uint32_t i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.gather = &gather, .index = i};
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
    }
    loop_run(gather.loop);
    for (uint32_t i = 0; i < POSTERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(gather.seen[i], POSTS);
    }
    assert_false(gather.out_of_order);
    loop_free(gather.loop);
}

struct ping {
    struct loop_msg msg;
    struct loop *here, *there;
    uint32_t left;
    atomic_uint *done;
};

static void on_ping(struct loop_msg *msg) {
    struct ping *ping = CONTAINER_OF(msg, struct ping, msg);
    assert_true(loop_is_current(ping->here));
    struct loop *there = ping->there;
    if (ping->left-- == 0) {
        atomic_store(ping->done, 1);
        loop_stop(ping->here);
        loop_stop(there);
        return;
    }
    ping->there = ping->here;
    ping->here = there;
    loop_post(there, msg);
}

static void a_message_travels_between_two_threads_and_may_be_posted_again_from_its_own_function(void **state) {
    (void)state;
    atomic_uint done = 0;
    struct loop *a = loop_new("a"), *b = loop_new("b");
    struct ping ping = {.msg.on_msg = on_ping, .here = a, .there = b, .left = 5000, .done = &done};
    loop_start(a);
    loop_start(b);
    loop_post(a, &ping.msg);
    loop_join(a);
    loop_join(b);
    assert_int_equal(atomic_load(&done), 1);
    loop_free(a);
    loop_free(b);
}

struct count {
    struct loop_msg msg;
    uint32_t seen;
};

static void on_count(struct loop_msg *msg) {
    CONTAINER_OF(msg, struct count, msg)->seen++;
}

static void a_message_posted_before_stop_still_runs(void **state) {
    (void)state;
    struct loop *loop = loop_new("stop");
    struct count count = {.msg.on_msg = on_count};
    loop_post(loop, &count.msg);
    loop_stop(loop);
    loop_run(loop);
    assert_int_equal(count.seen, 1);
    loop_free(loop);
}

static void a_loop_runs_again_after_a_stop(void **state) {
    (void)state;
    struct loop *loop = loop_new("again");
    struct count count = {.msg.on_msg = on_count};
    for (uint32_t round = 1; round <= 3; round++) {
        loop_post(loop, &count.msg);
        loop_stop(loop);
        loop_run(loop);
        assert_int_equal(count.seen, round);
    }
    assert_false(loop_is_current(loop));
    loop_free(loop);
}

/* ---- deferred work ---- */

struct gathered {
    struct loop_msg first, second;
    struct loop_defer defer;
    struct loop *loop;
    uint32_t messages, defers, messages_at_defer;
};

static void on_gathered_defer(struct loop_defer *defer) {
    struct gathered *g = CONTAINER_OF(defer, struct gathered, defer);
    g->defers++;
    g->messages_at_defer = g->messages;
    loop_stop(g->loop);
}

static void gather_one(struct gathered *g) {
    g->messages++;
    loop_defer(g->loop, &g->defer);
}

static void on_first(struct loop_msg *msg) {
    gather_one(CONTAINER_OF(msg, struct gathered, first));
}

static void on_second_msg(struct loop_msg *msg) {
    gather_one(CONTAINER_OF(msg, struct gathered, second));
}

static void what_is_deferred_twice_in_an_iteration_runs_once_at_its_end(void **state) {
    (void)state;
    struct gathered g = {.loop = loop_new("defer"), .defer.on_defer = on_gathered_defer};
    g.first.on_msg = on_first;
    g.second.on_msg = on_second_msg;
    loop_post(g.loop, &g.first);
    loop_post(g.loop, &g.second);
    loop_run(g.loop);
    assert_int_equal(g.defers, 1);
    assert_int_equal(g.messages_at_defer, 2);
    loop_free(g.loop);
}

struct chain {
    struct loop_defer outer, inner;
    struct loop *loop;
    uint32_t inner_runs;
};

static void on_inner(struct loop_defer *defer) {
    CONTAINER_OF(defer, struct chain, inner)->inner_runs++;
}

static void on_outer(struct loop_defer *defer) {
    struct chain *chain = CONTAINER_OF(defer, struct chain, outer);
    loop_defer(chain->loop, &chain->inner);
    loop_stop(chain->loop);
}

static void what_a_deferred_function_defers_runs_before_the_loop_sleeps(void **state) {
    (void)state;
    struct chain chain = {.loop = loop_new("chain"), .outer.on_defer = on_outer, .inner.on_defer = on_inner};
    loop_defer(chain.loop, &chain.outer);
    loop_run(chain.loop);
    assert_int_equal(chain.inner_runs, 1);
    loop_free(chain.loop);
}

static void on_defer_and_stop(struct loop_msg *msg) {
    struct gathered *g = CONTAINER_OF(msg, struct gathered, first);
    loop_defer(g->loop, &g->defer);
    loop_stop(g->loop);
}

static void what_was_deferred_in_the_last_iteration_has_run_when_the_loop_returns(void **state) {
    (void)state;
    struct gathered g = {.loop = loop_new("last"), .defer.on_defer = on_gathered_defer};
    g.first.on_msg = on_defer_and_stop;
    loop_stop(g.loop); /* the message is seen in the same iteration as the stop */
    loop_post(g.loop, &g.first);
    loop_run(g.loop);
    assert_int_equal(g.defers, 1);
    loop_free(g.loop);
}

/* ---- timers on the real clock ---- */

struct firing {
    struct loop_timer timer;
    int64_t late_ms;
    uint32_t *order, place;
    bool last;
};

static void on_firing(struct loop_timer *timer) {
    struct firing *firing = CONTAINER_OF(timer, struct firing, timer);
    assert_false(loop_timer_is_set(timer));
    firing->late_ms = clock_ms() - timer->due_ms;
    firing->place = (*firing->order)++;
    if (firing->last) {
        loop_stop(timer->loop);
    }
}

static void timers_fire_in_order_of_their_due_times_and_never_early(void **state) {
    (void)state;
    struct loop *loop = loop_new("timers");
    uint32_t order = 0;
    int64_t now = clock_ms();
    const int64_t delays[] = {30, 5, 20, 1, 12};
    const uint32_t places[] = {4, 1, 3, 0, 2};
    struct firing firings[COUNT_OF(delays)];
    for (size_t i = 0; i < COUNT_OF(delays); i++) {
        firings[i] = (struct firing){.order = &order, .last = i == 0, .late_ms = -1};
        loop_timer_init(&firings[i].timer, loop, on_firing);
        loop_timer_set(&firings[i].timer, now + delays[i]);
    }
    loop_run(loop);
    for (size_t i = 0; i < COUNT_OF(delays); i++) {
        assert_int_equal(firings[i].place, places[i]);
        assert_true(firings[i].late_ms >= 0);
    }
    loop_free(loop);
}

static void on_refire(struct loop_timer *timer) {
    struct firing *firing = CONTAINER_OF(timer, struct firing, timer);
    if (++*firing->order == 100) {
        loop_stop(timer->loop);
        return;
    }
    loop_timer_set(timer, clock_ms());
}

static void a_timer_that_is_always_due_does_not_keep_messages_out(void **state) {
    (void)state;
    struct loop *loop = loop_new("due");
    uint32_t order = 0;
    struct firing firing = {.order = &order};
    struct count count = {.msg.on_msg = on_count};
    loop_timer_init(&firing.timer, loop, on_refire);
    loop_timer_set(&firing.timer, 0);
    loop_post(loop, &count.msg);
    loop_run(loop);
    assert_int_equal(order, 100);
    assert_int_equal(count.seen, 1);
    loop_free(loop);
}

static void a_moved_timer_fires_once_and_a_cleared_one_never(void **state) {
    (void)state;
    struct loop *loop = loop_new("moved");
    uint32_t order = 0;
    struct firing moved = {.order = &order}, cleared = {.order = &order}, end = {.order = &order, .last = true};
    int64_t now = clock_ms();
    loop_timer_init(&moved.timer, loop, on_firing);
    loop_timer_init(&cleared.timer, loop, on_firing);
    loop_timer_init(&end.timer, loop, on_firing);
    loop_timer_set(&moved.timer, now + 3600000);
    loop_timer_set(&cleared.timer, now + 1);
    loop_timer_set(&end.timer, now + 15);
    loop_timer_set(&moved.timer, now + 5);
    loop_timer_clear(&cleared.timer);
    loop_timer_clear(&cleared.timer);
    loop_run(loop);
    assert_int_equal(order, 2);
    assert_int_equal(moved.place, 0);
    loop_free(loop);
}

static void many_timers_set_moved_and_cleared_at_random_keep_the_heap_in_order(void **state) {
    (void)state;
    enum { MANY = 500 };
    struct loop *loop = loop_new("heap");
    static struct firing firings[MANY];
    uint32_t order = 0, seed = 7;
    int64_t base = clock_ms() - 100000; /* all are due at once: the order is the heap's */
    for (size_t i = 0; i < MANY; i++) {
        firings[i] = (struct firing){.order = &order};
        loop_timer_init(&firings[i].timer, loop, on_firing);
    }
    for (size_t i = 0; i < 10 * MANY; i++) {
        seed = seed * 1664525 + 1013904223;
        struct loop_timer *timer = &firings[(seed >> 8) % MANY].timer;
        if (seed >> 30 == 0) {
            loop_timer_clear(timer);
        } else {
            loop_timer_set(timer, base + (seed >> 4) % 50000);
        }
    }
    size_t set = 0;
    for (size_t i = 0; i < MANY; i++) {
        set += loop_timer_is_set(&firings[i].timer);
    }
    struct firing end = {.order = &order, .last = true};
    loop_timer_init(&end.timer, loop, on_firing);
    loop_timer_set(&end.timer, base + 99999);
    loop_run(loop);
    assert_int_equal(order, set + 1);
    for (size_t i = 0; i < MANY; i++) {
        for (size_t j = i + 1; j < MANY; j++) {
            bool both = firings[i].timer.due_ms > 0 && firings[j].timer.due_ms > 0 && firings[i].late_ms > 0 &&
                firings[j].late_ms > 0;
            if (both && firings[i].timer.due_ms < firings[j].timer.due_ms) {
                assert_true(firings[i].place < firings[j].place);
            }
        }
    }
    loop_free(loop);
}

static void a_loop_without_timers_sleeps_without_a_timeout(void **state) {
    (void)state;
    struct loop *loop = loop_new("sleep");
    uint32_t order = 0;
    struct firing firing = {.order = &order, .last = true};
    loop_timer_init(&firing.timer, loop, on_firing);
    loop_timer_set(&firing.timer, clock_ms());
    loop_run(loop);
    uv_update_time(loop_uv(loop));
    assert_int_equal(uv_backend_timeout(loop_uv(loop)), -1);
    loop_free(loop);
}

/* ---- timers on the test clock (last: the clock does not go back) ---- */

struct remote {
    struct loop_timer timer;
    struct loop_timer second; /* set too, to the same time, when it has a function */
    struct loop_msg set;
    int64_t due_ms;
    atomic_uint fired;
};

static void on_remote(struct loop_timer *timer) {
    atomic_fetch_add(&CONTAINER_OF(timer, struct remote, timer)->fired, 1);
}

static void on_second(struct loop_timer *timer) {
    atomic_fetch_add(&CONTAINER_OF(timer, struct remote, second)->fired, 1);
}

static void on_remote_set(struct loop_msg *msg) {
    struct remote *remote = CONTAINER_OF(msg, struct remote, set);
    loop_timer_set(&remote->timer, remote->due_ms);
    if (remote->second.on_timer != NULL) {
        loop_timer_set(&remote->second, remote->due_ms);
    }
}

static void on_remote_clear(struct loop_msg *msg) {
    loop_timer_clear(&CONTAINER_OF(msg, struct remote, set)->timer);
}

static void under_the_test_clock_a_timer_fires_when_time_is_moved_past_it_and_poke_waits_for_that(void **state) {
    (void)state;
    clock_test_start(1000000);
    struct remote remotes[3];
    struct loop *loops[3];
    for (size_t i = 0; i < 3; i++) {
        loops[i] = loop_new("remote");
        remotes[i] = (struct remote){.set.on_msg = on_remote_set, .due_ms = 1000000 + 3600000};
        loop_timer_init(&remotes[i].timer, loops[i], on_remote);
        loop_timer_init(&remotes[i].second, loops[i], on_second);
        loop_start(loops[i]);
        loop_post(loops[i], &remotes[i].set);
    }
    clock_test_advance(3599999);
    loop_test_poke_all(NULL);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(atomic_load(&remotes[i].fired), 0);
    }
    clock_test_advance(1);
    loop_test_poke_all(NULL);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(atomic_load(&remotes[i].fired), 2);
        loop_stop(loops[i]);
        loop_join(loops[i]);
        loop_free(loops[i]);
    }
}

struct poker {
    struct loop_msg msg;
    struct remote own;
    struct loop *loop;
    pthread_barrier_t *together; /* NULL = alone */
    uint32_t own_fired_on_return;
};

static void on_poker(struct loop_msg *msg) {
    struct poker *poker = CONTAINER_OF(msg, struct poker, msg);
    loop_timer_set(&poker->own.timer, clock_ms() + 10);
    clock_test_advance(10);
    if (poker->together != NULL) {
        pthread_barrier_wait(poker->together);
    }
    loop_test_poke_all(poker->loop);
    poker->own_fired_on_return = atomic_load(&poker->own.fired);
    loop_stop(poker->loop);
}

static void a_loop_may_poke_and_its_own_due_timers_have_run_on_return(void **state) {
    (void)state;
    clock_test_start(5000);
    struct loop *other = loop_new("other");
    struct remote remote = {.set.on_msg = on_remote_set, .due_ms = 5010};
    loop_timer_init(&remote.timer, other, on_remote);
    loop_start(other);
    loop_post(other, &remote.set);
    struct poker poker = {.msg.on_msg = on_poker, .loop = loop_new("poker")};
    loop_timer_init(&poker.own.timer, poker.loop, on_remote);
    loop_post(poker.loop, &poker.msg);
    loop_run(poker.loop);
    assert_int_equal(poker.own_fired_on_return, 1);
    assert_int_equal(atomic_load(&remote.fired), 1);
    loop_stop(other);
    loop_join(other);
    loop_free(other);
    loop_free(poker.loop);
}

static void two_loops_may_poke_at_the_same_time(void **state) {
    (void)state;
    clock_test_start(5000);
    pthread_barrier_t together;
    assert_int_equal(pthread_barrier_init(&together, NULL, 2), 0);
    for (int round = 0; round < 50; round++) {
        struct poker pokers[2];
        for (size_t i = 0; i < 2; i++) {
            pokers[i] = (struct poker){.msg.on_msg = on_poker, .loop = loop_new("poker"), .together = &together};
            loop_timer_init(&pokers[i].own.timer, pokers[i].loop, on_remote);
            loop_start(pokers[i].loop);
        }
        for (size_t i = 0; i < 2; i++) {
            loop_post(pokers[i].loop, &pokers[i].msg);
        }
        for (size_t i = 0; i < 2; i++) {
            loop_join(pokers[i].loop);
            assert_int_equal(pokers[i].own_fired_on_return, 1);
            loop_free(pokers[i].loop);
        }
    }
    pthread_barrier_destroy(&together);
}

static void under_the_test_clock_a_timer_in_the_past_fires_by_itself(void **state) {
    (void)state;
    clock_test_start(5000);
    struct loop *loop = loop_new("past");
    uint32_t order = 0;
    struct firing firing = {.order = &order, .last = true};
    loop_timer_init(&firing.timer, loop, on_firing);
    loop_timer_set(&firing.timer, 4000);
    loop_run(loop);
    assert_int_equal(order, 1);
    struct remote never = {.set.on_msg = on_remote_clear};
    loop_timer_init(&never.timer, loop, on_remote);
    loop_timer_set(&never.timer, 6000);
    loop_post(loop, &never.set);
    loop_stop(loop);
    loop_run(loop);
    assert_int_equal(atomic_load(&never.fired), 0);
    loop_free(loop);
}

int main(void) {
    alarm(60);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posts_of_many_threads_all_arrive_in_each_posters_order),
        cmocka_unit_test(a_message_travels_between_two_threads_and_may_be_posted_again_from_its_own_function),
        cmocka_unit_test(a_message_posted_before_stop_still_runs),
        cmocka_unit_test(a_loop_runs_again_after_a_stop),
        cmocka_unit_test(what_is_deferred_twice_in_an_iteration_runs_once_at_its_end),
        cmocka_unit_test(what_a_deferred_function_defers_runs_before_the_loop_sleeps),
        cmocka_unit_test(what_was_deferred_in_the_last_iteration_has_run_when_the_loop_returns),
        cmocka_unit_test(timers_fire_in_order_of_their_due_times_and_never_early),
        cmocka_unit_test(a_timer_that_is_always_due_does_not_keep_messages_out),
        cmocka_unit_test(a_moved_timer_fires_once_and_a_cleared_one_never),
        cmocka_unit_test(many_timers_set_moved_and_cleared_at_random_keep_the_heap_in_order),
        cmocka_unit_test(a_loop_without_timers_sleeps_without_a_timeout),
        cmocka_unit_test(under_the_test_clock_a_timer_fires_when_time_is_moved_past_it_and_poke_waits_for_that),
        cmocka_unit_test(a_loop_may_poke_and_its_own_due_timers_have_run_on_return),
        cmocka_unit_test(two_loops_may_poke_at_the_same_time),
        cmocka_unit_test(under_the_test_clock_a_timer_in_the_past_fires_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
