/* Life of the processor and calls from outside. See processor_internal.h for the states of a lane, turn.c for the work.
 */
#include "processor/processor.h"

#include "base/clock.h"
#include "base/loop_call.h"
#include "processor/processor_internal.h"

static const struct stat_info stat_infos[] = {
#define S(...) STAT_INFO_(struct processor_stat, __VA_ARGS__)
#include "processor/processor_stat.def"
#undef S
};

static void on_turn(struct loop_msg *msg) {
    struct processor *processor = CONTAINER_OF(msg, struct processor, turn_msg);
    processor->turn_posted = false;
    processor_turn(processor);
}

static void on_watch(struct loop_msg *msg) {
    struct store_watch *watch = CONTAINER_OF(msg, struct store_watch, msg);
    struct processor *processor = CONTAINER_OF(watch, struct processor, watch);
    processor->watching = false;
    if (processor->stopping) {
        loop_stop(processor->loop);
        return;
    }
    processor_turn(processor);
}

static void on_retry_timer(struct loop_timer *timer) {
    processor_turn_soon(CONTAINER_OF(timer, struct processor, retry_timer));
}

static void on_parked_timer(struct loop_timer *timer) {
    processor_turn_soon(CONTAINER_OF(timer, struct processor, parked_timer));
}

enum err processor_new(const struct processor_conf *conf, const struct processor_deps *deps,
    struct processor **ret_processor, struct errinfo *why) {
    struct processor *processor = mem_alloc(sizeof *processor);
    processor->conf = *conf;
    processor->deps = *deps;
    processor->loop = loop_new("processor");
    processor->filter = filter_new();
    processor->workspace = workspace_cell_get(deps->cell);
    processor->turn_msg.on_msg = on_turn;
    processor->watch.loop = processor->loop;
    processor->watch.msg.on_msg = on_watch;
    arena_init(&processor->routes_arena, 16 * 1024, 0);
    loop_timer_init(&processor->retry_timer, processor->loop, on_retry_timer);
    loop_timer_init(&processor->parked_timer, processor->loop, on_parked_timer);
    pthread_mutex_init(&processor->life, NULL);
    pthread_mutex_init(&processor->lock, NULL);
    processor_rebuild_routes(processor);
    processor->stat_group = (struct stat_group){
        .module = "processor", .info = stat_infos, .info_count = COUNT_OF(stat_infos), .base = &processor->stat};
    stat_group_add(&processor->stat_group);
    /* what is older than the head now, each lane reads by itself */
    processor->tail_offset = store_head(deps->store);
    enum err e = store_reader_open(deps->store, processor->tail_offset, &processor->tail);
    if (e != OK) {
        processor_free(processor);
        return err_why(e, why, "processor", "the log cannot be read: %s", err_text(e));
    }
    e = rejects_open(processor, why);
    if (e != OK) {
        processor_free(processor);
        return e;
    }
    *ret_processor = processor;
    return OK;
}

struct loop *processor_loop(struct processor *processor) {
    return processor->loop;
}

void processor_start(struct processor *processor) {
    pthread_mutex_lock(&processor->life);
    processor_turn_soon(processor); /* before its thread owns the state of the message */
    loop_start(processor->loop);
    processor->running = true;
    pthread_mutex_unlock(&processor->life);
}

static void end_work(void *arg) {
    struct processor *processor = arg;
    processor->stopping = true;
    loop_timer_clear(&processor->retry_timer);
    loop_timer_clear(&processor->parked_timer);
    rejects_close(processor);
    bool disarmed = store_watch_disarm(processor->deps.store, &processor->watch);
    if (disarmed || !processor->watching) {
        loop_stop(processor->loop);
    } /* else its message is on the way: on_watch stops the loop */
}

void processor_stop(struct processor *processor) {
    pthread_mutex_lock(&processor->life);
    if (processor->running) {
        loop_call(processor->loop, end_work, processor);
        loop_join(processor->loop);
        processor->running = false;
    }
    pthread_mutex_unlock(&processor->life);
}

