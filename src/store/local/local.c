/* Opening and closing of the local engine, and its table of calls. */
#include "store/local/local.h"

#include <errno.h>
#include <stdio.h>

#define FORMAT_SIZE 64u
#define SEGMENTS_PER_LIMIT 4u /* so that store.log_bytes can be kept by deleting whole segments */
#define SEGMENT_BYTES_MIN UINT64_C(65536)
#define COPY_BYTES ((size_t)1 << 20)

enum err local_io(struct local *local, int result, const char *what, uint64_t at) {
    ASSERT(result < 0);
    enum err e = err_from_errno(-result);
    if (e != ERR_NOT_FOUND) {
        stat_add(&local->store.stat.io_errors, 1);
        LOG(ERROR, "store", "input/output error", "what=%s at=%lu error=%s", what, (unsigned long)at,
            strerror(-result));
    }
    return e;
}

int local_write_again(struct local *local, int fd, uint64_t from, uint64_t to) {
    struct local_fs *fs = local->fs;
    char *bytes = mem_alloc(COPY_BYTES);
    int result = 0;
    while (result == 0 && from < to) {
        size_t n = to - from < COPY_BYTES ? to - from : COPY_BYTES;
        struct iovec iov = {.iov_base = bytes, .iov_len = n};
        result = fs->read(fs, fd, bytes, n, from) == (ssize_t)n ? fs->write(fs, fd, &iov, 1, from) : -EIO;
        from += n;
    }
    mem_free(bytes);
    return result == 0 ? fs->sync(fs, fd) : result;
}

enum err local_sync(struct local *local, int fd, uint64_t from, const char *what) {
    int result = local->fs->sync(local->fs, fd);
    if (result == 0) {
        return OK;
    }
    (void)local_io(local, result, what, from);
    int64_t size = local->fs->size(local->fs, fd);
    result = size < 0 ? (int)size : local_write_again(local, fd, from, (uint64_t)size);
    return result == 0 ? OK : local_io(local, result, what, from);
}

/* ---- the directory ---- */

static enum err lock_directory(struct local *local, struct errinfo *why) {
    int64_t pid = 0;
    int result = local->fs->lock(local->fs, "lock", &pid);
    if (result == 0) {
        return OK;
    }
    int len = (int)local->conf.path.len;
    if (result != -EWOULDBLOCK) {
        return err_why(err_from_errno(-result), why, "store.path", "cannot lock %.*s: %s", len, local->conf.path.ptr,
            strerror(-result));
    }
    return err_why(ERR_BUSY, why, "store.path", "the data directory %.*s is in use by process %ld", len,
        local->conf.path.ptr, (long)pid);
}

static int write_format(struct local *local) {
    struct local_fs *fs = local->fs;
    struct iovec iov = {.iov_base = (void *)LOCAL_FORMAT, .iov_len = strlen(LOCAL_FORMAT)};
    int fd = fs->open(fs, "format.tmp", LOCAL_FS_WRITE | LOCAL_FS_CREATE | LOCAL_FS_TRUNCATE);
    if (fd < 0) {
        return fd;
    }
    int result = fs->write(fs, fd, &iov, 1, 0);
    result = result == 0 ? fs->sync(fs, fd) : result;
    fs->close(fs, fd);
    result = result == 0 ? fs->rename(fs, "format.tmp", "format") : result;
    return result == 0 ? fs->sync_dir(fs, ".") : result;
}

/* Makes what is missing, and refuses what another version has written. */
static enum err check_format(struct local *local, struct errinfo *why) {
    static const char *const dirs[] = {"log", "notes", "cursors", "dead"};
    struct local_fs *fs = local->fs;
    char text[FORMAT_SIZE] = "";
    int fd = fs->open(fs, "format", 0);
    if (fd >= 0) {
        ssize_t n = fs->read(fs, fd, text, sizeof text - 1, 0);
        fs->close(fs, fd);
        if (n < 0 || !slice_eq(slice_of(text, (size_t)n), SLICE(LOCAL_FORMAT))) {
            struct slice found = slice_trim(slice_of(text, n > 0 ? (size_t)n : 0));
            return err_why(ERR_UNSUPPORTED, why, "store.path",
                "the data directory has format \"%.*s\"; this program knows \"%.*s\"", SLICE_ARG(found),
                (int)strlen(LOCAL_FORMAT) - 1, LOCAL_FORMAT);
        }
    } else if (fd != -ENOENT) {
        return err_why(err_from_errno(-fd), why, "store.path", "cannot read format: %s", strerror(-fd));
    }
    bool fresh = fd < 0;
    int result = 0;
    for (size_t i = 0; i < COUNT_OF(dirs) && result == 0; i++) {
        result = fs->make_dir(fs, dirs[i]);
        /* names that a killed process had made may not be on disk yet, and what is found is built upon from now on */
        result = result == 0 ? fs->sync_dir(fs, dirs[i]) : result;
    }
    result = result == 0 && fresh ? write_format(local) : result;
    if (result != 0) {
        return err_why(
            err_from_errno(-result), why, "store.path", "cannot prepare the data directory: %s", strerror(-result));
    }
    return OK;
}

