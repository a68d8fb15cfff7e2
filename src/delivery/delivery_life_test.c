/* Delivery over restarts, crashes, reloads and removals; redrive; retention; isolation. A crash is a stop whose saves
 * all fail: what is known afterwards comes from the notes alone. */
#include "delivery/delivery_testing.h"

static struct sink_answer a1_fails(const char *event, unsigned number, void *ctx) {
    (void)number;
    (void)ctx;
    return (struct sink_answer){.status = strcmp(event, "a1") == 0 ? 503 : 200};
}

static struct sink_answer always(const char *event, unsigned number, void *ctx) {
    (void)event;
    (void)number;
    return (struct sink_answer){.status = *(const int *)ctx};
}

static struct sink_answer holds(const char *event, unsigned number, void *ctx) {
    (void)event;
    (void)number;
    (void)ctx;
    return (struct sink_answer){.status = 200, .hold = true};
}

static struct sink_answer x_is_held(const char *event, unsigned number, void *ctx) {
    (void)number;
    (void)ctx;
    return (struct sink_answer){.status = 200, .hold = event[0] == 'x'};
}

static int status_503 = 503, status_401 = 401, status_400 = 400;

static void crash(struct rig *rig) {
    rig_fault("STORE_CHECKPOINT_WRITE=fail@1+");
    rig_stop(rig);
    rig_fault("STORE_CHECKPOINT_WRITE=off");
}

/* ---- restarts ---- */

static void open_events_go_on_after_a_restart_before_newer_ones(void **state) {
    struct rig *rig = *state;
    char names[256];
    for (unsigned crashed = 0; crashed < 2; crashed++) {
        rig_start(rig, RIG_HOOK(""), RIG_CONNECTED);
        uint64_t delivered = rig_info(rig, "hook").counts.delivered;
        sink_reset(&rig->sink);
        sink_set(&rig->sink, a1_fails, NULL);
        rig_track_all(rig, "a1 a2 b1");
        RIG_WAIT(rig, "hook", counts.delivered, delivered + 1);
        rig_settle(rig, "hook");
        assert_int_equal(rig_info(rig, "hook").open, 2);
        if (crashed == 0) {
            rig_stop(rig);
        } else {
            crash(rig);
        }
        sink_set(&rig->sink, sink_says_ok, NULL);
        rig_start(rig, RIG_HOOK(""), RIG_CONNECTED);
        rig_track(rig, "a3");
        rig_settle(rig, "hook");
        assert_string_equal(sink_accepted(&rig->sink, names, sizeof names), "b1"); /* a1 is not due yet */
        rig_advance(1000);
        RIG_WAIT(rig, "hook", counts.delivered, delivered + 4);
        assert_string_equal(sink_accepted(&rig->sink, names, sizeof names), "b1 a1 a2 a3");
        assert_int_equal(rig_info(rig, "hook").counts.in, delivered + 4);
        rig_stop(rig);
    }
}

static void attempts_are_counted_on_after_a_crash(void **state) {
    struct rig *rig = *state;
    rig_start(rig, RIG_HOOK(""), RIG_CONNECTED);
    sink_set(&rig->sink, always, &status_503);
    rig_track(rig, "a1");
    sink_wait(&rig->sink, 1, false);
    rig_settle(rig, "hook");
    crash(rig);
    rig_start(rig, RIG_HOOK(""), RIG_CONNECTED);
    rig_settle(rig, "hook");
    rig_advance(1000);
    sink_wait(&rig->sink, 2, false);
    rig_settle(rig, "hook");
    struct arena arena;
    arena_init(&arena, 4096, 0);
    struct note *notes = NULL;
    size_t count = 0;
    assert_int_equal(store_notes_of(rig->store, 0, &arena, &notes, &count), OK);
    assert_int_equal(count, 2);
    assert_int_equal(notes[1].attempt, 2);
    assert_int_equal(notes[1].first_ms, RIG_CLOCK_MS);
    arena_fini(&arena);
    rig_stop(rig);
}

static void a_crash_repeats_nothing_whose_note_was_written(void **state) {
    struct rig *rig = *state;
    rig_start(rig, RIG_HOOK("concurrency: 3"), RIG_CONNECTED);
    sink_set(&rig->sink, x_is_held, NULL);
    rig_track_all(rig, "a1 x1 b1 a2 c1 b2 x2");
    sink_wait(&rig->sink, 5, true);
    RIG_WAIT(rig, "hook", counts.delivered, 5);
    crash(rig);
    sink_set(&rig->sink, sink_says_ok, NULL);
    rig_start(rig, RIG_HOOK(""), RIG_CONNECTED);
    RIG_WAIT(rig, "hook", counts.delivered, 7);
    struct destination_info info = rig_info(rig, "hook");
    assert_int_equal(info.counts.in, 7);
    assert_int_equal(info.behind, 0);
    pthread_mutex_lock(&rig->sink.lock);
    assert_int_equal(sink_count_of(&rig->sink, "x1"), 2); /* was in flight */
    assert_int_equal(sink_count_of(&rig->sink, "a1"), 1);
    assert_int_equal(sink_count_of(&rig->sink, "b2"), 1);
    pthread_mutex_unlock(&rig->sink.lock);
    rig_stop(rig);
}

