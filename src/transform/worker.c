/* A worker: one frame in, what follows from it out, over and over. It has no threads of its own (the engine has some),
 * no timers and no state but the versions loaded. When the socket closes it ends.
 *
 * Batches of one version that are there already run one after the other, and their results are judged, written and sent
 * together: what a batch costs whatever its size is paid once. */
#include "transform/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "transform/cage.h"
#include "transform/engine.h"
#include "transform/frame.h"
#include "json/json.h"
#include "json/json_write.h"

enum { EXIT_GONE = 0, EXIT_CANNOT_START = 1, EXIT_BAD_FRAME = 2 };
enum {
    READ_BYTES = 256 << 10, /* more than a socket holds */
    KEPT_BYTES = 4 << 20,   /* of a buffer, between two batches */
    HELD_US = 20000,        /* CPU time of batches whose answers wait for the next ones: the server's clock runs on */
    HELD_BYTES = 128 << 10, /* of the same; more, and the server would run out of batches meanwhile */
};

struct late { /* a batch that came while another waits for an answer */
    struct late *next;
    struct frame_head head;
    struct buf text;
};

struct done { /* the head of a DONE frame */
    uint32_t call;
    uint32_t spent_us; /* CPU time */
};

struct worker {
    struct engine *engine;
    struct buf in; /* frames from `at` on */
    size_t at;
    struct late *late, **late_tail;
    struct frame_head head; /* of the batch that runs or waits */
    uint32_t call;          /* the same; 0: none */
    uint64_t began_us;      /* the thread's CPU time then */
    uint64_t spent_us;      /* CPU time of that batch */
    struct done held[ENGINE_HELD_MAX + 1];
    size_t held_count, held_bytes;
    uint64_t held_us;
    struct engine_answers answers;
};

/* ---- the socket ---- */

