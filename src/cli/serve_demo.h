/* The demo: a generated workspace with one source and one WEBHOOK destination, and the echo that it delivers to.
 * Private to cli/. */
#ifndef SLUICE_CLI_SERVE_DEMO_H
#define SLUICE_CLI_SERVE_DEMO_H

#include "base/slice.h"
#include "cli/conf.h"

struct demo;

/* Starts the echo (a thread of its own, 127.0.0.1, any port), makes the data directory and its workspace.yaml unless
 * they are there, and points `conf` at them. The write key is random at first and then stays. */
MUST enum err demo_start(struct conf *conf, struct demo **ret_demo, struct errinfo *why);
/* Stops the echo. Takes NULL. */
void demo_free(struct demo *demo);
/* What a person can do now, on stdout. */
void demo_print(const struct conf *conf, uint16_t port, struct slice write_key);

#endif