static void a_paused_destination_is_paused_after_a_restart_and_probed_at_once(void **state) {
    struct rig *rig = *state;
    rig_start(rig, RIG_HOOK("concurrency: 1"), RIG_CONNECTED);
    sink_set(&rig->sink, always, &status_401);
    rig_track_all(rig, "a1 b1 c1");
    RIG_WAIT(rig, "hook", state, DESTINATION_PAUSED);
    RIG_WAIT(rig, "hook", inflight, 0);
    rig_stop(rig);
    rig_start(rig, RIG_HOOK("concurrency: 1"), RIG_CONNECTED);
    assert_int_equal(rig_info(rig, "hook").state, DESTINATION_PAUSED);
    sink_wait(&rig->sink, 2, false);
    RIG_WAIT(rig, "hook", inflight, 0);
    assert_int_equal(sink_counts(&rig->sink).arrived, 2);
    rig_stop(rig);
}

static void a_stop_waits_for_requests_in_flight_and_repeats_nothing(void **state) {
    struct rig *rig = *state;
    rig_start(rig, RIG_HOOK(""), RIG_CONNECTED);
    rig_track_all(rig, "a1 a2 a3 b1");
    sink_wait(&rig->sink, 4, true);
    processor_stop(rig->processor);
    delivery_stop(rig->delivery, RIG_DEADLINE_S * 1000);
    rig_stop(rig);
    rig_start(rig, RIG_HOOK(""), RIG_CONNECTED);
    rig_settle(rig, "hook");
    assert_int_equal(rig_info(rig, "hook").counts.delivered, 4);
    assert_int_equal(sink_counts(&rig->sink).arrived, 4);
    rig_stop(rig);
}

/* ---- reloads ---- */

#define TWO \
    "  - {id: hook, type: WEBHOOK, config: {webhookUrl: @}}\n" \
    "  - {id: late, type: WEBHOOK, config: {webhookUrl: @}}\n"
#define TWO_CONNECTED "  - {from: web, to: hook}\n  - {from: web, to: late}\n"

static void a_new_destination_begins_at_the_head_and_misses_nothing_from_then_on(void **state) {
    struct rig *rig = *state;
    rig->delivery_conf.threads = 2;
    rig_start(rig, RIG_HOOK(""), RIG_CONNECTED);
    rig_track_all(rig, "a1 a2");
    RIG_WAIT(rig, "hook", counts.delivered, 2);
    struct workspace *workspace = rig_workspace(rig, TWO, TWO_CONNECTED);
    struct errinfo why = {0};
    assert_int_equal(delivery_apply(rig->delivery, workspace, &why), OK);
    rig_track(rig, "a3"); /* between the apply and the swap */
    RIG_WAIT(rig, "late", counts.delivered, 1);
    workspace_cell_swap(rig->cell, workspace);
    rig_track(rig, "a4");
    RIG_WAIT(rig, "late", counts.delivered, 2);
    RIG_WAIT(rig, "hook", counts.delivered, 4);
    assert_int_equal(rig_info(rig, "late").start, 2);
    rig_stop(rig);
}

static uint64_t notes_of(struct rig *rig, uint64_t offset, enum note_kind kind, enum reason reason) {
    struct arena arena;
    arena_init(&arena, 4096, 0);
    struct note *notes = NULL;
    size_t count = 0, found = 0;
    assert_int_equal(store_notes_of(rig->store, offset, &arena, &notes, &count), OK);
    for (size_t i = 0; i < count; i++) {
        found += notes[i].kind == kind && notes[i].reason == reason ? 1 : 0;
    }
    arena_fini(&arena);
    return found;
}

