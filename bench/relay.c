/* The end-to-end ceiling: our HTTP server and our HTTP client, a POST in, a POST out, the answer back; no store, no
 * order, no retries. */
#include <stdio.h>

#include "base/arena.h"
#include "bench.h"
#include "http/client.h"
#include "http/server.h"

struct relay {
    struct http_client *client;
    struct slice to;
};

struct hop {
    struct http_call call;
    struct http_request *request;
};

static void on_done(struct http_call *call, const struct http_result *result) {
    struct hop *hop = CONTAINER_OF(call, struct hop, call);
    struct http_response response = {
        .status = result->err == OK ? result->status : 502, .body = SLICE("ok"), .content_type = SLICE("text/plain")};
    http_respond(hop->request, &response);
}

static void on_request(void *ctx, struct http_request *request) {
    static const struct http_header headers[] = {{{"content-type", 12}, {"application/json", 16}}};
    struct relay *relay = ctx;
    struct hop *hop = ARENA_NEW(&request->arena, struct hop);
    hop->request = request;
    hop->call = (struct http_call){.method = HTTP_METHOD_POST,
        .url = relay->to,
        .headers = headers,
        .header_count = 1,
        .body = request->body,
        .timeout_ms = 10000,
        .allow_private = true,
        .on_done = on_done};
    if (http_client_send(relay->client, &hop->call, NULL) != OK) {
        http_respond_err(request, ERR_UNAVAILABLE);
    }
}

int bench_relay(int argc, char **argv) {
    struct loop *loop = loop_new("relay");
    struct http_client_conf conf = {.connections = 256,
        .connections_per_host = 64,
        .connect_ms = 5000,
        .allow_private = true,
        .response_bytes = 1024};
    struct relay relay = {
        .client = http_client_new(loop, &conf), .to = slice_cstr(arg_text(argc, argv, "--to", "http://127.0.0.1:9/"))};
    struct http_limits limits = {.header_bytes = 65536,
        .body_bytes = 8 << 20,
        .inflated_bytes = 8 << 20,
        .connections = 10000,
        .requests = 10000,
        .buffered_bytes = 1 << 30,
        .header_ms = 60000,
        .body_ms = 60000,
        .idle_ms = 600000,
        .write_ms = 10000};
    struct http_handlers handlers = {.on_request = on_request, .ctx = &relay};
    struct http_server *server = http_server_new(loop, &limits, &handlers);
    struct errinfo why = {0};
    uint16_t port;
    char address[32];
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", (unsigned)arg_u64(argc, argv, "--port", 0));
    if (http_server_listen(server, slice_cstr(address), false, &port, &why) != OK) {
        fprintf(stderr, "sluice-bench: %s\n", why.text);
        return 1;
    }
    printf("{\"port\":%u}\n", port);
    fflush(stdout);
    loop_run(loop);
    return 0;
}
