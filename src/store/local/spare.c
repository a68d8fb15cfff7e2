/* The spare file: see spare.h. */
#include <errno.h>

#include "store/local/local.h"

#define SPARE_NAME "log/spare"
#define SPARE_DRAFT "log/spare.tmp"
#define SPARE_FIRST_BYTES (UINT64_C(16) << 20)
#define SPARE_STEP_BYTES ((size_t)1 << 20)
#define SPARE_RETRY_NS UINT64_C(10000000000)
#define SPARE_DISK_SHARE 8u /* of the free space, at most, above the reserve */

static const char zeros[SPARE_STEP_BYTES];

void local_spare_open(struct local *local) {
    struct local_spare *spare = &local->spare;
    struct local_fs *fs = local->fs;
    spare->fd = -1;
    spare->next_size = SPARE_FIRST_BYTES < local->segment_bytes ? SPARE_FIRST_BYTES : local->segment_bytes;
    (void)fs->unlink(fs, SPARE_DRAFT); /* mostly there is none */
    int fd = fs->open(fs, SPARE_NAME, 0);
    int64_t size = fd >= 0 ? fs->size(fs, fd) : 0;
    if (fd >= 0) {
        fs->close(fs, fd);
    }
    if (size > 0 && local->conf.prepare) {
        spare->size = (uint64_t)size;
        spare->state = LOCAL_SPARE_READY;
    } else {
        (void)fs->unlink(fs, SPARE_NAME); /* likewise */
    }
}

void local_spare_close(struct local *local) {
    if (local->spare.fd >= 0) {
        local->fs->close(local->fs, local->spare.fd);
        (void)local->fs->unlink(local->fs, SPARE_DRAFT); /* else the next start does it */
    }
}

void local_spare_want(struct local *local, uint64_t now_ns) {
    struct local_spare *spare = &local->spare;
    if (!local->conf.prepare || atomic_load_explicit(&spare->state, memory_order_acquire) != LOCAL_SPARE_NONE ||
        now_ns < spare->not_before_ns) {
        return;
    }
    int none = LOCAL_SPARE_NONE; /* trim may be quicker */
    if (atomic_compare_exchange_strong(&spare->state, &none, LOCAL_SPARE_WANTED)) {
        local_keeper_ask(local, LOCAL_KEEP_SPARE);
    }
}

int local_spare_take(struct local *local, const char *name, uint64_t *ret_size) {
    struct local_spare *spare = &local->spare;
    struct local_fs *fs = local->fs;
    if (atomic_load_explicit(&spare->state, memory_order_acquire) != LOCAL_SPARE_READY) {
        return -ENOENT;
    }
    *ret_size = spare->size;
    int result = fs->rename(fs, SPARE_NAME, name);
    int fd = result == 0 ? fs->open(fs, name, LOCAL_FS_WRITE) : result;
    spare->next_size = spare->size < local->segment_bytes / 2 ? spare->size * 2 : local->segment_bytes;
    atomic_store_explicit(&spare->state, LOCAL_SPARE_NONE, memory_order_release);
    return fd;
}

/* Gives up for a while: the writer goes on with files that grow. */
static bool fill_failed(struct local *local, int result) {
    struct local_spare *spare = &local->spare;
    (void)local_io(local, result, "prepare segment", spare->filled);
    if (spare->fd >= 0) {
        local->fs->close(local->fs, spare->fd);
    }
    spare->fd = -1;
    (void)local->fs->unlink(local->fs, SPARE_DRAFT); /* made anew by the next try */
    spare->not_before_ns = clock_mono_ns() + SPARE_RETRY_NS;
    atomic_store_explicit(&spare->state, LOCAL_SPARE_NONE, memory_order_release);
    return false;
}

static int fill_begin(struct local *local) {
    struct local_spare *spare = &local->spare;
    int64_t left = local->fs->free_bytes(local->fs);
    spare->size = spare->next_size;
    spare->filled = 0;
    if (left >= 0 && (uint64_t)left < local->conf.disk_reserve + spare->size * SPARE_DISK_SHARE) {
        return -ENOSPC;
    }
    spare->fd = local->fs->open(local->fs, SPARE_DRAFT, LOCAL_FS_WRITE | LOCAL_FS_CREATE | LOCAL_FS_TRUNCATE);
    atomic_store_explicit(&spare->state, LOCAL_SPARE_FILLING, memory_order_release);
    return spare->fd < 0 ? spare->fd : 0;
}

static int fill_step(struct local *local) {
    struct local_spare *spare = &local->spare;
    uint64_t left = spare->size - spare->filled;
    struct iovec iov = {.iov_base = (void *)zeros, .iov_len = left < SPARE_STEP_BYTES ? left : SPARE_STEP_BYTES};
    uint64_t n = iov.iov_len;
    int result = local->fs->write(local->fs, spare->fd, &iov, 1, spare->filled);
    spare->filled += n;
    return result == 0 ? local->fs->sync(local->fs, spare->fd)
                       : result; /* step by step: the log's own syncs go between */
}

static int fill_end(struct local *local) {
    struct local_spare *spare = &local->spare;
    local->fs->close(local->fs, spare->fd);
    spare->fd = -1;
    int result = local->fs->rename(local->fs, SPARE_DRAFT, SPARE_NAME);
    if (result == 0) {
        atomic_store_explicit(&spare->state, LOCAL_SPARE_READY, memory_order_release);
    }
    return result;
}

bool local_spare_fill(struct local *local) {
    struct local_spare *spare = &local->spare;
    pthread_mutex_lock(&local->upkeep_lock);
    int state = atomic_load_explicit(&spare->state, memory_order_acquire);
    int result = state == LOCAL_SPARE_WANTED ? fill_begin(local) : 0;
    bool filling = result == 0 && (state == LOCAL_SPARE_WANTED || state == LOCAL_SPARE_FILLING);
    result = filling ? fill_step(local) : result;
    if (filling && result == 0 && spare->filled == spare->size) {
        result = fill_end(local);
        filling = false;
    }
    bool more = result == 0 ? filling : fill_failed(local, result);
    pthread_mutex_unlock(&local->upkeep_lock);
    return more;
}

bool local_spare_recycle(struct local *local, const struct local_segment *segment) {
    struct local_spare *spare = &local->spare;
    uint64_t size = local_segment_end(segment);
    int none = LOCAL_SPARE_NONE;
    if (!local->conf.prepare || size < local->segment_bytes / 2 || size > local->segment_bytes * 2 ||
        !atomic_compare_exchange_strong(&spare->state, &none, LOCAL_SPARE_FILLING)) {
        return false;
    }
    char name[LOCAL_NAME_SIZE];
    local_segment_name(segment->base, "seg", name);
    bool done = local->fs->rename(local->fs, name, SPARE_NAME) == 0;
    spare->size = size;
    atomic_store_explicit(&spare->state, done ? LOCAL_SPARE_READY : LOCAL_SPARE_NONE, memory_order_release);
    return done;
}
