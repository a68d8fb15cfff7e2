/* Outcomes: gathered during an iteration, written together, then they take effect.
 *
 * Order of writing: a dead letter before the note that refers to it; all notes before any event of the same user goes
 * on. What could not be written stays at the front of the list. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "delivery/delivery_internal.h"

enum {
    NOTES_PER_WRITE = 200, /* the store writes so many all or nothing */
    RETRY_MS = 1000
};

struct outcome *courier_add_outcome(
    struct courier *courier, struct sender *sender, struct item *item, enum note_kind kind, enum reason reason) {
    if (courier->outcome_count == courier->outcome_room) {
        courier->outcome_room = courier->outcome_room > 0 ? courier->outcome_room * 2 : 64;
        courier->outcomes = mem_resize(courier->outcomes, courier->outcome_room * sizeof *courier->outcomes);
    }
    struct outcome *outcome = &courier->outcomes[courier->outcome_count++];
    *outcome = (struct outcome){.sender = sender, .item = item};
    outcome->note = (struct note){.destination = sender->key, .at_ms = clock_ms(), .kind = kind, .reason = reason};
    if (item == NULL) {
        sender->unnoted++;
    } else {
        outcome->note.offset = item->offset;
        outcome->note.first_ms = item->first_ms;
        outcome->note.attempt = item->attempts;
        outcome->note.status = item->status;
        item->ending = kind != NOTE_ATTEMPT;
    }
    courier_wake(courier);
    return outcome;
}

/* ---- writing ---- */

static struct slice message_id_of(struct courier *courier, struct slice event) {
    struct json_doc doc;
    if (json_parse(courier->parser, event, &doc, NULL) != OK) {
        return SLICE_NONE;
    }
    return json_string(&doc, json_find(&doc, 0, SLICE("messageId")), &courier->outcome_arena);
}

static enum err write_letter(struct courier *courier, struct outcome *outcome) {
    const struct sender *sender = outcome->sender;
    const struct item *item = outcome->item;
    struct store_block *block = NULL;
    enum err e = store_get(courier->delivery->deps.store, item->offset, &block);
    if (e != OK) {
        return e;
    }
    const struct record_head *head = &block->records[0].head;
    const struct source *source = workspace_source_by_key(sender->settings->workspace, head->source);
    struct slice payload = item->payload != NULL ? slice_of(item->payload, item->payload_len) : SLICE_NONE;
    struct dead_letter letter = {.at_ms = outcome->note.at_ms,
        .received_ms = head->received_ms,
        .offset = item->offset,
        .destination = sender->key,
        .source = head->source,
        .user = head->user,
        .message = head->message,
        .attempts = item->attempts,
        .status = item->status,
        .type = head->type,
        .reason = outcome->note.reason,
        .destination_id = slice_cstr(sender->id),
        .source_id = source != NULL ? source->id : SLICE_NONE,
        .message_id = payload.ptr != NULL ? message_id_of(courier, payload) : SLICE_NONE,
        .text = outcome->sentence.len > 0 ? outcome->sentence : slice_cstr(reason_text(outcome->note.reason)),
        .request = outcome->request,
        .response = outcome->response,
        .payload = block->records[0].payload};
    uint64_t id = 0;
    e = store_dead_put(courier->delivery->deps.store, &letter, &id);
    store_block_release(block);
    return e;
}

/* How many of the outcomes from `from` on have their letters, of one write. */
static size_t write_letters(struct courier *courier, size_t from, enum err *ret_err) {
    size_t left = courier->outcome_count - from;
    size_t count = left < NOTES_PER_WRITE ? left : NOTES_PER_WRITE;
    for (size_t i = 0; i < count; i++) {
        struct outcome *outcome = &courier->outcomes[from + i];
        if (outcome->note.kind != NOTE_DEAD || outcome->letter_written) {
            continue;
        }
        enum err e = write_letter(courier, outcome);
        if (e == ERR_NOT_FOUND || e == ERR_CORRUPT) { /* nothing is left to keep */
            outcome->note.kind = NOTE_EXPIRED;
            outcome->note.reason = e == ERR_CORRUPT ? REASON_CORRUPT : REASON_RETENTION;
            continue;
        }
        if (e != OK) {
            *ret_err = e;
            return i;
        }
        outcome->letter_written = true;
    }
    return count;
}

