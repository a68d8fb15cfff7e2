/* Private to gateway/. The life of a request:
 *
 *   on_headers: route, write key, pressure      gateway_serve.c, gateway_auth.c
 *   on_request: the route's handler             gateway_intake.c (events), gateway_pixel.c, gateway_page.c
 *   events:     parse, clean, enrich, frame     gateway_event.c, gateway_clean.c, gateway_limit.c
 *   gather:     all requests of one loop iteration go to the store as one batch; its on_done answers them
 *                                               gateway_gather.c
 *
 * thread: a worker and all that hangs on it belong to its loop. Shared between workers: struct source_state (atomics;
 * lives until gateway_free) and the refusal counters. */
#ifndef SLUICE_GATEWAY_GATEWAY_INTERNAL_H
#define SLUICE_GATEWAY_GATEWAY_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/stat.h"
#include "gateway/gateway.h"
#include "http/server.h"
#include "json/json.h"

#define GATEWAY_GATHER_BYTES (4u << 20)            /* a gathering batch past this goes at once */
#define GATEWAY_KEEP_BYTES (1u << 20)              /* frame memory that an idle batch keeps */
#define GATEWAY_AUDIENCE_BYTES (UINT64_C(8) << 20) /* body limit of /v1/audiencelist */
#define GATEWAY_WRITE_KEY_MAX 256u                 /* longer ones are unknown without a look */
#define GATEWAY_ROUTE_SLOTS 256u
#define GATEWAY_LIVE_ROWS 1024u /* events of one request that the live view is told of */

/* ---- routes (gateway_route.c) ---- */

enum auth {
    AUTH_NONE,
    AUTH_KEY,   /* Basic user name; with no Authorization or a Bearer token: writeKey of the body */
    AUTH_QUERY, /* ?writeKey= */
    AUTH_LATER, /* the handler's own way */
};

enum reply { REPLY_OK, REPLY_SEGMENT, REPLY_GIF };

struct worker;
struct intake;

struct route {
    struct gateway_route row; /* first: the public part */
    enum http_method method;
    void (*handle)(struct worker *worker, struct http_request *request, struct intake *intake);
    enum auth auth;
    enum reply reply;
    struct slice type;        /* "track"; "" = the event's own */
    struct slice type_member; /* "type":"track" */
};

struct route_table {
    uint8_t slots[GATEWAY_ROUTE_SLOTS]; /* by hash of the path: index + 1 of a row; 0 = free */
};

extern const struct route gateway_route_preflight, gateway_route_extra;
void gateway_route_table_init(struct route_table *table);
/* NULL with ERR_NOT_HERE or ERR_METHOD_NOT_ALLOWED. */
const struct route *gateway_route_find(
    const struct route_table *table, enum http_method method, struct slice path, enum err *ret_why);
/* The segment that stands where the route's path has `{…}`. */
struct slice gateway_route_argument(const struct route *route, struct slice path);

/* ---- limits (gateway_limit.c): GCRA ---- */

struct limit {
    int64_t interval_ns; /* between two events at the allowed rate; 0 = no limit */
    int64_t tolerance_ns;
};

struct limit gateway_limit_of(uint64_t rate, int64_t window_ms);
/* True: `cost` events may pass, and *tat (the theoretical arrival time) has moved. False: nothing is consumed, and they
 * would pass *ret_wait_ms from now (INT64_MAX: never). thread: any. */
bool gateway_limit_take(_Atomic int64_t *tat, struct limit limit, int64_t now_ms, uint64_t cost, int64_t *ret_wait_ms);

/* ---- texts (gateway_clean.c) ---- */

/* Without runes that nobody sees, trimmed. `text` itself when there is nothing to do, else a copy in `arena`. Valid
 * UTF-8 in. */
struct slice gateway_clean(struct slice text, struct arena *arena);
/* MD5 of `userId:anonymousId`, as a version 4 UUID. */
void gateway_rudder_id(struct slice key, char out[UUID_LEN]);

/* ---- events (gateway_event.c) ---- */

#define IDENTITY_KEY_MAX 256u

/* The last rudderId made: batches of one client repeat it. */
struct identity_memo {
    size_t len; /* of key; 0 = empty */
    char key[IDENTITY_KEY_MAX];
    char rudder_id[UUID_LEN];
};

/* What the live view will be told when the event is durable. Slices live as long as the request. */
struct live_row {
    uint32_t record; /* its number in the request */
    struct slice type, message_id, event;
};

