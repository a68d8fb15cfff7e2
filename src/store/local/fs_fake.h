/* For tests: a file system in memory that can lose what a power failure would.
 *
 * Each file has the bytes that programs see and the bytes that are on disk; sync copies one to the other. Names change
 * in what programs see, and in a list of changes that sync_dir makes good. fake_crash picks, per 512 bytes and per
 * directory, what of the unsynced had reached the disk. A failed sync leaves the bytes marked clean and not on disk, as
 * Linux does. */
#ifndef SLUICE_STORE_LOCAL_FS_FAKE_H
#define SLUICE_STORE_LOCAL_FS_FAKE_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/arena.h"
#include "store/local/fs.h"

#define FAKE_SECTOR 512u
#define FAKE_PATH 64u
#define FAKE_FILES 4096u

struct fake_bytes {
    char *ptr;
    size_t size, cap;
};

struct fake_file {
    struct fake_file *next; /* of all that ever were */
    struct fake_bytes seen, disk;
    size_t dirty_from, dirty_to; /* of seen, against disk */
    size_t lost_to; /* a failed sync has left bytes below clean and not on disk; until they are written again */
    bool of_log;
};

struct fake_name {
    char path[FAKE_PATH];
    struct fake_file *file;
};

struct fake_change { /* file NULL: `path` is gone */
    struct fake_name to;
    char gone[FAKE_PATH]; /* a rename's old name, or "" */
};

struct fake_fs {
    struct local_fs fs; /* first */
    pthread_mutex_t lock;
    uint64_t random;
    struct fake_file *files[FAKE_FILES]; /* descriptor = index + 1; never closed, so that late uses are seen */
    size_t file_count;
    struct fake_file *all;
    struct fake_name seen[FAKE_FILES], disk[FAKE_FILES];
    size_t seen_count, disk_count;
    struct fake_change changes[FAKE_FILES];
    size_t change_count;

    /* set by the test while the store's threads run */
    _Atomic bool crashed;         /* every call fails from here on */
    _Atomic int64_t crash_in;     /* changing calls until then; -1: never */
    _Atomic int64_t fail_sync_in; /* syncs until one fails; -1: never */
    _Atomic int64_t no_room_in;   /* writes until one finds no room; -1: never */
    _Atomic int64_t free_bytes;
    uint64_t syncs, writes;
};

static inline uint64_t fake_random(struct fake_fs *fake) {
    fake->random ^= fake->random << 13;
    fake->random ^= fake->random >> 7;
    fake->random ^= fake->random << 17;
    return fake->random;
}

static inline struct fake_fs *fake_of(struct local_fs *fs) {
    return CONTAINER_OF(fs, struct fake_fs, fs);
}

static inline void fake_resize(struct fake_bytes *bytes, size_t size) {
    if (size > bytes->cap) {
        bytes->cap = size * 2;
        bytes->ptr = mem_resize(bytes->ptr, bytes->cap);
    }
    if (size > bytes->size) {
        memset(bytes->ptr + bytes->size, 0, size - bytes->size);
    }
    bytes->size = size;
}

static inline struct fake_name *fake_find(struct fake_name *names, size_t count, const char *path) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i].path, path) == 0) {
            return &names[i];
        }
    }
    return NULL;
}

static inline void fake_set(struct fake_name *names, size_t *count, const char *path, struct fake_file *file) {
    struct fake_name *name = fake_find(names, *count, path);
    if (file == NULL) {
        if (name != NULL) {
            *name = names[--*count];
        }
        return;
    }
    if (name == NULL) {
        ASSERT(*count < FAKE_FILES);
        name = &names[(*count)++];
        snprintf(name->path, sizeof name->path, "%s", path);
    }
    name->file = file;
}

static inline void fake_apply(struct fake_fs *fake, const struct fake_change *change) {
    if (change->gone[0] != '\0') {
        fake_set(fake->disk, &fake->disk_count, change->gone, NULL);
    }
    fake_set(fake->disk, &fake->disk_count, change->to.path, change->to.file);
}

static inline void fake_change(struct fake_fs *fake, const char *gone, const char *path, struct fake_file *file) {
    ASSERT(fake->change_count < FAKE_FILES);
    struct fake_change *change = &fake->changes[fake->change_count++];
    *change = (struct fake_change){.to.file = file};
    snprintf(change->to.path, sizeof change->to.path, "%s", path);
    snprintf(change->gone, sizeof change->gone, "%s", gone);
    if (gone[0] != '\0') {
        fake_set(fake->seen, &fake->seen_count, gone, NULL);
    }
    fake_set(fake->seen, &fake->seen_count, path, file);
}

