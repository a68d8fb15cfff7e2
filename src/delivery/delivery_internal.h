/* What the files of delivery share.
 *
 * A courier is one delivery loop: its HTTP client and the outcomes that an iteration of the loop gathers. A sender is
 * one destination on a courier's loop. One iteration of the loop:
 *
 *     answers ─▶ outcomes ─▶ dead letters, then notes, are written ─▶ events end, users move on ─▶ more is sent
 *
 * Nothing is sent on the strength of an outcome whose note is not written. When notes cannot be written, all sending of
 * the courier stops; outcomes are kept and written again by a timer.
 *
 * thread: a courier and its senders belong to the courier's loop; delivery.c reaches them by loop_call. */
#ifndef SLUICE_DELIVERY_DELIVERY_INTERNAL_H
#define SLUICE_DELIVERY_DELIVERY_INTERNAL_H

#include <pthread.h>

#include "base/stat.h"
#include "delivery/auth.h"
#include "delivery/breaker.h"
#include "delivery/delivery.h"
#include "delivery/kind.h"
#include "delivery/lanes.h"
#include "delivery/throttle.h"
#include "http/client.h"

enum {
    NOTE_TEXT_BYTES = 200,
    OUR_FAULT_PAUSE_MS = 1000 /* memory, the log or a worker failed us, not the destination */
};

struct delivery_stat {
#define S(name, kind, unit, help) STAT_FIELD_##kind(name)
#include "delivery/delivery_stat.def"
#undef S
};

/* A destination's settings of one snapshot; requests in flight keep theirs over a reload. */
struct sender_settings {
    uint32_t references; /* of the sender and its loads: the loop's own */
    struct workspace *workspace;
    const struct destination *destination; /* in the workspace */
    const struct delivery_kind *kind;      /* NULL: unsupported */
    const void *kind_settings;
    struct user_code_settings *user_code; /* NULL: no transformation */
    uint32_t concurrency;
    uint32_t load_events; /* most items of a load */
    int64_t gather_ms;    /* how long one that is not full waits for more */
    bool is_late;         /* preparing and judging may ask a worker */
    int64_t timeout_ms, window_ms;
    uint64_t *sources;
    size_t source_count;
    struct arena arena;
};

struct sender {
    struct delivery *delivery;
    struct courier *courier;
    uint64_t key;
    char id[64];
    struct sender_settings *settings;
    struct outlet *outlet;
    struct store_cursor *cursor;
    struct lanes lanes;
    uint64_t start, scanned, low;
    struct cursor_counts counts;
    uint64_t held_bytes;
    uint32_t inflight;                        /* requests */
    uint32_t begun;                           /* items of loads that have begun */
    uint32_t preparing;                       /* loads */
    bool preparing_now;                       /* one of them is being prepared on this stack */
    struct load *gathering;                   /* NULL: none */
    struct attempt *queue_first, *queue_last; /* requests that may go out */
    uint64_t unnoted;                         /* outcomes not yet written of events that never were items */
    bool outlet_has_more;                     /* until outlet_take says otherwise */
    bool stopping;                            /* nothing more is taken or sent */
    bool touched;                             /* in the courier's list of senders to pump */
    struct sender *next_touched, *next_pumped;
    /* pauses */
    struct breaker breaker;
    struct auth auth;
    struct throttle throttle;
    uint8_t paused; /* enum reason; NONE = not */
    int64_t pause_probe_due_ms;
    bool probing;            /* a probe is in flight */
    int64_t hold_until_ms;   /* the destination asked us to (429 with Retry-After) */
    int64_t window_floor_ms; /* the retry window begins no earlier: the end of the last time that the destination was
                                away */
    struct loop_timer timer;
    /* from before the restart, in arenas of their own */
    struct arena restart_arena;
    struct cursor_entry *entries; /* events begun: below scanned they are loaded first, above it they come again */
    size_t entry_count, entry_at;
    uint64_t *ended; /* ended already, come again */
    size_t ended_count, ended_at;
    int64_t load_retry_ms; /* the log could not be read: not before */
    /* saving */
    uint64_t ended_since_save;
    int64_t dirty_since_ms; /* 0 = clean */
    bool save_now;          /* paused or resumed: that is part of the cursor */
    struct delivery_stat stat;
    struct stat_group stat_group;
};

