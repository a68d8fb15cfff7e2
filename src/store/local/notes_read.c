/* Reading notes: decoding, scans over files, the notes of one event. */
#include <errno.h>
#include <stdio.h>

#include "store/local/local.h"

#define NOTES_SCAN_BYTES (NOTES_GROUP_MAX * 2)
#define COLLECT_FIRST 8u

void local_notes_name(uint64_t base, char out[NOTES_NAME_SIZE]) {
    int n = snprintf(out, NOTES_NAME_SIZE, "notes/%020lu.not", (unsigned long)base);
    ASSERT(n > 0 && (unsigned)n < NOTES_NAME_SIZE);
}

uint32_t local_notes_sum(const char *group, size_t bytes) {
    size_t from = offsetof(struct notes_group, bytes);
    return hash_check(group + from, sizeof(struct notes_group) - from + bytes);
}

/* ---- decoding ---- */

static bool decode_row(const char *at, size_t left, struct note *ret_note, size_t *ret_size) {
    struct notes_row row;
    if (left < sizeof row) {
        return false;
    }
    memcpy(&row, at, sizeof row);
    size_t size = sizeof row + local_notes_padded(row.text_len);
    if (size > left) {
        return false;
    }
    *ret_note = (struct note){
        .destination = row.destination,
        .offset = row.offset,
        .at_ms = row.at_ms,
        .first_ms = row.first_ms,
        .due_ms = row.due_ms,
        .duration_us = row.duration_us,
        .attempt = row.attempt,
        .status = row.status,
        .kind = row.kind,
        .reason = row.reason,
        .text = slice_of(at + sizeof row, row.text_len),
    };
    *ret_size = size;
    return true;
}

size_t local_notes_decode(
    const char *data, size_t size, size_t *ret_need, void (*each)(void *ctx, const struct note *note), void *ctx) {
    struct notes_group group;
    *ret_need = sizeof group;
    if (size < sizeof group) {
        return 0;
    }
    memcpy(&group, data, sizeof group);
    if ((group.magic != NOTES_MAGIC && group.magic != NOTES_END_MAGIC) || group.bytes > NOTES_GROUP_MAX ||
        group.bytes % NOTES_ALIGN != 0) {
        return 0;
    }
    *ret_need = sizeof group + group.bytes;
    if (size < *ret_need || local_notes_sum(data, group.bytes) != group.sum) {
        return 0;
    }
    const char *at = data + sizeof group;
    size_t left = group.bytes;
    for (uint32_t i = 0; group.magic == NOTES_MAGIC && i < group.count; i++) {
        struct note note;
        size_t used = 0;
        if (!decode_row(at, left, &note, &used)) {
            break; /* the sum was right: written by something newer; what is known is used */
        }
        each(ctx, &note);
        at += used;
        left -= used;
    }
    return *ret_need;
}

/* ---- scanning ---- */

struct notes_scan {
    struct local *local;
    struct local_notes_file file;
    int fd;
    char *buffer;
    uint64_t from; /* in the file */
    size_t len;
    enum err failed;
    uint64_t position;
    void (*each)(void *ctx, uint64_t position, const struct note *note);
    void *ctx;
};

static void scan_note(void *ctx, const struct note *note) {
    struct notes_scan *scan = ctx;
    if (scan->each != NULL) {
        scan->each(scan->ctx, scan->position, note);
    }
}

/* Bytes of the file from `at` on: as many as there are, NOTES_GROUP_MAX and a head at most need be there. */
static const char *scan_from(struct notes_scan *scan, uint64_t at, size_t need, size_t *ret_size) {
    if (at < scan->from || at + need > scan->from + scan->len) {
        size_t left = scan->file.size > at ? scan->file.size - at : 0;
        size_t want = left < NOTES_SCAN_BYTES ? left : NOTES_SCAN_BYTES;
        ssize_t n = scan->local->fs->read(scan->local->fs, scan->fd, scan->buffer, want, at);
        if (n < 0) {
            scan->failed = local_io(scan->local, (int)n, "read notes", scan->file.base + at);
            n = 0;
        }
        scan->from = at;
        scan->len = (size_t)n;
    }
    *ret_size = scan->len - (at - scan->from);
    return scan->buffer + (at - scan->from);
}

/* The group at `at`: its size, or 0. */
static size_t scan_group(struct notes_scan *scan, uint64_t at) {
    size_t size = 0, need = 0;
    const char *data = scan_from(scan, at, sizeof(struct notes_group), &size);
    scan->position = scan->file.base + at;
    size_t used = local_notes_decode(data, size, &need, scan_note, scan);
    if (used == 0 && need > size && at + need <= scan->file.size && need <= NOTES_SCAN_BYTES) {
        data = scan_from(scan, at, need, &size);
        used = local_notes_decode(data, size, &need, scan_note, scan);
    }
    return used;
}