static inline bool fake_in_dir(const char *path, const char *dir) {
    size_t n = strlen(dir);
    return strcmp(dir, ".") == 0 ? strchr(path, '/') == NULL : strncmp(path, dir, n) == 0 && path[n] == '/';
}

/* Under the lock, before a call that changes something: whether it may go on. */
static inline bool fake_alive(struct fake_fs *fake) {
    if (fake->crash_in >= 0 && fake->crash_in-- == 0) {
        fake->crashed = true;
    }
    return !fake->crashed;
}

static inline int fake_open(struct local_fs *fs, const char *path, unsigned flags) {
    struct fake_fs *fake = fake_of(fs);
    pthread_mutex_lock(&fake->lock);
    int result = -EIO;
    if ((flags & LOCAL_FS_WRITE) == 0 ? !fake->crashed : fake_alive(fake)) {
        struct fake_name *name = fake_find(fake->seen, fake->seen_count, path);
        struct fake_file *file = name != NULL ? name->file : NULL;
        if (file == NULL && (flags & LOCAL_FS_CREATE) != 0) {
            file = mem_alloc(sizeof *file);
            file->of_log = strncmp(path, "log/", 4) == 0;
            file->next = fake->all;
            fake->all = file;
            fake_change(fake, "", path, file);
        } else if (file != NULL && (flags & LOCAL_FS_TRUNCATE) != 0) {
            file->dirty_from = file->dirty_to = 0;
            fake_resize(&file->seen, 0);
        }
        result = -ENOENT;
        if (file != NULL) {
            ASSERT(fake->file_count < FAKE_FILES);
            fake->files[fake->file_count++] = file;
            result = (int)fake->file_count;
        }
    }
    pthread_mutex_unlock(&fake->lock);
    return result;
}

static inline struct fake_file *fake_file(struct fake_fs *fake, int fd) {
    ASSERT(fd > 0 && (size_t)fd <= fake->file_count && fake->files[fd - 1] != NULL);
    return fake->files[fd - 1];
}

static inline void fake_close(struct local_fs *fs, int fd) {
    struct fake_fs *fake = fake_of(fs);
    pthread_mutex_lock(&fake->lock);
    (void)fake_file(fake, fd); /* it is open */
    fake->files[fd - 1] = NULL;
    while (fake->file_count > 0 && fake->files[fake->file_count - 1] == NULL) {
        fake->file_count--;
    }
    pthread_mutex_unlock(&fake->lock);
}

static inline ssize_t fake_read(struct local_fs *fs, int fd, void *out, size_t size, uint64_t at) {
    struct fake_fs *fake = fake_of(fs);
    pthread_mutex_lock(&fake->lock);
    ssize_t result = -EIO;
    if (!fake->crashed) {
        const struct fake_bytes *seen = &fake_file(fake, fd)->seen;
        result = at >= seen->size ? 0 : (ssize_t)(seen->size - at < size ? seen->size - at : size);
        if (result > 0) {
            memcpy(out, seen->ptr + at, (size_t)result);
        }
    }
    pthread_mutex_unlock(&fake->lock);
    return result;
}

/* Writes `room` bytes at most. */
static inline void fake_put(struct fake_file *file, const struct iovec *iov, int count, uint64_t at, size_t room) {
    for (int i = 0; i < count && room > 0; i++) {
        size_t n = iov[i].iov_len < room ? iov[i].iov_len : room;
        if (at + n > file->seen.size) {
            fake_resize(&file->seen, at + n);
        }
        memcpy(file->seen.ptr + at, iov[i].iov_base, n);
        file->lost_to = 0;
        if (file->dirty_from == file->dirty_to) {
            file->dirty_from = at;
            file->dirty_to = at + n;
        }
        file->dirty_from = at < file->dirty_from ? at : file->dirty_from;
        file->dirty_to = at + n > file->dirty_to ? at + n : file->dirty_to;
        at += n;
        room -= n;
    }
}

static inline int fake_write(struct local_fs *fs, int fd, struct iovec *iov, int count, uint64_t at) {
    struct fake_fs *fake = fake_of(fs);
    pthread_mutex_lock(&fake->lock);
    int result = -EIO;
    if (!fake->crashed) {
        size_t size = 0;
        for (int i = 0; i < count; i++) {
            size += iov[i].iov_len;
        }
        fake->writes++;
        size_t room = size;
        result = 0;
        if (!fake_alive(fake)) {
            room = fake_random(fake) % (size + 1); /* killed in the middle of it */
            result = -EIO;
        } else if (fake->no_room_in >= 0 && fake->no_room_in-- == 0) {
            room = fake_random(fake) % (size + 1);
            result = -ENOSPC;
        }
        fake_put(fake_file(fake, fd), iov, count, at, room);
    }
    pthread_mutex_unlock(&fake->lock);
    return result;
}

