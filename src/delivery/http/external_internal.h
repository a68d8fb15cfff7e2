/* Private to delivery/http/external*.c. */
#ifndef SLUICE_DELIVERY_HTTP_EXTERNAL_INTERNAL_H
#define SLUICE_DELIVERY_HTTP_EXTERNAL_INTERNAL_H

#include "delivery/http/external.h"

/* ---- external_answer.c ---- */

/* What the service said of the run's events, into the run. `router`: the answer of /routerTransform. `text` has
 * JSON_PADDING behind it and lives as long as the run's arena. ERR_UNAVAILABLE: it is no such answer; why->text says
 * what is wrong. */
MUST enum err external_answer_read(
    struct kind_run *run, struct slice text, bool router, struct json_parser *parser, struct errinfo *why);

#endif
