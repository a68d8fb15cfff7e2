/* Kinds of destination: what turns events into requests and answers into outcomes. Core owns all else: order, retries,
 * time-outs, limits, metrics, redaction. A kind is pure: its settings, the events and the time decide. One row per type
 * in kind.c; a type without a row whose definition (destination/) says its requests is delivered by the row behind
 * them.
 *
 * thread: runs and judgings belong to their loop. on_done may be called before the function returns. */
#ifndef SLUICE_DELIVERY_KIND_H
#define SLUICE_DELIVERY_KIND_H

#include "delivery/retry.h"
#include "destination/code.h"
#include "http/client.h"
#include "json/json.h"

/* ---- events to requests ---- */

struct kind_request {
    enum http_method method;
    struct slice url;
    const struct http_header *headers;
    size_t header_count;
    struct slice body;
    const uint32_t *events; /* which of the run, ascending */
    uint32_t event_count;
    bool own_url;    /* the event chose the URL: its failures say nothing about the destination */
    const void *own; /* the kind's, for its judge */
};

enum kind_refusal_fate {
    KIND_DEAD,      /* the event is at fault */
    KIND_FILTERED,  /* a rule of the destination leaves it out */
    KIND_TYPE,      /* it takes no events of this type: filtered, too */
    KIND_RETRY,     /* what it needs could not be had: an attempt that failed */
    KIND_THROTTLED, /* the same, and the vendor said so: it is spared for a while */
    KIND_AUTH,      /* the same, and it refused our credentials */
    KIND_AGAIN,     /* we failed, not the event nor its destination: no attempt */
};

/* An event, or a part of what is to be sent of it, that makes no request. */
struct kind_refusal {
    uint32_t event;
    enum kind_refusal_fate fate;
    struct slice text; /* one sentence */
};

/* The caller's memory, as all it points to, until on_done. */
struct kind_run {
    const void *settings;
    const struct destination_event *events; /* in the order in which they are to be sent */
    size_t count;
    int64_t now_ms;
    struct json_parser *parser; /* until the run function returns */
    struct arena *arena;        /* gets the result */
    struct loop *loop;
    struct transform *transform; /* NULL: no workers */
    struct http_client *client;  /* for services of our own; of the loop. NULL: none */
    /* Set by a kind while it waits for one: ends the wait, and calls on_done. */
    void (*give_up)(struct kind_run *run);
    void *own; /* the kind's */
    /* err: nothing is known of any event. RETRY: try again later; other: together they make no requests. */
    void (*on_done)(struct kind_run *run, enum err err, const struct errinfo *why);
    /* Requests in the order of sending: one waits for earlier ones that share an event or a user with it. An event may
     * be in several. */
    struct kind_request *requests;
    size_t request_count;
    struct kind_refusal *refusals;
    size_t refusal_count;
    /* delivery_kind_run_now's */
    enum err failed;
    struct errinfo *why;
};

/* ---- answers to outcomes ---- */

struct kind_verdict {
    enum answer answer;
    struct slice text; /* empty = the answer's body says it */
};

/* The caller's memory until on_done. */
struct kind_judging {
    const void *settings;
    const struct kind_request *request;
    const struct http_result *result; /* an answer: its err is OK */
    struct json_parser *parser;       /* until the judge function returns */
    struct arena *arena;              /* gets the verdicts */
    struct loop *loop;
    struct transform *transform;
    void (*on_done)(struct kind_judging *judging, enum err err, const struct errinfo *why);
    struct kind_verdict *verdicts; /* per event of the request */
};

struct delivery_kind {
    const char *type; /* as destinations name it; NULL: any whose definition says its requests */
    /* Settings from the destination's config (raw JSON). *ret_settings lives in `arena`. Errors name the key. */
    enum err (*open)(struct slice type, struct slice config, struct json_parser *parser, struct arena *arena,
        const void **ret_settings, struct errinfo *why);
    /* One event, at once; NULL: `run`. The request points into `event`, the settings and `arena`; its events are the
     * caller's. ERR_INVALID, ERR_TOO_LARGE: the event is dead. ERR_UNSUPPORTED: a rule of the destination leaves it
     * out, it is filtered. */
    enum err (*build)(const void *settings, struct slice event, struct json_parser *parser, struct arena *arena,
        struct kind_request *ret_request, struct errinfo *why);
    void (*run)(struct kind_run *run);
    /* What the vendor means by its answer; NULL: its status says it all. */
    void (*judge)(struct kind_judging *judging);
    /* What dead letters do not show, in `arena`; NULL: none. */
    const struct slice *(*secrets)(const void *settings, struct arena *arena, size_t *ret_count);
};

/* NULL: this build has none for the type. */
const struct delivery_kind *delivery_kind_find(struct slice type);
/* The kind's `run`, or its `build` for each event. */
void delivery_kind_run(const struct delivery_kind *kind, struct kind_run *run);
/* The same at once, for a kind that is not late; on_done is not the caller's. OK: there is a request. ERR_INVALID: the
 * first event is dead; ERR_UNSUPPORTED: it is filtered, why->path "type" for its type; why->text is the rule. */
MUST enum err delivery_kind_run_now(const struct delivery_kind *kind, struct kind_run *run, struct errinfo *why);

#endif