static inline int fake_sync(struct local_fs *fs, int fd) {
    struct fake_fs *fake = fake_of(fs);
    pthread_mutex_lock(&fake->lock);
    int result = -EIO;
    if (fake_alive(fake)) {
        struct fake_file *file = fake_file(fake, fd);
        bool fails = fake->fail_sync_in >= 0 && fake->fail_sync_in-- == 0;
        fake->syncs++;
        size_t to = file->dirty_to < file->seen.size ? file->dirty_to : file->seen.size;
        if (!fails) {
            fake_resize(&file->disk, file->seen.size);
            if (file->dirty_from < to) {
                memcpy(file->disk.ptr + file->dirty_from, file->seen.ptr + file->dirty_from, to - file->dirty_from);
            }
        }
        file->lost_to = fails ? file->dirty_to : file->lost_to;
        file->dirty_from = file->dirty_to = 0; /* also when it failed: nothing will write these bytes any more */
        result = fails ? -EIO : 0;
    }
    pthread_mutex_unlock(&fake->lock);
    return result;
}

static inline int fake_truncate(struct local_fs *fs, int fd, uint64_t size) {
    struct fake_fs *fake = fake_of(fs);
    pthread_mutex_lock(&fake->lock);
    int result = -EIO;
    if (fake_alive(fake)) {
        struct fake_file *file = fake_file(fake, fd);
        fake_resize(&file->seen, size);
        result = 0;
    }
    pthread_mutex_unlock(&fake->lock);
    return result;
}

static inline int64_t fake_size(struct local_fs *fs, int fd) {
    struct fake_fs *fake = fake_of(fs);
    pthread_mutex_lock(&fake->lock);
    int64_t size = fake->crashed ? -EIO : (int64_t)fake_file(fake, fd)->seen.size;
    pthread_mutex_unlock(&fake->lock);
    return size;
}

static inline int fake_rename(struct local_fs *fs, const char *from, const char *to) {
    struct fake_fs *fake = fake_of(fs);
    pthread_mutex_lock(&fake->lock);
    int result = -EIO;
    if (fake_alive(fake)) {
        struct fake_name *name = fake_find(fake->seen, fake->seen_count, from);
        result = name != NULL ? 0 : -ENOENT;
        if (name != NULL) {
            fake_change(fake, from, to, name->file);
        }
    }
    pthread_mutex_unlock(&fake->lock);
    return result;
}

static inline int fake_unlink(struct local_fs *fs, const char *path) {
    struct fake_fs *fake = fake_of(fs);
    pthread_mutex_lock(&fake->lock);
    int result = -EIO;
    if (fake_alive(fake)) {
        result = fake_find(fake->seen, fake->seen_count, path) != NULL ? 0 : -ENOENT;
        if (result == 0) {
            fake_change(fake, "", path, NULL);
        }
    }
    pthread_mutex_unlock(&fake->lock);
    return result;
}

static inline int fake_sync_dir(struct local_fs *fs, const char *dir) {
    struct fake_fs *fake = fake_of(fs);
    pthread_mutex_lock(&fake->lock);
    int result = -EIO;
    if (fake_alive(fake)) {
        size_t kept = 0;
        for (size_t i = 0; i < fake->change_count; i++) {
            if (fake_in_dir(fake->changes[i].to.path, dir)) {
                fake_apply(fake, &fake->changes[i]);
            } else {
                fake->changes[kept++] = fake->changes[i];
            }
        }
        fake->change_count = kept;
        result = 0;
    }
    pthread_mutex_unlock(&fake->lock);
    return result;
}

static inline int fake_make_dir(struct local_fs *fs, const char *path) {
    (void)path; /* every directory is there */
    return fake_of(fs)->crashed ? -EIO : 0;
}

static inline int fake_list(
    struct local_fs *fs, const char *dir, void (*each)(void *ctx, const char *name), void *ctx) {
    struct fake_fs *fake = fake_of(fs);
    for (size_t i = 0; i < fake->seen_count; i++) { /* while nothing else runs: each() opens and reads */
        char path[FAKE_PATH];
        memcpy(path, fake->seen[i].path, sizeof path);
        if (fake_in_dir(path, dir)) {
            each(ctx, strcmp(dir, ".") == 0 ? path : path + strlen(dir) + 1);
        }
    }
    return fake->crashed ? -EIO : 0;
}

static inline int64_t fake_free_bytes(struct local_fs *fs) {
    return fake_of(fs)->free_bytes;
}

static inline int fake_lock(struct local_fs *fs, const char *path, int64_t *ret_pid) {
    (void)fs;
    (void)path;
    *ret_pid = 0;
    return 0;
}

static inline void fake_free(struct local_fs *fs) {
    (void)fs; /* the disk outlives the store: fake_destroy */
}

