/* The generic cell rate algorithm as the original has it: emission interval = window / rate, tolerance = interval *
 * (rate + 1); cost n moves the theoretical arrival time by n intervals; what is refused consumes nothing. */
#include "gateway/gateway_internal.h"

#define NS_PER_MS INT64_C(1000000)

struct limit gateway_limit_of(uint64_t rate, int64_t window_ms) {
    if (rate == 0) {
        return (struct limit){0};
    }
    int64_t interval = window_ms * NS_PER_MS / (int64_t)rate; /* both in the range of their knobs */
    interval = interval > 0 ? interval : 1;
    return (struct limit){.interval_ns = interval, .tolerance_ns = interval * ((int64_t)rate + 1)};
}

bool gateway_limit_take(_Atomic int64_t *tat, struct limit limit, int64_t now_ms, uint64_t cost, int64_t *ret_wait_ms) {
    int64_t now = now_ms * NS_PER_MS;
    int64_t step = 0;
    if (cost > INT64_MAX || __builtin_mul_overflow((int64_t)cost, limit.interval_ns, &step) ||
        step > limit.tolerance_ns) {
        *ret_wait_ms = INT64_MAX;
        return false;
    }
    int64_t old = atomic_load_explicit(tat, memory_order_relaxed);
    for (;;) {
        int64_t next = (old > now ? old : now) + step;
        int64_t early = next - limit.tolerance_ns - now;
        if (early > 0) {
            *ret_wait_ms = (early + NS_PER_MS - 1) / NS_PER_MS;
            return false;
        }
        if (atomic_compare_exchange_weak_explicit(tat, &old, next, memory_order_relaxed, memory_order_relaxed)) {
            return true;
        }
    }
}
