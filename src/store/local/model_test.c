/* The store against a model in memory, through random operations and crashes, on a file system that loses what was not
 * synced.
 *
 * After each crash: everything acknowledged is there, in its place, with its bytes; nothing is there that was never
 * appended; message ids of the window are still known; cursors are old or new, and what was noted since is applied;
 * letters are there. STORE_MODEL_SEED=n repeats a run, STORE_MODEL_STEPS=n makes it longer. Crashes hit threads
 * wherever they are, so a seed repeats the operations, not every interleaving. */
#include "store/local/fs_fake.h"

#include "store/store_rig.h"

#include "store/local/local.h"

#define RECORDS_MAX 60000u
#define NOTES_MAX 20000u
#define LETTERS_MAX 4000u
#define DESTINATIONS 3u
#define MESSAGES 3000u
#define BATCHES_MAX 4u
#define BATCH_RECORDS 12u
#define PAYLOAD_MAX 2500u
#define STEPS_DEFAULT 2500u
#define WINDOW_MS 60000
#define SOURCES 4u

struct model_record {
    uint32_t tag; /* says the payload */
    uint32_t message;
    uint64_t source, target;
    int64_t ms;
    uint8_t flags;
};

struct model_note {
    struct note note;
    bool synced;
};

struct model_destination {
    struct store_cursor *cursor;
    struct arena arena;
    struct cursor_state live;   /* arrays with room for RECORDS_MAX */
    struct cursor_state saved;  /* what the last save that was answered had */
    struct cursor_state saving; /* what the save under way at a crash had */
    bool maybe_saved;
    struct model_note *notes; /* since the last answered save */
    size_t note_count;
};

struct model_letter {
    uint64_t destination;
    bool taken, synced, take_synced, maybe_taken, lost;
};

struct model {
    struct fake_fs *fake;
    struct rig rig;
    uint64_t random;
    uint32_t next_tag;
    struct model_record *records; /* by offset: acknowledged */
    uint64_t head;
    struct model_record pending[BATCHES_MAX * BATCH_RECORDS]; /* appended, not acknowledged, since the last that was */
    size_t pending_count;
    struct model_destination destinations[DESTINATIONS];
    struct model_letter *letters; /* by id */
    uint64_t letter_count;        /* next id */
    unsigned crashes, refused;
};

static uint64_t pick(struct model *model, uint64_t below) {
    model->random ^= model->random << 13;
    model->random ^= model->random >> 7;
    model->random ^= model->random << 17;
    return model->random % below;
}

/* ---- records ---- */

static size_t payload_size(uint32_t tag) {
    return hash64(slice_of((const char *)&tag, sizeof tag)) % PAYLOAD_MAX;
}

static void payload_fill(uint32_t tag, char *at, size_t size) {
    for (size_t i = 0; i < size; i++) {
        at[i] = (char)(tag * 31 + i * 7);
    }
}

static struct hash128 message_hash(uint32_t message) {
    return hash128(slice_of((const char *)&message, sizeof message));
}

static void check_record(const struct model_record *expected, const struct record *record) {
    char payload[PAYLOAD_MAX];
    size_t size = payload_size(expected->tag);
    payload_fill(expected->tag, payload, size);
    assert_true(slice_eq(record->payload, slice_of(payload, size)));
    assert_true(hash128_eq(record->head.message, message_hash(expected->message)));
    assert_int_equal(expected->source, record->head.source);
    assert_int_equal(expected->target, record->head.target);
    assert_int_equal(expected->ms, record->head.received_ms);
    assert_int_equal(expected->flags, record->head.flags);
}

/* The offset at which the message was stored last within the window, or UINT64_MAX. */
static uint64_t model_seen(const struct model *model, const struct model_record *record) {
    if ((record->flags & (RECORD_NO_DEDUP | RECORD_REJECTED)) != 0) {
        return UINT64_MAX;
    }
    for (uint64_t i = model->head; i-- > 0;) {
        const struct model_record *before = &model->records[i];
        if (record->ms - before->ms > WINDOW_MS) {
            break; /* times ascend */
        }
        if (before->message == record->message && before->source == record->source &&
            (before->flags & (RECORD_NO_DEDUP | RECORD_REJECTED)) == 0) {
            return i;
        }
    }
    return UINT64_MAX;
}

