/* Bytes into the server through a real socket pair, cut at places that the input chooses: the first byte of each piece
 * is its length. The handler reads everything that it is given. Nothing may crash, leak or stay open when the client
 * has left. */
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/server_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned char sink;

static void look_at(struct slice s) {
    unsigned char sum = 0;
    for (size_t i = 0; i < s.len; i++) {
        sum = (unsigned char)(sum + (unsigned char)s.ptr[i]);
    }
    sink = sum;
}

static void on_request(void *ctx, struct http_request *request) {
    (void)ctx;
    struct slice value = SLICE_NONE;
    look_at(request->target);
    for (size_t i = 0; i < request->header_count; i++) {
        look_at(request->headers[i].name);
        look_at(request->headers[i].value);
    }
    look_at(slice_of(request->body.ptr, request->body.len + SERVER_BODY_PADDING));
    (void)http_request_query(request, SLICE("a"), &value); /* absent is fine */
    look_at(value);
    struct http_response response = {.status = 200, .content_type = SLICE("text/plain"), .body = request->body};
    http_respond(request, &response);
}

static enum err on_headers(void *ctx, struct http_request *request) {
    (void)ctx;
    return request->path.len > 1 && request->path.ptr[1] == 'n' ? ERR_BAD_WRITE_KEY : OK;
}

static const struct http_limits limits = {
    .header_bytes = 4096,
    .body_bytes = 65536,
    .inflated_bytes = 65536,
    .connections = 4,
    .requests = 4,
    .buffered_bytes = 1 << 20,
    .header_ms = 60000,
    .body_ms = 60000,
    .idle_ms = 60000,
    .write_ms = 60000,
};

static void turn(struct loop *loop) {
    (void)uv_run(loop_uv(loop), UV_RUN_NOWAIT);
}

static void drop_answers(int fd) {
    char buffer[4096];
    while (recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT) > 0) {
        look_at(slice_of(buffer, 1));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct loop *loop;
    if (loop == NULL) {
        signal(SIGPIPE, SIG_IGN);
        loop = loop_new("fuzz");
    }
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
        return 0;
    }
    struct http_handlers handlers = {.on_headers = on_headers, .on_request = on_request};
    struct http_server *server = http_server_new(loop, &limits, &handlers);
    conn_adopt(server, ends[0], NULL);
    while (size > 1) {
        size_t piece = data[0] == 255 ? size - 1 : data[0];
        piece = piece < size - 1 ? piece : size - 1;
        if (send(ends[1], data + 1, piece, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
            break;
        }
        data += piece + 1;
        size -= piece + 1;
        turn(loop);
        drop_answers(ends[1]);
    }
    close(ends[1]);
    while (server->conns != NULL) { /* each turn reads on; EOF closes */
        turn(loop);
    }
    ASSERT(stat_get(&server->stat.inflight) == 0);
    ASSERT(server->exchanges == 0);
    http_server_free(server);
    turn(loop);
    return 0;
}
