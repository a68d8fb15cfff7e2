/* A worker as a process: start, look at, end. Private to transform/. thread: the transform's loop. */
#ifndef SLUICE_TRANSFORM_PROCESS_H
#define SLUICE_TRANSFORM_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct process {
    pid_t pid;
    int socket; /* ours; does not block */
    int pidfd;  /* readable when it has ended */
};

/* Runs `program worker` (NULL = this program) with no environment but the engine's settings, /dev/null on 0 to 2, and
 * the socket's other end on WORKER_FD. */
MUST enum err process_start(const char *program, struct process *ret_process, struct errinfo *why);
/* Resident memory in bytes; 0 = it has gone. */
uint64_t process_memory(const struct process *process);
/* CPU time of all its threads in ms; 0 = it has gone. */
uint64_t process_cpu_ms(const struct process *process);
void process_kill(const struct process *process);
/* Takes its exit status and closes its descriptors if it has ended; never blocks. */
bool process_reap(struct process *process);

#endif
