/* How events come to a sender: those that were open before the restart, from the log; then what the processor hands
 * over.
 *
 * The open ones of before come first, so that order per user holds over a restart. They are read a few per turn, for
 * their users. */
#include "base/clock.h"
#include "base/log.h"
#include "delivery/delivery_internal.h"

enum {
    LOAD_PER_TURN = 64,
    TAKE_AT_ONCE = 64,
    TAKE_PER_TURN = 1024,
    READY_AHEAD =
        2, /* times the requests in flight: how many ready events are held so that no slot waits for the next turn */
    PROBE_TAKES = 16, /* events of users that wait already, before the search for a fresh one ends */
    LOAD_RETRY_MS = 1000
};

static void keep_payload(struct sender *sender, struct item *item, struct slice payload) {
    size_t size = payload.len + JSON_PADDING;
    if (sender->held_bytes + size > sender->delivery->conf.open_bytes && sender->held_bytes > 0) {
        return; /* it is read from the log when its turn comes */
    }
    item->payload = mem_try_alloc(size);
    if (item->payload != NULL) {
        memcpy(item->payload, payload.ptr, payload.len);
        item->payload_len = (uint32_t)payload.len;
        sender->held_bytes += size;
    }
}

static void open_item(
    struct sender *sender, const struct record *record, const struct cursor_entry *known, int64_t now_ms) {
    struct item *item = mem_alloc(sizeof *item);
    item->offset = record->offset;
    item->user = record->head.user;
    item->source = record->head.source;
    item->received_ms = record->head.received_ms;
    item->type = record->head.type;
    if (known != NULL) {
        item->first_ms = known->first_ms;
        item->due_ms = known->due_ms;
        item->attempts = known->attempts;
        item->status = known->status;
        item->reason = known->reason;
    }
    keep_payload(sender, item, record->payload);
    lanes_add(&sender->lanes, item, !sender->settings->destination->rules.unordered, now_ms);
}

/* It never becomes an item: it ends as it is. */
static void end_at_once(struct sender *sender, const struct record *record, enum note_kind kind, enum reason reason) {
    struct outcome *outcome = courier_add_outcome(sender->courier, sender, NULL, kind, reason);
    outcome->note.offset = record->offset;
    struct row_event event = {.payload = record->payload, .source = record->head.source, .type = record->head.type};
    rows_post_event(sender->courier, sender, &event, &outcome->note);
}

static bool is_too_old(const struct sender *sender, int64_t received_ms, int64_t now_ms) {
    int64_t retention_ms = sender->delivery->deps.retention_ms;
    return retention_ms > 0 && now_ms - received_ms > retention_ms;
}

/* ---- from before the restart ---- */

static enum err load_entry(struct sender *sender, const struct cursor_entry *entry, int64_t now_ms) {
    struct store_block *block = NULL;
    enum err e = store_get(sender->delivery->deps.store, entry->offset, &block);
    if (e == ERR_NOT_FOUND || e == ERR_CORRUPT) {
        enum reason reason = e == ERR_CORRUPT ? REASON_CORRUPT : REASON_RETENTION;
        struct outcome *outcome = courier_add_outcome(sender->courier, sender, NULL, NOTE_EXPIRED, reason);
        outcome->note.offset = entry->offset;
        return OK;
    }
    if (e != OK) {
        return e;
    }
    open_item(sender, &block->records[0], entry, now_ms);
    store_block_release(block);
    return OK;
}

static bool is_loaded(const struct sender *sender) {
    return sender->entry_at >= sender->entry_count || sender->entries[sender->entry_at].offset >= sender->scanned;
}

size_t sender_unloaded(const struct sender *sender) {
    size_t count = 0;
    for (size_t i = sender->entry_at; i < sender->entry_count && sender->entries[i].offset < sender->scanned; i++) {
        count++;
    }
    return count;
}

void sender_load_rest(struct sender *sender) {
    while (!is_loaded(sender)) {
        (void)load_entry(sender, &sender->entries[sender->entry_at], clock_ms()); /* the contract allows it */
        sender->entry_at++;
    }
}

bool sender_load(struct sender *sender) {
    int64_t now_ms = clock_ms();
    for (unsigned i = 0; i < LOAD_PER_TURN; i++) {
        if (is_loaded(sender)) {
            return false;
        }
        enum err e = load_entry(sender, &sender->entries[sender->entry_at], now_ms);
        if (e != OK) {
            LOG(ERROR, "delivery", "cannot read an open event from the log", "destination=%s offset=%lu error=%s",
                sender->id, sender->entries[sender->entry_at].offset, err_name(e));
            sender->load_retry_ms = now_ms + LOAD_RETRY_MS;
            return true;
        }
        sender->entry_at++;
    }
    courier_touch(sender->courier, sender); /* the rest in the next turn */
    return true;
}

