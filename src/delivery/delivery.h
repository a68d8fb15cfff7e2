/* Delivery: order, retry, throttle, breaker, account. Each destination belongs to one of the delivery loops and is a
 * cursor over the log, a queue (its outlet), lanes per user, and what is in flight. Kinds (http/, later stream/ object/
 * warehouse/) turn an event into an attempt and an answer into an outcome; core owns metrics, retries, time-outs,
 * redaction and limits.
 *
 * thread: the functions below may be called from any thread but the delivery loops, unless they say otherwise. */
#ifndef SLUICE_DELIVERY_DELIVERY_H
#define SLUICE_DELIVERY_DELIVERY_H

#include "delivery/delivery_conf.h"
#include "model/feed.h"
#include "model/workspace.h"
#include "processor/processor.h"

struct delivery;
struct transform;

struct delivery_deps {
    struct store *store;
    struct processor *processor;
    struct feed *feed;
    struct workspace_cell *cell;
    struct transform *transform; /* runs the code of users and destinations; NULL: events that need it wait */
    int64_t retention_ms;        /* store.retention_age: open events older than this are expired; 0 = never */
};

MUST enum err delivery_new(const struct delivery_conf *conf, const struct delivery_deps *deps,
    struct delivery **ret_delivery, struct errinfo *why);
/* Opens cursors of new destinations (at `from`: the store's head, or 0 on a first start), swaps settings of known ones,
 * retires the removed. Blocks until done; call before the workspace is made current, so that no acknowledged event is
 * missed. */
MUST enum err delivery_apply(struct delivery *delivery, struct workspace *workspace, struct errinfo *why);
/* Lets requests in flight and calls to workers end (at most `grace_ms`), saves every cursor, stops. */
void delivery_stop(struct delivery *delivery, int64_t grace_ms);
/* Waits for calls to workers that are still out: free the transform between delivery_stop and this, and they end at
 * once. Stops what is not stopped. Takes NULL. */
void delivery_free(struct delivery *delivery);

/* What decides which types can be delivered to: before a workspace is loaded, and before other threads begin. The texts
 * of `conf` live as long as the process. */
MUST enum err delivery_configure(const struct delivery_conf *conf, struct errinfo *why);
/* For workspace_types.check: settings of a destination type. ERR_UNSUPPORTED when this build has no kind for it. */
enum err delivery_check(struct slice type, struct slice config, struct errinfo *why);
/* For workspace_types.label: as the type's definition has it; SLICE_NONE without one. */
struct slice delivery_label(struct slice type);

enum destination_state {
    DESTINATION_RUNNING,
    DESTINATION_WAITING /* breaker open */,
    DESTINATION_PAUSED /* auth */,
    DESTINATION_DISABLED,
    DESTINATION_UNSUPPORTED,
    DESTINATION_RETIRED
};
const char *destination_state_name(enum destination_state state);

struct destination_info {
    uint64_t key;
    char id[64];
    enum destination_state state;
    uint8_t reason; /* enum reason, when paused or waiting */
    int64_t next_probe_ms;
    struct cursor_counts counts; /* in, delivered, filtered, dead, expired */
    uint64_t queued;             /* in the outlet; part of `behind` */
    uint64_t open;               /* taken and not ended: in flight + waiting for a retry or behind one */
    uint64_t inflight, waiting;
    uint64_t behind; /* in the log and not in counts.in, those queued included (from the index, by sources) */
    uint64_t low, scanned, start;
    uint64_t ahead; /* of counts.in: at or above `scanned`: ended before a restart, to be handed over once more */
    uint64_t p50_us, p99_us; /* of attempts */
    int64_t oldest_ms;       /* received_ms of the oldest event not ended; 0 = none */
};
/* A row per destination, taken on its own loop between two steps, so that in it
 * counts.in = delivered + filtered + dead + expired + open, and store_count(its sources, start, now) = counts.in +
 * behind. Array in `arena`. */
MUST enum err delivery_list(
    struct delivery *delivery, struct arena *arena, struct destination_info **ret_list, size_t *ret_count);

/* Puts a dead letter's event back into the log for its destination alone, and marks the letter taken. ERR_NOT_FOUND,
 * ERR_EXISTS, ERR_UNSUPPORTED (gateway rejections cannot be delivered), FULL. Blocks until durable. */
MUST enum err delivery_redrive(struct delivery *delivery, uint64_t dead_id, struct errinfo *why);

/* Why an event ended, in words: the note's text where that says it better than its reason does (a rule of the
 * destination, a transformation), else the reason's. Borrowed from the note. */
struct slice delivery_note_reason(const struct note *note);

#endif
