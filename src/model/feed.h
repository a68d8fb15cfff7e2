/* The live view: what happens to events now, for `tail`. Lossy and bounded: a ring of the last rows; refusals and
 * failures are always put in it, ordinary rows only while somebody follows. Posting never blocks and never waits for a
 * reader. thread: feed_post from any; subscriptions belong to one loop. */
#ifndef SLUICE_MODEL_FEED_H
#define SLUICE_MODEL_FEED_H

#include "base/loop.h"
#include "base/slice.h"

#define FEED_ROWS 1024

struct feed_row {
    int64_t at_ms;
    uint64_t sequence; /* set by feed_post */
    uint64_t offset;   /* UINT64_MAX = never stored */
    uint32_t latency_us;
    uint16_t status; /* HTTP: ours (gateway) or the destination's (delivery) */
    uint16_t attempt;
    char stage[12];   /* gateway processor delivery */
    char outcome[12]; /* accepted rejected duplicate filtered delivered retry dead expired paused */
    char type[12];
    char source[40]; /* source id; or the write key's first 4 bytes + "…" when unknown */
    char destination[40];
    char message_id[64];
    char event[64]; /* event or page name */
    char reason[160];
};

struct feed;
struct feed *feed_new(void);
/* Posters have stopped, followers have left, and the loops that they were on do not run any more. */
void feed_free(struct feed *feed);
/* Somebody follows: ordinary rows are wanted. One relaxed load. */
bool feed_wanted(const struct feed *feed);
void feed_post(struct feed *feed, const struct feed_row *row);
/* Copies `s` into a field, cut at a UTF-8 boundary. */
#define FEED_SET(field, s) feed_set((field), sizeof(field), (s))
void feed_set(char *field, size_t size, struct slice s);

/* Rows with sequence > after, oldest first; at most `max`. Returns how many; *ret_missed = rows lost to this reader
 * between `after` and the last of them (a reader that begins, after = 0, has lost nothing of what was before). */
size_t feed_read(struct feed *feed, uint64_t after, struct feed_row *out, size_t max, uint64_t *ret_missed);
/* on_rows is called on `loop` after rows came (coalesced), never after feed_unfollow, which it may call itself.
 * thread: both of `loop`, or while it does not run. */
struct feed_follow;
struct feed_follow *feed_follow(struct feed *feed, struct loop *loop, void (*on_rows)(void *ctx), void *ctx);
void feed_unfollow(struct feed_follow *follow);

#endif
