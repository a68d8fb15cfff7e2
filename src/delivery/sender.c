/* A sender: one destination. Its turn (sender_pump): load what was open before the restart, take, end what is too old,
 * send as far as concurrency, rate, pauses and the circuit allow, and set one timer for the soonest thing that time
 * will change. */
#include "delivery/delivery_internal.h"
#include "delivery/user_code.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"

enum { RESTART_ARENA_CHUNK = 4096 };

static const struct stat_info stat_infos[] = {
#define S(...) STAT_INFO_(struct delivery_stat, __VA_ARGS__)
#include "delivery/delivery_stat.def"
#undef S
};

/* ---- life ---- */

static void on_ready(void *ctx) {
    struct sender *sender = ctx;
    sender->outlet_has_more = true;
    courier_touch(sender->courier, sender);
}

static void on_timer(struct loop_timer *timer) {
    struct sender *sender = CONTAINER_OF(timer, struct sender, timer);
    courier_touch(sender->courier, sender);
}

/* destination="id", escaped as Prometheus wants it. */
static void set_label(struct stat_group *group, const char *id) {
    size_t len = (size_t)snprintf(group->labels, sizeof group->labels, "destination=\"");
    for (const char *c = id; *c != '\0' && len + 4 < sizeof group->labels; c++) {
        if (*c == '"' || *c == '\\') {
            group->labels[len++] = '\\';
        }
        group->labels[len++] = *c == '\n' ? ' ' : *c;
    }
    group->labels[len++] = '"';
    group->labels[len] = '\0';
}

static void restore(struct sender *sender, const struct cursor_state *state) {
    int64_t now_ms = clock_ms();
    sender->start = state->start;
    sender->scanned = sender->low = state->scanned;
    sender->counts = state->counts;
    sender->entries = state->open;
    sender->entry_count = state->open_count;
    sender->ended = state->ended;
    sender->ended_count = state->ended_count;
    sender->paused = state->paused;
    sender->pause_probe_due_ms = now_ms; /* settings may have changed while we were away */
    stat_set(&sender->stat.paused, state->paused != REASON_NONE);
}

static enum err open_cursor(struct sender *sender, uint64_t start) {
    struct cursor_state state = {0};
    enum err e = store_cursor_open(sender->delivery->deps.store, sender->key, sender->settings->destination->id, start,
        &sender->restart_arena, &sender->cursor, &state);
    if (e != OK) {
        return e;
    }
    restore(sender, &state);
    return OK;
}

/* Without its code nothing may go out; new settings end a pause that code was the cause of. */
static void heed_code(struct sender *sender) {
    const char *missing = user_code_missing(sender->settings);
    if (missing != NULL) {
        LOG(ERROR, "delivery", missing, "destination=%s", sender->id);
        sender_pause(sender, REASON_TRANSFORMATION_MISSING);
    } else if (sender->paused == REASON_TRANSFORMATION_MISSING || sender->paused == REASON_TRANSFORMATION_STOPPED) {
        sender_resume(sender, /* probe */ true);
    }
}

enum err sender_new(struct courier *courier, struct sender_settings *settings, uint64_t start,
    struct sender **ret_sender, struct errinfo *why) {
    struct sender *sender = mem_alloc(sizeof *sender);
    const struct destination *destination = settings->destination;
    int64_t now_ms = clock_ms();
    sender->delivery = courier->delivery;
    sender->courier = courier;
    sender->key = destination->key;
    sender->settings = settings;
    FEED_SET(sender->id, destination->id);
    arena_init(&sender->restart_arena, RESTART_ARENA_CHUNK, 0);
    enum err e = open_cursor(sender, start);
    if (e != OK) {
        arena_fini(&sender->restart_arena);
        mem_free(sender);
        return err_why(
            e, why, "", "the cursor of destination %.*s cannot be opened: %s", SLICE_ARG(destination->id), err_text(e));
    }
    lanes_init(&sender->lanes);
    breaker_init(&sender->breaker);
    throttle_init(&sender->throttle, destination->rules.rate, now_ms);
    loop_timer_init(&sender->timer, courier->loop, on_timer);
    sender->outlet = processor_outlet_new(courier->delivery->deps.processor, courier->loop, on_ready, sender);
    sender->stat_group = (struct stat_group){
        .module = "delivery", .info = stat_infos, .info_count = COUNT_OF(stat_infos), .base = &sender->stat};
    set_label(&sender->stat_group, sender->id);
    stat_group_add(&sender->stat_group);
    heed_code(sender);
    *ret_sender = sender;
    return OK;
}

