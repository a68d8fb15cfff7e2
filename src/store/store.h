/* The store: one log of events, a cursor per destination, notes of what became of each event, dead letters. Stages know
 * only this header; engines (local/, later postgres/ and kafka/) implement it. docs/decisions tells how each call maps
 * to each engine.
 *
 * Offsets are dense record numbers, from 0. An event is written once; what happens to it is written as small notes.
 *   cursor(destination) = { everything below `scanned` has ended, but for `open` entries } + notes since it was saved.
 * thread: every function may be called from any thread unless it says otherwise; handles (reader, cursor) belong to one
 * thread. */
#ifndef SLUICE_STORE_STORE_H
#define SLUICE_STORE_STORE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/loop.h"
#include "model/event.h"
#include "store/store_conf.h"

struct store;

/* path: the data directory. Recovery runs before this returns: a torn tail is cut off and logged with offset and bytes.
 */
MUST enum err store_open(const struct store_conf *conf, struct store **ret_store, struct errinfo *why);
/* Waits for the appends under way, saves what is unsaved, closes. No cursor or reader may be open. */
void store_close(struct store *store);

/* ---- records -------------------------------------------------------------------------------------------------------
 */

enum record_flags {
    RECORD_REJECTED = 1, /* a bad event of a good batch: `why` says what; payload as received; kept as a dead letter */
    RECORD_NO_DEDUP = 2, /* its message id was made by us, or it is a redrive */
};

struct record_head {
    int64_t received_ms;
    uint64_t source;        /* source.key */
    uint64_t user;          /* hash64 of the user key (anonymousId, else userId); 0 = none */
    struct hash128 message; /* hash128 of the messageId text */
    uint64_t target;        /* 0 = every connected destination; else the only one (redrive) */
    uint8_t type;           /* enum event_type */
    uint8_t flags;          /* enum record_flags */
};

struct record {
    uint64_t offset;
    struct record_head head;
    struct slice why;     /* RECORD_REJECTED: the reason */
    struct slice payload; /* one event, JSON */
};

/* ---- append --------------------------------------------------------------------------------------------------------
 */

enum append_outcome { APPEND_STORED, APPEND_DUPLICATE };

/* A group of records framed in one buffer, appended all or nothing. Caller's memory; untouched by the caller from
 * store_append to on_done. Reusable after store_batch_reset. */
struct store_batch {
    struct loop_msg msg; /* the store's */
    struct loop *loop;   /* where on_done runs */
    void (*on_done)(struct store_batch *batch);
    enum err result; /* at on_done: OK = durable; FULL, IO, CLOSED */
    struct buf frames;
    uint32_t count;
    struct store_frame *index; /* position and outcome per record; the store's */
    uint32_t index_cap;
    uint32_t duplicates; /* at on_done: how many were not stored again */
};

void store_batch_init(struct store_batch *batch, struct loop *loop, void (*on_done)(struct store_batch *));
void store_batch_fini(struct store_batch *batch);
void store_batch_reset(struct store_batch *batch);
/* Frames one record: room for `payload_size` bytes, which the caller fills before the next call. NULL past
 * store.record_bytes (of the store opened last in this process) or on OOM; then the batch is as before. `why` is cut at
 * 65,535 bytes. */
char *store_batch_add(struct store_batch *batch, const struct record_head *head, struct slice why, size_t payload_size);
/* Takes back the last record added. */
void store_batch_drop_last(struct store_batch *batch);
/* At on_done: outcome and offset (of the first sighting when known, for duplicates UINT64_MAX) of record i. */
enum append_outcome store_batch_outcome(const struct store_batch *batch, uint32_t i, uint64_t *ret_offset);

/* Durable when on_done says OK. Never blocks. Batches of one caller keep their order. A message id seen within
 * store.dedup_window from the same source is not stored again: its record is APPEND_DUPLICATE, and on_done waits until
 * the first sighting is durable. */
void store_append(struct store *store, struct store_batch *batch);
/* Cheap check before work is done for a request: OK, or FULL while disk or log size stand in the way (store_append
 * would answer the same). */
enum err store_pressure(const struct store *store);

/* ---- reading -------------------------------------------------------------------------------------------------------
 */

