/* Answers to lookups in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "destination/code_internal.h"

enum { TTL_MS = 1000 };

static struct hash128 key(uint64_t n) {
    return hash128(slice_of((const char *)&n, sizeof n));
}

static void an_answer_is_given_until_it_is_old(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 0, 0);
    assert_null(code_cache_get(key(1), &arena).ptr);
    code_cache_put(key(1), SLICE("one"), TTL_MS);
    assert_string_equal(code_cache_get(key(1), &arena).ptr, "one");
    code_cache_put(key(1), SLICE("more"), TTL_MS);
    assert_string_equal(code_cache_get(key(1), &arena).ptr, "more");
    assert_null(code_cache_get(key(2), &arena).ptr);
    clock_test_advance(TTL_MS);
    assert_null(code_cache_get(key(1), &arena).ptr);
    arena_fini(&arena);
}

static void memory_is_bounded_and_the_newest_stay(void **state) {
    (void)state;
    enum { MANY = 20000 };
    static char large[(8 << 20) + 1];
    struct arena arena;
    arena_init(&arena, 0, 0);
    size_t there = 0;
    for (uint64_t i = 0; i < MANY; i++) {
        code_cache_put(key(i), SLICE("x"), TTL_MS + (int64_t)i);
    }
    for (uint64_t i = 0; i < MANY; i++) {
        there += code_cache_get(key(i), &arena).ptr != NULL;
    }
    assert_true(there > 3000 && there <= 4096);
    assert_non_null(code_cache_get(key(MANY - 1), &arena).ptr);
    code_cache_put(key(MANY), slice_of(large, sizeof large), TTL_MS);
    assert_null(code_cache_get(key(MANY), &arena).ptr);
    arena_fini(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_given_until_it_is_old),
        cmocka_unit_test(memory_is_bounded_and_the_newest_stay),
    };
    clock_test_start(1786060800000);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
