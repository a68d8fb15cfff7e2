/* The writer: the only thread that appends to the log. It takes every batch that waits, as one group: drops duplicates,
 * gives offsets, writes contiguous runs, syncs once, then moves the head and answers. While it syncs the next group
 * gathers; there is no timer.
 *
 * When it fails:
 *   no room (ENOSPC, also for a new segment)  the file is cut back to where the group began; FULL; store.pressure until
 * there is room a write fails                             the same, with IO a sync fails what the kernel still has of
 * this file cannot be trusted: the group gets IO, the file is cut back and never written again, and the next group
 * begins a new segment; if that cannot be made, IO or FULL, and it is tried again with every group Nothing of a failed
 * group becomes visible, and its message ids count as not seen. */
#ifndef SLUICE_STORE_LOCAL_WRITER_H
#define SLUICE_STORE_LOCAL_WRITER_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "store/local/dedup.h"
#include "store/store.h"

struct local_segment;

struct local_writer {
    pthread_t thread;
    bool started;
    _Atomic uint32_t wake; /* enum wake_state: a futex */
    _Atomic bool stop;
    _Atomic(struct loop_msg *) inbox; /* newest first; any thread pushes */
    _Atomic bool roll_wanted;         /* by the keeper, for a segment that has grown old */

    /* the writer's own */
    struct loop_msg *todo, **todo_tail; /* oldest first */
    struct local_segment *active;       /* NULL: the next group begins one. A reference of its own. */
    int fd;                             /* of active, for writing */
    uint64_t limit;                     /* size at which active is full */
    bool prepared;                      /* active was a spare: its bytes are allocated */
    uint64_t next;                      /* offset */
    struct iovec *runs;
    size_t run_count, run_cap;
    uint64_t disk_checked_ns;
    uint64_t disk_unchecked; /* bytes written since */
    struct local_dedup dedup;
};

struct local;
/* Takes over `active` (may be NULL) and its descriptor; appends go on at `next`. */
void local_writer_start(struct local *local, struct local_segment *active, int fd, uint64_t next);
/* Answers what waits, then ends. */
void local_writer_stop(struct local *local);
void local_append(struct store *store, struct store_batch *batch);

#endif