/* ---- life ---- */

static void init_locks(struct local *local) {
    pthread_mutex_t *const locks[] = {&local->segments_lock, &local->pressure_lock, &local->upkeep_lock,
        &local->watches.lock, &local->notes.sync_lock, &local->notes.lock, &local->cursors.lock, &local->dead.lock};
    for (size_t i = 0; i < COUNT_OF(locks); i++) {
        pthread_mutex_init(locks[i], NULL);
    }
    local_keeper_init(local);
}

static struct local *local_new(const struct store_conf *conf, struct local_fs *fs) {
    struct local *local = mem_alloc(sizeof *local);
    local->store.engine = &store_engine_local;
    local->conf = *conf;
    local->fs = fs;
    local->segment_bytes = conf->segment_bytes;
    if (local->segment_bytes > conf->log_bytes / SEGMENTS_PER_LIMIT) {
        local->segment_bytes = conf->log_bytes / SEGMENTS_PER_LIMIT;
    }
    if (local->segment_bytes < SEGMENT_BYTES_MIN) {
        local->segment_bytes = SEGMENT_BYTES_MIN;
    }
    local->notes.fd = local->dead.fd = local->writer.fd = local->spare.fd = -1;
    buf_init(&local->notes.scratch, 0);
    buf_init(&local->dead.scratch, 0);
    init_locks(local);
    return local;
}

/* Threads are stopped. */
static void local_free(struct local *local) {
    for (size_t i = 0; i < local->segment_count; i++) {
        struct local_segment *segment = local->segments[i];
        ASSERT(segment->refs == 1); /* else a reader is still open */
        local_segment_release(segment);
    }
    mem_free(local->segments);
    local_notes_close(local);
    local_dead_close(local);
    local_cursors_close(local);
    local_keeper_fini(local);
    pthread_mutex_destroy(&local->segments_lock);
    pthread_mutex_destroy(&local->pressure_lock);
    pthread_mutex_destroy(&local->upkeep_lock);
    pthread_mutex_destroy(&local->watches.lock);
    local->fs->free(local->fs);
    mem_free(local);
}

static enum err recover(struct local *local, struct errinfo *why) {
    enum err e = lock_directory(local, why);
    e = e == OK ? check_format(local, why) : e;
    if (e != OK) {
        return e;
    }
    e = local_recover_log(local, why);
    if (e != OK) {
        return e;
    }
    e = local_notes_open(local);
    e = e == OK ? local_dead_open(local) : e;
    e = e == OK ? local_cursors_open(local) : e;
    return e == OK
        ? OK
        : err_why(e, why, "store.path", "cannot read the data directory: %s (see the log lines above)", err_text(e));
}

enum err local_open_on(
    const struct store_conf *conf, struct local_fs *fs, struct store **ret_store, struct errinfo *why) {
    uint64_t began = clock_mono_ns();
    struct local *local = local_new(conf, fs);
    enum err e = recover(local, why);
    int fd = local->writer.fd;
    if (e != OK) {
        if (fd >= 0) {
            fs->close(fs, fd);
        }
        local_free(local);
        return e;
    }
    struct local_segment *active = local->segment_count > 0 ? local->segments[local->segment_count - 1] : NULL;
    if (active != NULL) {
        active->refs++; /* the writer's */
    }
    local_spare_open(local);
    local_disk_check(local);
    local_writer_start(local, active, fd, atomic_load(&local->head));
    local_keeper_start(local);
    local_keeper_ask(local, LOCAL_KEEP_INDEX | LOCAL_KEEP_TRIM | LOCAL_KEEP_DISK);
    LOG(INFO, "store", "open", "path=%.*s tail=%lu head=%lu segments=%lu bytes=%lu time_us=%lu", SLICE_ARG(conf->path),
        (unsigned long)local->tail, (unsigned long)local->head, (unsigned long)local->segment_count,
        (unsigned long)local->log_bytes, (unsigned long)((clock_mono_ns() - began) / 1000));
    *ret_store = &local->store;
    return OK;
}

