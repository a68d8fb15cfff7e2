/* Webhook sources as data: a folder sources/<name>/ says what a vendor's webhooks look like (definition.json: settings,
 * bodies, signatures) and makes events of them (transform.js, run by a worker). docs/webhook-sources.md is the manual.
 *
 *   request ─▶ signature (verify.c) ─▶ body (body.c) ─▶ transform.js in a worker (run.c) ─▶ events, or the answer that
 * the vendor wants
 *
 * Definitions and their catalog are destination/'s: a source is described in the same way. thread: a run belongs to its
 * loop. */
#ifndef SLUICE_SOURCE_SOURCE_H
#define SLUICE_SOURCE_SOURCE_H

#include "destination/destination.h"
#include "gateway/gateway.h"
#include "transform/transform.h"
#include "json/json_write.h"

/* ---- one webhook ---- */

struct source_request {
    enum http_method method;
    struct slice target, query; /* as sent */
    const struct http_header *headers;
    size_t header_count;
    struct slice body; /* JSON_PADDING behind it */
};

/* Caller's memory, as all it points to, until on_done. */
struct source_run {
    struct transform *transform;
    const struct destination_type *type; /* of sources/: destination_source_find */
    struct source_request request;
    struct slice config; /* the configured source's, raw JSON */
    struct slice id;     /* the configured source's; "" = none */
    int64_t now_ms;
    struct slice uuids; /* JSON array: what ctx.uuid() gives, for cases; "" = random ones */
    struct json_parser *parser;
    struct arena *arena; /* gets the result */
    struct loop *loop;
    void (*on_done)(struct source_run *run); /* on the loop, maybe before source_run returns */
    /* OK; ERR_SIGNATURE; ERR_PAYLOAD: `detail` says why; of class RETRY: no worker can be had. */
    enum err err;
    struct slice detail;
    struct slice events;              /* {"batch":[…]}; "" = none */
    struct slice answer_type, answer; /* ptr NULL = none of its own */
    void *ctx;                        /* the caller's */
    void *private;                    /* the run's */
};

void source_run(struct source_run *run);

/* ---- questions: the command line, cases ---- */

struct source_seat {
    struct transform *transform;
    struct json_parser *parser;
    struct arena *arena;
    struct loop *loop; /* not running: it is run until the answer is there */
};

/* Asks the code of `type` what a webhook becomes. The question is the object at `node`: {"config", "request":
 * {"method", "url", "headers": {name: text or texts}, "body": text, or "json": any}, "now", "uuids", "source": its id}.
 * Written: {"events": […]}, {"answer": {"type", "body"}}, both, or {"refused": text}. ERR_INVALID: the question is
 * none; others: no worker. */
MUST enum err source_ask(const struct source_seat *seat, const struct destination_type *type,
    const struct json_doc *doc, uint32_t node, struct json_writer *w, struct errinfo *why);

struct source_case {
    struct slice why; /* what it shows */
    bool passed;
    struct slice text; /* the first difference, when not */
};
/* One file of cases/: a question with "why" and "expect", which is the answer (of a refusal `true` will do). */
MUST enum err source_case_run(const struct source_seat *seat, const struct destination_type *type, struct slice text,
    struct source_case *ret_case, struct errinfo *why);

/* For gateway_deps.webhook; ctx is a struct transform. thread: the gateway's loops. */
void source_on_webhook(void *ctx, struct gateway_webhook *webhook);

#endif
