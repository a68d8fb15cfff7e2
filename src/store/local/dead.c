/* Dead letters: see dead.h. */
#include "store/local/dead.h"

#include <errno.h>
#include <stdio.h>

#include "store/local/local.h"

#define DEAD_FILE_BYTES ((uint64_t)64 << 20)
#define DEAD_FILE_MIN ((uint64_t)256 << 10)
#define DEAD_FILES_PER_LIMIT 8u
#define DEAD_HEAD_GUESS 1024u /* most heads with their ids and text fit */
#define LIST_FIRST 16u
#define LIST_MAX_DEFAULT 100u

void local_dead_name(uint64_t first, char out[DEAD_NAME_SIZE]) {
    int n = snprintf(out, DEAD_NAME_SIZE, "dead/%020lu.ded", (unsigned long)first);
    ASSERT(n > 0 && (unsigned)n < DEAD_NAME_SIZE);
}

/* ---- the index; all under dead->lock ---- */

static void total_add(struct local_dead *dead, uint64_t destination, int64_t n) {
    size_t i = 0;
    while (i < dead->total_count && dead->totals[i].destination != destination) {
        i++;
    }
    if (i == dead->total_count) {
        if (dead->total_count == dead->total_cap) {
            dead->total_cap = dead->total_cap > 0 ? dead->total_cap * 2 : LIST_FIRST;
            dead->totals = mem_resize(dead->totals, dead->total_cap * sizeof *dead->totals);
        }
        dead->totals[dead->total_count++] = (struct local_dead_total){.destination = destination};
    }
    dead->totals[i].letters += (uint64_t)n;
}

static struct local_dead_file *last_file(struct local_dead *dead) {
    return dead->count > 0 ? &dead->files[dead->count - 1] : NULL;
}

struct local_dead_file *local_dead_file_add(struct local_dead *dead, uint64_t first) {
    if (dead->count == dead->cap) {
        dead->cap = dead->cap > 0 ? dead->cap * 2 : LIST_FIRST;
        dead->files = mem_resize(dead->files, dead->cap * sizeof *dead->files);
    }
    dead->files[dead->count] = (struct local_dead_file){.first = first};
    return &dead->files[dead->count++];
}

void local_dead_file_letter(struct local_dead_file *file, const struct dead_frame *frame, uint64_t at) {
    while (file->first + file->count <= frame->id) { /* numbers that are missing were lost to corruption */
        if (file->count == file->cap) {
            file->cap = file->cap > 0 ? file->cap * 2 : LIST_FIRST;
            file->entries = mem_resize(file->entries, file->cap * sizeof *file->entries);
        }
        file->entries[file->count++] = (struct local_dead_entry){.size = 0};
    }
    file->entries[frame->id - file->first] = (struct local_dead_entry){.destination = frame->destination,
        .at = (uint32_t)(at / DEAD_ALIGN),
        .size = frame->size / DEAD_ALIGN & 0x7fffffff};
}

void local_dead_file_taken(struct local_dead_file *file, uint64_t id) {
    if (file->taken_count == file->taken_cap) {
        file->taken_cap = file->taken_cap > 0 ? file->taken_cap * 2 : LIST_FIRST;
        file->taken = mem_resize(file->taken, file->taken_cap * sizeof *file->taken);
    }
    file->taken[file->taken_count++] = id;
}

static void file_free(struct local_dead_file *file) {
    mem_free(file->entries);
    mem_free(file->taken);
}

/* The entry of a letter, or NULL when it is not kept. */
static struct local_dead_entry *entry_find(struct local_dead *dead, uint64_t id, struct local_dead_file **ret_file) {
    size_t low = 0, high = dead->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (dead->files[middle].first <= id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0 || id - dead->files[low - 1].first >= dead->files[low - 1].count) {
        return NULL;
    }
    *ret_file = &dead->files[low - 1];
    struct local_dead_entry *entry = &(*ret_file)->entries[id - (*ret_file)->first];
    return entry->size != 0 ? entry : NULL;
}

/* Counts letters in or out: n is 1 or -1. */
static void count_entries(struct local *local, const struct local_dead_file *file, int64_t n) {
    int64_t open = 0;
    for (size_t i = 0; i < file->count; i++) {
        if (file->entries[i].size != 0 && !file->entries[i].taken) {
            total_add(&local->dead, file->entries[i].destination, n);
            open += n;
        }
    }
    stat_add(&local->store.stat.dead_open, open);
}

