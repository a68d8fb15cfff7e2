/* A segment: one file of the log, log/<first offset>.seg, with what is known of its records without reading them: an
 * entry per record (in memory while the segment is written, in log/<first offset>.idx afterwards) and a row per source
 * and target.
 *
 * Life: made by the writer (or by recovery) -> grows -> sealed at a roll -> indexed by the keeper (entries leave
 * memory) -> trimmed. Refcounted: the list holds one reference, each reader in it another; the files are closed with
 * the last one. A segment that is trimmed while somebody is in it stays readable if its file was open, else the read
 * answers ERR_NOT_FOUND. thread: fields say which. `count` is published with release after everything below it is in
 * place. */
#ifndef SLUICE_STORE_LOCAL_SEGMENT_H
#define SLUICE_STORE_LOCAL_SEGMENT_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/frame.h"
#include "store/local/fs.h"

#define LOCAL_NAME_SIZE 40u
#define LOCAL_SEGMENT_VERSION 1u
#define LOCAL_SEGMENT_PREPARED 1u /* flags: the file was longer than its contents from the start */

struct local;

struct local_segment_head { /* at the start of the file; records follow */
    char magic[8];          /* LOCAL_SEGMENT_MAGIC */
    uint32_t version;
    uint32_t sum; /* of what follows */
    uint64_t base;
    int64_t created_ms;
    uint32_t flags;
    uint32_t zero[7];
};
_Static_assert(sizeof(struct local_segment_head) == 64, "format of the log");
#define LOCAL_SEGMENT_MAGIC "SLRSEG1\n"

struct local_entry { /* one record, as in the .idx file */
    struct hash128 message;
    uint32_t at;   /* position in the file, in units of 8 */
    uint32_t size; /* of the frame, in units of 8; 0 = lost: nothing readable is there */
    int32_t ms;    /* received, from base_ms; clamped */
    uint32_t pair : 24;
    uint32_t flags : 8; /* enum record_flags */
};
_Static_assert(sizeof(struct local_entry) == 32, "format of the index");

struct local_pair { /* what a filter asks for */
    uint64_t source, target;
    uint64_t wanted;   /* records that destinations may get */
    uint64_t rejected; /* RECORD_REJECTED ones */
};

#define LOCAL_CHUNK_ENTRIES 4096u /* in memory */
#define LOCAL_PAGE_ENTRIES 256u   /* in the file, each page with a sum */
#define LOCAL_PAGE_SIZE ((size_t)LOCAL_PAGE_ENTRIES * sizeof(struct local_entry))

struct local_segment {
    struct local *local;
    uint64_t base; /* first offset */
    uint32_t salt;
    bool prepared;
    _Atomic uint64_t count; /* records that readers may see */
    _Atomic uint64_t end;   /* bytes of the file in use */
    int64_t base_ms;        /* set before the first count */
    _Atomic int64_t min_ms, max_ms;

    /* under local->segments_lock */
    uint32_t refs;
    bool sealed;

    pthread_mutex_t lock; /* the rest; never held with I/O but to open a file */
    uint64_t added;       /* entries, published or not */
    int fd, index_fd;     /* -1: not open */
    struct local_entry **chunks;
    size_t chunk_count, chunk_cap;
    struct local_pair *pairs;
    uint32_t pair_count, pair_cap;
    uint32_t *pair_slots; /* open addressing: 1 + number of a pair; while the segment grows */
    uint32_t pair_mask;
    bool indexed; /* the .idx file has all entries; chunks are gone */
    uint64_t entries_at, sorted_at;
    uint32_t *sums;   /* of the .idx file's pages: entries, then sorted */
    int index_fd_bad; /* the .idx file that was repaired; readers may still be in it */
    bool repaired;    /* tried, under upkeep_lock */
    uint32_t repairs; /* done: pairs have other numbers */
};

/* Every name has LOCAL_NAME_SIZE bytes. suffix: "seg" "idx". */
void local_segment_name(uint64_t base, const char *suffix, char out[LOCAL_NAME_SIZE]);

struct local_segment *local_segment_new(struct local *local, uint64_t base);
/* One reference less; closes and frees with the last one. Takes segments_lock. */
void local_segment_release(struct local_segment *segment);

/* The list. put takes over the caller's reference. find: the segment that holds `offset`, else the next one; NULL past
 * the last; held. */
void local_segment_put(struct local *local, struct local_segment *segment);
struct local_segment *local_segment_find(struct local *local, uint64_t offset);
/* The one behind `segment` in the list (NULL: none), held. */
struct local_segment *local_segment_after(struct local *local, const struct local_segment *segment);

static inline uint64_t local_segment_count(const struct local_segment *segment) {
    return atomic_load_explicit(&segment->count, memory_order_acquire);
}
static inline uint64_t local_segment_end(const struct local_segment *segment) {
    return atomic_load_explicit(&segment->end, memory_order_acquire);
}

/* Writer and recovery only, under segment->lock: adds what `frame`, at byte `at`, says; visible after publish. */
void local_segment_add(struct local_segment *segment, const struct frame *frame, uint64_t at);
/* Entries for records that cannot be read, up to `offset`. */
void local_segment_add_lost(struct local_segment *segment, uint64_t offset);
void local_segment_publish(struct local_segment *segment, uint64_t end);
/* Under segment->lock: entries leave memory. */
void local_segment_drop_chunks(struct local_segment *segment);

/* Copies entries from number `first` on, at most `max`, at most to the end; from memory or from the .idx file. */
MUST enum err local_segment_entries(
    struct local_segment *segment, uint64_t first, size_t max, struct local_entry *out, size_t *ret_count);
/* The file, opened if it is not. Owned by the segment. */
MUST enum err local_segment_fd(struct local_segment *segment, int *ret_fd);
/* Which pairs the filter wants: one byte per pair in *bits (grown by mem_resize), how many pairs; *ret_any: whether any
 * record may match. */
uint32_t local_segment_wanted(
    struct local_segment *segment, const struct store_filter *filter, uint8_t **bits, uint32_t *cap, bool *ret_any);
bool local_pair_wanted(const struct local_pair *pair, const struct store_filter *filter);

/* index.c */
/* Writes log/<base>.idx with everything published. `adopt`: nothing will follow; from then on the file answers and
 * entries leave memory. */
MUST enum err local_index_write(struct local_segment *segment, bool adopt);
/* Before the threads start: takes the .idx file over, with as many records as it has. ERR_NOT_FOUND, ERR_CORRUPT. */
MUST enum err local_index_load(struct local_segment *segment, uint64_t file_size);
/* Before the threads start: entries back to memory, for the segment to grow on. */
MUST enum err local_index_to_memory(struct local_segment *segment);
/* A page was corrupt: reads the segment again and writes a new .idx file; once per segment and run. OK: try
 * once more. */
MUST enum err local_index_repair(struct local_segment *segment);
/* One page of the .idx file, checked. Entries first, then sorted messages. */
MUST enum err local_index_page(struct local_segment *segment, uint64_t page, void *out);
/* Offsets of a message, ascending, appended to out[*count]. */
MUST enum err local_index_find(
    struct local_segment *segment, struct hash128 message, uint64_t *out, size_t max, size_t *count);

/* scan.c */
/* Goes on from what the segment knows and adds every whole record below offset `limit`. `last`: what is behind them was
 * not acknowledged: *ret_torn says how much of it there is, nothing is changed on disk. Else records missing up to
 * `limit` are lost. */
MUST enum err local_segment_scan(struct local_segment *segment, uint64_t limit, bool last, uint64_t *ret_torn);

#endif
