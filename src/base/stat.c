/* Histograms, the registry of counter sets, and their Prometheus text.
 *
 * thread: stat_observe and the inline writers from any; the registry is under a mutex, also while it is printed: a
 * set's memory goes away after stat_group_remove has returned. */
#include "base/stat.h"

#include <pthread.h>

static pthread_mutex_t groups_lock = PTHREAD_MUTEX_INITIALIZER;
static struct stat_group *groups;

void stat_observe(struct stat_histogram *h, uint64_t microseconds) {
    unsigned bucket = 0;
    if (microseconds > 64) {
        /* smallest i with microseconds <= 64 << i */
        bucket = (unsigned)(64 - __builtin_clzll((microseconds - 1) >> 6));
    }
    if (bucket >= STAT_BUCKETS) {
        bucket = STAT_BUCKETS - 1;
    }
    stat_add(&h->bucket[bucket], 1);
    stat_add(&h->count, 1);
    stat_add(&h->sum, (int64_t)(microseconds > INT64_MAX ? INT64_MAX : microseconds));
}

uint64_t stat_quantile(const struct stat_histogram *h, double q) {
    int64_t total = 0;
    for (unsigned i = 0; i < STAT_BUCKETS; i++) {
        total += stat_get(&h->bucket[i]);
    }
    if (total == 0) {
        return 0;
    }
    double rank = q * (double)total;
    int64_t seen = 0;
    for (unsigned i = 0; i < STAT_BUCKETS; i++) {
        seen += stat_get(&h->bucket[i]);
        if (seen > 0 && (double)seen >= rank) {
            return UINT64_C(64) << i;
        }
    }
    return UINT64_C(64) << (STAT_BUCKETS - 1);
}

void stat_group_add(struct stat_group *group) {
    pthread_mutex_lock(&groups_lock);
    struct stat_group **link = &groups;
    while (*link != NULL) {
        ASSERT(*link != group);
        link = &(*link)->next;
    }
    group->next = NULL;
    *link = group;
    pthread_mutex_unlock(&groups_lock);
}

void stat_group_remove(struct stat_group *group) {
    pthread_mutex_lock(&groups_lock);
    for (struct stat_group **link = &groups; *link != NULL; link = &(*link)->next) {
        if (*link == group) {
            *link = group->next;
            break;
        }
    }
    pthread_mutex_unlock(&groups_lock);
}

/* sluice_<module>_<name>[_total|_<unit>] */
static void print_name(struct buf *out, const struct stat_group *group, const struct stat_info *info) {
    buf_printf(out, "sluice_%s_%s", group->module, info->name);
    if (info->kind == STAT_COUNTER) {
        buf_append(out, SLICE("_total"));
    } else if (info->kind == STAT_HISTOGRAM) {
        buf_append(out, SLICE("_seconds"));
    } else if (info->unit[0] != '\0') {
        buf_printf(out, "_%s", info->unit);
    }
}

static void print_help(struct buf *out, const struct stat_group *group, const struct stat_info *info) {
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    buf_append(out, SLICE("# HELP "));
    print_name(out, group, info);
    buf_append_byte(out, ' ');
    for (const char *c = info->help; *c != '\0'; c++) {
        if (*c == '\\') {
            buf_append(out, SLICE("\\\\"));
        } else if (*c == '\n') {
            buf_append(out, SLICE("\\n"));
        } else {
            buf_append_byte(out, *c);
        }
    }
    buf_append(out, SLICE("\n# TYPE "));
    print_name(out, group, info);
    buf_printf(out, " %s\n", kinds[info->kind]);
}

static void print_labels(struct buf *out, const struct stat_group *group) {
    if (group->labels[0] != '\0') {
        buf_printf(out, "{%s}", group->labels);
    }
}

static void print_histogram(
    struct buf *out, const struct stat_group *group, const struct stat_info *info, const struct stat_histogram *h) {
    const char *comma = group->labels[0] != '\0' ? "," : "";
    int64_t seen = 0;
    for (unsigned i = 0; i < STAT_BUCKETS; i++) {
        seen += stat_get(&h->bucket[i]);
        print_name(out, group, info);
        if (i + 1 < STAT_BUCKETS) {
            buf_printf(out, "_bucket{%s%sle=\"%.6f\"} %ld\n", group->labels, comma, (double)(UINT64_C(64) << i) / 1e6,
                (long)seen);
        } else {
            buf_printf(out, "_bucket{%s%sle=\"+Inf\"} %ld\n", group->labels, comma, (long)seen);
        }
    }
    print_name(out, group, info);
    buf_append(out, SLICE("_sum"));
    print_labels(out, group);
    buf_printf(out, " %.6f\n", (double)stat_get(&h->sum) / 1e6);
    print_name(out, group, info);
    buf_append(out, SLICE("_count"));
    print_labels(out, group);
    buf_printf(out, " %ld\n", (long)seen); /* not h->count: it must equal the last bucket, also mid-update */
}

static void print_value(struct buf *out, const struct stat_group *group, const struct stat_info *info) {
    const void *at = (const char *)group->base + info->offset;
    if (info->kind == STAT_HISTOGRAM) {
        print_histogram(out, group, info, at);
        return;
    }
    print_name(out, group, info);
    print_labels(out, group);
    buf_printf(out, " %ld\n", (long)stat_get(at));
}

/* Sets of one table share its pointer; the first of them prints all. */
static bool is_first_of_table(const struct stat_group *group) {
    const struct stat_group *other = groups;
    while (other != group && other->info != group->info) {
        other = other->next;
    }
    return other == group;
}

static void print_table(struct buf *out, const struct stat_group *first) {
    for (size_t i = 0; i < first->info_count; i++) {
        print_help(out, first, &first->info[i]);
        for (const struct stat_group *group = first; group != NULL; group = group->next) {
            if (group->info == first->info) {
                print_value(out, group, &group->info[i]);
            }
        }
    }
}

void stat_print_prometheus(struct buf *out) {
    pthread_mutex_lock(&groups_lock);
    for (const struct stat_group *group = groups; group != NULL; group = group->next) {
        if (is_first_of_table(group)) {
            print_table(out, group);
        }
    }
    pthread_mutex_unlock(&groups_lock);
}

void stat_each(void (*each)(void *ctx, const struct stat_group *group, const struct stat_info *info), void *ctx) {
    pthread_mutex_lock(&groups_lock);
    for (const struct stat_group *group = groups; group != NULL; group = group->next) {
        for (size_t i = 0; i < group->info_count; i++) {
            each(ctx, group, &group->info[i]);
        }
    }
    pthread_mutex_unlock(&groups_lock);
}
