/* Loads: items that are taken together, from lanes to their ends.
 *
 *   gathered ─▶ begun: payloads, lanes ─▶ load_prepare.c ─▶ requests (attempt.c) ─▶ verdicts ─▶ items end, wait, go
 * back
 *
 * Destinations that take one event per request have loads of one item that do all but the last step at once. A load
 * that has begun keeps its settings. It goes when no request is left and no call is out. */
#include <stdlib.h>

#include "base/clock.h"
#include "delivery/delivery_internal.h"
#include "delivery/user_code.h"

enum {
    ARENA_CHUNK = 2048,
    ROOM_FIRST = 16,
    FREE_MAX = 256 /* loads kept for reuse */
};

/* ---- life ---- */

static struct load *load_new(struct sender *sender) {
    struct courier *courier = sender->courier;
    struct load *load = courier->free_loads;
    struct arena arena;
    if (load != NULL) {
        courier->free_loads = load->next;
        courier->free_count--;
        arena_reset(&load->arena);
        arena = load->arena;
    } else {
        load = mem_alloc(sizeof *load);
        arena_init(&arena, ARENA_CHUNK, 0);
    }
    *load = (struct load){.courier = courier, .sender = sender, .arena = arena, .room = 1};
    load->settings = sender_settings_hold(sender->settings);
    load->items = &load->single;
    load->max = load->settings->load_events;
    load->next = courier->loads;
    if (courier->loads != NULL) {
        courier->loads->before = load;
    }
    courier->loads = load;
    return load;
}

static void unlink_load(struct load *load) {
    struct courier *courier = load->courier;
    if (load->before != NULL) {
        load->before->next = load->next;
    } else {
        courier->loads = load->next;
    }
    if (load->next != NULL) {
        load->next->before = load->before;
    }
}

/* It is in no list any more. */
static void load_free(struct load *load) {
    struct courier *courier = load->courier;
    for (uint32_t i = 0; i < load->count; i++) {
        mem_free(load->items[i].payload);
    }
    sender_settings_release(load->settings);
    if (courier->free_count >= FREE_MAX) {
        arena_fini(&load->arena);
        mem_free(load);
        return;
    }
    load->next = courier->free_loads;
    courier->free_loads = load;
    courier->free_count++;
}

void courier_free_loads(struct courier *courier) {
    while (courier->free_loads != NULL) {
        struct load *load = courier->free_loads;
        courier->free_loads = load->next;
        arena_fini(&load->arena);
        mem_free(load);
    }
}

/* A probe that ends by our fault tells nothing: the next one is not to follow at once. */
static void end_probe(struct load *load) {
    struct sender *sender = load->sender;
    sender->probing = false;
    if (load->came_back) {
        int64_t again_ms = clock_ms() + OUR_FAULT_PAUSE_MS;
        sender->breaker.probe_due_ms = again_ms;
        sender->pause_probe_due_ms = sender->pause_probe_due_ms > again_ms ? sender->pause_probe_due_ms : again_ms;
    }
}

void load_end(struct load *load) {
    if (load->probe) {
        end_probe(load);
    }
    unlink_load(load);
    load_free(load);
}

void load_goes_out(struct load *load) {
    load->outside++;
    load->courier->busy++;
}

bool load_is_back(struct load *load) {
    struct courier *courier = load->courier;
    load->outside--;
    courier->busy--;
    bool lives = load->sender != NULL;
    if (!lives && load->outside == 0) {
        courier->orphans--;
        load_free(load);
    }
    courier_landed(courier);
    return lives;
}

/* The items may go before the load does, what is out still reads their payloads. */
static void orphan(struct load *load) {
    for (uint32_t i = 0; i < load->count; i++) {
        struct load_item *at = &load->items[i];
        if (at->item != NULL && at->item->payload != NULL) {
            at->payload = at->item->payload;
            at->item->payload = NULL;
            load->sender->held_bytes -= at->item->payload_len + JSON_PADDING;
        }
        at->item = NULL;
    }
    load->sender = NULL;
    load->courier->orphans++;
}

