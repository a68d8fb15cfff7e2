/* All requests of one loop iteration go to the store as one batch; its on_done answers them. While a batch is with the
 * store, what comes gathers on: under load groups grow by themselves, there are fewer syncs, and nothing waits for a
 * timer.
 *
 * thread: the worker's loop. A batch belongs to the store from store_append to on_done. */
#include "base/fault.h"
#include "gateway/gateway_internal.h"

static void on_done(struct store_batch *batch);

struct gather *gateway_gather_new(struct worker *worker) {
    struct gather *gather = worker->pool;
    if (gather != NULL) {
        worker->pool = gather->next;
    } else {
        gather = mem_alloc(sizeof(*gather));
        gather->worker = worker;
        store_batch_init(&gather->batch, worker->loop, on_done);
    }
    gather->first = NULL;
    gather->last = &gather->first;
    return gather;
}

void gateway_gather_free(struct gather *gather) {
    if (gather != NULL) {
        store_batch_fini(&gather->batch);
        mem_free(gather);
    }
}

static void recycle(struct gather *gather) {
    struct worker *worker = gather->worker;
    if (gather->batch.frames.cap > GATEWAY_KEEP_BYTES) {
        store_batch_fini(&gather->batch);
        store_batch_init(&gather->batch, worker->loop, on_done);
    } else {
        store_batch_reset(&gather->batch);
    }
    gather->next = worker->pool;
    worker->pool = gather;
}

static void appending_set(struct worker *worker, bool appending, size_t bytes) {
    worker->appending = appending;
    worker->appending_bytes = bytes;
    stat_set(&worker->stat.appending_bytes, (int64_t)bytes);
}

void gateway_gather_flush(struct worker *worker) {
    struct gather *gather = worker->gather;
    if (gather->first == NULL || worker->appending) {
        return;
    }
    worker->gather = gateway_gather_new(worker);
    appending_set(worker, true, gather->batch.frames.len);
    gateway_count(&worker->stat.appends, 1);
    store_append(worker->gateway->deps.store, &gather->batch);
}

void gateway_on_defer(struct loop_defer *defer) {
    gateway_gather_flush(CONTAINER_OF(defer, struct worker, defer));
}

void gateway_gather_put(struct worker *worker, struct intake *intake) {
    struct gather *gather = worker->gather;
    intake->next = NULL;
    *gather->last = intake;
    gather->last = &intake->next;
    if (gather->batch.frames.len >= GATEWAY_GATHER_BYTES) {
        gateway_gather_flush(worker);
    } else {
        loop_defer(worker->loop, &worker->defer);
    }
}

static void answer(struct worker *worker, struct gather *gather) {
    enum err result = gather->batch.result;
    struct intake *intake = gather->first;
    while (intake != NULL) {
        struct intake *next = intake->next; /* the intake goes with the answer */
        if (result == OK) {
            gateway_report_events(worker, intake, &gather->batch);
            gateway_reply(worker, intake);
        } else {
            gateway_refuse(worker, intake, result, SLICE_NONE, /* wait_ms: */ 0);
        }
        intake = next;
    }
}

static void on_done(struct store_batch *batch) {
    struct gather *gather = CONTAINER_OF(batch, struct gather, batch);
    struct worker *worker = gather->worker;
    appending_set(worker, false, 0);
    if (batch->result != OK) {
        gateway_count(&worker->stat.append_failures, 1);
    }
    gateway_gather_flush(worker);    /* first, so that the store works while we answer */
    (void)FAULT(GATEWAY_BEFORE_ACK); /* for kill: durable, and nobody has been told */
    answer(worker, gather);
    recycle(gather);
    gateway_maybe_stop(worker);
}
