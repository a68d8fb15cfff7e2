/* Runs versions of transformations in JavaScriptCore. Each version has a virtual machine (context group) and a global
 * object of its own; no two share anything. Private to transform/; used by the worker process only.
 *
 * thread: one. Nothing here blocks, but user code takes as long as its CPU limit lets it, and an endless chain of
 * promises longer than that: who started the process ends it then. */
#ifndef SLUICE_TRANSFORM_ENGINE_H
#define SLUICE_TRANSFORM_ENGINE_H

#include "base/buf.h"

struct engine;

/* Called while code runs: it asks something of the server. `text` lives during the call. */
typedef void (*engine_on_ask)(void *ctx, uint32_t question, struct slice kind, struct slice parameters);

/* Finds JavaScriptCore, starts it and the compiler's context, so that nothing has to be opened later. */
MUST enum err engine_open(engine_on_ask on_ask, void *ctx, struct engine **ret_engine, struct errinfo *why);
void engine_close(struct engine *engine); /* takes NULL */

/* Compiles; `out` gets the LOADED text, refusals included. What was loaded under `id` before is dropped. */
void engine_load(struct engine *engine, uint32_t id, struct slice text, struct buf *out);
void engine_drop(struct engine *engine, uint32_t id);

/* engine_digest.c: sha256 md5 sha1 as lower-case hex, hmac_sha256 (of `key`), base64, uuid5_url (the version 5 UUID of
 * a text in the URL namespace); appended to `out`. False: there is no such algorithm. */
bool engine_digest(struct slice algorithm, struct slice text, struct slice key, struct buf *out);

enum engine_state { ENGINE_DONE, ENGINE_WAITS };

/* Runs a batch, or goes on with it after an answer. ENGINE_DONE: `out` has the DONE text. ENGINE_WAITS: it waits for
 * an answer to a question. */
enum engine_state engine_run(
    struct engine *engine, uint32_t version, uint32_t limit_ms, struct slice text, struct buf *out);
enum engine_state engine_reply(struct engine *engine, uint32_t question, struct slice text, struct buf *out);

#endif
