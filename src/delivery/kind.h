/* Kinds of destination: what turns an event into a request. Core owns all else: order, retries, time-outs, limits,
 * metrics, redaction. A kind is pure: its settings and the event decide, no clock, no state, no I/O. One row per type
 * in kind.c. */
#ifndef SLUICE_DELIVERY_KIND_H
#define SLUICE_DELIVERY_KIND_H

#include "http/http.h"
#include "json/json.h"

struct kind_request {
    enum http_method method;
    struct slice url;
    const struct http_header *headers;
    size_t header_count;
    struct slice body;
    bool own_url; /* the event chose the URL: its failures say nothing about the destination */
};

struct delivery_kind {
    const char *type; /* as destinations name it */
    /* Settings from the destination's config (raw JSON). *ret_settings lives in `arena`. Errors name the key. */
    enum err (*open)(struct slice config, struct json_parser *parser, struct arena *arena, const void **ret_settings,
        struct errinfo *why);
    /* JSON_PADDING bytes stand behind `event`. The request points into `event`, the settings and `arena`. ERR_INVALID,
     * ERR_TOO_LARGE. */
    enum err (*build)(const void *settings, struct slice event, struct json_parser *parser, struct arena *arena,
        struct kind_request *ret_request, struct errinfo *why);
};

/* NULL: this build has none for the type. */
const struct delivery_kind *delivery_kind_find(struct slice type);

#endif
