/* For tests in process: a store in a directory of its own, a processor, delivery, and a sink that answers by a script.
 * Nothing sleeps: waiting means blocking on a condition or on an answer, with a deadline that only a failure reaches.
 */
#ifndef SLUICE_DELIVERY_DELIVERY_TESTING_H
#define SLUICE_DELIVERY_DELIVERY_TESTING_H

#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/loop_call.h"
#include "delivery/delivery.h"
#include "http/server.h"
#include "transform/transform.h"
#include "json/json.h"

enum { RIG_NAMES = 4096, RIG_NAME_BYTES = 64, RIG_DEADLINE_S = 20 };
#define RIG_CLOCK_MS INT64_C(1786060800000)

/* ---- the sink ---- */

struct sink_answer {
    int status;
    const char *retry_after;
    const char *body; /* NULL = "said the sink" */
    bool hold;        /* answered by sink_release, with this status */
};

struct sink {
    struct loop *loop;
    struct http_server *server;
    uint16_t port;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct sink_answer (*answer)(const char *event, unsigned number, void *ctx); /* under lock; number: of this event */
    void *ctx;
    char names[RIG_NAMES][RIG_NAME_BYTES]; /* of all arrivals, in order; those of a batch joined by + */
    int statuses[RIG_NAMES];
    unsigned count, ok;
    struct http_request *held[RIG_NAMES];
    unsigned held_count;
};

static inline struct sink_answer sink_says_ok(const char *event, unsigned number, void *ctx) {
    (void)event;
    (void)number;
    (void)ctx;
    return (struct sink_answer){.status = 200};
}

static inline void sink_respond(struct http_request *request, const struct sink_answer *answer) {
    struct http_header retry_after = {SLICE("Retry-After"), slice_cstr(answer->retry_after)};
    struct http_response response = {.status = answer->status,
        .content_type = SLICE("text/plain"),
        .body = answer->body != NULL ? slice_cstr(answer->body) : SLICE("said the sink"),
        .headers = &retry_after,
        .header_count = answer->retry_after != NULL ? 1 : 0};
    http_respond(request, &response);
}

static inline unsigned sink_count_of(const struct sink *sink, const char *name) {
    unsigned count = 0;
    for (unsigned i = 0; i < sink->count; i++) {
        count += strcmp(sink->names[i], name) == 0 ? 1 : 0;
    }
    return count;
}

/* The event's name, or those of {"items": [events]}. */
static inline void sink_read_names(struct http_request *request, char *out, size_t size) {
    struct json_parser *parser = json_parser_new(64);
    struct json_doc doc;
    size_t len = (size_t)snprintf(out, size, "?");
    if (json_parse(parser, request->body, &doc, NULL) == OK) {
        uint32_t items = json_find(&doc, 0, SLICE("items"));
        uint32_t node = items == JSON_ABSENT ? 0 : json_first(&doc, items);
        for (len = 0; node != JSON_ABSENT; node = items == JSON_ABSENT ? JSON_ABSENT : json_after(&doc, items, node)) {
            struct slice name = json_string(&doc, json_find(&doc, node, SLICE("event")), &request->arena);
            len += (size_t)snprintf(out + len, size - len, "%s%.*s", len > 0 ? "+" : "", SLICE_ARG(name));
            ASSERT(len < size);
        }
    }
    json_parser_free(parser);
}

static inline void sink_on_request(void *ctx, struct http_request *request) {
    struct sink *sink = ctx;
    char text[RIG_NAME_BYTES];
    sink_read_names(request, text, sizeof text);
    pthread_mutex_lock(&sink->lock);
    ASSERT(sink->count < RIG_NAMES);
    struct sink_answer answer = sink->answer(text, sink_count_of(sink, text), sink->ctx);
    memcpy(sink->names[sink->count], text, sizeof text);
    sink->statuses[sink->count++] = answer.hold ? 0 : answer.status;
    sink->ok += !answer.hold && answer.status < 300 ? 1 : 0;
    if (answer.hold) {
        sink->held[sink->held_count++] = request;
    } else {
        sink_respond(request, &answer);
    }
    pthread_cond_broadcast(&sink->changed);
    pthread_mutex_unlock(&sink->lock);
}

static inline void sink_listen(void *arg) {
    struct sink *sink = arg;
    static const struct http_limits limits = {.header_bytes = 65536,
        .body_bytes = 1 << 20,
        .inflated_bytes = 1 << 20,
        .connections = 1000,
        .requests = 1000,
        .buffered_bytes = 1 << 26,
        .header_ms = 600000,
        .body_ms = 600000,
        .idle_ms = INT64_C(1) << 40,
        .write_ms = 600000};
    struct http_handlers handlers = {.on_request = sink_on_request, .ctx = sink};
    sink->server = http_server_new(sink->loop, &limits, &handlers);
    struct errinfo why = {0};
    assert_int_equal(http_server_listen(sink->server, SLICE("127.0.0.1:0"), false, &sink->port, &why), OK);
}

