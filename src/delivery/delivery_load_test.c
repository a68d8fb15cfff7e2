/* Loads of a destination that declares batches: how they gather, what goes back, what is split, and that the order of
 * every user holds whatever fails. */
#include <sys/stat.h>

#include "delivery/delivery_testing.h"
#include "destination/destination.h"

/* ---- a destination with batches ---- */

static void write_definition(const struct rig *rig, const char *batch) {
    char path[128];
    snprintf(path, sizeof path, "%s/type", rig->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/type/definition.json", rig->dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file,
        "{\"type\": \"BATCHES\", \"label\": \"Batches\", \"category\": \"tests\", \"message_types\": [\"track\"],"
        "\"settings\": {\"url\": {\"type\": \"url\", \"label\": \"URL\", \"help\": \"the sink\", \"required\": true}},"
        "\"rules\": [{\"when\": {\"event\": \"f1\"}, \"filtered\": \"not wanted\"}],"
        "\"delivery\": {\"requests\": [{\"name\": \"all\", \"method\": \"POST\", \"url\": \"${settings.url}\", "
        "\"body\": \"json\", \"table\": \"event\"}], \"batch\": {\"into\": \"items\", %s}},"
        "\"tables\": {\"event\": [{\"to\": \"event\", \"from\": \"event\"}]}}",
        batch);
    assert_int_equal(fclose(file), 0);
}

#define BATCHES(rules) "  - {id: hook, type: BATCHES, config: {url: @}, delivery: {" rules "}}\n"

static void start(struct rig *rig, const char *batch, const char *destinations) {
    char folder[96];
    struct errinfo why = {.at = 0};
    const struct destination_type *type = NULL;
    write_definition(rig, batch);
    snprintf(folder, sizeof folder, "%s/type", rig->dir);
    enum err e = destination_load(folder, &type, &why);
    if (e != OK) {
        fail_msg("%s: %s", why.path, why.text);
    }
    rig_start(rig, destinations, RIG_CONNECTED);
}

static const char *arrived(struct rig *rig, unsigned number) {
    assert_true(number < sink_counts(&rig->sink).arrived);
    return rig->sink.names[number];
}

/* ---- scripts ---- */

static struct sink_answer holds(const char *events, unsigned number, void *ctx) {
    (void)events;
    (void)number;
    (void)ctx;
    return (struct sink_answer){.status = 200, .hold = true};
}

static struct sink_answer always(const char *events, unsigned number, void *ctx) {
    (void)events;
    (void)number;
    return (struct sink_answer){.status = *(const int *)ctx};
}

static struct sink_answer once(const char *events, unsigned number, void *ctx) {
    int *status = ctx;
    struct sink_answer answer = {.status = *status};
    (void)events;
    (void)number;
    *status = 200;
    return answer;
}

/* What has an x in it. */
static struct sink_answer bad_batches(const char *events, unsigned number, void *ctx) {
    (void)number;
    return (struct sink_answer){.status = strchr(events, 'x') != NULL ? *(const int *)ctx : 200};
}

static int status_400 = 400, status_401 = 401, status_500 = 500;

/* ---- gathering ---- */

static void a_batch_that_is_not_full_waits_for_its_time_and_not_longer(void **state) {
    struct rig *rig = *state;
    start(rig, "\"events\": 10, \"time\": \"1s\"", BATCHES(""));
    rig_track_all(rig, "a1 b1 a2");
    RIG_WAIT(rig, "hook", open, 3);
    rig_settle(rig, "hook");
    rig_advance(999);
    rig_settle(rig, "hook");
    assert_int_equal(sink_counts(&rig->sink).arrived, 0);
    rig_advance(1);
    RIG_WAIT(rig, "hook", counts.delivered, 3);
    assert_int_equal(sink_counts(&rig->sink).arrived, 1);
    assert_string_equal(arrived(rig, 0), "a1+b1+a2");
    rig_stop(rig);
}

static void a_full_batch_goes_at_once_and_a_busy_user_fills_it(void **state) {
    struct rig *rig = *state;
    start(rig, "\"events\": 3, \"time\": \"1h\"", BATCHES(""));
    rig_track_all(rig, "a1 a2 a3 a4");
    RIG_WAIT(rig, "hook", counts.delivered, 3);
    assert_string_equal(arrived(rig, 0), "a1+a2+a3");
    rig_track_all(rig, "b1 a5");
    RIG_WAIT(rig, "hook", counts.delivered, 6);
    assert_string_equal(arrived(rig, 1), "a4+b1+a5");
    rig_stop(rig);
}