/* What waits for a service of ours waits no longer. The load may be gone then. */
static void stop_asking(struct load *load) {
    if (load->code != NULL && load->code->give_up != NULL) {
        load->code->give_up(load->code);
    } else if (load->run.give_up != NULL) {
        load->run.give_up(&load->run);
    }
}

static void give_up(struct load *load) {
    struct sender *sender = load->sender;
    for (uint32_t i = 0; i < load->request_count; i++) {
        struct attempt *attempt = &load->requests[i];
        if (attempt->flying) {
            http_client_cancel(load->courier->client, &attempt->call);
            attempt_land(attempt);
        }
    }
    sender->preparing -= load->preparing ? 1 : 0;
    sender->probing = sender->probing && !load->probe;
    unlink_load(load);
    if (load->outside > 0) {
        orphan(load);
        stop_asking(load);
    } else {
        load_free(load);
    }
}

void courier_cancel(struct courier *courier, const struct sender *sender) {
    struct load *next;
    for (struct load *load = courier->loads; load != NULL; load = next) {
        next = load->next;
        if (sender == NULL || load->sender == sender) {
            load->sender->queue_first = load->sender->queue_last = NULL;
            load->sender->gathering = NULL;
            load->sender->begun = 0;
            give_up(load);
        }
    }
}

/* Nothing has been sent of a load that waits for a service of ours. */
void courier_stop_asking(struct courier *courier) {
    struct load *next;
    for (struct load *load = courier->loads; load != NULL; load = next) {
        next = load->next;
        stop_asking(load);
    }
}

/* ---- items ---- */

void load_worsen(struct load *load, uint32_t at, const struct item_verdict *verdict) {
    struct load_item *item = &load->items[at];
    if (verdict->fate <= item->verdict.fate) {
        return;
    }
    item->verdict = *verdict;
    if (verdict->fate >= FATE_BACK) {
        uint32_t *from = &load->items[item->lane].broken_from;
        *from = *from == 0 || at + 1 < *from ? at + 1 : *from;
    }
}

static void go_back(struct load *load, struct item *item, int64_t due_ms) {
    struct lanes *lanes = &load->sender->lanes;
    load->came_back = true;
    if (due_ms > 0) {
        lanes_wait(lanes, item, due_ms);
    } else {
        lanes_put_back(lanes, item);
    }
}

static void end_by(struct load *load, struct item *item, const struct item_verdict *verdict) {
    static const enum note_kind kinds[] = {[FATE_DELIVERED] = NOTE_DELIVERED,
        [FATE_FILTERED] = NOTE_FILTERED,
        [FATE_DEAD] = NOTE_DEAD,
        [FATE_RETRY] = NOTE_ATTEMPT};
    struct courier *courier = load->courier;
    struct arena *arena = &courier->outcome_arena;
    item->reason = (uint8_t)verdict->reason;
    item->status = verdict->status;
    struct outcome *outcome = courier_add_outcome(courier, load->sender, item, kinds[verdict->fate], verdict->reason);
    outcome->note.duration_us = verdict->duration_us;
    outcome->note.due_ms = verdict->due_ms;
    if (verdict->text.len > 0) {
        struct slice text = verdict->text;
        outcome->note.text =
            arena_dup(arena, slice_of(text.ptr, text.len < NOTE_TEXT_BYTES ? text.len : NOTE_TEXT_BYTES));
    }
    if (verdict->fate == FATE_DEAD) {
        outcome->sentence = arena_dup(arena, verdict->sentence);
        outcome->request = arena_dup(arena, verdict->request);
        outcome->response = arena_dup(arena, verdict->response);
    }
}

