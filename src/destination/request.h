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

/* OK also when the event is refused: *ret_refusal says why. */
MUST enum err draft_request(const struct destination_settings *settings, struct slice event, int64_t now_ms,
    struct json_parser *parser, struct arena *arena, struct draft_request *ret_draft,
    struct destination_refusal *ret_refusal, struct errinfo *why);

#endif
