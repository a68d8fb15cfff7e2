/* Histogram, arguments and clocks of the benchmark program. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench.h"

static size_t slot_of(uint64_t ns) {
    if (ns < HIST_STEPS) {
        return (size_t)ns;
    }
    unsigned power = 63U - (unsigned)__builtin_clzll(ns); /* >= 6 */
    size_t slot = (size_t)(power - 5) * HIST_STEPS + (size_t)((ns >> (power - 6)) - HIST_STEPS);
    return slot < (size_t)HIST_POWERS * HIST_STEPS ? slot : (size_t)HIST_POWERS * HIST_STEPS - 1;
}

static uint64_t value_of(size_t slot) {
    if (slot < HIST_STEPS) {
        return slot;
    }
    unsigned power = (unsigned)(slot / HIST_STEPS) + 5;
    return (uint64_t)(slot % HIST_STEPS + HIST_STEPS + 1) << (power - 6);
}

void hist_add(struct hist *hist, uint64_t ns) {
    hist->count++;
    hist->slots[slot_of(ns)]++;
    if (ns > hist->max) {
        hist->max = ns;
    }
}

uint64_t hist_quantile(const struct hist *hist, double q) {
    uint64_t want = (uint64_t)(q * (double)hist->count), seen = 0;
    for (size_t slot = 0; slot < (size_t)HIST_POWERS * HIST_STEPS; slot++) {
        seen += hist->slots[slot];
        if (seen > want) {
            return value_of(slot);
        }
    }
    return hist->max;
}

const char *arg_text(int argc, char **argv, const char *name, const char *fallback) {
    for (int i = 0; i + 1 < argc; i++) {
        if (strcmp(argv[i], name) == 0) {
            return argv[i + 1];
        }
    }
    return fallback;
}

uint64_t arg_u64(int argc, char **argv, const char *name, uint64_t fallback) {
    const char *text = arg_text(argc, argv, name, NULL);
    uint64_t value = fallback;
    if (text != NULL && slice_to_u64(slice_cstr(text), &value) != OK) {
        fprintf(stderr, "sluice-bench: %s wants a number, not \"%s\"\n", name, text);
        exit(2);
    }
    return value;
}

bool arg_flag(int argc, char **argv, const char *name) {
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static uint64_t clock_ns(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

uint64_t now_ns(void) {
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t cpu_ns(void) {
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}