static struct model_record random_record(struct model *model) {
    uint64_t kind = pick(model, 20);
    return (struct model_record){.tag = model->next_tag++,
        .message = (uint32_t)pick(model, MESSAGES),
        .source = 1 + pick(model, SOURCES),
        .target = pick(model, 10) == 0 ? 1 + pick(model, DESTINATIONS) : 0,
        .ms = clock_ms(),
        .flags = kind == 0 ? RECORD_NO_DEDUP
            : kind == 1    ? RECORD_REJECTED
                           : 0};
}

struct sent {
    struct rig_batch one;
    struct model_record records[BATCH_RECORDS];
    uint32_t count;
};

static void send_batch(struct model *model, struct sent *sent) {
    rig_batch_init(&model->rig, &sent->one);
    sent->count = 1 + (uint32_t)pick(model, BATCH_RECORDS);
    for (uint32_t i = 0; i < sent->count; i++) {
        struct model_record *record = &sent->records[i];
        *record = random_record(model);
        struct record_head head = {.received_ms = record->ms,
            .source = record->source,
            .user = 1,
            .message = message_hash(record->message),
            .target = record->target,
            .type = EVENT_TRACK,
            .flags = record->flags};
        size_t size = payload_size(record->tag);
        payload_fill(record->tag, store_batch_add(&sent->one.batch, &head, SLICE_NONE, size), size);
        model->pending[model->pending_count++] = *record;
    }
    rig_send(&model->rig, &sent->one);
}

/* An acknowledged batch: outcomes are what the model says. */
static void accept_batch(struct model *model, const struct sent *sent) {
    uint32_t duplicates = 0;
    for (uint32_t i = 0; i < sent->count; i++) {
        uint64_t offset = 0;
        enum append_outcome outcome = store_batch_outcome(&sent->one.batch, i, &offset);
        uint64_t seen = model_seen(model, &sent->records[i]);
        if (seen != UINT64_MAX) {
            assert_int_equal(APPEND_DUPLICATE, outcome);
            assert_int_equal(seen, offset);
            duplicates++;
        } else {
            assert_int_equal(APPEND_STORED, outcome);
            assert_int_equal(model->head, offset);
            model->records[model->head++] = sent->records[i];
        }
    }
    assert_int_equal(duplicates, sent->one.batch.duplicates);
    assert_true(store_head(model->rig.store) >= model->head);
}

static void step_append(struct model *model) {
    struct sent sent[BATCHES_MAX];
    size_t n = 1 + pick(model, BATCHES_MAX);
    if (model->head + n * BATCH_RECORDS >= RECORDS_MAX) {
        return;
    }
    model->pending_count = 0;
    for (size_t i = 0; i < n; i++) {
        send_batch(model, &sent[i]);
    }
    rig_wait(&model->rig);
    bool failed = false;
    for (size_t i = 0; i < n; i++) {
        enum err e = sent[i].one.batch.result;
        assert_true(e == OK || e == ERR_FULL || e == ERR_IO);
        if (e == OK) {
            accept_batch(model, &sent[i]);
        } else {
            failed = true;
            model->refused++;
        }
        store_batch_fini(&sent[i].one.batch);
    }
    if (!failed) {
        model->pending_count = 0;
    }
}

/* ---- destinations ---- */

static size_t find_open(const struct cursor_state *state, uint64_t offset) {
    size_t i = 0;
    while (i < state->open_count && state->open[i].offset < offset) {
        i++;
    }
    return i;
}

static bool is_open(const struct cursor_state *state, uint64_t offset) {
    size_t i = find_open(state, offset);
    return i < state->open_count && state->open[i].offset == offset;
}

static bool has_ended(const struct cursor_state *state, uint64_t offset) {
    for (size_t i = 0; i < state->ended_count; i++) {
        if (state->ended[i] == offset) {
            return true;
        }
    }
    return false;
}

static void open_remove(struct cursor_state *state, size_t i) {
    state->open_count--;
    memmove(state->open + i, state->open + i + 1, (state->open_count - i) * sizeof *state->open);
}

static void open_insert(struct cursor_state *state, struct cursor_entry entry) {
    size_t i = find_open(state, entry.offset);
    if (i < state->open_count && state->open[i].offset == entry.offset) {
        state->open[i] = entry;
        return;
    }
    memmove(state->open + i + 1, state->open + i, (state->open_count - i) * sizeof *state->open);
    state->open[i] = entry;
    state->open_count++;
}

