/* See lanes.h. Users: linear probing with backward-shift deletion, at most half full. Waiting items: a binary heap by
 * due_ms. */
#include "delivery/lanes.h"

enum { USERS_MIN = 64 };

void lanes_init(struct lanes *lanes) {
    *lanes = (struct lanes){0};
}

void lanes_fini(struct lanes *lanes) {
    ASSERT(lanes->count == 0);
    mem_free(lanes->users);
    mem_free(lanes->heap);
    *lanes = (struct lanes){0};
}

/* ---- users ---- */

/* The user's slot, or the empty one where it would be. User keys are hashes: their low bits are as good as any. */
static size_t find_user(const struct lanes *lanes, uint64_t user) {
    size_t mask = lanes->user_room - 1;
    size_t at = user & mask;
    while (lanes->users[at].first != NULL && lanes->users[at].user != user) {
        at = (at + 1) & mask;
    }
    return at;
}

static void resize_users(struct lanes *lanes, size_t room) {
    struct user_lane *old = lanes->users;
    size_t old_room = lanes->user_room;
    lanes->users = mem_alloc(room * sizeof *lanes->users);
    lanes->user_room = room;
    for (size_t i = 0; i < old_room; i++) {
        if (old[i].first != NULL) {
            lanes->users[find_user(lanes, old[i].user)] = old[i];
        }
    }
    mem_free(old);
}

static void remove_user(struct lanes *lanes, size_t hole) {
    size_t mask = lanes->user_room - 1;
    lanes->users[hole].first = NULL;
    lanes->user_count--;
    for (size_t at = (hole + 1) & mask; lanes->users[at].first != NULL; at = (at + 1) & mask) {
        size_t home = lanes->users[at].user & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            lanes->users[hole] = lanes->users[at];
            lanes->users[at].first = NULL;
            hole = at;
        }
    }
}

/* ---- ready ---- */

static void ready_append(struct lanes *lanes, struct item *item) {
    item->state = ITEM_READY;
    item->ready_after = NULL;
    item->ready_before = lanes->ready_last;
    if (lanes->ready_last != NULL) {
        lanes->ready_last->ready_after = item;
    } else {
        lanes->ready_first = item;
    }
    lanes->ready_last = item;
    lanes->ready_count++;
}

static void ready_remove(struct lanes *lanes, struct item *item) {
    if (item->ready_before != NULL) {
        item->ready_before->ready_after = item->ready_after;
    } else {
        lanes->ready_first = item->ready_after;
    }
    if (item->ready_after != NULL) {
        item->ready_after->ready_before = item->ready_before;
    } else {
        lanes->ready_last = item->ready_before;
    }
    lanes->ready_count--;
}

/* ---- waiting ---- */

static void heap_put(struct lanes *lanes, size_t slot, struct item *item) {
    lanes->heap[slot] = item;
    item->heap_slot = (uint32_t)slot;
}

/* Of those that are due together the oldest first: what failed together comes again together. */
static bool is_sooner(const struct item *a, const struct item *b) {
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->offset < b->offset;
}

static void heap_up(struct lanes *lanes, size_t slot) {
    struct item *item = lanes->heap[slot];
    while (slot > 0 && is_sooner(item, lanes->heap[(slot - 1) / 2])) {
        heap_put(lanes, slot, lanes->heap[(slot - 1) / 2]);
        slot = (slot - 1) / 2;
    }
    heap_put(lanes, slot, item);
}

static void heap_down(struct lanes *lanes, size_t slot) {
    struct item *item = lanes->heap[slot];
    for (size_t child = 2 * slot + 1; child < lanes->waiting_count; child = 2 * slot + 1) {
        if (child + 1 < lanes->waiting_count && is_sooner(lanes->heap[child + 1], lanes->heap[child])) {
            child++;
        }
        if (!is_sooner(lanes->heap[child], item)) {
            break;
        }
        heap_put(lanes, slot, lanes->heap[child]);
        slot = child;
    }
    heap_put(lanes, slot, item);
}

static void heap_add(struct lanes *lanes, struct item *item) {
    if (lanes->waiting_count == lanes->heap_room) {
        lanes->heap_room = lanes->heap_room > 0 ? lanes->heap_room * 2 : 64;
        lanes->heap = mem_resize(lanes->heap, lanes->heap_room * sizeof(struct item *));
    }
    item->state = ITEM_WAITING;
    heap_put(lanes, lanes->waiting_count++, item);
    heap_up(lanes, item->heap_slot);
}

static void heap_remove(struct lanes *lanes, struct item *item) {
    size_t slot = item->heap_slot;
    struct item *last = lanes->heap[--lanes->waiting_count];
    if (last != item) {
        heap_put(lanes, slot, last);
        heap_up(lanes, slot);
        heap_down(lanes, last->heap_slot);
    }
}

/* ---- turns ---- */

/* It is the first of its user. */
static void begin_turn(struct lanes *lanes, struct item *item, int64_t now_ms) {
    if (item->due_ms > now_ms) {
        heap_add(lanes, item);
    } else {
        ready_append(lanes, item);
    }
}

