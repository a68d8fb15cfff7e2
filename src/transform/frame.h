/* What goes over the socket between the server and a worker: a header of four little-endian numbers, then JSON text.
 * Both ends are the same program, so there is no version; the server believes nothing of what a worker sends.
 * Behind a text to the worker stands a NUL, which its length does not count.
 *
 *   server -> worker                                      worker -> server
 *   LOAD  version  {name, version, as, code, libraries}   LOADED version  {modules, imports, exports} or {refused}
 *   RUN   call     {limit, logs, credentials, ...}        ASK    call     {id, kind, parameters}
 *   REPLY call     {id, text}                             WAIT   call     (nothing runs until a REPLY)
 *   DROP  version                                         DONE   call     {mode, polluted, fresh, rows, logs, us}
 *                                                         READY  pid      {} */
#ifndef SLUICE_TRANSFORM_FRAME_H
#define SLUICE_TRANSFORM_FRAME_H

#include <stdint.h>

enum frame_kind {
    FRAME_LOAD = 1,
    FRAME_RUN,
    FRAME_REPLY,
    FRAME_DROP,
    FRAME_READY,
    FRAME_LOADED,
    FRAME_ASK,
    FRAME_WAIT,
    FRAME_DONE,
};

struct frame_head {
    uint32_t length; /* of the text behind */
    uint32_t kind;
    uint32_t id;       /* of a version or a call */
    uint32_t version;  /* of RUN: which version; of REPLY: which question */
    uint32_t limit_ms; /* of RUN: CPU time */
    uint32_t flags;    /* of RUN */
};

/* The worker may put a batch's DONE off until it has run the next ones of the same version that are there, unless the
 * batch has this flag. */
#define FRAME_SINGLE 1u

#define FRAME_MAX (256u << 20)

#endif
