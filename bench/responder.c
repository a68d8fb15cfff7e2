/* The ceilings that serve HTTP on bare libuv + llhttp.
 * responder: reads the whole body, answers "ok". With --latency it is a sink that decodes from each event's message id
 * when the open-loop loader meant to send it, and prints the distribution as a JSON line on SIGTERM. validator: also
 * inflates, validates the body with the JSON library and writes it raw, answering after fdatasync; one writer thread
 * syncs for all that wait, as Sluice's log does. */
#include <fcntl.h>
#include <libdeflate.h>
#include <llhttp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>
#include <uv.h>

#include "base/arena.h"
#include "base/buf.h"
#include "bench.h"
#include "json/json.h"

static const char OK_RESPONSE[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\n\r\nok";

struct conn {
    uv_tcp_t tcp;
    llhttp_t parser;
    struct buf body, plain;
    bool gzip, closing, waiting;
    char field[32];
    size_t field_len;
    struct conn *next; /* in the writer's queue */
};

struct writer {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct conn *queue, **queue_tail;
    struct conn *done;
    uv_async_t async;
    int fd;
};

static bool validating, measuring;
static struct hist latency;
static struct writer writer;
static struct json_parser *parser;
static struct libdeflate_decompressor *inflater;
static char read_buffer[65536];

static void on_closed(uv_handle_t *handle) {
    struct conn *conn = handle->data;
    buf_fini(&conn->body);
    buf_fini(&conn->plain);
    mem_free(conn);
}

static void conn_close(struct conn *conn) {
    conn->closing = true;
    if (!conn->waiting && !uv_is_closing((uv_handle_t *)&conn->tcp)) {
        uv_close((uv_handle_t *)&conn->tcp, on_closed);
    }
}

static void answer(struct conn *conn) {
    uv_buf_t out = uv_buf_init((char *)OK_RESPONSE, sizeof OK_RESPONSE - 1);
    if (uv_try_write((uv_stream_t *)&conn->tcp, &out, 1) != (int)out.len) {
        conn_close(conn);
    }
}

static void *writer_main(void *unused) {
    (void)unused;
    struct iovec parts[1024];
    for (;;) {
        pthread_mutex_lock(&writer.lock);
        while (writer.queue == NULL) {
            pthread_cond_wait(&writer.wake, &writer.lock);
        }
        struct conn *group = writer.queue;
        writer.queue = NULL;
        writer.queue_tail = &writer.queue;
        pthread_mutex_unlock(&writer.lock);
        int count = 0;
        for (struct conn *conn = group; conn != NULL; conn = conn->next) {
            parts[count++] = (struct iovec){conn->plain.ptr, conn->plain.len};
            if (count == (int)COUNT_OF(parts) || conn->next == NULL) {
                ASSERT(writev(writer.fd, parts, count) > 0);
                count = 0;
            }
        }
        ASSERT(fdatasync(writer.fd) == 0);
        pthread_mutex_lock(&writer.lock);
        struct conn *last = group;
        while (last->next != NULL) {
            last = last->next;
        }
        last->next = writer.done;
        writer.done = group;
        pthread_mutex_unlock(&writer.lock);
        uv_async_send(&writer.async);
    }
    return NULL;
}

static void on_synced(uv_async_t *async) {
    (void)async;
    pthread_mutex_lock(&writer.lock);
    struct conn *done = writer.done;
    writer.done = NULL;
    pthread_mutex_unlock(&writer.lock);
    while (done != NULL) {
        struct conn *next = done->next;
        done->waiting = false;
        if (done->closing) {
            conn_close(done);
        } else {
            answer(done);
        }
        done = next;
    }
}

static void submit(struct conn *conn) {
    conn->next = NULL;
    conn->waiting = true;
    pthread_mutex_lock(&writer.lock);
    bool was_empty = writer.queue == NULL;
    *writer.queue_tail = conn;
    writer.queue_tail = &conn->next;
    pthread_mutex_unlock(&writer.lock);
    if (was_empty) {
        pthread_cond_signal(&writer.wake);
    }
}

static void inflate_body(struct conn *conn) {
    size_t room = conn->body.len * 12 + 65536, got = 0;
    ASSERT(buf_reserve(&conn->plain, room) == OK);
    ASSERT(libdeflate_gzip_decompress(inflater, conn->body.ptr, conn->body.len, conn->plain.ptr, room - JSON_PADDING,
               &got) == LIBDEFLATE_SUCCESS);
    conn->plain.len = got;
}

/* The inverse of payload_stamp. */
static void measure(const struct conn *conn) {
    static const char KEY[] = "\"messageId\":\"";
    const char *id = memmem(conn->body.ptr, conn->body.len, KEY, sizeof KEY - 1);
    if (id == NULL || conn->body.ptr + conn->body.len - id < (ptrdiff_t)(sizeof KEY - 1 + 36)) {
        return;
    }
    uint64_t due = 0, now = now_ns();
    for (int i = 20; i < 36; i++) {
        char c = id[sizeof KEY - 1 + (size_t)i];
        due = c == '-' ? due : due << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    hist_add(&latency, now > due ? now - due : 0);
}

static void on_terminate(uv_signal_t *handle, int number) {
    (void)number;
    printf("{\"count\":%llu,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}\n", (unsigned long long)latency.count,
        (double)hist_quantile(&latency, 0.5) / 1e3, (double)hist_quantile(&latency, 0.99) / 1e3,
        (double)latency.max / 1e3);
    fflush(stdout);
    uv_stop(handle->loop);
}

static int on_complete(llhttp_t *llhttp) {
    struct conn *conn = llhttp->data;
    if (measuring) {
        measure(conn);
    }
    if (!validating) {
        answer(conn);
        return 0;
    }
    buf_reset(&conn->plain);
    if (conn->gzip) {
        inflate_body(conn);
    } else {
        ASSERT(buf_append(&conn->plain, buf_slice(&conn->body)) == OK && buf_reserve(&conn->plain, JSON_PADDING) == OK);
    }
    struct json_doc doc;
    ASSERT(json_parse(parser, buf_slice(&conn->plain), &doc, NULL) == OK);
    submit(conn);
    return 0;
}

static int on_begin(llhttp_t *llhttp) {
    struct conn *conn = llhttp->data;
    buf_reset(&conn->body);
    conn->gzip = false;
    conn->field_len = 0;
    return 0;
}

static int on_field(llhttp_t *llhttp, const char *at, size_t len) {
    struct conn *conn = llhttp->data;
    conn->field_len = len < sizeof conn->field ? len : 0;
    memcpy(conn->field, at, conn->field_len);
    return 0;
}

static int on_value(llhttp_t *llhttp, const char *at, size_t len) {
    struct conn *conn = llhttp->data;
    if (slice_eq_nocase(slice_of(conn->field, conn->field_len), SLICE("content-encoding"))) {
        conn->gzip = slice_eq(slice_of(at, len), SLICE("gzip"));
    }
    return 0;
}

static int on_body(llhttp_t *llhttp, const char *at, size_t len) {
    struct conn *conn = llhttp->data;
    return buf_append(&conn->body, slice_of(at, len)) == OK ? 0 : -1;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out) {
    (void)handle;
    (void)suggested;
    *out = uv_buf_init(read_buffer, sizeof read_buffer);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *data) {
    struct conn *conn = stream->data;
    if (n < 0 || (n > 0 && llhttp_execute(&conn->parser, data->base, (size_t)n) != HPE_OK)) {
        conn_close(conn);
    }
}

static void on_connection(uv_stream_t *server, int status) {
    static llhttp_settings_t settings;
    ASSERT(status == 0);
    if (settings.on_message_complete == NULL) {
        llhttp_settings_init(&settings);
        settings.on_message_begin = on_begin;
        settings.on_header_field = on_field;
        settings.on_header_value = on_value;
        settings.on_body = on_body;
        settings.on_message_complete = on_complete;
    }
    struct conn *conn = mem_alloc(sizeof *conn);
    buf_init(&conn->body, 0);
    buf_init(&conn->plain, 0);
    uv_tcp_init(server->loop, &conn->tcp);
    conn->tcp.data = conn;
    ASSERT(uv_accept(server, (uv_stream_t *)&conn->tcp) == 0);
    uv_tcp_nodelay(&conn->tcp, 1);
    llhttp_init(&conn->parser, HTTP_REQUEST, &settings);
    conn->parser.data = conn;
    uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read);
}

static int serve(uint16_t port) {
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t tcp;
    struct sockaddr_in address;
    uv_tcp_init(loop, &tcp);
    uv_ip4_addr("127.0.0.1", port, &address);
    if (uv_tcp_bind(&tcp, (struct sockaddr *)&address, 0) != 0 ||
        uv_listen((uv_stream_t *)&tcp, 1024, on_connection) != 0) {
        fprintf(stderr, "sluice-bench: cannot listen on port %u\n", port);
        return 1;
    }
    int len = sizeof address;
    uv_tcp_getsockname(&tcp, (struct sockaddr *)&address, &len);
    printf("{\"port\":%u}\n", ntohs(address.sin_port));
    fflush(stdout);
    return uv_run(loop, UV_RUN_DEFAULT);
}

int bench_responder(int argc, char **argv) {
    static uv_signal_t terminate;
    measuring = arg_flag(argc, argv, "--latency");
    if (measuring) {
        uv_signal_init(uv_default_loop(), &terminate);
        uv_signal_start(&terminate, on_terminate, SIGTERM);
    }
    return serve((uint16_t)arg_u64(argc, argv, "--port", 0));
}

int bench_validator(int argc, char **argv) {
    validating = true;
    parser = json_parser_new(128);
    inflater = libdeflate_alloc_decompressor();
    writer.fd = open(
        arg_text(argc, argv, "--file", "validator.raw"), O_CREAT | O_TRUNC | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    if (writer.fd < 0) {
        perror("sluice-bench: --file");
        return 1;
    }
    writer.queue_tail = &writer.queue;
    pthread_mutex_init(&writer.lock, NULL);
    pthread_cond_init(&writer.wake, NULL);
    uv_async_init(uv_default_loop(), &writer.async, on_synced);
    ASSERT(pthread_create(&writer.thread, NULL, writer_main, NULL) == 0);
    return serve((uint16_t)arg_u64(argc, argv, "--port", 0));
}