void sender_free(struct sender *sender) {
    struct item *next;
    for (struct item *item = sender->lanes.oldest; item != NULL; item = next) {
        next = item->newer;
        mem_free(item->payload);
        mem_free(item);
    }
    sender->lanes.count = 0;
    lanes_fini(&sender->lanes);
    stat_group_remove(&sender->stat_group);
    store_cursor_close(sender->cursor);
    outlet_free(sender->outlet);
    sender_settings_release(sender->settings);
    arena_fini(&sender->restart_arena);
    mem_free(sender);
}

bool sender_is_away(const struct sender *sender) {
    return sender->breaker.open || sender->paused != REASON_NONE;
}

enum destination_state sender_state(const struct sender *sender) {
    if (!sender->settings->destination->enabled) {
        return DESTINATION_DISABLED;
    }
    if (sender->settings->kind == NULL) {
        return DESTINATION_UNSUPPORTED;
    }
    if (sender->paused != REASON_NONE) {
        return DESTINATION_PAUSED;
    }
    return sender->breaker.open ? DESTINATION_WAITING : DESTINATION_RUNNING;
}

void sender_swap_settings(struct sender *sender, struct sender_settings *settings) {
    int64_t now_ms = clock_ms();
    sender_recall(sender); /* what is in flight or in preparation keeps its settings */
    sender_settings_release(sender->settings);
    sender->settings = settings;
    throttle_set_rate(&sender->throttle, settings->destination->rules.rate, now_ms);
    sender->pause_probe_due_ms = now_ms; /* what was wrong may be right now */
    if (sender->breaker.open) {
        sender->breaker.probe_due_ms = now_ms;
    }
    heed_code(sender);
    courier_touch(sender->courier, sender);
}

/* ---- payloads ---- */

void sender_drop_payload(struct sender *sender, struct item *item) {
    if (item->payload != NULL) {
        sender->held_bytes -= item->payload_len + JSON_PADDING;
        mem_free(item->payload);
        item->payload = NULL;
    }
}

enum err sender_load_payload(struct sender *sender, struct item *item) {
    if (item->payload != NULL) {
        return OK;
    }
    struct store_block *block = NULL;
    enum err e = store_get(sender->delivery->deps.store, item->offset, &block);
    if (e != OK) {
        return e;
    }
    struct slice payload = block->records[0].payload;
    item->payload = mem_try_alloc(payload.len + JSON_PADDING);
    if (item->payload != NULL) {
        memcpy(item->payload, payload.ptr, payload.len);
        item->payload_len = (uint32_t)payload.len;
        sender->held_bytes += payload.len + JSON_PADDING;
        stat_add(&sender->stat.reread, 1);
    }
    store_block_release(block);
    return item->payload != NULL ? OK : ERR_NOMEM;
}

/* ---- the turn ---- */

static void end_disabled(struct sender *sender) {
    for (struct item *item = sender->lanes.oldest; item != NULL; item = item->newer) {
        if (item->state != ITEM_TAKEN && !item->ending) {
            courier_add_outcome(sender->courier, sender, item, NOTE_FILTERED, REASON_DESTINATION_DISABLED);
        }
    }
}

/* Requests of loads that have begun, then more loads. True: something went out, or ended in trying. */
static bool send_ready(struct sender *sender, int64_t now_ms) {
    uint32_t limit = breaker_limit(&sender->breaker, sender->settings->concurrency);
    bool progress = false;
    while (sender->inflight < limit && now_ms >= sender->hold_until_ms && throttle_is_open(&sender->throttle, now_ms)) {
        struct attempt *attempt = sender_next_attempt(sender);
        if (attempt != NULL) {
            (void)throttle_take(&sender->throttle, now_ms); /* it is open */
            attempt_send(attempt);
        } else if (sender->inflight + sender->preparing >= limit || !sender_load_next(sender, now_ms)) {
            break;
        }
        progress = true;
    }
    return progress;
}

int64_t sender_probe_due_ms(const struct sender *sender) {
    int64_t due_ms = sender->paused != REASON_NONE ? sender->pause_probe_due_ms : sender->breaker.probe_due_ms;
    return due_ms > sender->hold_until_ms ? due_ms : sender->hold_until_ms;
}

