/* The control API over its socket, in one process: a real store in a temporary folder, the stages, a client in the
 * test's thread. */
#include "control/control.h"

#include <ftw.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/loop_call.h"
#include "control/audit_file.h"
#include "json/json.h"

static const char workspace_text[] = "version: 1\n"
                                     "workspace: {id: w, name: W}\n"
                                     "sources:\n"
                                     "  - {id: web, write_key: k1}\n"
                                     "  - {id: app, write_key: k2}\n"
                                     "destinations:\n"
                                     "  - {id: later, type: SOMETHING_NEW}\n"
                                     "connections:\n"
                                     "  - {from: web, to: later}\n";

struct fixture {
    char folder[64], socket[96];
    struct conf_storage {
        struct arena arena;
        struct store_conf store;
        struct processor_conf processor;
        struct delivery_conf delivery;
        struct gateway_conf gateway;
    } conf;
    struct loop *loop;
    struct work_queue *work;
    struct store *store;
    struct feed *feed;
    struct workspace_cell *cell;
    struct processor *processor;
    struct delivery *delivery;
    struct gateway *gateway;
    struct control *control;
    enum err reload_result;
    unsigned reloads;
};

/* ---- setting up ---- */

static enum err on_reload(void *ctx, struct errinfo *why) {
    struct fixture *f = ctx;
    f->reloads++;
    return f->reload_result == OK ? OK : err_why(f->reload_result, why, "workspace.yaml:3:1 sources", "is empty");
}

static void fill_conf(struct fixture *f) {
    struct knob_section sections[] = {store_conf_section(&f->conf.store), processor_conf_section(&f->conf.processor),
        delivery_conf_section(&f->conf.delivery), gateway_conf_section(&f->conf.gateway)};
    arena_init(&f->conf.arena, 4096, 0);
    for (size_t i = 0; i < COUNT_OF(sections); i++) {
        knob_defaults(&sections[i], &f->conf.arena);
    }
    f->conf.store.path = slice_cstr(f->folder);
    f->conf.store.disk_reserve = 0;
    f->conf.gateway.threads = 1;
}

static void start_stages(struct fixture *f) {
    static const struct workspace_types types = {.check = delivery_check};
    struct workspace *workspace;
    struct errinfo why = {.at = 0};
    assert_int_equal(workspace_parse(slice_cstr(workspace_text), "workspace.yaml", &types, &workspace, &why), OK);
    assert_int_equal(store_open(&f->conf.store, &f->store, &why), OK);
    f->feed = feed_new();
    f->cell = workspace_cell_new(workspace);
    struct processor_deps processor = {.store = f->store, .feed = f->feed, .cell = f->cell};
    assert_int_equal(processor_new(&f->conf.processor, &processor, &f->processor, &why), OK);
    struct delivery_deps delivery = {.store = f->store, .processor = f->processor, .feed = f->feed, .cell = f->cell};
    assert_int_equal(delivery_new(&f->conf.delivery, &delivery, &f->delivery, &why), OK);
    assert_int_equal(delivery_apply(f->delivery, workspace, &why), OK);
    struct gateway_deps gateway = {.store = f->store, .feed = f->feed, .cell = f->cell};
    assert_int_equal(gateway_new(&f->conf.gateway, &gateway, &f->gateway, &why), OK);
}

