/* The table from 64-bit keys to pointers. */
#include "model/key_table.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define KEYS 5000

static void every_key_is_found_after_growing(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 4096, 0);
    struct key_table table = {.count = 0};
    static char values[KEYS];
    for (uint64_t i = 0; i < KEYS; i++) {
        /* keys that agree in their low bits, so that probes run into each other */
        assert_null(key_table_put(&table, &arena, i << 40 | (i & 3), &values[i]));
    }
    for (uint64_t i = 0; i < KEYS; i++) {
        assert_ptr_equal(key_table_find(&table, i << 40 | (i & 3)), &values[i]);
    }
    assert_null(key_table_find(&table, UINT64_MAX));
    assert_int_equal(table.count, KEYS);
    arena_fini(&arena);
}

static void a_key_that_is_there_keeps_its_value(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 4096, 0);
    struct key_table table = {.count = 0};
    char first, second;
    assert_null(key_table_put(&table, &arena, 0, &first));
    assert_ptr_equal(key_table_put(&table, &arena, 0, &second), &first);
    assert_ptr_equal(key_table_find(&table, 0), &first);
    arena_fini(&arena);
}

static void an_empty_table_finds_nothing(void **state) {
    (void)state;
    struct key_table table = {.count = 0};
    assert_null(key_table_find(&table, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_found_after_growing),
        cmocka_unit_test(a_key_that_is_there_keeps_its_value),
        cmocka_unit_test(an_empty_table_finds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