static inline void sink_release_all(void *arg) {
    struct sink *sink = arg;
    pthread_mutex_lock(&sink->lock);
    for (unsigned i = 0; i < sink->held_count; i++) {
        sink_respond(sink->held[i], &(struct sink_answer){.status = 200});
    }
    sink->ok += sink->held_count;
    sink->held_count = 0;
    pthread_mutex_unlock(&sink->lock);
}

static inline void sink_shut(void *arg) {
    struct sink *sink = arg;
    sink_release_all(sink); /* every request is answered once, also one whose client has gone */
    http_server_free(sink->server);
}

static inline void sink_open(struct sink *sink) {
    sink->loop = loop_new("sink");
    sink->answer = sink_says_ok;
    pthread_mutex_init(&sink->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&sink->changed, &monotonic);
    loop_start(sink->loop);
    loop_call(sink->loop, sink_listen, sink);
}

static inline void sink_close(struct sink *sink) {
    loop_call(sink->loop, sink_shut, sink);
    loop_stop(sink->loop);
    loop_join(sink->loop);
    loop_free(sink->loop);
    pthread_mutex_destroy(&sink->lock);
    pthread_cond_destroy(&sink->changed);
}

static inline void sink_set(
    struct sink *sink, struct sink_answer (*answer)(const char *, unsigned, void *), void *ctx) {
    pthread_mutex_lock(&sink->lock);
    sink->answer = answer;
    sink->ctx = ctx;
    pthread_mutex_unlock(&sink->lock);
}

static inline void sink_release(struct sink *sink) {
    loop_call(sink->loop, sink_release_all, sink);
}

/* Until `count` requests have arrived in all, or (ok) were answered 2xx. */
static inline void sink_wait(struct sink *sink, unsigned count, bool ok) {
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += RIG_DEADLINE_S;
    pthread_mutex_lock(&sink->lock);
    int waited = 0;
    while ((ok ? sink->ok : sink->count) < count && waited == 0) {
        waited = pthread_cond_timedwait(&sink->changed, &sink->lock, &deadline);
    }
    unsigned arrived = sink->count, accepted = sink->ok;
    pthread_mutex_unlock(&sink->lock);
    if (waited != 0) {
        fail_msg("waited for %u requests: %u arrived, %u accepted", count, arrived, accepted);
    }
}

struct sink_counts {
    unsigned arrived, ok, held;
};

static inline struct sink_counts sink_counts(struct sink *sink) {
    pthread_mutex_lock(&sink->lock);
    struct sink_counts counts = {sink->count, sink->ok, sink->held_count};
    pthread_mutex_unlock(&sink->lock);
    return counts;
}

/* Forgets what has arrived so far. */
static inline void sink_reset(struct sink *sink) {
    pthread_mutex_lock(&sink->lock);
    sink->count = sink->ok = 0;
    pthread_mutex_unlock(&sink->lock);
}

/* The names of what was answered 2xx, in order, joined by blanks. */
static inline const char *sink_accepted(struct sink *sink, char *out, size_t size) {
    size_t len = 0;
    out[0] = '\0';
    pthread_mutex_lock(&sink->lock);
    for (unsigned i = 0; i < sink->count; i++) {
        if (sink->statuses[i] >= 200 && sink->statuses[i] < 300) {
            len += (size_t)snprintf(out + len, size - len, "%s%s", len > 0 ? " " : "", sink->names[i]);
        }
    }
    pthread_mutex_unlock(&sink->lock);
    return out;
}

/* ---- the rig ---- */

struct rig {
    char dir[64];
    struct arena arena;
    struct store_conf store_conf;
    struct processor_conf processor_conf;
    struct delivery_conf delivery_conf;
    struct store *store;
    struct feed *feed;
    struct workspace_cell *cell;
    struct processor *processor;
    struct delivery *delivery;
    struct loop *append_loop;
    struct sink sink;
    const struct transform_deps *transform_deps; /* NULL: no workers */
    struct transform_conf transform_conf;
    struct transform *transform;
};

