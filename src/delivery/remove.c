/* See remove.h. The steps of a removal, each with the threads that may still touch the sender:
 *   1. its loop: nothing more is taken or sent, requests in flight are cancelled
 *   2. the processor lets go of the outlet (and has run what this loop posted to it)
 *   3. its loop: what is open or queued is expired; the sender leaves the loop
 *   4. the caller alone: what lies between there and the head is expired, the cursor is saved, retired, closed */
#include "delivery/remove.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/loop_call.h"

enum { NOTES_PER_WRITE = 200, READ_BYTES = 1024 * 1024 };

static void quiet(void *arg) {
    struct sender *sender = arg;
    sender->stopping = true;
    loop_timer_clear(&sender->timer);
    courier_cancel(sender->courier, sender);
}

static void leave(void *arg) {
    struct sender *sender = arg;
    struct courier *courier = sender->courier;
    sender_load_rest(sender);
    sender_expire_all(sender, REASON_DESTINATION_REMOVED);
    courier_work(courier);
    courier_drop_outcomes(courier, sender); /* whatever could not be written; the log line is flush's */
    for (struct sender **link = &courier->touched; *link != NULL; link = &(*link)->next_touched) {
        if (*link == sender) {
            *link = sender->next_touched;
            break;
        }
    }
    for (size_t i = 0; i < courier->sender_count; i++) {
        if (courier->senders[i] == sender) {
            courier->senders[i] = courier->senders[--courier->sender_count];
            break;
        }
    }
}

/* Notes that expire the records of a block; one write per NOTES_PER_WRITE. */
static enum err expire_block(const struct delivery *delivery, uint64_t destination, const struct store_block *block,
    struct cursor_counts *counts) {
    struct note notes[NOTES_PER_WRITE];
    size_t count = 0;
    enum err e = OK;
    for (uint32_t i = 0; e == OK && i < block->count; i++) {
        const struct record *record = &block->records[i];
        if ((record->head.flags & RECORD_REJECTED) != 0) {
            continue;
        }
        notes[count++] = (struct note){.destination = destination,
            .offset = record->offset,
            .at_ms = clock_ms(),
            .kind = NOTE_EXPIRED,
            .reason = REASON_DESTINATION_REMOVED};
        counts->in++;
        counts->expired++;
        if (count == NOTES_PER_WRITE) {
            e = store_note(delivery->deps.store, notes, count);
            count = 0;
        }
    }
    return e == OK && count > 0 ? store_note(delivery->deps.store, notes, count) : e;
}

static enum err expire_behind(struct sender *sender) {
    const struct delivery *delivery = sender->delivery;
    const struct sender_settings *settings = sender->settings;
    uint64_t head = store_head(delivery->deps.store);
    if (settings->source_count == 0) {
        sender->scanned = head;
        return OK;
    }
    struct store_reader *reader = NULL;
    enum err e = store_reader_open(delivery->deps.store, sender->scanned, &reader);
    if (e != OK) {
        return e;
    }
    struct store_filter filter = {
        .sources = settings->sources, .source_count = settings->source_count, .target = sender->key};
    while (e == OK && sender->scanned < head) {
        struct store_block *block = NULL;
        e = store_read(reader, &filter, READ_BYTES, &block);
        if (e == OK) {
            e = expire_block(delivery, sender->key, block, &sender->counts);
            sender->scanned = block->next;
            store_block_release(block);
        }
    }
    store_reader_close(reader);
    sender->scanned = e == ERR_END ? head : sender->scanned;
    return e == ERR_END ? OK : e;
}

enum err delivery_remove_sender(struct sender *sender) {
    struct delivery *delivery = sender->delivery;
    struct loop *loop = sender->courier->loop;
    loop_call(loop, quiet, sender);
    processor_detach(delivery->deps.processor, sender->key);
    loop_call(loop, leave, sender);
    enum err e = expire_behind(sender);
    if (e == OK) {
        e = sender_save(sender);
    }
    if (e == OK) {
        e = store_cursor_retire(sender->cursor);
    }
    if (e != OK) { /* the next apply, or the next start, finds the cursor and goes on */
        LOG(ERROR, "delivery", "a removed destination's cursor cannot be retired", "destination=%s error=%s",
            sender->id, err_name(e));
    } else {
        LOG(INFO, "delivery", "destination removed", "destination=%s expired=%lu", sender->id, sender->counts.expired);
    }
    sender_free(sender);
    return e;
}

enum err delivery_retire_orphan(struct delivery *delivery, const struct cursor_info *info) {
    struct store *store = delivery->deps.store;
    struct arena arena;
    arena_init(&arena, 16 * 1024, 0);
    struct store_cursor *cursor = NULL;
    struct cursor_state state = {0};
    enum err e = store_cursor_open(store, info->destination, info->id, 0, &arena, &cursor, &state);
    if (e != OK) {
        arena_fini(&arena);
        return e;
    }
    for (size_t i = 0; e == OK && i < state.open_count; i++) {
        struct note note = {.destination = info->destination,
            .offset = state.open[i].offset,
            .at_ms = clock_ms(),
            .kind = NOTE_EXPIRED,
            .reason = REASON_DESTINATION_REMOVED};
        bool counted = note.offset < state.scanned;
        state.counts.in += counted ? 0 : 1;
        state.counts.expired++;
        e = store_note(store, &note, 1);
    }
    LOG(WARN, "delivery",
        "a destination was removed while it was not looked after: what it had not read is not counted",
        "destination=%.*s open=%zu read_to=%lu", SLICE_ARG(info->id), state.open_count, state.scanned);
    if (e == OK) {
        state.open_count = 0;
        state.ended_count = 0;
        state.scanned = store_head(store);
        e = store_cursor_save(cursor, &state);
    }
    if (e == OK) {
        e = store_cursor_retire(cursor);
    }
    store_cursor_close(cursor);
    arena_fini(&arena);
    return e;
}