static void a_removed_destination_ends_what_it_had_as_expired_and_holds_the_log_no_more(void **state) {
    struct rig *rig = *state;
    rig->processor_conf.queue_events = 16;
    rig->delivery_conf.open_events = 100;
    rig_start(rig, TWO, TWO_CONNECTED);
    sink_set(&rig->sink, holds, NULL);
    for (unsigned i = 0; i < 200; i++) { /* open, queued and behind */
        rig_track(rig, "a1");
    }
    sink_wait(&rig->sink, 2, false);
    rig_apply(rig, RIG_HOOK(""), RIG_CONNECTED);
    for (uint64_t offset = 0; offset < 200; offset++) {
        assert_int_equal(notes_of(rig, offset, NOTE_EXPIRED, REASON_DESTINATION_REMOVED), 1);
    }
    struct arena arena;
    arena_init(&arena, 4096, 0);
    struct cursor_info *cursors = NULL;
    size_t count = 0;
    assert_int_equal(store_cursor_list(rig->store, &arena, &cursors, &count), OK);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(cursors[i].retired, slice_eq(cursors[i].id, SLICE("late")));
    }
    arena_fini(&arena);
    rig_apply(rig, TWO, TWO_CONNECTED); /* it comes back as a new one */
    struct destination_info info = rig_info(rig, "late");
    assert_int_equal(info.start, 200);
    assert_int_equal(info.counts.in, 0);
    rig_stop(rig);
}

static void a_destination_that_was_removed_while_nothing_ran_is_retired_at_the_next_start(void **state) {
    struct rig *rig = *state;
    rig_start(rig, TWO, TWO_CONNECTED);
    sink_set(&rig->sink, always, &status_503);
    rig_track(rig, "a1");
    sink_wait(&rig->sink, 2, false);
    rig_settle(rig, "late");
    rig_stop(rig);
    rig_start(rig, RIG_HOOK(""), RIG_CONNECTED);
    assert_int_equal(notes_of(rig, 0, NOTE_EXPIRED, REASON_DESTINATION_REMOVED), 1);
    rig_stop(rig);
}

static void a_disabled_destination_filters_what_is_open_and_what_comes(void **state) {
    struct rig *rig = *state;
    rig_start(rig, RIG_HOOK(""), RIG_CONNECTED);
    sink_set(&rig->sink, a1_fails, NULL);
    rig_track_all(rig, "a1 a2");
    sink_wait(&rig->sink, 1, false);
    rig_settle(rig, "hook");
    rig_apply(rig, "  - {id: hook, type: WEBHOOK, enabled: false, config: {webhookUrl: @}}\n", RIG_CONNECTED);
    rig_track(rig, "a3");
    RIG_WAIT(rig, "hook", counts.filtered, 3);
    assert_int_equal(rig_info(rig, "hook").state, DESTINATION_DISABLED);
    assert_int_equal(notes_of(rig, 1, NOTE_FILTERED, REASON_DESTINATION_DISABLED), 1);
    rig_stop(rig);
}

/* ---- isolation ---- */

static struct sink_answer late_hangs(const char *event, unsigned number, void *ctx) {
    (void)number;
    (void)ctx;
    return (struct sink_answer){.status = 200, .hold = event[0] == 'x'};
}

static void a_destination_that_hangs_is_detached_catches_up_and_holds_back_nobody(void **state) {
    struct rig *rig = *state;
    rig->processor_conf.queue_events = 16;
    rig->processor_conf.read_bytes = 4096;
    rig->delivery_conf.open_events = 100;
    /* the slow one gets only x events, the other one all but those */
    static const char destinations[] =
        "  - {id: good, type: WEBHOOK, config: {webhookUrl: @, eventFilteringOption: blacklistedEvents, "
        "blacklistedEvents: [{eventName: x}]}}\n"
        "  - {id: slow, type: WEBHOOK, config: {webhookUrl: @, eventFilteringOption: whitelistedEvents, "
        "whitelistedEvents: [{eventName: x}]}}\n";
    static const char connections[] = "  - {from: web, to: good}\n  - {from: web, to: slow}\n";
    rig_start(rig, destinations, connections);
    sink_set(&rig->sink, late_hangs, NULL);
    for (unsigned i = 0; i < 400; i++) {
        rig_track(rig, "x");
        rig_track(rig, "a");
    }
    RIG_WAIT(rig, "good", counts.delivered, 400);
    struct destination_info slow = rig_info(rig, "slow");
    assert_int_equal(slow.counts.delivered, 0);
    assert_true(slow.behind > 0);
    assert_int_equal(slow.counts.in + slow.behind, 800);
    sink_set(&rig->sink, sink_says_ok, NULL);
    sink_release(&rig->sink);
    RIG_WAIT(rig, "slow", counts.delivered, 400);
    RIG_WAIT(rig, "slow", counts.filtered, 400);
    RIG_WAIT(rig, "slow", behind, 0);
    rig_track(rig, "x"); /* attached again */
    RIG_WAIT(rig, "slow", counts.delivered, 401);
    rig_stop(rig);
}

