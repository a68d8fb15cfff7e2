/* The bounded queue between the processor and one destination. The processor decides, delivery accounts: filtered and
 * expired events are handed over too, so that one thread per destination counts how every event ended.
 *
 * thread: push, scanned, flush, room: the processor's loop. take, free-side: the consumer's loop. One producer, one
 * consumer. */
#ifndef SLUICE_PROCESSOR_OUTLET_H
#define SLUICE_PROCESSOR_OUTLET_H

#include "base/loop.h"
#include "store/store.h"

enum verdict { VERDICT_DELIVER, VERDICT_FILTER, VERDICT_EXPIRE };

struct handover {
    struct store_block *block;   /* one reference, the consumer's after take */
    const struct record *record; /* inside block */
    uint8_t verdict;             /* enum verdict */
    uint8_t reason;              /* enum reason, for FILTER and EXPIRE */
};

struct outlet;

/* Capacity in events and in bytes of the blocks that they keep alive (an empty queue takes any one event). on_ready
 * runs on `consumer` when there is something to take after outlet_take found the queue empty, and when much was scanned
 * without any event. */
struct outlet_conf {
    struct loop *producer, *consumer;
    uint32_t events;
    uint64_t bytes;
    void (*on_ready)(void *ctx);
    void *ready_ctx;
};
struct outlet *outlet_new(const struct outlet_conf *conf);
/* Both sides have stopped using it and have run the messages that it posted to them. Releases what was not taken. */
void outlet_free(struct outlet *outlet);

/* on_room runs on `producer` when a queue that refused a push has drained to half. Called there, before the first push;
 * with NULL after the last one: takes from then on post nothing to the producer. */
void outlet_feed(struct outlet *outlet, void (*on_room)(void *ctx), void *ctx);
/* Takes over the reference. False: full; nothing was taken. Visible to the consumer after outlet_flush. */
bool outlet_push(struct outlet *outlet, const struct handover *handover);
/* Everything below `offset` was pushed or is of no concern to this destination. */
void outlet_scanned(struct outlet *outlet, uint64_t offset);
/* Makes pushes and scanned visible and wakes the consumer, once per group of pushes. */
void outlet_flush(struct outlet *outlet);
uint32_t outlet_length(struct outlet *outlet); /* any thread, of what was flushed */

/* Up to `max` handovers, in order. *ret_scanned: what may be taken as scanned once those are accounted for. */
size_t outlet_take(struct outlet *outlet, struct handover *out, size_t max, uint64_t *ret_scanned);

#endif
