/* For tests only: a server in a loop of its own thread, with a handler for each thing that a test wants to see, and
 * blocking sockets that talk to it byte by byte. Sockets give up after ten seconds, so that a hang is a failure.
 * thread: functions here run on the test's thread; those named on_ on the loop's. */
#ifndef SLUICE_HTTP_SERVER_TESTING_H
#define SLUICE_HTTP_SERVER_TESTING_H

#include <setjmp.h>
#include <stdarg.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/loop.h"
#include "http/server.h"

enum { TESTING_PATIENCE_S = 10, TESTING_HELD = 8 };

struct testing {
    struct loop *loop;
    struct http_server *server;
    uint16_t port;
    struct http_handlers handlers;
    struct http_request *held[TESTING_HELD]; /* by /hold; loop's thread */
    struct http_stream *stream;
    size_t held_count;
    atomic_uint handled, refused, gone_calls, drained;
    atomic_int last_status, last_err;
    enum err headers_answer; /* of on_headers for /secret */
};

static const struct http_limits testing_limits = {
    .header_bytes = 8192,
    .body_bytes = 1 << 20,
    .inflated_bytes = 1 << 20,
    .connections = 100,
    .requests = 100,
    .buffered_bytes = 64 << 20,
    .header_ms = 1000,
    .body_ms = 2000,
    .idle_ms = 5000,
    .write_ms = 3000,
};

static void testing_on_gone(void *ctx) {
    struct testing *testing = ctx;
    testing->gone_calls++;
}

static void testing_respond_text(struct http_request *request, int status, struct slice text) {
    struct http_response response = {.status = status, .content_type = SLICE("text/plain"), .body = text};
    http_respond(request, &response);
}

static void testing_respond_sized(struct http_request *request) {
    struct slice number = SLICE_NONE;
    uint64_t size = 0;
    bool known = http_request_query(request, SLICE("bytes"), &number) && slice_to_u64(number, &size) == OK;
    char *body = known ? arena_alloc(&request->arena, size) : NULL;
    if (known) {
        memset(body, 'b', size);
    }
    testing_respond_text(request, known ? 200 : 400, slice_of(body, size));
}

static void testing_respond_status(struct http_request *request) {
    struct slice number = SLICE_NONE;
    struct slice retry = SLICE_NONE;
    uint64_t status = 0;
    bool known = http_request_query(request, SLICE("code"), &number) && slice_to_u64(number, &status) == OK;
    bool again = http_request_query(request, SLICE("retry"), &retry);
    struct http_header header = {SLICE("Retry-After"), retry};
    struct http_response response = {.status = known ? (int)status : 400,
        .content_type = SLICE("text/plain"),
        .body = SLICE("as you wish"),
        .headers = &header,
        .header_count = again ? 1 : 0};
    http_respond(request, &response);
}

/* Method, and every header as "name=value;", for what a client sends. */
static void testing_respond_mirror(struct http_request *request) {
    struct buf text;
    buf_init(&text, 0);
    (void)buf_printf(&text, "%s ", http_method_name(request->method)); /* sticky */
    for (size_t i = 0; i < request->header_count; i++) {
        (void)buf_printf(&text, "%.*s=%.*s;", SLICE_ARG(request->headers[i].name), /* sticky */
            SLICE_ARG(request->headers[i].value));
    }
    (void)buf_append(&text, request->body); /* sticky */
    assert_int_equal(text.failed, OK);
    testing_respond_text(request, 200, buf_slice(&text));
    buf_fini(&text);
}

static void testing_on_request(void *ctx, struct http_request *request) {
    struct testing *testing = ctx;
    testing->handled++;
    for (size_t i = 0; i < 64; i++) {
        assert_true(
            request->body.ptr != NULL && request->body.ptr[request->body.len + i] == 0); /* the padding is readable */
    }
    if (slice_eq(request->path, SLICE("/hold"))) {
        assert_true(testing->held_count < TESTING_HELD);
        testing->held[testing->held_count++] = request;
    } else if (slice_eq(request->path, SLICE("/sized"))) {
        testing_respond_sized(request);
    } else if (slice_eq(request->path, SLICE("/status"))) {
        testing_respond_status(request);
    } else if (slice_eq(request->path, SLICE("/mirror"))) {
        testing_respond_mirror(request);
    } else if (slice_eq(request->path, SLICE("/peer"))) {
        testing_respond_text(request, 200, request->peer);
    } else if (slice_eq(request->path, SLICE("/empty"))) {
        testing_respond_text(request, 204, SLICE_NONE);
    } else if (slice_eq(request->path, SLICE("/stream"))) {
        testing->stream = http_stream_begin(request, 200, SLICE("text/plain"), testing_on_gone, testing);
    } else {
        testing_respond_text(request, 200, request->body.len > 0 ? request->body : request->path);
    }
}