/* What the events of one request share. */
struct enrich {
    const struct json_doc *doc;
    struct arena *arena;
    struct identity_memo *memo;
    uint64_t source;
    int64_t received_ms;
    struct slice received_member;   /* "receivedAt":"…" */
    struct slice address_member;    /* "request_ip":"…" */
    struct slice type, type_member; /* forced; "" = the event's own */
    enum event_type forced;
    bool allow_no_identity;
    bool makes_identity;   /* an event without ids gets an anonymousId: a vendor says of users what it knows */
    struct live_row *live; /* NULL: nobody follows */
};

/* Frames the event at `node`, enriched, as the next record of `batch` (`record`: its number in the request). The
 * event's fault: ERR_NOT_EVENT, ERR_NO_IDENTITY; past the store's record size: ERR_TOO_LARGE; nothing is added then. */
MUST enum err gateway_event_add(struct enrich *enrich, uint32_t record, uint32_t node, struct store_batch *batch);
/* Frames it as it came, as a rejected record. */
MUST enum err gateway_event_reject(
    const struct enrich *enrich, uint32_t node, enum err reason, struct store_batch *batch);

/* What of a parsed body are its events. Walk: node = events.first; while (node != JSON_ABSENT) node =
 * gateway_events_next(…). */
struct events {
    uint32_t list; /* the array they stand in; JSON_ABSENT: there is at most the one */
    uint32_t first;
    uint32_t count;
};
struct events gateway_events_single(void); /* the root, whatever it is: what is no object is refused as an event */
struct events gateway_events_batch(
    const struct json_doc *doc); /* the root's `batch`; anything but an array is a list of one */
uint32_t gateway_events_next(const struct events *events, const struct json_doc *doc, uint32_t node);

struct intake_result {
    uint32_t records, rejected;
    enum err first_error; /* of a bad event */
};
/* Frames all events (at least one): good ones enriched, bad ones as rejected records. When it fails nothing is added:
 * strict and one is bad, or all are (the first one's error); ERR_TOO_LARGE. */
MUST enum err gateway_events_add(struct enrich *enrich, const struct events *events, bool strict,
    struct store_batch *batch, struct intake_result *ret_result);

/* ---- the gateway and its workers ---- */

struct source_state { /* one per source id ever seen; shared by the workers */
    struct source_state *next;
    uint64_t key;
    struct slice id;
    _Atomic int64_t tat; /* of the rate limit */
    stat_value source_events_stored, source_events_duplicate, source_events_rejected, source_requests_refused;
    struct stat_group group;
};

struct gateway_stat {
#define S(name, kind, unit, help) STAT_FIELD_##kind(name)
#include "gateway/gateway_stat.def"
#undef S
};

/* A batch and the requests that wait for it. */
struct gather {
    struct store_batch batch;
    struct worker *worker;
    struct intake *first, **last;
    struct gather *next; /* in the pool */
};

struct worker {
    uint32_t magic;
    unsigned number;
    struct gateway *gateway;
    struct loop *loop;
    struct http_server *server; /* NULL once closed */
    struct json_parser *parser;

    struct workspace *workspace;
    uint64_t generation;
    struct source_state **sources; /* open addressing by key, of this snapshot */
    size_t source_slots;

    struct gather *gather; /* what this iteration gathers */
    struct gather *pool;
    bool appending; /* a batch is with the store; one at a time */
    size_t appending_bytes;
    struct loop_defer defer;

    int64_t received_ms; /* what received_member says */
    char received_member[64];
    size_t received_len;
    struct identity_memo memo;
    struct buf page; /* scratch of pages, members and pixels; each use resets it */

    struct gateway_stat stat;
    struct stat_group group, http_group;
    struct loop_msg drain_msg, close_msg;
    bool started, closing;
    unsigned webhooks; /* whose events are not there yet */
};

struct gateway {
    struct gateway_conf conf;
    struct gateway_deps deps;
    struct limit limit;
    struct route_table routes;
    atomic_bool ready;
    struct worker *workers;
    unsigned worker_count;

    pthread_mutex_t lock; /* guards what follows; nothing is called under it */
    pthread_cond_t drained_one;
    unsigned drained;
    struct source_state *sources;

    stat_value refused[ERR_COUNT];
    struct stat_group refused_groups[ERR_COUNT];
};