static void copy_state(struct cursor_state *to, const struct cursor_state *from) {
    struct cursor_entry *open = to->open;
    uint64_t *ended = to->ended;
    if (from->open_count > 0) {
        memcpy(open, from->open, from->open_count * sizeof *open);
    }
    if (from->ended_count > 0) {
        memcpy(ended, from->ended, from->ended_count * sizeof *ended);
    }
    *to = *from;
    to->open = open;
    to->ended = ended;
}

/* One note applied the plain way. */
static void apply_note(struct cursor_state *state, const struct note *note) {
    uint64_t o = note->offset;
    if ((o < state->scanned && !is_open(state, o)) || has_ended(state, o)) {
        return;
    }
    if (note->kind == NOTE_ATTEMPT) {
        open_insert(state,
            (struct cursor_entry){.offset = o,
                .first_ms = note->first_ms,
                .due_ms = note->due_ms,
                .attempts = note->attempt,
                .status = note->status,
                .reason = note->reason});
        return;
    }
    if (is_open(state, o)) {
        open_remove(state, find_open(state, o));
    }
    if (o >= state->scanned) {
        state->counts.in++;
        size_t i = state->ended_count++;
        for (; i > 0 && state->ended[i - 1] > o; i--) {
            state->ended[i] = state->ended[i - 1];
        }
        state->ended[i] = o;
    }
    state->counts.delivered += note->kind == NOTE_DELIVERED;
    state->counts.filtered += note->kind == NOTE_FILTERED;
    state->counts.dead += note->kind == NOTE_DEAD;
    state->counts.expired += note->kind == NOTE_EXPIRED;
}

static void check_law(const struct cursor_state *state) {
    uint64_t open = 0;
    for (size_t i = 0; i < state->open_count; i++) {
        open += state->open[i].offset < state->scanned;
        assert_true(i == 0 || state->open[i - 1].offset < state->open[i].offset);
    }
    const struct cursor_counts *c = &state->counts;
    assert_int_equal(c->in, c->delivered + c->filtered + c->dead + c->expired + open);
}

static void check_same_state(const struct cursor_state *expected, const struct cursor_state *state) {
    assert_int_equal(expected->start, state->start);
    assert_int_equal(expected->scanned, state->scanned);
    assert_memory_equal(&expected->counts, &state->counts, sizeof state->counts);
    assert_int_equal(expected->open_count, state->open_count);
    for (size_t i = 0; i < state->open_count; i++) {
        const struct cursor_entry *a = &expected->open[i], *b = &state->open[i];
        assert_int_equal(a->offset, b->offset);
        assert_int_equal(a->attempts, b->attempts);
        assert_int_equal(a->due_ms, b->due_ms);
        assert_int_equal(a->first_ms, b->first_ms);
        assert_int_equal(a->reason, b->reason);
    }
    assert_int_equal(expected->ended_count, state->ended_count);
    if (state->ended_count > 0) {
        assert_memory_equal(expected->ended, state->ended, state->ended_count * sizeof *state->ended);
    }
}

/* Events are handed over: what has ended already is skipped, the rest is open. */
static void step_advance(struct model *model) {
    struct model_destination *d = &model->destinations[pick(model, DESTINATIONS)];
    struct cursor_state *live = &d->live;
    uint64_t to = live->scanned + pick(model, 320);
    to = to < model->head ? to : model->head;
    uint64_t tail = store_tail(model->rig.store);
    while (live->scanned < to && live->open_count < 200) {
        uint64_t o = live->scanned++;
        if (has_ended(live, o)) {
            size_t i = 0;
            while (live->ended[i] != o) {
                i++;
            }
            live->ended_count--;
            memmove(live->ended + i, live->ended + i + 1, (live->ended_count - i) * sizeof *live->ended);
        } else if (is_open(live, o)) {
            live->counts.in++; /* an attempt is known from notes */
        } else if (o >= tail) {
            live->counts.in++;
            open_insert(live, (struct cursor_entry){.offset = o});
        }
    }
    check_law(live);
}

