/* The server's side of transformations with real workers: this program is its own worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "transform/transform_internal.h"
#include "transform/transform_testing.h"
#include "transform/worker.h"

enum { EVENTS = 3 };

/* A transform of one worker, and a loop on which calls end. */
struct fixture {
    struct arena arena;
    struct transform_conf conf;
    struct transform *transform;
    struct loop *loop;
};

static void begin(struct fixture *fixture, const struct transform_deps *deps) {
    arena_init(&fixture->arena, 0, 0);
    struct knob_section section = transform_conf_section(&fixture->conf);
    knob_defaults(&section, &fixture->arena);
    fixture->conf.workers = 1;
    fixture->conf.cpu_time = 200;
    fixture->transform = transform_new(&fixture->conf, deps);
    fixture->loop = loop_new("test");
}

static void end(struct fixture *fixture) {
    transform_free(fixture->transform);
    loop_free(fixture->loop);
    arena_fini(&fixture->arena);
}

static struct transform_version *version_of(struct fixture *fixture, const char *code) {
    const struct transform_code text = {.code = slice_cstr(code), .language = 1};
    return transform_version_new(fixture->transform, &text);
}

static const struct transform_input inputs[EVENTS] = {
    {.message = {"{\"messageId\":\"m0\",\"n\":0}", 24}},
    {.message = {"{\"messageId\":\"m1\",\"n\":1}", 24}},
    {.message = {"{\"messageId\":\"m2\",\"n\":2}", 24}},
};

/* What a call ended with, copied. */
struct ending {
    struct transform_call call;
    enum err err;
    char outputs[512], errors[512];
    enum transform_fate fates[EVENTS];
    enum transform_cause cause; /* of the last failure */
    unsigned *left;             /* NULL, or endings for which the loop still waits */
};

static void add_text(char *out, size_t size, struct slice text) {
    size_t at = strlen(out);
    snprintf(out + at, size - at, "%.*s;", SLICE_ARG(text));
}

static void on_done(struct transform_call *call, const struct transform_answer *answer) {
    struct ending *ending = CONTAINER_OF(call, struct ending, call);
    ending->err = answer->err;
    for (size_t i = 0; i < answer->result_count; i++) {
        const struct transform_result *result = &answer->results[i];
        ending->cause = result->failed ? result->cause : ending->cause;
        add_text(result->failed ? ending->errors : ending->outputs, sizeof ending->outputs,
            result->failed ? result->error : result->output);
    }
    memcpy(ending->fates, answer->fates, call->input_count * sizeof ending->fates[0]);
    if (ending->left == NULL || --*ending->left == 0) {
        loop_stop(call->loop);
    }
}

static void submit(struct fixture *fixture, struct transform_version *version, size_t count, struct ending *ending) {
    *ending = (struct ending){
        .call = {
            .version = version, .inputs = inputs, .input_count = count, .loop = fixture->loop, .on_done = on_done}};
    transform_run(fixture->transform, &ending->call);
}

static struct ending run(struct fixture *fixture, struct transform_version *version, size_t count) {
    static struct ending ending;
    submit(fixture, version, count, &ending);
    loop_run(fixture->loop);
    return ending;
}

static void every_event_of_a_batch_gets_its_outcome(void **state) {
    (void)state;
    struct fixture fixture;
    begin(&fixture, testing_workers());
    struct transform_version *version = version_of(&fixture,
        "export function transformEvent(e) { if (e.n === 1) throw new Error('one'); return e.n === 2 ? null : e; }");
    struct ending ending = run(&fixture, version, EVENTS);
    assert_int_equal(ending.err, OK);
    assert_string_equal(ending.outputs, "{\"messageId\":\"m0\",\"n\":0};");
    assert_non_null(strstr(ending.errors, "Error: one"));
    assert_int_equal(ending.fates[0], TRANSFORM_OUTPUT);
    assert_int_equal(ending.fates[1], TRANSFORM_FAILED);
    assert_int_equal(ending.fates[2], TRANSFORM_DROPPED);
    transform_version_release(version);
    end(&fixture);
}

