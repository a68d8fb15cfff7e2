/* Dead letters at start: full files by the index at their end, the last one (and any without) frame by frame. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/local/local.h"

#define DEAD_NAME_DIGITS 20u
#define DEAD_TRAILER 8u /* behind the END frame: its size */
#define DEAD_FILE_READ_MAX ((int64_t)1 << 32)

/* Position of the next whole head at or after `at`, or `size`. */
static size_t next_frame(const char *data, size_t at, size_t size) {
    struct dead_frame frame;
    while (at < size && !dead_head_ok(data + at, size - at, size - at, &frame)) {
        at += DEAD_ALIGN;
    }
    return at < size ? at : size;
}

uint64_t local_dead_scan(struct local_dead_file *file, const char *data, size_t size, uint64_t *ret_bad) {
    size_t at = 0, end = 0;
    *ret_bad = 0;
    while (at < size) {
        struct dead_frame frame;
        if (!dead_head_ok(data + at, size - at, size - at, &frame)) {
            at = next_frame(data, at + DEAD_ALIGN, size);
            continue;
        }
        if (!dead_body_ok(&frame, data + at)) {
            at += frame.size; /* torn, or corrupt: its number stays empty */
            continue;
        }
        *ret_bad += at - end;
        if (frame.kind == DEAD_LETTER && frame.id >= file->first + file->count &&
            frame.id - file->first - file->count < size) {
            local_dead_file_letter(file, &frame, at);
        } else if (frame.kind == DEAD_TAKEN) {
            local_dead_file_taken(file, frame.id);
        }
        at += frame.size;
        at += frame.kind == DEAD_END && size - at >= DEAD_TRAILER ? DEAD_TRAILER : 0;
        end = at;
    }
    return end;
}

/* The index behind a full file. False: there is none, or it is bad. */
static bool read_end(struct local *local, struct local_dead_file *file, int fd) {
    uint64_t length = 0;
    if (file->size < DEAD_TRAILER ||
        local->fs->read(local->fs, fd, &length, DEAD_TRAILER, file->size - DEAD_TRAILER) != (ssize_t)DEAD_TRAILER ||
        length < sizeof(struct dead_frame) || length > file->size - DEAD_TRAILER) {
        return false;
    }
    char *data = mem_try_resize(NULL, length);
    struct dead_frame frame;
    bool ok = data != NULL &&
        local->fs->read(local->fs, fd, data, length, file->size - DEAD_TRAILER - length) == (ssize_t)length &&
        dead_head_ok(data, length, length, &frame) && frame.kind == DEAD_END && frame.size == length &&
        frame.id == file->first && dead_body_ok(&frame, data) && frame.offset <= length && frame.source <= length &&
        sizeof frame + frame.offset * sizeof *file->entries + frame.source * sizeof *file->taken <= length;
    if (ok) {
        file->count = file->cap = frame.offset;
        file->entries = mem_alloc(file->count * sizeof *file->entries);
        memcpy(file->entries, data + sizeof frame, file->count * sizeof *file->entries);
        file->taken_count = file->taken_cap = frame.source;
        file->taken = mem_alloc(file->taken_count * sizeof *file->taken);
        memcpy(file->taken, data + sizeof frame + file->count * sizeof *file->entries,
            file->taken_count * sizeof *file->taken);
        for (size_t i = 0; i < file->count; i++) {
            file->entries[i].taken = 0; /* the marks say it, in whichever file they are */
        }
    }
    mem_free(data);
    return ok;
}

static enum err scan_file(struct local *local, struct local_dead_file *file, int fd, uint64_t *ret_end) {
    char *data = mem_try_resize(NULL, file->size + 1);
    if (data == NULL) {
        return ERR_NOMEM;
    }
    ssize_t n = local->fs->read(local->fs, fd, data, file->size, 0);
    if (n < 0) {
        mem_free(data);
        return local_io(local, (int)n, "read dead letters", file->first);
    }
    uint64_t bad = 0;
    *ret_end = local_dead_scan(file, data, (size_t)n, &bad);
    mem_free(data);
    if (bad > 0) {
        stat_add(&local->store.stat.corrupt, 1);
        LOG(ERROR, "store", "corrupt dead letters skipped", "file=%lu bytes=%lu", (unsigned long)file->first,
            (unsigned long)bad);
    }
    return OK;
}

/* The last file goes on being written behind its last whole frame. */
static enum err take_over(struct local *local, struct local_dead_file *file, int fd, uint64_t end) {
    local->dead.fd = fd;
    int result = 0;
    if (end < file->size) {
        stat_add(&local->store.stat.torn, (int64_t)(file->size - end));
        LOG(WARN, "store", "torn dead letter cut off", "id=%lu bytes=%lu", (unsigned long)(file->first + file->count),
            (unsigned long)(file->size - end));
        result = local->fs->truncate(local->fs, fd, end);
    }
    file->size = end;
    result =
        result == 0 ? local->fs->sync(local->fs, fd) : result; /* what a killed process wrote may not be on disk yet */
    return result == 0 ? OK : local_io(local, result, "sync dead letters", file->first);
}

static enum err open_one(struct local *local, struct local_dead_file *file, bool last) {
    char name[DEAD_NAME_SIZE];
    local_dead_name(file->first, name);
    int fd = local->fs->open(local->fs, name, last ? LOCAL_FS_WRITE : 0);
    int64_t size = fd >= 0 ? local->fs->size(local->fs, fd) : fd;
    enum err e = size < 0           ? local_io(local, (int)size, "open dead letters", file->first)
        : size > DEAD_FILE_READ_MAX ? ERR_CORRUPT
                                    : OK;
    file->size = size > 0 ? (uint64_t)size : 0;
    uint64_t end = 0;
    if (e == OK && (last || !read_end(local, file, fd))) {
        e = scan_file(local, file, fd, &end);
    }
    if (e == OK && last) {
        return take_over(local, file, fd, end);
    }
    if (fd >= 0) {
        local->fs->close(local->fs, fd);
    }
    return e;
}

static void on_dead_name(void *ctx, const char *name) {
    struct local_dead *dead = ctx;
    struct slice suffix;
    struct slice digits = slice_cut(slice_cstr(name), '.', &suffix);
    uint64_t first = 0;
    if (digits.len == DEAD_NAME_DIGITS && slice_eq(suffix, SLICE("ded")) && slice_to_u64(digits, &first) == OK) {
        (void)local_dead_file_add(dead, first);
    }
}

static int compare_files(const void *a, const void *b) {
    const struct local_dead_file *x = a, *y = b;
    return x->first < y->first ? -1 : x->first > y->first;
}

enum err local_dead_open(struct local *local) {
    struct local_dead *dead = &local->dead;
    dead->file_bytes = local_dead_file_bytes(local->conf.dead_bytes);
    int result = local->fs->list(local->fs, "dead", on_dead_name, dead);
    if (result != 0) {
        return local_io(local, result, "list dead letters", 0);
    }
    if (dead->count > 1) {
        qsort(dead->files, dead->count, sizeof *dead->files, compare_files);
    }
    for (size_t i = 0; i < dead->count; i++) {
        enum err e = open_one(local, &dead->files[i], i + 1 == dead->count);
        if (e != OK) {
            return e;
        }
    }
    local_dead_index_done(local);
    return OK;
}
