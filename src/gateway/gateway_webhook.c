/* Webhooks: what a vendor sends is made into events by whoever knows the vendor (gateway_deps.webhook), which may take
 * a while; then they go the way of a batch. The vendor is answered when they are durable.
 *
 * Whose it is: the write key, of a source of category "webhook"; only then whether it is enabled. */
#include "gateway/gateway_internal.h"

struct pending {
    struct gateway_webhook webhook; /* first */
    struct worker *worker;
    struct intake *intake;
};

static enum err admit(
    struct worker *worker, struct http_request *request, struct intake *intake, const struct source **ret_source) {
    struct slice key;
    char decoded[GATEWAY_WRITE_KEY_MAX];
    if ((!http_request_query(request, SLICE("writeKey"), &key) || key.len == 0) &&
        gateway_basic_user(request, decoded, &key) != OK) {
        return ERR_NO_WRITE_KEY_QUERY;
    }
    const struct source *source = gateway_source_find(worker, intake, key);
    if (source == NULL || !slice_eq(source->category, SLICE("webhook"))) {
        return ERR_BAD_WRITE_KEY;
    }
    *ret_source = source;
    return source->enabled ? store_pressure(worker->gateway->deps.store) : ERR_SOURCE_DISABLED;
}

/* ---- its end ---- */

static const struct http_response *answer_of(const struct gateway_webhook *webhook) {
    if (webhook->answer.ptr == NULL) {
        return NULL;
    }
    struct http_response *response = ARENA_NEW(webhook->arena, struct http_response);
    *response = (struct http_response){.status = 200, .content_type = webhook->answer_type, .body = webhook->answer};
    return response;
}

static void on_done(struct gateway_webhook *webhook) {
    struct pending *pending = CONTAINER_OF(webhook, struct pending, webhook);
    struct worker *worker = pending->worker;
    struct intake *intake = pending->intake;
    workspace_release(webhook->workspace);
    worker->webhooks--;
    if (webhook->err != OK) {
        gateway_refuse(worker, intake, webhook->err, webhook->detail, /* wait_ms: */ 0);
    } else {
        intake->answer = answer_of(webhook);
        intake->of_webhook = true;
        if (webhook->events.len > 0) {
            struct intake_want want = {.body = webhook->events, .is_batch = true, .empty_is_fine = true};
            gateway_take(worker, intake, &want);
        } else {
            gateway_reply(worker, intake);
        }
    }
    if (worker->closing) {
        gateway_gather_flush(worker); /* there may be no further iteration that would */
    }
    gateway_maybe_stop(worker);
}

/* ---- its begin ---- */

void gateway_handle_webhook(struct worker *worker, struct http_request *request, struct intake *intake) {
    const struct gateway_deps *deps = &worker->gateway->deps;
    const struct source *source = NULL;
    enum err err = admit(worker, request, intake, &source);
    if (err == OK && request->body.len > worker->gateway->conf.max_body) {
        err = ERR_TOO_LARGE;
    }
    if (err == OK && deps->webhook == NULL) {
        err = ERR_NOT_WEBHOOK;
    }
    if (err != OK) {
        gateway_refuse(worker, intake, err, SLICE_NONE, /* wait_ms: */ 0);
        return;
    }
    struct pending *pending = ARENA_NEW(&request->arena, struct pending);
    *pending = (struct pending){.worker = worker,
        .intake = intake,
        .webhook = {.workspace = workspace_hold(worker->workspace),
            .source = source,
            .method = request->method,
            .target = request->target,
            .query = request->query,
            .peer = request->peer,
            .headers = request->headers,
            .header_count = request->header_count,
            .body = request->body,
            .parser = worker->parser,
            .arena = &request->arena,
            .loop = worker->loop,
            .on_done = on_done}};
    worker->webhooks++;
    deps->webhook(deps->webhook_ctx, &pending->webhook);
}
