/* The workers. A hand starts, says READY, gets one step at a time, and is looked after by an alarm while it runs: CPU
 * time, real time, memory. Whatever it does that is not in the protocol ends it.
 *
 *   STARTS ──READY──▶ IDLE ──RUN──▶ RUNS ──WAIT──▶ WAITS ──REPLY──▶ RUNS ──DONE──▶ IDLE
 *      any ──killed, closed, nonsense──▶ DYING ──process ended──▶ gone */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "transform/transform_internal.h"

enum {
    START_MS = 30000,   /* real time until READY */
    LOOK_MS = 10,       /* between two looks at a step */
    CPU_SLACK_MS = 250, /* of all threads of the process, beyond one and a half times the limit */
    WALL_FACTOR = 4,    /* real time of a step, in limits: something blocks that uses no CPU */
    WALL_SLACK_MS = 2000,
    READ_BYTES = 65536,
    KEPT_BYTES = 4 << 20, /* of a buffer, between two steps */
    NS_PER_MS = 1000000,
    MAX_RETIRE_DIVISOR = 4, /* an idle hand beyond 3/4 of the memory ceiling is dismissed */
};

static void hand_died(struct hand *hand);

/* ---- ending ---- */

static void hand_free(struct hand *hand) {
    struct transform *transform = hand->transform;
    struct hand **at = &transform->hands;
    while (*at != hand) {
        at = &(*at)->next;
    }
    *at = hand->next;
    loop_timer_clear(&hand->idle);
    loop_io_free(hand->end);
    loop_alarm_free(hand->alarm);
    buf_fini(&hand->in);
    buf_fini(&hand->out);
    mem_free(hand->versions);
    mem_free(hand);
    transform_maybe_stop(transform);
}

static void on_end(void *ctx, unsigned events) {
    (void)events; /* there is one kind */
    struct hand *hand = ctx;
    if (hand->state != HAND_DYING) {
        hand_died(hand);
    }
    loop_io_want(hand->end, 0); /* reaping closes the descriptor */
    if (process_reap(&hand->process)) {
        hand_free(hand);
    } else {
        loop_io_want(hand->end, LOOP_IO_READ);
    }
}

/* Out of service; its process is killed if it lives. The job is the caller's to settle. */
static void hand_end(struct hand *hand) {
    struct transform *transform = hand->transform;
    if (hand->state == HAND_STARTS) {
        transform->starting--;
    }
    hand->state = HAND_DYING;
    transform->hand_count--;
    stat_set(&transform->stat.workers, (int64_t)transform->hand_count);
    ask_drop_all(hand);
    loop_timer_clear(&hand->idle);
    loop_alarm_set(hand->alarm, 0);
    loop_io_free(hand->socket);
    hand->socket = NULL;
    close(hand->process.socket);
    process_kill(&hand->process);
    while (hand->ahead_count > 0) { /* back to where it was in the queue */
        transform_enqueue(transform, hand->ahead[--hand->ahead_count], /* in_front: */ true);
    }
}

/* Its step, if it has one, failed for that cause. When others were with it, nobody knows yet by whose fault: each runs
 * by itself then. */
static void hand_fail(struct hand *hand, enum transform_cause cause) {
    struct transform *transform = hand->transform;
    struct job *job = hand->job;
    bool started = hand->state != HAND_STARTS;
    bool together = hand->ahead_count > 0;
    for (size_t i = 0; i < hand->ahead_count; i++) {
        hand->ahead[i]->single = true;
    }
    hand->job = NULL;
    hand_end(hand);
    if (job != NULL) {
        LOG(WARN, "transform", "worker lost", "pid=%d version=%u cause=%s", (int)hand->process.pid, job->version->id,
            transform_cause_word(cause));
        if (job->check != NULL) {
            job_abandon(job, ERR_UNAVAILABLE, transform_cause_text(cause));
        } else if (together) {
            job_run_single(job);
        } else {
            job_step_failed(job, cause);
        }
    }
    if (!started) {
        /* nothing will start it: who waits shall know */
        const char *text = transform->start_text[0] != '\0' ? transform->start_text : "a worker ended while it started";
        LOG(ERROR, "transform", "worker does not start", "text=\"%s\"", text);
        for (struct job *waiting = NULL; (waiting = transform_dequeue(transform)) != NULL;) {
            job_abandon(waiting, ERR_UNAVAILABLE, text);
        }
    }
    crew_schedule(transform);
}

