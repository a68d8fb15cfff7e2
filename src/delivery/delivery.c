/* Life of delivery and calls from outside. Couriers run from delivery_new to delivery_stop; destinations are dealt out
 * to them in turn. */
#include "delivery/delivery.h"

#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop_call.h"
#include "delivery/delivery_internal.h"
#include "delivery/remove.h"

const char *destination_state_name(enum destination_state state) {
    static const char *const names[] = {"running", "waiting", "paused", "disabled", "unsupported", "retired"};
    return names[state];
}

enum err delivery_new(const struct delivery_conf *conf, const struct delivery_deps *deps,
    struct delivery **ret_delivery, struct errinfo *why) {
    if (conf->retry_min > conf->retry_max || conf->probe_min > conf->probe_max) {
        return err_why(ERR_INVALID, why, "delivery", "retry_min must not exceed retry_max, nor probe_min probe_max");
    }
    struct delivery *delivery = mem_alloc(sizeof *delivery);
    delivery->conf = *conf;
    delivery->deps = *deps;
    pthread_mutex_init(&delivery->lock, NULL);
    pthread_mutex_init(&delivery->calm_lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&delivery->calm, &monotonic);
    pthread_condattr_destroy(&monotonic);
    delivery->courier_count = conf->threads;
    delivery->couriers = mem_alloc(delivery->courier_count * sizeof *delivery->couriers);
    for (size_t i = 0; i < delivery->courier_count; i++) {
        courier_init(&delivery->couriers[i], delivery, i);
        loop_start(delivery->couriers[i].loop);
    }
    delivery->running = true;
    *ret_delivery = delivery;
    return OK;
}

/* ---- apply ---- */

struct sender_call {
    struct courier *courier;
    struct sender *sender;
    struct sender_settings *settings;
};

static void add_sender(void *arg) {
    struct sender_call *call = arg;
    struct courier *courier = call->courier;
    if (courier->sender_count == courier->sender_room) {
        courier->sender_room = courier->sender_room > 0 ? courier->sender_room * 2 : 16;
        courier->senders = mem_resize(courier->senders, courier->sender_room * sizeof(struct sender *));
    }
    courier->senders[courier->sender_count++] = call->sender;
    courier_touch(courier, call->sender);
}

static void swap_settings(void *arg) {
    struct sender_call *call = arg;
    sender_swap_settings(call->sender, call->settings);
}

/* thread: a caller of delivery's, under `lock`: only then does the set of senders change. */
static struct sender *find_sender(struct delivery *delivery, uint64_t key) {
    for (size_t i = 0; i < delivery->courier_count; i++) {
        for (size_t j = 0; j < delivery->couriers[i].sender_count; j++) {
            if (delivery->couriers[i].senders[j]->key == key) {
                return delivery->couriers[i].senders[j];
            }
        }
    }
    return NULL;
}

/* Where cursors that do not exist yet begin, and what is known of those that do. */
struct beginning {
    uint64_t start;
    const struct cursor_info *infos;
    size_t count;
};

static enum err apply_one(struct delivery *delivery, struct workspace *workspace, const struct destination *destination,
    const struct beginning *beginning, struct errinfo *why) {
    struct sender_call call = {0};
    enum err e = sender_settings_new(&delivery->conf, workspace, destination, &call.settings, why);
    if (e != OK) {
        return e;
    }
    call.sender = find_sender(delivery, destination->key);
    if (call.sender != NULL) {
        loop_call(call.sender->courier->loop, swap_settings, &call);
        return OK;
    }
    call.courier = &delivery->couriers[delivery->next_courier++ % delivery->courier_count];
    e = sender_new(call.courier, call.settings, beginning->start, &call.sender, why);
    if (e != OK) {
        sender_settings_release(call.settings);
        return e;
    }
    uint64_t scanned = call.sender->scanned; /* its loop may move it on from now on */
    loop_call(call.courier->loop, add_sender, &call);
    processor_attach(delivery->deps.processor, destination->key, call.sender->outlet, scanned);
    return OK;
}

/* Senders whose destination is gone, and cursors that a crash in the middle of a removal has left. */
static enum err remove_missing(
    struct delivery *delivery, struct workspace *workspace, const struct beginning *beginning) {
    for (size_t i = 0; i < delivery->courier_count; i++) {
        struct courier *courier = &delivery->couriers[i];
        for (size_t j = courier->sender_count; j > 0; j--) {
            if (workspace_destination_by_key(workspace, courier->senders[j - 1]->key) == NULL) {
                enum err e = delivery_remove_sender(courier->senders[j - 1]);
                if (e != OK) {
                    return e;
                }
            }
        }
    }
    for (size_t i = 0; i < beginning->count; i++) {
        const struct cursor_info *info = &beginning->infos[i];
        if (!info->retired && !info->open && workspace_destination_by_key(workspace, info->destination) == NULL) {
            enum err e = delivery_retire_orphan(delivery, info);
            if (e != OK) {
                return e;
            }
        }
    }
    return OK;
}

