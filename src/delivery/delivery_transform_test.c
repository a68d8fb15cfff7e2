/* Loads of destinations with a transform.js, with real workers: this program is its own worker. */
#include <sys/stat.h>

#include "delivery/delivery_testing.h"
#include "destination/destination.h"
#include "transform/transform_testing.h"
#include "transform/worker.h"

/* One request for all; events m* get another one of their own; d* f* r* p* make none. The sink says of which events it
 * means what: {"dead": [names], "retry": [names], …}. */
static const char definition[] =
    "{\"type\": \"CODED\", \"label\": \"Coded\", \"category\": \"tests\", \"message_types\": [\"track\"],"
    "\"settings\": {\"url\": {\"type\": \"url\", \"label\": \"URL\", \"help\": \"the sink\", \"required\": true}},"
    "\"delivery\": {\"headers\": {\"Content-Type\": \"application/json\"}}, \"code\": {}}";

static const char code[] =
    "const REFUSED = { d: 'dead', f: 'filtered', r: 'retry', p: 'auth' };\n"
    "const send = (config, events, at) => (\n"
    "    { events: at, request: { url: config.url, json: { items: at.map((i) => ({ event: events[i].message.event })) } } }\n"
    ");\n"
    "export function transform(events, config) {\n"
    "    const word = events.map(({ message }) => REFUSED[message.event[0]]);\n"
    "    const all = events.map((event, i) => i);\n"
    "    const sent = all.filter((i) => word[i] === undefined);\n"
    "    return [\n"
    "        ...(sent.length > 0 ? [send(config, events, sent)] : []),\n"
    "        ...sent.filter((i) => events[i].message.event[0] === 'm').map((i) => send(config, events, [i])),\n"
    "        ...all.filter((i) => word[i] !== undefined).map((i) => ({ events: [i], [word[i]]: 'says the code' })),\n"
    "    ];\n"
    "}\n"
    "export function outcome(response, request) {\n"
    "    if (typeof response.body !== 'object') { return undefined; }\n"
    "    return request.json.items.map(({ event }) => {\n"
    "        const word = Object.keys(response.body).find((each) => response.body[each].includes(event));\n"
    "        return word === undefined ? 'delivered' : { outcome: word, text: `${event} is ${word}` };\n"
    "    });\n"
    "}\n";

static void write_file(const struct rig *rig, const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof path, "%s/type/%s", rig->dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fputs(text, file) >= 0, 1);
    assert_int_equal(fclose(file), 0);
}

static int setup(void **state) {
    char folder[96];
    struct errinfo why = {.at = 0};
    const struct destination_type *type = NULL;
    int done = rig_setup(state);
    struct rig *rig = *state;
    rig->transform_deps = testing_workers();
    snprintf(folder, sizeof folder, "%s/type", rig->dir);
    assert_int_equal(mkdir(folder, 0700), 0);
    write_file(rig, "definition.json", definition);
    write_file(rig, "transform.js", code);
    enum err e = destination_load(folder, &type, &why);
    if (e != OK) {
        fail_msg("%s: %s", why.path, why.text);
    }
    return done;
}

#define CODED(rules) "  - {id: hook, type: CODED, config: {url: @}, delivery: {" rules "}}\n"
#define CODE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, rig_teardown)

/* ---- scripts ---- */

static struct sink_answer holds(const char *events, unsigned number, void *ctx) {
    (void)events;
    (void)number;
    (void)ctx;
    return (struct sink_answer){.status = 200, .hold = true};
}

static struct sink_answer says_once(const char *events, unsigned number, void *ctx) {
    const char **body = ctx;
    struct sink_answer answer = {.status = 200, .body = *body};
    (void)events;
    (void)number;
    *body = "{}";
    return answer;
}

static struct sink_answer second_fails_once(const char *events, unsigned number, void *ctx) {
    (void)ctx;
    return (struct sink_answer){.status = strcmp(events, "m1") == 0 && number == 0 ? 503 : 200};
}

/* One load of these events: they gather behind a request that is held. */
static void send_together(struct rig *rig, const char *names, size_t count,
    struct sink_answer (*answer)(const char *, unsigned, void *), void *ctx) {
    rig_start(rig, CODED("concurrency: 1"), RIG_CONNECTED);
    sink_set(&rig->sink, holds, NULL);
    rig_track(rig, "z1");
    sink_wait(&rig->sink, 1, false);
    rig_track_all(rig, names);
    RIG_WAIT(rig, "hook", open, count + 1);
    sink_set(&rig->sink, answer, ctx);
    sink_release(&rig->sink);
    RIG_WAIT(rig, "hook", inflight, 0);
}

static const char *text_of_letter(struct rig *rig, uint64_t id, struct arena *arena, struct dead_letter *letter) {
    assert_int_equal(store_dead_get(rig->store, id, arena, letter), OK);
    return arena_dup(arena, letter->text).ptr;
}

/* ---- verdicts ---- */

