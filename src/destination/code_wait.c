/* Runs and judgements for callers that wait: the command line, cases, tests. */
#include <stdio.h>

#include "destination/code_internal.h"

struct waiting {
    struct destination_run *run;
    struct destination_judging *judging;
    struct loop *loop;
    bool done;
    enum err err;
    struct errinfo why;
};

/* One at a time and thread: on_done knows its caller only by this. */
static __thread struct waiting *waiting_now;

static void finish(enum err err, const struct errinfo *why) {
    waiting_now->done = true;
    waiting_now->err = err;
    waiting_now->why = *why;
    if (waiting_now->loop != NULL) {
        loop_stop(waiting_now->loop);
    }
}

static void on_run(struct destination_run *run, enum err err, const struct errinfo *why) {
    (void)run; /* shape of on_done, as is the next */
    finish(err, why);
}

static void on_judged(struct destination_judging *judging, enum err err, const struct errinfo *why) {
    (void)judging;
    finish(err, why);
}

static enum err wait_for(struct waiting *waiting, struct errinfo *why) {
    struct loop *loop = NULL;
    waiting_now = waiting;
    if (waiting->run != NULL) {
        loop = waiting->run->loop;
        waiting->run->on_done = on_run;
        destination_run(waiting->run);
    } else {
        loop = waiting->judging->loop;
        waiting->judging->on_done = on_judged;
        destination_judge(waiting->judging);
    }
    if (!waiting->done) {
        waiting->loop = loop;
        loop_run(loop);
    }
    waiting_now = NULL;
    if (waiting->err != OK && why != NULL) {
        *why = waiting->why;
    }
    return waiting->err;
}

enum err destination_run_wait(struct destination_run *run, struct errinfo *why) {
    struct waiting waiting = {.run = run};
    return wait_for(&waiting, why);
}

enum err destination_judge_wait(struct destination_judging *judging, struct errinfo *why) {
    struct waiting waiting = {.judging = judging};
    return wait_for(&waiting, why);
}
