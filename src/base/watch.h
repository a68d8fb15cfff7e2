/* Tells when a file has changed, by whatever way an editor or a deployment replaces it: written in place, renamed over,
 * or a symbolic link in its folder moved. Watches the folder (inotify); WATCH_QUIET_MS of real
 * time after the first event of a burst it looks, and calls if the file's identity, size or time differ from what was
 * last seen. A later write is a later event and another look. No polling.
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
