/* Applying notes to a cursor's state: a merge of two sorted lists, what the state says and what the notes say per
 * offset.
 *
 * Where an event stands is known from `scanned`: below it, it is open or has ended and is counted; at or above it, it
 * has not been counted as handed over. An event at or above it that a note ends is counted in full at once (in, and how
 * it ended) and listed in `ended`: whoever hands it over again skips it without counting. So at all times in =
 * delivered + filtered + dead + expired + open entries below scanned. */
#include <stdlib.h>

#include "store/local/local.h"

struct keyed { /* a note and its place in the order of writing */
    uint64_t offset;
    size_t index;
};

static int compare_keyed(const void *a, const void *b) {
    const struct keyed *x = a, *y = b;
    if (x->offset != y->offset) {
        return x->offset < y->offset ? -1 : 1;
    }
    return x->index < y->index ? -1 : x->index > y->index;
}

struct apply {
    struct cursor_state *state;
    const struct local_replay *notes;
    struct cursor_entry *open; /* new arrays */
    uint64_t *ended;
    size_t open_count, ended_count;
    size_t ignored;
};

static void count_end(struct cursor_counts *counts, uint8_t kind) {
    counts->delivered += kind == NOTE_DELIVERED;
    counts->filtered += kind == NOTE_FILTERED;
    counts->dead += kind == NOTE_DEAD;
    counts->expired += kind == NOTE_EXPIRED;
}

/* All notes of one event. `open`: its entry before, or NULL; `ended`: it had ended at or above scanned. */
static void apply_event(
    struct apply *apply, const struct keyed *keys, size_t count, const struct cursor_entry *open, bool ended) {
    struct cursor_state *state = apply->state;
    uint64_t offset = keys[0].offset;
    bool above = offset >= state->scanned;
    bool begun = open != NULL;
    bool known = above || begun; /* else it has ended before the save */
    struct cursor_entry entry = begun ? *open : (struct cursor_entry){.offset = offset};
    for (size_t i = 0; i < count; i++) {
        const struct local_replay *note = &apply->notes[keys[i].index];
        if (ended || !known || note->kind > NOTE_EXPIRED) {
            apply->ignored++;
        } else if (note->kind == NOTE_ATTEMPT) {
            begun = true;
            entry.attempts = note->attempt;
            entry.status = note->status;
            entry.reason = note->reason;
            entry.due_ms = note->due_ms;
            entry.first_ms = note->first_ms != 0 ? note->first_ms : entry.first_ms;
        } else {
            ended = true;
            begun = false;
            state->counts.in += above;
            count_end(&state->counts, note->kind);
        }
    }
    if (begun && !ended) {
        apply->open[apply->open_count++] = entry;
    }
    if (ended && above) {
        apply->ended[apply->ended_count++] = offset;
    }
}

size_t local_cursor_apply(
    struct cursor_state *state, const struct local_replay *notes, size_t count, struct arena *arena) {
    struct apply apply = {.state = state, .notes = notes};
    struct keyed *keys = ARENA_ARRAY(arena, struct keyed, count);
    for (size_t i = 0; i < count; i++) {
        keys[i] = (struct keyed){.offset = notes[i].offset, .index = i};
    }
    qsort(keys, count, sizeof *keys, compare_keyed);
    apply.open = ARENA_ARRAY(arena, struct cursor_entry, state->open_count + count);
    apply.ended = ARENA_ARRAY(arena, uint64_t, state->ended_count + count);
    size_t open = 0, ended = 0;
    for (size_t i = 0; i < count;) {
        size_t n = i + 1;
        while (n < count && keys[n].offset == keys[i].offset) {
            n++;
        }
        for (; open < state->open_count && state->open[open].offset < keys[i].offset; open++) {
            apply.open[apply.open_count++] = state->open[open];
        }
        for (; ended < state->ended_count && state->ended[ended] < keys[i].offset; ended++) {
            apply.ended[apply.ended_count++] = state->ended[ended];
        }
        bool was_open = open < state->open_count && state->open[open].offset == keys[i].offset;
        bool had_ended = ended < state->ended_count && state->ended[ended] == keys[i].offset;
        apply_event(&apply, keys + i, n - i, was_open ? &state->open[open] : NULL, had_ended);
        open += was_open;
        ended += had_ended;
        i = n;
    }
    for (; open < state->open_count; open++) {
        apply.open[apply.open_count++] = state->open[open];
    }
    for (; ended < state->ended_count; ended++) {
        apply.ended[apply.ended_count++] = state->ended[ended];
    }
    state->open = apply.open;
    state->open_count = apply.open_count;
    state->ended = apply.ended;
    state->ended_count = apply.ended_count;
    return apply.ignored;
}