static void hand_died(struct hand *hand) {
    if (hand->job != NULL) {
        stat_add(&hand->transform->stat.died, 1);
    }
    hand_fail(hand, TRANSFORM_CAUSE_DIED);
}

/* ---- sending ---- */

static void flush(struct hand *hand) {
    while (hand->out_at < hand->out.len) {
        ssize_t n = write(hand->process.socket, hand->out.ptr + hand->out_at, hand->out.len - hand->out_at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            /* full: later; broken: reading says so */
            loop_io_want(hand->socket, errno == EAGAIN ? LOOP_IO_READ | LOOP_IO_WRITE : LOOP_IO_READ);
            return;
        }
        hand->out_at += (size_t)n;
    }
    buf_reset(&hand->out);
    hand->out_at = 0;
    if (hand->out.cap > KEPT_BYTES) {
        buf_fini(&hand->out);
    }
    loop_io_want(hand->socket, LOOP_IO_READ);
}

void hand_send(struct hand *hand, const struct frame_head *head, struct slice text) {
    struct frame_head full = *head;
    full.length = (uint32_t)text.len;
    buf_append(&hand->out, slice_of((const char *)&full, sizeof full));
    buf_append(&hand->out, text);
    buf_append_byte(&hand->out, '\0');
    flush(hand);
}

static void begin_run(struct hand *hand) {
    hand->state = HAND_RUNS;
    hand->run_at_ns = clock_mono_ns();
    loop_alarm_set(hand->alarm, LOOK_MS);
}

void hand_reply(struct hand *hand, uint32_t question, struct slice json) {
    struct frame_head head = {.kind = FRAME_REPLY, .id = hand->job->call_id, .version = question};
    hand->expected++;
    if (hand->state == HAND_WAITS) {
        uint64_t waited = (clock_mono_ns() - hand->run_at_ns) / NS_PER_MS;
        hand->job->wait_left_ms -= waited < hand->job->wait_left_ms ? waited : hand->job->wait_left_ms;
        begin_run(hand);
    }
    hand_send(hand, &head, json);
}

/* ---- versions that it has ---- */

static bool has_version(const struct hand *hand, uint32_t id) {
    for (size_t i = 0; i < hand->version_count; i++) {
        if (hand->versions[i].id == id) {
            return true;
        }
    }
    return false;
}

static void forget_version(struct hand *hand, uint32_t id) {
    for (size_t i = 0; i < hand->version_count; i++) {
        if (hand->versions[i].id == id) {
            hand->versions[i] = hand->versions[--hand->version_count];
            return;
        }
    }
}

/* Marks it as used; loads it first if it is not there, in the place of the one not used for longest. */
static void use_version(struct hand *hand, const struct transform_version *version) {
    uint64_t now = clock_mono_ns();
    size_t oldest = 0;
    for (size_t i = 0; i < hand->version_count; i++) {
        if (hand->versions[i].id == version->id) {
            hand->versions[i].used = now;
            return;
        }
        oldest = hand->versions[i].used < hand->versions[oldest].used ? i : oldest;
    }
    if (hand->version_count == hand->transform->conf.versions) {
        struct frame_head drop = {.kind = FRAME_DROP, .id = hand->versions[oldest].id};
        hand_send(hand, &drop, SLICE(""));
    } else {
        oldest = hand->version_count++;
    }
    hand->versions[oldest] = (struct hand_version){.id = version->id, .used = now};
    struct frame_head load = {.kind = FRAME_LOAD, .id = version->id};
    hand_send(hand, &load, buf_slice(&version->load));
}

/* ---- steps ---- */

static void send_run(struct hand *hand, struct job *job) {
    size_t at = hand->out.len;
    job->call_id = ++hand->transform->last_call;
    job->single = job->single || atomic_load(&job->version->single);
    struct frame_head head = {.kind = FRAME_RUN,
        .id = job->call_id,
        .version = job->version->id,
        .limit_ms = job->limit_ms,
        .flags = job->single ? FRAME_SINGLE : 0};
    buf_append(&hand->out, slice_of((const char *)&head, sizeof head));
    job_write_run(job, &hand->out);
    head.length = (uint32_t)(hand->out.len - at - sizeof head);
    memcpy(hand->out.ptr + at, &head, sizeof head);
    buf_append_byte(&hand->out, '\0');
    flush(hand);
}

/* From here on its time counts. */
static void take_job(struct hand *hand, struct job *job) {
    loop_timer_clear(&hand->idle);
    hand->job = job;
    hand->ran_ms = 0;
    hand->expected = 1;
    hand->cpu_at_ms = process_cpu_ms(&hand->process);
    begin_run(hand);
}

