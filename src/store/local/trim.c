/* Upkeep that the keeper does and tests ask for: indexes of sealed segments, retention, free space. One at a time,
 * under upkeep_lock. */
#include <errno.h>

#include "store/local/local.h"

/* The first sealed segment that has no index and was not tried in this round (its base is at or above *from), held. */
static struct local_segment *next_unindexed(struct local *local, uint64_t *from) {
    struct local_segment *found = NULL;
    pthread_mutex_lock(&local->segments_lock);
    for (size_t i = 0; i < local->segment_count && found == NULL; i++) {
        struct local_segment *segment = local->segments[i];
        pthread_mutex_lock(&segment->lock);
        if (segment->sealed && !segment->indexed && segment->base >= *from && local_segment_count(segment) > 0) {
            found = segment;
            found->refs++;
            *from = segment->base + 1;
        }
        pthread_mutex_unlock(&segment->lock);
    }
    pthread_mutex_unlock(&local->segments_lock);
    return found;
}

void local_index_pending(struct local *local) {
    uint64_t from = 0;
    struct local_segment *segment;
    pthread_mutex_lock(&local->upkeep_lock);
    while ((segment = next_unindexed(local, &from)) != NULL) {
        if (local_index_write(segment, /*adopt*/ true) != OK) {
            /* entries stay in memory, so nothing is missing; the next roll or start tries again */
            LOG(WARN, "store", "no index for a segment yet", "segment=%lu", (unsigned long)segment->base);
        }
        local_segment_release(segment);
    }
    pthread_mutex_unlock(&local->upkeep_lock);
}

/* ---- retention ---- */

/* Events received before this may go: older than store.keep, and than what duplicates are looked for in after a
 * restart. */
static int64_t keep_since(const struct local *local, int64_t now) {
    return now - (local->conf.keep > local->conf.dedup_window ? local->conf.keep : local->conf.dedup_window);
}

/* Whether the oldest segment may go: never the last one, and nothing that a cursor needs. */
static bool may_trim(const struct local *local, uint64_t low, int64_t now) {
    if (local->segment_count < 2) {
        return false;
    }
    const struct local_segment *segment = local->segments[0];
    if (segment->base + local_segment_count(segment) > low) {
        return false;
    }
    uint64_t bytes = atomic_load_explicit(&local->log_bytes, memory_order_relaxed);
    return segment->max_ms < keep_since(local, now) || bytes + local->segment_bytes > local->conf.log_bytes;
}

/* Takes the oldest segment from the list, with the list's reference; readers move on from here. */
static struct local_segment *take_oldest(struct local *local, uint64_t low, int64_t now) {
    struct local_segment *segment = NULL;
    pthread_mutex_lock(&local->segments_lock);
    if (may_trim(local, low, now)) {
        segment = local->segments[0];
        local->segment_count--;
        memmove(local->segments, local->segments + 1, local->segment_count * sizeof(struct local_segment *));
        atomic_store_explicit(&local->tail, local->segments[0]->base, memory_order_release);
        stat_set(&local->store.stat.segments, (int64_t)local->segment_count);
    }
    pthread_mutex_unlock(&local->segments_lock);
    return segment;
}

static void delete_segment(struct local *local, struct local_segment *segment) {
    static const char *const suffixes[] = {"seg", "idx"};
    pthread_mutex_lock(&local->segments_lock);
    bool alone = segment->refs == 1; /* it is in no list any more: nobody can get at it */
    pthread_mutex_unlock(&local->segments_lock);
    bool recycled = alone && local_spare_recycle(local, segment);
    for (size_t i = recycled ? 1 : 0; i < COUNT_OF(suffixes); i++) {
        char name[LOCAL_NAME_SIZE];
        local_segment_name(segment->base, suffixes[i], name);
        int result = local->fs->unlink(local->fs, name);
        if (result != 0 && result != -ENOENT) {
            (void)local_io(
                local, result, "delete segment", segment->base); /* the next start finds it and trims it again */
        }
        (void)FAULT(STORE_TRIM); /* for kill */
    }
    local_log_bytes_add(local, -(int64_t)local_segment_end(segment));
    stat_add(&local->store.stat.trimmed, 1);
    LOG(INFO, "store", "segment deleted", "segment=%lu records=%lu bytes=%lu", (unsigned long)segment->base,
        (unsigned long)local_segment_count(segment), (unsigned long)local_segment_end(segment));
    local_segment_release(segment);
}

