/* How two JSON values differ, as a person counts it: key order does not matter, 1.0 is 1. */
#ifndef SLUICE_CLI_JSON_DIFF_H
#define SLUICE_CLI_JSON_DIFF_H

#include "json/json.h"

struct json_change {
    struct slice path;     /* "context.traits.email", "products[1]"; "" = the whole */
    struct slice from, to; /* JSON; ptr NULL = absent there */
};

/* Calls `each` for every change, in the order of `a`, then what only `b` has. Both may be of one document. */
void json_diff(const struct json_doc *a, uint32_t at_a, const struct json_doc *b, uint32_t at_b,
    void (*each)(void *ctx, const struct json_change *change), void *ctx);
bool json_equal(const struct json_doc *a, uint32_t at_a, const struct json_doc *b, uint32_t at_b);

#endif
