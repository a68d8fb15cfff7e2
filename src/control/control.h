/* The control API: HTTP on a unix socket in the data directory (mode 0600), for the command line and later the web UI. Reads are
 * JSON; `tail` with follow is a stream of JSON lines. Route table in control.c: method, path, handler, summary.
 *
 * thread: control belongs to the main loop. */
#ifndef SLUICE_CONTROL_CONTROL_H
#define SLUICE_CONTROL_CONTROL_H

#include "delivery/delivery.h"
#include "gateway/gateway.h"
#include "processor/processor.h"

struct control;

struct control_deps {
    struct loop *loop;
    struct store *store;
    struct gateway *gateway;
    struct processor *processor;
    struct delivery *delivery;
    struct feed *feed;
    struct workspace_cell *cell;
    const char *version;
    int64_t started_ms;
    /* Reloads the workspace (as SIGHUP does); filled why on failure. */
    enum err (*reload)(void *ctx, struct errinfo *why);
    void *ctx;
};

MUST enum err control_new(const struct control_deps *deps, const char *socket_path, struct control **ret_control, struct errinfo *why);
void control_free(struct control *control);
/* Prometheus text of all registered sets. */
void control_metrics(struct buf *out);

struct control_route {
    const char *method, *path, *summary;
};
const struct control_route *control_routes(size_t *ret_count);

#endif
