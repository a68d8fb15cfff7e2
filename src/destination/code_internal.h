/* The parts of running a transform.js. Private to destination/.
 *
 *   code.c: a run, part by part ─▶ worker ─▶ code_read.c: its rows ─▶ code_request.c: a request of the code
 *                                     │ ctx.http                 └─▶ code_merge.c: declared batches, users' order
 *                                     └─▶ code_ask.c ─▶ code_cache.c
 *
 * thread: the run's loop, but for code_ask.c and code_cache.c, which run on the transform's. */
#ifndef SLUICE_DESTINATION_CODE_INTERNAL_H
#define SLUICE_DESTINATION_CODE_INTERNAL_H

#include <stdatomic.h>

#include "destination/code.h"
#include "destination/request.h"

/* ---- code_version.c ---- */

struct code_module {
    struct slice name; /* as it is imported: "transform", "_lib/values" */
    struct slice text, file;
};

enum { CODE_KNOWN = 1, CODE_BATCH = 2, CODE_OUTCOME = 4 };

struct code {
    struct code_module main;
    const struct code_module *libraries;
    size_t library_count;
    bool is_webhook;                             /* a source's */
    _Atomic unsigned can;                        /* CODE_…: what it exports; 0 until it has run once */
    _Atomic(struct transform_version *) version; /* NULL until it is first wanted */
};

/* The modules' memory is the definition's or the program's. */
struct code *code_new(const struct code_module *main, const struct code_module *libraries, size_t count);
void code_free(struct code *code); /* takes NULL */
/* Borrowed: lives as long as the definition. */
struct transform_version *code_compiled(struct code *code, struct transform *transform);

/* ---- code_request.c ---- */

/* A request of the code, still by itself. */
struct code_item {
    struct destination_request request;
    bool merges; /* by the declared batch: it has these */
    const struct slice *elements;
    size_t element_count;
    const struct http_header *beside; /* members beside the array, raw */
    size_t beside_count, bytes;
    struct hash128 agrees;
};

struct code_reader {
    const struct json_doc *doc;
    struct arena *arena;
    const struct destination_settings *settings;
    struct slice why; /* when something is refused: the sentence */
};

/* False: reader->why. Texts that are used point into the document or the arena. */
bool code_request_read(struct code_reader *reader, uint32_t node, struct code_item *ret_item);
/* Puts the definition's headers and authorization under the request's own, and completes it: type, compression. False:
 * reader->why. */
bool code_request_finish(struct code_reader *reader, struct destination_request *request, bool with_core);
/* "the code returned …; allowed are …"; false. */
bool code_complain(struct code_reader *reader, const char *what, uint32_t node, const char *allowed);

/* ---- code_read.c ---- */

/* A part of a run: events whose settings agree. `events` are indexes of the run. */
struct code_part {
    const struct destination_settings *settings;
    struct hash128 config;
    uint32_t *events;
    size_t count;
};

struct code_result {
    struct destination_run *run;
    const struct code_part *part;
    struct code_item *items; /* in the order of the code's results */
    size_t item_count, item_room;
    struct destination_refusal *refusals; /* per event of the run; text.ptr NULL = none */
    bool *named;                          /* per event of the run: by any result */
    struct slice odd;                     /* what was wrong with a result that names no event */
};

/* Reads what a worker answered to one part. sent: events of the run that it was given, in its order. */
void code_answer_read(
    struct code_result *result, const struct transform_answer *answer, const uint32_t *sent, size_t sent_count);

/* ---- code_merge.c ---- */

/* Requests of the items, merged as the definition declares unless the code has a batch() or `no_batch`; users by event
 * of the run. Appends to the run's batch, which has room. */
void code_merge(struct code_result *result, const uint64_t *users);

/* ---- code_ask.c ---- */

bool code_on_ask(
    const struct destination_settings *settings, const struct destination_stage *stage, struct transform_ask *ask);

/* ---- code_cache.c: answers to lookups, for all destinations; thread: any ---- */

/* A copy in `arena`; SLICE_NONE: there is none that is still good. */
struct slice code_cache_get(struct hash128 key, struct arena *arena);
void code_cache_put(struct hash128 key, struct slice answer, int64_t ttl_ms);

#endif
