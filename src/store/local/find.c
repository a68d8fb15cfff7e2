/* Lookups that need no payload: by time, by message id, counts per source. */
#include "store/local/local.h"

#define WINDOW_ENTRIES 512u

uint64_t local_offset_at(struct store *store, int64_t ms) {
    struct local *local = local_of(store);
    struct local_segment *segment = local_segment_find(local, 0);
    uint64_t found = UINT64_MAX;
    while (segment != NULL && found == UINT64_MAX) {
        uint64_t count = segment->max_ms >= ms ? local_segment_count(segment) : 0;
        for (uint64_t first = 0; first < count && found == UINT64_MAX; first += WINDOW_ENTRIES) {
            struct local_entry window[WINDOW_ENTRIES];
            size_t n = 0;
            if (local_segment_entries(segment, first, WINDOW_ENTRIES, window, &n) != OK) {
                found = segment->base + first; /* not known: rather too early than too late */
            }
            for (size_t i = 0; i < n && found == UINT64_MAX; i++) {
                if (window[i].size != 0 && segment->base_ms + window[i].ms >= ms) {
                    found = segment->base + first + i;
                }
            }
        }
        struct local_segment *after = local_segment_after(local, segment);
        local_segment_release(segment);
        segment = after;
    }
    local_segment_release(segment);
    return found != UINT64_MAX ? found : atomic_load_explicit(&local->head, memory_order_acquire);
}

enum err local_find_message(struct store *store, struct hash128 message, uint64_t *out, size_t max, size_t *ret_count) {
    struct local *local = local_of(store);
    struct local_segment *segment = local_segment_find(local, 0);
    size_t count = 0;
    enum err e = OK;
    while (segment != NULL && e == OK && count < max) {
        e = local_index_find(segment, message, out, max, &count);
        e = e == ERR_NOT_FOUND ? OK : e; /* trimmed meanwhile */
        struct local_segment *after = local_segment_after(local, segment);
        local_segment_release(segment);
        segment = after;
    }
    local_segment_release(segment);
    if (e == OK) {
        *ret_count = count;
    }
    return e;
}

/* The whole segment, from its rows; false when something is being published just now. */
static bool count_rows(
    struct local_segment *segment, const struct store_filter *filter, uint64_t expected, uint64_t *count) {
    uint64_t sum = 0;
    pthread_mutex_lock(&segment->lock);
    bool steady = segment->added == expected;
    for (uint32_t i = 0; steady && i < segment->pair_count; i++) {
        sum += local_pair_wanted(&segment->pairs[i], filter) ? segment->pairs[i].wanted : 0;
    }
    pthread_mutex_unlock(&segment->lock);
    *count += sum;
    return steady;
}

/* Part of a segment, from its entries. */
static enum err count_entries(
    struct local_segment *segment, const uint8_t *bits, uint64_t first, uint64_t end, uint64_t *count) {
    struct local_entry window[WINDOW_ENTRIES];
    while (first < end) {
        size_t n = 0;
        size_t max = end - first < WINDOW_ENTRIES ? end - first : WINDOW_ENTRIES;
        enum err e = local_segment_entries(segment, first, max, window, &n);
        if (e != OK) {
            return e;
        }
        for (size_t i = 0; i < n; i++) {
            *count += window[i].size != 0 && (window[i].flags & RECORD_REJECTED) == 0 && bits[window[i].pair] != 0;
        }
        first += n;
    }
    return OK;
}

static enum err count_segment(
    struct local_segment *segment, const struct store_filter *filter, uint64_t from, uint64_t to, uint64_t *count) {
    uint64_t known = local_segment_count(segment);
    uint64_t first = from > segment->base ? from - segment->base : 0;
    uint64_t end = to - segment->base < known ? to - segment->base : known;
    if (first >= end || (first == 0 && end == known && count_rows(segment, filter, known, count))) {
        return OK;
    }
    uint8_t *bits = NULL;
    uint32_t cap = 0;
    bool any = false;
    (void)local_segment_wanted(segment, filter, &bits, &cap, &any);
    enum err e = any ? count_entries(segment, bits, first, end, count) : OK;
    mem_free(bits);
    return e;
}

enum err local_count(
    struct store *store, const struct store_filter *filter, uint64_t from, uint64_t to, uint64_t *ret_count) {
    struct local *local = local_of(store);
    uint64_t head = atomic_load_explicit(&local->head, memory_order_acquire);
    to = to < head ? to : head;
    uint64_t count = 0;
    enum err e = OK;
    struct local_segment *segment = local_segment_find(local, from);
    while (segment != NULL && segment->base < to && e == OK) {
        e = count_segment(segment, filter, from, to, &count);
        e = e == ERR_NOT_FOUND ? OK : e; /* trimmed meanwhile */
        struct local_segment *after = local_segment_after(local, segment);
        local_segment_release(segment);
        segment = after;
    }
    local_segment_release(segment);
    if (e == OK) {
        *ret_count = count;
    }
    return e;
}