static struct fixture *make_fixture(void) {
    struct fixture *f = mem_alloc(sizeof *f);
    snprintf(f->folder, sizeof f->folder, "/tmp/sluice-control-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->socket, sizeof f->socket, "%s/sluice.sock", f->folder);
    fill_conf(f);
    return f;
}

static void start(struct fixture *f) {
    start_stages(f);
    f->loop = loop_new("main");
    f->work = work_queue_new(f->loop, "helper");
    struct control_deps deps = {.loop = f->loop,
        .work = f->work,
        .store = f->store,
        .gateway = f->gateway,
        .processor = f->processor,
        .delivery = f->delivery,
        .feed = f->feed,
        .cell = f->cell,
        .version = "test",
        .data_path = f->folder,
        .started_ms = clock_ms(),
        .reload = on_reload,
        .ctx = f};
    struct errinfo why = {.at = 0};
    assert_int_equal(control_new(&deps, f->socket, &f->control, &why), OK);
    processor_start(f->processor);
    loop_start(f->loop);
}

static int setup(void **state) {
    struct fixture *f = make_fixture();
    start(f);
    *state = f;
    return 0;
}

/* A baseline that claims one event more than was ever handed over to `later`. */
static int setup_with_a_lost_event(void **state) {
    struct fixture *f = make_fixture();
    uint64_t web = hash64(SLICE("web"));
    char path[128];
    struct baselines list = {.rows = NULL};
    struct baseline *row = baselines_put(&list, hash64(SLICE("later")));
    row->sources = hash64(slice_of((const char *)&web, sizeof web));
    row->in = 1;
    row->ready = true;
    snprintf(path, sizeof path, "%s/audit.json", f->folder);
    assert_int_equal(baselines_save(&list, path, NULL), OK);
    baselines_fini(&list);
    start(f);
    *state = f;
    return 0;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk) {
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

static int teardown(void **state) {
    struct fixture *f = *state;
    loop_stop(f->loop);
    loop_join(f->loop);
    work_queue_free(f->work);
    control_free(f->control);
    processor_stop(f->processor);
    delivery_stop(f->delivery, 0);
    delivery_free(f->delivery);
    processor_free(f->processor);
    gateway_free(f->gateway);
    workspace_cell_free(f->cell);
    feed_free(f->feed);
    store_close(f->store);
    loop_free(f->loop);
    arena_fini(&f->conf.arena);
    int e = nftw(f->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    mem_free(f);
    return e;
}

/* ---- appending ---- */

struct append {
    struct fixture *f;
    struct store_batch batch;
    sem_t done;
    const char *source, *payload, *message_id;
};

static void on_appended(struct store_batch *batch) {
    struct append *append = CONTAINER_OF(batch, struct append, batch);
    sem_post(&append->done);
}

static void begin_append(void *arg) {
    struct append *append = arg;
    struct record_head head = {.received_ms = clock_ms(),
        .source = hash64(slice_cstr(append->source)),
        .user = 1,
        .message = hash128(slice_cstr(append->message_id)),
        .type = EVENT_TRACK};
    store_batch_init(&append->batch, append->f->loop, on_appended);
    char *room = store_batch_add(&append->batch, &head, SLICE(""), strlen(append->payload));
    assert_non_null(room);
    memcpy(room, append->payload, strlen(append->payload));
    store_append(append->f->store, &append->batch);
}

static void append(struct fixture *f, const char *source, const char *message_id, const char *payload) {
    struct append append = {.f = f, .source = source, .payload = payload, .message_id = message_id};
    sem_init(&append.done, 0, 0);
    loop_call(f->loop, begin_append, &append);
    sem_wait(&append.done);
    assert_int_equal(append.batch.result, OK);
    store_batch_fini(&append.batch);
    sem_destroy(&append.done);
}

/* ---- asking ---- */

struct reply {
    int status;
    struct buf body;
    struct json_parser *parser;
    struct json_doc doc;
    struct arena arena;
};

static int dial(const struct fixture *f) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", f->socket);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void send_request(int fd, const char *method, const char *target) {
    char request[512];
    int len =
        snprintf(request, sizeof request, "%s %s HTTP/1.0\r\nHost: x\r\nContent-Length: 0\r\n\r\n", method, target);
    assert_int_equal(write(fd, request, (size_t)len), len);
}

/* Cuts the head off `raw`. */
static void take_status(struct reply *reply, struct slice raw) {
    const char *end = memmem(raw.ptr, raw.len, "\r\n\r\n", 4);
    assert_non_null(end);
    uint64_t status = 0;
    assert_int_equal(slice_to_u64(slice_of(raw.ptr + strlen("HTTP/1.1 "), 3), &status), OK);
    reply->status = (int)status;
    buf_append(&reply->body, slice_of(end + 4, raw.len - (size_t)(end + 4 - raw.ptr)));
    buf_reserve(&reply->body, JSON_PADDING);
}

static struct reply ask(const struct fixture *f, const char *method, const char *target) {
    struct reply reply = {.parser = json_parser_new(64)};
    struct buf raw;
    buf_init(&raw, 0);
    buf_init(&reply.body, 0);
    arena_init(&reply.arena, 1024, 0);
    int fd = dial(f);
    send_request(fd, method, target);
    ssize_t n = 1;
    while (n > 0) {
        buf_reserve(&raw, 4096);
        n = read(fd, raw.ptr + raw.len, 4096);
        raw.len += n > 0 ? (size_t)n : 0;
    }
    close(fd);
    take_status(&reply, buf_slice(&raw));
    if (json_parse(reply.parser, buf_slice(&reply.body), &reply.doc, NULL) != OK) {
        reply.doc.count = 0;
    }
    buf_fini(&raw);
    return reply;
}

static void reply_fini(struct reply *reply) {
    json_parser_free(reply->parser);
    buf_fini(&reply->body);
    arena_fini(&reply->arena);
}

static uint32_t node(struct reply *reply, uint32_t object, const char *path) {
    return json_find_path(&reply->doc, object, slice_cstr(path));
}

static void assert_text(struct reply *reply, uint32_t object, const char *path, const char *text) {
    struct slice found = json_string(&reply->doc, node(reply, object, path), &reply->arena);
    assert_true(slice_eq(found, slice_cstr(text)));
}

static void assert_number(struct reply *reply, uint32_t object, const char *path, int64_t number) {
    int64_t found = 0;
    assert_int_equal(json_i64(&reply->doc, node(reply, object, path), &found), OK);
    assert_int_equal(found, number);
}

/* ---- tests ---- */

static void an_unknown_path_is_404_and_a_wrong_method_405(void **state) {
    static const struct {
        const char *method, *path;
        int status;
    } rows[] = {
        {"GET", "/v0/nothing", 404},
        {"GET", "/v0/dead/1/2", 404},
        {"GET", "/v0/trace/", 404},
        {"GET", "/", 404},
        {"POST", "/v0/stat", 405},
        {"GET", "/v0/reload", 405},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct reply reply = ask(*state, rows[i].method, rows[i].path);
        assert_int_equal(reply.status, rows[i].status);
        reply_fini(&reply);
    }
}

static void stat_shows_the_store_and_every_destination(void **state) {
    append(*state, "web", "m1", "{\"messageId\":\"m1\"}");
    struct reply reply = ask(*state, "GET", "/v0/stat");
    assert_int_equal(reply.status, 200);
    assert_text(&reply, 0, "version", "test");
    assert_number(&reply, 0, "store.head", 1);
    uint32_t rows = node(&reply, 0, "destinations");
    assert_int_equal(json_count(&reply.doc, rows), 1);
    uint32_t row = json_first(&reply.doc, rows);
    assert_text(&reply, row, "id", "later");
    assert_text(&reply, row, "state", "unsupported");
    assert_number(&reply, row, "behind", 1);
    reply_fini(&reply);
}

static void trace_tells_of_every_sighting_and_where_it_waits(void **state) {
    append(*state, "web", "m 1/ü", "{\"messageId\":\"m 1/ü\",\"event\":\"Paid\",\"userId\":\"ann\"}");
    append(*state, "app", "m 1/ü", "{\"messageId\":\"m 1/ü\"}");
    struct reply reply = ask(*state, "GET", "/v0/trace/m%201%2f%C3%BC?payload=1");
    assert_int_equal(reply.status, 200);
    assert_text(&reply, 0, "message_id", "m 1/ü");
    uint32_t events = node(&reply, 0, "events");
    assert_int_equal(json_count(&reply.doc, events), 2);
    uint32_t first = json_first(&reply.doc, events);
    assert_text(&reply, first, "source", "web");
    assert_text(&reply, first, "event", "Paid");
    assert_text(&reply, first, "user", "ann");
    assert_text(&reply, first, "payload.event", "Paid");
    uint32_t destinations = node(&reply, first, "destinations");
    assert_int_equal(json_count(&reply.doc, destinations), 1);
    assert_text(&reply, json_first(&reply.doc, destinations), "end", "pending");
    uint32_t second = json_after(&reply.doc, events, first);
    assert_int_equal(json_count(&reply.doc, node(&reply, second, "destinations")), 0);
    reply_fini(&reply);
}

static void a_message_that_was_never_seen_is_404_with_its_name(void **state) {
    struct reply reply = ask(*state, "GET", "/v0/trace/never");
    assert_int_equal(reply.status, 404);
    assert_text(&reply, 0, "error", "NOT_FOUND");
    struct slice text = json_string(&reply.doc, node(&reply, 0, "text"), &reply.arena);
    assert_non_null(memmem(text.ptr, text.len, "\"never\"", 7));
    reply_fini(&reply);
}

static void tail_merges_the_log_and_the_feed_and_filters(void **state) {
    struct fixture *f = *state;
    append(f, "web", "m1", "{\"messageId\":\"m1\",\"event\":\"One\"}");
    append(f, "app", "m2", "{\"messageId\":\"m2\",\"event\":\"Two\"}");
    struct feed_row row = {.at_ms = clock_ms(), .offset = UINT64_MAX, .status = 401};
    FEED_SET(row.stage, SLICE("gateway"));
    FEED_SET(row.outcome, SLICE("rejected"));
    FEED_SET(row.reason, SLICE("invalid write key"));
    feed_post(f->feed, &row);
    struct reply reply = ask(f, "GET", "/v0/tail");
    assert_int_equal(reply.status, 200);
    assert_non_null(memmem(reply.body.ptr, reply.body.len, "\"One\"", 5));
    assert_non_null(memmem(reply.body.ptr, reply.body.len, "\"Two\"", 5));
    assert_non_null(memmem(reply.body.ptr, reply.body.len, "invalid write key", 17));
    reply_fini(&reply);
    reply = ask(f, "GET", "/v0/tail?source=app&outcome=accepted");
    assert_text(&reply, 0, "event", "Two"); /* one line: it parses as one JSON text */
    reply_fini(&reply);
    reply = ask(f, "GET", "/v0/tail?count=1");
    assert_text(&reply, 0, "outcome", "rejected");
    reply_fini(&reply);
}

static void a_follower_gets_rows_as_they_come(void **state) {
    struct fixture *f = *state;
    append(f, "web", "m1", "{\"event\":\"History\"}");
    int fd = dial(f);
    char text[8192];
    size_t len = 0;
    send_request(fd, "GET", "/v0/tail?follow=1");
    while (memmem(text, len, "History", 7) == NULL) {
        ssize_t n = read(fd, text + len, sizeof text - len);
        assert_true(n > 0);
        len += (size_t)n;
    }
    assert_true(feed_wanted(f->feed));
    struct feed_row row = {.at_ms = clock_ms(), .offset = 7};
    FEED_SET(row.outcome, SLICE("delivered"));
    FEED_SET(row.event, SLICE("Live"));
    feed_post(f->feed, &row);
    while (memmem(text, len, "Live", 4) == NULL) {
        ssize_t n = read(fd, text + len, sizeof text - len);
        assert_true(n > 0);
        len += (size_t)n;
    }
    close(fd);
}

static void the_audit_holds_and_says_what_it_compared(void **state) {
    append(*state, "web", "m1", "{}");
    struct reply reply = ask(*state, "GET", "/v0/audit");
    assert_int_equal(reply.status, 200);
    assert_int_equal(json_kind(&reply.doc, node(&reply, 0, "ok")), JSON_TRUE);
    assert_number(&reply, 0, "gateway.log", 1);
    uint32_t row = json_first(&reply.doc, node(&reply, 0, "destinations"));
    assert_text(&reply, row, "id", "later");
    assert_number(&reply, row, "behind", 1);
    reply_fini(&reply);
}

static void an_event_that_was_lost_before_a_restart_violates_the_audit(void **state) {
    struct reply reply = ask(*state, "GET", "/v0/audit");
    assert_int_equal(json_kind(&reply.doc, node(&reply, 0, "ok")), JSON_FALSE);
    uint32_t row = json_first(&reply.doc, node(&reply, 0, "destinations"));
    assert_int_equal(json_kind(&reply.doc, node(&reply, row, "balanced")), JSON_TRUE);
    assert_int_equal(json_kind(&reply.doc, node(&reply, row, "log.ok")), JSON_FALSE);
    reply_fini(&reply);
}

static void a_bad_parameter_is_named(void **state) {
    struct reply reply = ask(*state, "GET", "/v0/dead?count=many");
    assert_int_equal(reply.status, 400);
    assert_text(&reply, 0, "place", "count");
    reply_fini(&reply);
    reply = ask(*state, "GET", "/v0/dead/seven");
    assert_int_equal(reply.status, 400);
    reply_fini(&reply);
    reply = ask(*state, "GET", "/v0/dead/7");
    assert_int_equal(reply.status, 404);
    reply_fini(&reply);
}

static void dead_letters_are_listed_by_page(void **state) {
    struct fixture *f = *state;
    for (unsigned i = 0; i < 3; i++) {
        struct dead_letter letter = {.at_ms = clock_ms(),
            .offset = i,
            .destination = hash64(SLICE("later")),
            .destination_id = SLICE("later"),
            .message_id = SLICE("m"),
            .text = SLICE("refused"),
            .status = 400,
            .payload = SLICE("{\"a\":1e400}")};
        uint64_t id;
        assert_int_equal(store_dead_put(f->store, &letter, &id), OK);
    }
    struct reply reply = ask(f, "GET", "/v0/dead?count=2&destination=later");
    uint32_t letters = node(&reply, 0, "letters");
    assert_int_equal(json_count(&reply.doc, letters), 2);
    assert_number(&reply, json_first(&reply.doc, letters), "status", 400);
    assert_number(&reply, 0, "next", 2);
    reply_fini(&reply);
    reply = ask(f, "GET", "/v0/dead?count=2&after=2");
    assert_int_equal(json_count(&reply.doc, node(&reply, 0, "letters")), 1);
    assert_int_equal(json_kind(&reply.doc, node(&reply, 0, "next")), JSON_NULL);
    reply_fini(&reply);
    reply = ask(f, "GET", "/v0/dead/3");
    assert_true(slice_eq(json_raw(&reply.doc, node(&reply, 0, "payload.a")), SLICE("1e400")));
    reply_fini(&reply);
}

static void a_reload_that_fails_says_where(void **state) {
    struct fixture *f = *state;
    struct reply reply = ask(f, "POST", "/v0/reload");
    assert_int_equal(reply.status, 200);
    reply_fini(&reply);
    f->reload_result = ERR_INVALID;
    reply = ask(f, "POST", "/v0/reload");
    assert_int_equal(reply.status, 400);
    assert_text(&reply, 0, "place", "workspace.yaml:3:1 sources");
    assert_int_equal(f->reloads, 2);
    reply_fini(&reply);
}

static void the_clock_and_faults_obey_only_under_the_test_clock(void **state) {
    struct reply reply = ask(*state, "POST", "/v0/clock/advance?ms=1");
    assert_int_equal(reply.status, 403);
    reply_fini(&reply);
    reply = ask(*state, "POST", "/v0/fault?spec=STORE_NOTE=fail");
    assert_int_equal(reply.status, 403);
    reply_fini(&reply);
}

static void the_workspace_is_shown_without_write_keys(void **state) {
    struct reply reply = ask(*state, "GET", "/v0/workspace");
    assert_text(&reply, 0, "name", "W");
    assert_int_equal(json_count(&reply.doc, node(&reply, 0, "sources")), 2);
    assert_null(memmem(reply.body.ptr, reply.body.len, "k1", 2));
    reply_fini(&reply);
}

static void metrics_are_prometheus_text(void **state) {
    struct reply reply = ask(*state, "GET", "/v0/metrics");
    assert_int_equal(reply.status, 200);
    assert_non_null(memmem(reply.body.ptr, reply.body.len, "# TYPE sluice_gateway_requests_total counter", 44));
    reply_fini(&reply);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_unknown_path_is_404_and_a_wrong_method_405),
        TEST(stat_shows_the_store_and_every_destination),
        TEST(trace_tells_of_every_sighting_and_where_it_waits),
        TEST(a_message_that_was_never_seen_is_404_with_its_name),
        TEST(tail_merges_the_log_and_the_feed_and_filters),
        TEST(a_follower_gets_rows_as_they_come),
        TEST(the_audit_holds_and_says_what_it_compared),
        cmocka_unit_test_setup_teardown(
            an_event_that_was_lost_before_a_restart_violates_the_audit, setup_with_a_lost_event, teardown),
        TEST(a_bad_parameter_is_named),
        TEST(dead_letters_are_listed_by_page),
        TEST(a_reload_that_fails_says_where),
        TEST(the_clock_and_faults_obey_only_under_the_test_clock),
        TEST(the_workspace_is_shown_without_write_keys),
        TEST(metrics_are_prometheus_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
