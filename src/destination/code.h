/* From events to requests and from answers to outcomes, for destinations of kind TABLES (here and now) and CODE (by a
 * worker of transform/). Settings with {{ event.path || default }} are filled from each event first: events whose
 * settings agree are transformed together.
 *
 *   events ─▶ settings per event ─▶ drafts (rules, tables) ─▶ transform.js, batch() ─▶ declared `batch` ─▶ requests
 *
 * thread: any that owns `loop`; on_done runs there, maybe before destination_run returns (`loop` is not asked of
 * TABLES).
 */
#ifndef SLUICE_DESTINATION_CODE_H
#define SLUICE_DESTINATION_CODE_H

#include "base/loop.h"
#include "destination/destination.h"
#include "transform/transform.h"

/* JSON objects; metadata and connection "" = {}. JSON_PADDING bytes stand behind `message`. metadata's messageId, or
 * the message's, seeds what the code sees as random. */
struct destination_event {
    struct slice message, metadata, connection;
};

/* What cases put in the place of the world. */
struct destination_stage {
    struct slice limits; /* JSON object: replaces numbers of code.limits; "" = none */
    struct slice uuids;  /* JSON array: what ctx.uuid() gives, over and over; "" = seeded ones */
    struct slice random; /* JSON number: what ctx.random() gives; "" = seeded ones */
    /* Answers ctx.http: {"status","headers":{},"body":text}, {"error":text} (the network failed) or {"wrong":text} (an
     * error of the code). NULL = the server's client. thread: the transform's, while the run waits */
    struct slice (*on_http)(void *ctx, const struct destination_request *request, struct arena *arena);
    void *ctx;
};

/* Caller's memory, as all it points to, until on_done. */
struct destination_run {
    struct transform *transform; /* NULL allowed for TABLES */
    const struct destination_settings *settings;
    const struct destination_event *events;
    size_t count; /* at least 1 */
    int64_t now_ms;
    bool no_batch;                         /* each event by itself, as for a preview: nothing is merged */
    const struct destination_stage *stage; /* NULL = the world */
    struct json_parser *parser;            /* until destination_run returns */
    struct arena *arena;                   /* gets the result; not touched by the caller until on_done */
    struct loop *loop;
    /* OK: `batch` is set. ERR_UNAVAILABLE, ERR_CLOSED: nothing is known, try again later. ERR_INVALID: the code does
     * not compile. ERR_INVALID_JSON, ERR_TOO_DEEP: an event is no JSON. */
    void (*on_done)(struct destination_run *run, enum err err, const struct errinfo *why);
    /* Each event is in one refusal, or in at least one request. Requests that share a user or an event are to be sent
     * in their order. An event is delivered when all its requests are. */
    struct destination_batch batch;
    void *private; /* the run's */
};

void destination_run(struct destination_run *run);

struct destination_verdict {
    enum destination_outcome outcome; /* never BY_STATUS */
    struct slice text;                /* "" = nothing to say but the status */
};

/* What an answer means for each event of its request: outcome() of the code, else the response rules, else the status.
 * Caller's memory until on_done, which is called before destination_judge returns when no code has to be asked. */
struct destination_judging {
    struct transform *transform; /* NULL allowed for TABLES */
    const struct destination_settings *settings;
    const struct destination_request *request; /* of a batch whose arena is still there */
    int status;
    const struct http_header *headers;
    size_t header_count;
    struct slice body;          /* may be cut short */
    struct json_parser *parser; /* until destination_judge returns */
    struct arena *arena;
    struct loop *loop;
    void (*on_done)(struct destination_judging *judging, enum err err, const struct errinfo *why); /* as a run's */
    struct destination_verdict *verdicts; /* by the request's events, in their order */
    void *private;
};

void destination_judge(struct destination_judging *judging);

/* The same for callers that wait: `loop` is nobody's else and not running; it is run until the end. on_done is set
 * here. */
MUST enum err destination_run_wait(struct destination_run *run, struct errinfo *why);
MUST enum err destination_judge_wait(struct destination_judging *judging, struct errinfo *why);

/* A request as code returns it ({method, url, headers, query, json | form | xml | text, gzip}), without what core puts
 * on it; for judgements of cases. It points into the document or `arena`. */
MUST enum err destination_request_read(const struct json_doc *doc, uint32_t node, struct arena *arena,
    struct destination_request *ret_request, struct errinfo *why);

/* The members of an object as headers; another node has none. In `arena`, pointing into the document. */
const struct http_header *destination_headers_read(
    const struct json_doc *doc, uint32_t node, struct arena *arena, size_t *ret_count);

/* 2xx delivered; 298, 299 filtered; 408 425 5xx retry; 429 throttled; 401 403 auth; the rest dead. */
enum destination_outcome destination_outcome_by_status(int status);

/* The code as a version for the workers, borrowed: it lives as long as the definition. Not for kinds without code. */
struct transform_version *destination_code_version(const struct destination_type *type, struct transform *transform);

/* Compiles the code in a worker. ERR_INVALID: why->path is "file:line:column", why->text the error, the line of code
 * and a caret below it. OK at once for kinds without code. thread: any but a loop's; blocks. */
MUST enum err destination_code_check(
    struct transform *transform, const struct destination_type *type, struct errinfo *why);
/* All that were loaded from a folder; without any, no worker is started. */
MUST enum err destination_code_check_loaded(struct transform *transform, struct errinfo *why);

#endif
