/* The processor: one tail reader for all destinations that keep up; fan-out by source → connection; filters. A destination whose
 * outlet is full is detached, reads the log by itself (skipping by the segment index of sources) and attaches again at the tail.
 * Rejected records of good batches become dead letters here, under a cursor of the processor's own.
 *
 * thread: the processor owns one loop; all functions below post to it, but for those that say otherwise. */
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
};

MUST enum err processor_new(const struct processor_conf *conf, const struct processor_deps *deps, struct processor **ret_processor,
    struct errinfo *why);
struct loop *processor_loop(struct processor *processor);
void processor_start(struct processor *processor);
/* Stops reading; returns when nothing more will be pushed to any outlet. */
void processor_stop(struct processor *processor);
void processor_free(struct processor *processor);

/* A destination begins to be fed from `offset`. The outlet stays the caller's and must outlive processor_detach. thread: any. */
void processor_attach(struct processor *processor, uint64_t destination, struct outlet *outlet, uint64_t offset);
/* Blocks until the outlet is fed no more. thread: any but the processor's loop. */
void processor_detach(struct processor *processor, uint64_t destination);

/* The filter, pure: what becomes of `record` at `connection`'s destination (dataplane.md 3.4, 3.5, 3.8 and the event lists). */
struct json_doc;
enum verdict processor_filter(const struct connection *connection, const struct record *record, const struct json_doc *event,
    enum reason *ret_reason);

struct processor_lane_info {
    uint64_t destination, scanned;
    bool attached; /* to the shared tail */
};
/* Copies up to max; returns how many. thread: any. */
size_t processor_lanes(struct processor *processor, struct processor_lane_info *out, size_t max);

#endif
