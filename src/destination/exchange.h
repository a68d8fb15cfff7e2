/* HTTP exchanges that a case has written down: they answer ctx.http in the place of the network.
 *
 * thread: made by one, then asked by the transform's while the first waits. */
#ifndef SLUICE_DESTINATION_EXCHANGE_H
#define SLUICE_DESTINATION_EXCHANGE_H

#include "destination/code.h"

struct destination_exchanges;

/* A list of {request: {method ("POST"), url, query: {}, body}, response: {status, headers: {}, body} | null}. Without
 * response the network fails. A body that is absent or null stands for any; a text in a response is no JSON. Copied
 * into `arena`. Errors: why->text. */
MUST enum err destination_exchanges_read(const struct json_doc *doc, uint32_t list, struct arena *arena,
    struct destination_exchanges **ret_exchanges, struct errinfo *why);
/* on_http of a destination_stage whose ctx is the exchanges: the first that has the request's method, URL, parameters
 * and body and has not been taken; else the first that has been. None: an error of the code that names the request. */
struct slice destination_exchanges_answer(void *ctx, const struct destination_request *request, struct arena *arena);

#endif