/* Walks the groups of one file from `at` to `end`. *ret_end: behind the last whole group. */
static enum err scan_file(struct notes_scan *scan, uint64_t at, uint64_t end, uint64_t *ret_end) {
    struct local *local = scan->local;
    char name[NOTES_NAME_SIZE];
    local_notes_name(scan->file.base, name);
    scan->fd = local->fs->open(local->fs, name, 0);
    if (scan->fd < 0) {
        return scan->fd == -ENOENT ? ERR_NOT_FOUND : local_io(local, scan->fd, "open notes", scan->file.base);
    }
    scan->from = scan->len = 0;
    scan->failed = OK;
    uint64_t bad = UINT64_MAX;
    *ret_end = at;
    while (at < end && scan->failed == OK) {
        size_t used = scan_group(scan, at);
        if (used == 0) {
            bad = bad == UINT64_MAX ? at : bad;
            at += NOTES_ALIGN;
            continue;
        }
        if (bad != UINT64_MAX) {
            stat_add(&local->store.stat.notes_ignored, 1);
            LOG(ERROR, "store", "corrupt notes skipped", "position=%lu bytes=%lu",
                (unsigned long)(scan->file.base + bad), (unsigned long)(at - bad));
            bad = UINT64_MAX;
        }
        at += used;
        *ret_end = at;
    }
    local->fs->close(local->fs, scan->fd);
    return scan->failed;
}

bool local_notes_nth(struct local_notes *notes, size_t i, struct local_notes_file *ret_file) {
    pthread_mutex_lock(&notes->lock);
    bool found = i < notes->count;
    if (found) {
        *ret_file = notes->files[i];
    }
    pthread_mutex_unlock(&notes->lock);
    return found;
}

/* The first file that reaches past `position`. */
static bool file_past(struct local_notes *notes, uint64_t position, struct local_notes_file *ret_file) {
    struct local_notes_file file;
    for (size_t i = 0; local_notes_nth(notes, i, &file); i++) {
        if (file.base + file.size > position) {
            *ret_file = file;
            return true;
        }
    }
    return false;
}

enum err local_notes_scan(struct local *local, uint64_t from, uint64_t to,
    void (*each)(void *ctx, uint64_t position, const struct note *note), void *ctx) {
    struct notes_scan scan = {.local = local, .each = each, .ctx = ctx};
    scan.buffer = mem_try_resize(NULL, NOTES_SCAN_BYTES);
    enum err e = scan.buffer != NULL ? OK : ERR_NOMEM;
    while (e == OK && from < to && file_past(&local->notes, from, &scan.file) && scan.file.base < to) {
        uint64_t begin = from > scan.file.base ? from - scan.file.base : 0;
        uint64_t end = to - scan.file.base < scan.file.size ? to - scan.file.base : scan.file.size;
        uint64_t reached = 0;
        e = scan_file(&scan, begin, end, &reached);
        e = e == ERR_NOT_FOUND ? OK : e; /* trimmed meanwhile */
        from = scan.file.base + scan.file.size;
    }
    mem_free(scan.buffer);
    return e;
}

static void widen_from(void *ctx, uint64_t position, const struct note *note) {
    (void)position;
    local_notes_widen(ctx, note->offset);
}

enum err local_notes_range_read(struct local *local, struct local_notes_file *file, uint64_t *ret_end) {
    struct notes_scan scan = {.local = local, .file = *file, .each = widen_from, .ctx = file};
    scan.buffer = mem_try_resize(NULL, NOTES_SCAN_BYTES);
    if (scan.buffer == NULL) {
        return ERR_NOMEM;
    }
    file->min = UINT64_MAX;
    file->max = 0;
    enum err e = scan_file(&scan, 0, file->size, ret_end);
    mem_free(scan.buffer);
    file->ranged = e == OK;
    return e;
}

/* ---- notes of one event ---- */

struct collect {
    uint64_t offset;
    struct arena *arena;
    struct note *notes;
    size_t count, cap;
};

static void collect_note(void *ctx, uint64_t position, const struct note *note) {
    struct collect *collect = ctx;
    (void)position;
    if (note->offset != collect->offset) {
        return;
    }
    if (collect->count == collect->cap) {
        collect->cap = collect->cap > 0 ? collect->cap * 2 : COLLECT_FIRST;
        struct note *more = ARENA_ARRAY(collect->arena, struct note, collect->cap);
        if (collect->count > 0) {
            memcpy(more, collect->notes, collect->count * sizeof *more);
        }
        collect->notes = more;
    }
    collect->notes[collect->count] = *note;
    collect->notes[collect->count++].text = arena_dup(collect->arena, note->text);
}

enum err local_notes_range(struct local *local, struct local_notes_file *file) {
    if (file->ranged) {
        return OK;
    }
    uint64_t end = 0;
    enum err e = local_notes_range_read(local, file, &end);
    if (e != OK) {
        return e;
    }
    pthread_mutex_lock(&local->notes.lock);
    for (size_t i = 0; i < local->notes.count; i++) {
        struct local_notes_file *kept = &local->notes.files[i];
        if (kept->base == file->base && !kept->ranged) {
            *kept = *file;
        }
    }
    pthread_mutex_unlock(&local->notes.lock);
    return OK;
}

enum err local_notes_of(
    struct store *store, uint64_t offset, struct arena *arena, struct note **ret_notes, size_t *ret_count) {
    struct local *local = local_of(store);
    struct collect collect = {.offset = offset, .arena = arena};
    struct local_notes_file file;
    enum err e = OK;
    for (uint64_t position = 0; e == OK && file_past(&local->notes, position, &file);
         position = file.base + file.size) {
        e = local_notes_range(local, &file);
        if (e == OK && file.min <= offset && offset <= file.max) {
            e = local_notes_scan(local, file.base, file.base + file.size, collect_note, &collect);
        }
        e = e == ERR_NOT_FOUND ? OK : e; /* trimmed meanwhile */
    }
    if (e == OK) {
        *ret_notes = collect.notes;
        *ret_count = collect.count;
    }
    return e;
}
