/* The control API: HTTP on a unix socket in the data directory (mode 0600), for the command line and later the web UI.
 * Reads are JSON; `tail` with follow is a stream of JSON lines. Route table in control_route.def: method, path,
 * handler, summary.
 *
 * thread: control belongs to the main loop; what may block runs on the helper thread of deps->work. */
#ifndef SLUICE_CONTROL_CONTROL_H
#define SLUICE_CONTROL_CONTROL_H

#include "base/work.h"
#include "delivery/delivery.h"
#include "gateway/gateway.h"
#include "processor/processor.h"

struct control;

struct control_deps {
    struct loop *loop;
    struct work_queue *work; /* freed (and with it, everything under way ended) before control_free */
    struct store *store;
    struct gateway *gateway;
    struct processor *processor;
    struct delivery *delivery;
    struct feed *feed;
    struct workspace_cell *cell;
    const char *version;
    const char *data_path; /* where the audit's baseline is kept */
    uint16_t port;         /* the gateway's */
    int64_t started_ms;
    uint64_t first_head; /* of the log, before the gateway took its first event */
    /* Reloads the workspace (as SIGHUP does), on the helper thread; fills why on failure. */
    enum err (*reload)(void *ctx, struct errinfo *why);
    void *ctx;
};

/* Call after delivery_apply and before the gateway takes events, so that the audit starts from a quiet point. */
MUST enum err control_new(
    const struct control_deps *deps, const char *socket_path, struct control **ret_control, struct errinfo *why);
void control_free(struct control *control); /* takes NULL */
/* The gateway's port, known once it listens. */
void control_set_port(struct control *control, uint16_t port);
/* A new workspace is current: the audit of destinations whose sources changed begins anew. thread: the helper thread.
 */
void control_workspace_changed(struct control *control);
/* Prometheus text of all registered sets. thread: any. */
void control_metrics(struct buf *out);

struct control_route {
    const char *method, *path, *summary;
};
const struct control_route *control_routes(size_t *ret_count);

#endif
