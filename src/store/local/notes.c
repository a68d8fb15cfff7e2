/* Notes: see notes.h. */
#include "store/local/notes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/local/local.h"

#define NOTES_FILE_BYTES ((uint64_t)64 << 20)
#define NOTES_FILES_FIRST 8u
#define NAME_DIGITS 20u
#define NS_PER_US 1000u

/* ---- encoding ---- */

/* At most NOTES_TEXT_MAX bytes, not in the middle of a character. */
static struct slice cut_text(struct slice text) {
    if (text.len > NOTES_TEXT_MAX) {
        text.len = NOTES_TEXT_MAX;
        while (text.len > 0 && ((unsigned char)text.ptr[text.len] & 0xc0) == 0x80) {
            text.len--;
        }
    }
    return text;
}

static void encode_note(struct buf *out, const struct note *note) {
    struct slice text = cut_text(note->text);
    struct notes_row row = {
        .destination = note->destination,
        .offset = note->offset,
        .at_ms = note->at_ms,
        .first_ms = note->first_ms,
        .due_ms = note->due_ms,
        .duration_us = note->duration_us,
        .attempt = note->attempt,
        .status = note->status,
        .kind = note->kind,
        .reason = note->reason,
        .text_len = (uint16_t)text.len,
    };
    static const char zeros[NOTES_ALIGN] = {0};
    buf_append(out, slice_of((const char *)&row, sizeof row));
    buf_append(out, text);
    buf_append(out, slice_of(zeros, local_notes_padded(text.len) - text.len));
}

/* Groups of at most NOTES_GROUP_MAX bytes. ERR_NOMEM. */
static enum err encode_notes(struct buf *out, const struct note *notes, size_t count) {
    buf_reset(out);
    for (size_t i = 0; i < count;) {
        size_t at = out->len;
        struct notes_group group = {.magic = NOTES_MAGIC};
        buf_append(out, slice_of((const char *)&group, sizeof group));
        while (i < count && out->len - at < NOTES_GROUP_MAX - sizeof(struct notes_row) - NOTES_TEXT_MAX - NOTES_ALIGN) {
            encode_note(out, &notes[i++]);
            group.count++;
        }
        if (out->failed != OK) {
            return ERR_NOMEM;
        }
        group.bytes = (uint32_t)(out->len - at - sizeof group);
        memcpy(out->ptr + at, &group, sizeof group);
        group.sum = local_notes_sum(out->ptr + at, group.bytes);
        memcpy(out->ptr + at, &group, sizeof group);
    }
    return OK;
}

/* ---- writing ---- */

static struct local_notes_file *last_file(struct local_notes *notes) {
    return notes->count > 0 ? &notes->files[notes->count - 1] : NULL;
}

static struct local_notes_file *file_append(struct local_notes *notes, uint64_t base) {
    if (notes->count == notes->cap) {
        notes->cap = notes->cap > 0 ? notes->cap * 2 : NOTES_FILES_FIRST;
        notes->files = mem_resize(notes->files, notes->cap * sizeof *notes->files);
    }
    notes->files[notes->count] = (struct local_notes_file){.base = base, .min = UINT64_MAX, .ranged = true};
    return &notes->files[notes->count++];
}

/* Writes behind the last file's end; nothing has been written when it fails. */
static int write_at_end(struct local *local, const void *data, size_t size) {
    struct local_notes *notes = &local->notes;
    struct local_notes_file *file = last_file(notes);
    struct iovec iov = {.iov_base = (void *)data, .iov_len = size};
    int result = FAULT(STORE_NOTE) ? -EIO : local->fs->write(local->fs, notes->fd, &iov, 1, file->size);
    if (result == 0) {
        file->size += size;
        return 0;
    }
    if (local->fs->truncate(local->fs, notes->fd, file->size) != 0) {
        stat_add(&local->store.stat.io_errors, 1); /* the next write covers the rest; its sum is wrong until then */
    }
    return result;
}

