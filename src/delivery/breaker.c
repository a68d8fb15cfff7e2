/* See breaker.h. */
#include "delivery/breaker.h"

void breaker_init(struct breaker *breaker) {
    *breaker = (struct breaker){.ramp = UINT32_MAX};
}

bool breaker_success(struct breaker *breaker) {
    bool closed = breaker->open;
    breaker->failures = 0;
    breaker->event_count = 0;
    breaker->open = false;
    if (closed) {
        breaker->ramp = 1;
    } else if (breaker->ramp != UINT32_MAX) {
        breaker->ramp++;
    }
    return closed;
}

/* Doubling from probe_min_ms; between half of that and all of it, so that probes neither bunch nor come at once. */
static int64_t probe_pause(const struct breaker *breaker, const struct breaker_conf *conf, uint64_t random) {
    int64_t longest = conf->probe_min_ms;
    for (unsigned i = 0; i < breaker->probes && longest < conf->probe_max_ms; i++) {
        longest *= 2;
    }
    if (longest > conf->probe_max_ms) {
        longest = conf->probe_max_ms;
    }
    int64_t half = longest / 2;
    return longest - (int64_t)(random % (uint64_t)(half + 1));
}

static void count_event(struct breaker *breaker, uint64_t event) {
    for (unsigned i = 0; i < breaker->event_count; i++) {
        if (breaker->events[i] == event) {
            return;
        }
    }
    if (breaker->event_count < BREAKER_EVENTS) {
        breaker->events[breaker->event_count++] = event;
    }
}

bool breaker_failure(struct breaker *breaker, const struct breaker_conf *conf, int64_t now_ms, uint64_t event,
    bool probe, uint64_t random) {
    if (breaker->failures == 0) {
        breaker->first_failure_ms = now_ms;
    }
    breaker->failures++;
    count_event(breaker, event);
    if (breaker->open) {
        if (probe) {
            breaker->probes++;
            breaker->probe_due_ms = now_ms + probe_pause(breaker, conf, random);
        }
        return false;
    }
    if (breaker->failures < conf->failures || breaker->event_count < BREAKER_EVENTS ||
        now_ms - breaker->first_failure_ms < conf->time_ms) {
        return false;
    }
    breaker->open = true;
    breaker->probes = 0;
    breaker->probe_due_ms = now_ms + probe_pause(breaker, conf, random);
    return true;
}

uint32_t breaker_limit(const struct breaker *breaker, uint32_t configured) {
    return breaker->ramp < configured ? breaker->ramp : configured;
}