/* More bytes behind those of `in`, which may move. False: there are none yet, where it may not wait. */
static bool receive(struct worker *worker, size_t wanted, bool may_wait) {
    struct buf *in = &worker->in;
    if (worker->at > 0 && in->cap - in->len < wanted + JSON_PADDING) {
        memmove(in->ptr, in->ptr + worker->at, in->len - worker->at);
        in->len -= worker->at;
        worker->at = 0;
    }
    if (buf_reserve(in, (wanted > READ_BYTES ? wanted : READ_BYTES) + JSON_PADDING) != OK) {
        _exit(EXIT_BAD_FRAME);
    }
    ssize_t n = 0;
    do {
        n = recv(WORKER_FD, in->ptr + in->len, in->cap - in->len - JSON_PADDING, may_wait ? 0 : MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        in->len += (size_t)n;
        return true;
    }
    if (n == 0 || errno != EAGAIN) {
        /* the kernel takes back what the engine holds, faster than it could itself */
        _exit(EXIT_GONE);
    }
    return false;
}

/* The frame at `at`, whole with the NUL behind its text. False: it is not there yet, where this may not wait. */
static bool peek_frame(struct worker *worker, bool may_wait, struct frame_head *ret_head) {
    for (size_t size = sizeof *ret_head;;) {
        size_t there = worker->in.len - worker->at;
        if (there >= sizeof *ret_head) {
            memcpy(ret_head, worker->in.ptr + worker->at, sizeof *ret_head);
            if (ret_head->length > FRAME_MAX) {
                _exit(EXIT_BAD_FRAME);
            }
            size = sizeof *ret_head + ret_head->length + 1;
        }
        if (there >= size) {
            return true;
        }
        if (!receive(worker, size - there, may_wait)) {
            return false;
        }
    }
}

/* The server is gone when this fails: nobody is left to tell. Moves on in `parts`. */
static void write_all(struct iovec *parts, size_t count) {
    while (count > 0) {
        ssize_t n = writev(WORKER_FD, parts, (int)count);
        if (n < 0 && errno != EINTR) {
            _exit(EXIT_GONE);
        }
        size_t put = n > 0 ? (size_t)n : 0;
        for (; count > 0 && put >= parts->iov_len; parts++, count--) {
            put -= parts->iov_len;
        }
        if (count > 0) {
            parts->iov_base = (char *)parts->iov_base + put;
            parts->iov_len -= put;
        }
    }
}

static void send_frame(enum frame_kind kind, uint32_t id, struct slice text) {
    struct frame_head head = {.length = (uint32_t)text.len, .kind = (uint32_t)kind, .id = id};
    /* writev takes no const: it only reads */
    struct iovec parts[] = {
        {.iov_base = &head, .iov_len = sizeof head}, {.iov_base = (char *)(uintptr_t)text.ptr, .iov_len = text.len}};
    write_all(parts, COUNT_OF(parts));
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

/* ---- batches ---- */

static void send_answers(struct worker *worker) {
    struct engine_answers *answers = &worker->answers;
    struct frame_head heads[ENGINE_HELD_MAX + 1];
    struct iovec parts[2 * (ENGINE_HELD_MAX + 1)];
    size_t start = 0;
    for (size_t i = 0; i < answers->count; i++) {
        const struct done *done = &worker->held[i];
        size_t len = answers->ends[i] - start;
        heads[i] = (struct frame_head){
            .length = (uint32_t)len, .kind = FRAME_DONE, .id = done->call, .limit_ms = done->spent_us};
        parts[2 * i] = (struct iovec){.iov_base = &heads[i], .iov_len = sizeof heads[i]};
        parts[2 * i + 1] = (struct iovec){.iov_base = answers->text.ptr + start, .iov_len = len};
        start = answers->ends[i];
    }
    write_all(parts, 2 * answers->count);
    answers->count = 0;
    buf_reset(&answers->text);
    worker->held_count = worker->held_bytes = 0;
    worker->held_us = 0;
}

static void after_run(struct worker *worker, enum engine_state state) {
    if (state == ENGINE_WAITS) {
        send_frame(FRAME_WAIT, worker->call, SLICE(""));
        return;
    }
    uint64_t us = worker->spent_us;
    worker->held[worker->held_count++] =
        (struct done){.call = worker->call, .spent_us = (uint32_t)(us < UINT32_MAX ? us : UINT32_MAX)};
    worker->call = 0;
    if (state == ENGINE_DONE) {
        send_answers(worker);
    }
}

/* The next frame is there, and is a batch that may run before this one's results are looked at. */
static bool may_hold(void *ctx) {
    struct worker *worker = ctx;
    struct frame_head next;
    return (worker->head.flags & FRAME_SINGLE) == 0 && worker->held_bytes < HELD_BYTES &&
        worker->held_us + cpu_us() - worker->began_us < HELD_US && worker->late == NULL &&
        peek_frame(worker, /* may_wait: */ false, &next) && next.kind == FRAME_RUN &&
        next.version == worker->head.version && (next.flags & FRAME_SINGLE) == 0;
}

static void run(struct worker *worker, const struct frame_head *head, struct slice text) {
    worker->began_us = cpu_us();
    worker->head = *head;
    worker->call = head->id;
    worker->held_bytes += text.len;
    enum engine_state state = engine_run(worker->engine, head->version, head->limit_ms, text, &worker->answers);
    worker->spent_us = cpu_us() - worker->began_us;
    worker->held_us += worker->spent_us;
    after_run(worker, state);
}

static void put_off(struct worker *worker, const struct frame_head *head, struct slice text) {
    struct late *late = mem_alloc(sizeof *late);
    late->head = *head;
    buf_init(&late->text, 0);
    buf_append(&late->text, text);
    buf_append_byte(&late->text, '\0');
    *worker->late_tail = late;
    worker->late_tail = &late->next;
}

static void run_late(struct worker *worker) {
    while (worker->call == 0 && worker->late != NULL) {
        struct late *late = worker->late;
        worker->late = late->next;
        worker->late_tail = worker->late == NULL ? &worker->late : worker->late_tail;
        run(worker, &late->head, slice_of(late->text.ptr, late->head.length));
        buf_fini(&late->text);
        mem_free(late);
    }
}

static void go_on(struct worker *worker, const struct frame_head *head, struct slice text) {
    if (head->id != worker->call) {
        return; /* its batch has ended */
    }
    uint64_t started = cpu_us();
    enum engine_state state = engine_reply(worker->engine, head->version, text, &worker->answers);
    worker->spent_us += cpu_us() - started;
    after_run(worker, state);
    run_late(worker);
}

static void load(struct worker *worker, uint32_t version, struct slice text) {
    struct buf out;
    buf_init(&out, 0);
    engine_load(worker->engine, version, text, &out);
    send_frame(FRAME_LOADED, version, buf_slice(&out));
    buf_fini(&out);
}

/* One frame that has come whole; `text` lives until the next is looked for. */
static void handle(struct worker *worker, const struct frame_head *head, struct slice text) {
    switch (head->kind) {
    case FRAME_LOAD:
        load(worker, head->id, text);
        return;
    case FRAME_DROP:
        engine_drop(worker->engine, head->id);
        return;
    case FRAME_RUN:
        if (worker->call != 0) {
            put_off(worker, head, text);
        } else {
            run(worker, head, text);
        }
        return;
    case FRAME_REPLY:
        go_on(worker, head, text);
        return;
    default:
        _exit(EXIT_BAD_FRAME);
    }
}

/* Memory that one huge batch has left behind is given back. */
static void shrink(struct worker *worker) {
    if (worker->at == worker->in.len && worker->in.cap > KEPT_BYTES) {
        buf_fini(&worker->in);
        worker->at = 0;
    }
    if (worker->answers.count == 0 && worker->answers.text.cap > KEPT_BYTES) {
        buf_fini(&worker->answers.text);
    }
}

static _Noreturn void serve(struct worker *worker) {
    for (;;) {
        struct frame_head head;
        (void)peek_frame(worker, /* may_wait: */ true, &head); /* true */
        /* what has come behind it leaves room in the socket: the server goes on while this one runs */
        (void)receive(worker, READ_BYTES, /* may_wait: */ false);
        struct slice text = slice_of(worker->in.ptr + worker->at + sizeof head, head.length);
        worker->at += sizeof head + head.length + 1;
        handle(worker, &head, text);
        shrink(worker);
    }
}

static enum err start(struct worker *worker, struct cage *cage, struct errinfo *why) {
    const struct engine_host host = {.on_ask = on_ask, .may_hold = may_hold, .ctx = worker};
    enum err e = cage_enter(cage, why);
    e = e == OK ? engine_open(&host, &worker->engine, why) : e;
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
    buf_init(&worker.answers.text, 0);
    worker.late_tail = &worker.late;
    enum err e = start(&worker, &cage, &why);
    tell_ready(&cage, e, &why);
    if (e != OK) {
        return EXIT_CANNOT_START;
    }
    serve(&worker);
}
