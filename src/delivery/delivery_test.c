/* Delivery over a real store and a real sink, on the test clock: order, retries, pauses, bounds. */
#include "delivery/delivery_testing.h"

/* ---- scripts ---- */

static struct sink_answer first_a1_fails(const char *event, unsigned number, void *ctx) {
    (void)ctx;
    return (struct sink_answer){.status = strcmp(event, "a1") == 0 && number == 0 ? 503 : 200};
}

static struct sink_answer always(const char *event, unsigned number, void *ctx) {
    (void)event;
    (void)number;
    return (struct sink_answer){.status = *(const int *)ctx};
}

static struct sink_answer asks_to_wait(const char *event, unsigned number, void *ctx) {
    (void)event;
    bool *asked = ctx;
    (void)number;
    if (*asked) {
        return (struct sink_answer){.status = 200};
    }
    *asked = true;
    return (struct sink_answer){.status = 429, .retry_after = "120"};
}

static struct sink_answer bad_ones_fail(const char *event, unsigned number, void *ctx) {
    (void)number;
    return (struct sink_answer){.status = event[0] == 'x' ? *(const int *)ctx : 200};
}

static struct sink_answer holds(const char *event, unsigned number, void *ctx) {
    (void)event;
    (void)number;
    (void)ctx;
    return (struct sink_answer){.status = 200, .hold = true};
}

static int status_503 = 503, status_500 = 500, status_401 = 401, status_400 = 400, status_298 = 298;

/* ---- order and retries ---- */

static void a_failed_event_holds_back_its_user_and_nobody_else(void **state) {
    struct rig *rig = *state;
    char names[256];
    rig_start(rig, RIG_HOOK(""), RIG_CONNECTED);
    sink_set(&rig->sink, first_a1_fails, NULL);
    rig_track_all(rig, "a1 a2 b1 a3 b2");
    sink_wait(&rig->sink, 2, true);
    rig_settle(rig, "hook");
    assert_string_equal(sink_accepted(&rig->sink, names, sizeof names), "b1 b2");
    assert_int_equal(rig_info(rig, "hook").waiting, 3);
    rig_advance(1000);
    sink_wait(&rig->sink, 5, true);
    assert_string_equal(sink_accepted(&rig->sink, names, sizeof names), "b1 b2 a1 a2 a3");
    RIG_WAIT(rig, "hook", counts.delivered, 5);
    rig_stop(rig);
}

static void an_unordered_destination_lets_others_of_the_user_pass(void **state) {
    struct rig *rig = *state;
    char names[256];
    rig_start(rig, RIG_HOOK("ordered: false"), RIG_CONNECTED);
    sink_set(&rig->sink, first_a1_fails, NULL);
    rig_track_all(rig, "a1 a2");
    sink_wait(&rig->sink, 1, true);
    assert_string_equal(sink_accepted(&rig->sink, names, sizeof names), "a2");
    rig_stop(rig);
}

static void retry_after_holds_the_whole_destination(void **state) {
    struct rig *rig = *state;
    bool asked = false;
    rig_start(rig, RIG_HOOK("concurrency: 1"), RIG_CONNECTED);
    sink_set(&rig->sink, asks_to_wait, &asked);
    rig_track_all(rig, "a1 b1");
    RIG_WAIT(rig, "hook", open, 2);
    rig_settle(rig, "hook");
    rig_advance(119999);
    rig_settle(rig, "hook");
    assert_int_equal(sink_counts(&rig->sink).arrived, 1);
    rig_advance(1);
    sink_wait(&rig->sink, 2, true);
    rig_stop(rig);
}

