/* The gateway's life: workers are made, bound, started, drained, joined. One worker is one loop with its own listener;
 * the kernel spreads connections over them (SO_REUSEPORT).
 *
 * Stopping: every worker drains its server; when all have, or grace_ms has passed, every worker closes its server,
 * waits for the batch that is with the store, and stops its loop. */
#include "gateway/gateway.h"

#include <errno.h>
#include <sched.h>
#include <time.h>

#include "gateway/gateway_internal.h"

static unsigned threads_by_default(void) {
    cpu_set_t set;
    unsigned cores = sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
    return cores >= 2 ? cores / 2 : 1;
}

static void on_drain(struct loop_msg *msg);
static void on_close(struct loop_msg *msg);

static enum err worker_init(struct worker *worker, struct gateway *gateway, unsigned number) {
    worker->gateway = gateway;
    worker->number = number;
    worker->defer.on_defer = gateway_on_defer;
    worker->drain_msg.on_msg = on_drain;
    worker->close_msg.on_msg = on_close;
    worker->received_ms = INT64_MIN;
    buf_init(&worker->page, /* ceiling: */ 0);
    worker->parser = json_parser_new((uint32_t)gateway->conf.max_depth);
    if (worker->parser == NULL) {
        return ERR_NOMEM;
    }
    char name[16];
    (void)snprintf(name, sizeof(name), "gateway-%u", number % 1000);
    worker->loop = loop_new(name);
    worker->gather = gateway_gather_new(worker);
    worker->server = gateway_serve(worker);
    gateway_stat_register(worker);
    return OK;
}

static void worker_close_server(struct worker *worker) {
    if (worker->server != NULL) {
        gateway_stat_remove(worker);
        http_server_free(worker->server);
        worker->server = NULL;
    }
}

/* Not running. */
static void worker_fini(struct worker *worker) {
    worker_close_server(worker);
    gateway_gather_free(worker->gather);
    while (worker->pool != NULL) {
        struct gather *gather = worker->pool;
        worker->pool = gather->next;
        gateway_gather_free(gather);
    }
    loop_free(worker->loop);
    gateway_snapshot_drop(worker);
    json_parser_free(worker->parser);
    buf_fini(&worker->page);
}

enum err gateway_new(const struct gateway_conf *conf, const struct gateway_deps *deps, struct gateway **ret_gateway,
    struct errinfo *why) {
    struct gateway *gateway = mem_alloc(sizeof(*gateway));
    gateway->conf = *conf;
    gateway->deps = *deps;
    gateway->limit = gateway_limit_of(conf->rate_limit, conf->rate_window);
    gateway_route_table_init(&gateway->routes);
    atomic_init(&gateway->ready, true);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&gateway->drained_one, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&gateway->lock, NULL);
    gateway_refusals_register(gateway);
    unsigned count = conf->threads > 0 ? (unsigned)conf->threads : threads_by_default();
    gateway->workers = mem_alloc(count * sizeof(*gateway->workers));
    for (unsigned i = 0; i < count; i++) {
        gateway->worker_count++;
        if (worker_init(&gateway->workers[i], gateway, i) != OK) {
            gateway_free(gateway);
            return err_why(ERR_NOMEM, why, "gateway", "no memory for %u threads", count);
        }
    }
    *ret_gateway = gateway;
    return OK;
}

/* The configured address with the port that the first worker got. */
static struct slice address_of(const struct gateway *gateway, uint16_t port, char *out, size_t size) {
    struct slice listen = gateway->conf.listen;
    size_t host = listen.len;
    while (host > 0 && listen.ptr[host - 1] != ':') {
        host--;
    }
    int len = snprintf(out, size, "%.*s%u", (int)host, listen.ptr, port);
    return slice_of(out, (size_t)len);
}

enum err gateway_start(struct gateway *gateway, uint16_t *ret_port, struct errinfo *why) {
    struct slice address = gateway->conf.listen;
    char text[300]; /* a host of at most 255 bytes (the knob's limit) and a port */
    uint16_t port = 0;
    for (unsigned i = 0; i < gateway->worker_count; i++) {
        enum err err = http_server_listen(gateway->workers[i].server, address, /* reuse_port: */ i > 0, &port, why);
        if (err != OK) {
            return err;
        }
        address = address_of(gateway, port, text, sizeof(text));
    }
    for (unsigned i = 0; i < gateway->worker_count; i++) {
        gateway->workers[i].started = true;
        loop_start(gateway->workers[i].loop);
    }
    *ret_port = port;
    return OK;
}

