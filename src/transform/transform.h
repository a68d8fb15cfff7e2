/* User transformations: JavaScript that changes, drops, splits or refuses events, run in worker processes that cannot
 * do anything else. Batches go in, an outcome per event comes out; nothing here blocks but what says so.
 *
 * A worker is started when a batch finds none, has one batch at a time, and is replaced when it dies. What kills a
 * worker, or uses up its CPU time, costs its batch a second run, event by event; the culprit fails with the reason and
 * the other events wait no longer than one more budget of CPU time.
 *
 * thread: a transform has a loop of its own, on which workers, time-outs and fetches live. transform_run may be called
 * from any thread; on_done runs on the loop that the call names. */
#ifndef SLUICE_TRANSFORM_TRANSFORM_H
#define SLUICE_TRANSFORM_TRANSFORM_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/loop.h"
#include "http/client.h"
#include "transform/transform_conf.h"

struct transform;
struct transform_version;
struct transform_ask;

/* ---- life ---- */

struct transform_deps {
    /* Answers what user code asks of the world instead of the built-in HTTP client (saved cases, tests); NULL = the
     * client. thread: the transform's. Answer now or later with transform_ask_answer, exactly once. */
    void (*on_ask)(void *ctx, struct transform_ask *ask);
    void *ctx;
    const char *program; /* run as `program worker`; NULL = this one */
    /* How transform_ask_send connects; connections 0 = as fetch does. Its texts live as long as the transform. */
    struct http_client_conf requests;
};

/* What a knob names that can be wrong: the geolocation database. */
MUST enum err transform_conf_check(const struct transform_conf *conf, struct errinfo *why);
/* Starts the loop's thread, no worker. `conf` and `deps` are copied. */
struct transform *transform_new(const struct transform_conf *conf, const struct transform_deps *deps);
/* Ends all workers; calls in flight end with ERR_CLOSED, whose on_done still run on their loops. No version may be
 * used afterwards but to release it. Takes NULL. thread: any but the loops'; blocks until the workers are gone. */
void transform_free(struct transform *transform);

/* ---- versions ---- */

struct transform_library {
    struct slice name; /* as imported: "mathTools", "@rs/hash/v1"; or the library's title, imported by its camel case */
    struct slice code;
    struct slice file; /* shown in errors; "" = its name */
};

enum transform_kind {
    TRANSFORM_KIND_CODE,    /* a transformation */
    TRANSFORM_KIND_LIBRARY, /* only checked */
    TRANSFORM_KIND_IMPORTS, /* only asked what it imports; libraries need not be there */
    /* The program's own module, which exports main(events, meta, common): it gets the inputs' messages and metadata and
     * the call's metadata, and answers with rows as answer.c reads them; outputs may be any objects. Libraries import
     * each other, "transform" among them is the destination's code. There is no clock, randomness or API around it. */
    TRANSFORM_KIND_DESTINATION,
};

struct transform_code {
    enum transform_kind kind;
    struct slice name; /* shown in stack traces; "" = "base transformation" */
    struct slice code;
    unsigned language; /* 1: ES module with transformEvent or transformBatch; 0: script with transform */
    const struct transform_library *libraries;
    size_t library_count;
};

/* One reference, for the caller. Everything is copied. One content is one version, as long as somebody holds it; the
 * hash of it is transform_version_hash. thread: any. */
struct transform_version *transform_version_new(struct transform *transform, const struct transform_code *code);
struct transform_version *transform_version_hold(struct transform_version *version);
void transform_version_release(struct transform_version *version); /* takes NULL */
struct hash128 transform_version_hash(const struct transform_version *version);

/* Compiles it in a worker. ERR_INVALID: `why->path` is "file:line:column", `why->text` the error, followed by the line
 * of code and a caret on lines of their own. `ret_info` (NULL allowed) gets
 * {"imports":{module:[names]},"exports":[names]}; refusals too: {"refused":{kind, file, line, column, text, code,
 * caret}}. A version that was found good is not compiled again, unless `ret_info` is wanted. thread: any but a loop's;
 * blocks. */