static struct hand_version *find_version(struct hand *hand, uint32_t id) {
    for (size_t i = 0; i < hand->version_count; i++) {
        if (hand->versions[i].id == id) {
            return &hand->versions[i];
        }
    }
    return NULL;
}

static bool may_have_company(const struct job *job) {
    return job->call != NULL && !job->single && !job->alone && !atomic_load(&job->version->asks) &&
        !atomic_load(&job->version->single);
}

/* A batch that is sent while another runs saves the worker the wait for it, and the worker judges and writes several at
 * once. Only of the same version, so that it waits behind nobody else's code; not where code asks, since nobody knows
 * how long that takes; and only when no other worker could begin with it. */
static bool may_go_ahead(struct hand *hand, const struct job *job) {
    const struct job *running = hand->job;
    if (hand->state != HAND_RUNS || hand->ahead_count == AHEAD_MAX || hand->ahead_events >= AHEAD_EVENTS ||
        !may_have_company(running) || !may_have_company(job) || running->version != job->version) {
        return false;
    }
    const struct hand_version *version = find_version(hand, job->version->id);
    return version != NULL && version->proven;
}

static void assign(struct hand *hand, struct job *job) {
    take_job(hand, job);
    if (job->check != NULL) {
        forget_version(hand, job->version->id); /* what it says of an old one nobody remembers */
    }
    use_version(hand, job->version);
    if (job->call != NULL) {
        send_run(hand, job);
    }
}

static void go_ahead(struct hand *hand, struct job *job) {
    hand->ahead[hand->ahead_count++] = job;
    hand->ahead_events += job->step_count;
    send_run(hand, job);
    stat_add(&hand->transform->stat.ahead, 1);
}

static void go_on_with_ahead(struct hand *hand) {
    struct job *job = hand->ahead[0];
    memmove(hand->ahead, hand->ahead + 1, --hand->ahead_count * sizeof *hand->ahead);
    hand->ahead_events -= job->step_count;
    take_job(hand, job);
}

static void become_idle(struct hand *hand) {
    struct transform *transform = hand->transform;
    hand->state = HAND_IDLE;
    hand->job = NULL;
    ask_drop_all(hand);
    loop_timer_set(&hand->idle, clock_ms() + transform->conf.idle_exit);
}

static void on_idle(struct loop_timer *timer) {
    struct hand *hand = CONTAINER_OF(timer, struct hand, idle);
    stat_add(&hand->transform->stat.idle_exits, 1);
    hand_end(hand);
}

/* ---- looking after ---- */

static bool over_time(const struct hand *hand) {
    uint64_t limit = hand->job->limit_ms;
    if (process_cpu_ms(&hand->process) - hand->cpu_at_ms > limit + limit / 2 + CPU_SLACK_MS) {
        return true;
    }
    uint64_t ran = hand->ran_ms + (clock_mono_ns() - hand->run_at_ns) / NS_PER_MS;
    return ran > limit * WALL_FACTOR + WALL_SLACK_MS;
}

static void on_alarm(void *ctx) {
    struct hand *hand = ctx;
    struct transform_stat *stat = &hand->transform->stat;
    if (hand->state == HAND_STARTS) {
        hand_fail(hand, TRANSFORM_CAUSE_DIED);
        return;
    }
    if (hand->state == HAND_WAITS) {
        stat_add(&stat->killed_wait, 1);
        hand_fail(hand, TRANSFORM_CAUSE_WAIT);
        return;
    }
    if (hand->state != HAND_RUNS) {
        return;
    }
    if (process_memory(&hand->process) > hand->transform->conf.memory) {
        stat_add(&stat->killed_memory, 1);
        hand_fail(hand, TRANSFORM_CAUSE_MEMORY);
    } else if (hand->job->check == NULL && over_time(hand)) {
        stat_add(&stat->killed_cpu, 1);
        hand_fail(hand, TRANSFORM_CAUSE_KILLED_CPU);
    } else {
        loop_alarm_set(hand->alarm, LOOK_MS);
    }
}

/* ---- frames that come ---- */