static void two_versions_in_one_worker_share_nothing(void **state) {
    (void)state;
    struct fixture fixture;
    begin(&fixture, testing_workers());
    struct transform_version *leaver = version_of(&fixture,
        "export function transformBatch(es) { globalThis.left = 'g'; Object.prototype.left2 = 'p';"
        " Array.prototype.map = () => ['evil']; JSON.parse = () => ({}); return es; }");
    struct transform_version *finder = version_of(&fixture,
        "export function transformBatch(es) { return [{ g: typeof left, p: typeof ({}).left2, m: [1].map((x) => x)[0],"
        " j: JSON.parse('7') }]; }");
    for (int i = 0; i < 3; i++) {
        struct ending ending = run(&fixture, leaver, 1);
        assert_int_equal(ending.err, OK);
        ending = run(&fixture, finder, 1);
        assert_string_equal(ending.outputs, "{\"g\":\"undefined\",\"p\":\"undefined\",\"m\":1,\"j\":7};");
    }
    assert_int_equal(stat_get(&fixture.transform->stat.started), 1);
    transform_version_release(leaver);
    transform_version_release(finder);
    end(&fixture);
}

static void a_worker_starts_with_the_first_batch_and_ends_when_idle(void **state) {
    (void)state;
    struct fixture fixture;
    clock_test_start(1000000);
    begin(&fixture, testing_workers());
    assert_int_equal(stat_get(&fixture.transform->stat.started), 0);
    struct transform_version *version = version_of(&fixture, "export function transformEvent(e) { return e; }");
    struct ending ending = run(&fixture, version, 1);
    assert_int_equal(ending.err, OK);
    assert_int_equal(stat_get(&fixture.transform->stat.workers), 1);
    clock_test_advance(fixture.conf.idle_exit + 1);
    loop_test_poke_all(NULL);
    assert_int_equal(stat_get(&fixture.transform->stat.workers), 0);
    assert_int_equal(stat_get(&fixture.transform->stat.idle_exits), 1);
    ending = run(&fixture, version, 1);
    assert_int_equal(ending.err, OK);
    assert_int_equal(stat_get(&fixture.transform->stat.started), 2);
    transform_version_release(version);
    end(&fixture);
}

static void a_worker_that_had_to_be_killed_is_replaced(void **state) {
    (void)state;
    struct fixture fixture;
    begin(&fixture, testing_workers());
    struct transform_version *version = version_of(&fixture,
        "export function transformEvent(e) { const f = () => Promise.resolve().then(f); return e.n === 1 ? f() : e; }");
    struct ending ending = run(&fixture, version, EVENTS);
    assert_int_equal(ending.err, OK);
    assert_string_equal(ending.outputs, "{\"messageId\":\"m0\",\"n\":0};{\"messageId\":\"m2\",\"n\":2};");
    assert_int_equal(ending.fates[1], TRANSFORM_FAILED);
    assert_int_equal(ending.cause, TRANSFORM_CAUSE_KILLED_CPU);
    assert_int_equal(stat_get(&fixture.transform->stat.killed_cpu), 2); /* the batch, then the culprit alone */
    assert_int_equal(stat_get(&fixture.transform->stat.alone), EVENTS);
    transform_version_release(version);
    end(&fixture);
}

/* Three batches at once, of one worker. */
static void run_three(struct fixture *fixture, struct transform_version *version, struct ending endings[3]) {
    unsigned left = 3;
    for (size_t i = 0; i < 3; i++) {
        submit(fixture, version, 2, &endings[i]);
        endings[i].left = &left;
    }
    loop_run(fixture->loop);
}

static void a_batch_sent_ahead_outlives_the_worker_that_another_has_killed(void **state) {
    (void)state;
    struct fixture fixture;
    static struct ending endings[3];
    begin(&fixture, testing_workers());
    struct transform_version *version = version_of(&fixture,
        "export function transformEvent(e) { const f = () => Promise.resolve().then(f); return e.n === 2 ? f() : e; }");
    (void)run(&fixture, version, 1); /* proves it */
    unsigned left = 2;
    submit(&fixture, version, EVENTS, &endings[0]);
    submit(&fixture, version, 2, &endings[1]);
    endings[0].left = endings[1].left = &left;
    loop_run(fixture.loop);
    assert_int_equal(stat_get(&fixture.transform->stat.ahead), 1);
    assert_int_equal(endings[0].cause, TRANSFORM_CAUSE_KILLED_CPU);
    assert_int_equal(endings[0].fates[1], TRANSFORM_OUTPUT);
    assert_int_equal(endings[1].err, OK);
    assert_string_equal(endings[1].outputs, "{\"messageId\":\"m0\",\"n\":0};{\"messageId\":\"m1\",\"n\":1};");
    transform_version_release(version);
    end(&fixture);
}