/* The last file is full: says what is in it, and waits for its last sync. */
static int end_file(struct local *local) {
    struct local_notes *notes = &local->notes;
    const struct local_notes_file *file = last_file(notes);
    struct notes_end end = {.group = {.magic = NOTES_END_MAGIC, .bytes = sizeof end - sizeof end.group},
        .min = file->min,
        .max = file->max};
    end.group.sum = local_notes_sum((const char *)&end, end.group.bytes);
    int result = write_at_end(local, &end, sizeof end);
    if (result != 0) {
        return result;
    }
    if (notes->ended_count == notes->ended_cap) {
        notes->ended_cap = notes->ended_cap > 0 ? notes->ended_cap * 2 : NOTES_FILES_FIRST;
        notes->ended = mem_resize(notes->ended, notes->ended_cap * sizeof *notes->ended);
    }
    notes->ended[notes->ended_count++] = (struct local_notes_ended){.fd = notes->fd, .synced = notes->synced};
    notes->fd = -1;
    return 0;
}

/* A file with room: the last one, or a new one behind it. */
static enum err ready_file(struct local *local) {
    struct local_notes *notes = &local->notes;
    const struct local_notes_file *file = last_file(notes);
    if (notes->fd >= 0 && file->size < NOTES_FILE_BYTES) {
        return OK;
    }
    int result = notes->fd >= 0 ? end_file(local) : 0;
    if (result != 0) {
        return local_io(local, result, "end notes file", file->base);
    }
    uint64_t base = file != NULL ? file->base + file->size : 0;
    char name[NOTES_NAME_SIZE];
    local_notes_name(base, name);
    int fd = local->fs->open(local->fs, name, LOCAL_FS_WRITE | LOCAL_FS_CREATE | LOCAL_FS_TRUNCATE);
    if (fd < 0) {
        return local_io(local, fd, "create notes file", base);
    }
    result = local->fs->sync_dir(local->fs, "notes");
    if (result != 0) {
        local->fs->close(local->fs, fd);
        return local_io(local, result, "sync directory notes", base);
    }
    (void)file_append(notes, base);
    notes->fd = fd;
    notes->synced = 0;
    return OK;
}

enum err local_note(struct store *store, const struct note *notes, size_t count) {
    struct local *local = local_of(store);
    struct local_notes *self = &local->notes;
    if (count == 0) {
        return OK;
    }
    pthread_mutex_lock(&self->lock);
    enum err e = encode_notes(&self->scratch, notes, count);
    e = e == OK ? ready_file(local) : e;
    if (e == OK) {
        local_cursors_noting(local, last_file(self)->base + last_file(self)->size, notes, count);
        int result = write_at_end(local, self->scratch.ptr, self->scratch.len);
        e = result == 0 ? OK : local_io(local, result, "write notes", last_file(self)->base + last_file(self)->size);
    }
    for (size_t i = 0; e == OK && i < count; i++) {
        local_notes_widen(last_file(self), notes[i].offset);
    }
    pthread_mutex_unlock(&self->lock);
    if (e != OK) {
        return e == ERR_FULL || e == ERR_NOMEM ? e : ERR_IO;
    }
    stat_add(&store->stat.notes, (int64_t)count);
    if (local->conf.note_sync == 0) {
        return local_notes_sync(local);
    }
    local_keeper_ask(local, LOCAL_KEEP_NOTES);
    return OK;
}

uint64_t local_notes_position(struct local *local) {
    pthread_mutex_lock(&local->notes.lock);
    const struct local_notes_file *file = last_file(&local->notes);
    uint64_t position = file != NULL ? file->base + file->size : 0;
    pthread_mutex_unlock(&local->notes.lock);
    return position;
}

static enum err sync_file(struct local *local, int fd, uint64_t synced) {
    uint64_t began = clock_mono_ns();
    enum err e = local_sync(local, fd, synced, "sync notes");
    stat_observe(&local->store.stat.notes_sync_time, (clock_mono_ns() - began) / NS_PER_US);
    return e;
}

