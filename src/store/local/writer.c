/* The writer thread: see writer.h. */
#include "store/local/writer.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "store/local/local.h"

#define GROUP_BYTES_MAX ((size_t)16 << 20) /* more waits for the next group, so that one commit stays short */
#define RUNS_FIRST 256u
#define SEGMENT_PAIRS_MAX (1u << 20)
#define SEGMENT_RECORDS_MAX (1u << 20) /* 32 MiB of entries in memory */
#define DISK_CHECK_NS UINT64_C(1000000000)
#define DISK_CHECK_SHARE 4 /* of the room above the reserve: so much written asks for a look, too */
#define NS_PER_US 1000u
#define EARLY_ROLL_BYTES (UINT64_C(1) << 20) /* less is not worth a segment of its own */
#define SPARE_WANTED_SHARE 4u                /* of a prepared segment, once used, the next one is begun */

enum wake_state { WAKE_NONE, WAKE_CALLED, WAKE_ASLEEP };

/* What one commit is about. */
struct group {
    struct loop_msg *end; /* first batch that is not in it */
    uint64_t position;    /* in the file */
    uint64_t first;       /* offset */
    size_t bytes;         /* framed, before duplicates are dropped */
    size_t written;       /* to be written */
    uint64_t duplicates;
};

static struct store_batch *batch_of(struct loop_msg *msg) {
    return CONTAINER_OF(msg, struct store_batch, msg);
}

/* ---- sleeping and waking ---- */

static void writer_call(struct local_writer *writer) {
    if (atomic_exchange_explicit(&writer->wake, WAKE_CALLED, memory_order_acq_rel) == WAKE_ASLEEP) {
        (void)syscall(
            SYS_futex, &writer->wake, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0); /* nobody waits: then nobody needs it */
    }
}

static void writer_sleep(struct local_writer *writer) {
    uint32_t expected = WAKE_NONE;
    if (atomic_compare_exchange_strong_explicit(
            &writer->wake, &expected, WAKE_ASLEEP, memory_order_acq_rel, memory_order_acquire)) {
        while (atomic_load_explicit(&writer->wake, memory_order_acquire) == WAKE_ASLEEP) {
            (void)syscall(
                SYS_futex, &writer->wake, FUTEX_WAIT_PRIVATE, WAKE_ASLEEP, NULL, NULL, 0); /* looked at again above */
        }
    }
    (void)atomic_exchange_explicit(
        &writer->wake, WAKE_NONE, memory_order_acq_rel); /* sees what came with the last call */
}

void local_append(struct store *store, struct store_batch *batch) {
    struct local_writer *writer = &local_of(store)->writer;
    struct loop_msg *newest = atomic_load_explicit(&writer->inbox, memory_order_relaxed);
    do {
        batch->msg.next = newest;
    } while (!atomic_compare_exchange_weak_explicit(
        &writer->inbox, &newest, &batch->msg, memory_order_release, memory_order_relaxed));
    if (newest == NULL) {
        writer_call(writer);
    }
}