MUST enum err transform_version_check(
    struct transform *transform, struct transform_version *version, struct buf *ret_info, struct errinfo *why);

/* ---- batches ---- */

struct transform_input {
    struct slice message;  /* a JSON object */
    struct slice metadata; /* a JSON object with what of metadata(event) differs from event to event; "" = {} */
};

enum transform_fate {
    TRANSFORM_DROPPED, /* the code returned nothing for it */
    TRANSFORM_OUTPUT,  /* at least one result */
    TRANSFORM_FAILED,  /* a failure */
};

/* A row of the answer that belongs to no input: an output whose messageId is none of the batch's, or a failure of all
 * that have no row of their own. */
#define TRANSFORM_NO_INPUT UINT32_MAX

/* Why an event failed. */
enum transform_cause {
#define C(name, word, text) TRANSFORM_CAUSE_##name,
#include "transform/cause.def"
#undef C
    TRANSFORM_CAUSE_COUNT
};
const char *transform_cause_word(enum transform_cause cause);
const char *transform_cause_text(enum transform_cause cause);

struct transform_result {
    uint32_t input;
    bool failed;
    struct slice output; /* JSON object */
    struct slice error;  /* as the original words it, stack included */
    enum transform_cause cause;
};

struct transform_answer {
    enum err err;      /* OK; ERR_CLOSED, ERR_UNAVAILABLE (no worker can be started): nothing is known, try again */
    const char *text;  /* why `err` */
    struct slice mode; /* "transformEvent" "transformBatch" "transform"; "" = it never ran */
    /* in the order in which the code finished with them, which for code that awaits is not the order of inputs */
    const struct transform_result *results;
    size_t result_count;
    const enum transform_fate *fates; /* per input */
    const struct slice *logs;
    size_t log_count;
    uint64_t cpu_us, total_us;
};

/* Caller's memory, as all it points to, untouched until on_done. */
struct transform_call {
    struct transform_version *version; /* held by the caller until on_done */
    struct slice metadata;    /* a JSON object with what metadata() says of every event of the batch; "" = {} */
    struct slice credentials; /* a JSON array of {key, value}; "" = [] */
    const struct transform_input *inputs;
    size_t input_count; /* at least 1 */
    bool want_logs;
    /* Answers what the code asks, as transform_deps does; false = not its affair. NULL = none. thread: the
     * transform's, while the batch runs */
    bool (*on_ask)(struct transform_call *call, struct transform_ask *ask);
    struct loop *loop;
    void (*on_done)(struct transform_call *call, const struct transform_answer *answer); /* answer: during the call */
    struct loop_msg msg;                                                                 /* the transform's */
    void *job;                                                                           /* the transform's */
};

/* thread: any. */
void transform_run(struct transform *transform, struct transform_call *call);

/* ---- what user code asks of the world ---- */

struct transform_ask {
    struct slice kind;       /* "fetch" "geolocation" "http" */
    struct slice parameters; /* JSON: [url, options] [ip] [request] */
};

/* Sends a request for an ask by a client of the transform's, and answers the ask. Slices live as long as the batch's
 * call or, in `arena`, as the ask. on_answer (NULL allowed) sees the answer first. thread: the transform's. */
struct transform_request {
    enum http_method method;
    struct slice url, body;
    const struct http_header *headers;
    size_t header_count;
    int64_t timeout_ms; /* 0 = the knob's; never more than that */
    void (*on_answer)(void *ctx, struct slice json);
    void *ctx;
};
struct arena *transform_ask_arena(struct transform_ask *ask);
void transform_ask_send(struct transform_ask *ask, const struct transform_request *request);

/* JSON: {"error": text}, or of fetch {"url","status","headers":{},"body": text}, of geolocation {"value": any}. Frees
 * the ask. thread: the transform's. */
void transform_ask_answer(struct transform_ask *ask, struct slice json);

#endif