/* About the n-th oldest open event, mostly, so that the log can go. */
static struct note random_note(struct model *model, const struct model_destination *d, uint64_t key, size_t n) {
    struct note note = {.destination = key, .at_ms = clock_ms(), .duration_us = 5, .reason = (uint8_t)pick(model, 5)};
    note.offset =
        d->live.open[pick(model, 5) == 0 || n >= d->live.open_count ? pick(model, d->live.open_count) : n].offset;
    note.kind = pick(model, 3) == 0 ? NOTE_ATTEMPT : (uint8_t)(NOTE_DELIVERED + pick(model, 4));
    note.attempt = (uint16_t)(1 + pick(model, 9));
    note.first_ms = 1000 + (int64_t)pick(model, 1000);
    note.due_ms = note.kind == NOTE_ATTEMPT ? (int64_t)pick(model, 100000) : 0;
    note.text = pick(model, 2) == 0 ? SLICE("connection refused") : SLICE_NONE;
    return note;
}

static void step_notes(struct model *model) {
    size_t which = pick(model, DESTINATIONS);
    struct model_destination *d = &model->destinations[which];
    struct note notes[48];
    size_t n = 0;
    uint64_t low_scanned = d->live.scanned;
    struct cursor_state *live = &d->live;
    while (n < COUNT_OF(notes) && live->open_count > 0 && d->note_count + n < NOTES_MAX) {
        notes[n] = random_note(model, d, which + 1, n);
        if (notes[n].offset >= low_scanned) {
            break; /* known from notes only: not handed over again yet */
        }
        bool twice = false;
        for (size_t i = 0; i < n; i++) {
            twice |= notes[i].offset == notes[n].offset;
        }
        if (twice) {
            break;
        }
        n++;
    }
    if (n == 0) {
        return;
    }
    /* before it is answered: a crash may or may not keep it */
    enum err e = store_note(model->rig.store, notes, n);
    for (size_t i = 0; e == OK && i < n; i++) {
        d->notes[d->note_count++] = (struct model_note){.note = notes[i]};
        apply_note(live, &notes[i]);
    }
    assert_true(e == OK || e == ERR_FULL || e == ERR_IO);
    check_law(live);
    store_cursor_progress(
        d->cursor, live->open_count > 0 && live->open[0].offset < live->scanned ? live->open[0].offset : live->scanned);
}

static void mark_synced(struct model *model) {
    for (size_t i = 0; i < DESTINATIONS; i++) {
        for (size_t k = 0; k < model->destinations[i].note_count; k++) {
            model->destinations[i].notes[k].synced = true;
        }
    }
    for (uint64_t id = 1; id < model->letter_count; id++) {
        model->letters[id].synced = true;
        model->letters[id].take_synced = model->letters[id].taken;
    }
}

static void step_save(struct model *model) {
    struct model_destination *d = &model->destinations[pick(model, DESTINATIONS)];
    copy_state(&d->saving, &d->live);
    d->maybe_saved = true;
    enum err e = store_cursor_save(d->cursor, &d->live);
    if (e == OK) {
        mark_synced(model);
        copy_state(&d->saved, &d->live);
        d->note_count = 0;
        d->maybe_saved = false;
    } else {
        assert_true(e == ERR_IO || e == ERR_FULL);
    }
}

/* ---- letters ---- */

static void step_letter(struct model *model) {
    uint64_t id = 0;
    if (pick(model, 3) == 0 && model->letter_count > 1) {
        id = 1 + pick(model, model->letter_count - 1);
        enum err e = store_dead_take(model->rig.store, id);
        if (model->letters[id].lost) {
            assert_int_equal(ERR_NOT_FOUND, e);
        } else if (model->letters[id].taken) {
            assert_int_equal(ERR_EXISTS, e);
        } else if (e == OK) {
            model->letters[id].taken = true;
        } else {
            assert_true(e == ERR_IO || e == ERR_FULL);
            model->letters[id].maybe_taken = true;
        }
        return;
    }
    struct dead_letter letter = {.destination = 1 + pick(model, DESTINATIONS),
        .offset = model->letter_count,
        .text = SLICE("no"),
        .request = SLICE("POST /"),
        .response = SLICE("HTTP/1.1 400"),
        .payload = SLICE("{}"),
        .destination_id = SLICE("d"),
        .source_id = SLICE("s"),
        .message_id = SLICE("m")};
    if (model->letter_count < LETTERS_MAX && store_dead_put(model->rig.store, &letter, &id) == OK) {
        assert_int_equal(model->letter_count, id);
        model->letters[model->letter_count++] = (struct model_letter){.destination = letter.destination};
    }
}