void load_end_item(struct load *load, uint32_t at) {
    struct load_item *entry = &load->items[at];
    struct item *item = entry->item;
    entry->item = NULL;
    load->sender->begun--;
    if (entry->verdict.fate == FATE_DELIVERED) {
        entry->verdict.text = entry->remark;
    }
    if (entry->verdict.fate == FATE_BACK) {
        go_back(load, item, entry->verdict.due_ms);
        return;
    }
    ASSERT(entry->verdict.fate != FATE_NONE);
    if (entry->tried) {
        item->first_ms = item->attempts == 0 ? load->started_ms : item->first_ms;
        item->attempts += item->attempts < UINT16_MAX ? 1 : 0;
    }
    end_by(load, item, &entry->verdict);
}

/* ---- gathering ---- */

static void add(struct load *load, struct item *item) {
    if (load->count == load->room) {
        uint32_t room = load->room == 1 ? ROOM_FIRST : 2 * load->room;
        struct load_item *items = ARENA_ARRAY(&load->arena, struct load_item, room);
        memcpy(items, load->items, load->count * sizeof *items);
        load->items = items;
        load->room = room;
    }
    load->items[load->count++].item = item;
    if (item->load_max != 0 && item->load_max < load->max) {
        load->max = item->load_max;
    }
}

static bool has_room(const struct load *load, const struct item *item) {
    return load->count < load->max && (item->load_max == 0 || load->count < item->load_max);
}

/* Those behind it of its user. */
static void add_behind(struct load *load, struct item *item, int64_t now_ms) {
    struct item *behind;
    while ((behind = lanes_peek_behind(item, now_ms)) != NULL && has_room(load, behind)) {
        lanes_take_behind(behind);
        add(load, behind);
        item = behind;
    }
}

/* First more of the users that are in it, then users that are ready. */
static void fill(struct load *load, int64_t now_ms) {
    struct lanes *lanes = &load->sender->lanes;
    for (uint32_t i = 0; i < load->count && load->count < load->max; i++) {
        add_behind(load, load->items[i].item, now_ms);
    }
    struct item *item;
    while ((item = lanes_peek(lanes)) != NULL && has_room(load, item)) {
        (void)lanes_take(lanes);
        if (item->ending) {
            continue; /* expired or filtered in this very turn: its note is about to be written, and frees it */
        }
        add(load, item);
        if (load->max > 1) {
            add_behind(load, item, now_ms);
        }
    }
}

/* ---- beginning ---- */

static int by_offset(const void *a, const void *b) {
    uint64_t x = ((const struct load_item *)a)->item->offset, y = ((const struct load_item *)b)->item->offset;
    return x < y ? -1 : x > y;
}

static struct item_verdict verdict_of_failed_read(enum err e) {
    if (e == ERR_NOT_FOUND) {
        return (struct item_verdict){.reason = REASON_RETENTION, .text = SLICE("the log no longer has it")};
    }
    return (struct item_verdict){.reason = REASON_CORRUPT};
}

/* It cannot be read: it ends here, or waits for a better moment. */
static void drop_unread(struct load *load, struct item *item, enum err e) {
    struct sender *sender = load->sender;
    sender->begun--;
    if (err_class(e) == ERR_CLASS_RETRY) {
        go_back(load, item, clock_ms() + OUR_FAULT_PAUSE_MS);
        return;
    }
    struct item_verdict verdict = verdict_of_failed_read(e);
    struct outcome *outcome = courier_add_outcome(load->courier, sender, item, NOTE_EXPIRED, verdict.reason);
    outcome->note.text = arena_dup(&load->courier->outcome_arena, verdict.text);
}

/* Leaves those out that cannot be read, and those that would be too many bytes, or too early: none of a user goes out
 * before one that waits. */
