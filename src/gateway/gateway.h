/* The gateway: HTTP in → authenticate, validate, enrich, append, acknowledge. One loop per thread, each with its own
 * listener. Wire facts: the original's gateway and Segment's tracking API (docs/compatibility.md).
 *
 * thread: gateway_* may be called from any thread but the gateway's loops. */
#ifndef SLUICE_GATEWAY_GATEWAY_H
#define SLUICE_GATEWAY_GATEWAY_H

#include "gateway/gateway_conf.h"
#include "model/feed.h"
#include "model/workspace.h"
#include "store/store.h"

struct gateway;

struct gateway_deps {
    struct store *store;
    struct feed *feed;
    struct workspace_cell *cell;
    /* Extra routes of other stages, served on the same port: answers `GET path` into body; false = not mine. For
     * /metrics. */
    bool (*extra)(void *ctx, struct slice path, struct buf *ret_body, struct slice *ret_content_type);
    void *extra_ctx;
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