static enum err testing_on_headers(void *ctx, struct http_request *request) {
    struct testing *testing = ctx;
    return slice_eq(request->path, SLICE("/secret")) ? testing->headers_answer : OK;
}

static void testing_on_refused(void *ctx, const struct http_request *request, enum err why, int status) {
    struct testing *testing = ctx;
    assert_non_null(request);
    testing->last_err = (int)why;
    testing->last_status = status;
    testing->refused++;
}

static size_t testing_add_headers(void *ctx, const struct http_request *request, struct http_header *out, size_t room) {
    (void)ctx;
    assert_non_null(request);
    assert_true(room >= 1);
    out[0] = (struct http_header){SLICE("X-Added"), SLICE("yes")};
    return 1;
}

static inline struct testing *testing_start_with(const struct http_limits *limits) {
    signal(SIGPIPE, SIG_IGN);
    struct testing *testing = mem_alloc(sizeof(*testing));
    testing->headers_answer = ERR_BAD_WRITE_KEY;
    testing->handlers = (struct http_handlers){.on_headers = testing_on_headers,
        .on_request = testing_on_request,
        .on_refused = testing_on_refused,
        .add_headers = testing_add_headers,
        .ctx = testing};
    testing->loop = loop_new("test");
    testing->server = http_server_new(testing->loop, limits, &testing->handlers);
    struct errinfo why = {0};
    enum err err = http_server_listen(testing->server, SLICE("127.0.0.1:0"), false, &testing->port, &why);
    if (err != OK) {
        fail_msg("%s", why.text);
    }
    loop_start(testing->loop);
    return testing;
}

static inline struct testing *testing_start(void) {
    return testing_start_with(&testing_limits);
}

struct testing_task {
    struct loop_msg msg;
    void (*run)(struct testing *testing, void *arg);
    struct testing *testing;
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
};

static void testing_on_task(struct loop_msg *msg) {
    struct testing_task *task = CONTAINER_OF(msg, struct testing_task, msg);
    task->run(task->testing, task->arg);
    pthread_mutex_lock(&task->lock);
    task->done = true;
    pthread_cond_signal(&task->changed);
    pthread_mutex_unlock(&task->lock);
}

/* Runs it on the loop's thread and waits. */
static inline void testing_do(struct testing *testing, void (*run)(struct testing *testing, void *arg), void *arg) {
    struct testing_task task = {.msg.on_msg = testing_on_task,
        .run = run,
        .testing = testing,
        .arg = arg,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER};
    loop_post(testing->loop, &task.msg);
    pthread_mutex_lock(&task.lock);
    while (!task.done) {
        pthread_cond_wait(&task.changed, &task.lock);
    }
    pthread_mutex_unlock(&task.lock);
}

struct testing_condition {
    bool (*holds)(struct testing *testing, int64_t value);
    int64_t value;
    bool held;
};

static void testing_on_condition(struct testing *testing, void *arg) {
    struct testing_condition *condition = arg;
    condition->held = condition->holds(testing, condition->value);
}

/* Goes round the loop until it holds. */
static inline void testing_wait(struct testing *testing, bool (*holds)(struct testing *, int64_t), int64_t value) {
    uint64_t end = clock_mono_ns() + TESTING_PATIENCE_S * UINT64_C(1000000000);
    struct testing_condition condition = {.holds = holds, .value = value};
    while (!condition.held) {
        if (clock_mono_ns() > end) {
            fail_msg("what the test waits for does not happen");
        }
        testing_do(testing, testing_on_condition, &condition);
    }
}