static void each_event_of_a_request_has_the_outcome_that_the_code_reads(void **state) {
    struct rig *rig = *state;
    const char *body = "{\"dead\": [\"b1\"], \"retry\": [\"a2\"], \"filtered\": [\"c1\"]}";
    char names[256];
    send_together(rig, "a1 b1 a2 c1 a3", 5, says_once, &body);
    RIG_WAIT(rig, "hook", counts.dead, 1);
    RIG_WAIT(rig, "hook", counts.filtered, 1);
    RIG_WAIT(rig, "hook", counts.delivered, 3); /* z1 a1 a3 */
    assert_int_equal(rig_info(rig, "hook").open, 1);
    rig_advance(1000);
    RIG_WAIT(rig, "hook", counts.delivered, 4);
    assert_string_equal(sink_accepted(&rig->sink, names, sizeof names), "a1+b1+a2+c1+a3 a2");
    struct arena arena;
    arena_init(&arena, 4096, 0);
    struct dead_letter letter;
    assert_string_equal(text_of_letter(rig, 1, &arena, &letter), "b1 is dead");
    assert_int_equal(letter.status, 200);
    assert_true(slice_starts(letter.request, SLICE("POST http://127.0.0.1:")));
    assert_non_null(memmem(letter.response.ptr, letter.response.len, "\"dead\"", 6));
    arena_fini(&arena);
    rig_stop(rig);
}

static void what_the_code_refuses_ends_with_its_sentence_and_takes_no_other_along(void **state) {
    struct rig *rig = *state;
    const char *body = "{}";
    send_together(rig, "a1 d1 f1 b1", 4, says_once, &body);
    RIG_WAIT(rig, "hook", counts.delivered, 3);
    RIG_WAIT(rig, "hook", counts.filtered, 1);
    RIG_WAIT(rig, "hook", counts.dead, 1);
    assert_string_equal(rig->sink.names[1], "a1+b1");
    struct arena arena;
    arena_init(&arena, 4096, 0);
    struct dead_letter letter;
    assert_string_equal(text_of_letter(rig, 1, &arena, &letter), "says the code");
    assert_int_equal(letter.reason, REASON_BAD_REQUEST);
    arena_fini(&arena);
    rig_stop(rig);
}

static void an_event_that_the_code_wants_later_waits_and_is_dead_after_the_window(void **state) {
    struct rig *rig = *state;
    rig->delivery_conf.window = 60000;
    rig_start(rig, CODED(""), RIG_CONNECTED);
    rig_track_all(rig, "r1 r2 a1");
    RIG_WAIT(rig, "hook", counts.delivered, 1);
    for (unsigned i = 0; rig_info(rig, "hook").counts.dead < 1; i++) {
        assert_true(i < 100);
        rig_settle(rig, "hook");
        assert_int_equal(rig_info(rig, "hook").counts.filtered, 0);
        rig_advance(5000);
    }
    struct arena arena;
    arena_init(&arena, 4096, 0);
    struct dead_letter letter;
    assert_string_equal(text_of_letter(rig, 1, &arena, &letter), "says the code");
    assert_int_equal(letter.reason, REASON_RETRY_WINDOW);
    assert_true(letter.attempts >= 3);
    assert_true(slice_eq(letter.message_id, SLICE("m-r1")));
    arena_fini(&arena);
    rig_stop(rig);
}

static void credentials_that_only_the_code_sees_refused_pause_the_destination(void **state) {
    struct rig *rig = *state;
    rig_start(rig, CODED(""), RIG_CONNECTED);
    rig_track(rig, "p1");
    RIG_WAIT(rig, "hook", state, DESTINATION_PAUSED);
    RIG_WAIT(rig, "hook", inflight, 0);
    assert_int_equal(rig_info(rig, "hook").reason, REASON_AUTH);
    assert_int_equal(rig_info(rig, "hook").counts.dead, 0);
    rig_stop(rig);
}

static void a_second_request_of_an_event_waits_for_the_first_and_repeats_it_when_it_fails(void **state) {
    struct rig *rig = *state;
    send_together(rig, "a1 m1 m2 b1", 4, second_fails_once, NULL);
    RIG_WAIT(rig, "hook", counts.delivered, 3); /* z1 a1 b1 */
    rig_settle(rig, "hook");
    assert_int_equal(sink_counts(&rig->sink).arrived, 3); /* m2's own request stood behind m1's */
    rig_advance(1000);
    RIG_WAIT(rig, "hook", counts.delivered, 5);
    static const char *const arrived[] = {"z1", "a1+m1+m2+b1", "m1", "m1+m2", "m1", "m2"};
    assert_int_equal(sink_counts(&rig->sink).arrived, COUNT_OF(arrived));
    for (size_t i = 0; i < COUNT_OF(arrived); i++) {
        assert_string_equal(rig->sink.names[i], arrived[i]);
    }
    rig_stop(rig);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "worker") == 0) {
        return worker_main();
    }
    const struct CMUnitTest tests[] = {
        CODE_TEST(each_event_of_a_request_has_the_outcome_that_the_code_reads),
        CODE_TEST(what_the_code_refuses_ends_with_its_sentence_and_takes_no_other_along),
        CODE_TEST(an_event_that_the_code_wants_later_waits_and_is_dead_after_the_window),
        CODE_TEST(credentials_that_only_the_code_sees_refused_pause_the_destination),
        CODE_TEST(a_second_request_of_an_event_waits_for_the_first_and_repeats_it_when_it_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
