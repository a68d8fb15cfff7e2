/* Answers: the head is built in one scratch buffer of the server, head and body leave in one write; what the kernel
 * does not take is copied and queued. Header values cannot break the head: line breaks and NUL in them become spaces.
 */
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "http/server_internal.h"

#define HEAD_FIXED 256u /* status line, Date, Content-Length, Connection, names */

struct write {
    uv_write_t request;
    struct conn *conn;
    char data[];
};

static void on_write(uv_write_t *request, int status) {
    struct write *write = CONTAINER_OF(request, struct write, request);
    struct conn *conn = write->conn;
    mem_free(write);
    conn->writes--;
    if (status != 0) {
        conn_close(conn);
        return;
    }
    if (conn->due_kind == DEADLINE_WRITE) {
        deadline_clear(conn); /* the client reads: what is still queued has its time again */
    }
    conn_settle(conn);
}

static bool queue_rest(struct conn *conn, const uv_buf_t *bufs, unsigned count, size_t skip) {
    size_t total = 0;
    for (unsigned i = 0; i < count; i++) {
        total += bufs[i].len;
    }
    struct write *write = mem_try_alloc(sizeof(*write) + total - skip);
    if (write == NULL) {
        return false;
    }
    write->conn = conn;
    size_t len = 0;
    for (unsigned i = 0; i < count; i++) {
        size_t from = skip < bufs[i].len ? skip : bufs[i].len;
        skip -= from;
        memcpy(write->data + len, bufs[i].base + from, bufs[i].len - from);
        len += bufs[i].len - from;
    }
    uv_buf_t rest = uv_buf_init(write->data, (unsigned)len);
    if (uv_write(&write->request, &conn->io.stream, &rest, 1, on_write) != 0) {
        mem_free(write);
        return false;
    }
    conn->writes++;
    return true;
}

bool conn_send(struct conn *conn, uv_buf_t *bufs, unsigned count) {
    if (conn->state != CONN_OPEN) {
        return false;
    }
    size_t total = 0;
    for (unsigned i = 0; i < count; i++) {
        total += bufs[i].len;
    }
    server_count(&conn->server->stat.bytes_out, (int64_t)total);
    int done = conn->writes == 0 ? uv_try_write(&conn->io.stream, bufs, count) : 0;
    if (done == UV_EAGAIN) {
        done = 0;
    }
    if (done < 0 || ((size_t)done < total && !queue_rest(conn, bufs, count, (size_t)done))) {
        conn_close(conn);
        return false;
    }
    return true;
}

static char *put(char *at, struct slice s) {
    if (s.len > 0) {
        memcpy(at, s.ptr, s.len);
    }
    return at + s.len;
}

static char *put_number(char *at, uint64_t number) {
    char digits[20];
    size_t n = 0;
    do {
        digits[n++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (n > 0) {
        *at++ = digits[--n];
    }
    return at;
}

static char *put_clean(char *at, struct slice s) {
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        *at++ = c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
    }
    return at;
}

static char *put_header(char *at, struct slice name, struct slice value) {
    at = put_clean(at, name);
    at = put(at, SLICE(": "));
    at = put_clean(at, value);
    return put(at, SLICE("\r\n"));
}

static struct slice date_now(struct http_server *server) {
    int64_t second = clock_ms() / 1000;
    if (second != server->date_second) {
        static const char days[] = "SunMonTueWedThuFriSat";
        static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        time_t when = (time_t)second;
        struct tm tm = {0};
        (void)gmtime_r(&when, &tm); /* fails for years beyond int only */
        (void)snprintf(server->date, sizeof(server->date), "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
            days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
            tm.tm_sec);
        server->date_second = second;
    }
    return slice_of(server->date, SERVER_DATE_LEN);
}

enum framing { FRAMING_LENGTH, FRAMING_CHUNKED, FRAMING_CLOSE };

static size_t headers_size(const struct http_header *headers, size_t count) {
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += headers[i].name.len + headers[i].value.len + 4;
    }
    return size;
}

static char *put_headers(char *at, const struct http_header *headers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        at = put_header(at, headers[i].name, headers[i].value);
    }
    return at;
}

