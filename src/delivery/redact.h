/* A request as text for dead letters, without what would let a reader act as us. */
#ifndef SLUICE_DELIVERY_REDACT_H
#define SLUICE_DELIVERY_REDACT_H

#include "base/arena.h"
#include "http/client.h"

/* Method and URL, then one line per header. Userinfo, the values of secret-looking names (in headers and in the query)
 * and `secrets` wherever they are found are replaced by three asterisks. In `arena`. */
struct slice redact_request(
    const struct http_call *call, const struct slice *secrets, size_t secret_count, struct arena *arena);

#endif
