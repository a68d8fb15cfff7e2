/* Counters, gauges and histograms. Each module lists its own in <module>_stat.def:
 *     S(name, COUNTER|GAUGE|HISTOGRAM, unit, "help")
 * and expands it with STAT_FIELD_<kind> and STAT_INFO_. Sets are registered with labels and printed by /metrics and
 * `stat`. Names on the wire: sluice_<module>_<name>[_total|_<unit>]. Writers use relaxed atomics; readers may see a set
 * mid-update. */
#ifndef SLUICE_BASE_STAT_H
#define SLUICE_BASE_STAT_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"

enum stat_kind { STAT_COUNTER, STAT_GAUGE, STAT_HISTOGRAM };

typedef _Atomic int64_t stat_value; /* the one typedef: an atomic cannot be named shorter */

#define STAT_BUCKETS 20
/* Latency in microseconds, bucket i counts values <= 64 << i; the last is open. */
struct stat_histogram {
    stat_value bucket[STAT_BUCKETS];
    stat_value count, sum;
};

struct stat_info {
    const char *name;
    enum stat_kind kind;
    const char *unit;
    const char *help;
    size_t offset; /* in the module's struct */
};

#define STAT_FIELD_COUNTER(name) stat_value name;
#define STAT_FIELD_GAUGE(name) stat_value name;
#define STAT_FIELD_HISTOGRAM(name) struct stat_histogram name;
/* The struct and its rows:
 *     struct gateway_stat {
 *     #define S(name, kind, unit, help) STAT_FIELD_##kind(name)
 *     #include "gateway/gateway_stat.def"
 *     };
 *     static const struct stat_info infos[] = {
 *     #define S(name, kind, unit, help) STAT_INFO_(struct gateway_stat, name, kind, unit, help)
 *     #include "gateway/gateway_stat.def"
 *     }; */
#define STAT_INFO_(owner, name, kind, unit, help) {#name, STAT_##kind, unit, help, offsetof(owner, name)},

static inline void stat_add(stat_value *v, int64_t n) {
    atomic_fetch_add_explicit(v, n, memory_order_relaxed);
}
static inline void stat_set(stat_value *v, int64_t n) {
    atomic_store_explicit(v, n, memory_order_relaxed);
}
static inline int64_t stat_get(const stat_value *v) {
    return atomic_load_explicit(v, memory_order_relaxed);
}
void stat_observe(struct stat_histogram *h, uint64_t microseconds);
/* Upper bound of the bucket that holds the q-quantile (0..1), microseconds. */
uint64_t stat_quantile(const struct stat_histogram *h, double q);

/* One registered set: the caller's memory, alive until stat_group_remove. */
struct stat_group {
    struct stat_group *next;
    const char *module; /* "gateway" */
    const struct stat_info *info;
    size_t info_count;
    const void *base; /* the struct of values */
    char labels[256]; /* `destination="d1"`, already escaped; "" = none */
};
void stat_group_add(struct stat_group *group);
void stat_group_remove(struct stat_group *group);
/* Prometheus text format 0.0.4 of all sets, grouped by metric with HELP and TYPE once. */
void stat_print_prometheus(struct buf *out);
/* Calls `each` for every value of every set, under the registry's lock: `each` only reads and must not add or remove
 * sets. */
void stat_each(void (*each)(void *ctx, const struct stat_group *group, const struct stat_info *info), void *ctx);

#endif