/* A run of records in one refcounted piece of memory. */
struct store_block {
    const struct record *records;
    uint32_t count;
    uint64_t next; /* offset to read on from: records between the last one here and `next` were skipped by the filter or
                      corrupt */
    uint32_t corrupt; /* records skipped as corrupt in this run (logged with offset by the store) */
};
void store_block_hold(struct store_block *block);
void store_block_release(struct store_block *block);

/* Which records a reader wants; the segment index skips whole segments without any. */
struct store_filter {
    const uint64_t *sources; /* NULL = all */
    size_t source_count;
    uint64_t target; /* records with another non-zero target are skipped; 0 = all are wanted */
};

struct store_reader;
/* Below the oldest offset kept it starts at the oldest. */
MUST enum err store_reader_open(struct store *store, uint64_t offset, struct store_reader **ret_reader);
void store_reader_close(struct store_reader *reader);
/* The next records that are durable, at most `max_bytes` of them (at least one). ERR_END at the head. The caller
 * releases the block. May read from disk. */
MUST enum err store_read(
    struct store_reader *reader, const struct store_filter *filter, size_t max_bytes, struct store_block **ret_block);
void store_reader_seek(struct store_reader *reader, uint64_t offset);
uint64_t store_reader_offset(const struct store_reader *reader);
/* One record: ERR_NOT_FOUND when trimmed, ERR_CORRUPT. */
MUST enum err store_get(struct store *store, uint64_t offset, struct store_block **ret_block);
uint64_t store_head(const struct store *store); /* the next offset to become durable */
uint64_t store_tail(const struct store *store); /* the oldest offset kept */
/* First offset received at or after that time. */
uint64_t store_offset_at(struct store *store, int64_t ms);
/* Offsets of a message id, oldest first; returns how many were found (at most max). From the indexes: no scan of
 * payloads. */
MUST enum err store_find_message(
    struct store *store, struct hash128 message, uint64_t *out, size_t max, size_t *ret_count);
/* How many records of these sources (and target) lie in [from, to). From the indexes. Records that no destination may
 * get do not count: RECORD_REJECTED, and those that were found corrupt when their segment's index was made. */
MUST enum err store_count(
    struct store *store, const struct store_filter *filter, uint64_t from, uint64_t to, uint64_t *ret_count);

/* Calls on_msg on `loop` once, when the head passes `offset` (at once if it has). Re-arm after each call. */
struct store_watch {
    struct loop_msg msg;
    struct loop *loop;
    uint64_t offset;
    bool armed;
    struct store_watch *next;
};
void store_watch_arm(struct store *store, struct store_watch *watch, uint64_t offset);
/* On the watch's loop. True: on_msg will not run any more. False: it is under way (or has run, or was never armed): if
 * it is under way it runs once more, and the watch must live until then. */
bool store_watch_disarm(struct store *store, struct store_watch *watch);

/* ---- cursors and notes ---------------------------------------------------------------------------------------------
 */

enum note_kind { NOTE_ATTEMPT, NOTE_DELIVERED, NOTE_FILTERED, NOTE_DEAD, NOTE_EXPIRED };

/* What happened to one event at one destination. DELIVERED, FILTERED, DEAD and EXPIRED end it: exactly one of them per
 * event. */
struct note {
    uint64_t destination;
    uint64_t offset;
    int64_t at_ms;
    int64_t first_ms; /* of the first attempt; 0 = none */
    int64_t due_ms;   /* ATTEMPT: when the next one is due */
    uint32_t duration_us;
    uint16_t attempt;  /* 1, 2, … */
    uint16_t status;   /* HTTP; 0 = none */
    uint8_t kind;      /* enum note_kind */
    uint8_t reason;    /* enum reason */
    struct slice text; /* short: error or start of the response; cut at 200 bytes */
};

struct cursor_counts {
    uint64_t in, delivered, filtered, dead, expired;
};

struct cursor_entry { /* an event that has begun and has not ended */
    uint64_t offset;
    int64_t first_ms, due_ms;
    uint16_t attempts, status;
    uint8_t reason;
};

/* The law: counts.in = delivered + filtered + dead + expired + entries of `open` below `scanned`. An event at or above
 * `scanned` that notes say has ended is in all counts already and in `ended`: whoever hands it over again skips it
 * without counting. */
