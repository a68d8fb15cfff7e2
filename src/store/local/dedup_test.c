/* Message ids: exact within the window, bounded, and right while tables grow. */
#include "store/local/dedup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define WINDOW 1000

static bool seen(struct local_dedup *dedup, uint64_t id, int64_t ms, uint64_t *ret_first) {
    *ret_first = 0;
    return local_dedup_seen(dedup, hash128(slice_of((const char *)&id, sizeof id)), 1, ms, id, ret_first);
}

static void an_id_is_known_to_the_last_millisecond_of_the_window(void **state) {
    (void)state;
    struct local_dedup dedup;
    uint64_t first;
    local_dedup_init(&dedup, WINDOW, 1000000);
    assert_false(seen(&dedup, 7, 5000, &first));
    assert_true(seen(&dedup, 7, 6000, &first));
    assert_int_equal(7, first);
    assert_false(seen(&dedup, 7, 6001, &first)); /* and is seen first again */
    assert_true(seen(&dedup, 7, 7001, &first));
    local_dedup_fini(&dedup);
}

static void ids_live_through_the_turn_of_generations(void **state) {
    (void)state;
    struct local_dedup dedup;
    uint64_t first;
    local_dedup_init(&dedup, WINDOW, 1000000);
    assert_false(seen(&dedup, 1, 0, &first));
    assert_false(seen(&dedup, 2, 900, &first));
    assert_false(seen(&dedup, 3, 1500, &first)); /* turns */
    assert_true(seen(&dedup, 2, 1900, &first));
    assert_false(seen(&dedup, 1, 1900, &first));
    assert_false(seen(&dedup, 2, 1901, &first));
    assert_int_equal(0, dedup.evicted);
    local_dedup_fini(&dedup);
}

static void nothing_is_lost_while_the_table_grows(void **state) {
    (void)state;
    enum { IDS = 200000 };
    struct local_dedup dedup;
    uint64_t first;
    local_dedup_init(&dedup, INT64_C(1000000000), 1000000);
    for (uint64_t i = 0; i < IDS; i++) {
        assert_false(seen(&dedup, i, (int64_t)i, &first));
        uint64_t before = i * 7919 % (i + 1);
        assert_true(seen(&dedup, before, (int64_t)i, &first));
        assert_int_equal(before, first);
    }
    assert_int_equal(IDS, dedup.entries);
    assert_int_equal(0, dedup.oldest_ms);
    local_dedup_fini(&dedup);
}

static void past_its_bound_the_oldest_half_is_forgotten_and_counted(void **state) {
    (void)state;
    struct local_dedup dedup;
    uint64_t first;
    local_dedup_init(&dedup, INT64_C(1000000000), 1000);
    for (uint64_t i = 0; i < 1500; i++) {
        assert_false(seen(&dedup, i, 0, &first));
    }
    assert_int_equal(500, dedup.evicted);
    assert_false(seen(&dedup, 1500, 0, &first));
    assert_int_equal(1000, dedup.evicted);
    assert_true(dedup.entries <= 1000);
    assert_true(seen(&dedup, 1499, 0, &first));
    assert_true(seen(&dedup, 1000, 0, &first));
    assert_false(seen(&dedup, 3, 0, &first));
    local_dedup_fini(&dedup);
}

static void a_forgotten_id_is_new_and_its_neighbours_stay(void **state) {
    (void)state;
    struct local_dedup dedup;
    uint64_t first;
    local_dedup_init(&dedup, WINDOW, 1000000);
    for (uint64_t i = 0; i < 600; i++) {
        assert_false(seen(&dedup, i, 0, &first));
    }
    for (uint64_t i = 0; i < 600; i += 2) {
        local_dedup_forget(&dedup, hash128(slice_of((const char *)&i, sizeof i)), 1);
    }
    for (uint64_t i = 0; i < 600; i++) {
        assert_int_equal(i % 2 != 0, seen(&dedup, i, 1, &first));
    }
    local_dedup_fini(&dedup);
}

static void a_source_does_not_see_the_ids_of_another(void **state) {
    (void)state;
    struct local_dedup dedup;
    uint64_t first;
    local_dedup_init(&dedup, WINDOW, 1000000);
    struct hash128 id = hash128(SLICE("id"));
    assert_false(local_dedup_seen(&dedup, id, 1, 0, 0, &first));
    assert_false(local_dedup_seen(&dedup, id, 2, 0, 1, &first));
    assert_true(local_dedup_seen(&dedup, id, 1, 0, 2, &first));
    assert_int_equal(0, first);
    local_dedup_fini(&dedup);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_known_to_the_last_millisecond_of_the_window),
        cmocka_unit_test(ids_live_through_the_turn_of_generations),
        cmocka_unit_test(nothing_is_lost_while_the_table_grows),
        cmocka_unit_test(past_its_bound_the_oldest_half_is_forgotten_and_counted),
        cmocka_unit_test(a_forgotten_id_is_new_and_its_neighbours_stay),
        cmocka_unit_test(a_source_does_not_see_the_ids_of_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