static void check_letters(struct model *model, bool power) {
    uint64_t open[DESTINATIONS + 1] = {0};
    struct arena arena;
    arena_init(&arena, 0, 0);
    uint64_t found = 0;
    for (uint64_t id = 1; id < model->letter_count; id++) {
        struct model_letter *expected = &model->letters[id];
        struct dead_letter letter = {.id = 0};
        enum err e = store_dead_get(model->rig.store, id, &arena, &letter);
        arena_reset(&arena);
        if (e == ERR_NOT_FOUND && (expected->lost || (power && !expected->synced))) {
            expected->lost = true;
            continue;
        }
        assert_int_equal(OK, e);
        assert_false(expected->lost);
        assert_int_equal(expected->destination, letter.destination);
        assert_int_equal(id, letter.offset);
        if (letter.taken != expected->taken) {
            assert_true(letter.taken ? expected->maybe_taken : power && !expected->take_synced);
        }
        *expected = (struct model_letter){
            .destination = letter.destination, .taken = letter.taken, .synced = true, .take_synced = letter.taken};
        open[letter.destination] += !letter.taken;
        found = id;
    }
    model->letter_count = found + 1;
    for (uint64_t d = 1; d <= DESTINATIONS; d++) {
        assert_int_equal(open[d], store_dead_count(model->rig.store, d));
    }
    arena_fini(&arena);
}

/* ---- opening and crashing ---- */

static void open_store(struct model *model) {
    struct errinfo why = {.text = ""};
    enum err e = local_open_on(&model->rig.conf, &model->fake->fs, &model->rig.store, &why);
    if (e != OK) {
        print_error("%s: %s\n", err_name(e), why.text);
    }
    assert_int_equal(OK, e);
}

static void close_store(struct model *model) {
    for (size_t i = 0; i < DESTINATIONS; i++) {
        model->rig.store->engine->cursor_close(model->destinations[i].cursor);
    }
    model->rig.store->engine->close(model->rig.store);
}

static void open_cursors(struct model *model) {
    for (size_t i = 0; i < DESTINATIONS; i++) {
        struct model_destination *d = &model->destinations[i];
        struct cursor_state state;
        arena_reset(&d->arena);
        assert_int_equal(OK, store_cursor_open(model->rig.store, i + 1, SLICE("id"), 0, &d->arena, &d->cursor, &state));
        check_law(&state);
        copy_state(&d->live, &state);
        copy_state(&d->saved, &state);
    }
}

/* What a note must still say after a power failure, if it was synced. */
static void check_noted(const struct model_destination *d, const struct cursor_state *state) {
    for (size_t k = 0; k < d->note_count; k++) {
        const struct note *note = &d->notes[k].note;
        if (d->notes[k].synced && note->kind != NOTE_ATTEMPT) {
            assert_false(is_open(state, note->offset));
            assert_true(note->offset < state->scanned || has_ended(state, note->offset));
        }
    }
}

static void check_cursors(struct model *model, bool power) {
    for (size_t i = 0; i < DESTINATIONS; i++) {
        struct model_destination *d = &model->destinations[i];
        struct cursor_state state;
        arena_reset(&d->arena);
        assert_int_equal(OK, store_cursor_open(model->rig.store, i + 1, SLICE("id"), 0, &d->arena, &d->cursor, &state));
        check_law(&state);
        bool newer = d->maybe_saved && state.scanned == d->saving.scanned &&
            memcmp(&state.counts, &d->saved.counts, sizeof state.counts) != 0;
        if (power) {
            assert_true(state.scanned == d->saved.scanned || (d->maybe_saved && state.scanned == d->saving.scanned));
            check_noted(d, &state);
        } else {
            struct cursor_state *base = &d->saved;
            for (size_t k = 0; k < d->note_count; k++) {
                apply_note(base, &d->notes[k].note);
            }
            if (newer && state.scanned != base->scanned) {
                base = &d->saving; /* the save was done but not answered: the notes are in it */
            }
            if (!d->maybe_saved) {
                check_same_state(base, &state);
            }
        }
        copy_state(&d->live, &state);
        copy_state(&d->saved, &state);
        d->note_count = 0;
        d->maybe_saved = false;
    }
}

