/* The gateway's webhooks, handed to the source's definition. thread: the gateway's loops. */
#include "base/clock.h"
#include "source/source.h"

struct hook {
    struct source_run run; /* first */
    struct gateway_webhook *webhook;
};

static void on_done(struct source_run *run) {
    struct gateway_webhook *webhook = CONTAINER_OF(run, struct hook, run)->webhook;
    webhook->err = run->err;
    webhook->detail = run->detail;
    webhook->events = run->events;
    webhook->answer_type = run->answer_type;
    webhook->answer = run->answer;
    webhook->on_done(webhook);
}

void source_on_webhook(void *ctx, struct gateway_webhook *webhook) {
    const struct destination_type *type = destination_source_find(webhook->source->definition);
    if (type == NULL) {
        webhook->err = ERR_NOT_WEBHOOK;
        webhook->detail =
            arena_printf(webhook->arena, "there is no webhook source \"%.*s\"; `sluice dest list --sources` names them",
                SLICE_ARG(webhook->source->definition));
        webhook->on_done(webhook);
        return;
    }
    struct hook *hook = ARENA_NEW(webhook->arena, struct hook);
    hook->webhook = webhook;
    hook->run = (struct source_run){.transform = ctx,
        .type = type,
        .request = {.method = webhook->method,
            .target = webhook->target,
            .query = webhook->query,
            .headers = webhook->headers,
            .header_count = webhook->header_count,
            .body = webhook->body},
        .config = webhook->source->config,
        .id = webhook->source->id,
        .now_ms = clock_ms(),
        .parser = webhook->parser,
        .arena = webhook->arena,
        .loop = webhook->loop,
        .on_done = on_done};
    source_run(&hook->run);
}
