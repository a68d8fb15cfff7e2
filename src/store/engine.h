/* What an engine of the store provides: one slot per call of store.h, with the same contract unless said otherwise
 * here. store.c picks the engine by store.engine and dispatches; batches and blocks are common to all engines. Engines
 * embed the three structs below as their first member and allocate them in open, reader_open and cursor_open.
 *
 * thread: slots may be called from any thread at any time between open and close; readers and cursors from one thread
 * at a time. */
#ifndef SLUICE_STORE_ENGINE_H
#define SLUICE_STORE_ENGINE_H

#include "store/store.h"
#include "store/store_stat.h"

struct store_engine;

struct store {
    const struct store_engine *engine;
    struct store_stat stat;  /* kept by the engine */
    struct stat_group stats; /* store.c's */
    _Atomic int pressure;    /* enum err that store_pressure answers; kept by the engine */
};
struct store_reader {
    struct store *store;
};
struct store_cursor {
    struct store *store;
};

struct store_engine {
    const char *name;
    /* Recovers, starts the engine's threads. May block long. On failure nothing is left open and *ret_store is
     * untouched. */
    enum err (*open)(const struct store_conf *conf, struct store **ret_store, struct errinfo *why);
    /* Drains, saves, stops the threads, frees the store. Blocks. */
    void (*close)(struct store *store);

    /* The batch is the engine's until it posts batch->msg to batch->loop, exactly once. Sums of bodies are filled in.
     * Must not block: callers are event loops. */
    void (*append)(struct store *store, struct store_batch *batch);
    /* Both: one load, called per record by readers. */
    uint64_t (*head)(const struct store *store);
    uint64_t (*tail)(const struct store *store);

    /* May block on disk or network, as must the four after it. The engine owns the reader until reader_close. */
    enum err (*reader_open)(struct store *store, uint64_t offset, struct store_reader **ret_reader);
    void (*reader_close)(struct store_reader *reader);
    enum err (*read)(struct store_reader *reader, const struct store_filter *filter, size_t max_bytes,
        struct store_block **ret_block);
    void (*reader_seek)(struct store_reader *reader, uint64_t offset);
    uint64_t (*reader_offset)(const struct store_reader *reader);
    enum err (*get)(struct store *store, uint64_t offset, struct store_block **ret_block);

    /* Lookups: may block. */
    uint64_t (*offset_at)(struct store *store, int64_t ms);
    enum err (*find_message)(struct store *store, struct hash128 message, uint64_t *out, size_t max, size_t *ret_count);
    enum err (*count)(
        struct store *store, const struct store_filter *filter, uint64_t from, uint64_t to, uint64_t *ret_count);

    /* The watch is linked into the engine until it fires or is disarmed. Must not block. */
    void (*watch_arm)(struct store *store, struct store_watch *watch, uint64_t offset);
    bool (*watch_disarm)(struct store *store, struct store_watch *watch);

    /* The engine owns the cursor until cursor_close. All but cursor_progress may block; cursor_progress must not. */
    enum err (*cursor_open)(struct store *store, uint64_t destination, struct slice id, uint64_t start,
        struct arena *arena, struct store_cursor **ret_cursor, struct cursor_state *ret_state);
    void (*cursor_close)(struct store_cursor *cursor);
    enum err (*cursor_save)(struct store_cursor *cursor, const struct cursor_state *state);
    void (*cursor_progress)(struct store_cursor *cursor, uint64_t low);
    enum err (*cursor_retire)(struct store_cursor *cursor);
    enum err (*cursor_list)(struct store *store, struct arena *arena, struct cursor_info **ret_list, size_t *ret_count);

    /* May block for the time of a buffered write, not for a sync (unless store.note_sync is 0). */
    enum err (*note)(struct store *store, const struct note *notes, size_t count);
    enum err (*notes_of)(
        struct store *store, uint64_t offset, struct arena *arena, struct note **ret_notes, size_t *ret_count);

    /* May block. */
    enum err (*dead_put)(struct store *store, const struct dead_letter *letter, uint64_t *ret_id);
    enum err (*dead_list)(struct store *store, const struct dead_filter *filter, struct arena *arena,
        struct dead_letter **ret_letters, size_t *ret_count);
    enum err (*dead_get)(struct store *store, uint64_t id, struct arena *arena, struct dead_letter *ret_letter);
    enum err (*dead_take)(struct store *store, uint64_t id);
    uint64_t (*dead_count)(struct store *store, uint64_t destination);

    /* May block. */
    void (*trim)(struct store *store);
    void (*info)(struct store *store, struct store_info *ret_info);
};

extern const struct store_engine store_engine_local;

/* ---- common to engines: batch.c ---- */

/* Body sums and the message's function; called by store_append in the caller's thread. */
void store_batch_seal(struct store_batch *batch);
void store_batch_set_limit(size_t record_bytes);

/* ---- common to engines: block.c ---- */

/* A block with room for `records` records and `bytes` bytes (and JSON_PADDING readable zero bytes behind them), one
 * reference. NULL on out-of-memory. The engine fills the arrays and view fields, then hands it out. */
struct store_block *store_block_new(size_t records, size_t bytes, struct record **ret_records, char **ret_bytes);

#endif
