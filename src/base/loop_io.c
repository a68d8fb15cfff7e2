/* libuv's poll and timer handles, which outlive their owner's free until the loop has closed them. */
#include "base/loop_io.h"

#include <uv.h>

#include "base/arena.h"

struct loop_io {
    uv_poll_t poll;
    void (*on_ready)(void *ctx, unsigned events);
    void *ctx;
    unsigned wanted;
};

struct loop_alarm {
    uv_timer_t timer;
    void (*on_alarm)(void *ctx);
    void *ctx;
};

static void on_closed(uv_handle_t *handle) {
    mem_free(handle->data);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    struct loop_io *io = poll->data;
    unsigned ready = status < 0 || (events & (UV_READABLE | UV_DISCONNECT)) != 0 ? LOOP_IO_READ : 0;
    ready |= (events & UV_WRITABLE) != 0 ? io->wanted & LOOP_IO_WRITE : 0; /* a hang-up counts as both there */
    io->on_ready(io->ctx, ready);
}

struct loop_io *loop_io_new(struct loop *loop, int fd, void (*on_ready)(void *ctx, unsigned events), void *ctx) {
    struct loop_io *io = mem_alloc(sizeof *io);
    io->on_ready = on_ready;
    io->ctx = ctx;
    io->poll.data = io;
    int failed = uv_poll_init(loop_uv(loop), &io->poll, fd);
    ASSERT(failed == 0);
    return io;
}

void loop_io_want(struct loop_io *io, unsigned events) {
    if (events == io->wanted) {
        return;
    }
    io->wanted = events;
    int wanted = ((events & LOOP_IO_READ) != 0 ? UV_READABLE | UV_DISCONNECT : 0) |
        ((events & LOOP_IO_WRITE) != 0 ? UV_WRITABLE : 0);
    int failed = wanted != 0 ? uv_poll_start(&io->poll, wanted, on_poll) : uv_poll_stop(&io->poll);
    ASSERT(failed == 0);
}

void loop_io_free(struct loop_io *io) {
    if (io != NULL) {
        uv_close((uv_handle_t *)&io->poll, on_closed);
    }
}

static void on_timer(uv_timer_t *timer) {
    struct loop_alarm *alarm = timer->data;
    alarm->on_alarm(alarm->ctx);
}

struct loop_alarm *loop_alarm_new(struct loop *loop, void (*on_alarm)(void *ctx), void *ctx) {
    struct loop_alarm *alarm = mem_alloc(sizeof *alarm);
    alarm->on_alarm = on_alarm;
    alarm->ctx = ctx;
    alarm->timer.data = alarm;
    int failed = uv_timer_init(loop_uv(loop), &alarm->timer);
    ASSERT(failed == 0);
    return alarm;
}

void loop_alarm_set(struct loop_alarm *alarm, uint64_t ms) {
    uv_update_time(alarm->timer.loop);
    int failed = ms > 0 ? uv_timer_start(&alarm->timer, on_timer, ms, 0) : uv_timer_stop(&alarm->timer);
    ASSERT(failed == 0);
}

void loop_alarm_free(struct loop_alarm *alarm) {
    if (alarm != NULL) {
        uv_close((uv_handle_t *)&alarm->timer, on_closed);
    }
}
