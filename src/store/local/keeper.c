/* The keeper thread: see keeper.h. */
#include <time.h>

#include "store/local/local.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)
#define TRIM_EVERY_NS (3600 * NS_PER_S)
#define PRESSURE_EVERY_NS NS_PER_S /* and what failed is tried again after that */

void local_keeper_init(struct local *local) {
    struct local_keeper *keeper = &local->keeper;
    pthread_mutex_init(&keeper->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&keeper->changed, &attr);
    pthread_condattr_destroy(&attr);
}

void local_keeper_fini(struct local *local) {
    pthread_cond_destroy(&local->keeper.changed);
    pthread_mutex_destroy(&local->keeper.lock);
}

void local_keeper_ask(struct local *local, unsigned what) {
    struct local_keeper *keeper = &local->keeper;
    pthread_mutex_lock(&keeper->lock);
    bool wake = false;
    if ((what & LOCAL_KEEP_NOTES) != 0 && keeper->notes_due == 0) {
        keeper->notes_due = clock_mono_ns() + (uint64_t)local->conf.note_sync * NS_PER_MS;
        wake = true;
    }
    unsigned now = what & ~(unsigned)LOCAL_KEEP_NOTES;
    wake |= (now & ~keeper->wanted) != 0;
    keeper->wanted |= now;
    if (wake) {
        pthread_cond_signal(&keeper->changed);
    }
    pthread_mutex_unlock(&keeper->lock);
}

static void wait_until(struct local_keeper *keeper, uint64_t due) {
    struct timespec at = {.tv_sec = (time_t)(due / NS_PER_S), .tv_nsec = (long)(due % NS_PER_S)};
    (void)pthread_cond_timedwait(&keeper->changed, &keeper->lock, &at); /* the caller looks again either way */
}

/* Under the lock: waits for work, and takes it. */
static unsigned take_work(struct local_keeper *keeper) {
    for (;;) {
        uint64_t now = clock_mono_ns();
        unsigned work = keeper->wanted;
        work |= keeper->notes_due != 0 && now >= keeper->notes_due ? LOCAL_KEEP_NOTES : 0;
        work |= now >= keeper->trim_due ? LOCAL_KEEP_TRIM : 0;
        work |= keeper->disk_due != 0 && now >= keeper->disk_due ? LOCAL_KEEP_DISK : 0;
        if (work != 0) {
            keeper->wanted = 0;
            keeper->notes_due = (work & LOCAL_KEEP_NOTES) != 0 ? 0 : keeper->notes_due;
            return work;
        }
        uint64_t due = keeper->trim_due;
        due = keeper->notes_due != 0 && keeper->notes_due < due ? keeper->notes_due : due;
        due = keeper->disk_due != 0 && keeper->disk_due < due ? keeper->disk_due : due;
        wait_until(keeper, due);
    }
}

/* Not at once, also when store.note_sync is 0. */
static void retry_notes(struct local_keeper *keeper) {
    pthread_mutex_lock(&keeper->lock);
    keeper->notes_due = clock_mono_ns() + PRESSURE_EVERY_NS;
    pthread_mutex_unlock(&keeper->lock);
}

static void do_work(struct local *local, unsigned work) {
    if ((work & LOCAL_KEEP_NOTES) != 0 && local_notes_sync(local) != OK) {
        retry_notes(&local->keeper); /* counted and logged there */
    }
    if ((work & LOCAL_KEEP_INDEX) != 0) {
        local_index_pending(local);
    }
    if ((work & LOCAL_KEEP_SPARE) != 0 && local_spare_fill(local)) {
        local_keeper_ask(local, LOCAL_KEEP_SPARE);
    }
    if ((work & LOCAL_KEEP_TRIM) != 0) {
        local_trim(&local->store);
        local->keeper.trim_due = clock_mono_ns() + TRIM_EVERY_NS;
    }
    if ((work & LOCAL_KEEP_DISK) != 0) {
        local_disk_check(local);
        bool pressure = store_pressure(&local->store) != OK;
        local->keeper.disk_due = pressure ? clock_mono_ns() + PRESSURE_EVERY_NS : 0;
    }
}

static void *keeper_main(void *arg) {
    struct local *local = arg;
    struct local_keeper *keeper = &local->keeper;
    pthread_setname_np(pthread_self(), "store-keeper");
    pthread_mutex_lock(&keeper->lock);
    for (;;) {
        unsigned work = take_work(keeper);
        if ((work & LOCAL_KEEP_STOP) != 0) {
            break;
        }
        pthread_mutex_unlock(&keeper->lock);
        do_work(local, work);
        pthread_mutex_lock(&keeper->lock);
    }
    pthread_mutex_unlock(&keeper->lock);
    return NULL;
}

void local_keeper_start(struct local *local) {
    struct local_keeper *keeper = &local->keeper;
    keeper->trim_due = clock_mono_ns() + TRIM_EVERY_NS;
    int failed = pthread_create(&keeper->thread, NULL, keeper_main, local);
    ASSERT(failed == 0);
    keeper->started = true;
}

void local_keeper_stop(struct local *local) {
    if (!local->keeper.started) {
        return;
    }
    local_keeper_ask(local, LOCAL_KEEP_STOP);
    int failed = pthread_join(local->keeper.thread, NULL);
    ASSERT(failed == 0);
}
