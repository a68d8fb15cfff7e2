/* Redrive: a dead letter's event goes into the log once more, for its destination alone, and the letter is marked.
 *
 * Append first, mark second: a crash in between leaves a letter that can be redriven again, never a lost event. */
#include "base/clock.h"
#include "delivery/delivery_internal.h"

struct redrive {
    struct store_batch batch;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
};

/* thread: the first courier's loop, where the store answers. */
static void on_done(struct store_batch *batch) {
    struct redrive *redrive = CONTAINER_OF(batch, struct redrive, batch);
    pthread_mutex_lock(&redrive->lock);
    redrive->done = true;
    pthread_cond_signal(&redrive->changed);
    pthread_mutex_unlock(&redrive->lock);
}

static enum err append_and_wait(struct delivery *delivery, const struct record_head *head, struct slice payload) {
    struct redrive redrive = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    store_batch_init(&redrive.batch, delivery->couriers[0].loop, on_done);
    char *room = store_batch_add(&redrive.batch, head, SLICE_NONE, payload.len);
    enum err e = ERR_NOMEM;
    if (room != NULL) {
        memcpy(room, payload.ptr, payload.len);
        store_append(delivery->deps.store, &redrive.batch);
        pthread_mutex_lock(&redrive.lock);
        while (!redrive.done) {
            pthread_cond_wait(&redrive.changed, &redrive.lock);
        }
        pthread_mutex_unlock(&redrive.lock);
        e = redrive.batch.result;
    }
    store_batch_fini(&redrive.batch);
    pthread_mutex_destroy(&redrive.lock);
    pthread_cond_destroy(&redrive.changed);
    return e;
}

/* The event must have a way to its destination, or it would vanish. */
static enum err check_way(struct workspace *workspace, const struct dead_letter *letter, struct errinfo *why) {
    const struct source *source = workspace_source_by_key(workspace, letter->source);
    for (size_t i = 0; source != NULL && i < source->connection_count; i++) {
        if (source->connections[i]->destination->key == letter->destination) {
            return OK;
        }
    }
    return err_why(ERR_NOT_FOUND, why, "", "source %.*s is not connected to destination %.*s any more",
        SLICE_ARG(letter->source_id), SLICE_ARG(letter->destination_id));
}

static enum err redrive_letter(struct delivery *delivery, const struct dead_letter *letter, struct errinfo *why) {
    if (letter->taken) {
        return err_why(ERR_EXISTS, why, "", "dead letter %lu was redriven already", letter->id);
    }
    if (letter->destination == 0) {
        return err_why(
            ERR_UNSUPPORTED, why, "", "dead letter %lu was refused by the gateway: it is no valid event", letter->id);
    }
    struct workspace *workspace = workspace_cell_get(delivery->deps.cell);
    enum err e = check_way(workspace, letter, why);
    workspace_release(workspace);
    if (e != OK) {
        return e;
    }
    struct record_head head = {.received_ms = clock_ms(),
        .source = letter->source,
        .user = letter->user,
        .message = letter->message,
        .target = letter->destination,
        .type = letter->type,
        .flags = RECORD_NO_DEDUP};
    e = append_and_wait(delivery, &head, letter->payload);
    if (e != OK) {
        return err_why(e, why, "", "dead letter %lu cannot be put into the log: %s", letter->id, err_text(e));
    }
    return store_dead_take(delivery->deps.store, letter->id);
}

enum err delivery_redrive(struct delivery *delivery, uint64_t dead_id, struct errinfo *why) {
    struct arena arena;
    arena_init(&arena, 16 * 1024, 0);
    pthread_mutex_lock(&delivery->lock);
    struct dead_letter letter;
    enum err e = delivery->running ? store_dead_get(delivery->deps.store, dead_id, &arena, &letter) : ERR_CLOSED;
    if (e == OK) {
        e = redrive_letter(delivery, &letter, why);
    } else {
        e = err_why(e, why, "", "dead letter %lu: %s", dead_id, err_text(e));
    }
    pthread_mutex_unlock(&delivery->lock);
    arena_fini(&arena);
    return e;
}