/* What has happened to an event, not yet written. */
struct outcome {
    struct sender *sender;
    struct item *item; /* NULL: it was never open (filtered or expired by the processor) */
    struct note note;  /* text, request and response live in the courier's outcome_arena */
    struct slice request, response;
    struct slice sentence; /* of the dead letter; empty = the reason's */
    bool letter_written;
};

/* What has become of an item of a load so far; each request that names it can only make it worse. */
enum fate {
    FATE_NONE,
    FATE_DELIVERED,
    FATE_FILTERED,
    FATE_DEAD,
    FATE_BACK,  /* to its lane, as if it had not been taken: nothing is known, nothing is noted */
    FATE_RETRY, /* it failed, and waits for another attempt */
};

struct item_verdict { /* texts live in the load's arena, or until the verdict has been handed over */
    enum fate fate;
    enum reason reason;
    uint16_t status;
    uint32_t duration_us;
    int64_t due_ms;        /* of RETRY; of BACK: 0 = at once */
    struct slice text;     /* of the note */
    struct slice sentence; /* of the dead letter; empty = the reason's */
    struct slice request, response;
};

struct load_item {
    struct item *item;
    uint32_t lane;        /* the first of the load's items that is of the same user */
    uint32_t broken_from; /* of a lane's first item: from this item on (plus 1) the lane goes back; 0 = it goes on */
    uint32_t pending;     /* requests that name it and have not ended */
    bool tried;           /* this counts as an attempt */
    char *payload;        /* the item's, when the item went before the load */
    struct lane_edge *last_edge; /* of a lane's first item, while requests are linked */
    struct slice remark;         /* of an event that is delivered */
    struct item_verdict verdict;
};

/* That a request is one of a lane of its load, and which of the lane's is next. */
struct lane_edge {
    struct attempt *attempt, *next;
};

/* One request of a load. */
struct attempt {
    struct http_call call;
    struct load *load;
    struct attempt *queue_next;
    const struct kind_request *request;
    const uint32_t *items; /* of the load, ascending, each once */
    uint32_t item_count;
    uint32_t blocked; /* lanes in which an earlier request has not ended */
    struct lane_edge *edges;
    uint32_t edge_count;
    bool flying;
};

/* Items of one destination that were taken together: gathered, prepared by the kind, sent as one request or several,
 * judged one by one. */
struct load {
    struct load *next, *before; /* the courier's: open ones; free ones */
    struct courier *courier;
    struct sender *sender; /* NULL: given up; what runs outside still points here */
    struct sender_settings *settings;
    struct arena arena;
    struct load_item *items;
    uint32_t count, room, max;
    uint32_t open;    /* requests not ended */
    uint32_t outside; /* calls out whose on_done has not come */
    struct attempt *requests;
    uint32_t request_count;
    const uint32_t *item_of; /* the kind's events to items; NULL = they are the same */
    int64_t started_ms;
    int64_t gather_until_ms;
    bool probe, preparing;
    bool came_back;          /* an item did, by our fault */
    struct load_item single; /* a load of one needs no more */
    struct attempt unit;
    struct destination_event *events; /* for the kind: of the items, or what the user's code made of them */
    size_t event_count;
    struct user_code_run *code; /* while it runs */
    struct kind_run run;
    struct destination_event event;
};

