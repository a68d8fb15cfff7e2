/* See throttle.h. */
#include "delivery/throttle.h"

#include <math.h>

static double burst(double rate) {
    return rate > 1 ? rate : 1;
}

void throttle_init(struct throttle *throttle, double rate, int64_t now_ms) {
    *throttle = (struct throttle){.rate = rate, .tokens = burst(rate), .at_ms = now_ms};
}

static void refill(struct throttle *throttle, int64_t now_ms) {
    if (now_ms > throttle->at_ms) {
        throttle->tokens += throttle->rate * (double)(now_ms - throttle->at_ms) / 1000;
        throttle->tokens = fmin(throttle->tokens, burst(throttle->rate));
        throttle->at_ms = now_ms;
    }
}

void throttle_set_rate(struct throttle *throttle, double rate, int64_t now_ms) {
    if (throttle->rate <= 0) {
        throttle_init(throttle, rate, now_ms);
        return;
    }
    refill(throttle, now_ms);
    throttle->rate = rate;
    throttle->tokens = fmin(throttle->tokens, burst(rate));
}

bool throttle_is_open(struct throttle *throttle, int64_t now_ms) {
    if (throttle->rate <= 0) {
        return true;
    }
    refill(throttle, now_ms);
    return throttle->tokens >= 1;
}

bool throttle_take(struct throttle *throttle, int64_t now_ms) {
    if (!throttle_is_open(throttle, now_ms)) {
        return false;
    }
    throttle->tokens -= throttle->rate > 0 ? 1 : 0;
    return true;
}

int64_t throttle_due_ms(const struct throttle *throttle) {
    if (throttle->rate <= 0 || throttle->tokens >= 1) {
        return throttle->at_ms;
    }
    return throttle->at_ms + (int64_t)ceil((1 - throttle->tokens) * 1000 / throttle->rate);
}
