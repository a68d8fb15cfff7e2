/* Signals as callbacks on a loop. While a watch lives, the signal's default action is off; freeing the last watch of a
 * signal brings it back. thread: the loop's, or any while the loop does not run. */
#ifndef SLUICE_BASE_SIGNAL_H
#define SLUICE_BASE_SIGNAL_H

#include "base/loop.h"

struct signal_watch;

struct signal_watch *signal_watch_new(
    struct loop *loop, int number, void (*on_signal)(void *ctx, int number), void *ctx);
void signal_watch_free(struct signal_watch *watch); /* takes NULL */

#endif
