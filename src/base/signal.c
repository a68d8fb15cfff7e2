/* uv_signal_t behind signal.h. The memory goes when libuv has closed the handle. */
#include "base/signal.h"

#include <uv.h>

#include "base/arena.h"

struct signal_watch {
    uv_signal_t handle;
    void (*on_signal)(void *ctx, int number);
    void *ctx;
};

static void on_uv_signal(uv_signal_t *handle, int number) {
    struct signal_watch *watch = handle->data;
    watch->on_signal(watch->ctx, number);
}

static void on_closed(uv_handle_t *handle) {
    mem_free(handle->data);
}

struct signal_watch *signal_watch_new(
    struct loop *loop, int number, void (*on_signal)(void *ctx, int number), void *ctx) {
    struct signal_watch *watch = mem_alloc(sizeof *watch);
    watch->on_signal = on_signal;
    watch->ctx = ctx;
    int e = uv_signal_init(loop_uv(loop), &watch->handle);
    ASSERT(e == 0);
    watch->handle.data = watch;
    e = uv_signal_start(&watch->handle, on_uv_signal, number);
    ASSERT(e == 0); /* a number that cannot be caught is our own mistake */
    return watch;
}

void signal_watch_free(struct signal_watch *watch) {
    if (watch != NULL) {
        uv_close((uv_handle_t *)&watch->handle, on_closed);
    }
}
