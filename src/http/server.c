/* The server object: limits, draining, the list of connections that go on at the end of the loop's iteration, and the
 * order in which everything is taken down. Its memory lives until its last handle is closed and its last request is
 * answered. */
#include "http/server.h"

#include <fcntl.h>
#include <libdeflate.h>
#include <unistd.h>

#include "http/server_internal.h"

static void on_defer(struct loop_defer *defer);

struct http_server *http_server_new(
    struct loop *loop, const struct http_limits *limits, const struct http_handlers *handlers) {
    struct http_server *server = mem_alloc(sizeof(*server));
    server->loop = loop;
    server->limits = *limits;
    server->handlers = *handlers;
    server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    server->date_second = -1;
    server->defer.on_defer = on_defer;
    server->inflater = libdeflate_alloc_decompressor();
    buf_init(&server->head, /* ceiling: */ 0);
    loop_timer_init(&server->accept_timer, loop, listeners_rearm);
    deadlines_init(server);
    parse_init(server);
    return server;
}

void http_server_set_limits(struct http_server *server, const struct http_limits *limits) {
    server->limits = *limits;
    deadlines_update(server);
}

const struct http_server_stat *http_server_stat(const struct http_server *server) {
    return &server->stat;
}

/* thread: the loop's, at the end of an iteration: no handler is on the stack. */
static void on_defer(struct loop_defer *defer) {
    struct http_server *server = CONTAINER_OF(defer, struct http_server, defer);
    struct conn *conn = server->resume_head;
    server->resume_head = NULL;
    while (conn != NULL) {
        struct conn *next = conn->resume_next;
        conn->resuming = false;
        if (conn->handle_closed) {
            mem_free(conn);
        } else {
            conn_resume(conn);
        }
        conn = next;
    }
    if (server->drained && !server->freed && server->on_drained != NULL) {
        void (*on_drained)(void *ctx) = server->on_drained;
        server->on_drained = NULL;
        on_drained(server->drain_ctx); /* may free the server */
        return;
    }
    server_release(server);
}

void server_resume_later(struct conn *conn) {
    if (conn->resuming) {
        return;
    }
    struct http_server *server = conn->server;
    conn->resuming = true;
    conn->resume_next = server->resume_head;
    server->resume_head = conn;
    loop_defer(server->loop, &server->defer);
}

void server_check_drained(struct http_server *server) {
    if (!server->draining || server->drained || server->freed || server->conn_count > server->lingering ||
        server->exchanges > 0) {
        return;
    }
    server->drained = true;
    loop_defer(server->loop, &server->defer);
}

static void close_listeners(struct http_server *server) {
    loop_timer_clear(&server->accept_timer);
    for (size_t i = 0; i < server->listener_count; i++) {
        listener_close(server->listeners[i]);
    }
    server->listener_count = 0;
}

void http_server_drain(struct http_server *server, void (*on_drained)(void *ctx), void *ctx) {
    ASSERT(!server->draining);
    server->draining = true;
    server->on_drained = on_drained;
    server->drain_ctx = ctx;
    close_listeners(server);
    struct conn *conn = server->conns;
    while (conn != NULL) {
        struct conn *next = conn->next;
        conn_drain(conn);
        conn = next;
    }
    server_check_drained(server);
}

void server_release(struct http_server *server) {
    if (!server->freed || server->handles > 0 || server->exchanges > 0 || server->defer.pending) {
        return;
    }
    buf_fini(&server->head);
    libdeflate_free_decompressor(server->inflater);
    if (server->spare_fd >= 0) {
        (void)close(server->spare_fd); /* nothing was written to it */
    }
    mem_free(server);
}

/* A loop that runs closes the handles by itself; one that has stopped does it in loop_free. */
void http_server_free(struct http_server *server) {
    if (server == NULL) {
        return;
    }
    server->handles++; /* ours, so that the memory outlives the callbacks below */
    server->freed = true;
    close_listeners(server);
    while (server->conns != NULL) {
        conn_close(server->conns);
    }
    deadlines_fini(server);
    while (server->pool != NULL) {
        struct exchange *exchange = server->pool;
        server->pool = exchange->next;
        server->pool_count--;
        exchange_free(exchange);
    }
    server->handles--;
    server_release(server);
}