static bool is_first_start(const struct beginning *beginning) {
    for (size_t i = 0; i < beginning->count; i++) {
        if (beginning->infos[i].destination != 0) { /* 0: the processor's own */
            return false;
        }
    }
    return true;
}

static enum err apply(
    struct delivery *delivery, struct workspace *workspace, struct arena *arena, struct errinfo *why) {
    struct beginning beginning = {0};
    struct cursor_info *infos = NULL;
    enum err e = store_cursor_list(delivery->deps.store, arena, &infos, &beginning.count);
    if (e != OK) {
        return err_why(e, why, "", "the cursors cannot be listed: %s", err_text(e));
    }
    beginning.infos = infos;
    beginning.start = is_first_start(&beginning) ? 0 : store_head(delivery->deps.store);
    const struct workspace_info *info = workspace_info(workspace);
    for (size_t i = 0; i < info->destination_count; i++) {
        e = apply_one(delivery, workspace, info->destinations[i], &beginning, why);
        if (e != OK) {
            return e;
        }
    }
    e = remove_missing(delivery, workspace, &beginning);
    if (e != OK) {
        return err_why(e, why, "", "a removed destination cannot be retired: %s", err_text(e));
    }
    processor_adopt(delivery->deps.processor, workspace);
    return OK;
}

enum err delivery_apply(struct delivery *delivery, struct workspace *workspace, struct errinfo *why) {
    struct arena arena;
    arena_init(&arena, 16 * 1024, 0);
    pthread_mutex_lock(&delivery->lock);
    enum err e = delivery->running ? apply(delivery, workspace, &arena, why) : ERR_CLOSED;
    pthread_mutex_unlock(&delivery->lock);
    arena_fini(&arena);
    return e;
}

/* ---- stop ---- */

static void begin_stop(void *arg) {
    struct courier *courier = arg;
    courier->stopping = true;
    for (size_t i = 0; i < courier->sender_count; i++) {
        courier->senders[i]->stopping = true;
        loop_timer_clear(&courier->senders[i]->timer);
    }
    courier_stop_asking(courier);
    courier_landed(courier);
}

static void end_stop(void *arg) {
    struct courier *courier = arg;
    courier_cancel(courier, /* of all */ NULL);
    courier->stopped = true;
    courier_work(courier);
    for (size_t i = 0; i < courier->sender_count; i++) {
        /* with notes unwritten the state before is the true one: what was answered is tried again after the restart */
        if (!courier->notes_failed) {
            sender_save(courier->senders[i]); /* else the notes since the last save tell the same */
        }
    }
    courier_drop_outcomes(courier, /* of all */ NULL);
    loop_timer_clear(&courier->note_timer);
    http_client_free(courier->client);
    courier->client = NULL;
    courier_landed(courier); /* calls to workers may be out still: they come back to the loop */
}

static void wait_calm(struct delivery *delivery, struct courier *courier, const struct timespec *deadline) {
    pthread_mutex_lock(&delivery->calm_lock);
    int waited = 0;
    while (!courier->calm && waited == 0) {
        waited = pthread_cond_timedwait(&delivery->calm, &delivery->calm_lock, deadline);
    }
    pthread_mutex_unlock(&delivery->calm_lock);
}

/* Calls to workers end by their own limits, or because the transform has been freed. */
static void wait_empty(struct delivery *delivery, struct courier *courier) {
    pthread_mutex_lock(&delivery->calm_lock);
    while (!courier->empty) {
        pthread_cond_wait(&delivery->calm, &delivery->calm_lock);
    }
    pthread_mutex_unlock(&delivery->calm_lock);
}

void delivery_stop(struct delivery *delivery, int64_t grace_ms) {
    pthread_mutex_lock(&delivery->lock);
    if (delivery->running) {
        /* real time: requests in flight do not obey a test's clock */
        uint64_t end_ns = clock_mono_ns() + (uint64_t)(grace_ms > 0 ? grace_ms : 0) * 1000000;
        struct timespec deadline = {.tv_sec = (time_t)(end_ns / 1000000000), .tv_nsec = (long)(end_ns % 1000000000)};
        for (size_t i = 0; i < delivery->courier_count; i++) {
            loop_call(delivery->couriers[i].loop, begin_stop, &delivery->couriers[i]);
        }
        for (size_t i = 0; i < delivery->courier_count; i++) {
            wait_calm(delivery, &delivery->couriers[i], &deadline);
            loop_call(delivery->couriers[i].loop, end_stop, &delivery->couriers[i]);
        }
        delivery->running = false;
    }
    pthread_mutex_unlock(&delivery->lock);
}

