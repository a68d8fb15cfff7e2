/* Delivery through user transformations, with real workers: this program is its own worker. */
#include "delivery/delivery_testing.h"
#include "transform/transform_testing.h"
#include "transform/worker.h"

#define TRANSFORMED RIG_CONNECTED "transformations:\n  - id: t\n    code: |\n      "
#define HOOK(rules, on_error) \
    "  - {id: hook, type: WEBHOOK, transformation: t, on_error: " on_error \
    ", config: {webhookUrl: @}, delivery: {" rules "}}\n"

/* a2 becomes a2x and a2y; a drop is dropped; a boom fails */
#define SPLIT \
    "export function transformEvent(event) {\n" \
    "        if (event.event.startsWith('d')) { return null; }\n" \
    "        if (event.event.startsWith('z')) { throw new Error('boom'); }\n" \
    "        return ['x', 'y'].map((end) => ({ ...event, event: event.event + end }));\n" \
    "      }\n"
#define AS_IT_IS "export const transformEvent = (event) => event;\n"
#define ENDLESS "export function transformEvent(event) { for (;;) { } }\n"

static char a1x[] = "a1x", a1y[] = "a1y";

static int setup(void **state) {
    int done = rig_setup(state);
    struct rig *rig = *state;
    rig->transform_deps = testing_workers();
    return done;
}

#define CODE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, rig_teardown)

static struct sink_answer fails_once(const char *event, unsigned number, void *ctx) {
    return (struct sink_answer){.status = strcmp(event, ctx) == 0 && number == 0 ? 503 : 200};
}

static struct sink_answer refuses(const char *event, unsigned number, void *ctx) {
    (void)number;
    return (struct sink_answer){.status = strcmp(event, ctx) == 0 ? 400 : 200};
}

/* ---- what comes out of the code ---- */

static void every_output_of_an_event_is_sent_in_order_and_the_event_is_delivered_once(void **state) {
    struct rig *rig = *state;
    char names[256];
    rig_start(rig, HOOK("concurrency: 8", "dead"), TRANSFORMED SPLIT);
    rig_track_all(rig, "a1 d1 a2 a3");
    RIG_WAIT(rig, "hook", counts.delivered, 3);
    RIG_WAIT(rig, "hook", counts.filtered, 1);
    assert_string_equal(sink_accepted(&rig->sink, names, sizeof names), "a1x a1y a2x a2y a3x a3y");
    rig_stop(rig);
}

static void an_event_is_repeated_whole_when_one_of_its_requests_must_be(void **state) {
    struct rig *rig = *state;
    char names[256];
    rig_start(rig, HOOK("concurrency: 8", "dead"), TRANSFORMED SPLIT);
    sink_set(&rig->sink, fails_once, a1y);
    rig_track_all(rig, "a1 a2 b1");
    RIG_WAIT(rig, "hook", counts.delivered, 1);
    rig_settle(rig, "hook");
    assert_null(strstr(sink_accepted(&rig->sink, names, sizeof names), "a2"));
    rig_advance(1000);
    RIG_WAIT(rig, "hook", counts.delivered, 3);
    sink_accepted(&rig->sink, names, sizeof names);
    assert_non_null(strstr(names, "a1x a1y a2x a2y"));
    assert_int_equal(rig_info(rig, "hook").counts.dead, 0);
    rig_stop(rig);
}

static void an_event_is_dead_when_one_of_its_requests_is_and_the_others_go_out(void **state) {
    struct rig *rig = *state;
    char names[256];
    rig_start(rig, HOOK("", "dead"), TRANSFORMED SPLIT);
    sink_set(&rig->sink, refuses, a1x);
    rig_track_all(rig, "a1 a2");
    RIG_WAIT(rig, "hook", counts.dead, 1);
    RIG_WAIT(rig, "hook", counts.delivered, 1);
    assert_string_equal(sink_accepted(&rig->sink, names, sizeof names), "a1y a2x a2y");
    rig_stop(rig);
}

static void an_event_that_fails_in_the_code_is_dead_with_the_place(void **state) {
    struct rig *rig = *state;
    rig_start(rig, HOOK("", "dead"), TRANSFORMED SPLIT);
    rig_track_all(rig, "z1 a1");
    RIG_WAIT(rig, "hook", counts.dead, 1);
    RIG_WAIT(rig, "hook", counts.delivered, 1);
    struct arena arena;
    arena_init(&arena, 4096, 0);
    struct dead_letter letter;
    assert_int_equal(store_dead_get(rig->store, 1, &arena, &letter), OK);
    assert_int_equal(letter.reason, REASON_TRANSFORMATION_FAILED);
    assert_int_equal(letter.attempts, 0);
    assert_non_null(memmem(letter.text.ptr, letter.text.len, "boom", 4));
    arena_fini(&arena);
    rig_stop(rig);
}

static void on_error_stop_pauses_until_the_workspace_changes_and_loses_nothing(void **state) {
    struct rig *rig = *state;
    char names[256];
    rig_start(rig, HOOK("", "stop"), TRANSFORMED SPLIT);
    rig_track_all(rig, "z1");
    RIG_WAIT(rig, "hook", state, DESTINATION_PAUSED);
    rig_track_all(rig, "a1 z2");
    rig_advance(24 * 3600000);
    RIG_WAIT(rig, "hook", inflight, 0);
    struct destination_info info = rig_info(rig, "hook");
    assert_int_equal(info.reason, REASON_TRANSFORMATION_STOPPED);
    assert_int_equal(info.next_probe_ms, 0);
    assert_int_equal(info.open + info.behind, 3);
    assert_int_equal(sink_counts(&rig->sink).arrived, 0);
    rig_apply(rig, HOOK("", "stop"), TRANSFORMED AS_IT_IS);
    RIG_WAIT(rig, "hook", counts.delivered, 3);
    sink_accepted(&rig->sink, names, sizeof names);
    assert_true(strstr(names, "z1") < strstr(names, "z2"));
    rig_stop(rig);
}

