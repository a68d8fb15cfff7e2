/* The live view: what is kept, what is lost and counted, who is told. */
#include "model/feed.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"

static struct feed_row row_of(const char *outcome, const char *event) {
    struct feed_row row = {.status = 200};
    FEED_SET(row.stage, SLICE("gateway"));
    FEED_SET(row.outcome, slice_cstr(outcome));
    FEED_SET(row.event, slice_cstr(event));
    return row;
}

static void post(struct feed *feed, const char *outcome, const char *event) {
    struct feed_row row = row_of(outcome, event);
    feed_post(feed, &row);
}

static void ignore(void *ctx) {
    (void)ctx;
}

static void only_refusals_and_failures_are_kept_while_nobody_follows(void **state) {
    (void)state;
    static const char *const kept[] = {"rejected", "retry", "dead", "expired", "paused"};
    static const char *const ordinary[] = {"accepted", "duplicate", "filtered", "delivered"};
    struct feed *feed = feed_new();
    for (size_t i = 0; i < COUNT_OF(ordinary); i++) {
        post(feed, ordinary[i], "ordinary");
    }
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        post(feed, kept[i], "kept");
    }
    struct feed_row rows[16];
    uint64_t missed = 99;
    assert_int_equal(feed_read(feed, 0, rows, 16, &missed), COUNT_OF(kept));
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        assert_string_equal(rows[i].outcome, kept[i]);
        assert_int_equal(rows[i].sequence, i + 1);
    }
    assert_int_equal(missed, 0);
    feed_free(feed);
}

static void every_row_is_kept_while_somebody_follows(void **state) {
    (void)state;
    struct feed *feed = feed_new();
    struct loop *loop = loop_new("test");
    assert_false(feed_wanted(feed));
    struct feed_follow *follow = feed_follow(feed, loop, ignore, NULL);
    assert_true(feed_wanted(feed));
    post(feed, "accepted", "a");
    feed_unfollow(follow);
    assert_false(feed_wanted(feed));
    post(feed, "accepted", "b");
    struct feed_row rows[4];
    uint64_t missed;
    assert_int_equal(feed_read(feed, 0, rows, 4, &missed), 1);
    assert_string_equal(rows[0].event, "a");
    assert_int_equal(rows[0].status, 200);
    loop_free(loop);
    feed_free(feed);
}

static void reading_goes_on_after_the_last_row_seen(void **state) {
    (void)state;
    struct feed *feed = feed_new();
    post(feed, "dead", "1");
    post(feed, "dead", "2");
    post(feed, "dead", "3");
    struct feed_row rows[2];
    uint64_t missed;
    assert_int_equal(feed_read(feed, 0, rows, 2, &missed), 2);
    assert_int_equal(feed_read(feed, rows[1].sequence, rows, 2, &missed), 1);
    assert_string_equal(rows[0].event, "3");
    assert_int_equal(missed, 0);
    assert_int_equal(feed_read(feed, rows[0].sequence, rows, 2, &missed), 0);
    feed_free(feed);
}

static void a_slow_reader_is_told_how_many_rows_it_missed(void **state) {
    (void)state;
    struct feed *feed = feed_new();
    post(feed, "dead", "seen");
    for (int i = 0; i < FEED_ROWS + 7; i++) {
        post(feed, "dead", "flood");
    }
    struct feed_row *rows = mem_alloc(FEED_ROWS * sizeof(*rows));
    uint64_t missed;
    assert_int_equal(feed_read(feed, 1, rows, FEED_ROWS, &missed), FEED_ROWS);
    assert_int_equal(missed, 7);
    assert_int_equal(rows[0].sequence, 9);
    assert_int_equal(rows[FEED_ROWS - 1].sequence, FEED_ROWS + 8);
    assert_int_equal(feed_read(feed, 0, rows, 1, &missed), 1);
    assert_int_equal(missed, 0); /* it begins now: nothing was lost to it */
    mem_free(rows);
    feed_free(feed);
}

static void a_field_is_cut_between_characters(void **state) {
    (void)state;
    char field[6];
    FEED_SET(field, SLICE("abc"));
    assert_string_equal(field, "abc");
    FEED_SET(field, SLICE("abcdefgh"));
    assert_string_equal(field, "abcde");
    FEED_SET(field, SLICE("abcd€"));
    assert_string_equal(field, "abcd");
    FEED_SET(field, SLICE("ab€"));
    assert_string_equal(field, "ab€");
    FEED_SET(field, SLICE_NONE);
    assert_string_equal(field, "");
}

/* ---- followers ---- */

struct watcher {
    struct loop *loop;
    struct feed *feed;
    struct feed_follow *follow;
    unsigned calls;
    uint64_t first, seen, rows, missed;
    uint64_t stop_at;
};