static void answer_later(void *ctx, struct transform_ask *ask) {
    (void)ctx; /* it answers all the same way */
    transform_ask_answer(ask, SLICE("{\"url\":\"http://x/\",\"status\":200,\"headers\":{},\"body\":\"[5]\"}"));
}

static void a_batch_sent_ahead_waits_while_the_one_before_it_asks(void **state) {
    (void)state;
    struct fixture fixture;
    static struct ending endings[3];
    const struct transform_deps deps = {.on_ask = answer_later};
    begin(&fixture, &deps);
    struct transform_version *version = version_of(&fixture,
        "export async function transformEvent(e) { if (e.n === 1) e.f = await fetch('http://x/'); return e; }");
    (void)run(&fixture, version, 1); /* does not ask, yet */
    run_three(&fixture, version, endings);
    assert_true(stat_get(&fixture.transform->stat.ahead) >= 1);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(endings[i].err, OK);
        assert_string_equal(
            endings[i].outputs, "{\"messageId\":\"m0\",\"n\":0};{\"messageId\":\"m1\",\"n\":1,\"f\":[5]};");
    }
    transform_version_release(version);
    end(&fixture);
}

enum { TOGETHER = 4 };

/* Batches of the first 1, 2, 3 and 1 events, sent at once to a worker that has run one before. */
static void run_together(struct fixture *fixture, struct transform_version *version, struct ending *endings) {
    unsigned left = TOGETHER;
    (void)run(fixture, version, 1); /* proves it */
    for (size_t i = 0; i < TOGETHER; i++) {
        submit(fixture, version, i % EVENTS + 1, &endings[i]);
        endings[i].left = &left;
    }
    loop_run(fixture->loop);
    for (size_t i = 0; i < TOGETHER; i++) {
        assert_int_equal(endings[i].err, OK);
    }
}

/* Takes a while, so that the next batches are there when it ends. */
#define WORK "let sum = 0; for (let i = 0; i < 5e5; i++) sum += i % 7; "

static void batches_that_run_together_get_each_their_own_outcomes(void **state) {
    (void)state;
    struct fixture fixture;
    static struct ending endings[TOGETHER];
    begin(&fixture, testing_workers());
    struct transform_version *version = version_of(&fixture,
        "let seen = 0; export function transformEvent(e) { " WORK
        "if (e.n === 1) throw new Error('one'); return e.n === 2 ? [e, e] : { seen: ++seen }; }");
    run_together(&fixture, version, endings);
    assert_true(stat_get(&fixture.transform->stat.ahead) > 1);
    for (size_t i = 0; i < TOGETHER; i++) {
        size_t count = i % EVENTS + 1;
        assert_string_equal(endings[i].outputs,
            count < EVENTS ? "{\"seen\":1};"
                           : "{\"seen\":1};{\"messageId\":\"m2\",\"n\":2};{\"messageId\":\"m2\",\"n\":2};");
        assert_int_equal(strstr(endings[i].errors, "Error: one") != NULL, count > 1);
    }
    transform_version_release(version);
    end(&fixture);
}

static void what_a_batch_does_to_the_language_or_to_globals_no_other_sees(void **state) {
    (void)state;
    static const char *const codes[] = {
        "export function transformEvent(e) { " WORK "const seen = [].odd; Array.prototype.odd = 1;"
        " return { seen: seen === undefined ? 0 : 1 }; }",
        "export function transformBatch(es) { " WORK "const seen = globalThis.odd; globalThis.odd = 1;"
        " return es.map(() => ({ seen: seen === undefined ? 0 : 1 })); }",
        "export async function transformEvent(e) { " WORK "await null; const seen = [].odd; Array.prototype.odd = 1;"
        " return { seen: seen === undefined ? 0 : 1 }; }",
    };
    for (size_t k = 0; k < COUNT_OF(codes); k++) {
        struct fixture fixture;
        static struct ending endings[TOGETHER];
        begin(&fixture, testing_workers());
        fixture.transform->conf.cpu_time = 2000; /* a context for each event */
        struct transform_version *version = version_of(&fixture, codes[k]);
        run_together(&fixture, version, endings);
        for (size_t i = 0; i < TOGETHER; i++) {
            static const char *const outputs[] = {
                "{\"seen\":0};", "{\"seen\":0};{\"seen\":0};", "{\"seen\":0};{\"seen\":0};{\"seen\":0};"};
            assert_string_equal(endings[i].outputs, outputs[i % EVENTS]);
        }
        transform_version_release(version);
        end(&fixture);
    }
}