/* ---- workers that are not there ---- */

static void without_workers_events_wait_and_no_attempt_is_counted(void **state) {
    struct rig *rig = *state;
    rig->transform_deps = NULL;
    rig_start(rig, HOOK("", "dead"), TRANSFORMED AS_IT_IS);
    rig_track_all(rig, "a1 a2");
    for (unsigned i = 0; i < 5; i++) {
        rig_settle(rig, "hook");
        rig_advance(1000);
    }
    rig_settle(rig, "hook");
    assert_int_equal(rig_info(rig, "hook").waiting, 2);
    rig_stop(rig);
    rig->transform_deps = testing_workers();
    rig_start(rig, HOOK("", "dead"), TRANSFORMED AS_IT_IS);
    rig_advance(1000);
    RIG_WAIT(rig, "hook", counts.delivered, 2);
    assert_int_equal(sink_counts(&rig->sink).arrived, 2);
    rig_stop(rig);
}

static void start_endless(struct rig *rig) {
    rig->transform_conf.cpu_time = 600000;
    rig_start(rig, HOOK("", "dead"), TRANSFORMED ENDLESS);
    rig_track_all(rig, "a1 b1 a2");
    RIG_WAIT(rig, "hook", open, 3);
    assert_true(rig_info(rig, "hook").inflight > 0);
}

static void a_stop_while_code_runs_loses_nothing_and_repeats_nothing(void **state) {
    struct rig *rig = *state;
    start_endless(rig);
    rig_stop(rig);
    assert_int_equal(sink_counts(&rig->sink).arrived, 0);
    rig_start(rig, HOOK("", "dead"), TRANSFORMED AS_IT_IS);
    RIG_WAIT(rig, "hook", counts.delivered, 3);
    assert_int_equal(sink_counts(&rig->sink).arrived, 3);
    rig_stop(rig);
}

static void a_destination_may_be_removed_while_its_code_runs(void **state) {
    struct rig *rig = *state;
    start_endless(rig);
    rig_apply(rig, "  - {id: other, type: WEBHOOK, config: {webhookUrl: @}}\n", "  - {from: web, to: other}\n");
    rig_track(rig, "c1");
    RIG_WAIT(rig, "other", counts.delivered, 1);
    assert_int_equal(sink_counts(&rig->sink).arrived, 1);
    rig_stop(rig);
}

/* ---- order ---- */

static struct sink_answer at_random(const char *event, unsigned number, void *ctx) {
    static const int statuses[] = {500, 503, 429, 408};
    unsigned *dice = ctx;
    (void)event;
    (void)number;
    *dice = *dice * 1103515245 + 12345;
    unsigned pick = (*dice >> 16) % 16;
    return (struct sink_answer){.status = pick < 4 ? statuses[pick] : 200};
}

/* An event is the next of its user until its y is accepted. */
static void check_order(struct rig *rig) {
    int64_t done[26] = {0};
    bool first_sent[26] = {0};
    for (unsigned i = 0; i < rig->sink.count; i++) {
        const char *name = rig->sink.names[i];
        size_t len = strlen(name);
        int64_t number = 0;
        unsigned user = (unsigned)(name[0] - 'a');
        assert_int_equal(slice_to_i64(slice_of(name + 1, len - 2), &number), OK);
        assert_int_equal(number, done[user] + 1);
        assert_true(name[len - 1] == 'x' || first_sent[user]);
        first_sent[user] = name[len - 1] == 'x' && rig->sink.statuses[i] < 300;
        done[user] += name[len - 1] == 'y' && rig->sink.statuses[i] < 300 ? 1 : 0;
    }
}

static void whatever_fails_users_are_served_in_order_and_events_whole(void **state) {
    struct rig *rig = *state;
    unsigned dice = 7, numbers[5] = {0};
    rig->delivery_conf.breaker_failures = 100000;
    rig_start(rig, HOOK("concurrency: 6", "dead"), TRANSFORMED SPLIT);
    sink_set(&rig->sink, at_random, &dice);
    static const char users[] = "abcef";
    for (unsigned i = 0; i < 80; i++) {
        char name[16];
        unsigned user = (i * 7 + i / 3) % 5;
        snprintf(name, sizeof name, "%c%u", users[user], ++numbers[user]);
        rig_track(rig, name);
    }
    for (unsigned i = 0; rig_info(rig, "hook").counts.delivered < 80; i++) {
        assert_true(i < 1400);
        rig_settle(rig, "hook");
        rig_advance(10000);
    }
    assert_int_equal(rig_info(rig, "hook").counts.dead, 0);
    check_order(rig);
    rig_stop(rig);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "worker") == 0) {
        return worker_main();
    }
    const struct CMUnitTest tests[] = {
        CODE_TEST(every_output_of_an_event_is_sent_in_order_and_the_event_is_delivered_once),
        CODE_TEST(an_event_is_repeated_whole_when_one_of_its_requests_must_be),
        CODE_TEST(an_event_is_dead_when_one_of_its_requests_is_and_the_others_go_out),
        CODE_TEST(an_event_that_fails_in_the_code_is_dead_with_the_place),
        CODE_TEST(on_error_stop_pauses_until_the_workspace_changes_and_loses_nothing),
        CODE_TEST(without_workers_events_wait_and_no_attempt_is_counted),
        CODE_TEST(a_stop_while_code_runs_loses_nothing_and_repeats_nothing),
        CODE_TEST(a_destination_may_be_removed_while_its_code_runs),
        CODE_TEST(whatever_fails_users_are_served_in_order_and_events_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
