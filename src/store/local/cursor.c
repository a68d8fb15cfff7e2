/* Cursors: see cursor.h. */
#include "store/local/cursor.h"

#include <errno.h>
#include <stdio.h>

#include "store/local/local.h"

#define CURSOR_NAME_SIZE 40u
#define CURSOR_DIGITS 16u
#define CURSOR_FILE_MAX ((int64_t)1 << 30)
#define REPLAY_FIRST 64u
#define ARENA_CHUNK 4096u

static void cursor_name(uint64_t destination, const char *suffix, char out[CURSOR_NAME_SIZE]) {
    int n = snprintf(out, CURSOR_NAME_SIZE, "cursors/%016lx.%s", (unsigned long)destination, suffix);
    ASSERT(n > 0 && (unsigned)n < CURSOR_NAME_SIZE);
}

static struct local_cursor *cursor_of(struct store_cursor *cursor) {
    return CONTAINER_OF(cursor, struct local_cursor, cursor);
}

/* Nothing below is needed by what this state says. */
static uint64_t state_low(const struct cursor_state *state) {
    uint64_t low = state->scanned;
    return state->open_count > 0 && state->open[0].offset < low ? state->open[0].offset : low;
}

/* ---- files ---- */

/* Whole file into `out`. ERR_NOT_FOUND, ERR_IO, ERR_CORRUPT. */
static enum err read_file(struct local *local, const char *name, struct buf *out) {
    int fd = local->fs->open(local->fs, name, 0);
    if (fd < 0) {
        return fd == -ENOENT ? ERR_NOT_FOUND : local_io(local, fd, "open cursor", 0);
    }
    int64_t size = local->fs->size(local->fs, fd);
    enum err e = size < 0 ? local_io(local, (int)size, "stat cursor", 0) : size > CURSOR_FILE_MAX ? ERR_CORRUPT : OK;
    e = e == OK ? buf_reserve(out, (size_t)size) : e;
    if (e == OK) {
        ssize_t n = local->fs->read(local->fs, fd, out->ptr, (size_t)size, 0);
        e = n < 0 ? local_io(local, (int)n, "read cursor", 0) : OK;
        out->len = n > 0 ? (size_t)n : 0;
    }
    local->fs->close(local->fs, fd);
    return e;
}

/* Draft, sync, rename, sync of the directory. */
static enum err replace_file(struct local *local, uint64_t destination, const struct buf *bytes) {
    struct local_fs *fs = local->fs;
    char name[CURSOR_NAME_SIZE], draft[CURSOR_NAME_SIZE];
    cursor_name(destination, "cur", name);
    cursor_name(destination, "tmp", draft);
    int fd = fs->open(fs, draft, LOCAL_FS_WRITE | LOCAL_FS_CREATE | LOCAL_FS_TRUNCATE);
    if (fd < 0) {
        return local_io(local, fd, "create cursor", destination);
    }
    struct iovec iov = {.iov_base = bytes->ptr, .iov_len = bytes->len};
    int result = FAULT(STORE_CHECKPOINT_WRITE) ? -EIO : fs->write(fs, fd, &iov, 1, 0);
    result = result == 0 ? fs->sync(fs, fd) : result;
    fs->close(fs, fd);
    (void)FAULT(STORE_CHECKPOINT_RENAME); /* for kill */
    result = result == 0 ? fs->rename(fs, draft, name) : result;
    result = result == 0 ? fs->sync_dir(fs, "cursors") : result;
    return result == 0 ? OK : local_io(local, result, "save cursor", destination);
}

static enum err read_image(
    struct local *local, uint64_t destination, struct arena *arena, struct local_cursor_image *ret_image) {
    char name[CURSOR_NAME_SIZE];
    cursor_name(destination, "cur", name);
    struct buf bytes;
    buf_init(&bytes, 0);
    enum err e = read_file(local, name, &bytes);
    e = e == OK ? local_cursor_decode(buf_slice(&bytes), arena, ret_image) : e;
    if (e == OK && ret_image->destination != destination) {
        e = ERR_CORRUPT;
    }
    buf_fini(&bytes);
    return e;
}

static enum err write_image(struct local *local, const struct local_cursor_image *image) {
    struct buf bytes;
    buf_init(&bytes, 0);
    enum err e = local_cursor_encode(image, &bytes);
    e = e == OK ? replace_file(local, image->destination, &bytes) : e;
    buf_fini(&bytes);
    return e;
}

