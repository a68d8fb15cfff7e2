/* A token bucket: so many requests a second, at most one second's worth at once. Pure: time comes in. */
#ifndef SLUICE_DELIVERY_THROTTLE_H
#define SLUICE_DELIVERY_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

struct throttle {
    double rate;   /* tokens a second; 0 = no limit */
    double tokens; /* at at_ms */
    int64_t at_ms;
};

void throttle_init(struct throttle *throttle, double rate, int64_t now_ms);
/* Keeps the tokens that there are, up to the new burst. */
void throttle_set_rate(struct throttle *throttle, double rate, int64_t now_ms);
/* There is one to take. */
bool throttle_is_open(struct throttle *throttle, int64_t now_ms);
/* False: none left; throttle_due_ms says when there is one. */
bool throttle_take(struct throttle *throttle, int64_t now_ms);
int64_t throttle_due_ms(const struct throttle *throttle);

#endif
