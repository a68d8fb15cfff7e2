/* Listening sockets. Accepting is done here and not by libuv, to set what is inherited, to count, and to behave when
 * descriptors run out: the spare one is given up to accept and close, and when even that fails, listening pauses
 * instead of spinning. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/server_internal.h"

#define LISTEN_BACKLOG 4096
#define HOST_SIZE 256

static void pause_accepting(struct http_server *server) {
    for (size_t i = 0; i < server->listener_count; i++) {
        struct listener *listener = server->listeners[i];
        if (listener->polling) {
            (void)uv_poll_stop(&listener->poll); /* always 0 */
            listener->polling = false;
        }
    }
    loop_timer_set(&server->accept_timer, clock_ms() + SERVER_ACCEPT_PAUSE_MS);
}

enum shed { SHED_ONE, SHED_NONE_WAITS, SHED_IMPOSSIBLE };

/* Refuses one connection with the help of the spare descriptor. */
static enum shed accept_and_close(struct http_server *server, int listening) {
    if (server->spare_fd < 0) {
        return SHED_IMPOSSIBLE;
    }
    (void)close(server->spare_fd); /* nothing was written to it */
    int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    int number = errno;
    if (fd >= 0) {
        (void)close(fd); /* refused */
        server_count(&server->stat.refused_connections, 1);
    }
    server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return number == EAGAIN ? SHED_NONE_WAITS : SHED_IMPOSSIBLE;
    }
    return SHED_ONE;
}

static bool lacks_descriptors(int number) {
    return number == EMFILE || number == ENFILE || number == ENOMEM || number == ENOBUFS;
}

static void on_connection(uv_poll_t *poll, int status, int events) {
    (void)events;
    struct listener *listener = poll->data;
    struct http_server *server = listener->server;
    if (status != 0) {
        pause_accepting(server);
        return;
    }
    for (int i = 0; i < SERVER_ACCEPT_BATCH; i++) {
        struct sockaddr_storage address;
        socklen_t len = sizeof(address);
        struct sockaddr *peer = (struct sockaddr *)&address;
        int fd = accept4(listener->fd, peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            conn_adopt(server, fd, listener->is_unix ? NULL : peer);
            continue;
        }
        if (errno == EAGAIN) {
            return;
        }
        if (!lacks_descriptors(errno)) {
            continue; /* that connection has failed: the next one */
        }
        enum shed shed = accept_and_close(server, listener->fd);
        if (shed == SHED_IMPOSSIBLE) {
            pause_accepting(server);
        }
        if (shed != SHED_ONE) {
            return;
        }
    }
}

static void listen_again(struct listener *listener) {
    listener->polling = uv_poll_start(&listener->poll, UV_READABLE, on_connection) == 0;
}