static inline struct workspace *rig_workspace(struct rig *rig, const char *destinations, const char *connections) {
    static const struct workspace_types types = {.check = delivery_check};
    char yaml[4096];
    snprintf(yaml, sizeof yaml,
        "version: 1\nworkspace: {id: t, name: T}\nsources:\n  - {id: web, write_key: wk}\ndestinations:\n");
    for (const char *c = destinations; *c != '\0'; c++) { /* @ stands for the sink's URL */
        size_t len = strlen(yaml);
        if (*c == '@') {
            snprintf(yaml + len, sizeof yaml - len, "\"http://127.0.0.1:%u/\"", rig->sink.port);
        } else {
            snprintf(yaml + len, sizeof yaml - len, "%c", *c);
        }
    }
    size_t len = strlen(yaml);
    snprintf(yaml + len, sizeof yaml - len, "connections:\n%s", connections);
    struct workspace *workspace = NULL;
    struct errinfo why = {0};
    enum err e = workspace_parse(slice_cstr(yaml), "test.yaml", &types, &workspace, &why);
    if (e != OK) {
        fail_msg("%s: %s\n%s", why.path, why.text, yaml);
    }
    return workspace;
}

#define RIG_HOOK(rules) "  - {id: hook, type: WEBHOOK, config: {webhookUrl: @}, delivery: {" rules "}}\n"
#define RIG_CONNECTED "  - {from: web, to: hook}\n"

static inline void rig_start(struct rig *rig, const char *destinations, const char *connections) {
    struct errinfo why = {0};
    assert_int_equal(store_open(&rig->store_conf, &rig->store, &why), OK);
    struct workspace *workspace = rig_workspace(rig, destinations, connections);
    rig->cell = workspace_cell_new(workspace);
    rig->feed = feed_new();
    struct processor_deps processor = {
        .store = rig->store, .feed = rig->feed, .cell = rig->cell, .retention_ms = rig->store_conf.retention_age};
    assert_int_equal(processor_new(&rig->processor_conf, &processor, &rig->processor, &why), OK);
    if (rig->transform_deps != NULL) {
        rig->transform = transform_new(&rig->transform_conf, rig->transform_deps);
    }
    struct delivery_deps delivery = {.store = rig->store,
        .transform = rig->transform,
        .processor = rig->processor,
        .feed = rig->feed,
        .cell = rig->cell,
        .retention_ms = rig->store_conf.retention_age};
    assert_int_equal(delivery_new(&rig->delivery_conf, &delivery, &rig->delivery, &why), OK);
    assert_int_equal(delivery_apply(rig->delivery, workspace, &why), OK);
    processor_start(rig->processor);
}

static inline void rig_stop(struct rig *rig) {
    processor_stop(rig->processor);
    delivery_stop(rig->delivery, 0);
    transform_free(rig->transform);
    rig->transform = NULL;
    delivery_free(rig->delivery);
    processor_free(rig->processor);
    workspace_cell_free(rig->cell);
    feed_free(rig->feed);
    store_close(rig->store);
}

static inline void rig_fault(const char *spec) {
    struct errinfo why = {0};
    assert_int_equal(fault_arm(slice_cstr(spec), &why), OK);
}