/* A segment that is still written, but whose records are all old and done: the writer begins another with its next
 * group. */
static void roll_if_old(struct local *local, uint64_t low, int64_t now) {
    pthread_mutex_lock(&local->segments_lock);
    const struct local_segment *last = local->segment_count > 0 ? local->segments[local->segment_count - 1] : NULL;
    bool old = last != NULL && local_segment_count(last) > 0 && last->min_ms < keep_since(local, now) &&
        last->base + local_segment_count(last) <= low;
    pthread_mutex_unlock(&local->segments_lock);
    if (old) {
        atomic_store_explicit(&local->writer.roll_wanted, true, memory_order_relaxed);
    }
}

void local_trim(struct store *store) {
    struct local *local = local_of(store);
    pthread_mutex_lock(&local->upkeep_lock);
    uint64_t low = local_cursors_low(local);
    int64_t now = clock_ms();
    bool synced = false, trimmed = false;
    for (;;) {
        /* what says that these events have ended must outlive the events */
        if (!synced) {
            if (local_notes_sync(local) != OK) {
                break;
            }
            synced = true;
        }
        struct local_segment *segment = take_oldest(local, low, now);
        if (segment == NULL) {
            break;
        }
        delete_segment(local, segment);
        trimmed = true;
    }
    if (trimmed) {
        int result = local->fs->sync_dir(local->fs, "log");
        if (result != 0) {
            (void)local_io(
                local, result, "sync directory log", 0); /* they may come back after a crash: then they go again */
        }
    }
    local_notes_trim(local, atomic_load_explicit(&local->tail, memory_order_relaxed));
    roll_if_old(local, low, now);
    pthread_mutex_unlock(&local->upkeep_lock);
}

/* ---- pressure ---- */

void local_pressure_set(struct local *local, enum local_pressure which, bool on) {
    pthread_mutex_lock(&local->pressure_lock);
    unsigned before = local->pressure;
    local->pressure = on ? before | which : before & ~(unsigned)which;
    bool full = local->pressure != 0;
    atomic_store_explicit(&local->store.pressure, full ? (int)ERR_FULL : (int)OK, memory_order_relaxed);
    stat_set(&local->store.stat.pressure, full);
    if (full != (before != 0)) {
        LOG(WARN, "store", full ? "new events are refused" : "new events are taken again", "reason=%s",
            which == LOCAL_PRESSURE_DISK ? "disk" : "log_bytes");
    }
    pthread_mutex_unlock(&local->pressure_lock);
}

void local_log_bytes_add(struct local *local, int64_t bytes) {
    uint64_t after =
        atomic_fetch_add_explicit(&local->log_bytes, (uint64_t)bytes, memory_order_relaxed) + (uint64_t)bytes;
    stat_set(&local->store.stat.log, (int64_t)after);
}

void local_disk_check(struct local *local) {
    int64_t left = local->fs->free_bytes(local->fs);
    if (left < 0) {
        (void)local_io(local, (int)left, "statvfs", 0); /* not known: as before */
    } else {
        uint64_t free_bytes = (uint64_t)left;
        uint64_t reserve = local->conf.disk_reserve;
        stat_set(&local->store.stat.free, left);
        atomic_store_explicit(&local->disk_room, free_bytes > reserve ? free_bytes - reserve : 0, memory_order_relaxed);
        local_pressure_set(local, LOCAL_PRESSURE_DISK, (uint64_t)left < local->conf.disk_reserve);
    }
    if (atomic_load_explicit(&local->log_bytes, memory_order_relaxed) >= local->conf.log_bytes) {
        local_trim(&local->store);
    }
    bool log_full = atomic_load_explicit(&local->log_bytes, memory_order_relaxed) >= local->conf.log_bytes;
    local_pressure_set(local, LOCAL_PRESSURE_LOG, log_full);
}