static void of_batches_that_run_together_the_endless_one_fails_alone(void **state) {
    (void)state;
    static const char *const codes[] = {
        "export function transformEvent(e) { " WORK "while (e.n === 2); return { n: e.n }; }",
        "export function transformEvent(e) { " WORK "const f = () => Promise.resolve().then(f);"
        " return e.n === 2 ? f() : { n: e.n }; }",
        "export function transformEvent(e) { " WORK
        "return e.n === 2 ? { n: 7, toJSON() { for (;;); } } : { n: e.n }; }",
        "export async function transformEvent(e) { " WORK "await null; while (e.n === 2); return { n: e.n }; }",
        "export function transformEvent(e) { " WORK
        "return e.n === 2 ? { get n() { Promise.resolve().then(() => { for (;;); }); return 7; } } : { n: e.n }; }",
    };
    for (size_t k = 0; k < COUNT_OF(codes); k++) {
        struct fixture fixture;
        static struct ending endings[TOGETHER];
        begin(&fixture, testing_workers());
        struct transform_version *version = version_of(&fixture, codes[k]);
        run_together(&fixture, version, endings);
        for (size_t i = 0; i < TOGETHER; i++) {
            assert_string_equal(endings[i].outputs, i % EVENTS == 0 ? "{\"n\":0};" : "{\"n\":0};{\"n\":1};");
            assert_int_equal(endings[i].fates[i % EVENTS], i % EVENTS == 2 ? TRANSFORM_FAILED : TRANSFORM_OUTPUT);
        }
        transform_version_release(version);
        end(&fixture);
    }
}

static void count_and_answer(void *ctx, struct transform_ask *ask) {
    ++*(unsigned *)ctx;
    answer_later(NULL, ask);
}

static void what_a_batch_asks_in_company_is_asked_once(void **state) {
    (void)state;
    struct fixture fixture;
    static struct ending endings[TOGETHER];
    unsigned asked = 0;
    struct transform_deps deps = *testing_workers();
    deps.on_ask = count_and_answer;
    deps.ctx = &asked;
    begin(&fixture, &deps);
    struct transform_version *version = version_of(&fixture,
        "export async function transformEvent(e) { " WORK
        "return e.n === 2 ? { f: await fetch('http://x/') } : { n: e.n }; }");
    run_together(&fixture, version, endings);
    assert_int_equal(asked, 1);
    assert_string_equal(endings[2].outputs, "{\"n\":0};{\"n\":1};{\"f\":[5]};");
    assert_string_equal(endings[1].outputs, "{\"n\":0};{\"n\":1};");
    transform_version_release(version);
    end(&fixture);
}

static void code_that_does_not_compile_is_refused_with_its_place(void **state) {
    (void)state;
    struct fixture fixture;
    struct errinfo why = {.at = 0};
    begin(&fixture, testing_workers());
    struct transform_version *version = version_of(&fixture, "export function transformEvent(e) {\n  return e +;\n}");
    assert_int_equal(transform_version_check(fixture.transform, version, NULL, &why), ERR_INVALID);
    assert_string_equal(why.path, "base transformation:2:13");
    assert_string_equal(why.text, "SyntaxError: Unexpected token\n      return e +;\n                ^");
    /* also when nobody has asked before */
    struct ending ending = run(&fixture, version, 2);
    assert_int_equal(ending.cause, TRANSFORM_CAUSE_COMPILE);
    assert_int_equal(ending.fates[0], TRANSFORM_FAILED);
    assert_int_equal(ending.fates[1], TRANSFORM_FAILED);
    transform_version_release(version);
    end(&fixture);
}

