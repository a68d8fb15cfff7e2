/* The gateway: HTTP in → authenticate, validate, enrich, append, acknowledge. One loop per thread, each with its own
 * listener. Wire facts: the original's gateway and Segment's tracking API (docs/compatibility.md).
 *
 * thread: gateway_* may be called from any thread but the gateway's loops. */
#ifndef SLUICE_GATEWAY_GATEWAY_H
#define SLUICE_GATEWAY_GATEWAY_H

#include "gateway/gateway_conf.h"
#include "http/http.h"
#include "model/feed.h"
#include "model/workspace.h"
#include "store/store.h"
#include "json/json.h"

struct gateway;

/* A vendor's webhook on its way to events. The gateway's memory until on_done, as all that it points to. */
struct gateway_webhook {
    struct workspace *workspace; /* `source` is in it */
    const struct source *source;
    enum http_method method;
    struct slice target, query, peer;
    const struct http_header *headers;
    size_t header_count;
    struct slice body; /* JSON_PADDING behind it */
    struct json_parser *parser;
    struct arena *arena; /* for the answer; of the loop's thread */
    struct loop *loop;
    void (*on_done)(struct gateway_webhook *webhook); /* on the loop, maybe before the call returns */
    /* What came of it. */
    enum err err;             /* ERR_NOT_WEBHOOK, ERR_SIGNATURE, ERR_PAYLOAD; of class RETRY: the sender tries again */
    struct slice detail;      /* why, for people */
    struct slice events;      /* {"batch":[…]}, JSON_PADDING behind it; "" = none */
    struct slice answer_type; /* of the answer that the vendor wants */
    struct slice answer;      /* ptr NULL: "ok" */
    void *private;            /* of whoever is asked */
};

struct gateway_deps {
    struct store *store;
    struct feed *feed;
    struct workspace_cell *cell;
    /* Extra routes of other stages, served on the same port: answers `GET path` into body; false = not mine. For
     * /metrics. */
    bool (*extra)(void *ctx, struct slice path, struct buf *ret_body, struct slice *ret_content_type);
    void *extra_ctx;
    /* Makes events of a webhook. NULL: no source takes any. thread: the gateway's loops. */
    void (*webhook)(void *ctx, struct gateway_webhook *webhook);
    void *webhook_ctx;
    const char *version; /* what /version says; NULL = "" */
};

MUST enum err gateway_new(const struct gateway_conf *conf, const struct gateway_deps *deps,
    struct gateway **ret_gateway, struct errinfo *why);
/* Binds gateway.listen and serves; *ret_port is the port bound. */
MUST enum err gateway_start(struct gateway *gateway, uint16_t *ret_port, struct errinfo *why);
/* Not ready: /health answers 503 from now on (load balancers leave); still serving. */
void gateway_set_ready(struct gateway *gateway, bool ready);
/* Stops accepting, answers what is in flight (at most grace_ms), then joins the loops. */
void gateway_stop(struct gateway *gateway, int64_t grace_ms);
void gateway_free(struct gateway *gateway);

struct gateway_counts {
    uint64_t events_stored, events_duplicate, events_rejected, requests, requests_refused;
};
void gateway_counts(struct gateway *gateway, struct gateway_counts *ret_counts);

/* Route table, for the reference page and the OpenAPI document. */
struct gateway_route {
    const char *method, *path, *summary;
};
const struct gateway_route *gateway_routes(size_t *ret_count);

#endif