void gateway_set_ready(struct gateway *gateway, bool ready) {
    atomic_store_explicit(&gateway->ready, ready, memory_order_relaxed);
}

/* ---- stop ---- */

static void on_drained(void *ctx) {
    struct gateway *gateway = gateway_worker_of(ctx)->gateway;
    pthread_mutex_lock(&gateway->lock);
    gateway->drained++;
    pthread_cond_signal(&gateway->drained_one);
    pthread_mutex_unlock(&gateway->lock);
}

static void on_drain(struct loop_msg *msg) {
    struct worker *worker = CONTAINER_OF(msg, struct worker, drain_msg);
    http_server_drain(worker->server, on_drained, worker);
}

void gateway_maybe_stop(struct worker *worker) {
    if (worker->closing && !worker->appending && worker->webhooks == 0) {
        loop_stop(worker->loop);
    }
}

static void on_close(struct loop_msg *msg) {
    struct worker *worker = CONTAINER_OF(msg, struct worker, close_msg);
    worker_close_server(worker);
    worker->closing = true;
    gateway_gather_flush(worker);
    gateway_maybe_stop(worker);
}

static void wait_drained(struct gateway *gateway, int64_t grace_ms) {
    uint64_t until = clock_mono_ns() + (uint64_t)(grace_ms > 0 ? grace_ms : 0) * 1000000;
    struct timespec at = {.tv_sec = (time_t)(until / 1000000000), .tv_nsec = (long)(until % 1000000000)};
    int error = 0;
    pthread_mutex_lock(&gateway->lock);
    while (gateway->drained < gateway->worker_count && error != ETIMEDOUT) {
        error = pthread_cond_timedwait(&gateway->drained_one, &gateway->lock, &at);
    }
    pthread_mutex_unlock(&gateway->lock);
}

void gateway_stop(struct gateway *gateway, int64_t grace_ms) {
    if (!gateway->workers[0].started) {
        return;
    }
    gateway_set_ready(gateway, false);
    for (unsigned i = 0; i < gateway->worker_count; i++) {
        loop_post(gateway->workers[i].loop, &gateway->workers[i].drain_msg);
    }
    wait_drained(gateway, grace_ms);
    for (unsigned i = 0; i < gateway->worker_count; i++) {
        loop_post(gateway->workers[i].loop, &gateway->workers[i].close_msg);
    }
    for (unsigned i = 0; i < gateway->worker_count; i++) {
        loop_join(gateway->workers[i].loop);
        gateway->workers[i].started = false;
    }
}

void gateway_free(struct gateway *gateway) {
    if (gateway == NULL) {
        return;
    }
    for (unsigned i = 0; i < gateway->worker_count; i++) {
        ASSERT(!gateway->workers[i].started);
        worker_fini(&gateway->workers[i]);
    }
    mem_free(gateway->workers);
    gateway_refusals_remove(gateway);
    while (gateway->sources != NULL) {
        struct source_state *state = gateway->sources;
        gateway->sources = state->next;
        stat_group_remove(&state->group);
        mem_free(state);
    }
    pthread_cond_destroy(&gateway->drained_one);
    pthread_mutex_destroy(&gateway->lock);
    mem_free(gateway);
}

void gateway_counts(struct gateway *gateway, struct gateway_counts *ret_counts) {
    struct gateway_counts counts = {0};
    for (unsigned i = 0; i < gateway->worker_count; i++) {
        const struct gateway_stat *stat = &gateway->workers[i].stat;
        counts.events_stored += (uint64_t)stat_get(&stat->events_stored);
        counts.events_duplicate += (uint64_t)stat_get(&stat->events_duplicate);
        counts.events_rejected += (uint64_t)stat_get(&stat->events_rejected);
        counts.requests += (uint64_t)stat_get(&stat->requests);
        counts.requests_refused += (uint64_t)stat_get(&stat->requests_refused);
    }
    *ret_counts = counts;
}