static inline struct fake_fs *fake_new(uint64_t seed) {
    struct fake_fs *fake = mem_alloc(sizeof *fake);
    fake->fs = (struct local_fs){.open = fake_open,
        .close = fake_close,
        .read = fake_read,
        .write = fake_write,
        .sync = fake_sync,
        .truncate = fake_truncate,
        .size = fake_size,
        .rename = fake_rename,
        .unlink = fake_unlink,
        .sync_dir = fake_sync_dir,
        .make_dir = fake_make_dir,
        .list = fake_list,
        .free_bytes = fake_free_bytes,
        .lock = fake_lock,
        .free = fake_free};
    pthread_mutex_init(&fake->lock, NULL);
    fake->random = seed | 1;
    fake->crash_in = fake->fail_sync_in = fake->no_room_in = -1;
    fake->free_bytes = INT64_C(1) << 40;
    return fake;
}

static inline void fake_destroy(struct fake_fs *fake) {
    while (fake->all != NULL) {
        struct fake_file *file = fake->all;
        fake->all = file->next;
        mem_free(file->seen.ptr);
        mem_free(file->disk.ptr);
        mem_free(file);
    }
    pthread_mutex_destroy(&fake->lock);
    mem_free(fake);
}

/* What of a file's unsynced bytes is on disk: all, none, the first part, or any sectors. */
static inline void fake_crash_file(struct fake_fs *fake, struct fake_file *file) {
    enum { NOTHING, EVERYTHING, FIRST_PART, ANY_SECTORS, MODES } mode = fake_random(fake) % MODES;
    size_t longest = file->seen.size > file->disk.size ? file->seen.size : file->disk.size;
    size_t size = mode == NOTHING    ? file->disk.size
        : mode == EVERYTHING         ? file->seen.size
        : fake_random(fake) % 2 == 0 ? file->disk.size
                                     : file->seen.size;
    size_t part = longest > 0 ? fake_random(fake) % (longest / FAKE_SECTOR + 1) * FAKE_SECTOR : 0;
    for (size_t at = 0; at < file->seen.size && mode != NOTHING; at += FAKE_SECTOR) {
        size_t end = at + FAKE_SECTOR < file->seen.size ? at + FAKE_SECTOR : file->seen.size;
        bool dirty = at < file->dirty_to && end > file->dirty_from;
        bool reached = mode == EVERYTHING || (mode == FIRST_PART && at < part) ||
            (mode == ANY_SECTORS && fake_random(fake) % 2 == 0);
        if (dirty && reached) {
            if (end > file->disk.size) {
                fake_resize(&file->disk, end);
            }
            memcpy(file->disk.ptr + at, file->seen.ptr + at, end - at);
            size = end > size ? end : size;
        }
    }
    fake_resize(&file->disk, size);
}

/* After every store on it is closed. `power`: what was not synced may be lost; else only the process died. */
static inline void fake_crash(struct fake_fs *fake, bool power) {
    static const char *const dirs[] = {"log", "notes", "cursors", "dead", "."};
    ASSERT(fake->file_count == 0);
    fake->crashed = false;
    fake->crash_in = fake->fail_sync_in = fake->no_room_in = -1;
    for (struct fake_file *file = fake->all; file != NULL && !power; file = file->next) {
        if (!file->of_log && file->lost_to > 0) {
            file->dirty_to = file->lost_to; /* a sync fails, and the process dies before it has written the notes again:
                                               not guarded against */
        }
    }
    if (!power) {
        return;
    }
    for (size_t d = 0; d < COUNT_OF(dirs); d++) {
        size_t total = 0, done = 0;
        for (size_t i = 0; i < fake->change_count; i++) {
            total += fake_in_dir(fake->changes[i].to.path, dirs[d]);
        }
        size_t reached = fake_random(fake) % (total + 1); /* the journal keeps their order */
        for (size_t i = 0; i < fake->change_count && done < reached; i++) {
            if (fake_in_dir(fake->changes[i].to.path, dirs[d])) {
                fake_apply(fake, &fake->changes[i]);
                done++;
            }
        }
    }
    fake->change_count = 0;
    memcpy(fake->seen, fake->disk, sizeof fake->disk);
    fake->seen_count = fake->disk_count;
    for (size_t i = 0; i < fake->seen_count; i++) {
        struct fake_file *file = fake->seen[i].file;
        fake_crash_file(fake, file);
        fake_resize(&file->seen, 0);
        fake_resize(&file->seen, file->disk.size);
        if (file->disk.size > 0) {
            memcpy(file->seen.ptr, file->disk.ptr, file->disk.size);
        }
        file->dirty_from = file->dirty_to = 0;
    }
}

#endif
