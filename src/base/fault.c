/* Armed fault points. The table is written by fault_arm and read by fault_hit under relaxed atomics: arming while the
 * point is being passed may or may not count that pass. */
#include "base/fault.h"

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

enum fault_action { ACTION_OFF, ACTION_KILL, ACTION_FAIL, ACTION_STOP };

struct fault_point {
    _Atomic int action;
    _Atomic uint64_t first; /* the pass that acts */
    atomic_bool onwards;    /* and all after it */
    _Atomic uint64_t passes;
};

static const char *const names[FAULT_COUNT] = {
#define F(name, text) #name,
#include "base/fault.def"
#undef F
};
static const struct slice action_names[] = {SLICE("off"), SLICE("kill"), SLICE("fail"), SLICE("stop")};

static struct fault_point points[FAULT_COUNT];
bool fault_any_armed;

const char *fault_name(enum fault fault) {
    ASSERT((unsigned)fault < FAULT_COUNT);
    return names[fault];
}

bool fault_hit(enum fault fault) {
    struct fault_point *point = &points[fault];
    int action = atomic_load(&point->action);
    if (action == ACTION_OFF) {
        return false;
    }
    uint64_t pass = atomic_fetch_add(&point->passes, 1) + 1;
    uint64_t first = atomic_load(&point->first);
    if (pass < first || (pass > first && !atomic_load(&point->onwards))) {
        return false;
    }
    if (action == ACTION_KILL) {
        kill(getpid(), SIGKILL);
    }
    if (action == ACTION_FAIL) {
        return true;
    }
    for (;;) {
        pause(); /* stop, or the moment before the kill arrives */
    }
}

static enum err find_fault(struct slice name, struct errinfo *why, size_t *ret_fault) {
    unsigned nearest_distance = UINT32_MAX;
    const char *nearest = "";
    for (size_t i = 0; i < FAULT_COUNT; i++) {
        struct slice known = slice_cstr(names[i]);
        if (slice_eq_nocase(known, name)) {
            *ret_fault = i;
            return OK;
        }
        unsigned distance = slice_distance(known, name);
        if (distance < nearest_distance) {
            nearest_distance = distance;
            nearest = names[i];
        }
    }
    return err_why(
        ERR_UNKNOWN_KEY, why, "SLUICE_FAULTS", "no fault point \"%.*s\"; nearest is %s", SLICE_ARG(name), nearest);
}

static enum err find_action(struct slice name, struct errinfo *why, int *ret_action) {
    for (size_t i = 0; i < COUNT_OF(action_names); i++) {
        if (slice_eq(action_names[i], name)) {
            *ret_action = (int)i;
            return OK;
        }
    }
    return err_why(ERR_INVALID, why, "SLUICE_FAULTS", "no action \"%.*s\"; kill, fail, stop or off", SLICE_ARG(name));
}

/* name=action[@hit[+]] */
static enum err arm_one(struct slice spec, struct errinfo *why) {
    struct slice rest, hit;
    struct slice name = slice_trim(slice_cut(spec, '=', &rest));
    struct slice action_text = slice_trim(slice_cut(rest, '@', &hit));
    size_t fault = 0;
    int action = ACTION_OFF;
    enum err e = find_fault(name, why, &fault);
    if (e == OK) {
        e = find_action(action_text, why, &action);
    }
    if (e != OK) {
        return e;
    }
    uint64_t first = 1;
    bool onwards = hit.len > 0 && hit.ptr[hit.len - 1] == '+';
    hit.len -= onwards;
    if (hit.ptr != NULL && (slice_to_u64(hit, &first) != OK || first == 0)) {
        return err_why(ERR_INVALID, why, "SLUICE_FAULTS", "\"%.*s\": the hit is a number from 1, or a number and +",
            SLICE_ARG(spec));
    }
    struct fault_point *point = &points[fault];
    atomic_store(&point->passes, 0);
    atomic_store(&point->first, first);
    atomic_store(&point->onwards, onwards);
    atomic_store(&point->action, action);
    return OK;
}

enum err fault_arm(struct slice spec, struct errinfo *why) {
    while (spec.len > 0) {
        struct slice rest;
        struct slice one = slice_trim(slice_cut(spec, ',', &rest));
        spec = rest;
        if (one.len == 0) {
            continue;
        }
        enum err e = arm_one(one, why);
        if (e != OK) {
            return e;
        }
    }
    bool any = false;
    for (size_t i = 0; i < FAULT_COUNT; i++) {
        any |= atomic_load(&points[i].action) != ACTION_OFF;
    }
    __atomic_store_n(&fault_any_armed, any, __ATOMIC_RELAXED);
    return OK;
}
