/* Cursors and notes: what is saved, what is replayed, and that an event ends once. */
#include "store/store_rig.h"

#include "store/local/local.h"

#define DESTINATION 5u

static struct note note_of(uint64_t offset, enum note_kind kind) {
    return (struct note){.destination = DESTINATION, .offset = offset, .at_ms = 1000, .kind = (uint8_t)kind};
}

static void write_note(struct rig *rig, uint64_t offset, enum note_kind kind) {
    struct note note = note_of(offset, kind);
    assert_int_equal(OK, store_note(rig->store, &note, 1));
}

static struct store_cursor *open_cursor(struct rig *rig, uint64_t start, struct cursor_state *ret_state) {
    struct store_cursor *cursor = NULL;
    assert_int_equal(
        OK, store_cursor_open(rig->store, DESTINATION, SLICE("my-id"), start, &rig->arena, &cursor, ret_state));
    return cursor;
}

static void restart(struct rig *rig, struct store_cursor **cursor, struct cursor_state *ret_state) {
    store_cursor_close(*cursor);
    rig_close(rig);
    rig_open(rig);
    *cursor = open_cursor(rig, 0, ret_state);
}

static void a_new_cursor_begins_where_it_is_told(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    struct cursor_state cs;
    struct store_cursor *cursor = open_cursor(rig, 42, &cs);
    assert_int_equal(42, cs.start);
    assert_int_equal(42, cs.scanned);
    assert_int_equal(0, cs.open_count + cs.ended_count);
    restart(rig, &cursor, &cs); /* with another start: it is there already */
    assert_int_equal(42, cs.start);
    assert_int_equal(42, cs.scanned);
    store_cursor_close(cursor);
}

static void a_saved_state_comes_back_whole(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    struct cursor_state cs;
    struct store_cursor *cursor = open_cursor(rig, 0, &cs);
    struct cursor_entry open[] = {
        {.offset = 3, .first_ms = 11, .due_ms = 22, .attempts = 4, .status = 503, .reason = 2},
        {.offset = 12, .attempts = 1}};
    uint64_t ended[] = {15, 17};
    struct cursor_state saved = {.start = 0,
        .scanned = 10,
        .counts = {.in = 11, .delivered = 4, .filtered = 3, .dead = 2, .expired = 1},
        .open = open,
        .open_count = 2,
        .ended = ended,
        .ended_count = 2,
        .paused = 7};
    assert_int_equal(OK, store_cursor_save(cursor, &saved));
    restart(rig, &cursor, &cs);
    assert_int_equal(10, cs.scanned);
    assert_memory_equal(&saved.counts, &cs.counts, sizeof cs.counts);
    assert_int_equal(2, cs.open_count);
    assert_memory_equal(open, cs.open, sizeof open);
    assert_int_equal(2, cs.ended_count);
    assert_memory_equal(ended, cs.ended, sizeof ended);
    assert_int_equal(7, cs.paused);
    store_cursor_close(cursor);
}

/* The law: in = what ended + what is open below scanned. */
static void check_law(const struct cursor_state *cs) {
    uint64_t open = 0;
    for (size_t i = 0; i < cs->open_count; i++) {
        open += cs->open[i].offset < cs->scanned;
    }
    assert_int_equal(
        cs->counts.in, cs->counts.delivered + cs->counts.filtered + cs->counts.dead + cs->counts.expired + open);
}

static void notes_since_the_save_are_applied(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    struct cursor_state cs;
    struct store_cursor *cursor = open_cursor(rig, 0, &cs);
    struct cursor_entry open[] = {{.offset = 3}, {.offset = 5}};
    struct cursor_state saved = {.scanned = 10, .counts = {.in = 10, .delivered = 8}, .open = open, .open_count = 2};
    write_note(rig, 5, NOTE_EXPIRED); /* before the save: not applied again */
    assert_int_equal(OK, store_cursor_save(cursor, &saved));
    struct note retry = note_of(3, NOTE_ATTEMPT);
    retry.attempt = 2;
    retry.due_ms = 5000;
    retry.first_ms = 4000;
    retry.status = 500;
    assert_int_equal(OK, store_note(rig->store, &retry, 1));
    write_note(rig, 5, NOTE_DELIVERED);
    write_note(rig, 12, NOTE_DEAD);
    write_note(rig, 11, NOTE_FILTERED);
    struct note begun = note_of(14, NOTE_ATTEMPT);
    begun.attempt = 1;
    assert_int_equal(OK, store_note(rig->store, &begun, 1));
    for (int round = 0; round < 2; round++) { /* the second time without a save in between */
        restart(rig, &cursor, &cs);
        check_law(&cs);
        assert_int_equal(10, cs.scanned);
        assert_int_equal(12, cs.counts.in);
        assert_int_equal(9, cs.counts.delivered);
        assert_int_equal(1, cs.counts.dead);
        assert_int_equal(1, cs.counts.filtered);
        assert_int_equal(2, cs.open_count);
        assert_int_equal(3, cs.open[0].offset);
        assert_int_equal(2, cs.open[0].attempts);
        assert_int_equal(5000, cs.open[0].due_ms);
        assert_int_equal(4000, cs.open[0].first_ms);
        assert_int_equal(500, cs.open[0].status);
        assert_int_equal(14, cs.open[1].offset);
        assert_int_equal(2, cs.ended_count);
        assert_int_equal(11, cs.ended[0]);
        assert_int_equal(12, cs.ended[1]);
    }
    store_cursor_close(cursor);
}