static void on_ready(struct hand *hand, struct slice text) {
    struct transform *transform = hand->transform;
    struct json_doc doc;
    struct arena arena;
    if (json_parse(transform->parser, text, &doc, NULL) != OK ||
        !json_is(&doc, json_find(&doc, 0, SLICE("ok")), JSON_TRUE)) {
        arena_init(&arena, 0, 0);
        struct slice why = json_string(&doc, json_find(&doc, 0, SLICE("text")), &arena);
        snprintf(transform->start_text, sizeof transform->start_text, "%.*s", SLICE_ARG(why));
        arena_fini(&arena);
        hand_fail(hand, TRANSFORM_CAUSE_DIED);
        return;
    }
    LOG(DEBUG, "transform", "worker ready", "pid=%d user_namespace=%d", (int)hand->process.pid,
        json_is(&doc, json_find(&doc, 0, SLICE("user_namespace")), JSON_TRUE));
    transform->start_text[0] = '\0';
    transform->starting--;
    loop_alarm_set(hand->alarm, 0);
    become_idle(hand);
    crew_schedule(transform);
}

/* Memory that a batch has left behind, beyond what the engine's collector will give back soon. Looked at now and then:
 * it takes as long as a small batch. */
static bool worn_out(struct hand *hand) {
    uint64_t most = hand->transform->conf.memory, now = clock_mono_ns();
    if (now - hand->looked_ns < (uint64_t)LOOK_MS * NS_PER_MS) {
        return false;
    }
    hand->looked_ns = now;
    return process_memory(&hand->process) > most - most / MAX_RETIRE_DIVISOR;
}

static void on_done(struct hand *hand, const struct frame_head *head, struct slice text) {
    struct transform *transform = hand->transform;
    struct job *job = hand->job;
    char *copy = arena_alloc(&job->arena, text.len + JSON_PADDING);
    memcpy(copy, text.ptr, text.len);
    if (head->limit_ms / 1000 >= job->limit_ms) { /* microseconds, in DONE */
        stat_add(&transform->stat.over_time, 1);
    }
    loop_alarm_set(hand->alarm, 0);
    become_idle(hand);
    struct hand_version *version = find_version(hand, job->version->id);
    if (version != NULL) {
        version->proven = true;
    }
    if (worn_out(hand)) {
        hand_end(hand);
    } else if (hand->ahead_count > 0) {
        go_on_with_ahead(hand);
    }
    crew_schedule(transform); /* the worker goes on with the next batch while this one is read */
    job_step_done(job, slice_of(copy, text.len), head->limit_ms);
    crew_schedule(transform); /* the job's next step */
}

static void on_wait(struct hand *hand) {
    if (--hand->expected > 0) {
        return;
    }
    uint64_t now = clock_mono_ns();
    hand->ran_ms += (now - hand->run_at_ns) / NS_PER_MS;
    hand->run_at_ns = now;
    hand->state = HAND_WAITS;
    loop_alarm_set(hand->alarm, hand->job->wait_left_ms + 1);
}

static void on_loaded(struct hand *hand, struct slice text) {
    struct job *job = hand->job;
    if (slice_starts(text, SLICE("{\"refused\""))) {
        forget_version(hand, job->version->id);
    }
    if (job->call != NULL) {
        job_loaded(job, text);
        return;
    }
    loop_alarm_set(hand->alarm, 0);
    become_idle(hand);
    job_loaded(job, text);
    crew_schedule(hand->transform);
}

/* False: it is nonsense. The hand may be gone afterwards. */
static bool on_frame(struct hand *hand, const struct frame_head *head, struct slice text) {
    bool mine = hand->state == HAND_RUNS && hand->job != NULL;
    bool of_call = mine && hand->job->call != NULL && head->id == hand->job->call_id;
    switch (head->kind) {
    case FRAME_READY:
        if (hand->state != HAND_STARTS) {
            return false;
        }
        on_ready(hand, text);
        return true;
    case FRAME_LOADED:
        if (!mine || head->id != hand->job->version->id) {
            return false;
        }
        on_loaded(hand, text);
        return true;
    case FRAME_ASK:
        return of_call && ask_begin(hand, text) == OK;
    case FRAME_WAIT:
        if (!of_call || hand->expected == 0) {
            return false;
        }
        on_wait(hand);
        return true;
    case FRAME_DONE:
        if (!of_call) {
            return false;
        }
        on_done(hand, head, text);
        return true;
    default:
        return false;
    }
}

