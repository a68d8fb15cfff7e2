/* Runs a function on a loop's thread and waits for it: how a caller outside the loops (start, stop, reload, control)
 * looks at or changes what a loop owns, without locks around it.
 *
 * thread: any but a loop's own. The loop must be running until the call returns. */
#ifndef SLUICE_BASE_LOOP_CALL_H
#define SLUICE_BASE_LOOP_CALL_H

#include "base/loop.h"

void loop_call(struct loop *loop, void (*fn)(void *arg), void *arg);

#endif
