/* Dispatch of store.h to the engine that store.engine names, and what is the same for all engines. */
#include "store/engine.h"

/* By index of the words of store.engine. */
static const struct store_engine *const engines[] = {&store_engine_local};

const struct stat_info *store_stat_info(size_t *ret_count) {
    static const struct stat_info rows[] = {
#define S(name, kind, unit, help) STAT_INFO_(struct store_stat, name, kind, unit, help)
#include "store/store_stat.def"
#undef S
    };
    *ret_count = COUNT_OF(rows);
    return rows;
}

enum err store_open(const struct store_conf *conf, struct store **ret_store, struct errinfo *why) {
    ASSERT(conf->engine < COUNT_OF(engines));
    store_batch_set_limit(conf->record_bytes);
    struct store *store = NULL;
    enum err e = engines[conf->engine]->open(conf, &store, why);
    if (e != OK) {
        return e;
    }
    store->stats = (struct stat_group){.module = "store", .base = &store->stat};
    store->stats.info = store_stat_info(&store->stats.info_count);
    stat_group_add(&store->stats);
    *ret_store = store;
    return OK;
}

void store_close(struct store *store) {
    if (store != NULL) {
        stat_group_remove(&store->stats);
        store->engine->close(store);
    }
}

void store_append(struct store *store, struct store_batch *batch) {
    store_batch_seal(batch);
    store->engine->append(store, batch);
}

enum err store_pressure(const struct store *store) {
    return (enum err)atomic_load_explicit(&store->pressure, memory_order_relaxed);
}

enum err store_reader_open(struct store *store, uint64_t offset, struct store_reader **ret_reader) {
    return store->engine->reader_open(store, offset, ret_reader);
}

void store_reader_close(struct store_reader *reader) {
    if (reader != NULL) {
        reader->store->engine->reader_close(reader);
    }
}

enum err store_read(
    struct store_reader *reader, const struct store_filter *filter, size_t max_bytes, struct store_block **ret_block) {
    return reader->store->engine->read(reader, filter, max_bytes, ret_block);
}

void store_reader_seek(struct store_reader *reader, uint64_t offset) {
    reader->store->engine->reader_seek(reader, offset);
}

uint64_t store_reader_offset(const struct store_reader *reader) {
    return reader->store->engine->reader_offset(reader);
}

enum err store_get(struct store *store, uint64_t offset, struct store_block **ret_block) {
    return store->engine->get(store, offset, ret_block);
}

uint64_t store_head(const struct store *store) {
    return store->engine->head(store);
}

uint64_t store_tail(const struct store *store) {
    return store->engine->tail(store);
}

uint64_t store_offset_at(struct store *store, int64_t ms) {
    return store->engine->offset_at(store, ms);
}

enum err store_find_message(struct store *store, struct hash128 message, uint64_t *out, size_t max, size_t *ret_count) {
    return store->engine->find_message(store, message, out, max, ret_count);
}

enum err store_count(
    struct store *store, const struct store_filter *filter, uint64_t from, uint64_t to, uint64_t *ret_count) {
    return store->engine->count(store, filter, from, to, ret_count);
}

void store_watch_arm(struct store *store, struct store_watch *watch, uint64_t offset) {
    store->engine->watch_arm(store, watch, offset);
}

bool store_watch_disarm(struct store *store, struct store_watch *watch) {
    return store->engine->watch_disarm(store, watch);
}

enum err store_cursor_open(struct store *store, uint64_t destination, struct slice id, uint64_t start,
    struct arena *arena, struct store_cursor **ret_cursor, struct cursor_state *ret_state) {
    return store->engine->cursor_open(store, destination, id, start, arena, ret_cursor, ret_state);
}

void store_cursor_close(struct store_cursor *cursor) {
    if (cursor != NULL) {
        cursor->store->engine->cursor_close(cursor);
    }
}

enum err store_cursor_save(struct store_cursor *cursor, const struct cursor_state *state) {
    return cursor->store->engine->cursor_save(cursor, state);
}

void store_cursor_progress(struct store_cursor *cursor, uint64_t low) {
    cursor->store->engine->cursor_progress(cursor, low);
}

enum err store_cursor_retire(struct store_cursor *cursor) {
    return cursor->store->engine->cursor_retire(cursor);
}

enum err store_cursor_list(struct store *store, struct arena *arena, struct cursor_info **ret_list, size_t *ret_count) {
    return store->engine->cursor_list(store, arena, ret_list, ret_count);
}

enum err store_note(struct store *store, const struct note *notes, size_t count) {
    return store->engine->note(store, notes, count);
}

enum err store_notes_of(
    struct store *store, uint64_t offset, struct arena *arena, struct note **ret_notes, size_t *ret_count) {
    return store->engine->notes_of(store, offset, arena, ret_notes, ret_count);
}

enum err store_dead_put(struct store *store, const struct dead_letter *letter, uint64_t *ret_id) {
    return store->engine->dead_put(store, letter, ret_id);
}

enum err store_dead_list(struct store *store, const struct dead_filter *filter, struct arena *arena,
    struct dead_letter **ret_letters, size_t *ret_count) {
    return store->engine->dead_list(store, filter, arena, ret_letters, ret_count);
}

enum err store_dead_get(struct store *store, uint64_t id, struct arena *arena, struct dead_letter *ret_letter) {
    return store->engine->dead_get(store, id, arena, ret_letter);
}

enum err store_dead_take(struct store *store, uint64_t id) {
    return store->engine->dead_take(store, id);
}

uint64_t store_dead_count(struct store *store, uint64_t destination) {
    return store->engine->dead_count(store, destination);
}

void store_trim(struct store *store) {
    store->engine->trim(store);
}

const struct store_stat *store_stat(const struct store *store) {
    return &store->stat;
}

void store_info(struct store *store, struct store_info *ret_info) {
    store->engine->info(store, ret_info);
}