static void an_event_is_dead_after_the_window_and_keeps_request_and_response(void **state) {
    struct rig *rig = *state;
    rig_start(rig, RIG_HOOK("window: 1h"), RIG_CONNECTED);
    sink_set(&rig->sink, bad_ones_fail, &status_500);
    rig_track_all(rig, "x1 x2 a1");
    for (int64_t spent = 0; rig_info(rig, "hook").counts.dead < 1; spent += 60000) {
        assert_true(spent < 4 * 3600000);
        rig_advance(60000);
        rig_settle(rig, "hook");
    }
    struct arena arena;
    arena_init(&arena, 4096, 0);
    struct dead_letter letter;
    assert_int_equal(store_dead_get(rig->store, 1, &arena, &letter), OK);
    assert_true(clock_ms() - RIG_CLOCK_MS >= 3600000);
    assert_true(letter.attempts >= 3);
    assert_int_equal(letter.status, 500);
    assert_int_equal(letter.reason, REASON_RETRY_WINDOW);
    assert_true(slice_eq(letter.message_id, SLICE("m-x1")));
    assert_true(slice_eq(letter.source_id, SLICE("web")));
    assert_true(slice_starts(letter.request, SLICE("POST http://127.0.0.1:")));
    assert_non_null(memmem(letter.response.ptr, letter.response.len, "said the sink", 13));
    arena_fini(&arena);
    rig_stop(rig);
}

static void a_hopeless_status_is_dead_at_once_and_a_298_is_filtered(void **state) {
    struct rig *rig = *state;
    rig_start(rig, RIG_HOOK(""), RIG_CONNECTED);
    sink_set(&rig->sink, bad_ones_fail, &status_400);
    rig_track_all(rig, "x1 x2 a1");
    RIG_WAIT(rig, "hook", counts.dead, 2);
    sink_set(&rig->sink, bad_ones_fail, &status_298);
    rig_track(rig, "x3");
    RIG_WAIT(rig, "hook", counts.filtered, 1);
    RIG_WAIT(rig, "hook", counts.delivered, 1);
    assert_int_equal(sink_counts(&rig->sink).arrived, 4);
    rig_stop(rig);
}

/* ---- pauses ---- */

static void refused_credentials_pause_the_destination_until_a_probe_succeeds(void **state) {
    struct rig *rig = *state;
    rig_start(rig, RIG_HOOK("concurrency: 2"), RIG_CONNECTED);
    sink_set(&rig->sink, always, &status_401);
    rig_track_all(rig, "a1 b1 c1 d1 e1 f1");
    RIG_WAIT(rig, "hook", state, DESTINATION_PAUSED);
    RIG_WAIT(rig, "hook", inflight, 0);
    unsigned before = sink_counts(&rig->sink).arrived;
    assert_true(before <= 2);
    rig_advance(rig->delivery_conf.auth_probe - 1);
    RIG_WAIT(rig, "hook", inflight, 0);
    assert_int_equal(sink_counts(&rig->sink).arrived, before);
    assert_int_equal(rig_info(rig, "hook").reason, REASON_AUTH);
    sink_set(&rig->sink, sink_says_ok, NULL);
    rig_advance(1);
    RIG_WAIT(rig, "hook", state, DESTINATION_RUNNING);
    rig_settle(rig, "hook"); /* time-outs are on the test's clock too */
    rig_advance(10000);      /* for those that were refused, a pause goes by */
    RIG_WAIT(rig, "hook", counts.delivered, 6);
    assert_int_equal(rig_info(rig, "hook").counts.dead, 0);
    rig_stop(rig);
}

static void credentials_that_are_withdrawn_kill_nothing(void **state) {
    struct rig *rig = *state;
    rig_start(rig, RIG_HOOK("concurrency: 1"), RIG_CONNECTED);
    rig_track_all(rig, "a1 b1 c1 d1 e1 f1 g1 h1 i1 j1 k1 l1 m1 n1 o1 p1 q1 r1 s1 t1");
    sink_wait(&rig->sink, 20, true);
    rig_settle(rig, "hook");
    sink_set(&rig->sink, always, &status_401);
    rig_track_all(rig, "a2 b2 c2 d2 e2 f2 g2 h2 i2 j2 k2 l2 m2 n2 o2 p2 q2 r2 s2 t2");
    RIG_WAIT(rig, "hook", state, DESTINATION_PAUSED);
    assert_int_equal(rig_info(rig, "hook").counts.dead, 0);
    rig_stop(rig);
}