static void a_second_end_of_an_event_is_ignored(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    struct cursor_state cs;
    struct store_cursor *cursor = open_cursor(rig, 0, &cs);
    struct cursor_entry open[] = {{.offset = 3}};
    struct cursor_state saved = {.scanned = 10, .counts = {.in = 10, .delivered = 9}, .open = open, .open_count = 1};
    assert_int_equal(OK, store_cursor_save(cursor, &saved));
    write_note(rig, 3, NOTE_DELIVERED);
    write_note(rig, 3, NOTE_DEAD);
    write_note(rig, 3, NOTE_ATTEMPT);
    write_note(rig, 7, NOTE_DELIVERED); /* ended before the save */
    write_note(rig, 20, NOTE_DELIVERED);
    write_note(rig, 20, NOTE_DELIVERED);
    restart(rig, &cursor, &cs);
    check_law(&cs);
    assert_int_equal(11, cs.counts.in);
    assert_int_equal(11, cs.counts.delivered);
    assert_int_equal(0, cs.counts.dead);
    assert_int_equal(0, cs.open_count);
    assert_int_equal(1, cs.ended_count);
    assert_int_equal(4, stat_get(&store_stat(rig->store)->notes_ignored));
    store_cursor_close(cursor);
}

static void notes_of_other_destinations_do_not_count(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    struct cursor_state cs;
    struct store_cursor *cursor = open_cursor(rig, 0, &cs);
    struct note other = note_of(0, NOTE_DELIVERED);
    other.destination = DESTINATION + 1;
    assert_int_equal(OK, store_note(rig->store, &other, 1));
    restart(rig, &cursor, &cs);
    assert_int_equal(0, cs.counts.in);
    store_cursor_close(cursor);
}

static void a_cursor_opened_again_in_the_same_run_has_its_notes(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    struct cursor_state cs;
    struct store_cursor *cursor = open_cursor(rig, 0, &cs);
    write_note(rig, 1, NOTE_DELIVERED);
    store_cursor_close(cursor);
    cursor = open_cursor(rig, 0, &cs);
    assert_int_equal(1, cs.counts.delivered);
    store_cursor_close(cursor);
}

static void a_failed_save_leaves_the_old_state(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    struct cursor_state cs;
    struct store_cursor *cursor = open_cursor(rig, 7, &cs);
    rig_fault("STORE_CHECKPOINT_WRITE=fail");
    struct cursor_state saved = {.start = 7, .scanned = 10};
    assert_int_equal(ERR_IO, store_cursor_save(cursor, &saved));
    restart(rig, &cursor, &cs);
    assert_int_equal(7, cs.scanned);
    store_cursor_close(cursor);
}

static void a_corrupt_cursor_is_an_error_and_keeps_the_log(void **state) {
    struct rig *rig = *state;
    rig->conf.segment_bytes = 65536;
    rig->conf.keep = rig->conf.dedup_window = 0;
    rig_open(rig);
    struct cursor_state cs;
    struct store_cursor *cursor = open_cursor(rig, 0, &cs);
    store_cursor_close(cursor);
    rig_append_many(rig, 1, 0, 2000);
    rig_close(rig);
    char path[128];
    snprintf(path, sizeof path, "%s/cursors/%016x.cur", rig->path, DESTINATION);
    rig_damage(path, 60);
    rig_open(rig);
    assert_int_equal(
        ERR_CORRUPT, store_cursor_open(rig->store, DESTINATION, SLICE("my-id"), 0, &rig->arena, &cursor, &cs));
    clock_test_advance(10);
    store_trim(rig->store);
    assert_int_equal(0, store_tail(rig->store));
}