/* A request on its way; in the request's arena. */
struct intake {
    uint32_t magic;
    const struct route *route; /* NULL: refused before it had one */
    struct http_request *request;
    struct source_state *source;       /* NULL: not known (yet) */
    bool body_key;                     /* the write key is looked for in the body */
    bool of_webhook;                   /* its events were made of a vendor's payload */
    char key_hint[8];                  /* first bytes of an unknown key */
    struct intake *next;               /* in a gather */
    uint32_t first, records, rejected; /* of the gather's batch */
    enum err first_error;              /* of the rejected */
    struct live_row *live;
    uint32_t live_count;
    const struct http_response *answer; /* instead of the route's; NULL = that */
};

/* gateway_serve.c */
struct http_server *gateway_serve(struct worker *worker);
struct worker *gateway_worker_of(void *ctx);
/* NULL when the headers were never complete. */
struct intake *gateway_intake_of(const struct http_request *request);
void gateway_reply(struct worker *worker, struct intake *intake);
/* Counts, reports, answers; a pixel gets its image all the same. `detail`: more for people ("" = none). wait_ms: for
 * Retry-After; 0 = the knob's. */
void gateway_refuse(struct worker *worker, struct intake *intake, enum err why, struct slice detail, int64_t wait_ms);
void gateway_respond(struct worker *worker, struct intake *intake, const struct http_response *response);
void gateway_respond_page(
    struct worker *worker, struct intake *intake, int status, struct slice content_type, struct slice body);

/* gateway_report.c */
void gateway_report_refusal(
    struct worker *worker, const struct http_request *request, enum err why, int status, struct slice detail);
/* Of a request whose batch is durable. */
void gateway_report_events(struct worker *worker, const struct intake *intake, const struct store_batch *batch);
void gateway_stat_register(struct worker *worker);
void gateway_stat_remove(struct worker *worker);
void gateway_refusals_register(struct gateway *gateway);
void gateway_refusals_remove(struct gateway *gateway);
void gateway_source_register(struct source_state *state);
/* Only the loop's thread writes a worker's counters: no locked instruction. */
static inline void gateway_count(stat_value *value, int64_t by) {
    stat_set(value, stat_get(value) + by);
}

/* gateway_auth.c */
/* The user name of `Basic …` into `out`. ERR_NOT_FOUND: no Authorization, or a Bearer token; ERR_NO_WRITE_KEY. */
MUST enum err gateway_basic_user(
    const struct http_request *request, char out[GATEWAY_WRITE_KEY_MAX], struct slice *ret_user);
/* Sets intake->source. ERR_BAD_WRITE_KEY, ERR_SOURCE_DISABLED. */
MUST enum err gateway_authenticate(struct worker *worker, struct intake *intake, struct slice key);
/* The source of the current snapshot, enabled or not; valid until the next call. NULL: unknown; the intake has a hint
 * then. */
const struct source *gateway_source_find(struct worker *worker, struct intake *intake, struct slice key);
void gateway_snapshot_drop(struct worker *worker);

/* gateway_intake.c */
struct intake_want {
    struct slice body; /* JSON_PADDING behind it */
    bool is_batch, empty_is_fine;
};
void gateway_take(struct worker *worker, struct intake *intake, const struct intake_want *want);

/* gateway.c: a closing worker whose last work has ended stops its loop. */
void gateway_maybe_stop(struct worker *worker);

/* gateway_gather.c */
struct gather *gateway_gather_new(struct worker *worker);
void gateway_gather_free(struct gather *gather);
void gateway_gather_put(struct worker *worker, struct intake *intake);
void gateway_gather_flush(struct worker *worker);
void gateway_on_defer(struct loop_defer *defer);

/* gateway_pixel.c: the event that a query string stands for, in the arena, JSON_PADDING behind it. ERR_NOT_EVENT: a
 * track event with an empty name; ERR_TOO_LARGE: too many parameters. *ret_write_key is set in any case. */
MUST enum err gateway_pixel_event(
    struct slice query, struct slice type, struct arena *arena, struct slice *ret_text, struct slice *ret_write_key);

/* Handlers of routes. */
#define H(name) void gateway_handle_##name(struct worker *worker, struct http_request *request, struct intake *intake)
H(single);
H(batch);
H(import);
H(drop);
H(webhook);
H(pixel);
H(data_pixel);
H(source_config);
H(settings);
H(health);
H(live);
H(version);
H(robots);
H(docs);
H(preflight);
H(extra);
#undef H

/* gateway_cors.c */
size_t gateway_add_headers(void *ctx, const struct http_request *request, struct http_header *out, size_t room);

#endif