static char *put_status(char *at, int status) {
    at = put(at, SLICE("HTTP/1.1 "));
    at = put_number(at, (uint64_t)status);
    *at++ = ' ';
    at = put(at, slice_cstr(http_status_text(status)));
    return put(at, SLICE("\r\n"));
}

static char *put_framing(
    char *at, const struct exchange *exchange, const struct http_response *response, enum framing framing) {
    bool bare = response->status == 204 || response->status == 304 || response->status < 200;
    if (framing == FRAMING_CHUNKED) {
        at = put(at, SLICE("Transfer-Encoding: chunked\r\n"));
    } else if (framing == FRAMING_LENGTH && !bare) {
        at = put(at, SLICE("Content-Length: "));
        at = put_number(at, response->body.len);
        at = put(at, SLICE("\r\n"));
    }
    if (exchange->conn->close_after) {
        at = put(at, SLICE("Connection: close\r\n"));
    } else if (exchange->old_version) {
        at = put(at, SLICE("Connection: keep-alive\r\n"));
    }
    return at;
}

/* SLICE_NONE when there is no memory. */
static struct slice build_head(
    const struct exchange *exchange, const struct http_response *response, enum framing framing) {
    struct http_server *server = exchange->server;
    struct http_header added[SERVER_ADDED_HEADERS];
    size_t added_count = 0;
    if (server->handlers.add_headers != NULL) {
        added_count = server->handlers.add_headers(server->handlers.ctx, &exchange->pub, added, COUNT_OF(added));
        ASSERT(added_count <= COUNT_OF(added));
    }
    size_t size = HEAD_FIXED + response->content_type.len + headers_size(response->headers, response->header_count) +
        headers_size(added, added_count);
    buf_reset(&server->head);
    if (buf_reserve(&server->head, size) != OK) {
        return SLICE_NONE;
    }
    char *at = put_status(server->head.ptr, response->status);
    at = put(at, SLICE("Date: "));
    at = put(at, date_now(server));
    at = put(at, SLICE("\r\n"));
    if (response->content_type.len > 0) {
        at = put_header(at, SLICE("Content-Type"), response->content_type);
    }
    at = put_framing(at, exchange, response, framing);
    at = put_headers(at, response->headers, response->header_count);
    at = put_headers(at, added, added_count);
    at = put(at, SLICE("\r\n"));
    server->head.len = (size_t)(at - server->head.ptr);
    return buf_slice(&server->head);
}

/* Whether the connection ends after this answer. */
static void decide_close(const struct exchange *exchange, bool asked) {
    struct conn *conn = exchange->conn;
    if (asked || !exchange->pub.keep_alive || exchange->server->draining) {
        conn->close_after = true;
    }
}

static void answered(struct exchange *exchange) {
    if (exchange->state == EXCHANGE_HANDLED || exchange->state == EXCHANGE_STREAM) {
        server_count(&exchange->server->stat.inflight, -1);
    }
    struct conn *conn = exchange->conn;
    exchange_release(exchange);
    if (conn != NULL && !conn->feeding) {
        conn_settle(conn);
    }
}

void exchange_answer(struct exchange *exchange, const struct http_response *response) {
    struct conn *conn = exchange->conn;
    if (conn != NULL) {
        decide_close(exchange, response->close);
        struct slice head = build_head(exchange, response, FRAMING_LENGTH);
        bool bare = response->status == 204 || response->status == 304 || exchange->pub.method == HTTP_METHOD_HEAD;
        uv_buf_t bufs[2] = {uv_buf_init((char *)(uintptr_t)head.ptr, (unsigned)head.len),
            uv_buf_init((char *)(uintptr_t)response->body.ptr, (unsigned)response->body.len)};
        conn->exchange = NULL; /* from here on the connection may go without telling the request */
        if (head.ptr == NULL) {
            conn_close(conn);
        } else {
            (void)conn_send(conn, bufs, bare || response->body.len == 0 ? 1 : 2); /* a failure has closed it */
        }
    }
    answered(exchange);
}

