/* Message ids seen lately: exact within the window, bounded, in memory; rebuilt at start from the indexes.
 *
 * Two generations. Ids are entered into the newer one; when it is as old as the window, or holds half of the ids
 * allowed, it becomes the older one and what was the older one is dropped. Tables grow by doubling, moving a few slots
 * at each entry, so that no commit waits for a rehash. thread: the writer's. The gauges are atomic. */
#ifndef SLUICE_STORE_LOCAL_DEDUP_H
#define SLUICE_STORE_LOCAL_DEDUP_H

#include <stdatomic.h>

#include "base/hash.h"

struct dedup_slot;

struct dedup_table {
    struct dedup_slot *slots; /* NULL: empty */
    uint64_t cap;
};

struct dedup_generation {
    struct dedup_table now, old; /* old: being moved to now */
    uint64_t moved;              /* slots of old that have been */
    uint64_t count;
    int64_t base_ms;  /* slots hold times from here */
    int64_t first_ms; /* received time of the first id */
    uint64_t base_offset;
};

struct local_dedup {
    int64_t window_ms; /* 0: off */
    uint64_t generation_max;
    uint64_t expected; /* ids about to be entered: tables are made for them at once; 0 = not known */
    uint64_t seed;
    struct dedup_generation newer, older;
    _Atomic uint64_t entries;
    _Atomic int64_t oldest_ms; /* INT64_MAX: none */
    uint64_t evicted;          /* forgotten before their time, since the caller last looked */
};

void local_dedup_init(struct local_dedup *dedup, int64_t window_ms, uint64_t entries_max);
void local_dedup_fini(struct local_dedup *dedup);
/* True: seen at most window_ms before `ms`; *ret_first is its offset then (UINT64_MAX: not known). Else it is entered
 * as seen now. */
bool local_dedup_seen(struct local_dedup *dedup, struct hash128 message, uint64_t source, int64_t ms, uint64_t offset,
    uint64_t *ret_first);
/* Brings the place of an id into the cache, for a local_dedup_seen soon after. */
void local_dedup_prefetch(const struct local_dedup *dedup, struct hash128 message, uint64_t source);
/* Takes back an entry of a record that was not stored after all. */
void local_dedup_forget(struct local_dedup *dedup, struct hash128 message, uint64_t source);

#endif
