/* sluice worker: the process that runs user code. The server starts it; by hand it only says so. */
#include "transform/worker.h"

#include "cli/cli.h"

int verb_worker(const struct args *args) {
    (void)args; /* shape of a verb: what it needs comes over its socket */
    return worker_main();
}
