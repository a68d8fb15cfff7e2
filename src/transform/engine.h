/* Runs versions of transformations in JavaScriptCore. Each version has a virtual machine (context group) and a global
 * object of its own; no two share anything. Private to transform/; used by the worker process only.
 *
 * thread: one. Nothing here blocks, but user code takes as long as its CPU limit lets it, and an endless chain of
 * promises longer than that: who started the process ends it then. */
#ifndef SLUICE_TRANSFORM_ENGINE_H
#define SLUICE_TRANSFORM_ENGINE_H

#include "base/buf.h"

struct engine;

struct engine_host {
    /* Called while code runs: it asks something of the server. The texts live during the call. */
    void (*on_ask)(void *ctx, uint32_t question, struct slice kind, struct slice parameters);
    /* A batch has run: may its answer be put off until the next has? That must be of the same version. */
    bool (*may_hold)(void *ctx);
    void *ctx;
};

/* Finds JavaScriptCore, starts it and the compiler's context, so that nothing has to be opened later. */
MUST enum err engine_open(const struct engine_host *host, struct engine **ret_engine, struct errinfo *why);
void engine_close(struct engine *engine); /* takes NULL */

/* Compiles; `out` gets the LOADED text, refusals included. What was loaded under `id` before is dropped. */
void engine_load(struct engine *engine, uint32_t id, struct slice text, struct buf *out);
void engine_drop(struct engine *engine, uint32_t id);

/* engine_digest.c: sha256 md5 sha1 as lower-case hex, hmac_sha256 (of `key`), base64, uuid5_url (the version 5 UUID of
 * a text in the URL namespace); appended to `out`. False: there is no such algorithm. */
bool engine_digest(struct slice algorithm, struct slice text, struct slice key, struct buf *out);

enum { ENGINE_HELD_MAX = 15 };

/* DONE texts, one behind the other. */
struct engine_answers {
    struct buf text;
    size_t ends[ENGINE_HELD_MAX + 1];
    size_t count;
};

enum engine_state { ENGINE_DONE, ENGINE_WAITS, ENGINE_HELD };

/* Runs a batch, or goes on with it after an answer. ENGINE_DONE: `out` has the DONE texts of the batches that were held
 * and of this one, in their order. ENGINE_WAITS: it waits for an answer to a question. ENGINE_HELD: its text comes with
 * that of the next batch, since may_hold said so. */
enum engine_state engine_run(
    struct engine *engine, uint32_t version, uint32_t limit_ms, struct slice text, struct engine_answers *out);
enum engine_state engine_reply(struct engine *engine, uint32_t question, struct slice text, struct engine_answers *out);

#endif
