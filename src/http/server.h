/* HTTP/1.1 server over libuv + llhttp, several loops on one port (SO_REUSEPORT). Ours are the limits, deadlines and
 * responses around that parser: header bytes, body bytes, absolute header and body deadlines, idle time-out, connection
 * cap, requests in flight, Expect: 100-continue, HEAD, keep-alive and pipelining (one request at a time per connection,
 * in order).
 *
 * thread: a server and its requests belong to one loop; http_respond is called on that loop. A handler may answer later
 * (after durability); the request stays valid until it is answered. If the client leaves first, `request->gone` becomes
 * true, the request stays valid, and answering it just frees it. A client that has only shut its sending side counts as
 * gone too, but is sent the answer. No callback but on_drained may free the server. The process
 * ignores SIGPIPE. */
#ifndef SLUICE_HTTP_SERVER_H
#define SLUICE_HTTP_SERVER_H

#include "base/arena.h"
#include "base/loop.h"
#include "base/stat.h"
#include "http/http.h"

struct http_server;

struct http_limits {         /* one per server; copied at http_server_new, exchanged by http_server_set_limits */
    uint64_t header_bytes;   /* request line + headers; 431 past it */
    uint64_t body_bytes;     /* as received, compressed or not; 413 past it, at once when the declared length is */
    uint64_t inflated_bytes; /* gzip: 413 past it */
    uint32_t connections;    /* open at once; past it the newest is closed after a 503 */
    uint32_t requests;       /* in flight at once (handler called, not answered); past it 503 + Retry-After */
    uint64_t buffered_bytes; /* all bodies held at once; past it 503 + Retry-After */
    int64_t header_ms; /* from the first byte of a request (or accept) to the end of its headers; then 408 and close */
    int64_t body_ms;   /* from the end of the headers to the end of the body; then 408 and close */
    int64_t idle_ms;   /* keep-alive without a request; then close */
    int64_t write_ms;  /* a response that the client does not read; then close */
    uint32_t retry_after_s; /* Retry-After of 429 and 503; 0 = 1 */
};

struct http_request {
    enum http_method method;
    struct slice target;      /* as sent */
    struct slice path, query; /* split at '?'; undecoded */
    const struct http_header *headers;
    size_t header_count;
    struct slice body;   /* complete, inflated when Content-Encoding is gzip; 64 zeros (JSON_PADDING) behind it */
    uint64_t wire_bytes; /* of the body as received */
    struct slice peer;   /* remote address without port; "" for a unix socket */
    struct arena arena;  /* lives as long as the request */
    uint64_t started_ns; /* clock_mono_ns at the first byte */
    void *user;          /* the handler's */
    bool gone;           /* nobody reads the answer, as far as we know */
    bool keep_alive;     /* the client wants to go on after it */
};

struct http_handlers {
    /* After the headers, before the body: OK to go on, or an error to answer at once (authentication before the body).
     * A body of up to 16 KiB is still read and dropped, so that the connection lives on. May be NULL. */
    enum err (*on_headers)(void *ctx, struct http_request *request);
    /* The whole request. Must lead to exactly one http_respond or http_stream_begin. */
    void (*on_request)(void *ctx, struct http_request *request);
    /* A request that ended in the server before on_request was called (parse error, limit, deadline, on_headers
     * refusal): for counters and `tail`. What had not arrived is empty, all of it for a connection past the cap. */
    void (*on_refused)(void *ctx, const struct http_request *request, enum err why, int status);
    /* Adds headers that every response carries (CORS); called while the response head is written. Also for the server's
     * own refusals. May be NULL. */
    size_t (*add_headers)(void *ctx, const struct http_request *request, struct http_header *out, size_t room);
    void *ctx;
};

struct http_response {
    int status;
    struct slice content_type;         /* "" = none */
    struct slice body;                 /* copied */
    const struct http_header *headers; /* further ones, copied */
    size_t header_count;
    bool close; /* after this response */
};

struct http_server *http_server_new(
    struct loop *loop, const struct http_limits *limits, const struct http_handlers *handlers);
/* Binds and listens. "host:port", port 0 = any (ret_port tells which). reuse_port: false for the first
 * listener of a port, which fails if anybody has it; true for further loops of the same server. */
MUST enum err http_server_listen(
    struct http_server *server, struct slice address, bool reuse_port, uint16_t *ret_port, struct errinfo *why);
/* Unix socket, mode 0600; a dead socket file is replaced, a live one is ERR_EXISTS. */
MUST enum err http_server_listen_unix(struct http_server *server, const char *path, struct errinfo *why);
void http_server_set_limits(struct http_server *server, const struct http_limits *limits);
/* Stops accepting, answers requests in flight with Connection: close, closes idle connections; then calls on_drained on
 * the loop. */
void http_server_drain(struct http_server *server, void (*on_drained)(void *ctx), void *ctx);
/* Closes everything now; NULL is fine. Memory goes with the loop's close callbacks (loop_free runs them) and with the
 * last answer: requests that a handler holds are gone, stay valid, and must still be answered. */
void http_server_free(struct http_server *server);

/* First header of that name (case-insensitive); false when absent. */
bool http_request_header(const struct http_request *request, struct slice name, struct slice *ret_value);
/* Value of a query parameter, decoded into the request's arena; false when absent. */
bool http_request_query(struct http_request *request, struct slice key, struct slice *ret_value);

void http_respond(struct http_request *request, const struct http_response *response);
/* The error's HTTP status and text + "\n", text/plain; charset=utf-8, nosniff (the gateway's wire format); Retry-After
 * where the class is RETRY and status is 429 or 503. */
void http_respond_err(struct http_request *request, enum err why);

/* A chunked response of unknown length (`tail --follow`). write copies; false when the client has gone (the stream is
 * freed by http_stream_end alone). on_gone is called once, when the client leaves or the server drains, unless a write
 * has told so before; end the stream then or later. */
struct http_stream;
struct http_stream *http_stream_begin(
    struct http_request *request, int status, struct slice content_type, void (*on_gone)(void *ctx), void *ctx);
bool http_stream_write(struct http_stream *stream, struct slice data);
size_t http_stream_backlog(const struct http_stream *stream); /* bytes not yet taken by the kernel */
void http_stream_end(struct http_stream *stream);

struct http_server_stat {
    stat_value connections, accepted, refused_connections, requests, inflight, timeouts, parse_errors, bytes_in,
        bytes_out, buffered;
};
const struct http_server_stat *http_server_stat(const struct http_server *server);

#endif
