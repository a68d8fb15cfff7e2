/* A connection's life: input goes to the parser, a complete request to the handler, what lies behind it waits for the
 * answer. conn_settle decides after each step what the connection waits for next, and sets the deadline of that wait.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>

#include "http/server_internal.h"

static void pending_free(struct conn *conn) {
    server_count(&conn->server->stat.buffered, -(int64_t)conn->pending.len);
    buf_fini(&conn->pending);
    buf_init(&conn->pending, /* ceiling: */ 0);
    conn->pending_at = 0;
}

static void on_closed(uv_handle_t *handle) {
    struct conn *conn = handle->data;
    struct http_server *server = conn->server;
    pending_free(conn);
    if (conn->resuming) {
        conn->handle_closed = true; /* the server's list frees it */
    } else {
        mem_free(conn);
    }
    server->handles--;
    server_release(server);
}

/* The handler keeps its request; what no handler has seen goes back. */
static void leave_exchange(struct conn *conn) {
    struct exchange *exchange = conn->exchange;
    if (exchange == NULL) {
        return;
    }
    conn->exchange = NULL;
    exchange->conn = NULL;
    if (exchange->state < EXCHANGE_HANDLED) {
        exchange_release(exchange);
        return;
    }
    exchange->pub.gone = true;
    if (exchange->state == EXCHANGE_STREAM && !exchange->stream.over) {
        exchange->stream.over = true;
        if (exchange->stream.on_gone != NULL) {
            exchange->stream.on_gone(exchange->stream.ctx);
        }
    }
}

void conn_close(struct conn *conn) {
    if (conn->state == CONN_CLOSED) {
        return;
    }
    struct http_server *server = conn->server;
    server->lingering -= conn->state == CONN_LINGERING;
    conn->state = CONN_CLOSED;
    deadline_clear(conn);
    if (conn->prev != NULL) {
        conn->prev->next = conn->next;
    } else {
        server->conns = conn->next;
    }
    if (conn->next != NULL) {
        conn->next->prev = conn->prev;
    }
    server->conn_count--;
    server_count(&server->stat.connections, -1);
    uv_close(&conn->io.handle, on_closed);
    leave_exchange(conn);
    server_check_drained(server);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf);
static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf);

static void read_start(struct conn *conn) {
    if (!conn->reading && !conn->eof && uv_read_start(&conn->io.stream, on_alloc, on_read) == 0) {
        conn->reading = true;
    }
}

static void on_shutdown(uv_shutdown_t *request, int status) {
    (void)request; /* a failed shutdown shows as an error or EOF of the read side, or as the deadline */
    (void)status;
}

/* Closing a socket with unread input resets it, and the client may lose the answer: so shut, and drop what still comes.
 */
static void linger(struct conn *conn) {
    struct http_server *server = conn->server;
    bool crowded = server->conn_count > server->limits.connections && server->lingering >= SERVER_LINGER_MAX;
    if (conn->eof || crowded || uv_shutdown(&conn->shutdown, &conn->io.stream, on_shutdown) != 0) {
        conn_close(conn);
        return;
    }
    conn->state = CONN_LINGERING;
    server->lingering++;
    deadline_set(conn, DEADLINE_LINGER);
    read_start(conn);
    server_check_drained(server);
}

static size_t pending_left(const struct conn *conn) {
    return conn->pending.len - conn->pending_at;
}

/* A request is with the handler, or its answer is not written yet: input has to wait. */
static bool busy(const struct conn *conn) {
    return conn->writes > 0 || (conn->exchange != NULL && conn->exchange->state >= EXCHANGE_COMPLETE);
}

static void settle_receiving(struct conn *conn) {
    if (pending_left(conn) > 0) {
        deadline_clear(conn);
        server_resume_later(conn);
    } else if (conn->eof) {
        conn_close(conn);
    } else if (conn->exchange == NULL) {
        deadline_set(conn, DEADLINE_IDLE);
    } else {
        deadline_set(conn, conn->exchange->state == EXCHANGE_HEADERS ? DEADLINE_HEADER : DEADLINE_BODY);
    }
}

