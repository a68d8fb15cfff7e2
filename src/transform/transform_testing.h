/* For tests that run real workers. Main thread of a test only. */
#ifndef SLUICE_TRANSFORM_TRANSFORM_TESTING_H
#define SLUICE_TRANSFORM_TRANSFORM_TESTING_H

#include <stdlib.h>

#include "transform/transform.h"

/* The test program is its own worker, but under ThreadSanitizer: that holds signals back by which JavaScriptCore stops
 * its threads, and they stand still for seconds. A worker has no thread of ours, so `make tsan` names the plain
 * program. */
static inline const struct transform_deps *testing_workers(void) {
    static struct transform_deps deps;
    deps.program = getenv("SLUICE_TEST_WORKER");
    return &deps;
}

#endif
