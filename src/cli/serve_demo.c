/* The demo of serve.
 *
 * thread: the echo has its own loop, so that deliveries end also while the main loop has stopped. */
#include "cli/serve_demo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "http/server.h"

#define DEMO_FOLDER "demo-data"
#define DEMO_LISTEN "127.0.0.1:8080"
#define DEMO_PORT 8080
#define ECHO_VARIABLE "DEMO_ECHO_URL"

enum { PATH_SIZE = 4096 };

struct demo {
    struct loop *loop;
    struct http_server *server;
    uint64_t received; /* thread: the echo's */
};

/* ---- echo ---- */

static void on_request(void *ctx, struct http_request *request) {
    struct demo *demo = ctx;
    demo->received++;
    LOG(INFO, "demo", "echo received an event", "bytes=%zu total=%lu", request->body.len,
        (unsigned long)demo->received);
    http_respond(
        request, &(struct http_response){.status = 200, .content_type = SLICE("text/plain"), .body = SLICE("ok")});
}

static enum err echo_start(struct demo *demo, struct errinfo *why) {
    static const struct http_limits limits = {
        .header_bytes = 64 << 10,
        .body_bytes = 64 << 20,
        .inflated_bytes = 64 << 20,
        .connections = 1024,
        .requests = 1024,
        .buffered_bytes = 256 << 20,
        .header_ms = 10 * 1000,
        .body_ms = 60 * 1000,
        .idle_ms = 3600 * 1000,
        .write_ms = 10 * 1000,
    };
    uint16_t port = 0;
    char url[64];
    demo->loop = loop_new("demo-echo");
    struct http_handlers handlers = {.on_request = on_request, .ctx = demo};
    demo->server = http_server_new(demo->loop, &limits, &handlers);
    enum err e = http_server_listen(demo->server, SLICE("127.0.0.1:0"), /* reuse_port: */ false, &port, why);
    if (e != OK) {
        return e;
    }
    loop_start(demo->loop);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/echo", port);
    return setenv(ECHO_VARIABLE, url, /* overwrite: */ 1) == 0 ? OK : ERR_NOMEM;
}

void demo_free(struct demo *demo) {
    if (demo == NULL) {
        return;
    }
    loop_stop(demo->loop);
    loop_join(demo->loop);
    http_server_free(demo->server);
    loop_free(demo->loop);
    mem_free(demo);
}

/* ---- workspace ---- */

static void write_workspace(FILE *file) {
    char key[UUID_LEN];
    uuid_v4(key);
    fprintf(file,
        "# Made by `sluice serve --demo`; yours to change: it is reloaded when it changes. Schema: docs/workspace.md\n"
        "version: 1\n"
        "workspace: {id: demo, name: Demo}\n"
        "sources:\n"
        "  - id: web\n"
        "    name: Demo website\n"
        "    write_key: %.*s\n"
        "destinations:\n"
        "  - id: echo\n"
        "    name: Built-in echo\n"
        "    type: WEBHOOK\n"
        "    config:\n"
        "      webhookUrl: \"${" ECHO_VARIABLE "}\"  # set by serve --demo\n"
        "      webhookMethod: POST\n"
        "    delivery:\n"
        "      allow_private: true\n"
        "connections:\n"
        "  - {from: web, to: echo}\n",
        UUID_LEN, key);
}

/* O_EXCL: a file that is there is somebody's. */
static enum err make_workspace(const char *path, struct errinfo *why) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST) {
        return OK;
    }
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (file == NULL) {
        return err_why(err_from_errno(errno), why, path, "cannot make the demo workspace: %s", strerror(errno));
    }
    write_workspace(file);
    bool written = ferror(file) == 0;
    if (fclose(file) != 0 || !written) {
        return err_why(err_from_errno(errno), why, path, "cannot write the demo workspace: %s", strerror(errno));
    }
    return OK;
}

/* Whether DEMO_LISTEN is free: asked without SO_REUSEPORT, which would let two servers share a port without noticing.
 */
static bool port_is_free(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(DEMO_PORT)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    bool is_free = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0) {
        (void)close(fd); /* nothing was sent */
    }
    return is_free;
}

enum err demo_start(struct conf *conf, struct demo **ret_demo, struct errinfo *why) {
    struct conf defaults;
    char path[PATH_SIZE];
    conf_init(&defaults);
    bool own_path = !slice_eq(conf->store.path, defaults.store.path);
    bool own_listen = !slice_eq(conf->gateway.listen, defaults.gateway.listen);
    bool own_workspace = !slice_eq(conf->workspace.path, defaults.workspace.path);
    conf_fini(&defaults);
    if (!own_path) {
        conf->store.path = SLICE(DEMO_FOLDER);
    }
    if (!own_listen) {
        conf->gateway.listen = port_is_free() ? SLICE(DEMO_LISTEN) : SLICE("127.0.0.1:0");
    }
    int len = snprintf(path, sizeof path, "%.*s", SLICE_ARG(conf->store.path));
    if (len < 0 || (size_t)len >= sizeof path || (mkdir(path, 0700) != 0 && errno != EEXIST)) {
        return err_why(err_from_errno(errno), why, path, "cannot make the data directory: %s", strerror(errno));
    }
    if (!own_workspace) {
        conf->workspace.path = arena_printf(&conf->arena, "%s/workspace.yaml", path);
        enum err e = make_workspace(conf->workspace.path.ptr, why);
        if (e != OK) {
            return e;
        }
    }
    struct demo *demo = mem_alloc(sizeof *demo);
    enum err e = echo_start(demo, why);
    if (e != OK) {
        http_server_free(demo->server);
        loop_free(demo->loop);
        mem_free(demo);
        return e;
    }
    *ret_demo = demo;
    return OK;
}

void demo_print(const struct conf *conf, uint16_t port, struct slice write_key) {
    printf("\nSluice runs.\n\n");
    printf("  url        http://127.0.0.1:%u\n", port);
    printf("  write key  %.*s\n", SLICE_ARG(write_key));
    printf("  workspace  %.*s\n\n", SLICE_ARG(conf->workspace.path));
    printf("Send an event; it is kept, and delivered to a built-in echo:\n\n");
    printf("  curl -u %.*s: -H 'Content-Type: application/json' -d '{\"userId\":\"ann\",\"event\":\"Signed up\"}' "
           "http://127.0.0.1:%u/v1/track\n\n",
        SLICE_ARG(write_key), port);
    printf("Look at it:\n\n");
    printf("  build/sluice tail --data %.*s --follow\n", SLICE_ARG(conf->store.path));
    printf("  build/sluice stat --data %.*s\n\n", SLICE_ARG(conf->store.path));
    (void)fflush(stdout); /* a closed stdout is no reason to stop serving */
}