static void a_retired_cursor_is_listed_and_begins_anew_when_it_is_opened(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    struct cursor_state cs;
    struct store_cursor *cursor = open_cursor(rig, 3, &cs);
    struct cursor_state saved = {.start = 3, .scanned = 10, .counts = {.in = 7, .delivered = 7}};
    assert_int_equal(OK, store_cursor_save(cursor, &saved));
    assert_int_equal(OK, store_cursor_retire(cursor));
    store_cursor_close(cursor);
    rig_close(rig);
    rig_open(rig);
    struct cursor_info *list = NULL;
    size_t count = 0;
    assert_int_equal(OK, store_cursor_list(rig->store, &rig->arena, &list, &count));
    assert_int_equal(1, count);
    assert_true(list[0].retired);
    assert_false(list[0].open);
    assert_int_equal(DESTINATION, list[0].destination);
    assert_int_equal(10, list[0].low);
    assert_true(slice_eq(list[0].id, SLICE("my-id")));
    cursor = open_cursor(rig, 20, &cs);
    assert_int_equal(20, cs.start);
    assert_int_equal(20, cs.scanned);
    assert_int_equal(0, cs.counts.in);
    store_cursor_close(cursor);
}

/* ---- notes of an event ---- */

static void all_notes_of_an_event_are_found_in_order(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    struct note notes[] = {note_of(8, NOTE_ATTEMPT), note_of(9, NOTE_DELIVERED), note_of(8, NOTE_ATTEMPT)};
    notes[0].text = SLICE("connection refused");
    notes[0].duration_us = 77;
    notes[0].attempt = 1;
    notes[0].reason = REASON_NETWORK;
    notes[2].attempt = 2;
    notes[2].status = 500;
    assert_int_equal(OK, store_note(rig->store, notes, 3));
    struct note end = note_of(8, NOTE_DELIVERED);
    end.destination = DESTINATION + 1;
    assert_int_equal(OK, store_note(rig->store, &end, 1));
    for (int round = 0; round < 2; round++) {
        struct note *found = NULL;
        size_t count = 0;
        assert_int_equal(OK, store_notes_of(rig->store, 8, &rig->arena, &found, &count));
        assert_int_equal(3, count);
        assert_true(slice_eq(found[0].text, SLICE("connection refused")));
        assert_int_equal(77, found[0].duration_us);
        assert_int_equal(REASON_NETWORK, found[0].reason);
        assert_int_equal(2, found[1].attempt);
        assert_int_equal(500, found[1].status);
        assert_int_equal(NOTE_DELIVERED, found[2].kind);
        assert_int_equal(DESTINATION + 1, found[2].destination);
        assert_int_equal(OK, store_notes_of(rig->store, 1000, &rig->arena, &found, &count));
        assert_int_equal(0, count);
        rig_close(rig);
        rig_open(rig);
    }
}

static void a_notes_text_is_cut_between_characters(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    char text[300];
    for (size_t i = 0; i < sizeof text; i += 3) {
        memcpy(text + i, "\xe2\x82\xac", 3); /* the euro sign: 200 is within one */
    }
    struct note note = note_of(1, NOTE_ATTEMPT);
    note.text = slice_of(text, sizeof text);
    assert_int_equal(OK, store_note(rig->store, &note, 1));
    struct note *found = NULL;
    size_t count = 0;
    assert_int_equal(OK, store_notes_of(rig->store, 1, &rig->arena, &found, &count));
    assert_int_equal(198, found[0].text.len);
}

static void a_failed_note_leaves_nothing(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    write_note(rig, 1, NOTE_ATTEMPT);
    rig_fault("STORE_NOTE=fail");
    struct note note = note_of(1, NOTE_DELIVERED);
    assert_int_equal(ERR_IO, store_note(rig->store, &note, 1));
    struct note *found = NULL;
    size_t count = 0;
    assert_int_equal(OK, store_notes_of(rig->store, 1, &rig->arena, &found, &count));
    assert_int_equal(1, count);
    write_note(rig, 1, NOTE_DELIVERED);
    assert_int_equal(OK, store_notes_of(rig->store, 1, &rig->arena, &found, &count));
    assert_int_equal(2, count);
}

static void torn_notes_are_cut_off_and_a_corrupt_group_is_skipped(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    for (uint64_t i = 0; i < 10; i++) {
        write_note(rig, 1, NOTE_ATTEMPT);
    }
    rig_close(rig);
    char path[128];
    snprintf(path, sizeof path, "%s/notes/%020u.not", rig->path, 0);
    rig_append_bytes(path, "SLN1half", 8);
    rig_damage(path, 3 * 72 + 20);
    rig_open(rig);
    struct note *found = NULL;
    size_t count = 0;
    assert_int_equal(OK, store_notes_of(rig->store, 1, &rig->arena, &found, &count));
    assert_int_equal(9, count);
    assert_int_equal(720, rig_file_size(path));
    assert_int_equal(8, stat_get(&store_stat(rig->store)->torn));
    write_note(rig, 1, NOTE_DELIVERED);
    assert_int_equal(OK, store_notes_of(rig->store, 1, &rig->arena, &found, &count));
    assert_int_equal(10, count);
}