/* What is known of an event that comes again: NULL = nothing. Offsets ascend here as there. */
static const struct cursor_entry *known_entry(struct sender *sender, uint64_t offset) {
    while (sender->entry_at < sender->entry_count && sender->entries[sender->entry_at].offset < offset) {
        sender->entry_at++;
    }
    bool found = sender->entry_at < sender->entry_count && sender->entries[sender->entry_at].offset == offset;
    return found ? &sender->entries[sender->entry_at++] : NULL;
}

static bool has_ended_before(struct sender *sender, uint64_t offset) {
    while (sender->ended_at < sender->ended_count && sender->ended[sender->ended_at] < offset) {
        sender->ended_at++;
    }
    bool found = sender->ended_at < sender->ended_count && sender->ended[sender->ended_at] == offset;
    sender->ended_at += found ? 1 : 0;
    return found;
}

/* ---- from the processor ---- */

static void accept_handover(struct sender *sender, const struct handover *handover, int64_t now_ms) {
    const struct record *record = handover->record;
    if (has_ended_before(sender, record->offset)) {
        stat_add(&sender->stat.repeated, 1);
        return; /* the store counted it when it read the note */
    }
    const struct cursor_entry *known = known_entry(sender, record->offset);
    sender->counts.in++;
    stat_add(&sender->stat.taken, 1);
    if (handover->verdict == VERDICT_FILTER) {
        end_at_once(sender, record, NOTE_FILTERED, handover->reason);
    } else if (handover->verdict == VERDICT_EXPIRE) {
        end_at_once(sender, record, NOTE_EXPIRED, handover->reason);
    } else if (!sender->settings->destination->enabled) {
        end_at_once(sender, record, NOTE_FILTERED, REASON_DESTINATION_DISABLED);
    } else if (is_too_old(sender, record->head.received_ms, now_ms)) {
        end_at_once(sender, record, NOTE_EXPIRED, REASON_RETENTION);
    } else {
        open_item(sender, record, known, now_ms);
    }
}

/* How many it took. */
static size_t take_some(struct sender *sender, size_t max, int64_t now_ms) {
    struct handover batch[TAKE_AT_ONCE];
    size_t count = outlet_take(sender->outlet, batch, max, &sender->scanned);
    sender->outlet_has_more = count == max;
    for (size_t i = 0; i < count; i++) {
        accept_handover(sender, &batch[i], now_ms);
        store_block_release(batch[i].block);
    }
    return count;
}

void sender_take(struct sender *sender, int64_t now_ms) {
    size_t target = (size_t)sender->settings->concurrency * READY_AHEAD;
    target = target < sender->settings->load_events ? sender->settings->load_events : target;
    size_t taken = 0;
    while (sender->outlet_has_more && sender->lanes.ready_count < target &&
        sender->lanes.count < sender->delivery->conf.open_events) {
        if (taken >= TAKE_PER_TURN) {
            courier_touch(sender->courier, sender); /* the rest in the next turn: others come in between */
            return;
        }
        taken += take_some(sender, TAKE_AT_ONCE, now_ms);
    }
}

void sender_take_one(struct sender *sender, int64_t now_ms) {
    size_t before = sender->lanes.count;
    while (sender->outlet_has_more && sender->lanes.ready_count == 0 && sender->lanes.count < before + PROBE_TAKES &&
        sender->lanes.count < sender->delivery->conf.open_events) {
        take_some(sender, 1, now_ms);
    }
}

/* ---- retention ---- */

int64_t sender_expire(struct sender *sender, int64_t now_ms) {
    int64_t retention_ms = sender->delivery->deps.retention_ms;
    if (retention_ms == 0) {
        return INT64_MAX;
    }
    for (struct item *item = sender->lanes.oldest; item != NULL; item = item->newer) {
        if (!is_too_old(sender, item->received_ms, now_ms)) {
            return item->received_ms + retention_ms + 1;
        }
        if (item->state != ITEM_TAKEN && !item->ending) {
            courier_add_outcome(sender->courier, sender, item, NOTE_EXPIRED, REASON_RETENTION);
        }
    }
    return INT64_MAX;
}

void sender_expire_all(struct sender *sender, enum reason reason) {
    struct handover handover;
    for (struct item *item = sender->lanes.oldest; item != NULL; item = item->newer) {
        if (!item->ending) {
            courier_add_outcome(sender->courier, sender, item, NOTE_EXPIRED, reason);
        }
    }
    while (outlet_take(sender->outlet, &handover, 1, &sender->scanned) > 0) {
        struct record record = *handover.record;
        if (!has_ended_before(sender, record.offset)) {
            sender->counts.in++;
            stat_add(&sender->stat.taken, 1);
            bool filtered = handover.verdict == VERDICT_FILTER;
            end_at_once(sender, &record, filtered ? NOTE_FILTERED : NOTE_EXPIRED, filtered ? handover.reason : reason);
        }
        store_block_release(handover.block);
    }
}