/* Takes whole frames off `in`. */
static void take_frames(struct hand *hand) {
    size_t at = 0;
    while (hand->state != HAND_DYING && hand->in.len - at >= sizeof(struct frame_head)) {
        struct frame_head head;
        memcpy(&head, hand->in.ptr + at, sizeof head);
        if (head.length > FRAME_MAX) {
            hand_died(hand);
            return;
        }
        if (hand->in.len - at - sizeof head < head.length) {
            (void)buf_reserve(&hand->in, head.length); /* without, the read below says so */
            break;
        }
        struct slice text = slice_of(hand->in.ptr + at + sizeof head, head.length);
        at += sizeof head + head.length;
        if (!on_frame(hand, &head, text)) {
            hand_died(hand);
            return;
        }
    }
    if (hand->state == HAND_DYING) {
        return;
    }
    hand->in.len -= at;
    memmove(hand->in.ptr, hand->in.ptr + at, hand->in.len);
    if (hand->in.len == 0 && hand->in.cap > KEPT_BYTES) {
        buf_fini(&hand->in);
    }
}

static void on_socket(void *ctx, unsigned events) {
    struct hand *hand = ctx;
    if ((events & LOOP_IO_WRITE) != 0) {
        flush(hand);
    }
    if ((events & LOOP_IO_READ) == 0) {
        return;
    }
    if (buf_reserve(&hand->in, READ_BYTES + JSON_PADDING) != OK) {
        hand_died(hand);
        return;
    }
    ssize_t n = read(hand->process.socket, hand->in.ptr + hand->in.len, hand->in.cap - hand->in.len - JSON_PADDING);
    if (n > 0) {
        hand->in.len += (size_t)n;
        take_frames(hand);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        hand_died(hand);
    }
}

/* ---- starting, scheduling ---- */

static void hand_start(struct transform *transform) {
    struct errinfo why = {.at = 0};
    struct process process;
    if (process_start(transform->deps.program, &process, &why) != OK) {
        LOG(ERROR, "transform", "worker does not start", "text=\"%s\"", why.text);
        for (struct job *waiting = NULL; (waiting = transform_dequeue(transform)) != NULL;) {
            job_abandon(waiting, ERR_UNAVAILABLE, why.text);
        }
        return;
    }
    struct hand *hand = mem_alloc(sizeof *hand);
    hand->transform = transform;
    hand->process = process;
    hand->versions = mem_alloc(transform->conf.versions * sizeof *hand->versions);
    buf_init(&hand->in, (size_t)FRAME_MAX * 2);
    buf_init(&hand->out, 0);
    hand->socket = loop_io_new(transform->loop, process.socket, on_socket, hand);
    hand->end = loop_io_new(transform->loop, process.pidfd, on_end, hand);
    hand->alarm = loop_alarm_new(transform->loop, on_alarm, hand);
    loop_timer_init(&hand->idle, transform->loop, on_idle);
    loop_io_want(hand->socket, LOOP_IO_READ);
    loop_io_want(hand->end, LOOP_IO_READ);
    loop_alarm_set(hand->alarm, START_MS);
    hand->next = transform->hands;
    transform->hands = hand;
    transform->hand_count++;
    transform->starting++;
    stat_add(&transform->stat.started, 1);
    stat_set(&transform->stat.workers, (int64_t)transform->hand_count);
}

static struct hand *find_idle(const struct transform *transform, uint32_t version) {
    struct hand *any = NULL;
    for (struct hand *hand = transform->hands; hand != NULL; hand = hand->next) {
        if (hand->state == HAND_IDLE && has_version(hand, version)) {
            return hand;
        }
        any = hand->state == HAND_IDLE ? hand : any;
    }
    return any;
}

void crew_schedule(struct transform *transform) {
    while (transform->queue != NULL && !transform->closing) {
        struct hand *hand = find_idle(transform, transform->queue->version->id);
        if (hand == NULL) {
            break;
        }
        assign(hand, transform_dequeue(transform));
    }
    while (transform->queued > transform->starting && transform->hand_count < transform->conf.workers &&
        !transform->closing) {
        hand_start(transform);
    }
    for (struct hand *hand = transform->hands;
         hand != NULL && transform->queue != NULL && transform->hand_count >= transform->conf.workers;
         hand = hand->next) {
        while (transform->queue != NULL && may_go_ahead(hand, transform->queue)) {
            go_ahead(hand, transform_dequeue(transform));
        }
    }
}

void crew_dismiss(struct transform *transform) {
    for (struct hand *hand = transform->hands, *next = NULL; hand != NULL; hand = next) {
        next = hand->next;
        if (hand->state == HAND_DYING) {
            continue;
        }
        struct job *job = hand->job;
        hand->job = NULL;
        hand_end(hand);
        if (job != NULL) {
            job_abandon(job, ERR_CLOSED, "the transformations are being stopped");
        }
    }
}
