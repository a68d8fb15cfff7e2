/* The open events of one destination: taken from its outlet and not ended. At most one per user is ready or waiting;
 * the others stand behind it in the order of the log. A load takes that one, and may take those behind it too: what is
 * taken of a user is always a run of its oldest, but for what comes back from it.
 *
 *                      ┌──────── put_back ───────┐
 *   add ─▶ BEHIND ─▶ READY ────────────────▶ TAKEN ─▶ end ─▶ (the next of the same user)
 *            │  ▲      ▲                      ▲  │
 *            │  │      └────── WAITING ◀──────┼──┤ wait(due)
 *            │  └── of a user whose earlier ──┼──┘ put_back, wait
 *            └────── take_behind ─────────────┘
 *
 * Memory: the lists are threads through the items, which are the caller's. Not thread-safe: the destination's loop owns
 * it. */
#ifndef SLUICE_DELIVERY_LANES_H
#define SLUICE_DELIVERY_LANES_H

#include "base/arena.h"

enum item_state { ITEM_BEHIND, ITEM_READY, ITEM_WAITING, ITEM_TAKEN };

struct item {
    struct item *older, *newer; /* all items, by offset */
    struct item *behind;        /* the next of the same user */
    struct item *ready_before, *ready_after;
    uint64_t offset, user, source;
    int64_t received_ms, first_ms, due_ms; /* due_ms: not before; 0 = at once */
    char *payload;                         /* on the heap; NULL = in the log only */
    uint32_t payload_len;
    uint32_t heap_slot;
    uint16_t attempts, status;
    uint16_t load_max; /* most items of a load that it is in, since it failed in a larger one; 0 = no matter */
    uint8_t reason;
    uint8_t type;  /* enum event_type */
    uint8_t state; /* enum item_state */
    bool ordered;
    bool ending; /* its end is being written: it is not sent and not ended again */
};

struct user_lane {
    uint64_t user;
    struct item *first, *last; /* first == NULL: an empty slot */
};

struct lanes {
    struct item *oldest, *newest;
    size_t count;
    struct user_lane *users; /* open addressing, power of two */
    size_t user_count, user_room;
    struct item *ready_first, *ready_last;
    size_t ready_count;
    struct item **heap; /* of the waiting ones, soonest first */
    size_t waiting_count, heap_room;
};

void lanes_init(struct lanes *lanes);
/* The items are not freed: end them first. */
void lanes_fini(struct lanes *lanes);
/* Ascending offsets. ordered: behind others of its user (a user of 0 is nobody: never ordered). */
void lanes_add(struct lanes *lanes, struct item *item, bool ordered, int64_t now_ms);
/* The next that is ready, now TAKEN; NULL = none. */
struct item *lanes_take(struct lanes *lanes);
/* The next that is ready, or else the one whose wait ends first. */
struct item *lanes_take_soonest(struct lanes *lanes);
/* The next that is ready, left where it is; NULL = none. */
struct item *lanes_peek(const struct lanes *lanes);
/* The next of the same user behind `item`, which is TAKEN; NULL = none that may go now, left where it is. */
struct item *lanes_peek_behind(const struct item *item, int64_t now_ms);
/* What lanes_peek_behind has shown is TAKEN. */
void lanes_take_behind(struct item *behind);
/* TAKEN, and not to be sent now after all: first in the queue again, or behind an earlier one of its user. */
void lanes_put_back(struct lanes *lanes, struct item *item);
/* TAKEN → WAITING until due_ms; behind an earlier one of its user, which comes first, until both are over. */
void lanes_wait(struct lanes *lanes, struct item *item, int64_t due_ms);
/* Those whose wait is over become ready. Returns when the next one's will be; INT64_MAX = nobody waits. */
int64_t lanes_due(struct lanes *lanes, int64_t now_ms);
/* Out of the lanes, whatever its state; whoever stood behind it has its turn. The item is the caller's again. */
void lanes_end(struct lanes *lanes, struct item *item, int64_t now_ms);

#endif