void conn_settle(struct conn *conn) {
    if (conn->state != CONN_OPEN) {
        return;
    }
    if (conn->writes > 0) {
        deadline_set(conn, DEADLINE_WRITE);
        return;
    }
    if (conn->exchange == NULL && (conn->close_after || conn->server->draining)) {
        if (conn->linger) {
            linger(conn);
        } else {
            conn_close(conn);
        }
        return;
    }
    if (busy(conn)) {
        deadline_clear(conn);
    } else {
        settle_receiving(conn);
    }
}

void conn_refuse(struct conn *conn, enum err why, bool keep) {
    struct http_server *server = conn->server;
    struct exchange *exchange = conn->exchange != NULL ? conn->exchange : exchange_new(conn);
    if (exchange == NULL) {
        conn_close(conn);
        return;
    }
    if (exchange->state == EXCHANGE_HEADERS) {
        exchange_publish(exchange);
    }
    if (!keep) {
        conn->close_after = true;
        conn->linger = true;
    }
    if (server->handlers.on_refused != NULL) {
        server->handlers.on_refused(server->handlers.ctx, &exchange->pub, why, err_http_status(why));
    }
    exchange_answer_err(exchange, why);
}

static enum err finish_body(struct exchange *exchange) {
    if (exchange->refused != OK) {
        return exchange->refused;
    }
    if ((uint64_t)stat_get(&exchange->server->stat.inflight) >= exchange->server->limits.requests) {
        return ERR_BUSY;
    }
    struct bytes *body = &exchange->body;
    if (exchange->gzip && body->len > 0) {
        enum err err = exchange_inflate(exchange);
        if (err != OK) {
            return err;
        }
        body = &exchange->inflated;
    }
    if (body->len > 0) {
        memset(body->ptr + body->len, 0, SERVER_BODY_PADDING);
        exchange->pub.body = slice_of(body->ptr, body->len);
    } else {
        static const char nothing[SERVER_BODY_PADDING];
        exchange->pub.body = slice_of(nothing, 0);
    }
    return OK;
}

static void dispatch(struct conn *conn) {
    struct http_server *server = conn->server;
    struct exchange *exchange = conn->exchange;
    enum err err = finish_body(exchange);
    if (err != OK) {
        conn_refuse(conn, err, /* keep: */ true);
        return;
    }
    exchange->state = EXCHANGE_HANDLED;
    server_count(&server->stat.inflight, 1);
    server_count(&server->stat.requests, 1);
    server->handlers.on_request(server->handlers.ctx, &exchange->pub);
}

static void stash(struct conn *conn, const char *data, size_t len) {
    struct buf *pending = &conn->pending;
    if (pending->ptr != NULL && data >= pending->ptr && data < pending->ptr + pending->len) {
        conn->pending_at = (size_t)(data - pending->ptr); /* it came from there */
        return;
    }
    if (buf_append(pending, slice_of(data, len)) != OK) {
        conn_close(conn);
        return;
    }
    server_count(&conn->server->stat.buffered, (int64_t)len);
    if (conn->reading && pending_left(conn) > SERVER_PIPELINE_STOP) {
        (void)uv_read_stop(&conn->io.stream); /* always 0 */
        conn->reading = false;
    }
}

/* Empty lines before a request line are allowed and mean nothing. */
static bool begin(struct conn *conn, const char **data, size_t *len) {
    while (*len > 0 && (**data == '\r' || **data == '\n')) {
        (*data)++;
        (*len)--;
    }
    if (*len == 0) {
        return false;
    }
    deadline_clear(conn);
    if (exchange_new(conn) == NULL) {
        conn_close(conn);
        return false;
    }
    return true;
}