static bool matches_pending(const struct model *model, const struct record *record, size_t *from) {
    for (; *from < model->pending_count; (*from)++) {
        const struct model_record *pending = &model->pending[*from];
        if (hash128_eq(record->head.message, message_hash(pending->message)) &&
            record->payload.len == payload_size(pending->tag) && record->head.source == pending->source &&
            record->head.flags == pending->flags && record->head.target == pending->target) {
            return true;
        }
    }
    return false;
}

/* Everything that is readable: acknowledged records where they belong, then perhaps some that were under way, in their
 * order. */
static void check_log(struct model *model) {
    struct store *store = model->rig.store;
    uint64_t next = store_tail(store);
    size_t pending = 0;
    struct store_reader *reader = NULL;
    assert_int_equal(OK, store_reader_open(store, 0, &reader));
    struct store_block *block = NULL;
    while (store_read(reader, NULL, 1 + pick(model, 100000), &block) == OK) {
        assert_int_equal(0, block->corrupt);
        for (uint32_t i = 0; i < block->count; i++) {
            const struct record *record = &block->records[i];
            if (next < store_tail(store)) {
                next = record->offset; /* the keeper has trimmed meanwhile */
            }
            assert_int_equal(next, record->offset);
            if (next >= model->head) {
                assert_true(matches_pending(model, record, &pending));
                model->records[model->head++] = model->pending[pending++];
            }
            check_record(&model->records[next], record);
            next++;
        }
        store_block_release(block);
    }
    store_reader_close(reader);
    assert_int_equal(model->head, next);
    assert_int_equal(model->head, store_head(store));
    model->pending_count = 0;
}

static void compare_lookups(struct model *model, struct store *store) {
    uint64_t tail = store_tail(store);
    if (model->head == tail) {
        return;
    }
    uint64_t at = tail + pick(model, model->head - tail);
    struct store_block *block = NULL;
    enum err e = store_get(store, at, &block);
    if (e == ERR_NOT_FOUND && at < store_tail(store)) {
        return; /* the keeper has trimmed meanwhile; as below */
    }
    assert_int_equal(OK, e);
    check_record(&model->records[at], &block->records[0]);
    store_block_release(block);

    uint64_t offsets[64];
    size_t count = 0, k = 0;
    uint32_t message = model->records[at].message;
    assert_int_equal(OK, store_find_message(store, message_hash(message), offsets, COUNT_OF(offsets), &count));
    for (uint64_t i = tail; i < model->head && k < COUNT_OF(offsets); i++) {
        if (model->records[i].message == message && (i >= store_tail(store) || (k < count && offsets[k] == i))) {
            assert_true(k < count);
            assert_int_equal(i, offsets[k++]);
        }
    }
    assert_int_equal(k, count);

    uint64_t from = tail + pick(model, model->head - tail), to = from + pick(model, model->head - from + 1);
    const uint64_t sources[] = {1 + pick(model, SOURCES), 1 + pick(model, SOURCES)};
    struct store_filter filter = {.sources = sources, .source_count = 2, .target = pick(model, 2)};
    uint64_t expected = 0, counted = 0;
    for (uint64_t i = from; i < to; i++) {
        const struct model_record *r = &model->records[i];
        expected += (r->source == sources[0] || r->source == sources[1]) && (r->flags & RECORD_REJECTED) == 0 &&
            (filter.target == 0 || r->target == 0 || r->target == filter.target);
    }
    assert_int_equal(OK, store_count(store, &filter, from, to, &counted));
    if (from >= store_tail(store)) {
        assert_int_equal(expected, counted);
    }
}

static void check_lookups(struct model *model) {
    struct store *store = model->rig.store;
    int64_t crash_in =
        atomic_exchange(&model->fake->crash_in, -1); /* not in the middle of these, by what the keeper does */
    if (!model->fake->crashed) {
        compare_lookups(model, store);
    }
    model->fake->crash_in = crash_in;
}

static void step_crash(struct model *model) {
    bool power = pick(model, 3) != 0;
    model->fake->crashed = true;
    close_store(model);
    fake_crash(model->fake, power);
    model->crashes++;
    open_store(model);
    check_log(model);
    check_cursors(model, power);
    check_letters(model, power);
    check_lookups(model);
}

static void step_restart(struct model *model) {
    close_store(model);
    open_store(model);
    check_log(model);
    check_cursors(model, /*power*/ false);
    check_letters(model, /*power*/ false);
}

