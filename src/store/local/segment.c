/* Segments: list, references, entries in memory, rows per source. See segment.h. */
#include "store/local/segment.h"

#include <stdio.h>

#include "store/local/local.h"

#define CHUNKS_FIRST 8u
#define PAIRS_FIRST 8u
#define OPEN_SEGMENTS_KEPT 32u /* sealed ones whose files stay open without a reader */

void local_segment_name(uint64_t base, const char *suffix, char out[LOCAL_NAME_SIZE]) {
    int n = snprintf(out, LOCAL_NAME_SIZE, "log/%020lu.%s", (unsigned long)base, suffix);
    ASSERT(n > 0 && (unsigned)n < LOCAL_NAME_SIZE);
}

struct local_segment *local_segment_new(struct local *local, uint64_t base) {
    struct local_segment *segment = mem_alloc(sizeof *segment);
    segment->local = local;
    segment->base = base;
    segment->salt = hash_check(&base, sizeof base);
    segment->refs = 1;
    segment->fd = segment->index_fd = segment->index_fd_bad = -1;
    segment->end = sizeof(struct local_segment_head);
    segment->min_ms = INT64_MAX;
    segment->max_ms = INT64_MIN;
    pthread_mutex_init(&segment->lock, NULL);
    return segment;
}

/* Under segment->lock, or when nobody else has it. */
static void segment_close_files(struct local_segment *segment) {
    struct local *local = segment->local;
    if (segment->fd >= 0) {
        local->fs->close(local->fs, segment->fd);
        atomic_fetch_sub_explicit(&local->open_segments, 1, memory_order_relaxed);
    }
    if (segment->index_fd >= 0) {
        local->fs->close(local->fs, segment->index_fd);
    }
    if (segment->index_fd_bad >= 0) {
        local->fs->close(local->fs, segment->index_fd_bad);
    }
    segment->fd = segment->index_fd = segment->index_fd_bad = -1;
}

void local_segment_drop_chunks(struct local_segment *segment) {
    for (size_t i = 0; i < segment->chunk_count; i++) {
        mem_free(segment->chunks[i]);
    }
    mem_free(segment->chunks);
    mem_free(segment->pair_slots);
    segment->chunks = NULL;
    segment->pair_slots = NULL;
    segment->chunk_count = segment->chunk_cap = 0;
    segment->pair_mask = 0;
}

static void segment_free(struct local_segment *segment) {
    segment_close_files(segment);
    local_segment_drop_chunks(segment);
    mem_free(segment->pairs);
    mem_free(segment->sums);
    pthread_mutex_destroy(&segment->lock);
    mem_free(segment);
}

void local_segment_release(struct local_segment *segment) {
    if (segment == NULL) {
        return;
    }
    struct local *local = segment->local;
    pthread_mutex_lock(&local->segments_lock);
    uint32_t refs = --segment->refs;
    if (refs == 1 && segment->sealed &&
        atomic_load_explicit(&local->open_segments, memory_order_relaxed) > OPEN_SEGMENTS_KEPT) {
        pthread_mutex_lock(&segment->lock);
        segment_close_files(segment); /* only the list has it, and finding it takes segments_lock */
        pthread_mutex_unlock(&segment->lock);
    }
    pthread_mutex_unlock(&local->segments_lock);
    if (refs == 0) {
        segment_free(segment);
    }
}

void local_segment_put(struct local *local, struct local_segment *segment) {
    pthread_mutex_lock(&local->segments_lock);
    if (local->segment_count == local->segment_cap) {
        local->segment_cap = local->segment_cap > 0 ? local->segment_cap * 2 : CHUNKS_FIRST;
        local->segments = mem_resize(local->segments, local->segment_cap * sizeof *local->segments);
    }
    if (local->segment_count > 0) {
        struct local_segment *before = local->segments[local->segment_count - 1];
        ASSERT(before->base < segment->base);
        before->sealed = true;
    }
    local->segments[local->segment_count++] = segment;
    stat_set(&local->store.stat.segments, (int64_t)local->segment_count);
    pthread_mutex_unlock(&local->segments_lock);
}

