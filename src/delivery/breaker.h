/* The circuit of one destination, pure: time and dice come in.
 *
 *            `failures` in a row over at least `time`, of at least BREAKER_EVENTS different events
 *   closed ------------------------------------------> open: nothing goes out but a probe, at probe_due_ms
 *      ^                                                 | a failed probe doubles the pause
 *      +-------------------- any success ----------------+
 *
 * One event that the destination cannot digest is no reason to stop the others: its failures alone never open the
 * circuit. After closing, requests in flight ramp up from 1, one more per success, so that they double per round trip.
 */
#ifndef SLUICE_DELIVERY_BREAKER_H
#define SLUICE_DELIVERY_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

enum { BREAKER_EVENTS = 3 };

struct breaker_conf {
    uint64_t failures;
    int64_t time_ms, probe_min_ms, probe_max_ms;
};

struct breaker {
    bool open;
    uint64_t failures;               /* in a row */
    int64_t first_failure_ms;        /* of the row */
    uint64_t events[BREAKER_EVENTS]; /* the first different ones of the row */
    unsigned event_count;
    unsigned probes;      /* that failed since it opened */
    int64_t probe_due_ms; /* while open */
    uint32_t ramp;        /* most requests in flight; UINT32_MAX = as configured */
};

void breaker_init(struct breaker *breaker);
/* True: this closed the circuit. */
bool breaker_success(struct breaker *breaker);
/* True: this opened the circuit. `event`: its offset; `probe`: the request went out as one. */
bool breaker_failure(struct breaker *breaker, const struct breaker_conf *conf, int64_t now_ms, uint64_t event,
    bool probe, uint64_t random);
/* Requests that may be in flight while closed. */
uint32_t breaker_limit(const struct breaker *breaker, uint32_t configured);

#endif
