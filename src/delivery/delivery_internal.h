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

enum { NOTE_TEXT_BYTES = 200 };

struct delivery_stat {
#define S(name, kind, unit, help) STAT_FIELD_##kind(name)
#include "delivery/delivery_stat.def"
#undef S
};

/* A destination's settings of one snapshot; requests in flight keep theirs over a reload. */
struct sender_settings {
    uint32_t references; /* of the sender and its attempts: the loop's own */
    struct workspace *workspace;
    const struct destination *destination; /* in the workspace */
    const struct delivery_kind *kind;      /* NULL: unsupported */
    const void *kind_settings;
    struct user_code_settings *user_code; /* NULL: no transformation */
    uint32_t concurrency;
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
    uint32_t inflight;
    uint64_t unnoted;     /* outcomes not yet written of events that never were items */
    bool outlet_has_more; /* until outlet_take says otherwise */
    bool stopping;        /* nothing more is taken or sent */
    bool touched;         /* in the courier's list of senders to pump */
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
    bool letter_written;
};

struct attempt {
    struct http_call call;
    struct attempt *next;   /* free ones; or those in flight */
    struct attempt *before; /* in flight */
    struct sender *sender;
    struct item *item;
    struct sender_settings *settings;
    struct arena arena;
    int64_t started_ms;
    bool probe, own_url;
};

struct courier {
    struct delivery *delivery;
    struct loop *loop;
    struct http_client *client;
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
    struct buf row_text; /* an event with the parser's padding */
    struct attempt *free_attempts, *flying;
    uint32_t inflight;
    bool stopping;
    bool calm; /* delivery->calm_lock: stopping, and nothing in flight */
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

/* ---- attempt.c ---- */
void sender_send(struct sender *sender, struct item *item, bool probe);
void courier_cancel(struct courier *courier, const struct sender *sender); /* NULL: of all */
void courier_free_attempts(struct courier *courier);

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
/* A request has ended: a stopping courier with none left says so. */
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
