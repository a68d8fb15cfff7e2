/* Whether a destination refuses our credentials: the last AUTH_ATTEMPTS attempts that it answered. Pure. */
#ifndef SLUICE_DELIVERY_AUTH_H
#define SLUICE_DELIVERY_AUTH_H

#include <stdbool.h>
#include <stdint.h>

enum { AUTH_ATTEMPTS = 20 };

struct auth {
    uint32_t refused; /* one bit per attempt, the newest lowest */
    uint32_t count;
};

/* True: more than half of the last attempts were refused, this one among them. */
bool auth_answered(struct auth *auth, bool refused);
void auth_reset(struct auth *auth);

#endif
