/* See auth.h. */
#include "delivery/auth.h"

bool auth_answered(struct auth *auth, bool refused) {
    auth->refused = ((auth->refused << 1) | (refused ? 1U : 0U)) & ((1U << AUTH_ATTEMPTS) - 1);
    if (auth->count < AUTH_ATTEMPTS) {
        auth->count++;
    }
    return refused && 2 * (uint32_t)__builtin_popcount(auth->refused) > auth->count;
}

void auth_reset(struct auth *auth) {
    *auth = (struct auth){0};
}