static void go_on(struct conn *conn) {
    struct exchange *exchange = conn->exchange;
    if (exchange->state == EXCHANGE_COMPLETE) {
        dispatch(conn);
    } else if (exchange->state == EXCHANGE_BODY && exchange->expects_continue) {
        exchange->expects_continue = false;
        if (exchange->pub.wire_bytes == 0) {
            static char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
            uv_buf_t buf = uv_buf_init(text, sizeof(text) - 1);
            (void)conn_send(conn, &buf, 1); /* a failure has closed the connection */
        }
    }
}

void conn_feed(struct conn *conn, const char *data, size_t len) {
    conn->feeding = true;
    while (len > 0 && conn->state == CONN_OPEN) {
        if (busy(conn)) {
            stash(conn, data, len);
            break;
        }
        if (conn->close_after || (conn->exchange == NULL && !begin(conn, &data, &len))) {
            break;
        }
        size_t used = 0;
        enum err err = parse_execute(conn, data, len, &used);
        if (err != OK) {
            server_count(&conn->server->stat.parse_errors, err == ERR_BAD_REQUEST || err == ERR_HEADERS_TOO_LARGE);
            conn_refuse(conn, err, /* keep: */ false);
            break;
        }
        data += used;
        len -= used;
        go_on(conn);
    }
    conn->feeding = false;
    conn_settle(conn);
}

void conn_resume(struct conn *conn) {
    if (conn->state != CONN_OPEN || busy(conn) || pending_left(conn) == 0) {
        return;
    }
    size_t at = conn->pending_at;
    conn->pending_at = conn->pending.len;
    conn_feed(conn, conn->pending.ptr + at, conn->pending.len - at);
    if (conn->state != CONN_OPEN) {
        return;
    }
    if (pending_left(conn) == 0) {
        pending_free(conn);
    }
    if (pending_left(conn) <= SERVER_PIPELINE_STOP) {
        read_start(conn);
    }
    conn_settle(conn); /* reading may have met nothing to wait for before */
}

/* The rest of a body of declared length is read into its place. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf) {
    (void)suggested;
    struct conn *conn = handle->data;
    struct exchange *exchange = conn->exchange;
    if (exchange != NULL && exchange->state == EXCHANGE_BODY && !exchange->chunked && exchange->refused == OK &&
        exchange->body.len > 0 && conn->writes == 0 && pending_left(conn) == 0) {
        struct bytes *body = &exchange->body;
        uint64_t left = exchange->body_length - body->len;
        if (body->len < body->cap || exchange_body_reserve(exchange, body->len + 1) == OK) {
            uint64_t room = body->cap - body->len;
            *ret_buf = uv_buf_init(body->ptr + body->len, (unsigned)(left < room ? left : room));
            return;
        }
    }
    *ret_buf = uv_buf_init(conn->server->read_buffer, SERVER_READ_SIZE);
}

static void on_input_end(struct conn *conn, ssize_t status) {
    conn->reading = false;
    if (status != UV_EOF || conn->state == CONN_LINGERING) {
        conn_close(conn);
        return;
    }
    conn->eof = true;
    struct exchange *exchange = conn->exchange;
    if (exchange != NULL && exchange->state == EXCHANGE_STREAM) {
        conn_close(conn);
        return;
    }
    if (exchange != NULL && exchange->state == EXCHANGE_HANDLED) {
        exchange->pub.gone = true; /* or only its sending side is shut: the answer is tried */
        return;
    }
    if (conn->writes == 0) {
        conn_settle(conn);
    }
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf) {
    struct conn *conn = stream->data;
    if (count < 0) {
        on_input_end(conn, count);
        return;
    }
    if (conn->state == CONN_LINGERING) {
        conn->lingered += (uint64_t)count;
        if (conn->lingered > SERVER_LINGER_BYTES) {
            conn_close(conn);
        }
        return;
    }
    if (count == 0 || conn->state != CONN_OPEN) {
        return;
    }
    server_count(&conn->server->stat.bytes_in, count);
    conn_feed(conn, buf->base, (size_t)count);
}

