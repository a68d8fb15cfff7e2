/* One turn of the processor's loop: a block at the tail for the attached lanes, then a smaller block for each detached
 * lane that can go on. A turn that left something to do posts the next one, so that other messages come in between;
 * otherwise the store's watch wakes the loop when the log grows. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "processor/processor_internal.h"

enum {
    RETRY_MS = 1000,
    CATCH_UP_SHARE = 4,     /* a lane that catches up reads this fraction of processor.read_bytes at a time */
    PARKED_PAUSE_MS = 60000 /* shortest pause between looks at parked events */
};

void processor_retry_later(struct processor *processor, const char *what, enum err e) {
    LOG(ERROR, "processor", what, "error=%s", err_name(e));
    stat_add(&processor->stat.read_errors, 1);
    if (!loop_timer_is_set(&processor->retry_timer)) {
        loop_timer_set(&processor->retry_timer, clock_ms() + RETRY_MS);
    }
}

void processor_turn_soon(struct processor *processor) {
    if (!processor->turn_posted && !processor->stopping) {
        processor->turn_posted = true;
        loop_post(processor->loop, &processor->turn_msg);
    }
}

void processor_on_room(void *ctx) {
    struct lane *lane = ctx;
    lane->blocked = false;
    processor_turn_soon(lane->processor);
}

void processor_lane_leave(struct lane *lane) {
    lane->attached = false;
    store_reader_close(lane->reader);
    lane->reader = NULL;
}

/* ---- handing over ---- */

static void count_verdict(struct processor *processor, enum verdict verdict) {
    stat_value *counter = verdict == VERDICT_DELIVER ? &processor->stat.handed
        : verdict == VERDICT_FILTER                  ? &processor->stat.filtered
                                                     : &processor->stat.expired;
    stat_add(counter, 1);
}

/* False: the outlet is full, the lane is blocked and stays at this record. filter_begin was called for the record. */
static bool hand_over(
    struct processor *processor, const struct hop *hop, struct store_block *block, const struct record *record) {
    enum reason reason = REASON_NONE;
    enum verdict verdict = filter_verdict(processor->filter, hop->connection, &reason);
    int64_t retention_ms = processor->deps.retention_ms;
    if (verdict == VERDICT_DELIVER && retention_ms > 0 && clock_ms() - record->head.received_ms > retention_ms) {
        verdict = VERDICT_EXPIRE;
        reason = REASON_RETENTION;
    }
    if (hop->lane->parked && verdict == VERDICT_DELIVER) {
        return false;
    }
    store_block_hold(block);
    struct handover handover = {.block = block, .record = record, .verdict = verdict, .reason = reason};
    if (!outlet_push(hop->lane->outlet, &handover)) {
        store_block_release(block);
        hop->lane->blocked = true;
        return false;
    }
    count_verdict(processor, verdict);
    return true;
}

static bool is_for(const struct record *record, const struct lane *lane) {
    return record->head.target == 0 || record->head.target == lane->destination;
}

static void lane_passed(struct lane *lane, uint64_t offset) {
    if (offset > lane->offset) {
        lane->offset = offset;
    }
    outlet_scanned(lane->outlet, lane->offset);
    outlet_flush(lane->outlet);
}

/* ---- the tail ---- */

static void dispatch(struct processor *processor, struct store_block *block, const struct record *record) {
    if ((record->head.flags & RECORD_REJECTED) != 0) {
        if (processor->rejects.attached && !rejects_take(processor, record)) {
            processor->rejects.attached = false;
        }
        return;
    }
    const struct route *route = processor_route(processor, record->head.source);
    if (route == NULL) {
        return;
    }
    filter_begin(processor->filter, record);
    for (size_t i = 0; i < route->hop_count; i++) {
        struct lane *lane = route->hops[i].lane;
        if (!lane->attached || record->offset < lane->offset || !is_for(record, lane)) {
            continue;
        }
        if (!hand_over(processor, &route->hops[i], block, record)) {
            lane->attached = false;
            lane_passed(lane, record->offset);
            stat_add(&processor->stat.detached, 1);
        }
    }
}

static bool tail_step(struct processor *processor) {
    struct store_block *block = NULL;
    enum err e = store_read(processor->tail, NULL, processor->conf.read_bytes, &block);
    if (e == ERR_END) {
        return false;
    }
    if (e != OK) {
        processor_retry_later(processor, "cannot read the tail of the log", e);
        return false;
    }
    (void)FAULT(PROCESSOR_BATCH); /* kill only */
    for (uint32_t i = 0; i < block->count; i++) {
        dispatch(processor, block, &block->records[i]);
    }
    stat_add(&processor->stat.records, block->count);
    processor->tail_offset = block->next;
    for (size_t i = 0; i < processor->lane_count; i++) {
        if (processor->lanes[i]->attached) {
            lane_passed(processor->lanes[i], block->next);
        }
    }
    if (processor->rejects.attached) {
        rejects_passed(processor, block->next);
    }
    store_block_release(block);
    return true;
}

/* ---- lanes on their own ---- */

static const struct hop *hop_of(const struct processor *processor, const struct lane *lane, uint64_t source) {
    const struct route *route = processor_route(processor, source);
    for (size_t i = 0; route != NULL && i < route->hop_count; i++) {
        if (route->hops[i].lane == lane) {
            return &route->hops[i];
        }
    }
    return NULL;
}