static enum err local_open(const struct store_conf *conf, struct store **ret_store, struct errinfo *why) {
    struct local_fs *fs = NULL;
    enum err e = local_fs_os(conf->path, &fs, why);
    return e == OK ? local_open_on(conf, fs, ret_store, why) : e;
}

/* So that the next start has nothing to scan. What fails here costs only that. */
static void save_indexes(struct local *local) {
    local_index_pending(local);
    if (local->segment_count == 0) {
        return;
    }
    struct local_segment *last = local->segments[local->segment_count - 1];
    if (!last->sealed && local_segment_count(last) > 0 && local_index_write(last, /*adopt*/ false) != OK) {
        LOG(WARN, "store", "no index for the last segment: the next start reads it through", "segment=%lu",
            (unsigned long)last->base);
    }
}

static void local_close(struct store *store) {
    struct local *local = local_of(store);
    for (const struct local_cursor *row = local->cursors.first; row != NULL; row = row->next) {
        ASSERT(!row->open);
    }
    local_writer_stop(local);
    local_keeper_stop(local);
    if (local_notes_sync(local) != OK) {
        LOG(ERROR, "store", "notes could not be synced; some deliveries may repeat after a power failure", "path=%.*s",
            SLICE_ARG(local->conf.path));
    }
    local_spare_close(local);
    save_indexes(local);
    local_free(local);
}

static uint64_t local_head(const struct store *store) {
    return atomic_load_explicit(&local_of(store)->head, memory_order_acquire);
}

static uint64_t local_tail(const struct store *store) {
    return atomic_load_explicit(&local_of(store)->tail, memory_order_acquire);
}

static void local_info(struct store *store, struct store_info *ret_info) {
    struct local *local = local_of(store);
    int64_t left = local->fs->free_bytes(local->fs);
    int64_t dedup_oldest = atomic_load_explicit(&local->writer.dedup.oldest_ms, memory_order_relaxed);
    *ret_info = (struct store_info){
        .head = local_head(store),
        .tail = local_tail(store),
        .bytes = atomic_load_explicit(&local->log_bytes, memory_order_relaxed),
        .free_bytes = left > 0 ? (uint64_t)left : 0,
        .dedup_entries = atomic_load_explicit(&local->writer.dedup.entries, memory_order_relaxed),
        .dedup_oldest_ms = dedup_oldest == INT64_MAX ? 0 : dedup_oldest,
    };
    pthread_mutex_lock(&local->segments_lock);
    ret_info->segments = local->segment_count;
    int64_t oldest = local->segment_count > 0 ? local->segments[0]->min_ms : INT64_MAX;
    ret_info->oldest_ms = oldest == INT64_MAX ? 0 : oldest;
    pthread_mutex_unlock(&local->segments_lock);
}

const struct store_engine store_engine_local = {
    .name = "local",
    .open = local_open,
    .close = local_close,
    .append = local_append,
    .head = local_head,
    .tail = local_tail,
    .reader_open = local_reader_open,
    .reader_close = local_reader_close,
    .read = local_read,
    .reader_seek = local_reader_seek,
    .reader_offset = local_reader_offset,
    .get = local_get,
    .offset_at = local_offset_at,
    .find_message = local_find_message,
    .count = local_count,
    .watch_arm = local_watch_arm,
    .watch_disarm = local_watch_disarm,
    .cursor_open = local_cursor_open,
    .cursor_close = local_cursor_close,
    .cursor_save = local_cursor_save,
    .cursor_progress = local_cursor_progress,
    .cursor_retire = local_cursor_retire,
    .cursor_list = local_cursor_list,
    .note = local_note,
    .notes_of = local_notes_of,
    .dead_put = local_dead_put,
    .dead_list = local_dead_list,
    .dead_get = local_dead_get,
    .dead_take = local_dead_take,
    .dead_count = local_dead_count,
    .trim = local_trim,
    .info = local_info,
};
