/* One event as a draft of a request; drafts that agree become one request. Private to destination/. */
#ifndef SLUICE_DESTINATION_REQUEST_H
#define SLUICE_DESTINATION_REQUEST_H

#include "base/hash.h"
#include "destination/definition.h"

/* Everything in `arena`; nothing points into the document that it was made from. */
struct draft_request {
    bool refused;
    const struct request_definition *definition; /* NULL: refused; or left to the code of a DESTINATION_CODE */
    struct destination_request request;          /* without body and events */
    struct slice item;                           /* JSON, form text (for code: JSON, too), or the event */
    struct value envelope;                       /* VALUE_PAIRS of VALUE_JSON */
    size_t envelope_bytes;
    struct hash128 agrees; /* equal: may share a request */
    uint64_t user;         /* 0 = none */
};

/* Copies into `arena` what the draft has in the one that it was made in; the event's own bytes stay where they are. */
void draft_keep(struct draft_request *draft, struct arena *arena);

/* name=value&…, percent-encoded, a space as +. */
struct slice request_encode(const struct http_header *pairs, size_t count, struct arena *arena);
/* `endpoint` with a query behind it. */
struct slice request_url(struct slice endpoint, const struct http_header *query, size_t count, struct arena *arena);
bool request_has_dot_segment(struct slice url);
/* The definition's headers and authorization, of a DESTINATION_CODE: they have no holes for events. */
MUST enum err request_core_headers(const struct destination_settings *settings, struct arena *arena,
    const struct http_header **ret_headers, size_t *ret_count, struct errinfo *why);
/* Of a DESTINATION_CODE, for its code; see destination_draft. */
struct slice draft_json(const struct draft_request *draft, struct arena *arena);

/* OK also when the event is refused: *ret_refusal says why. */
MUST enum err draft_request(const struct destination_settings *settings, struct slice event, int64_t now_ms,
    struct json_parser *parser, struct arena *arena, struct draft_request *ret_draft,
    struct destination_refusal *ret_refusal, struct errinfo *why);

#endif