static void a_single_refusal_among_successes_is_of_the_event_and_dead_after_some_attempts(void **state) {
    struct rig *rig = *state;
    rig_start(rig, RIG_HOOK("concurrency: 1"), RIG_CONNECTED);
    sink_set(&rig->sink, bad_ones_fail, &status_401);
    rig_track_all(rig, "a1 b1 c1 d1 e1 f1 g1 h1 x1");
    for (unsigned i = 0; rig_info(rig, "hook").counts.dead == 0 && i < 100; i++) {
        rig_settle(rig, "hook");
        rig_advance(1000);
    }
    struct destination_info info = rig_info(rig, "hook");
    assert_int_equal(info.counts.dead, 1);
    assert_int_equal(info.counts.delivered, 8);
    assert_int_equal(info.state, DESTINATION_RUNNING);
    rig_stop(rig);
}

static void a_changed_setting_is_tried_at_once(void **state) {
    struct rig *rig = *state;
    rig_start(rig, RIG_HOOK(""), RIG_CONNECTED);
    sink_set(&rig->sink, always, &status_401);
    rig_track(rig, "a1");
    RIG_WAIT(rig, "hook", state, DESTINATION_PAUSED);
    rig_settle(rig, "hook");
    sink_set(&rig->sink, sink_says_ok, NULL);
    rig_apply(rig, RIG_HOOK("concurrency: 3"), RIG_CONNECTED);
    RIG_WAIT(rig, "hook", counts.delivered, 1);
    RIG_WAIT(rig, "hook", state, DESTINATION_RUNNING);
    rig_stop(rig);
}

/* Pushes the clock second by second until the circuit is open. */
static void open_circuit(struct rig *rig) {
    for (unsigned i = 0; rig_info(rig, "hook").state != DESTINATION_WAITING; i++) {
        assert_true(i < 600);
        rig_settle(rig, "hook");
        rig_advance(1000);
    }
    RIG_WAIT(rig, "hook", inflight, 0);
}

static void an_open_circuit_lets_only_probes_out_and_ends_no_event(void **state) {
    struct rig *rig = *state;
    rig->delivery_conf.window = 60000;
    rig_start(rig, RIG_HOOK(""), RIG_CONNECTED);
    sink_set(&rig->sink, always, &status_503);
    rig_track_all(rig, "a1 b1 c1 d1 e1 f1 g1 h1 i1 j1");
    open_circuit(rig);
    unsigned before = sink_counts(&rig->sink).arrived;
    for (unsigned i = 0; i < 300; i++) { /* five minutes: much longer than the window */
        rig_advance(1000);
        RIG_WAIT(rig, "hook", inflight, 0);
    }
    struct destination_info info = rig_info(rig, "hook");
    assert_int_equal(info.state, DESTINATION_WAITING);
    assert_int_equal(info.counts.dead, 0);
    assert_in_range(sink_counts(&rig->sink).arrived - before, 5, 40);
    sink_set(&rig->sink, sink_says_ok, NULL);
    for (unsigned i = 0; rig_info(rig, "hook").counts.delivered < 10; i++) {
        assert_true(i < 100);
        rig_advance(60000);
        RIG_WAIT(rig, "hook", inflight, 0);
    }
    assert_int_equal(rig_info(rig, "hook").counts.dead, 0);
    rig_stop(rig);
}

static void events_that_fail_do_not_keep_the_circuit_open_against_those_that_would_not(void **state) {
    struct rig *rig = *state;
    rig_start(rig, RIG_HOOK(""), RIG_CONNECTED);
    sink_set(&rig->sink, bad_ones_fail, &status_503);
    rig_track_all(rig, "x1");
    for (unsigned i = 0; i < 10; i++) { /* several users of the same first letter need distinct keys */
        char payload[128];
        int len = snprintf(payload, sizeof payload, "{\"event\":\"x-%u\",\"anonymousId\":\"x%u\"}", i, i);
        struct record_head head = {.received_ms = clock_ms(),
            .source = hash64(SLICE("web")),
            .user = 1000 + i,
            .type = EVENT_TRACK,
            .flags = RECORD_NO_DEDUP};
        rig_append_record(rig, &head, SLICE_NONE, slice_of(payload, (size_t)len));
    }
    open_circuit(rig);
    rig_track(rig, "a1");
    for (unsigned i = 0; rig_info(rig, "hook").counts.delivered == 0; i++) {
        assert_true(i < 10);
        rig_advance(60000);
        RIG_WAIT(rig, "hook", inflight, 0);
    }
    rig_stop(rig);
}