struct courier {
    struct delivery *delivery;
    struct loop *loop;
    struct http_client *client, *services; /* the world's; our own's, whose answers are large */
    struct json_parser *parser;
    struct sender **senders;
    size_t sender_count, sender_room;
    struct outcome *outcomes;
    size_t outcome_count, outcome_room;
    struct arena outcome_arena, save_arena;
    bool notes_failed;
    struct loop_timer note_timer;
    struct loop_defer defer;
    struct loop_msg again_msg;
    bool again_posted;
    bool working; /* inside courier_work */
    struct sender *touched;
    struct buf row_text;             /* an event with the parser's padding */
    struct load *free_loads, *loads; /* loads: those open */
    uint32_t free_count;
    uint32_t busy;          /* requests in flight and calls to workers */
    uint32_t orphans;       /* loads given up while a call was out */
    bool stopping, stopped; /* nothing more goes out; all was given up */
    bool calm;              /* delivery->calm_lock: stopping, and nothing in flight */
    bool empty;             /* delivery->calm_lock: stopping, and no call out at all */
};

struct delivery {
    struct delivery_conf conf;
    struct delivery_deps deps;
    struct courier *couriers;
    size_t courier_count, next_courier;
    pthread_mutex_t lock; /* apply, list, redrive and stop: one at a time */
    bool running;
    pthread_mutex_t calm_lock;
    pthread_cond_t calm; /* a stopping courier has nothing in flight */
};

/* ---- settings.c ---- */
MUST enum err sender_settings_new(const struct delivery_conf *conf, struct workspace *workspace,
    const struct destination *destination, struct sender_settings **ret_settings, struct errinfo *why);
struct sender_settings *sender_settings_hold(struct sender_settings *settings);
void sender_settings_release(struct sender_settings *settings);

/* ---- sender.c: life, taking, loading ---- */
/* Takes over the settings' reference when it succeeds. `start`: where a cursor that does not exist (or was retired)
 * begins. */
MUST enum err sender_new(struct courier *courier, struct sender_settings *settings, uint64_t start,
    struct sender **ret_sender, struct errinfo *why);
void sender_free(struct sender *sender); /* its cursor is closed, its items are freed */
void sender_pump(struct sender *sender);
void sender_swap_settings(struct sender *sender, struct sender_settings *settings);
enum destination_state sender_state(const struct sender *sender);
/* The circuit is open, or it is paused: only probes go out. */
bool sender_is_away(const struct sender *sender);
/* When the next one does. */
int64_t sender_probe_due_ms(const struct sender *sender);
/* The payload of an item that is to be sent, from the log when it is not held. */
MUST enum err sender_load_payload(struct sender *sender, struct item *item);
void sender_drop_payload(struct sender *sender, struct item *item);
/* Ends all that is open or queued. The outlet is fed no more. */
void sender_expire_all(struct sender *sender, enum reason reason);

/* ---- sender_take.c ---- */
/* True while events from before the restart are still to be loaded. */
bool sender_load(struct sender *sender);
/* All of them at once; what cannot be read is left out. */
void sender_load_rest(struct sender *sender);
/* How many are left to load. */
size_t sender_unloaded(const struct sender *sender);
void sender_take(struct sender *sender, int64_t now_ms);
/* Until one is ready to be sent, if there is one: for a probe. */
void sender_take_one(struct sender *sender, int64_t now_ms);
/* Ends what is older than the retention age. Returns when to look again; INT64_MAX = nothing is open. */
int64_t sender_expire(struct sender *sender, int64_t now_ms);

/* ---- load.c ---- */
/* Takes the next load, or one more into the one that gathers. True: one has begun. */
bool sender_load_next(struct sender *sender, int64_t now_ms);
/* A load of this item alone, which is TAKEN. */
void sender_probe(struct sender *sender, struct item *item);
/* What was taken and has not been sent goes back to its lanes, but for a probe. */
void sender_recall(struct sender *sender);
/* Makes an item's verdict worse; better ones are ignored. */
void load_worsen(struct load *load, uint32_t at, const struct item_verdict *verdict);
/* The item's verdict is final: it ends, waits, or goes back. */
void load_end_item(struct load *load, uint32_t at);
/* No request is left and nothing is out. */
void load_end(struct load *load);
/* A call to a worker goes out; it is back: false when the load was given up meanwhile, and is gone. */
void load_goes_out(struct load *load);
bool load_is_back(struct load *load);
/* Loads that wait for a service of ours wait no longer. */
void courier_stop_asking(struct courier *courier);
void courier_cancel(struct courier *courier, const struct sender *sender); /* NULL: of all */
void courier_free_loads(struct courier *courier);

