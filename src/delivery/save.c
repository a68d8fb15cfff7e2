/* Cursors: what the log is no longer needed for, and the state from which a restart goes on. */
#include "base/clock.h"
#include "base/log.h"
#include "delivery/delivery_internal.h"

static bool has_entries_below_scanned(const struct sender *sender) {
    return sender->entry_at < sender->entry_count && sender->entries[sender->entry_at].offset < sender->scanned;
}

static uint64_t low_of(const struct sender *sender) {
    if (sender->lanes.oldest != NULL) {
        return sender->lanes.oldest->offset;
    }
    return has_entries_below_scanned(sender) ? sender->entries[sender->entry_at].offset : sender->scanned;
}

/* Items first: what is not loaded yet, or comes again, lies behind them. */
static void gather_open(struct sender *sender, struct arena *arena, struct cursor_state *state) {
    size_t left = sender->entry_count - sender->entry_at;
    state->open = ARENA_ARRAY(arena, struct cursor_entry, sender->lanes.count + left + 1);
    for (const struct item *item = sender->lanes.oldest; item != NULL; item = item->newer) {
        state->open[state->open_count++] = (struct cursor_entry){.offset = item->offset,
            .first_ms = item->first_ms,
            .due_ms = item->due_ms,
            .attempts = item->attempts,
            .status = item->status,
            .reason = item->reason};
    }
    for (size_t i = 0; i < left; i++) {
        state->open[state->open_count++] = sender->entries[sender->entry_at + i];
    }
}

enum err sender_save(struct sender *sender) {
    struct arena *arena = &sender->courier->save_arena;
    struct cursor_state state = {
        .start = sender->start, .scanned = sender->scanned, .counts = sender->counts, .paused = sender->paused};
    gather_open(sender, arena, &state);
    state.ended_count = sender->ended_count - sender->ended_at;
    state.ended = state.ended_count > 0 ? sender->ended + sender->ended_at : NULL;
    enum err e = store_cursor_save(sender->cursor, &state);
    arena_reset(arena);
    if (e != OK) {
        LOG(ERROR, "delivery", "cannot save a cursor", "destination=%s error=%s", sender->id, err_name(e));
        return e;
    }
    sender->ended_since_save = 0;
    sender->dirty_since_ms = 0;
    sender->save_now = false;
    stat_add(&sender->stat.saves, 1);
    return OK;
}

void sender_progress(struct sender *sender) {
    const struct delivery_conf *conf = &sender->delivery->conf;
    uint64_t low = low_of(sender);
    if (low != sender->low) {
        sender->low = low;
        store_cursor_progress(sender->cursor, low);
    }
    int64_t now_ms = clock_ms();
    bool late = sender->dirty_since_ms != 0 && now_ms - sender->dirty_since_ms >= conf->save_time;
    if ((sender->save_now || late || sender->ended_since_save >= conf->save_events) && sender_save(sender) != OK) {
        sender->dirty_since_ms = now_ms; /* again after save_time */
        sender->ended_since_save = 0;
        sender->save_now = false;
    }
}