static void without_a_time_what_is_ready_goes_and_more_gather_behind_it(void **state) {
    struct rig *rig = *state;
    start(rig, "\"events\": 3", BATCHES("concurrency: 1"));
    sink_set(&rig->sink, holds, NULL);
    rig_track(rig, "a1");
    sink_wait(&rig->sink, 1, false);
    rig_track_all(rig, "a2 b1 a3 c1");
    RIG_WAIT(rig, "hook", open, 5);
    sink_set(&rig->sink, sink_says_ok, NULL);
    sink_release(&rig->sink);
    RIG_WAIT(rig, "hook", counts.delivered, 5);
    assert_string_equal(arrived(rig, 0), "a1");
    assert_int_equal(sink_counts(&rig->sink).arrived, 3);
    rig_stop(rig);
}

static void what_gathers_survives_new_settings_and_a_restart(void **state) {
    struct rig *rig = *state;
    start(rig, "\"events\": 10, \"time\": \"1h\"", BATCHES(""));
    rig_track_all(rig, "a1 b1");
    RIG_WAIT(rig, "hook", open, 2);
    rig_apply(rig, BATCHES("concurrency: 2"), RIG_CONNECTED);
    rig_track(rig, "a2");
    RIG_WAIT(rig, "hook", open, 3);
    rig_stop(rig);
    rig_start(rig, BATCHES(""), RIG_CONNECTED);
    RIG_WAIT(rig, "hook", open, 3);
    assert_int_equal(sink_counts(&rig->sink).arrived, 0);
    rig_advance(3600000);
    RIG_WAIT(rig, "hook", counts.delivered, 3);
    assert_string_equal(arrived(rig, 0), "a1+b1+a2");
    rig_apply(rig, "  - {id: hook, type: BATCHES, enabled: false, config: {url: @}}\n", RIG_CONNECTED);
    rig_stop(rig);
}

static void a_destination_that_is_switched_off_filters_what_gathers(void **state) {
    struct rig *rig = *state;
    start(rig, "\"events\": 10, \"time\": \"1h\"", BATCHES(""));
    rig_track_all(rig, "a1 b1 a2");
    RIG_WAIT(rig, "hook", open, 3);
    rig_apply(rig, "  - {id: hook, type: BATCHES, enabled: false, config: {url: @}}\n", RIG_CONNECTED);
    RIG_WAIT(rig, "hook", counts.filtered, 3);
    rig_stop(rig);
}

static void an_event_that_is_refused_leaves_the_others_their_batch(void **state) {
    struct rig *rig = *state;
    start(rig, "\"events\": 4, \"time\": \"1h\"", BATCHES(""));
    rig_track_all(rig, "a1 f1 b1 a2");
    RIG_WAIT(rig, "hook", counts.delivered, 3);
    RIG_WAIT(rig, "hook", counts.filtered, 1);
    assert_string_equal(arrived(rig, 0), "a1+b1+a2");
    rig_stop(rig);
}

static void a_load_of_many_bytes_is_cut(void **state) {
    struct rig *rig = *state;
    rig->delivery_conf.load_bytes = 150; /* two events */
    start(rig, "\"events\": 4, \"time\": \"1h\"", BATCHES("concurrency: 1"));
    rig_track_all(rig, "a1 a2 b1 a3");
    RIG_WAIT(rig, "hook", counts.delivered, 2);
    assert_string_equal(arrived(rig, 0), "a1+a2");
    rig_advance(3600000);
    RIG_WAIT(rig, "hook", counts.delivered, 4);
    assert_string_equal(arrived(rig, 1), "b1+a3");
    rig_stop(rig);
}

/* ---- failures ---- */

static void a_batch_that_fails_comes_again_as_it_was_and_holds_back_its_users(void **state) {
    struct rig *rig = *state;
    char names[1024];
    int status = 503;
    start(rig, "\"events\": 3", BATCHES("concurrency: 1"));
    sink_set(&rig->sink, holds, NULL);
    rig_track(rig, "z1");
    sink_wait(&rig->sink, 1, false);
    rig_track_all(rig, "a1 b1 a2 a3 c1");
    RIG_WAIT(rig, "hook", open, 6);
    sink_set(&rig->sink, once, &status);
    sink_release(&rig->sink);
    RIG_WAIT(rig, "hook", counts.delivered, 3); /* z1, b1, c1 */
    rig_settle(rig, "hook");
    assert_string_equal(arrived(rig, 1), "a1+a2+a3");
    rig_advance(1000);
    RIG_WAIT(rig, "hook", counts.delivered, 6);
    assert_string_equal(sink_accepted(&rig->sink, names, sizeof names), "b1+c1 a1+a2+a3");
    assert_int_equal(rig_info(rig, "hook").counts.dead, 0);
    rig_stop(rig);
}