void local_dead_index_done(struct local *local) {
    struct local_dead *dead = &local->dead;
    for (size_t i = 0; i < dead->count; i++) {
        for (size_t k = 0; k < dead->files[i].taken_count; k++) {
            struct local_dead_file *file = NULL;
            struct local_dead_entry *entry = entry_find(dead, dead->files[i].taken[k], &file);
            if (entry != NULL) {
                entry->taken = 1;
            }
        }
    }
    for (size_t i = 0; i < dead->count; i++) {
        count_entries(local, &dead->files[i], 1);
        dead->bytes += dead->files[i].size;
    }
    const struct local_dead_file *last = last_file(dead);
    dead->next_id = last != NULL ? last->first + last->count : 1;
}

/* ---- writing ---- */

/* Appends scratch to the last file; nothing is there when it fails. */
static int append_scratch(struct local *local) {
    struct local_dead *dead = &local->dead;
    struct local_dead_file *file = last_file(dead);
    struct iovec iov = {.iov_base = dead->scratch.ptr, .iov_len = dead->scratch.len};
    int result = FAULT(STORE_DEAD_PUT) ? -EIO : local->fs->write(local->fs, dead->fd, &iov, 1, file->size);
    if (result == 0) {
        file->size += dead->scratch.len;
        dead->bytes += dead->scratch.len;
        dead->dirty = true;
        return 0;
    }
    if (local->fs->truncate(local->fs, dead->fd, file->size) != 0) {
        stat_add(&local->store.stat.io_errors, 1); /* the next letter is written over the rest */
    }
    return result;
}

/* The oldest file gives way; never the last. */
static void drop_oldest(struct local *local) {
    struct local_dead *dead = &local->dead;
    struct local_dead_file oldest = dead->files[0];
    char name[DEAD_NAME_SIZE];
    local_dead_name(oldest.first, name);
    int result = local->fs->unlink(local->fs, name);
    if (result != 0 && result != -ENOENT) {
        (void)local_io(local, result, "delete dead letters", oldest.first);
    }
    dead->count--;
    memmove(dead->files, dead->files + 1, dead->count * sizeof *dead->files);
    dead->bytes -= oldest.size;
    count_entries(local, &oldest, -1);
    stat_add(&local->store.stat.dead_dropped, (int64_t)oldest.count);
    LOG(WARN, "store", "dead letters deleted for want of room", "first=%lu count=%lu limit=%lu",
        (unsigned long)oldest.first, (unsigned long)oldest.count, (unsigned long)local->conf.dead_bytes);
    file_free(&oldest);
}

/* The last file is full: its index goes behind it, and it waits for its last sync. */
static int end_file(struct local *local) {
    struct local_dead *dead = &local->dead;
    enum err e = dead_encode_end(last_file(dead), &dead->scratch);
    int result = e == OK ? append_scratch(local) : -ENOMEM;
    if (result != 0) {
        return result;
    }
    if (dead->ended_count == dead->ended_cap) {
        dead->ended_cap = dead->ended_cap > 0 ? dead->ended_cap * 2 : LIST_FIRST;
        dead->ended = mem_resize(dead->ended, dead->ended_cap * sizeof *dead->ended);
    }
    dead->ended[dead->ended_count++] = dead->fd;
    dead->fd = -1;
    return 0;
}

static enum err ready_file(struct local *local) {
    struct local_dead *dead = &local->dead;
    if (dead->fd >= 0 && last_file(dead)->size < dead->file_bytes) {
        return OK;
    }
    int result = dead->fd >= 0 ? end_file(local) : 0;
    char name[DEAD_NAME_SIZE];
    local_dead_name(dead->next_id, name);
    int fd =
        result == 0 ? local->fs->open(local->fs, name, LOCAL_FS_WRITE | LOCAL_FS_CREATE | LOCAL_FS_TRUNCATE) : result;
    if (fd < 0) {
        return local_io(local, fd, "create dead letters", dead->next_id);
    }
    result = local->fs->sync_dir(local->fs, "dead");
    if (result != 0) {
        local->fs->close(local->fs, fd);
        return local_io(local, result, "sync directory dead", dead->next_id);
    }
    (void)local_dead_file_add(dead, dead->next_id);
    dead->fd = fd;
    while (dead->count > 1 && dead->bytes > local->conf.dead_bytes) {
        drop_oldest(local);
    }
    return OK;
}

static enum err io_class(enum err e) {
    return e == OK || e == ERR_FULL || e == ERR_NOMEM || e == ERR_TOO_LARGE ? e : ERR_IO;
}

