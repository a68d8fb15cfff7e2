/* The keeper: a thread for what nobody should wait for. It sleeps until it is asked, until notes are due to be synced,
 * and an hour at most (to trim); only while new events are refused it looks at the disk every second. */
#ifndef SLUICE_STORE_LOCAL_KEEPER_H
#define SLUICE_STORE_LOCAL_KEEPER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct local;

enum local_keep {
    LOCAL_KEEP_INDEX = 1, /* write indexes of sealed segments */
    LOCAL_KEEP_TRIM = 2,
    LOCAL_KEEP_DISK = 4,   /* look at free space and log size */
    LOCAL_KEEP_NOTES = 8,  /* sync dead letters and notes, store.note_sync from now at the latest */
    LOCAL_KEEP_SPARE = 16, /* one step at a time, so that the rest does not wait for it */
    LOCAL_KEEP_STOP = 32,
};

struct local_keeper {
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned wanted;    /* under lock: enum local_keep */
    uint64_t notes_due; /* under lock: clock_mono_ns; 0 = nothing is unsynced */
    uint64_t trim_due;  /* the keeper's own, as is the next */
    uint64_t disk_due;  /* 0 = no pressure */
};

void local_keeper_init(struct local *local);
void local_keeper_start(struct local *local);
/* Ends after what it is doing; what was asked for and not begun is left to the caller. */
void local_keeper_stop(struct local *local);
void local_keeper_fini(struct local *local);
/* Any thread; does not block. */
void local_keeper_ask(struct local *local, unsigned what);

#endif