static void one_bad_event_of_a_batch_dies_alone(void **state) {
    struct rig *rig = *state;
    start(rig, "\"events\": 8, \"time\": \"1s\"", BATCHES("concurrency: 1"));
    sink_set(&rig->sink, bad_batches, &status_400);
    rig_track_all(rig, "a1 b1 x1 a2 c1 d1 e1 a3");
    RIG_WAIT(rig, "hook", counts.in, 8);
    for (unsigned i = 0; rig_info(rig, "hook").open > 0; i++) {
        assert_true(i < 20);
        rig_settle(rig, "hook");
        rig_advance(1000);
    }
    struct destination_info info = rig_info(rig, "hook");
    assert_int_equal(info.counts.delivered, 7);
    assert_int_equal(info.counts.dead, 1);
    assert_in_range(sink_counts(&rig->sink).arrived, 4, 8); /* halves, not singles */
    struct arena arena;
    arena_init(&arena, 4096, 0);
    struct dead_letter letter;
    assert_int_equal(store_dead_get(rig->store, 1, &arena, &letter), OK);
    assert_true(slice_eq(letter.message_id, SLICE("m-x1")));
    assert_int_equal(letter.reason, REASON_HTTP_STATUS);
    assert_int_equal(letter.status, 400);
    assert_non_null(memmem(letter.response.ptr, letter.response.len, "said the sink", 13));
    arena_fini(&arena);
    rig_stop(rig);
}

static void one_event_that_the_server_chokes_on_dies_alone_and_delays_the_others_little(void **state) {
    struct rig *rig = *state;
    start(rig, "\"events\": 8", BATCHES("window: 1h, concurrency: 1"));
    rig->delivery_conf.breaker_failures = 1000;
    sink_set(&rig->sink, holds, NULL);
    rig_track(rig, "z1");
    sink_wait(&rig->sink, 1, false);
    rig_track_all(rig, "a1 b1 x1 a2 c1 d1 e1 a3");
    RIG_WAIT(rig, "hook", open, 9);
    sink_set(&rig->sink, bad_batches, &status_500);
    sink_release(&rig->sink);
    int64_t began_ms = clock_ms();
    while (rig_info(rig, "hook").counts.delivered < 8) {
        assert_true(clock_ms() - began_ms < 300000);
        rig_settle(rig, "hook");
        rig_advance(1000);
    }
    while (rig_info(rig, "hook").counts.dead < 1) {
        assert_true(clock_ms() - began_ms < 4 * 3600000);
        rig_settle(rig, "hook");
        rig_advance(60000);
    }
    rig_stop(rig);
}

static void a_batch_whose_window_is_over_gets_a_last_try_event_by_event(void **state) {
    struct rig *rig = *state;
    rig->delivery_conf.min_attempts = 1;
    rig->delivery_conf.window = 0;
    start(rig, "\"events\": 3, \"time\": \"1s\"", BATCHES("concurrency: 1"));
    sink_set(&rig->sink, bad_batches, &status_500);
    rig_track_all(rig, "a1 x1 b1");
    RIG_WAIT(rig, "hook", counts.in, 3);
    for (unsigned i = 0; rig_info(rig, "hook").open > 0; i++) {
        assert_true(i < 20);
        rig_settle(rig, "hook");
        rig_advance(1000);
    }
    assert_int_equal(rig_info(rig, "hook").counts.dead, 1);
    assert_int_equal(rig_info(rig, "hook").counts.delivered, 2);
    assert_string_equal(arrived(rig, 0), "a1+x1+b1");
    rig_stop(rig);
}

static void a_probe_is_one_event(void **state) {
    struct rig *rig = *state;
    start(rig, "\"events\": 3", BATCHES("concurrency: 1"));
    sink_set(&rig->sink, holds, NULL);
    rig_track(rig, "z1");
    sink_wait(&rig->sink, 1, false);
    rig_track_all(rig, "a1 b1 a2 a3 c1");
    RIG_WAIT(rig, "hook", open, 6);
    sink_set(&rig->sink, always, &status_401);
    sink_release(&rig->sink);
    for (unsigned i = 0; rig_info(rig, "hook").state != DESTINATION_PAUSED; i++) {
        assert_true(i < 20);
        rig_settle(rig, "hook");
        rig_advance(1000);
    }
    RIG_WAIT(rig, "hook", inflight, 0);
    unsigned before = sink_counts(&rig->sink).arrived;
    rig_advance(rig->delivery_conf.auth_probe);
    sink_wait(&rig->sink, before + 1, false);
    RIG_WAIT(rig, "hook", inflight, 0);
    assert_null(strchr(arrived(rig, before), '+'));
    assert_int_equal(rig_info(rig, "hook").counts.dead, 0);
    sink_set(&rig->sink, sink_says_ok, NULL);
    rig_advance(rig->delivery_conf.auth_probe);
    RIG_WAIT(rig, "hook", state, DESTINATION_RUNNING);
    rig_settle(rig, "hook");
    rig_advance(60000);
    RIG_WAIT(rig, "hook", counts.delivered, 6);
    rig_stop(rig);
}

