/* The helper thread: order, where things run, and freeing at every moment. */
#include "base/work.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"

enum { MANY = 2000 };

struct job {
    struct work work;
    struct loop *loop;
    uint32_t *ran, *done; /* counters: the helper's and the loop's */
    uint32_t ran_as, done_as, last;
    bool ran_on_loop;
};

static void run_job(struct work *work) {
    struct job *job = CONTAINER_OF(work, struct job, work);
    job->ran_as = (*job->ran)++;
    job->ran_on_loop = loop_is_current(job->loop);
}

static void job_done(struct work *work) {
    struct job *job = CONTAINER_OF(work, struct job, work);
    job->done_as = (*job->done)++;
    if (*job->done == job->last) {
        loop_stop(job->loop);
    }
}

static void work_runs_in_order_off_the_loop_and_ends_in_order_on_it(void **state) {
    (void)state;
    struct loop *loop = loop_new("work");
    struct work_queue *queue = work_queue_new(loop, "helper");
    static struct job jobs[MANY];
    uint32_t ran = 0, done = 0;
    for (size_t i = 0; i < MANY; i++) {
        jobs[i] = (struct job){
            .work = {.run = run_job, .on_done = job_done}, .loop = loop, .ran = &ran, .done = &done, .last = MANY};
        work_put(queue, &jobs[i].work);
    }
    loop_run(loop);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(jobs[i].ran_as, i);
        assert_int_equal(jobs[i].done_as, i);
        assert_false(jobs[i].ran_on_loop);
    }
    work_queue_free(queue);
    loop_free(loop);
}

static void work_put_after_the_queue_ran_empty_runs_too(void **state) {
    (void)state;
    struct loop *loop = loop_new("work");
    struct work_queue *queue = work_queue_new(loop, "helper");
    uint32_t ran = 0, done = 0;
    for (uint32_t i = 1; i <= 5; i++) {
        struct job *job = mem_alloc(sizeof *job);
        *job = (struct job){
            .work = {.run = run_job, .on_done = job_done}, .loop = loop, .ran = &ran, .done = &done, .last = i};
        work_put(queue, &job->work);
        loop_run(loop);
        assert_int_equal(done, i);
        mem_free(job);
    }
    work_queue_free(queue);
    loop_free(loop);
}

static void free_waits_for_all_work_and_reports_it_done(void **state) {
    (void)state;
    struct loop *loop = loop_new("work");
    struct work_queue *queue = work_queue_new(loop, "helper");
    static struct job jobs[100];
    uint32_t ran = 0, done = 0;
    for (size_t i = 0; i < COUNT_OF(jobs); i++) {
        jobs[i] = (struct job){.work = {.run = run_job, .on_done = job_done}, .loop = loop, .ran = &ran, .done = &done};
        work_put(queue, &jobs[i].work);
    }
    work_queue_free(queue);
    assert_int_equal(ran, COUNT_OF(jobs));
    assert_int_equal(done, COUNT_OF(jobs));
    loop_free(loop);
}

static void a_queue_without_work_starts_no_thread_and_frees(void **state) {
    (void)state;
    struct loop *loop = loop_new("work");
    work_queue_free(work_queue_new(loop, "helper"));
    work_queue_free(NULL);
    loop_free(loop);
}

struct last_job {
    struct work work;
    struct loop_msg end;
    struct loop *loop;
    struct work_queue *queue;
    bool done, ended;
};

static void run_nothing(struct work *work) {
    (void)work;
}

static void last_done(struct work *work) {
    CONTAINER_OF(work, struct last_job, work)->done = true;
}

static void on_end(struct loop_msg *msg) {
    struct last_job *job = CONTAINER_OF(msg, struct last_job, end);
    work_put(job->queue, &job->work);
    work_queue_free(job->queue);
    assert_true(job->done);
    job->ended = true;
    loop_stop(job->loop);
}

static void a_queue_may_be_freed_on_its_running_loop_with_work_outstanding(void **state) {
    (void)state;
    struct loop *loop = loop_new("work");
    struct last_job job = {.work = {.run = run_nothing, .on_done = last_done}, .end.on_msg = on_end, .loop = loop};
    job.queue = work_queue_new(loop, "helper");
    loop_post(loop, &job.end);
    loop_run(loop);
    assert_true(job.ended);
    /* the queue's own message may still be in the inbox; it frees the queue when it comes */
    loop_stop(loop);
    loop_run(loop);
    loop_free(loop);
}

int main(void) {
    alarm(60);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_runs_in_order_off_the_loop_and_ends_in_order_on_it),
        cmocka_unit_test(work_put_after_the_queue_ran_empty_runs_too),
        cmocka_unit_test(free_waits_for_all_work_and_reports_it_done),
        cmocka_unit_test(a_queue_without_work_starts_no_thread_and_frees),
        cmocka_unit_test(a_queue_may_be_freed_on_its_running_loop_with_work_outstanding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