/* ---- age ---- */

static void events_older_than_the_retention_age_are_expired_wherever_they_wait(void **state) {
    struct rig *rig = *state;
    rig->store_conf.retention_age = 3600000;
    rig->processor_conf.queue_events = 16;
    rig->delivery_conf.open_events = 100;
    rig_start(rig, RIG_HOOK(""), RIG_CONNECTED);
    sink_set(&rig->sink, always, &status_401);
    for (unsigned i = 0; i < 200; i++) {
        rig_track(rig, "a1");
    }
    RIG_WAIT(rig, "hook", state, DESTINATION_PAUSED);
    RIG_WAIT(rig, "hook", inflight, 0);
    for (unsigned i = 0; i < 40 && rig_info(rig, "hook").counts.expired < 200; i++) {
        rig_advance(600000);
        RIG_WAIT(rig, "hook", inflight, 0);
    }
    struct destination_info info = rig_info(rig, "hook");
    assert_int_equal(info.counts.expired, 200);
    assert_int_equal(info.counts.dead, 0);
    assert_int_equal(info.behind, 0);
    rig_stop(rig);
}

static void events_of_an_unsupported_type_are_kept_counted_and_expire_by_age(void **state) {
    struct rig *rig = *state;
    rig->store_conf.retention_age = 3600000;
    rig_start(rig, "  - {id: hook, type: NOT_YET, config: {}}\n", RIG_CONNECTED);
    rig_track_all(rig, "a1 a2 a3");
    RIG_WAIT(rig, "hook", behind, 3);
    assert_int_equal(rig_info(rig, "hook").state, DESTINATION_UNSUPPORTED);
    rig_advance(1800000);
    rig_track(rig, "a4");
    assert_int_equal(rig_info(rig, "hook").behind, 4);
    rig_advance(1800000 + 1);
    for (unsigned i = 0; i < 10 && rig_info(rig, "hook").counts.expired < 3; i++) {
        rig_advance(60000);
    }
    RIG_WAIT(rig, "hook", counts.expired, 3);
    assert_int_equal(rig_info(rig, "hook").behind, 1);
    rig_stop(rig);
}

/* ---- dead letters ---- */

static void a_redriven_letter_goes_to_its_destination_alone_and_only_once(void **state) {
    struct rig *rig = *state;
    rig_start(rig, TWO, TWO_CONNECTED);
    sink_set(&rig->sink, always, &status_400);
    rig_track(rig, "a1");
    RIG_WAIT(rig, "hook", counts.dead, 1);
    RIG_WAIT(rig, "late", counts.dead, 1);
    sink_set(&rig->sink, sink_says_ok, NULL);
    struct errinfo why = {0};
    assert_int_equal(delivery_redrive(rig->delivery, 1, &why), OK);
    assert_int_equal(delivery_redrive(rig->delivery, 1, &why), ERR_EXISTS);
    assert_int_equal(delivery_redrive(rig->delivery, 99, &why), ERR_NOT_FOUND);
    sink_wait(&rig->sink, 3, false);
    rig_settle(rig, "hook");
    rig_settle(rig, "late");
    assert_int_equal(rig_info(rig, "hook").counts.delivered + rig_info(rig, "late").counts.delivered, 1);
    assert_int_equal(rig_info(rig, "hook").counts.in + rig_info(rig, "late").counts.in, 3);
    uint64_t left =
        store_dead_count(rig->store, hash64(SLICE("hook"))) + store_dead_count(rig->store, hash64(SLICE("late")));
    assert_int_equal(left, 1);
    rig_stop(rig);
}

static void a_letter_without_a_way_to_its_destination_is_not_redriven(void **state) {
    struct rig *rig = *state;
    rig_start(rig, TWO, TWO_CONNECTED);
    sink_set(&rig->sink, always, &status_400);
    rig_track(rig, "a1");
    RIG_WAIT(rig, "hook", counts.dead, 1);
    RIG_WAIT(rig, "late", counts.dead, 1);
    rig_apply(rig, TWO, "  - {from: web, to: hook}\n");
    struct errinfo why = {0};
    enum err first = delivery_redrive(rig->delivery, 1, &why);
    enum err second = delivery_redrive(rig->delivery, 2, &why);
    assert_true((first == OK && second == ERR_NOT_FOUND) || (first == ERR_NOT_FOUND && second == OK));
    assert_non_null(strstr(why.text, "late"));
    rig_stop(rig);
}

