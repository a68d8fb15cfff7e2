/* The log at start: lists the segments, takes over their indexes, reads on where an index ends, cuts off the torn tail
 * of the last one. Before any thread runs, but for dedup_rebuild. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/local/local.h"

#define WINDOW_ENTRIES 512u
#define NAME_DIGITS 20u
#define LIST_FIRST 64u

struct names {
    struct local *local;
    uint64_t *bases;
    size_t count, cap;
    uint64_t *indexes; /* bases that have an .idx file */
    size_t index_count, index_cap;
};

static void append_base(uint64_t **list, size_t *count, size_t *cap, uint64_t base) {
    if (*count == *cap) {
        *cap = *cap > 0 ? *cap * 2 : LIST_FIRST;
        *list = mem_resize(*list, *cap * sizeof **list);
    }
    (*list)[(*count)++] = base;
}

static void on_log_name(void *ctx, const char *name) {
    struct names *names = ctx;
    struct slice suffix;
    struct slice digits = slice_cut(slice_cstr(name), '.', &suffix);
    uint64_t base = 0;
    if (digits.len != NAME_DIGITS || slice_to_u64(digits, &base) != OK) {
        return; /* not ours: left alone */
    }
    if (slice_eq(suffix, SLICE("seg"))) {
        append_base(&names->bases, &names->count, &names->cap, base);
    } else if (slice_eq(suffix, SLICE("idx")) || slice_eq(suffix, SLICE("idx.tmp"))) {
        append_base(&names->indexes, &names->index_count, &names->index_cap, base);
    }
}

