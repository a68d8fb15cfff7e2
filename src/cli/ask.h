/* Asks a running server over its control socket: one request per connection, HTTP/1.0, so that an answer ends where the
 * connection ends. Blocking. Our own server is at the other end; for anything else there is http/client.h. */
#ifndef SLUICE_CLI_ASK_H
#define SLUICE_CLI_ASK_H

#include "cli/args.h"
#include "json/json.h"

struct answer {
    int status;
    struct buf body;
    struct json_parser *parser;
    struct json_doc doc; /* of the body, when it is one JSON text */
    struct arena arena;  /* for strings taken out of the doc */
};

/* Sends `method target` and reads the whole answer. On failure says why on stderr and returns the exit code:
 * UNREACHABLE, CONFIG, NO (the server says 404 or 409), SERVER. Call answer_fini in any case. */
int ask(const struct args *args, const char *method, const char *target, struct answer *ret_answer);
void answer_fini(struct answer *answer);

/* Reads an answer line by line as it comes; on_line says whether to go on. Returns the exit code as ask does. */
int ask_lines(const struct args *args, const char *target, bool (*on_line)(void *ctx, struct slice line), void *ctx);

/* Appends `text` percent-encoded for a path segment or a query value. */
void ask_encode(struct buf *out, struct slice text);

/* Look-ups that a printer needs: absent or of another kind is "", 0 or false. */
struct slice answer_text(struct answer *answer, uint32_t object, const char *path);
int64_t answer_number(const struct answer *answer, uint32_t object, const char *path);
bool answer_is_true(const struct answer *answer, uint32_t object, const char *path);
/* The array at `path`: its first element, to go on with json_after; JSON_ABSENT when empty. *ret_array for json_after.
 */
uint32_t answer_first(const struct answer *answer, uint32_t object, const char *path, uint32_t *ret_array);

#endif