static inline int rig_setup(void **state) {
    struct rig *rig = mem_alloc(sizeof *rig);
    rig_fault("STORE_NOTE=off,STORE_DEAD_PUT=off,STORE_CHECKPOINT_WRITE=off"); /* of a test that failed */
    log_setup(getenv("SLUICE_TEST_LOG") != NULL ? LOG_INFO : LOG_ERROR + 1, false);
    clock_test_start(RIG_CLOCK_MS);
    snprintf(rig->dir, sizeof rig->dir, "/tmp/sluice-test-XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
    arena_init(&rig->arena, 4096, 0);
    struct knob_section sections[] = {store_conf_section(&rig->store_conf),
        processor_conf_section(&rig->processor_conf), delivery_conf_section(&rig->delivery_conf),
        transform_conf_section(&rig->transform_conf)};
    for (size_t i = 0; i < COUNT_OF(sections); i++) {
        knob_defaults(&sections[i], &rig->arena);
    }
    rig->store_conf.path = slice_cstr(rig->dir);
    rig->store_conf.disk_reserve = 0;
    rig->delivery_conf.allow_private = true;
    rig->append_loop = loop_new("append");
    loop_start(rig->append_loop);
    sink_open(&rig->sink);
    *state = rig;
    return 0;
}

static inline int rig_remove(const char *path, const struct stat *stat, int type, struct FTW *walk) {
    (void)stat;
    (void)type;
    (void)walk;
    return remove(path);
}

static inline int rig_teardown(void **state) {
    struct rig *rig = *state;
    sink_close(&rig->sink);
    loop_stop(rig->append_loop);
    loop_join(rig->append_loop);
    loop_free(rig->append_loop);
    nftw(rig->dir, rig_remove, 16, FTW_DEPTH | FTW_PHYS);
    arena_fini(&rig->arena);
    mem_free(rig);
    return 0;
}

#define RIG_TEST(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

/* ---- events ---- */

struct rig_append {
    struct store_batch batch;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
};

static inline void rig_on_appended(struct store_batch *batch) {
    struct rig_append *append = CONTAINER_OF(batch, struct rig_append, batch);
    pthread_mutex_lock(&append->lock);
    append->done = true;
    pthread_cond_signal(&append->changed);
    pthread_mutex_unlock(&append->lock);
}

/* Durable when it returns. */
static inline void rig_append_record(
    struct rig *rig, const struct record_head *head, struct slice why, struct slice payload) {
    struct rig_append append = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    store_batch_init(&append.batch, rig->append_loop, rig_on_appended);
    char *room = store_batch_add(&append.batch, head, why, payload.len);
    assert_non_null(room);
    memcpy(room, payload.ptr, payload.len);
    store_append(rig->store, &append.batch);
    pthread_mutex_lock(&append.lock);
    while (!append.done) {
        pthread_cond_wait(&append.changed, &append.lock);
    }
    pthread_mutex_unlock(&append.lock);
    assert_int_equal(append.batch.result, OK);
    store_batch_fini(&append.batch);
}

/* A track event; the user is the name's first letter. */
static inline void rig_track(struct rig *rig, const char *name) {
    char payload[256];
    int len = snprintf(payload, sizeof payload,
        "{\"type\":\"track\",\"event\":\"%s\",\"anonymousId\":\"%c\",\"messageId\":\"m-%s\"}", name, name[0], name);
    struct record_head head = {.received_ms = clock_ms(),
        .source = hash64(SLICE("web")),
        .user = hash64(slice_of(name, 1)),
        .type = EVENT_TRACK,
        .flags = RECORD_NO_DEDUP};
    rig_append_record(rig, &head, SLICE_NONE, slice_of(payload, (size_t)len));
}

/* "a1 a2 b1": one event each. */
static inline void rig_track_all(struct rig *rig, const char *names) {
    struct slice rest = slice_cstr(names);
    while (rest.ptr != NULL) {
        struct slice name = slice_cut(rest, ' ', &rest);
        char text[16];
        snprintf(text, sizeof text, "%.*s", SLICE_ARG(name));
        rig_track(rig, text);
    }
}

/* ---- looking ---- */

static inline struct destination_info rig_info(struct rig *rig, const char *id) {
    struct arena arena;
    arena_init(&arena, 4096, 0);
    struct destination_info *list = NULL;
    size_t count = 0;
    assert_int_equal(delivery_list(rig->delivery, &arena, &list, &count), OK);
    struct destination_info info = {0};
    for (size_t i = 0; i < count; i++) {
        info = strcmp(list[i].id, id) == 0 ? list[i] : info;
    }
    arena_fini(&arena);
    assert_string_equal(info.id, id);
    const struct cursor_counts *c = &info.counts;
    assert_int_equal(c->in, c->delivered + c->filtered + c->dead + c->expired + info.open);
    return info;
}

/* Until a field of the destination's row has the value; each look blocks on the destination's loop. */
#define RIG_WAIT(rig, id, field, value) \
    do { \
        uint64_t deadline_ns_ = clock_mono_ns() + RIG_DEADLINE_S * UINT64_C(1000000000); \
        struct destination_info info_ = rig_info((rig), (id)); \
        while ((uint64_t)info_.field != (uint64_t)(value)) { \
            if (clock_mono_ns() > deadline_ns_) { \
                fail_msg("waited for " #field " == %lu: it is %lu; %s, in %lu, open %lu, in flight %lu, behind %lu", \
                    (uint64_t)(value), (uint64_t)info_.field, destination_state_name(info_.state), info_.counts.in, \
                    info_.open, info_.inflight, info_.behind); \
            } \
            info_ = rig_info((rig), (id)); \
        } \
    } while (0)

/* Until all is read and nothing is in flight (retries may wait). */
static inline void rig_settle(struct rig *rig, const char *id) {
    RIG_WAIT(rig, id, behind + info_.inflight, 0);
}

static inline void rig_advance(int64_t ms) {
    clock_test_advance(ms);
    loop_test_poke_all(NULL);
}

static inline void rig_apply(struct rig *rig, const char *destinations, const char *connections) {
    struct workspace *workspace = rig_workspace(rig, destinations, connections);
    struct errinfo why = {0};
    assert_int_equal(delivery_apply(rig->delivery, workspace, &why), OK);
    workspace_cell_swap(rig->cell, workspace);
}

#endif
