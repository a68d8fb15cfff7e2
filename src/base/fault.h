/* Named fault points (fault.def), armed by SLUICE_FAULTS="name=action[@hit][,…]" or by fault_arm: action is kill
 * (SIGKILL to ourselves), fail (the call site fails as its comment says), stop (blocks for good) or off (disarms).
 * @hit: the n-th pass, 1 by default; @n+: from the n-th on. Always compiled in; unarmed it costs one predictable
 * branch. Thread-safe. */
#ifndef SLUICE_BASE_FAULT_H
#define SLUICE_BASE_FAULT_H

#include <stdbool.h>

#include "base/slice.h"

enum fault {
#define F(name, text) FAULT_##name,
#include "base/fault.def"
#undef F
    FAULT_COUNT
};

extern bool fault_any_armed;
bool fault_hit(enum fault fault); /* slow path */
const char *fault_name(enum fault fault);
MUST enum err fault_arm(struct slice spec, struct errinfo *why);

/* True when the call site must fail now. kill and stop do not return. */
#define FAULT(name) (UNLIKELY(__atomic_load_n(&fault_any_armed, __ATOMIC_RELAXED)) && fault_hit(FAULT_##name))

#endif
