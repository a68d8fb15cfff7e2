/* Answers of workers: what is taken, what is refused as none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transform/transform_internal.h"

enum { STEP = 2, DEPTH = 192 };

static struct transform transform;
static struct transform_version version;
static uint32_t step[STEP] = {7, 8};
static struct job job;
static struct answer_again again;

static enum err read_text(const char *text) {
    arena_fini(&job.arena);
    job = (struct job){.transform = &transform, .version = &version, .step = step, .step_count = STEP};
    arena_init(&job.arena, 0, 0);
    struct slice given = slice_cstr(text);
    char *copy = arena_alloc(&job.arena, given.len + JSON_PADDING);
    memcpy(copy, given.ptr, given.len);
    return answer_read(&job, slice_of(copy, given.len), &again);
}

#define HEAD "{\"mode\":\"transformEvent\",\"polluted\":false,\"fresh\":false,"

static void rows_are_mapped_to_the_inputs_of_the_step(void **state) {
    (void)state;
    assert_int_equal(
        read_text(
            HEAD "\"rows\":[[1,0,{\"a\":1}],[0,1,\"Error: x\",\"throw\"],[-1,1,\"all\",\"batch\"]],\"logs\":[\"l\"]}"),
        OK);
    assert_int_equal(job.result_count, 3);
    assert_int_equal(job.results[0].input, 8);
    assert_true(slice_eq(job.results[0].output, SLICE("{\"a\":1}")));
    assert_int_equal(job.results[1].input, 7);
    assert_int_equal(job.results[1].cause, TRANSFORM_CAUSE_THROW);
    assert_int_equal(job.results[2].input, TRANSFORM_NO_INPUT);
    assert_int_equal(job.log_count, 1);
}

static void outputs_are_those_of_the_events_in_their_order(void **state) {
    (void)state;
    assert_int_equal(read_text(HEAD "\"outputs\":[{\"a\":1},{}],\"logs\":[\"l\"]}"), OK);
    assert_int_equal(job.result_count, STEP);
    assert_int_equal(job.results[0].input, 7);
    assert_true(slice_eq(job.results[0].output, SLICE("{\"a\":1}")));
    assert_int_equal(job.results[1].input, 8);
    assert_int_equal(job.log_count, 1);
    assert_int_equal(read_text(HEAD "\"outputs\":[{}],\"logs\":[]}"), ERR_CORRUPT);
    assert_int_equal(read_text(HEAD "\"outputs\":[{},{},{}],\"logs\":[]}"), ERR_CORRUPT);
    assert_int_equal(read_text(HEAD "\"outputs\":[{},1],\"logs\":[]}"), ERR_CORRUPT);
    assert_int_equal(job.result_count, 0);
}

static void of_a_batch_that_saw_what_another_did_nothing_counts(void **state) {
    (void)state;
    const char *text =
        "{\"mode\":\"transformEvent\",\"polluted\":true,\"fresh\":true,\"single\":true,\"rows\":[[0,0,{}]],\"logs\":[]}";
    atomic_store(&version.single, false);
    assert_int_equal(read_text(text), OK);
    assert_true(again.single);
    assert_int_equal(job.result_count, 0);
    assert_true(atomic_load(&version.single));
    assert_false(atomic_load(&version.polluter));
}

static void rows_to_run_again_are_kept_apart(void **state) {
    (void)state;
    assert_int_equal(read_text(HEAD "\"rows\":[[0,1,\"t\",\"cpu\"],[1,3,null]],\"logs\":[]}"), OK);
    assert_int_equal(again.count, 1);
    assert_int_equal(again.inputs[0], 8);
}

static void a_batch_that_changed_the_language_runs_again_as_a_whole(void **state) {
    (void)state;
    assert_int_equal(
        read_text("{\"mode\":\"transformEvent\",\"polluted\":true,\"fresh\":true,\"rows\":[[0,0,{}]],\"logs\":[]}"),
        OK);
    assert_int_equal(again.count, STEP);
    assert_int_equal(job.result_count, 0);
    assert_true(version.polluter);
}

static void what_no_worker_of_ours_would_say_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"", "null", "[]", "{}", HEAD "\"rows\":7,\"logs\":[]}", HEAD "\"rows\":[]}",
        HEAD "\"rows\":[7],\"logs\":[]}", HEAD "\"rows\":[[0,0]],\"logs\":[]}", HEAD "\"rows\":[[2,0,{}]],\"logs\":[]}",
        HEAD "\"rows\":[[-2,0,{}]],\"logs\":[]}", HEAD "\"rows\":[[0,0,7]],\"logs\":[]}",
        HEAD "\"rows\":[[0,9,{}]],\"logs\":[]}", HEAD "\"rows\":[[\"0\",0,{}]],\"logs\":[]}",
        HEAD "\"rows\":[[0,1,{}]],\"logs\":[]}", HEAD "\"rows\":[[-1,3,null]],\"logs\":[]}",
        HEAD "\"rows\":[[0,3,null],[0,3,null],[0,3,null]],\"logs\":[]}"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (read_text(bad[i]) != ERR_CORRUPT) {
            fail_msg("taken: %s", bad[i]);
        }
        assert_int_equal(job.result_count, 0);
    }
}

int main(void) {
    transform.parser = json_parser_new(DEPTH);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_mapped_to_the_inputs_of_the_step),
        cmocka_unit_test(outputs_are_those_of_the_events_in_their_order),
        cmocka_unit_test(of_a_batch_that_saw_what_another_did_nothing_counts),
        cmocka_unit_test(rows_to_run_again_are_kept_apart),
        cmocka_unit_test(a_batch_that_changed_the_language_runs_again_as_a_whole),
        cmocka_unit_test(what_no_worker_of_ours_would_say_is_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_fini(&job.arena);
    json_parser_free(transform.parser);
    return failed;
}
