/* User transformations in the path of delivery: events of one destination go in, in the order in which they are to be
 * sent, what is to be sent comes out in that order, with the fate of each event. Which code runs is the connection's
 * choice, else the destination's; what happens when it fails is its on_error.
 *
 * thread: a run belongs to its loop, which is also where on_done is called, never before user_code_run has returned. */
#ifndef SLUICE_DELIVERY_USER_CODE_H
#define SLUICE_DELIVERY_USER_CODE_H

#include "base/arena.h"
#include "base/loop.h"

struct http_client;
struct sender_settings;
struct transform;

/* An event to send. Those of one input follow each other; the inputs keep their order. */
struct user_code_output {
    uint32_t input;
    struct slice message; /* JSON object with JSON_PADDING behind it; the input's own bytes when nothing changed them */
};

enum user_code_fate {
    USER_CODE_OUTPUT,  /* at least one output */
    USER_CODE_DROPPED, /* the code returned nothing for it: filtered, REASON_TRANSFORMATION_DROPPED */
    USER_CODE_DEAD,    /* it failed, on_error: dead; REASON_TRANSFORMATION_FAILED */
    USER_CODE_STOP,    /* it failed, on_error: stop: it stays pending, and the destination pauses with
                          REASON_TRANSFORMATION_STOPPED until its settings change */
};

struct user_code_result {
    enum user_code_fate fate;
    struct slice text; /* "dropped by transformation NAME", "failed in transformation NAME: error"; "" of an output
                          that did not fail (with on_error: pass it says what failed) */
};

/* The caller's memory, as all it points to, until on_done. The caller holds the settings. */
struct user_code_run {
    struct transform *transform;
    const struct sender_settings *settings;
    const struct slice *messages; /* JSON objects with JSON_PADDING behind them */
    const struct slice *metadata; /* per event: JSON object with what the caller knows of it, by the keys of metadata()
                                     (receivedAt, jobId, …); "" = nothing. Source, destination, workspace and what the
                                     message says are added here; NULL = none for all */
    const uint64_t *sources;      /* source.key per event */
    size_t count;                 /* at least 1 */
    struct http_client *client;   /* for an external transformer; of the loop. NULL: none */
    struct arena *arena;          /* gets the result; not touched by the caller until on_done */
    struct loop *loop;
    /* OK: outputs and results are set. ERR_UNAVAILABLE, ERR_CLOSED: nothing is known of any event, try again later. */
    void (*on_done)(struct user_code_run *run, enum err err, const struct errinfo *why);
    struct user_code_output *outputs;
    size_t output_count;
    struct user_code_result *results; /* per input */
    void *private;                    /* the run's */
    /* Not NULL while it waits for a service of ours: ends that wait. */
    void (*give_up)(struct user_code_run *run);
};

/* Events of this source go through a transformation on their way to this destination. */
bool user_code_wanted(const struct sender_settings *settings, uint64_t source);
/* NULL, or why no event can be transformed: the workspace names a transformation whose code it does not have. Nothing
 * is to be sent then; the destination is paused with REASON_TRANSFORMATION_MISSING. Lives as long as the settings. */
const char *user_code_missing(const struct sender_settings *settings);
/* Events whose source has no transformation pass unchanged. */
void user_code_run(struct user_code_run *run);

#endif
