/* One helper thread for what may block (disk, other threads) and must not hold up a loop. Work runs in the order in
 * which it was put, one at a time; on_done follows on the loop. The thread is started by the first work and sleeps
 * without a time-out. */
#ifndef SLUICE_BASE_WORK_H
#define SLUICE_BASE_WORK_H

#include "base/loop.h"

/* Caller's memory, untouched by the caller from work_put to on_done. */
struct work {
    struct work *next;
    void (*run)(struct work *work);     /* on the helper thread */
    void (*on_done)(struct work *work); /* on the loop; may free the work */
};

struct work_queue;

/* name <= 15 bytes: the thread's. */
struct work_queue *work_queue_new(struct loop *loop, const char *name);
/* Waits for all work that was put; the on_done still outstanding run in the calling thread.
 * thread: the loop's, or any while the loop does not run and will not run again. */
void work_queue_free(struct work_queue *queue);
/* thread: any. */
void work_put(struct work_queue *queue, struct work *work);

#endif