void processor_free(struct processor *processor) {
    if (processor == NULL) {
        return;
    }
    ASSERT(!processor->running);
    rejects_close(processor);
    for (size_t i = 0; i < processor->lane_count; i++) {
        store_reader_close(processor->lanes[i]->reader);
        mem_free(processor->lanes[i]);
    }
    store_reader_close(processor->tail);
    stat_group_remove(&processor->stat_group);
    loop_timer_clear(&processor->parked_timer);
    loop_free(processor->loop);
    filter_free(processor->filter);
    workspace_release(processor->workspace);
    arena_fini(&processor->routes_arena);
    mem_free(processor->lanes);
    mem_free(processor->infos);
    pthread_mutex_destroy(&processor->life);
    pthread_mutex_destroy(&processor->lock);
    mem_free(processor);
}

/* ---- calls from outside ---- */

struct outlet *processor_outlet_new(
    struct processor *processor, struct loop *consumer, void (*on_ready)(void *ctx), void *ctx) {
    return outlet_new(&(struct outlet_conf){.producer = processor->loop,
        .consumer = consumer,
        .events = (uint32_t)processor->conf.queue_events,
        .bytes = processor->conf.queue_bytes,
        .on_ready = on_ready,
        .ready_ctx = ctx});
}

struct lane_call {
    struct processor *processor;
    uint64_t destination;
    struct outlet *outlet;
    uint64_t offset;
    struct workspace *workspace;
};

/* On the loop while it runs; else nobody else is there. */
static void run(struct processor *processor, void (*fn)(void *arg), struct lane_call *call) {
    call->processor = processor;
    pthread_mutex_lock(&processor->life);
    if (processor->running) {
        loop_call(processor->loop, fn, call);
    } else {
        fn(call);
    }
    pthread_mutex_unlock(&processor->life);
}

static void attach(void *arg) {
    struct lane_call *call = arg;
    struct processor *processor = call->processor;
    struct lane *lane = mem_alloc(sizeof *lane);
    *lane = (struct lane){
        .processor = processor, .destination = call->destination, .outlet = call->outlet, .offset = call->offset};
    outlet_feed(lane->outlet, processor_on_room, lane);
    if (processor->lane_count == processor->lane_room) {
        processor->lane_room = processor->lane_room > 0 ? processor->lane_room * 2 : 16;
        processor->lanes = mem_resize(processor->lanes, processor->lane_room * sizeof(struct lane *));
    }
    processor->lanes[processor->lane_count++] = lane;
    processor_rebuild_routes(processor);
    processor_turn_soon(processor);
}

static void detach(void *arg) {
    struct lane_call *call = arg;
    struct processor *processor = call->processor;
    for (size_t i = 0; i < processor->lane_count; i++) {
        struct lane *lane = processor->lanes[i];
        if (lane->destination == call->destination) {
            processor->lanes[i] = processor->lanes[--processor->lane_count];
            processor_lane_leave(lane);
            outlet_feed(lane->outlet, NULL, NULL);
            processor_rebuild_routes(processor);
            mem_free(lane);
            return;
        }
    }
}

static void adopt(void *arg) {
    struct lane_call *call = arg;
    processor_renew(call->processor, call->workspace);
    processor_turn_soon(call->processor);
}

void processor_attach(struct processor *processor, uint64_t destination, struct outlet *outlet, uint64_t offset) {
    run(processor, attach, &(struct lane_call){.destination = destination, .outlet = outlet, .offset = offset});
}

void processor_detach(struct processor *processor, uint64_t destination) {
    run(processor, detach, &(struct lane_call){.destination = destination});
}

void processor_adopt(struct processor *processor, struct workspace *workspace) {
    run(processor, adopt, &(struct lane_call){.workspace = workspace});
}

size_t processor_lanes(struct processor *processor, struct processor_lane_info *out, size_t max) {
    pthread_mutex_lock(&processor->lock);
    size_t count = processor->info_count < max ? processor->info_count : max;
    for (size_t i = 0; i < count; i++) {
        out[i] = processor->infos[i];
    }
    pthread_mutex_unlock(&processor->lock);
    return count;
}
