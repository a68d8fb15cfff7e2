/* What became of events: small notes in files notes/<position>.not of 64 MiB (docs/formats/notes.md). A position is a
 * byte in the one endless stream of all files; the file's name is the position of its first byte.
 *
 * Each store_note call is one group with one sum, written at once: all of it is there after a crash, or nothing. The
 * keeper syncs within store.note_sync. A file goes when every cursor was saved behind it and the log has none of its
 * events any more. */
#ifndef SLUICE_STORE_LOCAL_NOTES_H
#define SLUICE_STORE_LOCAL_NOTES_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "store/store.h"

struct local;

#define NOTES_MAGIC UINT32_C(0x314e4c53)     /* "SLN1" */
#define NOTES_END_MAGIC UINT32_C(0x454e4c53) /* "SLNE": the last group of a full file, with the offsets in it */
#define NOTES_GROUP_MAX ((size_t)1 << 20)
#define NOTES_TEXT_MAX 200u
#define NOTES_ALIGN 8u
#define NOTES_NAME_SIZE 40u

struct notes_group {
    uint32_t magic;
    uint32_t sum; /* of all that follows */
    uint32_t bytes;
    uint32_t count;
};
_Static_assert(sizeof(struct notes_group) == 16, "format of the notes");

struct notes_row {
    uint64_t destination, offset;
    int64_t at_ms, first_ms, due_ms;
    uint32_t duration_us;
    uint16_t attempt, status;
    uint8_t kind, reason;
    uint16_t text_len;
    uint32_t zero;
};
_Static_assert(sizeof(struct notes_row) == 56, "format of the notes");

struct notes_end {
    struct notes_group group;
    uint64_t min, max;
};

struct local_notes_file {
    uint64_t base; /* position of its first byte */
    uint64_t size;
    uint64_t min, max; /* offsets of events in it; min > max: none */
    bool ranged;       /* min and max are known */
};

struct local_notes_ended { /* a full file that waits for its last sync, which closes it */
    int fd;
    uint64_t synced;
};

struct local_notes {
    pthread_mutex_t sync_lock; /* one sync at a time; before lock */
    pthread_mutex_t lock;      /* the rest */
    struct local_notes_file *files;
    size_t count, cap;
    int fd;          /* of the last file, for writing; -1: none yet */
    uint64_t synced; /* bytes of the last file that are on disk for good */
    struct local_notes_ended *ended;
    size_t ended_count, ended_cap;
    struct buf scratch;
};

/* Opens what is there; cuts off the torn tail of the last file. */
MUST enum err local_notes_open(struct local *local);
void local_notes_close(struct local *local);
enum err local_note(struct store *store, const struct note *notes, size_t count);
enum err local_notes_of(
    struct store *store, uint64_t offset, struct arena *arena, struct note **ret_notes, size_t *ret_count);
/* Where the next note will be. */
uint64_t local_notes_position(struct local *local);
/* Dead letters, then notes, are on disk for good when it returns. */
MUST enum err local_notes_sync(struct local *local);
/* Deletes files that no cursor and no event of the log needs. Under upkeep_lock. */
void local_notes_trim(struct local *local, uint64_t log_tail);

void local_notes_name(uint64_t base, char out[NOTES_NAME_SIZE]);
uint32_t local_notes_sum(const char *group, size_t bytes);
static inline size_t local_notes_padded(size_t size) {
    return (size + NOTES_ALIGN - 1) & ~(size_t)(NOTES_ALIGN - 1);
}
static inline void local_notes_widen(struct local_notes_file *file, uint64_t offset) {
    file->min = offset < file->min ? offset : file->min;
    file->max = offset > file->max ? offset : file->max;
}
/* A copy of the i-th file, oldest first; false: there are not so many. */
bool local_notes_nth(struct local_notes *notes, size_t i, struct local_notes_file *ret_file);
/* Makes sure that file->min and max are known, reading the file through if need be. */
MUST enum err local_notes_range(struct local *local, struct local_notes_file *file);
/* Reads a file through: its offsets, and the end of its last whole group. */
MUST enum err local_notes_range_read(struct local *local, struct local_notes_file *file, uint64_t *ret_end);

/* Calls `each` for every note from position `from` (the start of a group, or below the oldest) to `to`, in order.
 * note->text points into a buffer of the scan. Corrupt groups are skipped and counted. */
MUST enum err local_notes_scan(struct local *local, uint64_t from, uint64_t to,
    void (*each)(void *ctx, uint64_t position, const struct note *note), void *ctx);

/* For the scan and its fuzz target: decodes the group at `data`. Size of the group, or 0 when there is none (*ret_need:
 * how many bytes would have to be there to tell). */
size_t local_notes_decode(
    const char *data, size_t size, size_t *ret_need, void (*each)(void *ctx, const struct note *note), void *ctx);

#endif