static void without_a_worker_the_batch_may_be_tried_again(void **state) {
    (void)state;
    struct fixture fixture;
    const struct transform_deps deps = {.program = "/nonexistent/sluice"};
    begin(&fixture, &deps);
    struct transform_version *version = version_of(&fixture, "export function transformEvent(e) { return e; }");
    struct ending ending = run(&fixture, version, 1);
    assert_int_equal(err_class(ending.err), ERR_CLASS_RETRY);
    transform_version_release(version);
    end(&fixture);
}

static void answer_twice(void *ctx, struct transform_ask *ask) {
    (void)ctx; /* it answers all the same way */
    assert_true(slice_eq(ask->kind, SLICE("fetch")));
    assert_true(slice_eq(ask->parameters, SLICE("[\"http://x/\",{\"method\":\"PUT\"}]")));
    transform_ask_answer(ask, SLICE("{\"url\":\"http://x/\",\"status\":200,\"headers\":{},\"body\":\"[5]\"}"));
}

static void a_question_is_answered_by_whom_the_owner_named(void **state) {
    (void)state;
    struct fixture fixture;
    const struct transform_deps deps = {.on_ask = answer_twice};
    begin(&fixture, &deps);
    struct transform_version *version = version_of(&fixture,
        "export async function transformEvent(e) { e.f = await fetch('http://x/', { method: 'PUT' }); return e; }");
    struct ending ending = run(&fixture, version, 2);
    assert_string_equal(
        ending.outputs, "{\"messageId\":\"m0\",\"n\":0,\"f\":[5]};{\"messageId\":\"m1\",\"n\":1,\"f\":[5]};");
    transform_version_release(version);
    end(&fixture);
}

struct keeper {
    struct transform_ask *ask;
    struct loop *loop; /* told when there is one */
};

static void keep_it(void *ctx, struct transform_ask *ask) {
    struct keeper *keeper = ctx;
    keeper->ask = ask;
    loop_stop(keeper->loop);
}

static void a_batch_in_flight_ends_as_closed_when_the_transform_is_freed(void **state) {
    (void)state;
    struct fixture fixture;
    struct keeper keeper = {.ask = NULL};
    const struct transform_deps deps = {.on_ask = keep_it, .ctx = &keeper};
    static struct ending ending;
    begin(&fixture, &deps);
    keeper.loop = fixture.loop;
    struct transform_version *version =
        version_of(&fixture, "export async function transformEvent(e) { return await fetch('http://x/'); }");
    submit(&fixture, version, 1, &ending);
    loop_run(fixture.loop); /* until it asks */
    transform_free(fixture.transform);
    fixture.transform = NULL;
    loop_run(fixture.loop); /* until it has ended */
    assert_int_equal(ending.err, ERR_CLOSED);
    transform_ask_answer(keeper.ask, SLICE("{\"error\":\"too late\"}"));
    transform_version_release(version);
    end(&fixture);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "worker") == 0) {
        return worker_main();
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_of_a_batch_gets_its_outcome),
        cmocka_unit_test(two_versions_in_one_worker_share_nothing),
        cmocka_unit_test(a_worker_that_had_to_be_killed_is_replaced),
        cmocka_unit_test(a_batch_sent_ahead_outlives_the_worker_that_another_has_killed),
        cmocka_unit_test(a_batch_sent_ahead_waits_while_the_one_before_it_asks),
        cmocka_unit_test(batches_that_run_together_get_each_their_own_outcomes),
        cmocka_unit_test(what_a_batch_does_to_the_language_or_to_globals_no_other_sees),
        cmocka_unit_test(of_batches_that_run_together_the_endless_one_fails_alone),
        cmocka_unit_test(what_a_batch_asks_in_company_is_asked_once),
        cmocka_unit_test(code_that_does_not_compile_is_refused_with_its_place),
        cmocka_unit_test(without_a_worker_the_batch_may_be_tried_again),
        cmocka_unit_test(a_question_is_answered_by_whom_the_owner_named),
        cmocka_unit_test(a_batch_in_flight_ends_as_closed_when_the_transform_is_freed),
        /* last: the test clock stays */
        cmocka_unit_test(a_worker_starts_with_the_first_batch_and_ends_when_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
