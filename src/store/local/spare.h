/* The spare: a file that was written through beforehand, to become the next segment. Overwriting allocated bytes lets
 * fdatasync finish without the file system's journal: one barrier per commit instead of two (1.3 times the commits on
 * ext4).
 *
 * It is a trimmed segment (its old records do not pass for new ones: frames carry a salt), or else zeros, written by
 * the keeper in small steps. First ones are small and each is twice the last, so that a quiet server does not write
 * what it will never use.
 *
 *   NONE -> WANTED (the writer asks) -> FILLING (the keeper) -> READY -> NONE (the writer takes it)
 *   NONE -> READY (trim)
 * thread: `state` says whose the other fields are: the writer's in NONE and READY, whoever has upkeep_lock in the
 * others. */
#ifndef SLUICE_STORE_LOCAL_SPARE_H
#define SLUICE_STORE_LOCAL_SPARE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct local;
struct local_segment;

enum local_spare_state { LOCAL_SPARE_NONE, LOCAL_SPARE_WANTED, LOCAL_SPARE_FILLING, LOCAL_SPARE_READY };

struct local_spare {
    _Atomic int state;
    int fd;        /* while FILLING */
    uint64_t size; /* wanted, or reached */
    uint64_t filled;
    uint64_t next_size;
    uint64_t not_before_ns; /* after a failure */
};

/* Takes over a spare that an earlier run has left. */
void local_spare_open(struct local *local);
/* The keeper is stopped. */
void local_spare_close(struct local *local);
/* Writer: one is wanted soon. Cheap when it is under way. */
void local_spare_want(struct local *local, uint64_t now_ns);
/* Writer: opens the spare as segment file `name`, for writing; the caller syncs the directory. -ENOENT: none is ready.
 */
int local_spare_take(struct local *local, const char *name, uint64_t *ret_size);
/* Keeper: one step; true: there is more to do. */
bool local_spare_fill(struct local *local);
/* Trim, under upkeep_lock: makes the file of a trimmed segment, which nobody else has, the spare. False: it is not of
 * use. */
bool local_spare_recycle(struct local *local, const struct local_segment *segment);

#endif
