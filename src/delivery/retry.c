/* See retry.h. */
#include "delivery/retry.h"

enum answer retry_classify(enum err err, int status, enum reason *ret_reason) {
    *ret_reason = REASON_NONE;
    if (err == ERR_DENIED) {
        *ret_reason = REASON_EGRESS_DENIED;
        return ANSWER_DENIED;
    }
    if (err != OK) {
        *ret_reason = err == ERR_TIMEOUT ? REASON_TIMEOUT : REASON_NETWORK;
        return ANSWER_RETRY;
    }
    switch (status) {
    case 298:
        *ret_reason = REASON_DECLINED;
        return ANSWER_FILTERED;
    case 299:
        *ret_reason = REASON_SUPPRESSED;
        return ANSWER_FILTERED;
    case 401:
    case 403:
        *ret_reason = REASON_AUTH;
        return ANSWER_AUTH;
    case 429:
        return ANSWER_THROTTLED;
    case 408:
    case 425:
        return ANSWER_RETRY;
    default:
        break;
    }
    if (status >= 200 && status < 300) {
        return ANSWER_DELIVERED;
    }
    if (status >= 300 && status < 500) {
        *ret_reason = REASON_HTTP_STATUS;
        return ANSWER_DEAD;
    }
    return ANSWER_RETRY;
}

int64_t retry_pause(int64_t min_ms, int64_t max_ms, unsigned attempts, uint64_t random) {
    ASSERT(attempts >= 1);
    int64_t longest = min_ms;
    for (unsigned i = 1; i < attempts && longest < max_ms; i++) {
        longest *= 2;
    }
    if (longest > max_ms) {
        longest = max_ms;
    }
    return 1 + (int64_t)(random % (uint64_t)longest);
}

bool retry_exhausted(
    int64_t window_from_ms, int64_t now_ms, int64_t window_ms, uint64_t attempts, uint64_t min_attempts) {
    return attempts >= min_attempts && now_ms - window_from_ms >= window_ms;
}