/* Hands over what the block has for the lane; returns up to where that went. */
static uint64_t lane_dispatch(struct lane *lane, struct store_block *block) {
    struct processor *processor = lane->processor;
    for (uint32_t i = 0; i < block->count; i++) {
        const struct record *record = &block->records[i];
        const struct hop *hop = hop_of(processor, lane, record->head.source);
        if (hop == NULL || (record->head.flags & RECORD_REJECTED) != 0 || record->offset < lane->offset) {
            continue;
        }
        filter_begin(processor->filter, record);
        if (!hand_over(processor, hop, block, record)) {
            if (lane->parked) {
                lane->parked_due_ms = record->head.received_ms + processor->deps.retention_ms + 1;
            }
            return record->offset;
        }
    }
    return block->next;
}

/* Reads on from lane.offset. OK: *ret_stopped = a record was not handed over. ERR_END: the head was reached. */
static enum err lane_read(struct lane *lane, bool *ret_stopped) {
    struct processor *processor = lane->processor;
    uint64_t head = store_head(processor->deps.store);
    if (lane->source_count == 0) {
        lane_passed(lane, head);
        return ERR_END;
    }
    if (lane->reader == NULL) {
        enum err e = store_reader_open(processor->deps.store, lane->offset, &lane->reader);
        if (e != OK) {
            return e;
        }
    }
    struct store_filter filter = {
        .sources = lane->sources, .source_count = lane->source_count, .target = lane->destination};
    struct store_block *block = NULL;
    enum err e = store_read(lane->reader, &filter, processor->conf.read_bytes / CATCH_UP_SHARE, &block);
    if (e == ERR_END) {
        lane_passed(lane, head);
        return ERR_END;
    }
    if (e != OK) {
        return e;
    }
    uint64_t next = block->next;
    uint64_t reached = lane_dispatch(lane, block);
    stat_add(&processor->stat.caught_up_records, block->count);
    store_block_release(block);
    lane_passed(lane, reached);
    *ret_stopped = reached != next;
    if (*ret_stopped) {
        store_reader_seek(lane->reader, reached);
    }
    return OK;
}

/* True: the lane can go on at once. */
static bool catch_up(struct lane *lane) {
    struct processor *processor = lane->processor;
    bool stopped = false;
    enum err e = lane_read(lane, &stopped);
    if (e != OK && e != ERR_END) {
        processor_retry_later(processor, "cannot read the log for a destination", e);
        return false;
    }
    if (stopped) {
        return false;
    }
    if (lane->offset >= processor->tail_offset) {
        processor_lane_leave(lane);
        lane->attached = true;
        return false;
    }
    return true;
}

/* Parked events leave only by age. */
static bool parked_step(struct lane *lane) {
    int64_t now = clock_ms();
    int64_t retention_ms = lane->processor->deps.retention_ms;
    if (retention_ms == 0 || lane->parked_due_ms > now) {
        return false;
    }
    bool stopped = false;
    enum err e = lane_read(lane, &stopped);
    if (e == OK && !stopped) {
        return true;
    }
    if (e == ERR_END) { /* what comes from now on is young */
        lane->parked_due_ms = now + retention_ms;
    } else if (e != OK) {
        processor_retry_later(lane->processor, "cannot read the log for a destination", e);
    }
    if (lane->parked_due_ms < now + PARKED_PAUSE_MS) {
        lane->parked_due_ms = now + PARKED_PAUSE_MS;
    }
    store_reader_close(lane->reader);
    lane->reader = NULL;
    return false;
}

static bool lanes_step(struct processor *processor) {
    bool more = false;
    int64_t parked_due_ms = INT64_MAX;
    for (size_t i = 0; i < processor->lane_count; i++) {
        struct lane *lane = processor->lanes[i];
        if (lane->known && !lane->attached && !lane->blocked) {
            more = (lane->parked ? parked_step(lane) : catch_up(lane)) || more;
        }
        if (lane->parked && !lane->blocked && lane->parked_due_ms < parked_due_ms) {
            parked_due_ms = lane->parked_due_ms;
        }
    }
    if (parked_due_ms != INT64_MAX && processor->deps.retention_ms > 0) {
        loop_timer_set(&processor->parked_timer, parked_due_ms);
    }
    return more;
}

/* ---- the turn ---- */

static void publish(struct processor *processor) {
    int64_t behind = 0;
    pthread_mutex_lock(&processor->lock);
    if (processor->info_room < processor->lane_count) {
        processor->info_room = processor->lane_count * 2;
        processor->infos = mem_resize(processor->infos, processor->info_room * sizeof *processor->infos);
    }
    for (size_t i = 0; i < processor->lane_count; i++) {
        const struct lane *lane = processor->lanes[i];
        processor->infos[i] = (struct processor_lane_info){lane->destination, lane->offset, lane->attached};
        behind += lane->attached ? 0 : 1;
    }
    processor->info_count = processor->lane_count;
    pthread_mutex_unlock(&processor->lock);
    stat_set(&processor->stat.lanes, (int64_t)processor->lane_count);
    stat_set(&processor->stat.lanes_behind, behind);
}

void processor_turn(struct processor *processor) {
    if (processor->stopping) {
        return;
    }
    if (workspace_cell_generation(processor->deps.cell) != workspace_info(processor->workspace)->generation) {
        processor_renew(processor, NULL);
    }
    bool more = tail_step(processor);
    more = lanes_step(processor) || more;
    more = rejects_step(processor) || more;
    publish(processor);
    if (more) {
        processor_turn_soon(processor);
    } else if (!processor->watching) {
        processor->watching = true;
        store_watch_arm(processor->deps.store, &processor->watch, processor->tail_offset);
    }
}
