/* Histograms and the Prometheus text. */
#include "base/stat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct toy_stat {
    STAT_FIELD_COUNTER(requests)
    STAT_FIELD_GAUGE(held)
    STAT_FIELD_GAUGE(open)
    STAT_FIELD_HISTOGRAM(ack)
};

static const struct stat_info infos[] = {STAT_INFO_(struct toy_stat, requests, COUNTER, "requests", "requests seen")
        STAT_INFO_(struct toy_stat, held, GAUGE, "bytes", "a back\\slash\nand a line") STAT_INFO_(struct toy_stat, open,
            GAUGE, "", "open connections") STAT_INFO_(struct toy_stat, ack, HISTOGRAM, "us", "time to acknowledge")};

static struct stat_group toy_group(const struct toy_stat *values, const char *labels) {
    struct stat_group group = {.module = "toy", .info = infos, .info_count = COUNT_OF(infos), .base = values};
    snprintf(group.labels, sizeof group.labels, "%s", labels);
    return group;
}

static char *print_all(struct buf *out) {
    buf_init(out, 0);
    stat_print_prometheus(out);
    assert_int_equal(buf_append_byte(out, '\0'), OK);
    return out->ptr;
}

static size_t count_of(const char *text, const char *part) {
    size_t n = 0;
    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part)) {
        n++;
    }
    return n;
}

static void a_value_falls_in_the_first_bucket_that_holds_it(void **state) {
    (void)state;
    const struct {
        uint64_t us;
        unsigned bucket;
    } rows[] = {{0, 0}, {1, 0}, {64, 0}, {65, 1}, {128, 1}, {129, 2}, {256, 2}, {257, 3}, {UINT64_C(64) << 18, 18},
        {(UINT64_C(64) << 18) + 1, 19}, {UINT64_MAX, 19}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct stat_histogram h = {0};
        stat_observe(&h, rows[i].us);
        assert_int_equal(stat_get(&h.bucket[rows[i].bucket]), 1);
        assert_int_equal(stat_get(&h.count), 1);
    }
}

static void quantiles_are_upper_bounds_of_buckets(void **state) {
    (void)state;
    struct stat_histogram h = {0};
    assert_int_equal(stat_quantile(&h, 0.5), 0);
    for (int i = 0; i < 98; i++) {
        stat_observe(&h, 100);
    }
    stat_observe(&h, 5000);
    stat_observe(&h, 5000);
    assert_int_equal(stat_quantile(&h, 0), 128);
    assert_int_equal(stat_quantile(&h, 0.5), 128);
    assert_int_equal(stat_quantile(&h, 0.98), 128);
    assert_int_equal(stat_quantile(&h, 0.99), 8192);
    assert_int_equal(stat_quantile(&h, 1), 8192);
}

static void prometheus_text_names_each_metric_once_and_lists_all_label_sets(void **state) {
    (void)state;
    struct toy_stat a = {0}, b = {0};
    stat_add(&a.requests, 3);
    stat_set(&a.held, -5);
    stat_set(&b.open, 7);
    struct stat_group group_a = toy_group(&a, "destination=\"d1\""), group_b = toy_group(&b, "destination=\"d2\"");
    stat_group_add(&group_a);
    stat_group_add(&group_b);
    struct buf out;
    char *text = print_all(&out);
    assert_int_equal(count_of(text, "# TYPE sluice_toy_requests_total counter\n"), 1);
    assert_int_equal(count_of(text, "# HELP sluice_toy_requests_total requests seen\n"), 1);
    assert_non_null(strstr(text,
        "\nsluice_toy_requests_total{destination=\"d1\"} 3\n"
        "sluice_toy_requests_total{destination=\"d2\"} 0\n"));
    assert_non_null(strstr(
        text, "# HELP sluice_toy_held_bytes a back\\\\slash\\nand a line\n# TYPE sluice_toy_held_bytes gauge\n"));
    assert_non_null(strstr(text, "sluice_toy_held_bytes{destination=\"d1\"} -5\n"));
    assert_non_null(strstr(text, "sluice_toy_open{destination=\"d2\"} 7\n"));
    buf_fini(&out);
    stat_group_remove(&group_a);
    stat_group_remove(&group_b);
}

static void a_histogram_is_printed_in_seconds_with_cumulative_buckets(void **state) {
    (void)state;
    struct toy_stat values = {0};
    stat_observe(&values.ack, 50);
    stat_observe(&values.ack, 100);
    stat_observe(&values.ack, 100000000);
    struct stat_group group = toy_group(&values, "");
    stat_group_add(&group);
    struct buf out;
    char *text = print_all(&out);
    assert_non_null(strstr(text, "# TYPE sluice_toy_ack_seconds histogram\n"));
    assert_non_null(strstr(text, "sluice_toy_ack_seconds_bucket{le=\"0.000064\"} 1\n"));
    assert_non_null(strstr(text, "sluice_toy_ack_seconds_bucket{le=\"0.000128\"} 2\n"));
    assert_non_null(strstr(text, "sluice_toy_ack_seconds_bucket{le=\"16.777216\"} 2\n"));
    assert_non_null(strstr(text, "sluice_toy_ack_seconds_bucket{le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(text, "sluice_toy_ack_seconds_sum 100.000150\n"));
    assert_non_null(strstr(text, "sluice_toy_ack_seconds_count 3\n"));
    assert_int_equal(count_of(text, "_bucket{"), STAT_BUCKETS);
    buf_fini(&out);
    stat_group_remove(&group);
}

static void a_removed_set_is_not_printed(void **state) {
    (void)state;
    struct toy_stat values = {0};
    struct stat_group group = toy_group(&values, "");
    stat_group_add(&group);
    stat_group_remove(&group);
    struct buf out;
    assert_string_equal(print_all(&out), "");
    buf_fini(&out);
}

static void on_each(void *ctx, const struct stat_group *group, const struct stat_info *info) {
    size_t *seen = ctx;
    assert_string_equal(group->module, "toy");
    assert_string_equal(info->name, infos[*seen % COUNT_OF(infos)].name);
    ++*seen;
}

static void each_visits_every_value_of_every_set(void **state) {
    (void)state;
    struct toy_stat a = {0}, b = {0};
    struct stat_group group_a = toy_group(&a, ""), group_b = toy_group(&b, "x=\"y\"");
    stat_group_add(&group_a);
    stat_group_add(&group_b);
    size_t seen = 0;
    stat_each(on_each, &seen);
    assert_int_equal(seen, 2 * COUNT_OF(infos));
    stat_group_remove(&group_a);
    stat_group_remove(&group_b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_falls_in_the_first_bucket_that_holds_it),
        cmocka_unit_test(quantiles_are_upper_bounds_of_buckets),
        cmocka_unit_test(prometheus_text_names_each_metric_once_and_lists_all_label_sets),
        cmocka_unit_test(a_histogram_is_printed_in_seconds_with_cumulative_buckets),
        cmocka_unit_test(a_removed_set_is_not_printed),
        cmocka_unit_test(each_visits_every_value_of_every_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