static int compare_u64(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Drafts of indexes, and indexes whose segment was trimmed. */
static void remove_leftovers(struct local *local, const struct names *names) {
    for (size_t i = 0; i < names->index_count; i++) {
        char name[LOCAL_NAME_SIZE];
        local_segment_name(names->indexes[i], "idx.tmp", name);
        (void)local->fs->unlink(local->fs, name); /* mostly there is none */
        if (names->count == 0 ||
            bsearch(&names->indexes[i], names->bases, names->count, sizeof *names->bases, compare_u64) == NULL) {
            local_segment_name(names->indexes[i], "idx", name);
            (void)local->fs->unlink(local->fs, name); /* harmless if it stays */
        }
    }
}

/* A fresh segment, with what its index has of records below `limit`. */
static enum err load_segment(struct local *local, uint64_t base, uint64_t limit, struct local_segment **ret_segment) {
    struct local_segment *segment = local_segment_new(local, base);
    int fd = -1;
    enum err e = local_segment_fd(segment, &fd);
    int64_t size = e == OK ? local->fs->size(local->fs, fd) : 0;
    if (e != OK || size < 0) {
        local_segment_release(segment);
        return e != OK ? e : local_io(local, (int)size, "stat segment", base);
    }
    e = local_index_load(segment, (uint64_t)size);
    if (e == OK && segment->base + segment->added > limit) {
        /* it was left after a failed sync, and the next one begins lower: read again up to there */
        local_segment_release(segment);
        segment = local_segment_new(local, base);
    }
    *ret_segment = segment;
    return e == ERR_NOMEM ? e : OK;
}

static enum err complete_segment(struct local_segment *segment, uint64_t limit, bool last, uint64_t *ret_torn) {
    *ret_torn = 0;
    if (!last && segment->indexed && segment->base + segment->added == limit) {
        return OK;
    }
    enum err e = segment->indexed ? local_index_to_memory(segment) : OK;
    return e == OK ? local_segment_scan(segment, limit, last, ret_torn) : e;
}

/* Where the commit group of the last record begins, or `otherwise`. */
static uint64_t last_group(struct local *local, struct local_segment *last, int fd, uint64_t otherwise) {
    struct local_entry entry;
    struct frame frame;
    size_t n = 0;
    uint64_t count = local_segment_count(last);
    if (count == 0 || local_segment_entries(last, count - 1, 1, &entry, &n) != OK || n != 1 || entry.size == 0 ||
        local->fs->read(local->fs, fd, &frame, sizeof frame, (uint64_t)entry.at * FRAME_ALIGN) !=
            (ssize_t)sizeof frame) {
        return otherwise;
    }
    uint64_t group = (uint64_t)frame.group * FRAME_ALIGN;
    return group < otherwise ? group : otherwise;
}

/* Cuts off what was never acknowledged, so that it can never be taken for what is written there next, and makes the
 * rest durable: a process may have died before its last group was synced, or after that sync had failed. */
static enum err cut_tail(struct local *local, struct local_segment *last, int fd, uint64_t torn, bool found_more) {
    uint64_t end = local_segment_end(last);
    int64_t size = local->fs->size(local->fs, fd);
    if (size < 0) {
        return local_io(local, (int)size, "stat segment", last->base);
    }
    if (torn > 0) {
        stat_add(&local->store.stat.torn, (int64_t)torn);
        LOG(WARN, "store", "torn tail cut off", "offset=%lu bytes=%lu segment=%lu at=%lu",
            (unsigned long)(last->base + local_segment_count(last)), (unsigned long)torn, (unsigned long)last->base,
            (unsigned long)end);
    }
    int result = (uint64_t)size > end ? local->fs->truncate(local->fs, fd, end) : 0;
    uint64_t from = found_more ? last_group(local, last, fd, end) : end;
    result = result == 0 ? local_write_again(local, fd, from, end) : result;
    return result == 0 ? OK : local_io(local, result, "cut off torn tail", last->base);
}

static enum err recover_segments(struct local *local, const struct names *names) {
    for (size_t i = 0; i < names->count; i++) {
        bool last = i + 1 == names->count;
        uint64_t limit = last ? UINT64_MAX : names->bases[i + 1];
        struct local_segment *segment = NULL;
        enum err e = load_segment(local, names->bases[i], limit, &segment);
        if (e != OK) {
            return e;
        }
        uint64_t torn = 0, known = segment->added;
        local_segment_put(local, segment);
        e = complete_segment(segment, limit, last, &torn);
        if (e == OK && last) {
            char name[LOCAL_NAME_SIZE];
            local_segment_name(segment->base, "seg", name);
            int fd = local->fs->open(local->fs, name, LOCAL_FS_WRITE);
            e = fd < 0 ? local_io(local, fd, "open segment", segment->base)
                       : cut_tail(local, segment, fd, torn, known < segment->added);
            local->writer.fd = fd; /* for local_writer_start; closed by the caller on failure */
        }
        if (e != OK) {
            return e;
        }
        local_log_bytes_add(local, (int64_t)local_segment_end(segment));
    }
    return OK;
}

enum err local_recover_log(struct local *local, struct errinfo *why) {
    struct names names = {.local = local};
    local->writer.fd = -1;
    int result = local->fs->list(local->fs, "log", on_log_name, &names);
    enum err e = result == 0 ? OK : local_io(local, result, "list log", 0);
    if (names.count > 0) {
        qsort(names.bases, names.count, sizeof *names.bases, compare_u64);
    }
    if (e == OK) {
        remove_leftovers(local, &names);
        e = recover_segments(local, &names);
    }
    if (e == OK && local->segment_count > 0) {
        const struct local_segment *first = local->segments[0], *last = local->segments[local->segment_count - 1];
        local->tail = first->base;
        local->head = last->base + local_segment_count(last);
    }
    mem_free(names.bases);
    mem_free(names.indexes);
    return e == OK ? OK : err_why(e, why, "log", "the log cannot be read: %s (see the log lines above)", err_text(e));
}

/* ---- message ids ---- */

/* What the entries of a segment refer to. A reader that meets a bad index has it made again, and pairs numbered anew.
 */
struct numbering {
    struct local_pair *pairs; /* a copy */
    uint32_t count, repairs;
};

static struct numbering numbering_of(struct local_segment *segment) {
    pthread_mutex_lock(&segment->lock);
    struct numbering numbering = {.pairs = mem_alloc((segment->pair_count + 1) * sizeof *numbering.pairs),
        .count = segment->pair_count,
        .repairs = segment->repairs};
    if (numbering.count > 0) {
        memcpy(numbering.pairs, segment->pairs, numbering.count * sizeof *numbering.pairs);
    }
    pthread_mutex_unlock(&segment->lock);
    return numbering;
}

static bool numbering_holds(struct local_segment *segment, const struct numbering *numbering) {
    pthread_mutex_lock(&segment->lock);
    bool holds = segment->repairs == numbering->repairs;
    pthread_mutex_unlock(&segment->lock);
    return holds;
}

/* False: nothing of the entry is needed, it is not in the window or was never looked for. */
static bool entry_counts(
    const struct numbering *numbering, const struct local_entry *entry, int64_t received_ms, int64_t since) {
    return entry->size != 0 && (entry->flags & (RECORD_NO_DEDUP | RECORD_REJECTED)) == 0 &&
        entry->pair < numbering->count && received_ms >= since;
}

static void enter_window(struct local_dedup *dedup, const struct local_segment *segment,
    const struct numbering *numbering, uint64_t first, const struct local_entry *window, size_t n) {
    int64_t since = clock_ms() - dedup->window_ms;
    for (size_t i = 0; i < n;
         i++) { /* millions of places in a large table: nearly each is a miss, so they are fetched side by side */
        if (window[i].pair < numbering->count) {
            local_dedup_prefetch(dedup, window[i].message, numbering->pairs[window[i].pair].source);
        }
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t before = 0;
        int64_t ms = segment->base_ms + window[i].ms;
        if (entry_counts(numbering, &window[i], ms, since)) {
            (void)local_dedup_seen(dedup, window[i].message, numbering->pairs[window[i].pair].source, ms,
                segment->base + first + i, &before); /* only to enter it */
        }
    }
}

/* Before the first group: nothing is added to any segment meanwhile. */
static void dedup_enter(struct local *local, struct local_segment *segment, uint64_t from) {
    struct numbering numbering = numbering_of(segment);
    uint64_t count = local_segment_count(segment);
    size_t n = 0;
    for (uint64_t first = from > segment->base ? from - segment->base : 0; first < count; first += n) {
        struct local_entry window[WINDOW_ENTRIES];
        if (local_segment_entries(segment, first, WINDOW_ENTRIES, window, &n) != OK) {
            LOG(ERROR, "store", "message ids are not known again: duplicates may be stored", "segment=%lu",
                (unsigned long)segment->base);
            break;
        }
        if (!numbering_holds(segment, &numbering)) { /* the window may be of either: once more */
            mem_free(numbering.pairs);
            numbering = numbering_of(segment);
            n = 0;
            continue;
        }
        enter_window(&local->writer.dedup, segment, &numbering, first, window, n);
    }
    mem_free(numbering.pairs);
}

/* The first offset of the window, or of as many ids as may be remembered. */
static uint64_t dedup_from(struct local *local) {
    int64_t since = clock_ms() - local->conf.dedup_window;
    uint64_t head = atomic_load_explicit(&local->head, memory_order_relaxed), from = head;
    pthread_mutex_lock(&local->segments_lock);
    for (size_t i = local->segment_count; i-- > 0;) {
        const struct local_segment *segment = local->segments[i];
        if (segment->max_ms < since && local_segment_count(segment) > 0) {
            break;
        }
        from = segment->base;
    }
    pthread_mutex_unlock(&local->segments_lock);
    return head - from > local->conf.dedup_entries ? head - local->conf.dedup_entries : from;
}

void local_dedup_rebuild(struct local *local) {
    struct local_dedup *dedup = &local->writer.dedup;
    uint64_t began = clock_mono_ns(), head = atomic_load_explicit(&local->head, memory_order_relaxed);
    uint64_t from = dedup->window_ms > 0 ? dedup_from(local) : head;
    struct local_segment *segment = from < head ? local_segment_find(local, from) : NULL;
    dedup->expected = head - from;
    while (segment != NULL) {
        dedup_enter(local, segment, from);
        struct local_segment *after = local_segment_after(local, segment);
        local_segment_release(segment);
        segment = after;
    }
    dedup->expected = 0;
    dedup->evicted = 0;
    uint64_t entries = atomic_load_explicit(&dedup->entries, memory_order_relaxed);
    stat_set(&local->store.stat.dedup_ids, (int64_t)entries);
    LOG(INFO, "store", "message ids known", "ids=%lu time_us=%lu", (unsigned long)entries,
        (unsigned long)((clock_mono_ns() - began) / 1000));
}
