/* libcurl's multi_socket interface on our loop: one poll handle per socket, one timer per multi.
 *
 * libcurl 7.88 closes a socket that is still connecting without telling the callback for that. Such a socket waits to
 * be written to, so it is no longer watched once libcurl has lost interest; what is left of it goes when its number
 * comes again. */
#include <sys/socket.h>
#include <unistd.h>

#include "http/client_internal.h"

static struct sock *sock_find(const struct http_client *client, curl_socket_t fd) {
    return (size_t)fd < client->sock_room ? client->socks[fd] : NULL;
}

static void on_sock_closed(uv_handle_t *handle) {
    struct sock *sock = handle->data;
    struct http_client *client = sock->pool->client;
    mem_free(sock);
    client->handles--;
    client_release(client);
}

static void sock_free(struct sock *sock) {
    sock->pool->client->socks[sock->fd] = NULL;
    (void)uv_poll_stop(&sock->poll); /* always 0 */
    uv_close((uv_handle_t *)&sock->poll, on_sock_closed);
}

static bool socks_grow(struct http_client *client, size_t fd) {
    if (fd < client->sock_room) {
        return true;
    }
    size_t room = fd < 64 ? 64 : fd * 2;
    struct sock **socks = mem_try_resize(client->socks, room * sizeof(struct sock *));
    if (socks == NULL) {
        return false;
    }
    memset(socks + client->sock_room, 0, (room - client->sock_room) * sizeof(struct sock *));
    client->socks = socks;
    client->sock_room = room;
    return true;
}

static struct sock *sock_new(struct pool *pool, curl_socket_t fd, bool ours) {
    struct http_client *client = pool->client;
    struct sock *sock = socks_grow(client, (size_t)fd) ? mem_try_alloc(sizeof(*sock)) : NULL;
    if (sock == NULL || uv_poll_init(loop_uv(client->loop), &sock->poll, fd) != 0) {
        mem_free(sock);
        return NULL;
    }
    sock->pool = pool;
    sock->fd = fd;
    sock->ours = ours;
    sock->poll.data = sock;
    client->socks[fd] = sock;
    client->handles++;
    return sock;
}

static void act(struct pool *pool, curl_socket_t fd, int events) {
    int running = 0;
    (void)curl_multi_socket_action(pool->multi, fd, events, &running); /* what fails is in the messages */
    pool_finish_done(pool);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    struct sock *sock = poll->data;
    if (sock->wanted == 0) { /* the peer closes a kept connection: libcurl finds that out when it wants to use it */
        (void)uv_poll_stop(poll); /* always 0 */
        sock->polled = 0;
        return;
    }
    int flags = (events & UV_READABLE ? CURL_CSELECT_IN : 0) | (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0) |
        (status < 0 ? CURL_CSELECT_ERR : 0);
    act(sock->pool, sock->fd, flags);
}

static bool sock_watch(struct sock *sock) {
    if (sock->polled != sock->wanted && uv_poll_start(&sock->poll, sock->wanted, on_poll) != 0) {
        return false;
    }
    sock->polled = sock->wanted;
    return true;
}

/* Kept open, and watched unless it may be closed behind our back. */
static void sock_rest(struct sock *sock) {
    if (sock->wanted & UV_WRITABLE) {
        (void)uv_poll_stop(&sock->poll); /* always 0 */
        sock->polled = 0;
    }
    sock->wanted = 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *mine) {
    (void)easy; /* shape of libcurl's callback */
    (void)mine;
    struct pool *pool = user;
    struct sock *sock = sock_find(pool->client, fd);
    if (what == CURL_POLL_REMOVE) {
        if (sock != NULL && sock->ours) {
            sock_rest(sock);
        } else if (sock != NULL) {
            sock_free(sock);
        }
        return 0;
    }
    if (sock == NULL) {
        sock = sock_new(pool, fd, /* ours: */ false); /* the resolver's */
        if (sock == NULL) {
            return -1;
        }
    }
    sock->wanted = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return sock_watch(sock) ? 0 : -1;
}

