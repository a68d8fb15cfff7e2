/* Destinations that a service of one's own knows how to serve: an external transformer that speaks the protocol of
 * RudderStack's (shared facts: transformer §2). Events go to it, requests come back, and delivery sends them as any
 * other. Types that this build has no definition of go there, and those that delivery.transformer_types names.
 *
 * While the service is down, or answers what is no answer, events wait.
 *
 * thread: external_configure before other threads begin; a run belongs to its loop. */
#ifndef SLUICE_DELIVERY_HTTP_EXTERNAL_H
#define SLUICE_DELIVERY_HTTP_EXTERNAL_H

#include "delivery/delivery_conf.h"
#include "delivery/kind.h"

extern const struct delivery_kind delivery_external;

/* The texts of `conf` live as long as the process. ERR_INVALID: delivery.transformer_url is no URL. */
MUST enum err external_configure(const struct delivery_conf *conf, struct errinfo *why);
/* A service is configured, and `type` is one that is asked of it although we have a definition. */
bool external_wants(struct slice type);
/* A service is configured. */
bool external_is_there(void);

/* ---- transformations whose code only the service has ---- */

/* It is asked for those. */
bool external_takes_code(void);

/* The caller's memory until on_done of `call`, which is called as transform_run would, with results by input. */
struct external_code {
    struct http_client *client;  /* of the loop */
    struct transform_call *call; /* its version is not looked at */
    struct slice id, version_id; /* of the transformation */
    struct arena *arena;
    struct http_call http; /* the rest is external_code.c's */
    struct json_parser *parser;
    struct transform_result *results;
    size_t result_count;
    enum transform_fate *fates;
};

void external_code_run(struct external_code *code);
/* Ends the wait; on_done is called with ERR_CLOSED. */
void external_code_give_up(struct external_code *code);

#endif
