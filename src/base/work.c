/* The helper thread. `lock` guards both lists and the flags; nothing is called under it.
 *
 * The queue lives until work_queue_free has seen its message come back: a message in a loop's inbox cannot be recalled,
 * so a queue whose loop still runs is freed by that message. */
#include "base/work.h"

#include <pthread.h>
#include <stdio.h>

#include "base/arena.h"

struct work_list {
    struct work *head, *tail;
};

struct work_queue {
    struct loop_msg msg; /* "look at done" */
    struct loop *loop;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    struct work_list todo, done;
    bool started, stop;
    bool posted; /* msg is in the loop's inbox */
    bool freed;  /* by the message, when it comes */
    char name[16];
};

static void list_add(struct work_list *list, struct work *work) {
    work->next = NULL;
    if (list->tail != NULL) {
        list->tail->next = work;
    } else {
        list->head = work;
    }
    list->tail = work;
}

static struct work *list_take(struct work_list *list) {
    struct work *work = list->head;
    if (work != NULL) {
        list->head = work->next;
        list->tail = list->head != NULL ? list->tail : NULL;
    }
    return work;
}

static void queue_destroy(struct work_queue *queue) {
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->lock);
    mem_free(queue);
}

static void run_done(struct work_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    for (struct work *work = list_take(&queue->done); work != NULL; work = list_take(&queue->done)) {
        pthread_mutex_unlock(&queue->lock);
        work->on_done(work);
        pthread_mutex_lock(&queue->lock);
    }
    pthread_mutex_unlock(&queue->lock);
}

static void on_msg(struct loop_msg *msg) {
    struct work_queue *queue = CONTAINER_OF(msg, struct work_queue, msg);
    pthread_mutex_lock(&queue->lock);
    queue->posted = false;
    bool freed = queue->freed;
    pthread_mutex_unlock(&queue->lock);
    if (freed) {
        queue_destroy(queue);
        return;
    }
    run_done(queue);
}

static void finish(struct work_queue *queue, struct work *work) {
    pthread_mutex_lock(&queue->lock);
    list_add(&queue->done, work);
    bool post = !queue->posted;
    queue->posted = true;
    if (post) {
        loop_post(queue->loop, &queue->msg);
    }
    pthread_mutex_unlock(&queue->lock);
}

static void *helper(void *arg) {
    struct work_queue *queue = arg;
    pthread_setname_np(pthread_self(), queue->name);
    for (;;) {
        pthread_mutex_lock(&queue->lock);
        while (queue->todo.head == NULL && !queue->stop) {
            pthread_cond_wait(&queue->changed, &queue->lock);
        }
        struct work *work = list_take(&queue->todo);
        pthread_mutex_unlock(&queue->lock);
        if (work == NULL) {
            return NULL;
        }
        work->run(work);
        finish(queue, work);
    }
}

struct work_queue *work_queue_new(struct loop *loop, const char *name) {
    struct work_queue *queue = mem_alloc(sizeof *queue);
    queue->loop = loop;
    queue->msg.on_msg = on_msg;
    snprintf(queue->name, sizeof queue->name, "%s", name);
    int e = pthread_mutex_init(&queue->lock, NULL);
    ASSERT(e == 0);
    e = pthread_cond_init(&queue->changed, NULL);
    ASSERT(e == 0);
    return queue;
}

void work_put(struct work_queue *queue, struct work *work) {
    pthread_mutex_lock(&queue->lock);
    ASSERT(!queue->stop);
    if (!queue->started) {
        int e = pthread_create(&queue->thread, NULL, helper, queue);
        ASSERT(e == 0);
        queue->started = true;
    }
    list_add(&queue->todo, work);
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

void work_queue_free(struct work_queue *queue) {
    if (queue == NULL) {
        return;
    }
    pthread_mutex_lock(&queue->lock);
    queue->stop = true;
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
    if (queue->started) {
        int e = pthread_join(queue->thread, NULL);
        ASSERT(e == 0);
    }
    run_done(queue);
    bool running = loop_is_current(queue->loop);
    pthread_mutex_lock(&queue->lock);
    queue->freed = true;
    bool wait = queue->posted && running;
    pthread_mutex_unlock(&queue->lock);
    if (!wait) {
        queue_destroy(queue);
    }
}