/* What is in the inbox goes behind what is to be done, oldest first. */
static void take_inbox(struct local_writer *writer) {
    struct loop_msg *newest = atomic_exchange_explicit(&writer->inbox, NULL, memory_order_acquire);
    struct loop_msg *oldest = NULL;
    struct loop_msg **tail = newest != NULL ? &newest->next : NULL;
    while (newest != NULL) {
        struct loop_msg *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    if (oldest != NULL) {
        *writer->todo_tail = oldest;
        writer->todo_tail = tail;
    }
}

/* ---- segments ---- */

static enum err write_segment_head(struct local *local, const struct local_segment *segment, int fd) {
    struct local_segment_head head = {
        .magic = LOCAL_SEGMENT_MAGIC,
        .version = LOCAL_SEGMENT_VERSION,
        .base = segment->base,
        .created_ms = clock_ms(),
        .flags = segment->prepared ? LOCAL_SEGMENT_PREPARED : 0,
    };
    size_t from = offsetof(struct local_segment_head, base);
    head.sum = hash_check((const char *)&head + from, sizeof head - from);
    struct iovec iov = {.iov_base = &head, .iov_len = sizeof head};
    int result = local->fs->write(local->fs, fd, &iov, 1, 0);
    return result == 0 ? OK : local_io(local, result, "write segment head", segment->base);
}

/* The active segment is not written any more. One without records leaves the list: its name is used again. */
static void leave_active(struct local *local) {
    struct local_writer *writer = &local->writer;
    struct local_segment *active = writer->active;
    if (active == NULL) {
        return;
    }
    bool empty = local_segment_count(active) == 0;
    pthread_mutex_lock(&local->segments_lock);
    active->sealed = true;
    if (empty) {
        ASSERT(local->segment_count > 0 && local->segments[local->segment_count - 1] == active);
        local->segment_count--;
    }
    pthread_mutex_unlock(&local->segments_lock);
    uint64_t end = local_segment_end(active);
    if (writer->prepared && writer->limit > end + EARLY_ROLL_BYTES) {
        (void)local->fs->truncate(
            local->fs, writer->fd, end); /* else it takes the disk space that it was prepared for */
    }
    if (empty) {
        char name[LOCAL_NAME_SIZE];
        local_segment_name(active->base, "seg", name);
        (void)local->fs->unlink(local->fs, name); /* else the next one is made over it */
        local_segment_release(active);            /* the list's */
    }
    local_segment_release(active);
    local->fs->close(local->fs, writer->fd);
    writer->active = NULL;
    writer->fd = -1;
    local_keeper_ask(local, LOCAL_KEEP_INDEX | LOCAL_KEEP_TRIM);
}

/* A new segment at `next`. Its name is durable before a record in it is acknowledged. */
static enum err begin_segment(struct local *local) {
    struct local_writer *writer = &local->writer;
    struct local_fs *fs = local->fs;
    ASSERT(writer->active == NULL || local_segment_count(writer->active) > 0);
    char name[LOCAL_NAME_SIZE];
    local_segment_name(writer->next, "seg", name);
    uint64_t limit = local->segment_bytes;
    int fd = FAULT(STORE_ROLL) ? -ENOSPC : local_spare_take(local, name, &limit);
    bool prepared = fd >= 0;
    if (fd == -ENOENT) {
        fd = fs->open(fs, name, LOCAL_FS_WRITE | LOCAL_FS_CREATE | LOCAL_FS_TRUNCATE);
    }
    if (fd < 0) {
        return local_io(local, fd, "create segment", writer->next);
    }
    struct local_segment *segment = local_segment_new(local, writer->next);
    segment->prepared = prepared;
    enum err e = write_segment_head(local, segment, fd);
    if (e == OK) {
        int result = fs->sync_dir(fs, "log");
        e = result == 0 ? OK : local_io(local, result, "sync directory log", writer->next);
    }
    if (e != OK) {
        fs->close(fs, fd);
        (void)fs->unlink(fs, name); /* an empty one does no harm */
        local_segment_release(segment);
        return e;
    }
    leave_active(local);
    local_segment_put(local, segment);
    pthread_mutex_lock(&local->segments_lock);
    segment->refs++; /* ours */
    pthread_mutex_unlock(&local->segments_lock);
    writer->active = segment;
    writer->fd = fd;
    writer->limit = limit;
    writer->prepared = prepared;
    local_log_bytes_add(local, sizeof(struct local_segment_head));
    stat_add(&local->store.stat.rolls, 1);
    return OK;
}

/* ---- one group ---- */

/* The batches that go into one commit: at least one, and no more than fit the segment and GROUP_BYTES_MAX. */
static struct group gather(const struct local *local) {
    const struct local_writer *writer = &local->writer;
    uint64_t end = writer->active != NULL ? local_segment_end(writer->active) : 0;
    bool fresh = writer->active == NULL || local_segment_count(writer->active) == 0;
    struct group group = {.position = end, .first = writer->next};
    struct loop_msg *msg = writer->todo;
    while (msg != NULL) {
        size_t size = batch_of(msg)->frames.len;
        bool fits = group.bytes + size <= GROUP_BYTES_MAX && end + group.bytes + size <= writer->limit;
        if (!fits && (group.bytes > 0 || !fresh)) {
            break;
        }
        group.bytes += size;
        msg = msg->next;
        fresh &= group.bytes == 0;
    }
    group.end = msg;
    return group;
}

static void add_run(struct local_writer *writer, char *at, size_t size) {
    struct iovec *last = writer->run_count > 0 ? &writer->runs[writer->run_count - 1] : NULL;
    if (last != NULL && (char *)last->iov_base + last->iov_len == at) {
        last->iov_len += size;
        return;
    }
    if (writer->run_count == writer->run_cap) {
        writer->run_cap = writer->run_cap > 0 ? writer->run_cap * 2 : RUNS_FIRST;
        writer->runs = mem_resize(writer->runs, writer->run_cap * sizeof *writer->runs);
    }
    writer->runs[writer->run_count++] = (struct iovec){.iov_base = at, .iov_len = size};
}

static bool wants_dedup(const struct local_writer *writer, const struct frame *frame) {
    return writer->dedup.window_ms > 0 && (frame->flags & (RECORD_NO_DEDUP | RECORD_REJECTED)) == 0;
}

/* Drops duplicates, gives offsets, closes the heads, lists what is to be written. */
static void frame_batch(struct local *local, struct group *group, struct store_batch *batch) {
    struct local_writer *writer = &local->writer;
    for (uint32_t i = 0; i < batch->count; i++) {
        struct frame *frame = frame_of(batch, i);
        struct store_frame *row = &batch->index[i];
        if (wants_dedup(writer, frame) &&
            local_dedup_seen(
                &writer->dedup, frame->message, frame->source, frame->received_ms, writer->next, &row->offset)) {
            row->outcome = APPEND_DUPLICATE;
            batch->duplicates++;
            group->duplicates++;
            continue;
        }
        size_t size = frame_size(frame);
        frame->offset = writer->next;
        frame->group = (uint32_t)(group->position / FRAME_ALIGN);
        frame->head_sum = frame_head_sum(frame, writer->active->salt);
        row->offset = writer->next++;
        add_run(writer, (char *)frame, size);
        group->written += size;
    }
}

static int write_runs(struct local *local, const struct group *group) {
    if (FAULT(STORE_BEFORE_WRITE)) {
        return -EIO;
    }
    if (FAULT(STORE_ENOSPC)) {
        return -ENOSPC;
    }
    struct local_writer *writer = &local->writer;
    int result = local->fs->write(local->fs, writer->fd, writer->runs, (int)writer->run_count, group->position);
    return result == 0 && FAULT(STORE_AFTER_WRITE) ? -EIO : result;
}

static int sync_log(struct local *local) {
    if (local->conf.sync != LOCAL_SYNC_DATA) {
        return 0;
    }
    uint64_t began = clock_mono_ns();
    int result = FAULT(STORE_BEFORE_SYNC) ? -EIO : local->fs->sync(local->fs, local->writer.fd);
    stat_observe(&local->store.stat.sync_time, (clock_mono_ns() - began) / NS_PER_US);
    return result;
}

/* The group's bytes are taken back from the file, its ids from the table, its offsets from the count. */
static void undo_group(struct local *local, const struct group *group) {
    struct local_writer *writer = &local->writer;
    for (struct loop_msg *msg = writer->todo; msg != group->end; msg = msg->next) {
        struct store_batch *batch = batch_of(msg);
        for (uint32_t i = 0; i < batch->count; i++) {
            const struct frame *frame = frame_of(batch, i);
            if (batch->index[i].outcome == APPEND_STORED && wants_dedup(writer, frame)) {
                local_dedup_forget(&writer->dedup, frame->message, frame->source);
            }
            batch->index[i].offset = UINT64_MAX;
        }
        batch->duplicates = 0;
    }
    writer->next = group->first;
    writer->prepared = false;
    int result = local->fs->truncate(local->fs, writer->fd, group->position);
    if (result != 0) {
        (void)local_io(local, result, "cut back segment", writer->active->base);
        leave_active(local); /* what is behind its end is ignored: the next segment begins at the same offset */
    }
}

static enum err group_failed(struct local *local, const struct group *group, int result, bool sync_failed) {
    enum err e = local_io(local, result, sync_failed ? "sync log" : "write log", group->first);
    undo_group(local, group);
    if (sync_failed) {
        LOG(ERROR, "store", "sync failed: segment is left", "segment=%lu", (unsigned long)group->first);
        leave_active(local);
    }
    return e;
}

/* Entries first, then the count, then the head: a reader that sees one sees what is before it. */
static void publish(struct local *local, const struct group *group) {
    struct local_writer *writer = &local->writer;
    struct local_segment *active = writer->active;
    uint64_t at = group->position;
    pthread_mutex_lock(&active->lock);
    for (struct loop_msg *msg = writer->todo; msg != group->end; msg = msg->next) {
        const struct store_batch *batch = batch_of(msg);
        for (uint32_t i = 0; i < batch->count; i++) {
            if (batch->index[i].outcome == APPEND_STORED) {
                const struct frame *frame = frame_of(batch, i);
                local_segment_add(active, frame, at);
                at += frame_size(frame);
            }
        }
    }
    bool crowded = active->pair_count > SEGMENT_PAIRS_MAX || active->added > SEGMENT_RECORDS_MAX;
    pthread_mutex_unlock(&active->lock);
    local_segment_publish(active, at);
    if (crowded) {
        atomic_store_explicit(&writer->roll_wanted, true, memory_order_relaxed);
    }
    atomic_store(&local->head, writer->next); /* sequentially: watch.c */
    local_log_bytes_add(local, (int64_t)group->written);
}

static void count_group(struct local *local, const struct group *group, uint64_t began) {
    struct local_writer *writer = &local->writer;
    struct store_stat *stat = &local->store.stat;
    uint64_t now = clock_mono_ns();
    stat_add(&stat->commits, 1);
    stat_add(&stat->commit_records, (int64_t)(writer->next - group->first));
    stat_add(&stat->records, (int64_t)(writer->next - group->first));
    stat_add(&stat->bytes, (int64_t)group->written);
    stat_observe(&stat->commit_time, (now - began) / NS_PER_US);
    if (!writer->prepared || local_segment_end(writer->active) > writer->limit / SPARE_WANTED_SHARE) {
        local_spare_want(local, now);
    }
    uint64_t room = atomic_load_explicit(&local->disk_room, memory_order_relaxed);
    writer->disk_unchecked += group->written;
    if (now - writer->disk_checked_ns > DISK_CHECK_NS || writer->disk_unchecked > room / DISK_CHECK_SHARE) {
        writer->disk_checked_ns = now;
        writer->disk_unchecked = 0;
        local_keeper_ask(local, LOCAL_KEEP_DISK);
    }
}

static enum err commit(struct local *local, struct group *group) {
    struct local_writer *writer = &local->writer;
    uint64_t began = clock_mono_ns();
    writer->run_count = 0;
    for (struct loop_msg *msg = writer->todo; msg != group->end; msg = msg->next) {
        frame_batch(local, group, batch_of(msg));
    }
    if (writer->run_count > 0) {
        int result = write_runs(local, group);
        if (result != 0) {
            return group_failed(local, group, result, false);
        }
        result = sync_log(local);
        if (result != 0) {
            return group_failed(local, group, result, true);
        }
        (void)FAULT(STORE_AFTER_SYNC); /* for kill */
        publish(local, group);
        count_group(local, group, began);
    }
    struct store_stat *stat = &local->store.stat;
    stat_add(&stat->duplicates, (int64_t)group->duplicates);
    stat_add(&stat->dedup_evicted, (int64_t)writer->dedup.evicted);
    stat_set(&stat->dedup_ids, (int64_t)atomic_load_explicit(&writer->dedup.entries, memory_order_relaxed));
    writer->dedup.evicted = 0;
    return OK;
}

/* Posts the batches of the group to their loops. */
static void answer(struct local *local, const struct group *group, enum err e) {
    struct local_writer *writer = &local->writer;
    while (writer->todo != group->end) {
        struct loop_msg *msg = writer->todo;
        writer->todo = msg->next;
        if (writer->todo == NULL) {
            writer->todo_tail = &writer->todo;
        }
        struct store_batch *batch = batch_of(msg);
        batch->result = e;
        if (e != OK) {
            stat_add(e == ERR_FULL ? &local->store.stat.append_full : &local->store.stat.append_failed, 1);
        }
        loop_post(batch->loop, msg); /* the caller's from here on */
    }
}

/* OK, or why nothing can be appended now. */
static enum err admit(struct local *local) {
    if (atomic_load_explicit(&local->log_bytes, memory_order_relaxed) >= local->conf.log_bytes &&
        store_pressure(&local->store) == OK) {
        local_pressure_set(local, LOCAL_PRESSURE_LOG, true);
        local_keeper_ask(local, LOCAL_KEEP_TRIM | LOCAL_KEEP_DISK);
    }
    return store_pressure(&local->store);
}

/* The active segment is full, or old, or grows with every commit although a spare is ready. */
static bool must_roll(struct local *local, const struct group *group) {
    struct local_writer *writer = &local->writer;
    bool asked = atomic_exchange_explicit(&writer->roll_wanted, false, memory_order_relaxed);
    if (writer->active == NULL || group->end == writer->todo) {
        return true;
    }
    bool spare = atomic_load_explicit(&local->spare.state, memory_order_acquire) == LOCAL_SPARE_READY;
    bool better = !writer->prepared && spare && local_segment_end(writer->active) > EARLY_ROLL_BYTES;
    return (asked || better) && local_segment_count(writer->active) > 0;
}

static void run_group(struct local *local) {
    struct local_writer *writer = &local->writer;
    struct group group = gather(local);
    enum err e = admit(local);
    bool admitted = e == OK;
    if (admitted && must_roll(local, &group)) {
        e = begin_segment(local);
        group = gather(local);
    }
    if (group.end == writer->todo) {
        group.end = writer->todo->next; /* refused, or no segment to put it in: one batch at a time hears of it */
    }
    if (e == OK) {
        e = commit(local, &group);
    }
    if (admitted && e == ERR_FULL) {
        local_pressure_set(local, LOCAL_PRESSURE_DISK, true);
        local_keeper_ask(local, LOCAL_KEEP_DISK);
    }
    answer(local, &group, e == OK || e == ERR_FULL ? e : ERR_IO);
    if (e == OK) {
        local_watch_wake(local);
    }
}

/* ---- life ---- */

static void *writer_main(void *arg) {
    struct local *local = arg;
    struct local_writer *writer = &local->writer;
    pthread_setname_np(pthread_self(), "store-writer");
    local_dedup_rebuild(local);
    for (;;) {
        bool stop =
            atomic_load_explicit(&writer->stop, memory_order_acquire); /* before the inbox: what came first is done */
        take_inbox(writer);
        if (writer->todo != NULL) {
            run_group(local);
        } else if (stop) {
            return NULL;
        } else {
            writer_sleep(writer);
        }
    }
}

void local_writer_start(struct local *local, struct local_segment *active, int fd, uint64_t next) {
    struct local_writer *writer = &local->writer;
    *writer = (struct local_writer){.active = active, .fd = fd, .next = next, .limit = local->segment_bytes};
    writer->todo_tail = &writer->todo;
    local_dedup_init(&writer->dedup, local->conf.dedup_window, local->conf.dedup_entries);
    int failed = pthread_create(&writer->thread, NULL, writer_main, local);
    ASSERT(failed == 0);
    writer->started = true;
}

void local_writer_stop(struct local *local) {
    struct local_writer *writer = &local->writer;
    if (!writer->started) {
        return;
    }
    atomic_store_explicit(&writer->stop, true, memory_order_release);
    writer_call(writer);
    int failed = pthread_join(writer->thread, NULL);
    ASSERT(failed == 0);
    local_dedup_fini(&writer->dedup);
    mem_free(writer->runs);
    if (writer->active != NULL) {
        /* what was prepared and not used would have to be read through at the next start; if this fails, it is */
        (void)local->fs->truncate(local->fs, writer->fd, local_segment_end(writer->active));
        local_segment_release(writer->active);
        local->fs->close(local->fs, writer->fd);
    }
}