/* ---- order ---- */

static struct sink_answer at_random(const char *events, unsigned number, void *ctx) {
    static const int statuses[] = {500, 503, 429, 408, 400, 413};
    unsigned *dice = ctx;
    (void)number;
    *dice = *dice * 1103515245 + 12345;
    unsigned pick = (*dice >> 16) % 16;
    bool alone = strchr(events, '+') == NULL; /* alone none is refused for good, so that none dies */
    return (struct sink_answer){.status = pick < (alone ? 4 : 6) ? statuses[pick] : 200};
}

/* Numbers of each user as they were accepted; the attempts of one come before those of the next. */
static void check_order(struct rig *rig) {
    unsigned accepted[26] = {0};
    for (unsigned i = 0; i < rig->sink.count; i++) {
        struct slice rest = slice_cstr(rig->sink.names[i]);
        while (rest.ptr != NULL) {
            struct slice name = slice_cut(rest, '+', &rest);
            int64_t number = 0;
            assert_int_equal(slice_to_i64(slice_of(name.ptr + 1, name.len - 1), &number), OK);
            unsigned *last = &accepted[name.ptr[0] - 'a'];
            assert_int_equal(number, *last + 1); /* the next one, or again the one that failed */
            *last += 1;
        }
        rest = slice_cstr(rig->sink.names[i]);
        while (rig->sink.statuses[i] >= 300 && rest.ptr != NULL) {
            accepted[slice_cut(rest, '+', &rest).ptr[0] - 'a']--;
        }
    }
}

static void whatever_fails_each_user_is_served_in_order_and_everything_is_delivered(void **state) {
    struct rig *rig = *state;
    unsigned dice = 20260807, numbers[5] = {0};
    rig->delivery_conf.breaker_failures = 100000;
    start(rig, "\"events\": 7, \"time\": \"1s\"", BATCHES("concurrency: 4"));
    sink_set(&rig->sink, at_random, &dice);
    for (unsigned i = 0; i < 400; i++) {
        char name[16];
        unsigned user = (i * 7 + i / 3) % 5;
        snprintf(name, sizeof name, "%c%u", (char)('a' + user), ++numbers[user]);
        rig_track(rig, name);
        if (i % 40 == 0) {
            rig_settle(rig, "hook"); /* time-outs are on the test's clock too */
            rig_advance(1000);
        }
    }
    for (unsigned i = 0; rig_info(rig, "hook").counts.delivered < 400; i++) {
        assert_true(i < 2000);
        rig_settle(rig, "hook");
        rig_advance(10000);
    }
    assert_int_equal(rig_info(rig, "hook").counts.dead, 0);
    check_order(rig);
    rig_stop(rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_batch_that_is_not_full_waits_for_its_time_and_not_longer),
        RIG_TEST(a_full_batch_goes_at_once_and_a_busy_user_fills_it),
        RIG_TEST(without_a_time_what_is_ready_goes_and_more_gather_behind_it),
        RIG_TEST(what_gathers_survives_new_settings_and_a_restart),
        RIG_TEST(a_destination_that_is_switched_off_filters_what_gathers),
        RIG_TEST(an_event_that_is_refused_leaves_the_others_their_batch),
        RIG_TEST(a_load_of_many_bytes_is_cut),
        RIG_TEST(a_batch_that_fails_comes_again_as_it_was_and_holds_back_its_users),
        RIG_TEST(one_bad_event_of_a_batch_dies_alone),
        RIG_TEST(one_event_that_the_server_chokes_on_dies_alone_and_delays_the_others_little),
        RIG_TEST(a_batch_whose_window_is_over_gets_a_last_try_event_by_event),
        RIG_TEST(a_probe_is_one_event),
        RIG_TEST(whatever_fails_each_user_is_served_in_order_and_everything_is_delivered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
