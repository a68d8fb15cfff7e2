/* The files that a workspace was made of besides its own: code of transformations. thread: the loop's. */
#ifndef SLUICE_CLI_SERVE_WATCH_H
#define SLUICE_CLI_SERVE_WATCH_H

#include "base/loop.h"
#include "model/workspace.h"

struct code_watches;

/* Watches the code files of the snapshot instead of those before; a file that cannot be watched is logged. NULL: none
 * before. Returns what to give next time. */
struct code_watches *code_watches_renew(struct code_watches *before, struct loop *loop,
    const struct workspace *workspace, void (*on_change)(void *ctx), void *ctx);
void code_watches_free(struct code_watches *watches); /* takes NULL */

#endif