void lanes_add(struct lanes *lanes, struct item *item, bool ordered, int64_t now_ms) {
    ASSERT(lanes->newest == NULL || lanes->newest->offset < item->offset);
    item->older = lanes->newest;
    item->newer = NULL;
    item->behind = NULL;
    if (lanes->newest != NULL) {
        lanes->newest->newer = item;
    } else {
        lanes->oldest = item;
    }
    lanes->newest = item;
    lanes->count++;
    item->ordered = ordered && item->user != 0;
    if (!item->ordered) {
        begin_turn(lanes, item, now_ms);
        return;
    }
    if ((lanes->user_count + 1) * 2 > lanes->user_room) {
        resize_users(lanes, lanes->user_room > 0 ? lanes->user_room * 2 : USERS_MIN);
    }
    struct user_lane *lane = &lanes->users[find_user(lanes, item->user)];
    if (lane->first == NULL) {
        *lane = (struct user_lane){item->user, item, item};
        lanes->user_count++;
        begin_turn(lanes, item, now_ms);
        return;
    }
    lane->last->behind = item;
    lane->last = item;
    item->state = ITEM_BEHIND;
}

struct item *lanes_take(struct lanes *lanes) {
    struct item *item = lanes->ready_first;
    if (item != NULL) {
        ready_remove(lanes, item);
        item->state = ITEM_TAKEN;
    }
    return item;
}

struct item *lanes_take_soonest(struct lanes *lanes) {
    struct item *item = lanes_take(lanes);
    if (item == NULL && lanes->waiting_count > 0) {
        item = lanes->heap[0];
        heap_remove(lanes, item);
        item->state = ITEM_TAKEN;
    }
    return item;
}

struct item *lanes_peek(const struct lanes *lanes) {
    return lanes->ready_first;
}

struct item *lanes_peek_behind(const struct item *item, int64_t now_ms) {
    ASSERT(item->state == ITEM_TAKEN);
    struct item *behind = item->behind;
    return behind != NULL && behind->state == ITEM_BEHIND && !behind->ending && behind->due_ms <= now_ms ? behind
                                                                                                         : NULL;
}

void lanes_take_behind(struct item *behind) {
    ASSERT(behind->state == ITEM_BEHIND);
    behind->state = ITEM_TAKEN;
}

/* An earlier event of its user is open. */
static bool stands_behind(const struct lanes *lanes, const struct item *item) {
    return item->ordered && lanes->users[find_user(lanes, item->user)].first != item;
}

void lanes_put_back(struct lanes *lanes, struct item *item) {
    ASSERT(item->state == ITEM_TAKEN);
    if (stands_behind(lanes, item)) {
        item->state = ITEM_BEHIND;
        return;
    }
    item->state = ITEM_READY;
    item->ready_before = NULL;
    item->ready_after = lanes->ready_first;
    if (lanes->ready_first != NULL) {
        lanes->ready_first->ready_before = item;
    } else {
        lanes->ready_last = item;
    }
    lanes->ready_first = item;
    lanes->ready_count++;
}

void lanes_wait(struct lanes *lanes, struct item *item, int64_t due_ms) {
    ASSERT(item->state == ITEM_TAKEN);
    item->due_ms = due_ms;
    if (stands_behind(lanes, item)) {
        item->state = ITEM_BEHIND;
        return;
    }
    heap_add(lanes, item);
}

int64_t lanes_due(struct lanes *lanes, int64_t now_ms) {
    while (lanes->waiting_count > 0 && lanes->heap[0]->due_ms <= now_ms) {
        struct item *item = lanes->heap[0];
        heap_remove(lanes, item);
        ready_append(lanes, item);
    }
    return lanes->waiting_count > 0 ? lanes->heap[0]->due_ms : INT64_MAX;
}

static void leave_user(struct lanes *lanes, struct item *item, int64_t now_ms) {
    size_t slot = find_user(lanes, item->user);
    struct user_lane *lane = &lanes->users[slot];
    ASSERT(lane->first != NULL);
    if (lane->first == item) {
        lane->first = item->behind;
        if (lane->first == NULL) {
            remove_user(lanes, slot);
        } else if (lane->first->state == ITEM_BEHIND) {
            begin_turn(lanes, lane->first, now_ms);
        }
        return;
    }
    struct item *before = lane->first;
    while (before->behind != item) {
        before = before->behind;
    }
    before->behind = item->behind;
    if (lane->last == item) {
        lane->last = before;
    }
}

void lanes_end(struct lanes *lanes, struct item *item, int64_t now_ms) {
    if (item->state == ITEM_READY) {
        ready_remove(lanes, item);
    } else if (item->state == ITEM_WAITING) {
        heap_remove(lanes, item);
    }
    if (item->older != NULL) {
        item->older->newer = item->newer;
    } else {
        lanes->oldest = item->newer;
    }
    if (item->newer != NULL) {
        item->newer->older = item->older;
    } else {
        lanes->newest = item->older;
    }
    lanes->count--;
    if (item->ordered) {
        leave_user(lanes, item, now_ms);
    }
}
