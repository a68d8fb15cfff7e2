/* Watches of the head. The head is stored before `armed` is read here, and a watch is counted before the head is read
 * in arm: so one of the two sees the other, and no passing is missed. */
#include "store/local/local.h"

/* Under the lock: posts what the head has passed. A posted watch is the receiver's. */
static void wake_passed(struct local *local, uint64_t head) {
    struct store_watch **link = &local->watches.first;
    while (*link != NULL) {
        struct store_watch *watch = *link;
        if (head <= watch->offset) {
            link = &watch->next;
            continue;
        }
        *link = watch->next;
        watch->armed = false;
        atomic_fetch_sub(&local->watches.armed, 1);
        loop_post(watch->loop, &watch->msg);
    }
}

void local_watch_arm(struct store *store, struct store_watch *watch, uint64_t offset) {
    struct local *local = local_of(store);
    pthread_mutex_lock(&local->watches.lock);
    ASSERT(!watch->armed);
    watch->offset = offset;
    watch->armed = true;
    watch->next = local->watches.first;
    local->watches.first = watch;
    atomic_fetch_add(&local->watches.armed, 1);
    wake_passed(local, atomic_load(&local->head));
    pthread_mutex_unlock(&local->watches.lock);
}

bool local_watch_disarm(struct store *store, struct store_watch *watch) {
    struct local *local = local_of(store);
    bool found = false;
    pthread_mutex_lock(&local->watches.lock);
    for (struct store_watch **link = &local->watches.first; *link != NULL; link = &(*link)->next) {
        if (*link == watch) {
            *link = watch->next;
            watch->armed = false;
            atomic_fetch_sub(&local->watches.armed, 1);
            found = true;
            break;
        }
    }
    pthread_mutex_unlock(&local->watches.lock);
    return found;
}

void local_watch_wake(struct local *local) {
    if (atomic_load(&local->watches.armed) == 0) {
        return;
    }
    pthread_mutex_lock(&local->watches.lock);
    wake_passed(local, atomic_load(&local->head));
    pthread_mutex_unlock(&local->watches.lock);
}
