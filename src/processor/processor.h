/* The processor: one tail reader for all destinations that keep up; fan-out by source → connection; filters. A
 * destination whose outlet is full is detached, reads the log by itself (skipping by the segment index of sources) and
 * attaches again at the tail. Rejected records of good batches become dead letters here, under a cursor of the
 * processor's own.
 *
 * thread: the processor owns one loop. The functions below may be called from any thread but a loop's own; they run
 * what they do on the processor's loop and wait for it. */
#ifndef SLUICE_PROCESSOR_PROCESSOR_H
#define SLUICE_PROCESSOR_PROCESSOR_H

#include "model/feed.h"
#include "model/workspace.h"
#include "processor/outlet.h"
#include "processor/processor_conf.h"

struct processor;

struct processor_deps {
    struct store *store;
    struct feed *feed;
    struct workspace_cell *cell;
    int64_t retention_ms; /* store.retention_age: events older than this are handed over as expired; 0 = never */
};

MUST enum err processor_new(const struct processor_conf *conf, const struct processor_deps *deps,
    struct processor **ret_processor, struct errinfo *why);
struct loop *processor_loop(struct processor *processor); /* thread: any */
void processor_start(struct processor *processor);
/* Stops reading; returns when nothing more will be pushed to any outlet. */
void processor_stop(struct processor *processor);
void processor_free(struct processor *processor);

/* An outlet for processor_attach, with the capacity of the processor's knobs. Freed by outlet_free. thread: any. */
struct outlet *processor_outlet_new(
    struct processor *processor, struct loop *consumer, void (*on_ready)(void *ctx), void *ctx);
/* A destination begins to be fed from `offset`, once the processor's snapshot has it. The outlet stays the caller's and
 * must outlive processor_detach. */
void processor_attach(struct processor *processor, uint64_t destination, struct outlet *outlet, uint64_t offset);
/* When it returns the outlet is fed no more, and messages that the outlet's consumer posted before have run. */
void processor_detach(struct processor *processor, uint64_t destination);
/* Takes this snapshot into use at once if it is newer than the one held, without waiting for the cell and the next
 * record: events that were stored while the workspace was being changed reach the destinations that the new one adds.
 */
void processor_adopt(struct processor *processor, struct workspace *workspace);

struct processor_lane_info {
    uint64_t destination, scanned;
    bool attached; /* to the shared tail */
};
/* Copies up to max; returns how many. thread: any. */
size_t processor_lanes(struct processor *processor, struct processor_lane_info *out, size_t max);

#endif
