/* Private to http/server*.c.
 *
 * A connection (struct conn) is a socket, a parser and at most one exchange. An exchange is one request with everything
 * whose lifetime is the request's: header bytes, body, arena. Exchanges come from a pool of the server, so that an idle
 * connection costs only its own few hundred bytes, and they outlive their connection when the client leaves before the
 * answer.
 *
 *   conn:      OPEN -> LINGERING (answered, write side shut, input dropped until EOF) -> CLOSED (uv_close called)
 *   exchange:  HEADERS -> BODY -> COMPLETE -> HANDLED -> (answered) released
 *                                                \-> STREAM -> (ended) released
 * thread: the server's loop. */
#ifndef SLUICE_HTTP_SERVER_INTERNAL_H
#define SLUICE_HTTP_SERVER_INTERNAL_H

#include <llhttp.h>
#include <uv.h>

#include "base/buf.h"
#include "http/server.h"

struct libdeflate_decompressor;
struct conn;

#define SERVER_READ_SIZE 65536u     /* one buffer per server: libuv reads and hands over before it reads again */
#define SERVER_PIPELINE_STOP 16384u /* unparsed input of a connection at which reading stops */
#define SERVER_BODY_FIRST 65536u    /* of a declared length, allocated before a byte has arrived */
#define SERVER_BODY_PADDING 64u     /* JSON_PADDING */
#define SERVER_SKIP_BODY 16384u     /* a refused body up to this size is read and dropped to keep the connection */
#define SERVER_POOL_EXCHANGES 512u
#define SERVER_POOL_BYTES (8u << 20) /* body buffers that waiting exchanges may keep, in all */
#define SERVER_LINGER_MS 2000
#define SERVER_LINGER_BYTES (4u << 20) /* a client that goes on sending after its refusal is cut off here */
#define SERVER_LINGER_MAX 128u         /* connections past the cap that may linger */
#define SERVER_ACCEPT_BATCH 64
#define SERVER_ACCEPT_PAUSE_MS 100 /* after accept failed for want of descriptors */
#define SERVER_LISTENERS 4u
#define SERVER_HEADERS_MAX 256u
#define SERVER_HEADERS_INLINE 32u
#define SERVER_HEAD_INLINE 2048u
#define SERVER_PEER_SIZE 46u
#define SERVER_ADDED_HEADERS 16u
#define SERVER_DATE_LEN 29u

enum deadline {
    DEADLINE_HEADER,
    DEADLINE_BODY,
    DEADLINE_IDLE,
    DEADLINE_WRITE,
    DEADLINE_LINGER,
    DEADLINE_COUNT,
    DEADLINE_NONE
};

/* Connections by the time at which their wait began: time-outs of a kind are equal, so the head is the next to expire.
 */
struct deadline_list {
    struct http_server *server;
    struct conn *head, *tail;
    struct loop_timer timer; /* may fire early, never late: removing the head leaves it set */
    enum deadline kind;
};

enum exchange_state { EXCHANGE_HEADERS, EXCHANGE_BODY, EXCHANGE_COMPLETE, EXCHANGE_HANDLED, EXCHANGE_STREAM };

struct bytes {
    char *ptr;
    size_t len, cap; /* cap without the padding */
};

struct http_stream {
    void (*on_gone)(void *ctx);
    void *ctx;
    bool chunked; /* false: HTTP/1.0, the end is the close */
    bool no_body; /* HEAD */
    bool over;    /* the client has gone or the server drains */
};

struct exchange {
    struct http_request pub; /* first: the handler's pointer is ours */
    uint32_t magic;
    enum exchange_state state;
    struct http_server *server;
    struct conn *conn; /* NULL: the client has gone */
    struct exchange *next;
    struct http_stream stream;

    struct bytes body, inflated;
    uint64_t charged;     /* of server->stat.buffered */
    uint64_t body_length; /* declared; 0 when chunked */
    enum err refused;     /* decided after the headers, answered after the body that is being skipped */
    bool chunked, gzip, expects_continue, old_version;

    struct http_header *headers; /* pub.headers while it is written */
    size_t header_room;
    char *head; /* the bytes that target and headers point into */
    size_t head_len, head_cap;
    size_t target_len;
    uint64_t head_raw; /* as received, with what the parser skips */
    const char *gap; /* end of the last span in this chunk of input; what follows up to the next span is the parser's */
    const char *chunk_end;
    bool in_value, gap_has_lf;
    char peer[SERVER_PEER_SIZE];
    struct http_header headers_inline[SERVER_HEADERS_INLINE];
    char head_inline[SERVER_HEAD_INLINE];
};

enum conn_state { CONN_OPEN, CONN_LINGERING, CONN_CLOSED };