/* Full files that have not had their last sync. Under sync_lock: nobody else takes from the list. */
static enum err sync_ended(struct local *local) {
    struct local_notes *notes = &local->notes;
    enum err e = OK;
    for (;;) {
        pthread_mutex_lock(&notes->lock);
        bool any = notes->ended_count > 0;
        struct local_notes_ended ended = any ? notes->ended[0] : (struct local_notes_ended){.fd = -1};
        pthread_mutex_unlock(&notes->lock);
        e = any ? sync_file(local, ended.fd, ended.synced) : OK;
        if (!any || e != OK) {
            return e;
        }
        pthread_mutex_lock(&notes->lock);
        notes->ended_count--;
        memmove(notes->ended, notes->ended + 1, notes->ended_count * sizeof *notes->ended);
        pthread_mutex_unlock(&notes->lock);
        local->fs->close(local->fs, ended.fd);
    }
}

enum err local_notes_sync(struct local *local) {
    struct local_notes *notes = &local->notes;
    pthread_mutex_lock(&notes->sync_lock);
    pthread_mutex_lock(&notes->lock);
    uint64_t base = notes->fd >= 0 ? last_file(notes)->base : 0;
    uint64_t size = notes->fd >= 0 ? last_file(notes)->size : 0;
    uint64_t synced = notes->synced;
    int fd = notes->fd; /* stays open: what closes it takes sync_lock */
    pthread_mutex_unlock(&notes->lock);
    /* what is noted as dead is on disk before the note is; letters put after this line have their notes behind `size`
     */
    enum err e = local_dead_sync(local);
    e = e == OK ? sync_ended(local) : e;
    if (e == OK && fd >= 0 && synced < size) {
        e = sync_file(local, fd, synced);
        pthread_mutex_lock(&notes->lock);
        if (e == OK && notes->fd == fd && last_file(notes)->base == base) {
            notes->synced = size;
        }
        pthread_mutex_unlock(&notes->lock);
    }
    pthread_mutex_unlock(&notes->sync_lock);
    return e;
}

/* ---- opening ---- */

struct names {
    struct local_notes *notes;
};

static void on_notes_name(void *ctx, const char *name) {
    struct names *names = ctx;
    struct slice suffix;
    struct slice digits = slice_cut(slice_cstr(name), '.', &suffix);
    uint64_t base = 0;
    if (digits.len == NAME_DIGITS && slice_eq(suffix, SLICE("not")) && slice_to_u64(digits, &base) == OK) {
        file_append(names->notes, base)->ranged = false;
    }
}

static int compare_files(const void *a, const void *b) {
    const struct local_notes_file *x = a, *y = b;
    return x->base < y->base ? -1 : x->base > y->base;
}

/* Offsets in a full file, from its last group. */
static bool read_end(struct local *local, struct local_notes_file *file, int fd) {
    struct notes_end end;
    if (file->size < sizeof end ||
        local->fs->read(local->fs, fd, &end, sizeof end, file->size - sizeof end) != (ssize_t)sizeof end ||
        end.group.magic != NOTES_END_MAGIC || end.group.bytes != sizeof end - sizeof end.group ||
        end.group.sum != local_notes_sum((const char *)&end, end.group.bytes)) {
        return false;
    }
    file->min = end.min;
    file->max = end.max;
    file->ranged = true;
    return true;
}

/* What a killed process had written may not be on disk yet: it was at most in the last file and the one before. */
static enum err sync_found(struct local *local) {
    struct local_notes *notes = &local->notes;
    int result = local->fs->sync(local->fs, notes->fd);
    if (result == 0 && notes->count > 1) {
        char name[NOTES_NAME_SIZE];
        local_notes_name(notes->files[notes->count - 2].base, name);
        int fd = local->fs->open(local->fs, name, LOCAL_FS_WRITE);
        result = fd >= 0 ? local->fs->sync(local->fs, fd) : fd;
        if (fd >= 0) {
            local->fs->close(local->fs, fd);
        }
    }
    notes->synced = last_file(notes)->size;
    return result == 0 ? OK : local_io(local, result, "sync notes", last_file(notes)->base);
}

