/* The local engine: append-only segments with group commit, cursor files, notes and dead letters beside them, on one
 * machine and without other software. Private to this folder.
 *
 * data/lock    held while open                         data/notes/  what became of events (notes.h)
 * data/format  version of the layout                   data/cursors/ saved state per destination (cursor.h)
 * data/log/    segments and their indexes (segment.h)  data/dead/   dead letters (dead.h)
 *
 * Threads: the writer (writer.c) appends to the log and nothing else does; the keeper (keeper.c) writes indexes, syncs
 * notes, trims, looks at the disk; callers read, note and save in their own threads. Locks, in the order in which they
 * may be held together: upkeep_lock, cursors.lock, notes.sync_lock, dead.lock, notes.lock, segments_lock,
 * segment->lock. None is held while a callback runs. */
#ifndef SLUICE_STORE_LOCAL_LOCAL_H
#define SLUICE_STORE_LOCAL_LOCAL_H

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "store/engine.h"
#include "store/local/cursor.h"
#include "store/local/dead.h"
#include "store/local/dedup.h"
#include "store/local/fs.h"
#include "store/local/keeper.h"
#include "store/local/notes.h"
#include "store/local/segment.h"
#include "store/local/spare.h"
#include "store/local/writer.h"

#define LOCAL_FORMAT "sluice-local 1\n"
#define LOCAL_SYNC_DATA 0u /* words of store.sync: data|none */

enum local_pressure {
    LOCAL_PRESSURE_DISK = 1, /* a write found no room, or free space is below store.disk_reserve */
    LOCAL_PRESSURE_LOG = 2,  /* store.log_bytes is reached */
};

struct local_watches {
    pthread_mutex_t lock;
    struct store_watch *first; /* under lock */
    _Atomic uint32_t armed;    /* how many */
};

struct local {
    struct store store; /* first */
    struct store_conf conf;
    struct local_fs *fs;

    pthread_mutex_t segments_lock;
    struct local_segment **segments; /* under segments_lock, by offset; the last one is being written */
    size_t segment_count, segment_cap;
    _Atomic uint32_t open_segments; /* files of segments that are open */

    _Atomic uint64_t head, tail;
    _Atomic uint64_t log_bytes; /* used by segments */
    _Atomic uint64_t disk_room; /* above store.disk_reserve when the keeper last looked */
    pthread_mutex_t pressure_lock;
    unsigned pressure;      /* under pressure_lock: enum local_pressure; set by the writer, cleared by the keeper */
    uint64_t segment_bytes; /* at which to roll: store.segment_bytes, or less if store.log_bytes is small */

    pthread_mutex_t upkeep_lock; /* one index writer, one trim at a time */
    struct local_writer writer;
    struct local_spare spare;
    struct local_watches watches;
    struct local_keeper keeper;
    struct local_notes notes;
    struct local_cursors cursors;
    struct local_dead dead;
};

static inline struct local *local_of(const struct store *store) {
    return CONTAINER_OF((struct store *)store, struct local, store);
}

/* Open on a file system of the caller's; takes it over, also on failure. */
MUST enum err local_open_on(
    const struct store_conf *conf, struct local_fs *fs, struct store **ret_store, struct errinfo *why);

/* A call of local->fs failed with `result` (< 0): counts, logs unless it is a missing file, and answers with the error.
 * `at`: offset, position or number of the thing. */
enum err local_io(struct local *local, int result, const char *what, uint64_t at);
/* Reads, writes and syncs the same bytes: after a failed sync the kernel takes what it could not write for clean, so
 * that another sync alone would succeed and do nothing. 0 or -errno. */
int local_write_again(struct local *local, int fd, uint64_t from, uint64_t to);
/* Syncs a file of notes or dead letters; if that fails, writes it again from byte `from` on before it gives up. */
MUST enum err local_sync(struct local *local, int fd, uint64_t from, const char *what);
/* Sets or clears one reason to refuse events, and store.pressure with it. */
void local_pressure_set(struct local *local, enum local_pressure which, bool on);
void local_log_bytes_add(struct local *local, int64_t bytes);

/* recover.c: the log at start */
MUST enum err local_recover_log(struct local *local, struct errinfo *why);
/* In the writer's thread, before its first group: enters the message ids of the window again. */
void local_dedup_rebuild(struct local *local);

/* watch.c */
void local_watch_arm(struct store *store, struct store_watch *watch, uint64_t offset);
bool local_watch_disarm(struct store *store, struct store_watch *watch);
/* After the head has moved: posts the watches that it has passed. */
void local_watch_wake(struct local *local);

/* reader.c */
enum err local_reader_open(struct store *store, uint64_t offset, struct store_reader **ret_reader);
void local_reader_close(struct store_reader *reader);
enum err local_read(
    struct store_reader *reader, const struct store_filter *filter, size_t max_bytes, struct store_block **ret_block);
void local_reader_seek(struct store_reader *reader, uint64_t offset);
uint64_t local_reader_offset(const struct store_reader *reader);
enum err local_get(struct store *store, uint64_t offset, struct store_block **ret_block);

/* find.c */
uint64_t local_offset_at(struct store *store, int64_t ms);
enum err local_find_message(struct store *store, struct hash128 message, uint64_t *out, size_t max, size_t *ret_count);
enum err local_count(
    struct store *store, const struct store_filter *filter, uint64_t from, uint64_t to, uint64_t *ret_count);

/* trim.c */
void local_trim(struct store *store);
/* Indexes of sealed segments that have none yet. */
void local_index_pending(struct local *local);
/* Looks at free space and log size; clears or sets pressure. */
void local_disk_check(struct local *local);

#endif