enum err local_dead_put(struct store *store, const struct dead_letter *letter, uint64_t *ret_id) {
    struct local *local = local_of(store);
    struct local_dead *dead = &local->dead;
    pthread_mutex_lock(&dead->lock);
    struct dead_letter numbered = *letter;
    enum err e = ready_file(local);
    numbered.id = dead->next_id;
    if (numbered.response.len > local->conf.dead_response_bytes) {
        numbered.response.len = local->conf.dead_response_bytes;
    }
    e = e == OK ? dead_encode_letter(&numbered, &dead->scratch) : e;
    if (e == OK) {
        uint64_t at = last_file(dead)->size;
        int result = append_scratch(local);
        e = result == 0 ? OK : local_io(local, result, "write dead letter", numbered.id);
        if (e == OK) {
            struct dead_frame frame;
            memcpy(&frame, dead->scratch.ptr, sizeof frame);
            local_dead_file_letter(last_file(dead), &frame, at);
            total_add(dead, letter->destination, 1);
            dead->next_id++;
            *ret_id = numbered.id;
        }
    }
    pthread_mutex_unlock(&dead->lock);
    if (e == OK) {
        stat_add(&store->stat.dead, 1);
        stat_add(&store->stat.dead_open, 1);
        local_keeper_ask(local, LOCAL_KEEP_NOTES);
    }
    return io_class(e);
}

enum err local_dead_take(struct store *store, uint64_t id) {
    struct local *local = local_of(store);
    struct local_dead *dead = &local->dead;
    struct local_dead_file *file = NULL;
    pthread_mutex_lock(&dead->lock);
    struct local_dead_entry *entry = entry_find(dead, id, &file);
    enum err e = entry == NULL ? ERR_NOT_FOUND : entry->taken ? ERR_EXISTS : OK;
    bool absent = e != OK;
    e = e == OK ? ready_file(local) : e;
    e = e == OK ? dead_encode_taken(id, &dead->scratch) : e;
    if (e == OK) {
        int result = append_scratch(local);
        e = result == 0 ? OK : local_io(local, result, "mark dead letter", id);
    }
    entry = e == OK ? entry_find(dead, id, &file) : NULL; /* ready_file may have moved or dropped it */
    if (entry != NULL) {
        local_dead_file_taken(last_file(dead), id);
        entry->taken = 1;
        total_add(dead, entry->destination, -1);
        stat_add(&store->stat.dead_open, -1);
    }
    pthread_mutex_unlock(&dead->lock);
    if (e == OK) {
        local_keeper_ask(local, LOCAL_KEEP_NOTES);
    }
    return absent ? e : io_class(e);
}

enum err local_dead_sync(struct local *local) {
    struct local_dead *dead = &local->dead;
    enum err e = OK;
    for (;;) {
        pthread_mutex_lock(&dead->lock);
        bool ended = dead->ended_count > 0;
        int fd = ended ? dead->ended[0] : dead->dirty ? dead->fd : -1;
        dead->dirty &= ended;
        pthread_mutex_unlock(&dead->lock);
        if (fd < 0) {
            return OK;
        }
        e = local_sync(local, fd, 0,
            "sync dead letters"); /* only this function and close close files, and they exclude each other */
        pthread_mutex_lock(&dead->lock);
        dead->dirty |= e != OK;
        if (e == OK && ended) {
            dead->ended_count--;
            memmove(dead->ended, dead->ended + 1, dead->ended_count * sizeof *dead->ended);
        }
        pthread_mutex_unlock(&dead->lock);
        if (e != OK) {
            return e;
        }
        if (ended) {
            local->fs->close(local->fs, fd);
        }
    }
}

/* ---- reading ---- */

/* What is needed to read a letter without the lock. */
struct found {
    uint64_t id;
    uint64_t first; /* of its file */
    struct local_dead_entry entry;
};

static enum err find_letter(struct local_dead *dead, uint64_t id, struct found *ret_found) {
    struct local_dead_file *file = NULL;
    pthread_mutex_lock(&dead->lock);
    const struct local_dead_entry *entry = entry_find(dead, id, &file);
    if (entry != NULL) {
        *ret_found = (struct found){.id = id, .first = file->first, .entry = *entry};
    }
    pthread_mutex_unlock(&dead->lock);
    return entry != NULL ? OK : ERR_NOT_FOUND;
}

/* Reads a letter into the arena: all of it, or the head with ids and text. */
static enum err read_letter(struct local *local, int fd, const struct found *found, bool whole, struct arena *arena,
    struct dead_letter *ret_letter) {
    size_t size = (size_t)found->entry.size * DEAD_ALIGN;
    size_t want = whole || size < DEAD_HEAD_GUESS ? size : DEAD_HEAD_GUESS;
    struct dead_frame frame;
    for (;;) {
        char *data = arena_alloc(arena, want);
        ssize_t n = local->fs->read(local->fs, fd, data, want, (uint64_t)found->entry.at * DEAD_ALIGN);
        if (n < 0) {
            return local_io(local, (int)n, "read dead letter", found->id);
        }
        if (dead_head_ok(data, (size_t)n, size, &frame) && frame.kind == DEAD_LETTER && frame.id == found->id &&
            frame.size == size && (!whole || dead_body_ok(&frame, data))) {
            dead_decode_letter(&frame, data, whole, ret_letter);
            ret_letter->taken = found->entry.taken;
            return OK;
        }
        if (want == size) {
            stat_add(&local->store.stat.corrupt, 1);
            LOG(ERROR, "store", "dead letter is corrupt", "id=%lu", (unsigned long)found->id);
            return ERR_CORRUPT;
        }
        want = size; /* long ids or text */
    }
}

