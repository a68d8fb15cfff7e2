/* Dead letters: appended to files dead/<first id>.ded (docs/formats/dead.md), found by an index of 16 bytes per letter
 * in memory. A letter that is taken (redriven) gets a mark, appended behind. The oldest file goes when store.dead_bytes
 * is reached.
 *
 * Written at once; synced by the keeper before the notes that say that an event is dead.
 * Ids are dense, from 1: a file holds a run of them. */
#ifndef SLUICE_STORE_LOCAL_DEAD_H
#define SLUICE_STORE_LOCAL_DEAD_H

#include <pthread.h>

#include "base/buf.h"
#include "store/store.h"

struct local;

struct local_dead_entry {
    uint64_t destination;
    uint32_t at;        /* in the file, in units of 8 */
    uint32_t size : 31; /* of the frame, in units of 8; 0 = lost */
    uint32_t taken : 1;
};
_Static_assert(sizeof(struct local_dead_entry) == 16, "memory per dead letter; format of the file's end");

struct local_dead_file {
    uint64_t first; /* id of its first letter; its name */
    uint64_t size;
    struct local_dead_entry *entries;
    size_t count, cap;
    uint64_t *taken; /* ids of the marks in this file */
    size_t taken_count, taken_cap;
};

struct local_dead_total {
    uint64_t destination, letters; /* not taken */
};

struct local_dead {
    pthread_mutex_t lock;
    struct local_dead_file *files; /* oldest first; the last is being written */
    size_t count, cap;
    int fd; /* of the last file; -1: none */
    uint64_t next_id;
    uint64_t bytes;
    uint64_t file_bytes; /* at which to begin another */
    bool dirty;
    int *ended; /* files before the last that were not synced */
    size_t ended_count, ended_cap;
    struct local_dead_total *totals;
    size_t total_count, total_cap;
    struct buf scratch;
};

MUST enum err local_dead_open(struct local *local);
void local_dead_close(struct local *local);
/* Called by local_notes_sync only. */
MUST enum err local_dead_sync(struct local *local);

enum err local_dead_put(struct store *store, const struct dead_letter *letter, uint64_t *ret_id);
enum err local_dead_list(struct store *store, const struct dead_filter *filter, struct arena *arena,
    struct dead_letter **ret_letters, size_t *ret_count);
enum err local_dead_get(struct store *store, uint64_t id, struct arena *arena, struct dead_letter *ret_letter);
enum err local_dead_take(struct store *store, uint64_t id);
uint64_t local_dead_count(struct store *store, uint64_t destination);

/* dead_frame.c: the bytes */
#define DEAD_MAGIC UINT32_C(0x31444c53) /* "SLD1" */
#define DEAD_ALIGN 8u
#define DEAD_NAME_SIZE 40u
enum dead_kind { DEAD_LETTER = 1, DEAD_TAKEN = 2, DEAD_END = 3 };

struct dead_frame {
    uint32_t magic;
    uint32_t head_sum; /* of the rest of the frame's head, ids and text */
    uint32_t body_sum; /* of request, response and payload; END: of entries and marks */
    uint32_t size;     /* of all of it, padding included */
    uint8_t kind, type, reason, zero;
    uint16_t attempts, status;
    uint64_t id;
    int64_t at_ms, received_ms;
    uint64_t offset, destination, source, user;
    struct hash128 message;
    uint16_t destination_id_len, source_id_len, message_id_len, text_len;
    uint32_t request_len, response_len, payload_len, zero_too;
};
_Static_assert(sizeof(struct dead_frame) == 120, "format of dead letters");

static inline size_t dead_head_size(const struct dead_frame *frame) {
    return sizeof *frame + frame->destination_id_len + frame->source_id_len + frame->message_id_len + frame->text_len;
}
static inline uint64_t dead_body_size(const struct dead_frame *frame) {
    return (uint64_t)frame->request_len + frame->response_len + frame->payload_len;
}
MUST enum err dead_encode_letter(const struct dead_letter *letter, struct buf *out);
MUST enum err dead_encode_taken(uint64_t id, struct buf *out);
MUST enum err dead_encode_end(const struct local_dead_file *file, struct buf *out);
/* Whether `data` begins with a whole frame head (and ids and text), at most `left` long in all. */
bool dead_head_ok(const char *data, size_t size, uint64_t left, struct dead_frame *ret_frame);
bool dead_body_ok(const struct dead_frame *frame, const char *data);
/* Slices of `data`; body fields only if `with_body`. */
void dead_decode_letter(
    const struct dead_frame *frame, const char *data, bool with_body, struct dead_letter *ret_letter);

/* dead.c, for dead_open.c */
struct local_dead_file *local_dead_file_add(struct local_dead *dead, uint64_t first);
void local_dead_file_letter(struct local_dead_file *file, const struct dead_frame *frame, uint64_t at);
void local_dead_file_taken(struct local_dead_file *file, uint64_t id);
/* All files are in: marks what was taken, counts, finds the next id. */
void local_dead_index_done(struct local *local);
/* Size at which a file is full when `limit` bytes may be kept in all. */
uint64_t local_dead_file_bytes(uint64_t limit);
void local_dead_name(uint64_t first, char out[DEAD_NAME_SIZE]);

/* dead_open.c, for its fuzz target: indexes the frames of a file; where the last whole one ends. *ret_bad: bytes
 * skipped before it. */
uint64_t local_dead_scan(struct local_dead_file *file, const char *data, size_t size, uint64_t *ret_bad);

#endif
