/* Cases of destinations: a file says settings, events, the world around them, and what is to come out.
 *
 * thread: the caller's, which waits for the workers. */
#ifndef SLUICE_DESTINATION_CASE_H
#define SLUICE_DESTINATION_CASE_H

#include "destination/code.h"

struct destination_case_seat {
    struct json_parser *parser;
    struct transform *transform; /* NULL allowed for TABLES */
    struct loop *loop;           /* nobody's else, not running */
};

struct destination_case {
    struct slice why; /* what it shows */
    bool passed;
    struct slice text; /* the first difference, when not */
};

/* One file of cases/; see docs/destinations.md. ERR_INVALID…: the file is no case. Not for DESTINATION_NATIVE. */
MUST enum err destination_case_run(const struct destination_type *type, struct slice text,
    const struct destination_case_seat *seat, struct arena *arena, struct destination_case *ret_case,
    struct errinfo *why);

#endif
