/* Private to http/client*.c. A client has two libcurl multi handles, because a multi's pool of open connections is
 * searched by host name: a connection to a private address, opened by a call that may, must never serve one that may
 * not.
 *
 * Sockets that libcurl opens are ours to open and close, so that their poll handles live as long as they do: between
 * two requests on a kept connection nothing is registered or removed. thread: the client's loop. */
#ifndef SLUICE_HTTP_CLIENT_INTERNAL_H
#define SLUICE_HTTP_CLIENT_INTERNAL_H

#include <curl/curl.h>
#include <netinet/in.h>
#include <uv.h>

#include "base/arena.h"
#include "base/buf.h"
#include "http/client.h"

struct sockaddr;

struct pool {
    struct http_client *client;
    CURLM *multi; /* NULL until its first call */
    bool allow_private;
    uv_timer_t timer; /* libcurl's own, in real time */
    struct loop_defer defer;
};

struct sock {
    struct pool *pool;
    uv_poll_t poll;
    int fd;
    int polled; /* UV_READABLE | UV_WRITABLE as registered */
    int wanted; /* as libcurl wants it; 0 on a kept connection */
    bool ours;  /* opened by us: lives until libcurl closes the descriptor */
};

/* An easy handle with what belongs to one request; reused. */
struct transfer {
    struct http_client *client;
    struct pool *pool;
    struct transfer *prev, *next; /* active list, or next alone in the idle list */
    CURL *easy;
    struct http_call *call;
    struct loop_timer timeout; /* of the whole call, on base/clock.h's time */
    struct arena arena;        /* header lines of this request */
    struct buf url;            /* as set in `easy`, with NUL */
    struct buf body;           /* of the response, at most response_bytes */
    uint64_t dropped;          /* of the response's body */
    const char *custom_method; /* as set in `easy` */
    uint64_t started_ns;
    bool denied; /* an address was refused */
    bool opened; /* another was tried */
    char refused_address[INET6_ADDRSTRLEN];
    char error[CURL_ERROR_SIZE];
};

struct http_client {
    struct loop *loop;
    struct http_client_conf conf;
    struct arena arena;           /* texts of conf */
    struct curl_slist *elsewhere; /* conf.connect_to, in the arena */
    struct pool pools[2];
    struct transfer *active, *idle;
    uint32_t idle_count;
    struct sock **socks; /* by descriptor */
    size_t sock_room;
    uint32_t handles; /* not yet closed */
    bool freed;
};

/* client_socket.c */
MUST enum err pool_open(struct pool *pool, struct errinfo *why);
void pool_close(struct pool *pool);
void client_release(struct http_client *client); /* frees the memory when it is the last thing to do */
curl_socket_t client_open_socket(void *transfer, curlsocktype purpose, struct curl_sockaddr *address);
int client_close_socket(void *client, curl_socket_t fd);

/* client.c */
void pool_finish_done(struct pool *pool); /* on_done of every call that libcurl has finished */

/* client_address.c */
bool address_is_private(const struct sockaddr *address);
void address_write(const struct sockaddr *address, char text[static INET6_ADDRSTRLEN]);
int64_t retry_after_parse(struct slice value, int64_t now_ms); /* ms from now; -1 = not understood */

#endif