void delivery_free(struct delivery *delivery) {
    if (delivery == NULL) {
        return;
    }
    delivery_stop(delivery, 0);
    for (size_t i = 0; i < delivery->courier_count; i++) {
        struct courier *courier = &delivery->couriers[i];
        wait_empty(delivery, courier);
        loop_stop(courier->loop);
        loop_join(courier->loop);
    }
    for (size_t i = 0; i < delivery->courier_count; i++) {
        courier_fini(&delivery->couriers[i]);
    }
    mem_free(delivery->couriers);
    pthread_mutex_destroy(&delivery->lock);
    pthread_mutex_destroy(&delivery->calm_lock);
    pthread_cond_destroy(&delivery->calm);
    mem_free(delivery);
}

/* ---- list ---- */

struct list_call {
    struct courier *courier;
    struct destination_info *out;
    enum err result;
};

static enum err count_behind(const struct sender *sender, uint64_t *ret_behind) {
    struct store *store = sender->delivery->deps.store;
    *ret_behind = 0;
    if (sender->settings->source_count == 0) {
        return OK;
    }
    struct store_filter filter = {
        .sources = sender->settings->sources, .source_count = sender->settings->source_count, .target = sender->key};
    enum err e = store_count(store, &filter, sender->scanned, store_head(store), ret_behind);
    size_t again = sender->ended_count - sender->ended_at; /* counted already, and handed over once more */
    *ret_behind -= again < *ret_behind ? again : *ret_behind;
    return e;
}

static enum err fill_info(struct sender *sender, struct destination_info *info) {
    *info = (struct destination_info){.key = sender->key,
        .state = sender_state(sender),
        .counts = sender->counts,
        .open = sender->lanes.count + sender_unloaded(sender) + sender->unnoted,
        .inflight = sender->begun,
        .queued = outlet_length(sender->outlet),
        .low = sender->low,
        .scanned = sender->scanned,
        .start = sender->start};
    FEED_SET(info->id, slice_cstr(sender->id));
    info->waiting = info->open - info->inflight;
    if (info->state == DESTINATION_PAUSED || info->state == DESTINATION_WAITING) {
        info->reason = sender->paused;
        int64_t probe_ms = sender_probe_due_ms(sender);
        info->next_probe_ms = probe_ms < INT64_MAX ? probe_ms : 0; /* none: it waits for new settings */
    }
    info->ahead = sender->ended_count - sender->ended_at;
    info->p50_us = stat_quantile(&sender->stat.attempt, 0.5);
    info->p99_us = stat_quantile(&sender->stat.attempt, 0.99);
    info->oldest_ms = sender->lanes.oldest != NULL ? sender->lanes.oldest->received_ms : 0;
    return count_behind(sender, &info->behind);
}

static void list_courier(void *arg) {
    struct list_call *call = arg;
    enum { TURNS = 16 };
    /* whatever this iteration has gathered so far, and what follows from it: a busy sender always has more to do */
    for (unsigned i = 0; i == 0 || (i < TURNS && call->courier->touched != NULL && !call->courier->notes_failed); i++) {
        courier_work(call->courier);
    }
    for (size_t i = 0; call->result == OK && i < call->courier->sender_count; i++) {
        call->result = fill_info(call->courier->senders[i], &call->out[i]);
    }
}

static enum err list(
    struct delivery *delivery, struct arena *arena, struct destination_info **ret_list, size_t *ret_count) {
    size_t count = 0;
    for (size_t i = 0; i < delivery->courier_count; i++) {
        count += delivery->couriers[i].sender_count;
    }
    struct destination_info *infos = ARENA_ARRAY(arena, struct destination_info, count + 1);
    size_t at = 0;
    for (size_t i = 0; i < delivery->courier_count; i++) {
        struct list_call call = {.courier = &delivery->couriers[i], .out = infos + at};
        loop_call(call.courier->loop, list_courier, &call);
        if (call.result != OK) {
            return call.result;
        }
        at += call.courier->sender_count;
    }
    *ret_list = infos;
    *ret_count = count;
    return OK;
}

enum err delivery_list(
    struct delivery *delivery, struct arena *arena, struct destination_info **ret_list, size_t *ret_count) {
    pthread_mutex_lock(&delivery->lock);
    enum err e = delivery->running ? list(delivery, arena, ret_list, ret_count) : ERR_CLOSED;
    pthread_mutex_unlock(&delivery->lock);
    return e;
}
