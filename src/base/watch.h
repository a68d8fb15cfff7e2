/* Tells when a file has changed, by whatever way an editor or a deployment replaces it: written in place, renamed over,
 * or a symbolic link in its folder moved. Watches the folder (inotify), waits until it has been quiet for
 * WATCH_QUIET_MS of real time, and calls only if the file's identity, size or time differ from what was last seen. No
 * polling.
 *
 * thread: the loop's, or any while the loop does not run. */
#ifndef SLUICE_BASE_WATCH_H
#define SLUICE_BASE_WATCH_H

#include "base/loop.h"

#define WATCH_QUIET_MS 50

struct watch;

/* The folder must exist; the file need not. */
MUST enum err watch_new(struct loop *loop, const char *path, void (*on_change)(void *ctx), void *ctx,
    struct watch **ret_watch, struct errinfo *why);
void watch_free(struct watch *watch); /* takes NULL */

#endif