static void a_late_success_of_an_earlier_request_closes_the_circuit(void **state) {
    struct rig *rig = *state;
    rig->delivery_conf.breaker_failures = 3;
    rig->delivery_conf.breaker_time = 0;
    rig->delivery_conf.window = 0;
    rig->delivery_conf.min_attempts = 1;
    rig_start(rig, RIG_HOOK("concurrency: 8"), RIG_CONNECTED);
    sink_set(&rig->sink, holds, NULL);
    rig_track(rig, "a1");
    sink_wait(&rig->sink, 1, false);
    sink_set(&rig->sink, always, &status_503);
    rig_track_all(rig, "b1 c1 d1");
    RIG_WAIT(rig, "hook", counts.dead + info_.open, 4);
    RIG_WAIT(rig, "hook", state, DESTINATION_WAITING);
    sink_set(&rig->sink, sink_says_ok, NULL);
    sink_release(&rig->sink);
    RIG_WAIT(rig, "hook", state, DESTINATION_RUNNING);
    rig_stop(rig);
}

static void a_private_address_pauses_instead_of_killing(void **state) {
    struct rig *rig = *state;
    rig->delivery_conf.allow_private = false;
    rig_start(rig, RIG_HOOK(""), RIG_CONNECTED);
    rig_track(rig, "a1");
    RIG_WAIT(rig, "hook", state, DESTINATION_PAUSED);
    struct destination_info info = rig_info(rig, "hook");
    assert_int_equal(info.reason, REASON_EGRESS_DENIED);
    assert_int_equal(info.open, 1);
    assert_int_equal(sink_counts(&rig->sink).arrived, 0);
    rig_apply(rig, RIG_HOOK("allow_private: true"), RIG_CONNECTED);
    rig_settle(rig, "hook");
    rig_advance(1000);
    RIG_WAIT(rig, "hook", counts.delivered, 1);
    rig_stop(rig);
}

/* ---- bounds ---- */

static void concurrency_and_the_open_bound_hold(void **state) {
    struct rig *rig = *state;
    rig->delivery_conf.open_events = 100;
    rig->processor_conf.queue_events = 16;
    rig_start(rig, RIG_HOOK("concurrency: 3"), RIG_CONNECTED);
    sink_set(&rig->sink, holds, NULL);
    for (unsigned i = 0; i < 300; i++) {
        char name[16];
        snprintf(name, sizeof name, "a%u", i); /* one user: all but one stand behind */
        rig_track(rig, name);
    }
    rig_track_all(rig, "b1 c1 d1 e1");
    sink_wait(&rig->sink, 1, false);
    struct destination_info info = rig_info(rig, "hook");
    assert_in_range(info.open, 100, 100 + 64);
    assert_int_equal(info.inflight, 1);
    assert_int_equal(info.counts.in + info.behind, 304);
    for (unsigned sent = 1; sent <= 304; sent++) {
        sink_release(&rig->sink);
        sink_wait(&rig->sink, sent < 304 ? sent + 1 : 304, false);
        struct sink_counts counts = sink_counts(&rig->sink);
        assert_true(counts.held <= 3);
        if (counts.ok + counts.held >= 304) {
            break;
        }
    }
    sink_release(&rig->sink);
    RIG_WAIT(rig, "hook", counts.delivered, 304);
    rig_stop(rig);
}

