/* See loop_call.h. The message lives on the caller's stack: the last thing that the loop does with it is to unlock the
 * mutex. */
#include "base/loop_call.h"

#include <pthread.h>

struct call {
    struct loop_msg msg;
    void (*fn)(void *arg);
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
};

static void on_call(struct loop_msg *msg) {
    struct call *call = CONTAINER_OF(msg, struct call, msg);
    call->fn(call->arg);
    pthread_mutex_lock(&call->lock);
    call->done = true;
    pthread_cond_signal(&call->changed);
    pthread_mutex_unlock(&call->lock);
}

void loop_call(struct loop *loop, void (*fn)(void *arg), void *arg) {
    ASSERT(!loop_is_current(loop));
    struct call call = {.msg = {.on_msg = on_call},
        .fn = fn,
        .arg = arg,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER};
    loop_post(loop, &call.msg);
    pthread_mutex_lock(&call.lock);
    while (!call.done) {
        pthread_cond_wait(&call.changed, &call.lock);
    }
    pthread_mutex_unlock(&call.lock);
    pthread_mutex_destroy(&call.lock);
    pthread_cond_destroy(&call.changed);
}
