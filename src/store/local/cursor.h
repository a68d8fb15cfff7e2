/* Cursors: the saved state of each destination in cursors/<key>.cur (docs/formats/cursor.md), and the notes since.
 *
 * A save replaces the file as a whole: draft, sync, rename, sync of the directory; the notes up to the position that it
 * carries were synced before. Opening takes the file's state and applies the notes behind that position (replay.c).
 *
 * thread: rows live from open to close of the store; a row's handle belongs to its destination's thread; `low` is
 * atomic. */
#ifndef SLUICE_STORE_LOCAL_CURSOR_H
#define SLUICE_STORE_LOCAL_CURSOR_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/engine.h"

struct local;

struct local_replay { /* a note that was read for a destination, without what cursors do not need */
    uint64_t offset;
    int64_t first_ms, due_ms;
    uint16_t attempt, status;
    uint8_t kind, reason;
};

struct local_cursor {
    struct store_cursor cursor; /* first */
    struct local_cursor *next;
    uint64_t destination;
    char *id;
    size_t id_len;
    bool on_disk, retired, open, corrupt;
    _Atomic uint64_t low;    /* nothing below is needed */
    uint64_t notes_position; /* of the last save */
    _Atomic uint64_t
        notes_from; /* a note of this destination that is in no save is there or behind; UINT64_MAX: none */
    struct local_replay *replay; /* notes from there to cursors.replayed; taken by the first open */
    size_t replay_count, replay_cap;
    bool replay_taken;
};

struct local_cursors {
    pthread_mutex_t lock; /* additions to the list, and all of a row but what its handle's owner uses alone */
    _Atomic(struct local_cursor *) first; /* rows are added in front and stay until close */
    bool replay_done;
    uint64_t replayed; /* position up to which the shared pass went */
};

MUST enum err local_cursors_open(struct local *local);
void local_cursors_close(struct local *local);
/* Below this offset no cursor needs the log; the head when there is none. */
uint64_t local_cursors_low(struct local *local);
/* Below this position no cursor needs the notes. */
uint64_t local_cursors_notes_low(struct local *local);
/* Before notes are written, at `position` or behind: those cursors need them from now on. Takes no lock. */
void local_cursors_noting(struct local *local, uint64_t position, const struct note *notes, size_t count);

enum err local_cursor_open(struct store *store, uint64_t destination, struct slice id, uint64_t start,
    struct arena *arena, struct store_cursor **ret_cursor, struct cursor_state *ret_state);
void local_cursor_close(struct store_cursor *cursor);
enum err local_cursor_save(struct store_cursor *cursor, const struct cursor_state *state);
void local_cursor_progress(struct store_cursor *cursor, uint64_t low);
enum err local_cursor_retire(struct store_cursor *cursor);
enum err local_cursor_list(struct store *store, struct arena *arena, struct cursor_info **ret_list, size_t *ret_count);

/* What a cursor file says. */
struct local_cursor_image {
    uint64_t destination;
    uint64_t notes_position;
    bool retired;
    struct slice id;
    struct cursor_state state;
};
/* cursor_file.c. Decoding: arrays and id in `arena`; ERR_CORRUPT. */
MUST enum err local_cursor_decode(struct slice bytes, struct arena *arena, struct local_cursor_image *ret_image);
MUST enum err local_cursor_encode(const struct local_cursor_image *image, struct buf *out);

/* replay.c: applies notes, in the order in which they were written. New arrays in `arena`. Returns how many made no
 * sense (ended an event that has ended already, or that was never open); they are ignored. */
size_t local_cursor_apply(
    struct cursor_state *state, const struct local_replay *notes, size_t count, struct arena *arena);

#endif
