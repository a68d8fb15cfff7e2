/* The ring of the live view. One short mutex guards ring, numbers and followers; nothing is called while it is held.
 *
 * An ordinary row that finds the mutex taken is left out and counted: the next row that gets in leaves a gap in the
 * sequence, so that readers see what they missed. A refusal or failure waits for the mutex, which is held for a copy of
 * at most `max` rows.
 *
 * Followers: `pending` (under the mutex) is true from the moment a poster has picked a follower until its message has
 * run on its loop. While it is true the follower's memory stays: unfollow only marks it, and the message frees it, or
 * feed_free when the loop ended first. */
#include "model/feed.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"

struct feed_follow {
    struct loop_msg msg; /* on the loop while pending */
    struct feed *feed;
    struct loop *loop;
    void (*on_rows)(void *ctx);
    void *ctx;
    struct feed_follow *next;   /* of the feed; under its lock */
    struct feed_follow *notify; /* of the poster that set pending */
    bool pending, closed;       /* under the feed's lock */
};

struct feed {
    _Atomic uint32_t followers; /* an atomic outside base/: asked for every event, by every stage */
    _Atomic uint64_t left_out;  /* ordinary rows since the last one that got in */
    pthread_mutex_t lock;
    struct feed_row *ring; /* FEED_ROWS, made when first needed: an idle server does not pay for it */
    uint64_t sequence;     /* of the last row */
    uint64_t rows;         /* ever put in the ring; row n is at (n - 1) % FEED_ROWS */
    struct feed_follow *first;
};

struct feed *feed_new(void) {
    struct feed *feed = mem_alloc(sizeof(*feed));
    atomic_init(&feed->followers, 0);
    atomic_init(&feed->left_out, 0);
    int failed = pthread_mutex_init(&feed->lock, NULL);
    ASSERT(failed == 0);
    return feed;
}

void feed_free(struct feed *feed) {
    if (feed == NULL) {
        return;
    }
    while (feed->first != NULL) {
        struct feed_follow *follow = feed->first;
        ASSERT(follow->closed);
        feed->first = follow->next;
        mem_free(follow);
    }
    (void)pthread_mutex_destroy(&feed->lock); /* nobody holds it: the feed is the caller's alone */
    mem_free(feed->ring);
    mem_free(feed);
}

static void feed_lock(struct feed *feed) {
    int failed = pthread_mutex_lock(&feed->lock);
    ASSERT(failed == 0);
}

static void feed_unlock(struct feed *feed) {
    int failed = pthread_mutex_unlock(&feed->lock);
    ASSERT(failed == 0);
}

bool feed_wanted(const struct feed *feed) {
    return atomic_load_explicit(&feed->followers, memory_order_relaxed) > 0;
}

/* Rows that say that all is well. */
static bool is_ordinary(const struct feed_row *row) {
    static const char *const outcomes[] = {"accepted", "delivered", "filtered", "duplicate"};
    for (size_t i = 0; i < COUNT_OF(outcomes); i++) {
        if (strcmp(row->outcome, outcomes[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void ring_put(struct feed *feed, const struct feed_row *row) {
    if (feed->ring == NULL) {
        feed->ring = mem_alloc(FEED_ROWS * sizeof(*feed->ring));
    }
    struct feed_row *slot = &feed->ring[feed->rows % FEED_ROWS];
    *slot = *row;
    feed->sequence += 1 + atomic_exchange_explicit(&feed->left_out, 0, memory_order_relaxed);
    slot->sequence = feed->sequence;
    feed->rows++;
}

/* Followers that have no message under way; from now on each has one. */
static struct feed_follow *pick_followers(struct feed *feed) {
    struct feed_follow *picked = NULL;
    for (struct feed_follow *follow = feed->first; follow != NULL; follow = follow->next) {
        if (!follow->pending) {
            follow->pending = true;
            follow->notify = picked;
            picked = follow;
        }
    }
    return picked;
}

void feed_post(struct feed *feed, const struct feed_row *row) {
    if (!is_ordinary(row)) {
        feed_lock(feed);
    } else if (!feed_wanted(feed)) {
        return;
    } else if (pthread_mutex_trylock(&feed->lock) != 0) {
        atomic_fetch_add_explicit(&feed->left_out, 1, memory_order_relaxed);
        return;
    }
    ring_put(feed, row);
    struct feed_follow *picked = pick_followers(feed);
    feed_unlock(feed);
    while (picked != NULL) {
        struct feed_follow *next = picked->notify; /* read first: the message may free it at once */
        loop_post(picked->loop, &picked->msg);
        picked = next;
    }
}

void feed_set(char *field, size_t size, struct slice s) {
    ASSERT(size > 0);
    size_t len = s.len < size ? s.len : size - 1;
    while (len < s.len && len > 0 && ((unsigned char)s.ptr[len] & 0xC0) == 0x80) {
        len--;
    }
    if (len > 0) {
        memcpy(field, s.ptr, len);
    }
    field[len] = '\0';
}

size_t feed_read(struct feed *feed, uint64_t after, struct feed_row *out, size_t max, uint64_t *ret_missed) {
    feed_lock(feed);
    uint64_t held = feed->rows < FEED_ROWS ? feed->rows : FEED_ROWS;
    uint64_t at = feed->rows - held;
    while (at < feed->rows && feed->ring[at % FEED_ROWS].sequence <= after) {
        at++;
    }
    uint64_t last = after;
    uint64_t missed = 0;
    size_t count = 0;
    while (count < max && at < feed->rows) {
        out[count] = feed->ring[at % FEED_ROWS];
        /* a reader that begins (after = 0) has lost nothing of what was before */
        missed += last == 0 && after == 0 ? 0 : out[count].sequence - last - 1;
        last = out[count].sequence;
        count++;
        at++;
    }
    feed_unlock(feed);
    *ret_missed = missed;
    return count;
}

static void unlink_follow(struct feed *feed, struct feed_follow *follow) {
    struct feed_follow **link = &feed->first;
    while (*link != follow) {
        ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = follow->next;
}

static void follow_on_msg(struct loop_msg *msg) {
    struct feed_follow *follow = CONTAINER_OF(msg, struct feed_follow, msg);
    struct feed *feed = follow->feed;
    feed_lock(feed);
    bool closed = follow->closed;
    if (closed) {
        unlink_follow(feed, follow);
    }
    follow->pending = false; /* before on_rows reads: rows that come meanwhile bring another message */
    feed_unlock(feed);
    if (closed) {
        mem_free(follow);
        return;
    }
    follow->on_rows(follow->ctx); /* may unfollow */
}

struct feed_follow *feed_follow(struct feed *feed, struct loop *loop, void (*on_rows)(void *ctx), void *ctx) {
    struct feed_follow *follow = mem_alloc(sizeof(*follow));
    *follow = (struct feed_follow){
        .msg = {.on_msg = follow_on_msg}, .feed = feed, .loop = loop, .on_rows = on_rows, .ctx = ctx};
    feed_lock(feed);
    follow->next = feed->first;
    feed->first = follow;
    feed_unlock(feed);
    atomic_fetch_add_explicit(&feed->followers, 1, memory_order_relaxed);
    return follow;
}

void feed_unfollow(struct feed_follow *follow) {
    struct feed *feed = follow->feed;
    atomic_fetch_sub_explicit(&feed->followers, 1, memory_order_relaxed);
    feed_lock(feed);
    bool pending = follow->pending; /* then its message is on the way here, and frees it */
    follow->closed = true;
    if (!pending) {
        unlink_follow(feed, follow);
    }
    feed_unlock(feed);
    if (!pending) {
        mem_free(follow);
    }
}