static void step(struct model *model) {
    struct fake_fs *fake = model->fake;
    uint64_t kind = pick(model, 1000);
    if (kind < 450) {
        step_append(model);
    } else if (kind < 600) {
        step_advance(model);
    } else if (kind < 760) {
        step_notes(model);
    } else if (kind < 840) {
        step_save(model);
    } else if (kind < 880) {
        step_letter(model);
    } else if (kind < 920) {
        check_lookups(model);
    } else if (kind < 940) {
        clock_test_advance((int64_t)pick(model, WINDOW_MS / 2));
    } else if (kind < 955) {
        store_trim(model->rig.store);
    } else if (kind < 965) {
        fake->no_room_in = (int64_t)pick(model, 6);
    } else if (kind < 975) {
        fake->fail_sync_in = (int64_t)pick(model, 4);
    } else if (kind < 985) {
        fake->crash_in = (int64_t)pick(model, 30);
    } else if (kind < 992) {
        step_crash(model);
    } else if (fake->fail_sync_in < 0 && fake->no_room_in < 0 && fake->crash_in < 0) {
        step_restart(model);
    }
    if (fake->crashed) {
        step_crash(model);
    }
}

static uint64_t from_environment(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    uint64_t value = otherwise;
    if (text != NULL) {
        assert_int_equal(OK, slice_to_u64(slice_cstr(text), &value));
    }
    return value;
}

static void state_room(struct cursor_state *state) {
    state->open = mem_alloc(RECORDS_MAX * sizeof *state->open);
    state->ended = mem_alloc(RECORDS_MAX * sizeof *state->ended);
}

static void state_drop(struct cursor_state *state) {
    mem_free(state->open);
    mem_free(state->ended);
}

static void run_model(uint64_t seed, uint64_t steps) {
    struct model *model = mem_alloc(sizeof *model);
    print_message("STORE_MODEL_SEED=%lu STORE_MODEL_STEPS=%lu\n", (unsigned long)seed, (unsigned long)steps);
    model->random = seed * 2 + 1;
    model->fake = fake_new(seed * 7919 + 13);
    rig_init(&model->rig);
    model->rig.conf.segment_bytes = 65536;
    model->rig.conf.dedup_window = WINDOW_MS;
    model->rig.conf.keep = WINDOW_MS * 2;
    model->rig.conf.note_sync = 3600000; /* only saves sync: the model knows when */
    model->records = mem_alloc(RECORDS_MAX * sizeof *model->records);
    model->letters = mem_alloc(LETTERS_MAX * sizeof *model->letters);
    model->letter_count = 1;
    for (size_t i = 0; i < DESTINATIONS; i++) {
        struct model_destination *d = &model->destinations[i];
        arena_init(&d->arena, 0, 0);
        state_room(&d->live);
        state_room(&d->saved);
        state_room(&d->saving);
        d->notes = mem_alloc(NOTES_MAX * sizeof *d->notes);
    }
    open_store(model);
    open_cursors(model);
    for (uint64_t i = 0; i < steps; i++) {
        step(model);
    }
    step_crash(model);
    print_message("records %lu, crashes %u, batches refused %u, tail %lu, letters %lu\n", (unsigned long)model->head,
        model->crashes, model->refused, (unsigned long)store_tail(model->rig.store),
        (unsigned long)model->letter_count - 1);
    close_store(model);
    model->rig.store = NULL;
    for (size_t i = 0; i < DESTINATIONS; i++) {
        struct model_destination *d = &model->destinations[i];
        state_drop(&d->live);
        state_drop(&d->saved);
        state_drop(&d->saving);
        arena_fini(&d->arena);
        mem_free(d->notes);
    }
    fake_destroy(model->fake);
    rig_fini(&model->rig);
    mem_free(model->records);
    mem_free(model->letters);
    mem_free(model);
}

static void what_was_acknowledged_survives_any_crash_and_nothing_else_appears(void **state) {
    (void)state;
    uint64_t seed = from_environment("STORE_MODEL_SEED", random_u64() % 1000000);
    run_model(seed, from_environment("STORE_MODEL_STEPS", STEPS_DEFAULT));
}

int main(void) {
    clock_test_start(INT64_C(1700000000000));
    log_setup(getenv("STORE_MODEL_LOG") != NULL ? LOG_INFO : (enum log_level)(LOG_ERROR + 1),
        false); /* thousands of failures are meant */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_acknowledged_survives_any_crash_and_nothing_else_appears),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