void exchange_answer_err(struct exchange *exchange, enum err why) {
    const char *text = err_text(why);
    char body[sizeof(((struct errinfo *)0)->text)];
    int len = text[0] == '\0' ? 0 : snprintf(body, sizeof(body), "%s\n", text);
    uint32_t seconds = exchange->server->limits.retry_after_s;
    char retry_after[12];
    int digits = snprintf(retry_after, sizeof(retry_after), "%u", seconds > 0 ? seconds : 1);
    struct http_header headers[2] = {{SLICE("X-Content-Type-Options"), SLICE("nosniff")},
        {SLICE("Retry-After"), slice_of(retry_after, (size_t)digits)}};
    int status = err_http_status(why);
    bool again = err_class(why) == ERR_CLASS_RETRY && (status == 429 || status == 503);
    struct http_response response = {.status = status,
        .content_type = SLICE("text/plain; charset=utf-8"),
        .body = slice_of(body, (size_t)len),
        .headers = headers,
        .header_count = again ? 2 : 1};
    exchange_answer(exchange, &response);
}

void http_respond(struct http_request *request, const struct http_response *response) {
    struct exchange *exchange = exchange_of(request);
    ASSERT(exchange->state == EXCHANGE_HANDLED);
    exchange_answer(exchange, response);
}

void http_respond_err(struct http_request *request, enum err why) {
    struct exchange *exchange = exchange_of(request);
    ASSERT(exchange->state == EXCHANGE_HANDLED);
    exchange_answer_err(exchange, why);
}

struct http_stream *http_stream_begin(
    struct http_request *request, int status, struct slice content_type, void (*on_gone)(void *ctx), void *ctx) {
    struct exchange *exchange = exchange_of(request);
    ASSERT(exchange->state == EXCHANGE_HANDLED);
    struct http_stream *stream = &exchange->stream;
    exchange->state = EXCHANGE_STREAM;
    *stream = (struct http_stream){.on_gone = on_gone,
        .ctx = ctx,
        .chunked = !exchange->old_version,
        .no_body = request->method == HTTP_METHOD_HEAD,
        .over = exchange->conn == NULL || exchange->conn->eof};
    if (stream->over) {
        return stream;
    }
    struct http_response response = {.status = status, .content_type = content_type};
    decide_close(exchange, /* asked: */ !stream->chunked);
    struct slice head = build_head(exchange, &response, stream->chunked ? FRAMING_CHUNKED : FRAMING_CLOSE);
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)head.ptr, (unsigned)head.len);
    stream->over = true; /* a failure below is told by the first write, not by on_gone */
    if (head.ptr == NULL) {
        conn_close(exchange->conn);
    } else if (conn_send(exchange->conn, &buf, 1)) {
        stream->over = false;
        conn_settle(exchange->conn);
    }
    return stream;
}

bool http_stream_write(struct http_stream *stream, struct slice data) {
    struct exchange *exchange = CONTAINER_OF(stream, struct exchange, stream);
    if (stream->over) {
        return false;
    }
    if (data.len == 0 || stream->no_body) {
        return true;
    }
    char size[20];
    int digits = snprintf(size, sizeof(size), "%zx\r\n", data.len);
    static char line_end[] = "\r\n";
    uv_buf_t bufs[3] = {uv_buf_init(size, (unsigned)digits),
        uv_buf_init((char *)(uintptr_t)data.ptr, (unsigned)data.len), uv_buf_init(line_end, 2)};
    stream->over = true; /* as above */
    if (!conn_send(exchange->conn, stream->chunked ? bufs : bufs + 1, stream->chunked ? 3 : 1)) {
        return false;
    }
    stream->over = false;
    conn_settle(exchange->conn);
    return true;
}

size_t http_stream_backlog(const struct http_stream *stream) {
    const struct exchange *exchange = CONTAINER_OF(stream, struct exchange, stream);
    return exchange->conn == NULL ? 0 : uv_stream_get_write_queue_size(&exchange->conn->io.stream);
}

void http_stream_end(struct http_stream *stream) {
    struct exchange *exchange = CONTAINER_OF(stream, struct exchange, stream);
    struct conn *conn = exchange->conn;
    if (conn != NULL) {
        stream->over = true;
        conn->close_after = conn->close_after || exchange->server->draining;
        conn->exchange = NULL;
        if (stream->chunked && !stream->no_body) {
            static char last[] = "0\r\n\r\n";
            uv_buf_t buf = uv_buf_init(last, sizeof(last) - 1);
            (void)conn_send(conn, &buf, 1); /* a failure has closed it */
        }
    }
    answered(exchange);
}