/* A new event rather than one that has failed before: those may be what the destination cannot digest. */
static void send_probe(struct sender *sender, int64_t now_ms) {
    if (sender->lanes.ready_count == 0) {
        sender_take_one(sender, now_ms);
    }
    struct item *item = lanes_take_soonest(&sender->lanes);
    if (item != NULL) {
        sender_probe(sender, item);
        return;
    }
    /* what is open is in flight or stands behind such: look again a little later */
    int64_t again_ms = now_ms + sender->delivery->conf.probe_min;
    sender->pause_probe_due_ms = again_ms;
    sender->breaker.probe_due_ms = again_ms;
}

/* Requests of the probe: neither the rate nor the requests in flight hold it back. */
static void send_probes(struct sender *sender) {
    struct attempt *attempt;
    while ((attempt = sender_next_attempt(sender)) != NULL) {
        attempt_send(attempt);
    }
}

static int64_t soonest(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* When time alone will change what the sender may do. */
static int64_t next_wake_ms(struct sender *sender, int64_t now_ms, int64_t expire_ms) {
    int64_t wake_ms = expire_ms;
    enum destination_state state = sender_state(sender);
    if (state == DESTINATION_RUNNING) {
        wake_ms = soonest(wake_ms, lanes_due(&sender->lanes, now_ms));
        bool has_work = sender->lanes.ready_count > 0 || sender->gathering != NULL || sender->queue_first != NULL;
        if (has_work && sender->hold_until_ms > now_ms) {
            wake_ms = soonest(wake_ms, sender->hold_until_ms);
        } else if (has_work && throttle_due_ms(&sender->throttle) > now_ms) {
            wake_ms = soonest(wake_ms, throttle_due_ms(&sender->throttle));
        } else if (sender->gathering != NULL && sender->gathering->gather_until_ms > now_ms) {
            wake_ms = soonest(wake_ms, sender->gathering->gather_until_ms);
        }
    } else if ((state == DESTINATION_WAITING || state == DESTINATION_PAUSED) && !sender->probing &&
        (sender->lanes.count > 0 || sender->outlet_has_more)) {
        wake_ms = soonest(wake_ms, sender_probe_due_ms(sender));
    }
    if (sender->dirty_since_ms != 0) {
        wake_ms = soonest(wake_ms, sender->dirty_since_ms + sender->delivery->conf.save_time);
    }
    return wake_ms;
}

static void set_timer(struct sender *sender, int64_t due_ms) {
    if (due_ms == INT64_MAX) {
        loop_timer_clear(&sender->timer);
    } else if (!loop_timer_is_set(&sender->timer) || sender->timer.due_ms != due_ms) {
        loop_timer_set(&sender->timer, due_ms);
    }
}

static void publish(struct sender *sender) {
    stat_set(&sender->stat.open, (int64_t)sender->lanes.count);
    stat_set(&sender->stat.waiting, (int64_t)sender->lanes.waiting_count);
    stat_set(&sender->stat.held_bytes, (int64_t)sender->held_bytes);
}

static void take_and_send(struct sender *sender, int64_t now_ms) {
    switch (sender_state(sender)) {
    case DESTINATION_RUNNING:
        do {
            (void)lanes_due(&sender->lanes, now_ms); /* next_wake_ms asks for the next one */
            sender_take(sender, now_ms);
        } while (send_ready(sender, now_ms) && sender->outlet_has_more);
        return;
    case DESTINATION_WAITING:
    case DESTINATION_PAUSED:
        if (!sender->probing && now_ms >= sender_probe_due_ms(sender)) {
            send_probe(sender, now_ms);
        }
        send_probes(sender);
        return;
    default:
        sender_take(sender, now_ms);
        return;
    }
}

void sender_pump(struct sender *sender) {
    int64_t now_ms = clock_ms();
    if (sender->stopping) {
        return;
    }
    if (sender->load_retry_ms > now_ms) {
        set_timer(sender, sender->load_retry_ms);
        return;
    }
    if (sender_load(sender)) {
        if (sender->load_retry_ms > now_ms) {
            set_timer(sender, sender->load_retry_ms);
        }
        return;
    }
    if (sender_state(sender) != DESTINATION_RUNNING || sender->hold_until_ms > now_ms) {
        sender_recall(sender);
    }
    int64_t expire_ms = sender_expire(sender, now_ms);
    if (!sender->settings->destination->enabled) {
        end_disabled(sender);
    }
    take_and_send(sender, now_ms);
    if (expire_ms == INT64_MAX && sender->lanes.oldest != NULL) {
        expire_ms = sender_expire(sender, now_ms);
    }
    set_timer(sender, next_wake_ms(sender, now_ms, expire_ms));
    publish(sender);
}