static int open_file(struct local *local, uint64_t first) {
    char name[DEAD_NAME_SIZE];
    local_dead_name(first, name);
    return local->fs->open(local->fs, name, 0);
}

enum err local_dead_get(struct store *store, uint64_t id, struct arena *arena, struct dead_letter *ret_letter) {
    struct local *local = local_of(store);
    struct found found;
    enum err e = find_letter(&local->dead, id, &found);
    if (e != OK) {
        return e;
    }
    int fd = open_file(local, found.first);
    if (fd < 0) {
        return fd == -ENOENT ? ERR_NOT_FOUND : local_io(local, fd, "open dead letters", found.first);
    }
    e = read_letter(local, fd, &found, /*whole*/ true, arena, ret_letter);
    local->fs->close(local->fs, fd);
    return e;
}

/* The next letter behind `after` that the filter wants. */
static bool next_wanted(
    struct local_dead *dead, const struct dead_filter *filter, uint64_t after, struct found *ret_found) {
    bool found = false;
    pthread_mutex_lock(&dead->lock);
    for (size_t i = 0; i < dead->count && !found; i++) {
        const struct local_dead_file *file = &dead->files[i];
        size_t k = after >= file->first ? after - file->first + 1 : 0;
        for (; k < file->count && !found; k++) {
            const struct local_dead_entry *entry = &file->entries[k];
            found = entry->size != 0 && (filter->destination == 0 || entry->destination == filter->destination) &&
                (!entry->taken || filter->include_taken);
            if (found) {
                *ret_found = (struct found){.id = file->first + k, .first = file->first, .entry = *entry};
            }
        }
    }
    pthread_mutex_unlock(&dead->lock);
    return found;
}

enum err local_dead_list(struct store *store, const struct dead_filter *filter, struct arena *arena,
    struct dead_letter **ret_letters, size_t *ret_count) {
    struct local *local = local_of(store);
    size_t max = filter->max > 0 ? filter->max : LIST_MAX_DEFAULT;
    struct dead_letter *letters = NULL;
    size_t count = 0, cap = 0;
    struct found found = {.id = filter->after};
    uint64_t opened = 0;
    int fd = -1;
    while (count < max && next_wanted(&local->dead, filter, found.id, &found)) {
        if (count == cap) {
            cap = cap > 0 ? cap * 2 : LIST_FIRST;
            struct dead_letter *more = ARENA_ARRAY(arena, struct dead_letter, cap);
            if (count > 0) {
                memcpy(more, letters, count * sizeof *more);
            }
            letters = more;
        }
        if (fd < 0 || opened != found.first) {
            if (fd >= 0) {
                local->fs->close(local->fs, fd);
            }
            fd = open_file(local, found.first);
            opened = found.first;
        }
        /* one that cannot be read is told by the log and left out */
        if (fd >= 0 && read_letter(local, fd, &found, /*whole*/ false, arena, &letters[count]) == OK) {
            count++;
        }
    }
    if (fd >= 0) {
        local->fs->close(local->fs, fd);
    }
    *ret_letters = letters;
    *ret_count = count;
    return OK;
}

uint64_t local_dead_count(struct store *store, uint64_t destination) {
    struct local_dead *dead = &local_of(store)->dead;
    uint64_t letters = 0;
    pthread_mutex_lock(&dead->lock);
    for (size_t i = 0; i < dead->total_count; i++) {
        if (dead->totals[i].destination == destination) {
            letters = dead->totals[i].letters;
        }
    }
    pthread_mutex_unlock(&dead->lock);
    return letters;
}

/* ---- life ---- */

uint64_t local_dead_file_bytes(uint64_t limit) {
    uint64_t bytes = limit / DEAD_FILES_PER_LIMIT;
    return bytes < DEAD_FILE_MIN ? DEAD_FILE_MIN : bytes > DEAD_FILE_BYTES ? DEAD_FILE_BYTES : bytes;
}

void local_dead_close(struct local *local) {
    struct local_dead *dead = &local->dead;
    if (dead->fd >= 0) {
        local->fs->close(local->fs, dead->fd);
    }
    for (size_t i = 0; i < dead->ended_count; i++) {
        local->fs->close(local->fs, dead->ended[i]);
    }
    for (size_t i = 0; i < dead->count; i++) {
        file_free(&dead->files[i]);
    }
    mem_free(dead->files);
    mem_free(dead->ended);
    mem_free(dead->totals);
    buf_fini(&dead->scratch);
    pthread_mutex_destroy(&dead->lock);
}
