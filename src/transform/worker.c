/* A worker: one frame in, what follows from it out, over and over. It has no threads of its own (the engine has some),
 * no timers and no state but the versions loaded. When the socket closes it ends. */
#include "transform/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "transform/cage.h"
#include "transform/engine.h"
#include "transform/frame.h"
#include "json/json.h"
#include "json/json_write.h"

enum { EXIT_GONE = 0, EXIT_CANNOT_START = 1, EXIT_BAD_FRAME = 2 };

struct worker {
    struct engine *engine;
    struct frame_head head;
    struct buf in, out;
    struct frame_head next_head; /* a batch that came while another waits for an answer */
    struct buf next;
    bool has_next;
    uint32_t call;     /* the batch that runs or waits */
    uint64_t spent_us; /* CPU time of that batch */
};

static bool read_all(void *to, size_t len) {
    for (size_t got = 0; got < len;) {
        ssize_t n = read(WORKER_FD, (char *)to + got, len - got);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            return false;
        }
        got += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool write_all(const void *from, size_t len) {
    for (size_t put = 0; put < len;) {
        ssize_t n = write(WORKER_FD, (const char *)from + put, len - put);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        put += n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* The server is gone when this fails: nobody is left to tell. */
static void send_frame(enum frame_kind kind, uint32_t id, struct slice text) {
    struct frame_head head = {.length = (uint32_t)text.len, .kind = (uint32_t)kind, .id = id};
    if (!write_all(&head, sizeof head) || !write_all(text.ptr, text.len)) {
        _exit(EXIT_GONE);
    }
}

static void on_ask(void *ctx, uint32_t question, struct slice kind, struct slice parameters) {
    struct worker *worker = ctx;
    struct buf text;
    struct json_writer json;
    buf_init(&text, 0);
    json_writer_init(&json, &text);
    json_write_object(&json);
    json_put_u64(&json, "id", question);
    json_put_string(&json, "kind", kind);
    json_put_raw(&json, "parameters", parameters);
    json_write_end(&json);
    send_frame(FRAME_ASK, worker->call, buf_slice(&text));
    buf_fini(&text);
}

static uint64_t cpu_us(void) {
    enum { US_PER_S = 1000000, NS_PER_US = 1000 };
    struct timespec now;
    return clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0
        ? (uint64_t)now.tv_sec * US_PER_S + (uint64_t)now.tv_nsec / NS_PER_US
        : 0;
}

static void after_run(struct worker *worker, enum engine_state state) {
    if (state == ENGINE_WAITS) {
        send_frame(FRAME_WAIT, worker->call, SLICE(""));
        return;
    }
    /* the time goes into the head: the text is the runtime's */
    struct frame_head head = {.length = (uint32_t)worker->out.len,
        .kind = FRAME_DONE,
        .id = worker->call,
        .limit_ms = (uint32_t)(worker->spent_us < UINT32_MAX ? worker->spent_us : UINT32_MAX)};
    if (!write_all(&head, sizeof head) || !write_all(worker->out.ptr, worker->out.len)) {
        _exit(EXIT_GONE);
    }
}

static bool handle(struct worker *worker) {
    const struct frame_head *head = &worker->head;
    struct slice text = slice_of(worker->in.ptr, head->length);
    uint64_t started = cpu_us();
    enum engine_state state = ENGINE_DONE;
    buf_reset(&worker->out);
    switch (head->kind) {
    case FRAME_LOAD:
        engine_load(worker->engine, head->id, text, &worker->out);
        send_frame(FRAME_LOADED, head->id, buf_slice(&worker->out));
        return true;
    case FRAME_DROP:
        engine_drop(worker->engine, head->id);
        return true;
    case FRAME_RUN:
        worker->call = head->id;
        state = engine_run(worker->engine, head->version, head->limit_ms, text, &worker->out);
        worker->spent_us = cpu_us() - started;
        break;
    case FRAME_REPLY:
        if (head->id != worker->call) {
            return true; /* its batch has ended */
        }
        state = engine_reply(worker->engine, head->version, text, &worker->out);
        worker->spent_us += cpu_us() - started;
        break;
    default:
        return false;
    }
    after_run(worker, state);
    if (state == ENGINE_DONE) {
        worker->call = 0;
    }
    return true;
}

/* Memory that one huge batch has left behind is given back. */
static void shrink(struct buf *buf) {
    enum { KEPT_BYTES = 4 << 20 };
    if (buf->cap > KEPT_BYTES) {
        buf_fini(buf);
        buf_init(buf, 0);
    }
}

static bool read_frame(struct worker *worker) {
    if (!read_all(&worker->head, sizeof worker->head) || worker->head.length > FRAME_MAX) {
        return false;
    }
    buf_reset(&worker->in);
    size_t len = worker->head.length;
    if (buf_reserve(&worker->in, len + JSON_PADDING) != OK || !read_all(worker->in.ptr, len)) {
        return false;
    }
    memset(worker->in.ptr + len, 0, JSON_PADDING);
    return true;
}

/* False: the server sends nonsense. */
static bool put_off(struct worker *worker) {
    struct buf empty = worker->next;
    if (worker->has_next) {
        return false;
    }
    worker->next = worker->in;
    worker->next_head = worker->head;
    worker->has_next = true;
    worker->in = empty;
    return true;
}

static void take_next(struct worker *worker) {
    struct buf used = worker->in;
    worker->in = worker->next;
    worker->head = worker->next_head;
    worker->has_next = false;
    worker->next = used;
}

static bool handle_all(struct worker *worker) {
    if (worker->head.kind == FRAME_RUN && worker->call != 0) {
        return put_off(worker);
    }
    if (!handle(worker)) {
        return false;
    }
    if (worker->call == 0 && worker->has_next) {
        take_next(worker);
        return handle(worker);
    }
    return true;
}

static enum err start(struct worker *worker, struct cage *cage, struct errinfo *why) {
    enum err e = cage_enter(cage, why);
    e = e == OK ? engine_open(on_ask, worker, &worker->engine, why) : e;
    return e == OK ? cage_shut(why) : e;
}

static void tell_ready(const struct cage *cage, enum err e, const struct errinfo *why) {
    struct buf text;
    struct json_writer json;
    buf_init(&text, 0);
    json_writer_init(&json, &text);
    json_write_object(&json);
    json_put_bool(&json, "ok", e == OK);
    json_put_bool(&json, "user_namespace", cage->user_namespace);
    if (e != OK) {
        json_put_cstr(&json, "text", why->text);
    }
    json_write_end(&json);
    send_frame(FRAME_READY, 0, buf_slice(&text));
    buf_fini(&text);
}

int worker_main(void) {
    if (fcntl(WORKER_FD, F_GETFD) < 0) {
        fprintf(stderr, "sluice: worker is started by the server, not by hand\n");
        return EXIT_BAD_FRAME;
    }
    struct worker worker = {.call = 0};
    struct cage cage = {.user_namespace = false};
    struct errinfo why = {.at = 0};
    buf_init(&worker.in, 0);
    buf_init(&worker.out, 0);
    buf_init(&worker.next, 0);
    enum err e = start(&worker, &cage, &why);
    tell_ready(&cage, e, &why);
    if (e != OK) {
        return EXIT_CANNOT_START;
    }
    while (read_frame(&worker)) {
        if (!handle_all(&worker)) {
            _exit(EXIT_BAD_FRAME);
        }
        shrink(&worker.in);
        shrink(&worker.out);
    }
    /* the kernel takes back what the engine holds, faster than it could itself */
    _exit(EXIT_GONE);
}
