/* Answers to lookups, kept in memory: a fixed number of places, of which each key has a few; the oldest goes. When they
 * would hold more than TOTAL_MAX all go: a vendor's list of fields is some 100 KB, and there are few of them.
 *
 * thread: any; the lock is held for a copy, or while all are freed. */
#include <pthread.h>

#include "base/clock.h"
#include "destination/code_internal.h"

enum { PLACES = 4096, WAYS = 4, ANSWER_MAX = 2 << 20, TOTAL_MAX = 64 << 20 };

struct place {
    struct hash128 key;
    int64_t until_ms; /* 0 = empty */
    char *text;       /* owned */
    size_t len;
};

static struct {
    pthread_mutex_t lock;
    struct place *places; /* made at the first put, kept for the life of the program */
    size_t total;         /* bytes of all texts */
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct place *ways_of(struct hash128 key) {
    return &cache.places[key.lo % (PLACES / WAYS) * WAYS];
}

struct slice code_cache_get(struct hash128 key, struct arena *arena) {
    struct slice found = SLICE_NONE;
    int64_t now_ms = clock_ms();
    pthread_mutex_lock(&cache.lock);
    struct place *ways = cache.places != NULL ? ways_of(key) : NULL;
    for (size_t i = 0; i < WAYS && ways != NULL; i++) {
        if (ways[i].until_ms > now_ms && hash128_eq(ways[i].key, key)) {
            found = arena_dup(arena, slice_of(ways[i].text, ways[i].len));
            break;
        }
    }
    pthread_mutex_unlock(&cache.lock);
    return found;
}

/* With the lock held. */
static void drop_all(void) {
    for (size_t i = 0; i < PLACES; i++) {
        mem_free(cache.places[i].text);
        cache.places[i] = (struct place){.until_ms = 0};
    }
    cache.total = 0;
}

void code_cache_put(struct hash128 key, struct slice answer, int64_t ttl_ms) {
    if (answer.len > ANSWER_MAX) {
        return;
    }
    char *text = mem_alloc(answer.len + 1);
    memcpy(text, answer.ptr, answer.len);
    pthread_mutex_lock(&cache.lock);
    cache.places = cache.places != NULL ? cache.places : mem_alloc(PLACES * sizeof *cache.places);
    if (cache.total + answer.len > TOTAL_MAX) {
        drop_all();
    }
    struct place *ways = ways_of(key);
    struct place *oldest = &ways[0];
    for (size_t i = 0; i < WAYS; i++) {
        bool same = ways[i].until_ms != 0 && hash128_eq(ways[i].key, key);
        if (same || ways[i].until_ms < oldest->until_ms) {
            oldest = &ways[i];
        }
        if (same) {
            break;
        }
    }
    char *old = oldest->text;
    cache.total = cache.total - oldest->len + answer.len;
    *oldest = (struct place){key, clock_ms() + ttl_ms, text, answer.len};
    pthread_mutex_unlock(&cache.lock);
    mem_free(old);
}