/* ---- load_prepare.c ---- */
/* Events to requests; on return, or later, its requests are queued. */
void load_prepare(struct load *load);
/* Its last step: by the kind, of load->events. */
void load_make_requests(struct load *load);
/* Nothing is known of any of its events, or together they make no requests. The load is gone then. */
void load_cannot_prepare(struct load *load, enum err e, const struct errinfo *why);

/* ---- load_code.c ---- */
bool load_wants_code(const struct load *load);
void load_run_code(struct load *load);

/* ---- attempt.c ---- */
void attempt_queue(struct attempt *attempt);
/* The first of the queue; NULL = none. */
struct attempt *sender_next_attempt(struct sender *sender);
void attempt_send(struct attempt *attempt);
/* It was not sent: its items go back. */
void attempt_drop(struct attempt *attempt);
/* Its items have their verdicts. The load may be gone then. */
void attempt_end(struct attempt *attempt);
/* An item of it is to go back: it cannot be sent. */
bool attempt_is_broken(const struct attempt *attempt);
/* Its request is no longer in flight. */
void attempt_land(struct attempt *attempt);

/* ---- verdict.c ---- */
/* What the answer means for the destination and for each event; ends the attempt. `verdicts`: the kind's, per event of
 * the request; NULL = the status says it all. */
void attempt_judge(struct attempt *attempt, const struct http_result *result, const struct kind_verdict *verdicts);
/* Nothing came of an item: `verdict` with the text, in words of the kind. */
struct item_verdict verdict_of_refusal(
    const struct load *load, const struct item *item, const struct kind_refusal *refusal);

/* ---- pause.c: what answers say of the destination ---- */
void sender_pause(struct sender *sender, enum reason reason);
/* Not from a pause of our own making, unless a probe has shown that it is over. */
void sender_resume(struct sender *sender, bool probe);
void sender_failed(struct sender *sender, uint64_t event, bool probe, enum reason reason);
void sender_answered(struct sender *sender);

/* ---- outcome.c ---- */
struct outcome *courier_add_outcome(
    struct courier *courier, struct sender *sender, struct item *item, enum note_kind kind, enum reason reason);
/* Writes what is gathered and lets it take effect. False: something could not be written. */
bool courier_flush(struct courier *courier);
/* NULL: of all. */
void courier_drop_outcomes(struct courier *courier, const struct sender *sender);

/* ---- courier.c ---- */
void courier_init(struct courier *courier, struct delivery *delivery, size_t number);
void courier_fini(struct courier *courier);
/* The sender is pumped at the end of this iteration. */
void courier_touch(struct courier *courier, struct sender *sender);
/* There is something to write or to pump. */
void courier_wake(struct courier *courier);
void courier_work(struct courier *courier);
/* A request or a call has ended: a stopping courier with none left says so. */
void courier_landed(struct courier *courier);

/* ---- save.c ---- */
/* Tells the store what the log is no longer needed for; saves the cursor when it is due or `now`. */
void sender_progress(struct sender *sender);
enum err sender_save(struct sender *sender); /* logs its failure */

/* ---- rows.c: the live view ---- */
struct row_event {
    struct slice payload; /* SLICE_NONE when it is not at hand */
    uint64_t source;
    uint8_t type;
};
void rows_post_event(
    struct courier *courier, const struct sender *sender, const struct row_event *event, const struct note *note);
void rows_post_pause(const struct sender *sender, const char *outcome, enum reason reason);

#endif
