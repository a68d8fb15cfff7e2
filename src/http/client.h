/* HTTP client over libcurl (multi_socket on a loop): keep-alive, HTTP/2 by ALPN, TLS verified, proxies from the
 * environment off unless configured, redirects followed only where a call says so. Refuses private addresses at connect
 * time (after DNS) of every hop, so that neither a name nor a redirect can lead inside.
 * The client frames: Content-Length, Transfer-Encoding and Expect among a call's headers are left out. With a proxy,
 * what the proxy connects to is the proxy's affair. timeout_ms is on base/clock.h's time, connect_ms on real time.
 *
 * thread: a client and its calls belong to one loop. */
#ifndef SLUICE_HTTP_CLIENT_H
#define SLUICE_HTTP_CLIENT_H

#include "base/loop.h"
#include "http/http.h"

struct http_client;

struct http_client_conf {
    uint32_t connections; /* kept open in all */
    uint32_t connections_per_host;
    int64_t connect_ms;
    bool allow_private;   /* loopback, RFC 1918, link-local, unique local, CGNAT, metadata addresses */
    struct slice ca_file; /* "" = the system's */
    struct slice proxy;   /* "" = none */
    struct slice
        connect_to; /* "" = nothing: HOST:PORT:ADDRESS:PORT, separated by commas; an empty HOST or PORT is any */
    uint64_t response_bytes; /* of a body kept; the rest is read and dropped */
};

struct http_result {
    enum err err; /* OK when a status line arrived; CONNECT, TIMEOUT, DENIED (private address), IO */
    int status;
    struct slice body; /* at most response_bytes; valid during the callback */
    struct slice content_type;
    int64_t retry_after_ms; /* from now; -1 = absent. Seconds and HTTP dates. */
    uint64_t total_us;
    const char *text;            /* why `err`, one sentence ("" otherwise) */
    const char *refused_address; /* of ERR_DENIED; "" otherwise */
    bool unresolved;             /* the name of the host has no address */
    bool body_cut;               /* the body was longer than response_bytes */
    bool broken;                 /* the body did not come to its end, or could not be unpacked */
    /* of the last hop, when the call's want_headers is set; valid during the callback */
    const struct http_header *headers;
    size_t header_count;
    struct slice url; /* also when it failed */
};

/* Caller's memory, untouched until on_done. Slices must live until then. */
struct http_call {
    enum http_method method;
    struct slice url;
    const struct http_header *headers;
    size_t header_count;
    struct slice body;
    int64_t timeout_ms;
    bool allow_private; /* this call may reach private addresses although the client's setting forbids it */
    bool want_headers;  /* of the answer */
    bool unpack;        /* says that it takes gzip, and unpacks the body */
    uint8_t redirects;  /* most hops that are followed; one more, or one that leads nowhere, is a failure */
    void (*on_done)(struct http_call *call, const struct http_result *result);
    void *transfer; /* the client's */
};

struct http_client *http_client_new(struct loop *loop, const struct http_client_conf *conf);
/* Calls in flight are cancelled without on_done. */
void http_client_free(struct http_client *client);
/* on_done is never called from inside http_client_send. ERR_NOMEM, ERR_INVALID (url). */
MUST enum err http_client_send(struct http_client *client, struct http_call *call, struct errinfo *why);
void http_client_cancel(struct http_client *client, struct http_call *call);
/* https?://host…, no control characters, host present. For `check`. */
MUST enum err http_url_check(struct slice url, struct errinfo *why);

#endif