static void track_rejected(struct rig *rig, const char *payload) {
    struct record_head head = {.received_ms = clock_ms(), .source = hash64(SLICE("web")), .flags = RECORD_REJECTED};
    rig_append_record(rig, &head, SLICE("event is not a valid rudder event"), slice_cstr(payload));
}

static size_t rejected_letters(struct rig *rig, struct dead_letter *ret_first) {
    struct arena arena;
    arena_init(&arena, 4096, 0);
    struct dead_filter filter = {.include_taken = true, .max = 1000};
    struct dead_letter *letters = NULL;
    size_t count = 0, found = 0;
    assert_int_equal(store_dead_list(rig->store, &filter, &arena, &letters, &count), OK);
    for (size_t i = 0; i < count; i++) {
        if (letters[i].destination == 0 && found++ == 0) {
            *ret_first = letters[i];
            assert_true(slice_eq(letters[i].text, SLICE("event is not a valid rudder event")));
            assert_true(slice_eq(letters[i].source_id, SLICE("web")));
            assert_true(slice_eq(letters[i].message_id, SLICE("m-7")));
        }
    }
    arena_fini(&arena);
    return found;
}

static void rejected_events_become_dead_letters_once_even_over_crashes(void **state) {
    struct rig *rig = *state;
    struct dead_letter first = {0};
    for (unsigned round = 1; round <= 3; round++) {
        rig_start(rig, RIG_HOOK(""), RIG_CONNECTED);
        track_rejected(rig, "{\"type\":\"track\",\"messageId\":\"m-7\"}");
        track_rejected(rig, "7");
        rig_track(rig, "a1");
        RIG_WAIT(rig, "hook", counts.delivered, round); /* read behind them, so they have been looked at */
        assert_int_equal(rejected_letters(rig, &first), 2 * round);
        assert_int_equal(rig_info(rig, "hook").counts.in, round);
        crash(rig);
    }
    struct errinfo why = {0};
    rig_start(rig, RIG_HOOK(""), RIG_CONNECTED);
    assert_int_equal(rejected_letters(rig, &first), 6);
    assert_int_equal(first.reason, REASON_REJECTED);
    assert_int_equal(delivery_redrive(rig->delivery, first.id, &why), ERR_UNSUPPORTED);
    rig_stop(rig);
}

static void a_rejected_event_waits_until_its_letter_can_be_written(void **state) {
    struct rig *rig = *state;
    struct dead_letter first = {0};
    rig_start(rig, RIG_HOOK(""), RIG_CONNECTED);
    rig_fault("STORE_DEAD_PUT=fail@1+");
    track_rejected(rig, "{\"messageId\":\"m-7\"}");
    rig_track(rig, "a1");
    RIG_WAIT(rig, "hook", counts.delivered, 1);
    assert_int_equal(rejected_letters(rig, &first), 0);
    rig_fault("STORE_DEAD_PUT=off");
    for (unsigned i = 0; rejected_letters(rig, &first) == 0; i++) {
        assert_true(i < 100);
        rig_advance(1000);
        rig_track(rig, "a2"); /* one more turn of the processor has run when it is delivered */
        RIG_WAIT(rig, "hook", counts.delivered, i + 2);
    }
    assert_int_equal(rejected_letters(rig, &first), 1);
    rig_stop(rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RIG_TEST(open_events_go_on_after_a_restart_before_newer_ones),
        RIG_TEST(attempts_are_counted_on_after_a_crash),
        RIG_TEST(a_crash_repeats_nothing_whose_note_was_written),
        RIG_TEST(a_paused_destination_is_paused_after_a_restart_and_probed_at_once),
        RIG_TEST(a_stop_waits_for_requests_in_flight_and_repeats_nothing),
        RIG_TEST(a_new_destination_begins_at_the_head_and_misses_nothing_from_then_on),
        RIG_TEST(a_removed_destination_ends_what_it_had_as_expired_and_holds_the_log_no_more),
        RIG_TEST(a_destination_that_was_removed_while_nothing_ran_is_retired_at_the_next_start),
        RIG_TEST(a_disabled_destination_filters_what_is_open_and_what_comes),
        RIG_TEST(a_destination_that_hangs_is_detached_catches_up_and_holds_back_nobody),
        RIG_TEST(events_older_than_the_retention_age_are_expired_wherever_they_wait),
        RIG_TEST(events_of_an_unsupported_type_are_kept_counted_and_expire_by_age),
        RIG_TEST(a_redriven_letter_goes_to_its_destination_alone_and_only_once),
        RIG_TEST(a_letter_without_a_way_to_its_destination_is_not_redriven),
        RIG_TEST(rejected_events_become_dead_letters_once_even_over_crashes),
        RIG_TEST(a_rejected_event_waits_until_its_letter_can_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