/* ---- rows ---- */

static void row_set_id(struct local_cursor *row, struct slice id) {
    row->id = mem_resize(row->id, id.len + 1);
    if (id.len > 0) {
        memcpy(row->id, id.ptr, id.len);
    }
    row->id_len = id.len;
}

static struct local_cursor *row_new(struct local *local, uint64_t destination) {
    struct local_cursor *row = mem_alloc(sizeof *row);
    row->cursor.store = &local->store;
    row->destination = destination;
    row->notes_from = UINT64_MAX;
    row->next = atomic_load_explicit(&local->cursors.first, memory_order_relaxed);
    atomic_store_explicit(&local->cursors.first, row, memory_order_release);
    return row;
}

static struct local_cursor *row_find(const struct local_cursors *cursors, uint64_t destination) {
    struct local_cursor *row = atomic_load_explicit(&cursors->first, memory_order_acquire);
    while (row != NULL && row->destination != destination) {
        row = row->next;
    }
    return row;
}

struct names {
    struct local *local;
    enum err e;
};

static int hex_value(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void on_cursor_name(void *ctx, const char *name) {
    struct names *names = ctx;
    struct slice suffix;
    struct slice digits = slice_cut(slice_cstr(name), '.', &suffix);
    uint64_t destination = 0;
    for (size_t i = 0; i < digits.len; i++) {
        int value = hex_value(digits.ptr[i]);
        if (value < 0) {
            return;
        }
        destination = destination << 4 | (unsigned)value;
    }
    if (digits.len != CURSOR_DIGITS || !slice_eq(suffix, SLICE("cur"))) {
        return;
    }
    struct local_cursor *row = row_new(names->local, destination);
    row->on_disk = true;
    struct arena arena;
    arena_init(&arena, ARENA_CHUNK, 0);
    struct local_cursor_image image;
    enum err e = read_image(names->local, destination, &arena, &image);
    if (e == OK) {
        row_set_id(row, image.id);
        row->retired = image.retired;
        row->notes_position = image.notes_position;
        row->notes_from = image.notes_position;
        row->low = state_low(&image.state);
    } else if (e == ERR_CORRUPT) {
        row->corrupt = true; /* it keeps the whole log and all notes: nobody knows what it needs */
        row->notes_from = 0;
        LOG(ERROR, "store", "cursor file is corrupt", "file=cursors/%s", name);
    } else {
        names->e = e;
    }
    arena_fini(&arena);
}

enum err local_cursors_open(struct local *local) {
    struct names names = {.local = local};
    int result = local->fs->list(local->fs, "cursors", on_cursor_name, &names);
    return result == 0 ? names.e : local_io(local, result, "list cursors", 0);
}

void local_cursors_close(struct local *local) {
    struct local_cursor *row;
    while ((row = local->cursors.first) != NULL) {
        local->cursors.first = row->next;
        mem_free(row->replay);
        mem_free(row->id);
        mem_free(row);
    }
    pthread_mutex_destroy(&local->cursors.lock);
}

uint64_t local_cursors_low(struct local *local) {
    uint64_t low = atomic_load_explicit(&local->head, memory_order_acquire);
    pthread_mutex_lock(&local->cursors.lock);
    for (const struct local_cursor *row = local->cursors.first; row != NULL; row = row->next) {
        uint64_t needed = atomic_load_explicit(&row->low, memory_order_acquire);
        if (row->on_disk && !row->retired && needed < low) {
            low = needed;
        }
    }
    pthread_mutex_unlock(&local->cursors.lock);
    return low;
}

uint64_t local_cursors_notes_low(struct local *local) {
    uint64_t low = local_notes_position(local);
    pthread_mutex_lock(&local->cursors.lock);
    for (const struct local_cursor *row = local->cursors.first; row != NULL; row = row->next) {
        uint64_t from = atomic_load(&row->notes_from);
        if (row->on_disk && !row->retired && from < low) {
            low = from;
        }
    }
    pthread_mutex_unlock(&local->cursors.lock);
    return low;
}

void local_cursors_noting(struct local *local, uint64_t position, const struct note *notes, size_t count) {
    const struct local_cursor *last = NULL;
    for (size_t i = 0; i < count; i++) {
        if (last != NULL && last->destination == notes[i].destination) {
            continue; /* mostly a call is about one destination */
        }
        struct local_cursor *row = row_find(&local->cursors, notes[i].destination);
        uint64_t none = UINT64_MAX;
        if (row != NULL) {
            (void)atomic_compare_exchange_strong(
                &row->notes_from, &none, position); /* it may need older ones already */
        }
        last = row;
    }
}

/* ---- notes since the save ---- */

static void row_add_note(struct local_cursor *row, const struct note *note) {
    if (row->replay_count == row->replay_cap) {
        row->replay_cap = row->replay_cap > 0 ? row->replay_cap * 2 : REPLAY_FIRST;
        row->replay = mem_resize(row->replay, row->replay_cap * sizeof *row->replay);
    }
    row->replay[row->replay_count++] = (struct local_replay){.offset = note->offset,
        .first_ms = note->first_ms,
        .due_ms = note->due_ms,
        .attempt = note->attempt,
        .status = note->status,
        .kind = note->kind,
        .reason = note->reason};
}

static void on_any_note(void *ctx, uint64_t position, const struct note *note) {
    struct local_cursor *row = row_find(ctx, note->destination);
    if (row != NULL && !row->retired && !row->replay_taken && position >= row->notes_position) {
        row_add_note(row, note);
    }
}

static void on_row_note(void *ctx, uint64_t position, const struct note *note) {
    struct local_cursor *row = ctx;
    (void)position;
    if (note->destination == row->destination) {
        row_add_note(row, note);
    }
}

/* One pass over the notes for all cursors, by the first that is opened after start. */
static enum err replay_all(struct local *local) {
    struct local_cursors *cursors = &local->cursors;
    uint64_t from = UINT64_MAX;
    for (const struct local_cursor *row = cursors->first; row != NULL; row = row->next) {
        if (row->on_disk && !row->retired && !row->corrupt && row->notes_position < from) {
            from = row->notes_position;
        }
    }
    cursors->replayed = local_notes_position(local);
    enum err e = local_notes_scan(local, from, cursors->replayed, on_any_note, cursors);
    cursors->replay_done = e == OK;
    return e;
}

/* Everything noted for this row since its save is in row->replay. */
static enum err replay_row(struct local *local, struct local_cursor *row) {
    struct local_cursors *cursors = &local->cursors;
    enum err e = cursors->replay_done ? OK : replay_all(local);
    if (e != OK) {
        return e;
    }
    uint64_t from = row->notes_position;
    if (!row->replay_taken && cursors->replayed > from) {
        from = cursors->replayed;
    }
    row->replay_taken = true;
    return local_notes_scan(local, from, local_notes_position(local), on_row_note, row);
}

static enum err open_known(
    struct local *local, struct local_cursor *row, struct arena *arena, struct cursor_state *ret_state) {
    struct local_cursor_image image;
    enum err e = read_image(local, row->destination, arena, &image);
    if (e != OK) {
        return e;
    }
    e = replay_row(local, row);
    if (e == OK) {
        if (row->replay_count == 0) {
            row->notes_from = UINT64_MAX;
        }
        size_t ignored = local_cursor_apply(&image.state, row->replay, row->replay_count, arena);
        stat_add(&local->store.stat.notes_ignored, (int64_t)ignored);
        *ret_state = image.state;
    }
    mem_free(row->replay);
    row->replay = NULL;
    row->replay_count = row->replay_cap = 0;
    return e;
}

/* A destination without a cursor, or whose cursor was retired: begins at `start`, durably. */
static enum err open_new(
    struct local *local, struct local_cursor *row, uint64_t start, struct cursor_state *ret_state) {
    struct cursor_state state = {.start = start, .scanned = start};
    struct local_cursor_image image = {.destination = row->destination,
        .notes_position = local_notes_position(local),
        .id = slice_of(row->id, row->id_len),
        .state = state};
    enum err e = write_image(local, &image);
    if (e != OK) {
        return e;
    }
    row->on_disk = true;
    row->retired = false;
    row->replay_taken = true; /* nothing noted so far is about this cursor */
    row->notes_position = image.notes_position;
    row->notes_from = UINT64_MAX;
    atomic_store_explicit(&row->low, start, memory_order_release);
    *ret_state = state;
    return OK;
}

enum err local_cursor_open(struct store *store, uint64_t destination, struct slice id, uint64_t start,
    struct arena *arena, struct store_cursor **ret_cursor, struct cursor_state *ret_state) {
    struct local *local = local_of(store);
    pthread_mutex_lock(&local->cursors.lock);
    struct local_cursor *row = row_find(&local->cursors, destination);
    if (row == NULL) {
        row = row_new(local, destination);
    }
    ASSERT(!row->open);
    row_set_id(row, id);
    bool known = row->on_disk && !row->retired;
    enum err e = row->corrupt ? ERR_CORRUPT
        : known               ? open_known(local, row, arena, ret_state)
                              : open_new(local, row, start, ret_state);
    if (e == OK) {
        row->open = true;
        atomic_store_explicit(&row->low, state_low(ret_state), memory_order_release);
        *ret_cursor = &row->cursor;
    }
    pthread_mutex_unlock(&local->cursors.lock);
    return e;
}

void local_cursor_close(struct store_cursor *cursor) {
    struct local *local = local_of(cursor->store);
    pthread_mutex_lock(&local->cursors.lock);
    cursor_of(cursor)->open = false;
    pthread_mutex_unlock(&local->cursors.lock);
}

enum err local_cursor_save(struct store_cursor *cursor, const struct cursor_state *state) {
    struct local *local = local_of(cursor->store);
    struct local_cursor *row = cursor_of(cursor);
    uint64_t notes_from = atomic_exchange(&row->notes_from, UINT64_MAX); /* what is noted from here on sets it anew */
    struct local_cursor_image image = {.destination = row->destination,
        .notes_position = local_notes_position(local), /* all that this destination noted is in `state` */
        .retired = row->retired,
        .id = slice_of(row->id, row->id_len),
        .state = *state};
    enum err e = local_notes_sync(local);
    e = e == OK ? write_image(local, &image) : e;
    if (e != OK) {
        if (notes_from != UINT64_MAX) {
            row->notes_from = notes_from;
        }
        return e;
    }
    pthread_mutex_lock(&local->cursors.lock);
    row->notes_position = image.notes_position;
    row->replay_taken = true;
    pthread_mutex_unlock(&local->cursors.lock);
    atomic_store_explicit(&row->low, state_low(state), memory_order_release);
    stat_add(&local->store.stat.cursor_saves, 1);
    return OK;
}

void local_cursor_progress(struct store_cursor *cursor, uint64_t low) {
    atomic_store_explicit(&cursor_of(cursor)->low, low, memory_order_release);
}

enum err local_cursor_retire(struct store_cursor *cursor) {
    struct local *local = local_of(cursor->store);
    struct local_cursor *row = cursor_of(cursor);
    struct arena arena;
    arena_init(&arena, ARENA_CHUNK, 0);
    struct local_cursor_image image;
    enum err e = read_image(local, row->destination, &arena, &image);
    if (e == OK) {
        image.retired = true;
        e = write_image(local, &image);
    }
    arena_fini(&arena);
    if (e == OK) {
        pthread_mutex_lock(&local->cursors.lock);
        row->retired = true;
        pthread_mutex_unlock(&local->cursors.lock);
    }
    return e;
}

enum err local_cursor_list(struct store *store, struct arena *arena, struct cursor_info **ret_list, size_t *ret_count) {
    struct local *local = local_of(store);
    size_t count = 0;
    pthread_mutex_lock(&local->cursors.lock);
    for (const struct local_cursor *row = local->cursors.first; row != NULL; row = row->next) {
        count++;
    }
    struct cursor_info *list = ARENA_ARRAY(arena, struct cursor_info, count);
    count = 0;
    for (const struct local_cursor *row = local->cursors.first; row != NULL; row = row->next) {
        if (row->on_disk) {
            list[count++] = (struct cursor_info){.destination = row->destination,
                .id = arena_dup(arena, slice_of(row->id, row->id_len)),
                .retired = row->retired,
                .open = row->open,
                .low = atomic_load_explicit(&row->low, memory_order_acquire)};
        }
    }
    pthread_mutex_unlock(&local->cursors.lock);
    *ret_list = list;
    *ret_count = count;
    return OK;
}
