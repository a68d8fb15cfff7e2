/* <data>/audit.json: since which offset the audit compares what a destination was handed over with what the log holds
 * for it. Private to control/. Format: docs/formats/audit.md. */
#ifndef SLUICE_CONTROL_AUDIT_FILE_H
#define SLUICE_CONTROL_AUDIT_FILE_H

#include "base/slice.h"

/* At `offset` the destination, with that set of sources, had been handed over `in` events. */
struct baseline {
    uint64_t destination;
    uint64_t sources; /* hash of the connected sources' keys */
    uint64_t offset, in;
    bool ready;        /* false: taken once the destination has scanned past ready_at */
    uint64_t ready_at; /* the head of the log when its sources changed */
};

struct baselines {
    struct baseline *rows; /* heap */
    size_t count, room;
};

void baselines_fini(struct baselines *list);
struct baseline *baselines_find(const struct baselines *list, uint64_t destination);
/* A zeroed row for `destination`, or the one that is there. Valid until the next put. */
struct baseline *baselines_put(struct baselines *list, uint64_t destination);
void baselines_remove(struct baselines *list, uint64_t destination);

/* Rows that are ready; atomic and durable. */
MUST enum err baselines_save(const struct baselines *list, const char *path, struct errinfo *why);
/* NOT_FOUND: there is none yet. CORRUPT. The list is empty then. */
MUST enum err baselines_load(struct baselines *list, const char *path, struct errinfo *why);

#endif
