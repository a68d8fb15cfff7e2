/* What is kept of lookups' answers, and for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "destination/code_internal.h"

enum { HOUR_MS = 3600000, LARGE = 1 << 20, MANY = 80 };

static struct hash128 key_of(unsigned number) {
    return hash128(slice_of((const char *)&number, sizeof number));
}

static void *large_text(struct arena *arena, size_t len) {
    char *text = arena_alloc(arena, len);
    memset(text, 'x', len);
    return text;
}

static void an_answer_is_known_until_its_time_is_over(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 4096, 0);
    code_cache_put(key_of(1), SLICE("{\"status\":200}"), HOUR_MS);
    assert_true(slice_eq(code_cache_get(key_of(1), &arena), SLICE("{\"status\":200}")));
    assert_null(code_cache_get(key_of(2), &arena).ptr);
    clock_test_advance(HOUR_MS);
    assert_null(code_cache_get(key_of(1), &arena).ptr);
    arena_fini(&arena);
}

static void a_later_answer_replaces_the_one_before(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 4096, 0);
    code_cache_put(key_of(1), SLICE("old"), HOUR_MS);
    code_cache_put(key_of(1), SLICE("new"), HOUR_MS);
    assert_true(slice_eq(code_cache_get(key_of(1), &arena), SLICE("new")));
    arena_fini(&arena);
}

static void answers_that_are_too_many_go_and_the_last_stays(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 4096, 0);
    struct slice large = slice_of(large_text(&arena, LARGE), LARGE);
    for (unsigned i = 0; i < MANY; i++) {
        code_cache_put(key_of(i), large, HOUR_MS);
    }
    assert_null(code_cache_get(key_of(0), &arena).ptr);
    assert_int_equal(code_cache_get(key_of(MANY - 1), &arena).len, LARGE);
    arena_fini(&arena);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_known_until_its_time_is_over),
        cmocka_unit_test(a_later_answer_replaces_the_one_before),
        cmocka_unit_test(answers_that_are_too_many_go_and_the_last_stays),
    };
    clock_test_start(1000);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