/* Under segments_lock: number of the first segment whose base is above `offset`. */
static size_t list_upper(const struct local *local, uint64_t offset) {
    size_t low = 0, high = local->segment_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (local->segments[middle]->base <= offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct local_segment *local_segment_find(struct local *local, uint64_t offset) {
    pthread_mutex_lock(&local->segments_lock);
    size_t i = list_upper(local, offset);
    if (i > 0 && offset - local->segments[i - 1]->base < local_segment_count(local->segments[i - 1])) {
        i--;
    }
    struct local_segment *segment = i < local->segment_count ? local->segments[i] : NULL;
    if (segment != NULL) {
        segment->refs++;
    }
    pthread_mutex_unlock(&local->segments_lock);
    return segment;
}

struct local_segment *local_segment_after(struct local *local, const struct local_segment *segment) {
    pthread_mutex_lock(&local->segments_lock);
    size_t i = list_upper(local, segment->base);
    struct local_segment *after = i < local->segment_count ? local->segments[i] : NULL;
    if (after != NULL) {
        after->refs++;
    }
    pthread_mutex_unlock(&local->segments_lock);
    return after;
}

/* ---- rows per source and target ---- */

static uint32_t pair_hash(uint64_t source, uint64_t target) {
    uint64_t h = (source ^ (target * UINT64_C(0x9e3779b97f4a7c15))) * UINT64_C(0xd6e8feb86659fd93);
    return (uint32_t)(h >> 32);
}

static void pair_slots_grow(struct local_segment *segment) {
    uint32_t size = segment->pair_mask > 0 ? (segment->pair_mask + 1) * 2 : PAIRS_FIRST * 2;
    while (size < segment->pair_cap * 2) {
        size *= 2;
    }
    mem_free(segment->pair_slots);
    segment->pair_slots = mem_alloc(size * sizeof *segment->pair_slots);
    segment->pair_mask = size - 1;
    for (uint32_t i = 0; i < segment->pair_count; i++) {
        uint32_t at = pair_hash(segment->pairs[i].source, segment->pairs[i].target) & segment->pair_mask;
        while (segment->pair_slots[at] != 0) {
            at = (at + 1) & segment->pair_mask;
        }
        segment->pair_slots[at] = i + 1;
    }
}

/* Number of the row of (source, target), made if there is none. Under segment->lock. */
static uint32_t pair_number(struct local_segment *segment, uint64_t source, uint64_t target) {
    if (segment->pair_count >= segment->pair_cap || segment->pair_slots == NULL) {
        if (segment->pair_count >= segment->pair_cap) {
            segment->pair_cap = segment->pair_cap > 0 ? segment->pair_cap * 2 : PAIRS_FIRST;
            segment->pairs = mem_resize(segment->pairs, segment->pair_cap * sizeof *segment->pairs);
        }
        pair_slots_grow(segment);
    }
    uint32_t at = pair_hash(source, target) & segment->pair_mask;
    while (segment->pair_slots[at] != 0) {
        uint32_t i = segment->pair_slots[at] - 1;
        if (segment->pairs[i].source == source && segment->pairs[i].target == target) {
            return i;
        }
        at = (at + 1) & segment->pair_mask;
    }
    segment->pairs[segment->pair_count] = (struct local_pair){.source = source, .target = target};
    segment->pair_slots[at] = segment->pair_count + 1;
    return segment->pair_count++;
}

bool local_pair_wanted(const struct local_pair *pair, const struct store_filter *filter) {
    if (filter == NULL) {
        return true;
    }
    if (filter->target != 0 && pair->target != 0 && pair->target != filter->target) {
        return false;
    }
    if (filter->sources == NULL) {
        return true;
    }
    for (size_t i = 0; i < filter->source_count; i++) {
        if (filter->sources[i] == pair->source) {
            return true;
        }
    }
    return false;
}

uint32_t local_segment_wanted(
    struct local_segment *segment, const struct store_filter *filter, uint8_t **bits, uint32_t *cap, bool *ret_any) {
    *ret_any = false;
    pthread_mutex_lock(&segment->lock);
    uint32_t count = segment->pair_count;
    if (*cap < count) {
        *bits = mem_resize(*bits, count);
        *cap = count;
    }
    for (uint32_t i = 0; i < count; i++) {
        (*bits)[i] = local_pair_wanted(&segment->pairs[i], filter);
        *ret_any |= (*bits)[i] != 0;
    }
    pthread_mutex_unlock(&segment->lock);
    return count;
}

/* ---- entries ---- */

static struct local_entry *entry_next(struct local_segment *segment) {
    size_t chunk = segment->added / LOCAL_CHUNK_ENTRIES;
    if (chunk == segment->chunk_count) {
        if (segment->chunk_count == segment->chunk_cap) {
            segment->chunk_cap = segment->chunk_cap > 0 ? segment->chunk_cap * 2 : CHUNKS_FIRST;
            segment->chunks = mem_resize(segment->chunks, segment->chunk_cap * sizeof(struct local_entry *));
        }
        segment->chunks[segment->chunk_count++] = mem_alloc(LOCAL_CHUNK_ENTRIES * sizeof(struct local_entry));
    }
    return &segment->chunks[chunk][segment->added++ % LOCAL_CHUNK_ENTRIES];
}

static int32_t entry_ms(const struct local_segment *segment, int64_t ms) {
    int64_t delta;
    if (__builtin_sub_overflow(ms, segment->base_ms, &delta)) {
        return ms < 0 ? INT32_MIN : INT32_MAX;
    }
    return delta > INT32_MAX ? INT32_MAX : delta < INT32_MIN ? INT32_MIN : (int32_t)delta;
}

void local_segment_add(struct local_segment *segment, const struct frame *frame, uint64_t at) {
    ASSERT(frame->offset == segment->base + segment->added);
    if (segment->max_ms == INT64_MIN) {
        segment->base_ms = frame->received_ms;
    }
    uint32_t number = pair_number(segment, frame->source, frame->target);
    struct local_pair *pair = &segment->pairs[number];
    bool rejected = (frame->flags & RECORD_REJECTED) != 0;
    pair->rejected += rejected;
    pair->wanted += !rejected;
    *entry_next(segment) = (struct local_entry){
        .message = frame->message,
        .at = (uint32_t)(at / FRAME_ALIGN),
        .size = (uint32_t)(frame_size(frame) / FRAME_ALIGN),
        .ms = entry_ms(segment, frame->received_ms),
        .pair = number & 0xffffff,
        .flags = frame->flags,
    };
    if (frame->received_ms < segment->min_ms) {
        segment->min_ms = frame->received_ms;
    }
    if (frame->received_ms > segment->max_ms) {
        segment->max_ms = frame->received_ms;
    }
}

void local_segment_add_lost(struct local_segment *segment, uint64_t offset) {
    while (segment->base + segment->added < offset) {
        *entry_next(segment) = (struct local_entry){.size = 0};
    }
}

void local_segment_publish(struct local_segment *segment, uint64_t end) {
    atomic_store_explicit(&segment->end, end, memory_order_release);
    atomic_store_explicit(&segment->count, segment->added, memory_order_release);
}

/* Whole pages at a time, from the .idx file. */
static enum err entries_from_index(
    struct local_segment *segment, uint64_t first, size_t count, struct local_entry *out) {
    struct local_entry page[LOCAL_PAGE_ENTRIES];
    while (count > 0) {
        size_t skip = first % LOCAL_PAGE_ENTRIES;
        size_t n = LOCAL_PAGE_ENTRIES - skip < count ? LOCAL_PAGE_ENTRIES - skip : count;
        bool whole = n == LOCAL_PAGE_ENTRIES;
        enum err e = local_index_page(segment, first / LOCAL_PAGE_ENTRIES, whole ? (void *)out : (void *)page);
        if (e != OK) {
            return e;
        }
        if (!whole) {
            memcpy(out, page + skip, n * sizeof *out);
        }
        out += n;
        first += n;
        count -= n;
    }
    return OK;
}

enum err local_segment_entries(
    struct local_segment *segment, uint64_t first, size_t max, struct local_entry *out, size_t *ret_count) {
    uint64_t known = local_segment_count(segment);
    size_t count = first >= known ? 0 : known - first < max ? known - first : max;
    pthread_mutex_lock(&segment->lock);
    bool indexed = segment->indexed;
    for (size_t done = 0; !indexed && done < count;) {
        size_t skip = (first + done) % LOCAL_CHUNK_ENTRIES;
        size_t n = LOCAL_CHUNK_ENTRIES - skip < count - done ? LOCAL_CHUNK_ENTRIES - skip : count - done;
        memcpy(out + done, segment->chunks[(first + done) / LOCAL_CHUNK_ENTRIES] + skip, n * sizeof *out);
        done += n;
    }
    pthread_mutex_unlock(&segment->lock);
    enum err e = indexed ? entries_from_index(segment, first, count, out) : OK;
    if (e == ERR_CORRUPT && local_index_repair(segment) == OK) {
        e = entries_from_index(segment, first, count, out);
    }
    if (e == OK) {
        *ret_count = count;
    }
    return e;
}

enum err local_segment_fd(struct local_segment *segment, int *ret_fd) {
    struct local *local = segment->local;
    pthread_mutex_lock(&segment->lock);
    if (segment->fd < 0) {
        char name[LOCAL_NAME_SIZE];
        local_segment_name(segment->base, "seg", name);
        segment->fd = local->fs->open(local->fs, name, 0);
        if (segment->fd >= 0) {
            atomic_fetch_add_explicit(&local->open_segments, 1, memory_order_relaxed);
        }
    }
    int fd = segment->fd;
    pthread_mutex_unlock(&segment->lock);
    if (fd < 0) {
        return local_io(local, fd, "open", segment->base);
    }
    *ret_fd = fd;
    return OK;
}
