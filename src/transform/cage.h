/* What a worker process gives up. thread: main, before and after the engine has been opened. */
#ifndef SLUICE_TRANSFORM_CAGE_H
#define SLUICE_TRANSFORM_CAGE_H

#include <stdbool.h>

#include "base/err.h"

struct cage {
    bool user_namespace; /* the kernel let us */
};

/* Before the engine, while there is one thread: no privileges, namespaces of its own where possible, no core files, no
 * file to grow; dies with the thread that started it. */
MUST enum err cage_enter(struct cage *ret_cage, struct errinfo *why);
/* After the engine has opened what it needs: from here on no file, no socket, no process, no program; only memory,
 * threads, and the descriptors that are open. */
MUST enum err cage_shut(struct errinfo *why);

#endif
