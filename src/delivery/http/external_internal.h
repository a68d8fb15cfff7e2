/* Private to delivery/http/external*.c. */
#ifndef SLUICE_DELIVERY_HTTP_EXTERNAL_INTERNAL_H
#define SLUICE_DELIVERY_HTTP_EXTERNAL_INTERNAL_H

#include "delivery/http/external.h"

/* ---- external.c ---- */

/* A request to the service, without on_done. */
struct http_call external_call(
    struct arena *arena, enum http_method method, const char *path, struct slice name, struct slice body);
/* NULL: it is an answer. versioned: it says which version of the protocol it speaks. */
const char *external_fault(const struct http_result *result, bool versioned);

/* ---- external_answer.c ---- */

/* What the service said of the run's events, into the run. `router`: the answer of /routerTransform. `text` has
 * JSON_PADDING behind it and lives as long as the run's arena. ERR_UNAVAILABLE: it is no such answer; why->text says
 * what is wrong. */
MUST enum err external_answer_read(
    struct kind_run *run, struct slice text, bool router, struct json_parser *parser, struct errinfo *why);

#endif