struct conn {
    struct http_server *server;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } io;
    llhttp_t parser;
    struct conn *prev, *next;         /* of the server */
    struct conn *due_prev, *due_next; /* of a deadline_list */
    int64_t due_start;
    enum deadline due_kind;
    struct conn *resume_next;
    struct exchange *exchange; /* being received, or with the handler */
    struct buf pending;        /* input behind an unanswered request */
    size_t pending_at;         /* what is parsed of it */
    uint32_t writes;           /* given to libuv, not finished */
    enum conn_state state;
    enum err refusal; /* set by a parser callback that stops the parser */
    bool feeding;     /* inside conn_feed: answers do not start the next request */
    bool resuming;    /* in server->resume_head */
    bool reading, eof, close_after, linger, handle_closed;
    uint8_t peer_len;
    char peer[SERVER_PEER_SIZE];
    uint64_t lingered; /* bytes dropped since the answer that closes */
    uv_shutdown_t shutdown;
};

struct listener {
    struct http_server *server;
    uv_poll_t poll;
    int fd;
    bool is_unix, polling;
    char path[108]; /* unix: removed when the listener closes */
};

struct http_server {
    struct loop *loop;
    struct http_limits limits;
    struct http_handlers handlers;
    struct http_server_stat stat;
    struct listener *listeners[SERVER_LISTENERS];
    size_t listener_count;
    struct loop_timer accept_timer;
    int spare_fd; /* given up for a moment to accept and close when there are no descriptors left */
    struct conn *conns;
    uint32_t conn_count, lingering;
    uint32_t handles;   /* not yet closed; the server's memory lives until then */
    uint32_t exchanges; /* not in the pool */
    struct exchange *pool;
    uint32_t pool_count;
    size_t pool_bytes;
    struct deadline_list deadlines[DEADLINE_COUNT];
    struct conn *resume_head;
    struct loop_defer defer;
    struct libdeflate_decompressor *inflater;
    struct buf head; /* scratch of response heads */
    int64_t date_second;
    char date[64]; /* "Thu, 01 Jan 1970 00:00:00 GMT", SERVER_DATE_LEN */
    bool draining, drained, freed;
    void (*on_drained)(void *ctx);
    void *drain_ctx;
    llhttp_settings_t settings;
    char read_buffer[SERVER_READ_SIZE];
};

/* Only the loop's thread writes: no locked instruction. */
static inline void server_count(stat_value *value, int64_t by) {
    stat_set(value, stat_get(value) + by);
}

/* server.c */
void server_release(struct http_server *server); /* frees the memory when it is the last thing to do */
void server_check_drained(struct http_server *server);
void server_resume_later(struct conn *conn);

/* server_listen.c */
void listener_close(struct listener *listener);
void listeners_rearm(struct loop_timer *timer);

/* server_conn.c */
void conn_adopt(struct http_server *server, int fd, const struct sockaddr *peer); /* takes fd; peer NULL: unix */
void conn_feed(struct conn *conn, const char *data, size_t len);
void conn_resume(struct conn *conn);
void conn_close(struct conn *conn);
void conn_settle(
    struct conn *conn); /* after each step: close, linger, go on or wait, with the deadline that belongs to it */
void conn_refuse(struct conn *conn, enum err why, bool keep);
void conn_expire(struct conn *conn, enum deadline kind);
void conn_drain(struct conn *conn);

/* server_deadline.c */
void deadline_set(struct conn *conn, enum deadline kind); /* no change when it is that kind already */
void deadline_clear(struct conn *conn);
void deadlines_init(struct http_server *server);
void deadlines_update(struct http_server *server); /* after new limits */
void deadlines_fini(struct http_server *server);

/* server_exchange.c */
struct exchange *exchange_new(struct conn *conn);
void exchange_release(struct exchange *exchange); /* to the pool */
void exchange_free(struct exchange *exchange);    /* from the pool */
struct exchange *exchange_of(const struct http_request *request);
bool exchange_head_append(struct exchange *exchange, const char *at, size_t len); /* false: past the limit */
struct http_header *exchange_header_add(struct exchange *exchange);               /* NULL: too many */
void exchange_publish(struct exchange *exchange);
MUST enum err exchange_body_reserve(struct exchange *exchange, size_t size);
MUST enum err exchange_body_append(struct exchange *exchange, const char *at, size_t len);
MUST enum err exchange_inflate(struct exchange *exchange);

/* server_parse.c */
void parse_init(struct http_server *server);
void parse_start(struct conn *conn);
/* Feeds the parser; *ret_used bytes are done. OK with the exchange COMPLETE or wanting more; else why the request is
 * refused. */
MUST enum err parse_execute(struct conn *conn, const char *data, size_t len, size_t *ret_used);

/* server_write.c */
/* Writes now what fits, queues a copy of the rest. false: the connection is closed. */
bool conn_send(struct conn *conn, uv_buf_t *bufs, unsigned count);
void exchange_answer(struct exchange *exchange, const struct http_response *response);
void exchange_answer_err(struct exchange *exchange, enum err why);

#endif