static enum err open_last(struct local *local) {
    struct local_notes *notes = &local->notes;
    struct local_notes_file *file = last_file(notes);
    uint64_t end = 0;
    enum err e = local_notes_range_read(local, file, &end);
    if (e != OK) {
        return e;
    }
    char name[NOTES_NAME_SIZE];
    local_notes_name(file->base, name);
    notes->fd = local->fs->open(local->fs, name, LOCAL_FS_WRITE);
    if (notes->fd < 0) {
        return local_io(local, notes->fd, "open notes", file->base);
    }
    if (file->size == end) {
        return sync_found(local);
    }
    stat_add(&local->store.stat.torn, (int64_t)(file->size - end));
    LOG(WARN, "store", "torn notes cut off", "position=%lu bytes=%lu", (unsigned long)(file->base + end),
        (unsigned long)(file->size - end));
    file->size = end;
    int result = local->fs->truncate(local->fs, notes->fd, end);
    return result == 0 ? sync_found(local) : local_io(local, result, "cut off torn notes", file->base);
}

enum err local_notes_open(struct local *local) {
    struct local_notes *notes = &local->notes;
    struct names names = {.notes = notes};
    int result = local->fs->list(local->fs, "notes", on_notes_name, &names);
    if (result != 0) {
        return local_io(local, result, "list notes", 0);
    }
    if (notes->count == 0) {
        return OK;
    }
    qsort(notes->files, notes->count, sizeof *notes->files, compare_files);
    for (size_t i = 0; i < notes->count; i++) {
        char name[NOTES_NAME_SIZE];
        local_notes_name(notes->files[i].base, name);
        int fd = local->fs->open(local->fs, name, 0);
        int64_t size = fd >= 0 ? local->fs->size(local->fs, fd) : fd;
        notes->files[i].size = size > 0 ? (uint64_t)size : 0;
        if (size >= 0) {
            (void)read_end(local, &notes->files[i], fd); /* else it is read through when somebody asks */
        }
        if (fd >= 0) {
            local->fs->close(local->fs, fd);
        }
        if (size < 0) {
            return local_io(local, (int)size, "open notes", notes->files[i].base);
        }
    }
    return open_last(local);
}

void local_notes_close(struct local *local) {
    struct local_notes *notes = &local->notes;
    if (notes->fd >= 0) {
        local->fs->close(local->fs, notes->fd);
    }
    for (size_t i = 0; i < notes->ended_count; i++) {
        local->fs->close(local->fs, notes->ended[i].fd); /* its sync failed to the end */
    }
    buf_fini(&notes->scratch);
    mem_free(notes->ended);
    mem_free(notes->files);
    pthread_mutex_destroy(&notes->lock);
    pthread_mutex_destroy(&notes->sync_lock);
}

/* ---- trimming ---- */

void local_notes_trim(struct local *local, uint64_t log_tail) {
    struct local_notes *notes = &local->notes;
    uint64_t needed = local_cursors_notes_low(local);
    struct local_notes_file file;
    bool deleted = false;
    while (local_notes_nth(notes, 0, &file)) {
        if (file.base + file.size > needed || local_notes_range(local, &file) != OK ||
            (file.min <= file.max && file.max >= log_tail)) {
            break;
        }
        pthread_mutex_lock(&notes->lock);
        bool last = notes->count == 1;
        if (!last) {
            notes->count--;
            memmove(notes->files, notes->files + 1, notes->count * sizeof *notes->files);
        }
        pthread_mutex_unlock(&notes->lock);
        if (last) {
            break;
        }
        char name[NOTES_NAME_SIZE];
        local_notes_name(file.base, name);
        int result = local->fs->unlink(local->fs, name);
        if (result != 0 && result != -ENOENT) {
            (void)local_io(local, result, "delete notes", file.base); /* found and deleted after the next start */
        }
        deleted = true;
    }
    if (deleted && local->fs->sync_dir(local->fs, "notes") != 0) {
        stat_add(&local->store.stat.io_errors, 1); /* they may come back after a crash: then they go again */
    }
}