static inline bool testing_connections(struct testing *testing, int64_t count) {
    return stat_get(&http_server_stat(testing->server)->connections) == count;
}

static inline bool testing_bytes_in(struct testing *testing, int64_t count) {
    return stat_get(&http_server_stat(testing->server)->bytes_in) >= count;
}

static inline bool testing_inflight(struct testing *testing, int64_t count) {
    return stat_get(&http_server_stat(testing->server)->inflight) == count;
}

static void testing_on_answer(struct testing *testing, void *arg) {
    for (size_t i = 0; i < testing->held_count; i++) {
        testing_respond_text(testing->held[i], 200, slice_cstr(arg));
    }
    testing->held_count = 0;
}

/* Answers everything that /hold holds. */
static inline void testing_answer(struct testing *testing, const char *text) {
    testing_do(testing, testing_on_answer, (char *)(uintptr_t)text);
}

static inline void testing_advance(int64_t ms) {
    clock_test_advance(ms);
    loop_test_poke_all(NULL);
}

static inline void testing_stop(struct testing *testing) {
    loop_stop(testing->loop);
    loop_join(testing->loop);
    http_server_free(testing->server);
    loop_free(testing->loop);
    mem_free(testing);
}

static inline int testing_dial(const struct testing *testing) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct timeval patience = {.tv_sec = TESTING_PATIENCE_S};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)), 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(testing->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static inline void testing_send(int fd, struct slice bytes) {
    while (bytes.len > 0) {
        ssize_t n = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        assert_true(n > 0);
        bytes = slice_of(bytes.ptr + n, bytes.len - (size_t)n);
    }
}

static inline void testing_say(int fd, const char *text) {
    testing_send(fd, slice_cstr(text));
}

/* ... and waits until the server has it. */
static inline void testing_say_through(struct testing *testing, int fd, const char *text) {
    int64_t before = stat_get(&http_server_stat(testing->server)->bytes_in);
    testing_say(fd, text);
    testing_wait(testing, testing_bytes_in, before + (int64_t)strlen(text));
}

/* One byte; 0 at the end of the connection. */
static inline size_t testing_byte(int fd, char *ret_byte) {
    ssize_t n = recv(fd, ret_byte, 1, 0);
    if (n < 0) {
        fail_msg("nothing came: %s", strerrorname_np(errno));
    }
    return (size_t)n;
}

struct testing_response {
    int status;
    char head[4096];
    char body[8192]; /* what fits */
    uint64_t body_len;
};

static inline bool testing_has(const struct testing_response *response, const char *line) {
    return strstr(response->head, line) != NULL;
}

static inline void testing_read_head(int fd, struct testing_response *response) {
    memset(response, 0, sizeof(*response));
    size_t len = 0;
    while (len < 4 || memcmp(response->head + len - 4, "\r\n\r\n", 4) != 0) {
        assert_true(len + 1 < sizeof(response->head));
        assert_int_equal(testing_byte(fd, response->head + len), 1);
        len++;
    }
    assert_int_equal(sscanf(response->head, "HTTP/1.1 %d ", &response->status), 1);
}

/* A response with Content-Length or without a body. */
static inline void testing_read(int fd, struct testing_response *response) {
    testing_read_head(fd, response);
    const char *length = strstr(response->head, "Content-Length: ");
    unsigned long left = 0;
    if (length != NULL) {
        assert_int_equal(sscanf(length, "Content-Length: %lu", &left), 1);
    }
    response->body_len = left;
    for (size_t at = 0; at < left; at++) {
        char byte = 0;
        assert_int_equal(testing_byte(fd, &byte), 1);
        if (at < sizeof(response->body) - 1) {
            response->body[at] = byte;
        }
    }
}

/* The server has closed, and sent nothing more. A reset is not an orderly end. */
static inline void testing_expect_end(int fd) {
    char byte = 0;
    assert_int_equal(testing_byte(fd, &byte), 0);
}

/* Sends, reads one response, closes. */
static inline void testing_ask(const struct testing *testing, const char *text, struct testing_response *response) {
    int fd = testing_dial(testing);
    testing_say(fd, text);
    testing_read(fd, response);
    close(fd);
}

#endif