static enum err write_notes(struct courier *courier, size_t from, size_t count) {
    struct note notes[NOTES_PER_WRITE];
    if (count == 0) {
        return OK;
    }
    for (size_t i = 0; i < count; i++) {
        notes[i] = courier->outcomes[from + i].note;
    }
    enum err e = store_note(courier->delivery->deps.store, notes, count);
    if (e == OK) {
        (void)FAULT(DELIVERY_AFTER_NOTE); /* kill only */
    }
    return e;
}

/* ---- taking effect ---- */

static void count_end(struct sender *sender, enum note_kind kind) {
    switch (kind) {
    case NOTE_DELIVERED:
        sender->counts.delivered++;
        stat_add(&sender->stat.delivered, 1);
        break;
    case NOTE_FILTERED:
        sender->counts.filtered++;
        stat_add(&sender->stat.filtered, 1);
        break;
    case NOTE_DEAD:
        sender->counts.dead++;
        stat_add(&sender->stat.dead, 1);
        break;
    default:
        sender->counts.expired++;
        stat_add(&sender->stat.expired, 1);
        break;
    }
    sender->ended_since_save++;
}

static void take_effect(struct courier *courier, const struct outcome *outcome, int64_t now_ms) {
    struct sender *sender = outcome->sender;
    struct item *item = outcome->item;
    if (sender->dirty_since_ms == 0) {
        sender->dirty_since_ms = now_ms;
    }
    courier_touch(courier, sender);
    if (item != NULL) {
        struct slice payload = item->payload != NULL ? slice_of(item->payload, item->payload_len) : SLICE_NONE;
        struct row_event event = {.payload = payload, .source = item->source, .type = item->type};
        rows_post_event(courier, sender, &event, &outcome->note);
    }
    if (outcome->note.kind == NOTE_ATTEMPT) {
        stat_add(&sender->stat.retried, 1);
        lanes_wait(&sender->lanes, item, outcome->note.due_ms);
        return;
    }
    count_end(sender, outcome->note.kind);
    if (item == NULL) {
        sender->unnoted--;
    } else {
        lanes_end(&sender->lanes, item, now_ms);
        sender_drop_payload(sender, item);
        mem_free(item);
    }
}

static void remove_first(struct courier *courier, size_t count) {
    courier->outcome_count -= count;
    for (size_t i = 0; count > 0 && i < courier->outcome_count; i++) {
        courier->outcomes[i] = courier->outcomes[i + count];
    }
    if (courier->outcome_count == 0) {
        arena_reset(&courier->outcome_arena);
    }
}

static bool flush_failed(struct courier *courier, enum err e) {
    LOG(ERROR, "delivery", "cannot write what became of events: sending stops until that works", "error=%s waiting=%zu",
        err_name(e), courier->outcome_count);
    stat_add(&courier->outcomes[0].sender->stat.note_errors, 1);
    courier->notes_failed = true;
    if (!loop_timer_is_set(&courier->note_timer)) {
        loop_timer_set(&courier->note_timer, clock_ms() + RETRY_MS);
    }
    return false;
}

bool courier_flush(struct courier *courier) {
    if (courier->outcome_count == 0) {
        return true;
    }
    int64_t now_ms = clock_ms();
    size_t done = 0;
    enum err e = OK;
    while (e == OK && done < courier->outcome_count) {
        size_t count = write_letters(courier, done, &e);
        enum err notes = write_notes(courier, done, count);
        if (notes != OK) {
            e = notes;
            break;
        }
        for (size_t i = 0; i < count; i++) {
            take_effect(courier, &courier->outcomes[done + i], now_ms);
        }
        done += count;
    }
    remove_first(courier, done);
    if (e != OK) {
        return flush_failed(courier, e);
    }
    courier->notes_failed = false;
    loop_timer_clear(&courier->note_timer);
    return true;
}

void courier_drop_outcomes(struct courier *courier, const struct sender *sender) {
    size_t kept = 0;
    for (size_t i = 0; i < courier->outcome_count; i++) {
        if (sender != NULL && courier->outcomes[i].sender != sender) {
            courier->outcomes[kept++] = courier->outcomes[i];
        }
    }
    courier->outcome_count = kept;
}