static void on_rows(void *ctx) {
    struct watcher *watcher = ctx;
    static struct feed_row rows[64]; /* one loop thread */
    uint64_t missed;
    watcher->calls++;
    size_t count;
    do {
        count = feed_read(watcher->feed, watcher->seen, rows, COUNT_OF(rows), &missed);
        watcher->first = watcher->first == 0 && count > 0 ? rows[0].sequence : watcher->first;
        watcher->rows += count;
        watcher->missed += missed;
        watcher->seen = count > 0 ? rows[count - 1].sequence : watcher->seen;
    } while (count == COUNT_OF(rows));
    if (watcher->seen >= watcher->stop_at) {
        feed_unfollow(watcher->follow);
        loop_stop(watcher->loop);
    }
}

static void rows_posted_together_bring_one_call(void **state) {
    (void)state;
    struct watcher watcher = {.loop = loop_new("test"), .feed = feed_new(), .stop_at = 3};
    watcher.follow = feed_follow(watcher.feed, watcher.loop, on_rows, &watcher);
    post(watcher.feed, "accepted", "1");
    post(watcher.feed, "dead", "2");
    post(watcher.feed, "accepted", "3");
    loop_run(watcher.loop);
    assert_int_equal(watcher.calls, 1);
    assert_int_equal(watcher.rows, 3);
    assert_false(feed_wanted(watcher.feed));
    loop_free(watcher.loop);
    feed_free(watcher.feed);
}

struct stopper {
    struct loop_msg msg;
    struct loop *loop;
};

static void on_stop(struct loop_msg *msg) {
    loop_stop(CONTAINER_OF(msg, struct stopper, msg)->loop);
}

static void fail_on_rows(void *ctx) {
    (void)ctx;
    abort(); /* on the loop, where cmocka's fail() cannot jump */
}

static void a_follower_that_left_is_not_called_though_a_message_was_on_its_way(void **state) {
    (void)state;
    struct feed *feed = feed_new();
    struct stopper stopper = {.msg = {.on_msg = on_stop}, .loop = loop_new("test")};
    struct feed_follow *follow = feed_follow(feed, stopper.loop, fail_on_rows, NULL);
    post(feed, "accepted", "1");
    feed_unfollow(follow); /* before the loop has run its message */
    post(feed, "dead", "2");
    loop_post(stopper.loop, &stopper.msg);
    loop_run(stopper.loop);
    loop_free(stopper.loop);
    feed_free(feed);
}

static void a_follower_whose_loop_ended_first_goes_with_the_feed(void **state) {
    (void)state;
    struct feed *feed = feed_new();
    struct loop *loop = loop_new("test");
    struct feed_follow *follow = feed_follow(feed, loop, fail_on_rows, NULL);
    post(feed, "accepted", "1");
    feed_unfollow(follow);
    loop_free(loop);
    feed_free(feed); /* a sanitizer sees what it leaves */
}

enum { POSTERS = 3, POSTS = 20000 };

static void *post_many(void *ctx) {
    for (int i = 0; i < POSTS; i++) {
        post(ctx, i % 4 == 0 ? "dead" : "delivered", "e");
    }
    return NULL;
}

/* The last row, which says that all posters are done. */
static void *post_and_end(void *ctx) {
    struct watcher *watcher = ctx;
    pthread_t threads[POSTERS];
    for (int i = 0; i < POSTERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, watcher->feed), 0);
    }
    for (int i = 0; i < POSTERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    post(watcher->feed, "dead", "end");
    return NULL;
}

static void under_load_every_row_is_read_or_counted_as_missed(void **state) {
    (void)state;
    struct watcher watcher = {.loop = loop_new("test"), .feed = feed_new(), .stop_at = POSTERS * POSTS + 1};
    watcher.follow = feed_follow(watcher.feed, watcher.loop, on_rows, &watcher);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, post_and_end, &watcher), 0);
    loop_run(watcher.loop);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(watcher.seen, POSTERS * POSTS + 1);
    assert_int_equal(watcher.first - 1 + watcher.rows + watcher.missed, watcher.seen);
    loop_free(watcher.loop);
    feed_free(watcher.feed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_refusals_and_failures_are_kept_while_nobody_follows),
        cmocka_unit_test(every_row_is_kept_while_somebody_follows),
        cmocka_unit_test(reading_goes_on_after_the_last_row_seen),
        cmocka_unit_test(a_slow_reader_is_told_how_many_rows_it_missed),
        cmocka_unit_test(a_field_is_cut_between_characters),
        cmocka_unit_test(rows_posted_together_bring_one_call),
        cmocka_unit_test(a_follower_that_left_is_not_called_though_a_message_was_on_its_way),
        cmocka_unit_test(a_follower_whose_loop_ended_first_goes_with_the_feed),
        cmocka_unit_test(under_load_every_row_is_read_or_counted_as_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