static void many_notes_fill_files_that_go_with_their_events(void **state) {
    struct rig *rig = *state;
    rig->conf.segment_bytes = 65536;
    rig->conf.keep = rig->conf.dedup_window = 0;
    rig_open(rig);
    struct cursor_state cs;
    struct store_cursor *cursor = open_cursor(rig, 0, &cs);
    rig_append_many(rig, 1, 0, 2000);
    enum { GROUP = 4000 };
    struct note *notes = mem_alloc(GROUP * sizeof *notes);
    static const char text[] =
        "a text that makes the notes larger, so that fewer of them fill a file of sixty-four MiB"
        " and the test is done sooner; it is two hundred bytes long or nearly so, which is the limit of a note";
    for (uint64_t i = 0; i < 70; i++) { /* 70 MiB */
        for (size_t k = 0; k < GROUP; k++) {
            notes[k] = note_of(i * 28 % 2000, NOTE_ATTEMPT);
            notes[k].text = slice_of(text, sizeof text - 1);
        }
        assert_int_equal(OK, store_note(rig->store, notes, GROUP));
    }
    mem_free(notes);
    char first[128];
    snprintf(first, sizeof first, "%s/notes/%020u.not", rig->path, 0);
    struct note *found = NULL;
    size_t count = 0;
    struct arena arena;
    arena_init(&arena, 0, 0);
    assert_int_equal(OK, store_notes_of(rig->store, 69 * 28, &arena, &found, &count));
    assert_int_equal(GROUP, count);
    arena_fini(&arena);
    store_trim(rig->store);
    assert_true(rig_file_size(first) > 64 << 20);
    struct cursor_state saved = {.scanned = 2000, .counts = {.in = 2000, .delivered = 2000}};
    assert_int_equal(OK, store_cursor_save(cursor, &saved));
    store_cursor_close(cursor);
    rig_close(rig);
    rig_open(rig);
    rig_append_many(rig, 1, 5000, 2000);
    cursor = open_cursor(rig, 0, &cs);
    store_cursor_progress(cursor, 4000);
    clock_test_advance(10);
    store_trim(rig->store);
    assert_true(store_tail(rig->store) >= 2000);
    assert_int_equal(-1, rig_file_size(first)); /* no cursor needs it, and its events are gone */
    store_cursor_close(cursor);
}

static void a_quiet_destination_does_not_keep_the_notes_of_a_busy_one(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    struct cursor_state cs;
    struct store_cursor *quiet = NULL;
    assert_int_equal(OK, store_cursor_open(rig->store, 1, SLICE("quiet"), 0, &rig->arena, &quiet, &cs));
    struct store_cursor *cursor = open_cursor(rig, 0, &cs);
    struct local *local = local_of(rig->store);
    write_note(rig, 1, NOTE_ATTEMPT);
    write_note(rig, 1, NOTE_DELIVERED);
    assert_int_equal(0, local_cursors_notes_low(local));
    struct cursor_state saved = {.scanned = 2, .counts = {.in = 2, .delivered = 2}};
    assert_int_equal(OK, store_cursor_save(cursor, &saved));
    assert_int_equal(local_notes_position(local), local_cursors_notes_low(local));
    uint64_t position = local_notes_position(local);
    write_note(rig, 3, NOTE_ATTEMPT);
    assert_int_equal(position, local_cursors_notes_low(local));
    rig_fault("STORE_CHECKPOINT_WRITE=fail");
    assert_int_equal(ERR_IO, store_cursor_save(cursor, &saved));
    assert_int_equal(position, local_cursors_notes_low(local));
    store_cursor_close(quiet);
    store_cursor_close(cursor);
}

int main(void) {
    clock_test_start(INT64_C(1700000000000));
    log_setup((enum log_level)(LOG_ERROR + 1), false); /* the failures are meant */
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_new_cursor_begins_where_it_is_told),
        RIG_TEST(a_saved_state_comes_back_whole),
        RIG_TEST(notes_since_the_save_are_applied),
        RIG_TEST(a_second_end_of_an_event_is_ignored),
        RIG_TEST(notes_of_other_destinations_do_not_count),
        RIG_TEST(a_cursor_opened_again_in_the_same_run_has_its_notes),
        RIG_TEST(a_failed_save_leaves_the_old_state),
        RIG_TEST(a_corrupt_cursor_is_an_error_and_keeps_the_log),
        RIG_TEST(a_retired_cursor_is_listed_and_begins_anew_when_it_is_opened),
        RIG_TEST(all_notes_of_an_event_are_found_in_order),
        RIG_TEST(a_notes_text_is_cut_between_characters),
        RIG_TEST(a_failed_note_leaves_nothing),
        RIG_TEST(torn_notes_are_cut_off_and_a_corrupt_group_is_skipped),
        RIG_TEST(a_quiet_destination_does_not_keep_the_notes_of_a_busy_one),
        RIG_TEST(many_notes_fill_files_that_go_with_their_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