void listeners_rearm(struct loop_timer *timer) {
    struct http_server *server = CONTAINER_OF(timer, struct http_server, accept_timer);
    if (server->spare_fd < 0) {
        server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    for (size_t i = 0; i < server->listener_count; i++) {
        if (!server->listeners[i]->polling) {
            listen_again(server->listeners[i]);
        }
    }
}

static void on_closed(uv_handle_t *handle) {
    struct listener *listener = handle->data;
    struct http_server *server = listener->server;
    mem_free(listener);
    server->handles--;
    server_release(server);
}

void listener_close(struct listener *listener) {
    (void)uv_poll_stop(&listener->poll); /* always 0 */
    uv_close((uv_handle_t *)&listener->poll, on_closed);
    (void)close(listener->fd); /* nothing was written to it */
    if (listener->is_unix) {
        (void)unlink(listener->path); /* gone already is as good */
    }
}

/* Takes a listening descriptor. */
static enum err listener_add(struct http_server *server, int fd, const char *path, struct errinfo *why) {
    struct listener *listener = server->listener_count < SERVER_LISTENERS ? mem_alloc(sizeof(*listener)) : NULL;
    int error = listener == NULL ? UV_ENOMEM : uv_poll_init(loop_uv(server->loop), &listener->poll, fd);
    if (error != 0) {
        mem_free(listener);
        (void)close(fd); /* nothing was written to it */
        return err_why(ERR_IO, why, "", "cannot watch a listening socket: %s", uv_strerror(error));
    }
    listener->server = server;
    listener->fd = fd;
    listener->poll.data = listener;
    if (path != NULL) {
        listener->is_unix = true;
        (void)snprintf(listener->path, sizeof(listener->path), "%s", path);
    }
    server->listeners[server->listener_count++] = listener;
    server->handles++;
    listen_again(listener);
    return OK;
}

static bool set_flag(int fd, int level, int option) {
    int one = 1;
    return setsockopt(fd, level, option, &one, sizeof(one)) == 0;
}

/* The descriptor, or -1 with errno. Whoever comes first binds alone and only then lets others of this user share the
 * port: so the loops of one server share it, and a second server is told that it is taken. */
static int listen_on(const struct addrinfo *address, bool reuse_port) {
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    bool good = set_flag(fd, SOL_SOCKET, SO_REUSEADDR) && (!reuse_port || set_flag(fd, SOL_SOCKET, SO_REUSEPORT)) &&
        set_flag(fd, IPPROTO_TCP, TCP_NODELAY); /* accepted sockets inherit it */
    good = good && bind(fd, address->ai_addr, address->ai_addrlen) == 0 && set_flag(fd, SOL_SOCKET, SO_REUSEPORT);
    if (!good || listen(fd, LISTEN_BACKLOG) != 0) {
        int number = errno;
        (void)close(fd); /* nothing was written to it */
        errno = number;
        return -1;
    }
    return fd;
}

static uint16_t port_of(int fd) {
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        return 0;
    }
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

/* "host:port", "[v6]:port", ":port" */
static bool split_address(struct slice address, char host[HOST_SIZE], char port[8]) {
    size_t colon = address.len;
    while (colon > 0 && address.ptr[colon - 1] != ':') {
        colon--;
    }
    if (colon == 0) {
        return false;
    }
    struct slice name = slice_of(address.ptr, colon - 1);
    struct slice number = slice_of(address.ptr + colon, address.len - colon);
    uint64_t value = 0;
    if (slice_to_u64(number, &value) != OK || value > UINT16_MAX || number.len > 5 || name.len >= HOST_SIZE) {
        return false;
    }
    if (name.len >= 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']') {
        name = slice_of(name.ptr + 1, name.len - 2);
    }
    (void)snprintf(host, HOST_SIZE, "%.*s", SLICE_ARG(name));
    (void)snprintf(port, 8, "%.*s", SLICE_ARG(number));
    return true;
}

enum err http_server_listen(
    struct http_server *server, struct slice address, bool reuse_port, uint16_t *ret_port, struct errinfo *why) {
    char host[HOST_SIZE];
    char port[8];
    if (!split_address(address, host, port)) {
        return err_why(ERR_INVALID, why, "", "'%.*s' is not host:port", SLICE_ARG(address));
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int error = getaddrinfo(host[0] == '\0' ? NULL : host, port, &hints, &found);
    if (error != 0) {
        return err_why(ERR_INVALID, why, "", "cannot resolve '%s': %s", host, gai_strerror(error));
    }
    int fd = -1;
    int number = 0;
    for (const struct addrinfo *next = found; next != NULL && fd < 0; next = next->ai_next) {
        fd = listen_on(next, reuse_port);
        number = fd < 0 ? errno : 0;
    }
    freeaddrinfo(found);
    if (fd < 0) {
        char text[128];
        return err_why(number == EADDRINUSE ? ERR_EXISTS : ERR_IO, why, "", "cannot listen on %.*s: %s",
            SLICE_ARG(address), strerror_r(number, text, sizeof(text)));
    }
    uint16_t bound = port_of(fd);
    enum err err = listener_add(server, fd, /* path: */ NULL, why);
    if (err == OK && ret_port != NULL) {
        *ret_port = bound;
    }
    return err;
}

/* A socket file that nobody listens on is left from a crash and goes; anything else stays. */
static enum err clear_path(const struct sockaddr_un *address, struct errinfo *why) {
    struct stat stat;
    if (lstat(address->sun_path, &stat) != 0) {
        return OK;
    }
    if (!S_ISSOCK(stat.st_mode)) {
        return err_why(ERR_EXISTS, why, address->sun_path, "is there and is not a socket");
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return err_why(err_from_errno(errno), why, address->sun_path, "cannot make a socket");
    }
    bool dead = connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 && errno == ECONNREFUSED;
    (void)close(fd); /* nothing was written to it */
    if (!dead) {
        return err_why(ERR_EXISTS, why, address->sun_path, "another process listens there");
    }
    (void)unlink(address->sun_path); /* bind tells when it is still there */
    return OK;
}

enum err http_server_listen_unix(struct http_server *server, const char *path, struct errinfo *why) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path)) {
        return err_why(
            ERR_INVALID, why, path, "is longer than the %zu bytes of a socket's path", sizeof(address.sun_path) - 1);
    }
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    enum err err = clear_path(&address, why);
    if (err != OK) {
        return err;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* Nobody can connect between bind and listen, so the mode is right before the first connection. */
    bool good = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        chmod(path, S_IRUSR | S_IWUSR) == 0 && listen(fd, LISTEN_BACKLOG) == 0;
    if (!good) {
        int number = errno;
        char text[128];
        if (fd >= 0) {
            (void)close(fd); /* nothing was written to it */
        }
        return err_why(err_from_errno(number), why, path, "cannot listen: %s", strerror_r(number, text, sizeof(text)));
    }
    return listener_add(server, fd, path, why);
}
