/* What an answer means for its event, and when to try again. Pure functions: the rules of design §4 in one place. */
#ifndef SLUICE_DELIVERY_RETRY_H
#define SLUICE_DELIVERY_RETRY_H

#include "base/err.h"
#include "model/event.h"

enum answer {
    ANSWER_DELIVERED, /* 2xx */
    ANSWER_FILTERED,  /* 298, 299: taken and dropped on purpose */
    ANSWER_RETRY,     /* 408, 425, 5xx, no answer */
    ANSWER_THROTTLED, /* 429: retried, and a Retry-After holds the whole destination */
    ANSWER_AUTH,      /* 401, 403: of the event or of the destination, the last attempts tell */
    ANSWER_DENIED,    /* we refused to connect to a private address */
    ANSWER_DEAD,      /* any other 3xx, 4xx */
};

/* err: OK when a status line came; ERR_TIMEOUT, ERR_DENIED, else the network. ret_reason: NONE for DELIVERED and for a
 * status to retry. */
enum answer retry_classify(enum err err, int status, enum reason *ret_reason);

/* Pause before attempt `attempts` + 1: evenly anywhere in 1 .. min(max_ms, min_ms * 2^(attempts-1)). attempts >= 1. */
int64_t retry_pause(int64_t min_ms, int64_t max_ms, unsigned attempts, uint64_t random);

/* True when an event that has failed `attempts` times is given up. */
bool retry_exhausted(
    int64_t window_from_ms, int64_t now_ms, int64_t window_ms, uint64_t attempts, uint64_t min_attempts);

#endif
