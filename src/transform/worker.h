/* The process that runs user code: `sluice worker`. */
#ifndef SLUICE_TRANSFORM_WORKER_H
#define SLUICE_TRANSFORM_WORKER_H

/* The descriptor on which a worker finds the server's end of its socket. */
#define WORKER_FD 3

/* The whole program of a worker: shuts itself in, serves the socket until it closes. Returns its exit code. */
int worker_main(void);

#endif