static void load_payloads(struct load *load) {
    struct sender *sender = load->sender;
    uint64_t bytes = 0;
    uint32_t kept = 0, i = 0;
    bool cut = false;
    for (; i < load->count && !cut; i++) {
        struct item *item = load->items[i].item;
        enum err e = sender_load_payload(sender, item);
        bytes += e == OK ? item->payload_len : 0;
        if (e != OK) {
            drop_unread(load, item, e);
            cut = err_class(e) == ERR_CLASS_RETRY;
        } else if (kept > 0 && bytes > sender->delivery->conf.load_bytes) {
            cut = true;
            i--;
        } else {
            load->items[kept++].item = item;
        }
    }
    for (; i < load->count; i++) {
        sender->begun--;
        lanes_put_back(&sender->lanes, load->items[i].item);
    }
    load->count = kept;
}

/* Which items are of one user: open addressing over the users. */
static void find_lanes(struct load *load) {
    uint32_t room = 4;
    while (room < 2 * load->count) {
        room *= 2;
    }
    uint32_t *firsts = ARENA_ARRAY(&load->arena, uint32_t, room); /* plus 1 */
    for (uint32_t i = 0; i < load->count; i++) {
        const struct item *item = load->items[i].item;
        load->items[i].lane = i;
        uint32_t at = (uint32_t)item->user & (room - 1);
        while (item->ordered && firsts[at] != 0 && load->items[firsts[at] - 1].item->user != item->user) {
            at = (at + 1) & (room - 1);
        }
        if (item->ordered && firsts[at] != 0) {
            load->items[i].lane = firsts[at] - 1;
        } else if (item->ordered) {
            firsts[at] = i + 1;
        }
    }
}

static void begin(struct load *load) {
    struct sender *sender = load->sender;
    sender->begun += load->count;
    sender->probing = sender->probing || load->probe;
    load->started_ms = clock_ms();
    stat_add(&sender->stat.loads, 1);
    if (load->count > 1) {
        qsort(load->items, load->count, sizeof *load->items, by_offset);
    }
    load_payloads(load);
    if (load->count == 0) {
        load_end(load);
        return;
    }
    if (load->count > 1) {
        find_lanes(load);
    }
    sender->preparing_now = true;
    load_prepare(load);
    sender->preparing_now = false;
}

bool sender_load_next(struct sender *sender, int64_t now_ms) {
    struct load *load = sender->gathering;
    if (load == NULL) {
        if (sender->lanes.ready_count == 0) {
            return false;
        }
        load = load_new(sender);
        load->gather_until_ms = now_ms + load->settings->gather_ms;
    }
    fill(load, now_ms);
    sender->gathering = NULL;
    if (load->count == 0) {
        load_end(load);
        return false;
    }
    /* what is prepared in a worker gathers for as long as another load is: fewer, larger calls */
    bool waits = now_ms < load->gather_until_ms || sender->preparing > 0;
    if (load->count < load->max && waits) {
        sender->gathering = load;
        return false;
    }
    begin(load);
    return true;
}

void sender_probe(struct sender *sender, struct item *item) {
    if (item->ending) {
        return; /* its note is about to be written, and frees it */
    }
    struct load *load = load_new(sender);
    load->probe = true;
    add(load, item);
    begin(load);
}

/* True: some were, and others of their loads may have come into the queue for it. */
static bool drop_queued(struct sender *sender) {
    enum destination_state state = sender_state(sender);
    bool probes = state == DESTINATION_WAITING || state == DESTINATION_PAUSED;
    bool dropped = false;
    struct attempt *next;
    struct attempt *list = sender->queue_first;
    sender->queue_first = sender->queue_last = NULL;
    for (struct attempt *attempt = list; attempt != NULL; attempt = next) {
        next = attempt->queue_next;
        if (attempt->load->probe && probes) {
            attempt_queue(attempt);
        } else {
            attempt_drop(attempt);
            dropped = true;
        }
    }
    return dropped;
}

void sender_recall(struct sender *sender) {
    struct load *load = sender->gathering;
    sender->gathering = NULL;
    if (load != NULL) {
        for (uint32_t i = load->count; i > 0; i--) {
            lanes_put_back(&sender->lanes, load->items[i - 1].item);
        }
        load_end(load);
    }
    while (drop_queued(sender)) {}
}