static void on_timer(uv_timer_t *timer) {
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static void on_defer(struct loop_defer *defer) {
    struct pool *pool = CONTAINER_OF(defer, struct pool, defer);
    if (pool->client->freed) {
        client_release(pool->client);
    } else {
        act(pool, CURL_SOCKET_TIMEOUT, 0);
    }
}

/* "At once" is the end of this iteration: all requests that it adds start together. */
static int on_timer_change(CURLM *multi, long timeout_ms, void *user) {
    (void)multi; /* shape of libcurl's callback */
    struct pool *pool = user;
    if (pool->client->freed) {
        return 0;
    }
    if (timeout_ms > 0) {
        return uv_timer_start(&pool->timer, on_timer, (uint64_t)timeout_ms, 0);
    }
    (void)uv_timer_stop(&pool->timer); /* always 0 */
    if (timeout_ms == 0) {
        loop_defer(pool->client->loop, &pool->defer);
    }
    return 0;
}

/* When the number is that of a socket closed unseen, libcurl may not repeat what it wants of it. */
static bool sock_open(struct pool *pool, int fd) {
    struct sock *unseen = sock_find(pool->client, fd);
    int wanted = unseen != NULL ? unseen->wanted : 0;
    if (unseen != NULL) {
        sock_free(unseen);
    }
    struct sock *sock = sock_new(pool, fd, /* ours: */ true);
    if (sock == NULL) {
        return false;
    }
    sock->wanted = wanted;
    return wanted == 0 || sock_watch(sock);
}

curl_socket_t client_open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address) {
    (void)purpose; /* only CURLSOCKTYPE_IPCXN for the protocols that are allowed */
    struct transfer *transfer = user;
    bool to_proxy = transfer->client->conf.proxy.len > 0; /* the operator's own: its address may be inside */
    if (!transfer->pool->allow_private && !to_proxy && address_is_private(&address->addr)) {
        if (!transfer->denied || address->family == AF_INET) { /* of several, the one that people know */
            address_write(&address->addr, transfer->refused_address);
        }
        transfer->denied = true;
        return CURL_SOCKET_BAD;
    }
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd >= 0 && !sock_open(transfer->pool, fd)) {
        (void)close(fd); /* nothing was written to it */
        fd = -1;
    }
    transfer->opened = transfer->opened || fd >= 0;
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

int client_close_socket(void *user, curl_socket_t fd) {
    struct http_client *client = user;
    struct sock *sock = sock_find(client, fd);
    if (sock != NULL) {
        sock_free(sock);
    }
    return close(fd);
}

enum err pool_open(struct pool *pool, struct errinfo *why) {
    if (pool->multi != NULL) {
        return OK;
    }
    CURLM *multi = curl_multi_init();
    if (multi == NULL) {
        return err_why(ERR_NOMEM, why, "", "cannot create the HTTP client");
    }
    struct http_client *client = pool->client;
    long connections = (long)client->conf.connections;
    long per_host = (long)client->conf.connections_per_host;
    bool set = curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
        curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, pool) == CURLM_OK &&
        curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer_change) == CURLM_OK &&
        curl_multi_setopt(multi, CURLMOPT_TIMERDATA, pool) == CURLM_OK &&
        curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, connections) == CURLM_OK &&
        curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, per_host) == CURLM_OK &&
        curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, connections) == CURLM_OK;
    ASSERT(set); /* fails only for options that this libcurl does not know */
    (void)uv_timer_init(loop_uv(client->loop), &pool->timer); /* always 0 */
    pool->timer.data = pool;
    pool->defer.on_defer = on_defer;
    pool->multi = multi;
    client->handles++;
    return OK;
}

static void on_timer_closed(uv_handle_t *handle) {
    struct pool *pool = handle->data;
    pool->client->handles--;
    client_release(pool->client);
}

void pool_close(struct pool *pool) {
    if (pool->multi == NULL) {
        return;
    }
    (void)curl_multi_cleanup(pool->multi); /* closes the kept connections; the handle is ours and good */
    for (size_t fd = 0; fd < pool->client->sock_room; fd++) {
        struct sock *sock = pool->client->socks[fd];
        if (sock != NULL && sock->pool == pool) {
            sock_free(sock);
        }
    }
    uv_close((uv_handle_t *)&pool->timer, on_timer_closed);
}