static void past_the_byte_bound_payloads_are_read_from_the_log_again(void **state) {
    struct rig *rig = *state;
    rig->delivery_conf.open_bytes = 1000;
    rig_start(rig, RIG_HOOK("concurrency: 1"), RIG_CONNECTED);
    sink_set(&rig->sink, holds, NULL);
    char names[4096] = "";
    size_t len = 0;
    for (unsigned i = 0; i < 60; i++) {
        char name[16];
        snprintf(name, sizeof name, "a%u", i);
        len += (size_t)snprintf(names + len, sizeof names - len, "%s%s", len > 0 ? " " : "", name);
        rig_track(rig, name);
    }
    RIG_WAIT(rig, "hook", open, 60);
    sink_set(&rig->sink, sink_says_ok, NULL);
    sink_wait(&rig->sink, 1, false);
    sink_release(&rig->sink);
    RIG_WAIT(rig, "hook", counts.delivered, 60);
    for (unsigned i = 0; i < 60; i++) {
        char name[16];
        snprintf(name, sizeof name, "a%u", i);
        assert_string_equal(rig->sink.names[i], name);
    }
    rig_stop(rig);
}

/* ---- the store fails ---- */

static void nothing_is_sent_while_notes_cannot_be_written_and_nothing_is_lost(void **state) {
    struct rig *rig = *state;
    rig_start(rig, RIG_HOOK("concurrency: 2"), RIG_CONNECTED);
    rig_fault("STORE_NOTE=fail@1+");
    rig_track_all(rig, "a1 b1 a2 b2 c1");
    sink_wait(&rig->sink, 1, true);
    RIG_WAIT(rig, "hook", inflight, 0);
    unsigned sent = sink_counts(&rig->sink).arrived;
    assert_true(sent <= 2); /* what was in flight when the first note failed */
    rig_track(rig, "d1");
    rig_advance(1000);
    struct destination_info info = rig_info(rig, "hook");
    assert_int_equal(info.counts.delivered, 0);
    assert_int_equal(info.counts.in + info.behind, 6);
    assert_int_equal(sink_counts(&rig->sink).arrived, sent);
    rig_fault("STORE_NOTE=off");
    rig_advance(1000);
    RIG_WAIT(rig, "hook", counts.delivered, 6);
    assert_int_equal(sink_counts(&rig->sink).arrived, 6);
    rig_stop(rig);
}

static void an_event_is_not_dead_before_its_letter_is_written(void **state) {
    struct rig *rig = *state;
    rig_start(rig, RIG_HOOK(""), RIG_CONNECTED);
    sink_set(&rig->sink, bad_ones_fail, &status_400);
    rig_fault("STORE_DEAD_PUT=fail@1+");
    rig_track(rig, "x1");
    sink_wait(&rig->sink, 1, false);
    rig_settle(rig, "hook");
    assert_int_equal(rig_info(rig, "hook").counts.dead, 0);
    rig_fault("STORE_DEAD_PUT=off");
    rig_advance(1000);
    RIG_WAIT(rig, "hook", counts.dead, 1);
    assert_int_equal(store_dead_count(rig->store, hash64(SLICE("hook"))), 1);
    assert_int_equal(sink_counts(&rig->sink).arrived, 1);
    rig_stop(rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_failed_event_holds_back_its_user_and_nobody_else),
        RIG_TEST(an_unordered_destination_lets_others_of_the_user_pass),
        RIG_TEST(retry_after_holds_the_whole_destination),
        RIG_TEST(an_event_is_dead_after_the_window_and_keeps_request_and_response),
        RIG_TEST(a_hopeless_status_is_dead_at_once_and_a_298_is_filtered),
        RIG_TEST(refused_credentials_pause_the_destination_until_a_probe_succeeds),
        RIG_TEST(credentials_that_are_withdrawn_kill_nothing),
        RIG_TEST(a_single_refusal_among_successes_is_of_the_event_and_dead_after_some_attempts),
        RIG_TEST(a_changed_setting_is_tried_at_once),
        RIG_TEST(an_open_circuit_lets_only_probes_out_and_ends_no_event),
        RIG_TEST(events_that_fail_do_not_keep_the_circuit_open_against_those_that_would_not),
        RIG_TEST(a_late_success_of_an_earlier_request_closes_the_circuit),
        RIG_TEST(a_private_address_pauses_instead_of_killing),
        RIG_TEST(concurrency_and_the_open_bound_hold),
        RIG_TEST(past_the_byte_bound_payloads_are_read_from_the_log_again),
        RIG_TEST(nothing_is_sent_while_notes_cannot_be_written_and_nothing_is_lost),
        RIG_TEST(an_event_is_not_dead_before_its_letter_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
