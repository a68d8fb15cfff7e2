/* A descriptor on a loop: a callback while it can be read or written. And an alarm in real time, for what no test clock
 * may hold up (killing a process that does not end).
 *
 * thread: the loop's, or any while the loop does not run. The descriptor stays the caller's. */
#ifndef SLUICE_BASE_LOOP_IO_H
#define SLUICE_BASE_LOOP_IO_H

#include "base/loop.h"

enum loop_io_events { LOOP_IO_READ = 1, LOOP_IO_WRITE = 2 };

struct loop_io;

/* `on_ready` gets what is possible now; an error or a hang-up counts as readable. It may free the loop_io. */
struct loop_io *loop_io_new(struct loop *loop, int fd, void (*on_ready)(void *ctx, unsigned events), void *ctx);
void loop_io_want(struct loop_io *io, unsigned events); /* 0 = nothing for now */
void loop_io_free(struct loop_io *io);                  /* takes NULL */

struct loop_alarm;

struct loop_alarm *loop_alarm_new(struct loop *loop, void (*on_alarm)(void *ctx), void *ctx);
/* Once, `ms` of real time from now; again moves it. 0 clears it. */
void loop_alarm_set(struct loop_alarm *alarm, uint64_t ms);
void loop_alarm_free(struct loop_alarm *alarm); /* takes NULL */

#endif
