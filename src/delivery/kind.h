/* Kinds of destination: what turns an event into a request. Core owns all else: order, retries, time-outs, limits,
 * metrics, redaction. A kind is pure: its settings, the event and the time decide, no state, no I/O. One row per type
 * in kind.c; a type without a row whose definition (destination/) says its requests in tables is delivered by the row
 * behind them. */
#ifndef SLUICE_DELIVERY_KIND_H
#define SLUICE_DELIVERY_KIND_H

#include "delivery/retry.h"
#include "http/client.h"
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
    const char *type; /* as destinations name it; NULL: any whose definition is in tables */
    /* Settings from the destination's config (raw JSON). *ret_settings lives in `arena`. Errors name the key. */
    enum err (*open)(struct slice type, struct slice config, struct json_parser *parser, struct arena *arena,
        const void **ret_settings, struct errinfo *why);
    /* JSON_PADDING bytes stand behind `event`. The request points into `event`, the settings and `arena`. ERR_INVALID,
     * ERR_TOO_LARGE: the event is dead. ERR_UNSUPPORTED: a rule of the destination leaves it out, it is filtered. */
    enum err (*build)(const void *settings, struct slice event, struct json_parser *parser, struct arena *arena,
        struct kind_request *ret_request, struct errinfo *why);
    /* What the vendor means by its answer; NULL: its status says it all. Returns `by_status` where no rule says
     * otherwise. */
    enum answer (*judge)(const void *settings, const struct http_result *result, enum answer by_status,
        struct json_parser *parser, struct arena *arena);
};

/* NULL: this build has none for the type. */
const struct delivery_kind *delivery_kind_find(struct slice type);

#endif