void conn_expire(struct conn *conn, enum deadline kind) {
    if (kind == DEADLINE_IDLE || kind == DEADLINE_LINGER) {
        conn_close(conn);
        return;
    }
    server_count(&conn->server->stat.timeouts, 1);
    if (kind == DEADLINE_WRITE) {
        conn_close(conn);
    } else {
        conn_refuse(conn, ERR_REQUEST_TIMEOUT, /* keep: */ false);
    }
}

void conn_drain(struct conn *conn) {
    struct exchange *exchange = conn->exchange;
    if (exchange == NULL) {
        if (conn->writes == 0 && conn->state == CONN_OPEN) {
            conn_close(conn);
        }
        return;
    }
    if (exchange->state == EXCHANGE_STREAM && !exchange->stream.over) {
        exchange->stream.over = true; /* its owner ends it, and that closes the connection */
        if (exchange->stream.on_gone != NULL) {
            exchange->stream.on_gone(exchange->stream.ctx);
        }
    }
}

static uint8_t peer_text(const struct sockaddr *peer, char out[SERVER_PEER_SIZE]) {
    const void *address = NULL;
    int family = peer != NULL ? peer->sa_family : AF_UNSPEC;
    if (family == AF_INET) {
        address = &((const struct sockaddr_in *)(const void *)peer)->sin_addr;
    } else if (family == AF_INET6) {
        const struct in6_addr *six = &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr;
        bool mapped = IN6_IS_ADDR_V4MAPPED(six);
        address = mapped ? (const void *)&six->s6_addr[12] : (const void *)six;
        family = mapped ? AF_INET : AF_INET6;
    }
    if (address == NULL || inet_ntop(family, address, out, SERVER_PEER_SIZE) == NULL) {
        return 0;
    }
    return (uint8_t)strlen(out);
}

static int open_handle(struct conn *conn, int fd, bool is_unix) {
    uv_loop_t *uv = loop_uv(conn->server->loop);
    int error;
    if (is_unix) {
        (void)uv_pipe_init(uv, &conn->io.pipe, /* ipc: */ 0); /* fails for ipc only */
        error = uv_pipe_open(&conn->io.pipe, fd);
    } else {
        (void)uv_tcp_init(uv, &conn->io.tcp); /* opens nothing: cannot fail */
        error = uv_tcp_open(&conn->io.tcp, fd);
    }
    conn->io.handle.data = conn;
    return error;
}

void conn_adopt(struct http_server *server, int fd, const struct sockaddr *peer) {
    struct conn *conn = mem_try_alloc(sizeof(*conn));
    if (conn == NULL) {
        (void)close(fd); /* nothing was written to it */
        server_count(&server->stat.refused_connections, 1);
        return;
    }
    conn->server = server;
    conn->due_kind = DEADLINE_NONE;
    buf_init(&conn->pending, /* ceiling: */ 0);
    conn->peer_len = peer_text(peer, conn->peer);
    int error = open_handle(conn, fd, peer == NULL);
    parse_start(conn);
    server->handles++;
    server->conn_count++;
    server_count(&server->stat.connections, 1);
    server_count(&server->stat.accepted, 1);
    conn->next = server->conns;
    if (server->conns != NULL) {
        server->conns->prev = conn;
    }
    server->conns = conn;
    if (error != 0) {
        (void)close(fd); /* libuv did not take it */
        conn_close(conn);
        return;
    }
    if (server->conn_count - server->lingering > server->limits.connections) {
        server_count(&server->stat.refused_connections, 1);
        conn_refuse(conn, ERR_BUSY, /* keep: */ false);
        return;
    }
    deadline_set(conn, DEADLINE_HEADER);
    read_start(conn);
}