struct cursor_state {
    uint64_t start; /* offset of the first event that counts for this destination */
    uint64_t scanned;
    struct cursor_counts counts; /* of everything ended, plus in = handed over below `scanned` */
    struct cursor_entry *open;   /* ascending offsets below `scanned`, and attempts known of offsets at or above it */
    size_t open_count;
    uint64_t *ended; /* ascending offsets at or above `scanned` that have ended already (from notes) */
    size_t ended_count;
    uint8_t paused; /* enum reason that paused it; 0 = running */
};

struct store_cursor;
/* The destination's cursor; made at `start` (durably, before this returns) if there is none. State from the last save
 * plus notes since; arrays live in `arena`. `id` is kept for `stat`. */
MUST enum err store_cursor_open(struct store *store, uint64_t destination, struct slice id, uint64_t start,
    struct arena *arena, struct store_cursor **ret_cursor, struct cursor_state *ret_state);
void store_cursor_close(struct store_cursor *cursor);
/* Replaces the saved state; atomic (old or new after a crash), durable when it returns; the notes before it are synced
 * first. */
MUST enum err store_cursor_save(struct store_cursor *cursor, const struct cursor_state *state);
/* Nothing below `low` is needed by this destination any more: what trim may delete. Cheap; call often. */
void store_cursor_progress(struct store_cursor *cursor, uint64_t low);
/* The destination is gone from the workspace: its cursor no longer holds the log; kept for `stat`. Opened again it
 * begins anew at `start`, with counts of 0. */
MUST enum err store_cursor_retire(struct store_cursor *cursor);
/* Destinations that have a cursor on disk (also retired ones). */
struct cursor_info {
    uint64_t destination;
    struct slice id;
    bool retired, open;
    uint64_t low;
};
MUST enum err store_cursor_list(
    struct store *store, struct arena *arena, struct cursor_info **ret_list, size_t *ret_count);

/* Written at once (a kill -9 keeps them), synced soon after (store.note_sync). All or nothing per call up to 64 KiB. */
MUST enum err store_note(struct store *store, const struct note *notes, size_t count);
/* All notes of one event, in order. */
MUST enum err store_notes_of(
    struct store *store, uint64_t offset, struct arena *arena, struct note **ret_notes, size_t *ret_count);

/* ---- dead letters --------------------------------------------------------------------------------------------------
 */

struct dead_letter {
    uint64_t id; /* 1, 2, …; set by put */
    int64_t at_ms, received_ms;
    uint64_t offset;      /* in the log, when it was stored there */
    uint64_t destination; /* 0 = refused by the gateway */
    uint64_t source, user;
    struct hash128 message;
    uint16_t attempts, status;
    uint8_t type, reason;
    bool taken; /* redriven */
    struct slice destination_id, source_id, message_id;
    struct slice text;     /* the reason in words */
    struct slice request;  /* method, URL and headers (secrets redacted), as text; payload is the body's source */
    struct slice response; /* head and body, at most store.dead_response_bytes */
    struct slice payload;  /* the event */
};

/* Written before the NOTE_DEAD that refers to it. */
MUST enum err store_dead_put(struct store *store, const struct dead_letter *letter, uint64_t *ret_id);
struct dead_filter {
    uint64_t destination; /* 0 = all */
    bool include_taken;
    uint64_t after; /* id to go on from; 0 = the oldest */
    size_t max;
};
/* Without payload, request and response (those are empty). */
MUST enum err store_dead_list(struct store *store, const struct dead_filter *filter, struct arena *arena,
    struct dead_letter **ret_letters, size_t *ret_count);
MUST enum err store_dead_get(struct store *store, uint64_t id, struct arena *arena, struct dead_letter *ret_letter);
/* Marks it redriven; ERR_EXISTS when it is already. */
MUST enum err store_dead_take(struct store *store, uint64_t id);
uint64_t store_dead_count(struct store *store, uint64_t destination); /* not taken; 0: those refused by the gateway */

/* ---- upkeep --------------------------------------------------------------------------------------------------------
 */

/* Deletes segments that every open cursor has passed and that are older than store.keep, or that store.log_bytes
 * demands. Called by the store itself after a roll and hourly; here for tests. */
void store_trim(struct store *store);

struct store_stat;
const struct store_stat *store_stat(const struct store *store);
struct store_info {
    uint64_t head, tail;
    uint64_t segments, bytes, free_bytes;
    uint64_t dedup_entries;
    int64_t oldest_ms, dedup_oldest_ms;
};
void store_info(struct store *store, struct store_info *ret_info);

#endif
