/* The parts of a transform. Private to transform/.
 *
 *   transform_run ──▶ job (job.c) ──queue──▶ crew (crew.c): a worker process with a socket ──▶ answer (answer.c) ──▶
 * job │ asks ▲ ▼      │ fetch.c (HTTP client)
 *
 * thread: all of it belongs to the transform's loop, but for what transform.h says. */
#ifndef SLUICE_TRANSFORM_TRANSFORM_INTERNAL_H
#define SLUICE_TRANSFORM_TRANSFORM_INTERNAL_H

#include <semaphore.h>

#include "base/loop_io.h"
#include "base/stat.h"
#include "http/client.h"
#include "transform/frame.h"
#include "transform/geo.h"
#include "transform/process.h"
#include "transform/transform.h"
#include "json/json.h"

struct transform_stat {
#define S(name, kind, unit, help) STAT_FIELD_##kind(name)
#include "transform/transform_stat.def"
#undef S
};

struct transform_version {
    struct transform_version *next; /* of those that live (version.c), whose lock is also that of references */
    uint32_t references;
    uint32_t id;
    struct hash128 hash;
    struct buf load;       /* text of the LOAD frame */
    _Atomic bool compiles; /* a check found so */
    _Atomic bool asks;     /* it has called fetch or geolocation */
    _Atomic bool single;   /* its batches do not run together: one has changed what the next ones saw */
    _Atomic bool polluter; /* it changes built-ins while events run: each event gets a context of its own */
};

/* ---- jobs ---- */

/* A version check: a caller that blocks. */
struct check {
    struct loop_msg msg;
    struct transform *transform;
    struct transform_version *version;
    struct buf *info; /* gets the LOADED text */
    enum err err;
    char text[160]; /* why `err` */
    sem_t done;
};

/* A batch from transform_run to on_done, or a check. It runs in steps: first all events, and if that fails, one each.
 */
struct job {
    struct job *next; /* queue */
    struct transform *transform;
    struct transform_version *version;
    struct transform_call *call; /* NULL: a check */
    struct check *check;
    struct arena arena;
    uint64_t started_ns;
    bool single;      /* no other batch runs together with it */
    uint32_t call_id; /* of the step */
    bool alone;       /* the second run, event by event */
    uint32_t *todo;   /* of that run: inputs left */
    size_t todo_at, todo_count;
    uint32_t *step; /* inputs of the step that runs */
    size_t step_count;
    uint32_t limit_ms; /* CPU time of a step */
    uint64_t wait_left_ms;
    struct transform_result *results;
    size_t result_count, result_room;
    struct slice *logs;
    size_t log_count, log_room;
    struct slice mode;
    bool refused; /* the version does not compile; the result says why */
    uint64_t cpu_us;
    struct transform_answer answer;
};

void job_submit(struct transform *transform, struct transform_call *call);
void job_submit_check(struct transform *transform, struct check *check);
/* The RUN text of the step. */
void job_write_run(const struct job *job, struct buf *out);
/* What became of the step. Each ends the job or puts it back in front of the queue. */
void job_step_done(struct job *job, struct slice text, uint64_t cpu_us);
void job_step_failed(struct job *job, enum transform_cause cause);
/* Nothing became of it, perhaps by the fault of a batch that ran together with it. */
void job_run_single(struct job *job);
void job_loaded(struct job *job, struct slice text); /* LOADED; of a check: its end */
/* Without a result: ERR_CLOSED, ERR_UNAVAILABLE. */
void job_abandon(struct job *job, enum err err, const char *text);

/* ---- what a worker answered ---- */

/* Reads a DONE text (in the job's arena, JSON_PADDING behind it) into the job. ERR_CORRUPT: it is none. `again` gets
 * the inputs of the step that have to run by themselves. */
struct answer_again {
    uint32_t *inputs;
    size_t count;
    bool single; /* the whole step, without company */
};
MUST enum err answer_read(struct job *job, struct slice text, struct answer_again *ret_again);
struct transform_result *job_add_result(struct job *job);

/* ---- the crew ---- */

enum hand_state { HAND_STARTS, HAND_IDLE, HAND_RUNS, HAND_WAITS, HAND_DYING };

struct hand_version {
    uint32_t id;
    bool proven; /* a batch of it has run there */
    uint64_t used;
};

enum {
    AHEAD_MAX = 15,
    AHEAD_EVENTS = 200, /* as many, and a batch more */
};

/* A worker process as the server sees it. */
struct hand {
    struct hand *next;
    struct transform *transform;
    enum hand_state state;
    struct process process;
    struct loop_io *socket, *end; /* end: of the process */
    struct loop_alarm *alarm;     /* looks after a step */
    struct loop_timer idle;
    struct buf in, out;
    size_t out_at;
    struct job *job;
    struct job *ahead[AHEAD_MAX]; /* sent already: of the same version as `job`, runs next or together with it */
    size_t ahead_count, ahead_events;
    unsigned expected;  /* RUN and REPLY frames not yet answered by WAIT or DONE */
    uint64_t cpu_at_ms; /* the process's CPU time when the step began */
    uint64_t run_at_ns; /* when it began to run, or to wait */
    uint64_t ran_ms;    /* real time of the step before that */
    uint64_t looked_ns; /* when its memory was looked at between two steps */
    struct hand_version *versions;
    size_t version_count;
    struct ask *asks;
    size_t ask_count;
};

/* Gives queued jobs to idle workers; starts workers. */
void crew_schedule(struct transform *transform);
void crew_dismiss(struct transform *transform); /* all; hands go when their processes have ended */
void hand_send(struct hand *hand, const struct frame_head *head, struct slice text);
/* A REPLY to a question of the step that waits. */
void hand_reply(struct hand *hand, uint32_t question, struct slice json);

/* ---- asks ---- */

struct ask {
    struct transform_ask public; /* first */
    struct ask *next;            /* of its hand */
    struct transform *transform;
    struct hand *hand; /* NULL: nobody waits any more */
    uint32_t question;
    struct arena arena;
    struct http_call call;
    struct http_client *client; /* of call */
    bool is_open;               /* call is in flight */
    bool refuse_redirects;
    void (*on_answer)(void *ctx, struct slice json); /* of transform_ask_send */
    void *answer_ctx;
};

/* An ASK frame. ERR_CORRUPT: it is none. */
MUST enum err ask_begin(struct hand *hand, struct slice text);
void ask_drop_all(struct hand *hand);
void fetch_begin(struct ask *ask, const struct json_doc *doc, uint32_t parameters);
void geolocation_begin(struct ask *ask, const struct json_doc *doc, uint32_t parameters);

/* ---- the whole ---- */

struct transform {
    struct transform_conf conf;
    struct transform_deps deps;
    struct loop *loop;
    struct arena arena; /* texts of conf and deps */
    struct transform_stat stat;
    struct stat_group stat_group;
    struct json_parser *parser;
    struct http_client *client;   /* NULL until the first fetch */
    struct http_client *requests; /* of transform_ask_send; NULL until the first */
    struct geo *geo;              /* NULL until the first geolocation */
    struct job *queue, **queue_tail;
    size_t queued;
    struct hand *hands;
    size_t hand_count, starting;
    uint32_t last_call;
    bool closing;
    char start_text[320]; /* why the last worker did not start; "" = it did */
};

void transform_enqueue(struct transform *transform, struct job *job, bool in_front);
struct job *transform_dequeue(struct transform *transform);
void transform_maybe_stop(struct transform *transform);

#endif
