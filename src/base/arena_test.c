/* Arenas: alignment, zeroing, ceilings, oversize blocks, reset. */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static bool is_zero(const char *block, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (block[i] != 0) {
            return false;
        }
    }
    return true;
}

static void blocks_are_aligned_zeroed_and_apart(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 256, 0);
    const size_t sizes[] = {1, 15, 16, 17, 100, 0, 300, 5000, 3, 64};
    for (int round = 0; round < 3; round++) {
        char *last = NULL;
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            char *block = i % 2 == 0 ? arena_alloc(&arena, sizes[i]) : arena_try_alloc(&arena, sizes[i]);
            assert_non_null(block);
            assert_int_equal((uintptr_t)block % 16, 0);
            assert_true(is_zero(block, sizes[i]));
            memset(block, 0xaa, sizes[i]);
            assert_ptr_not_equal(block, last);
            last = sizes[i] > 0 ? block : NULL;
        }
        arena_reset(&arena);
        assert_int_equal(arena.used, 0);
    }
    arena_fini(&arena);
}

static void what_was_written_before_another_allocation_is_still_there(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 128, 0);
    struct slice texts[200];
    for (int i = 0; i < 200; i++) {
        texts[i] = arena_printf(&arena, "text number %d %*s", i, i % 90, "");
    }
    for (int i = 0; i < 200; i++) {
        char expected[128];
        snprintf(expected, sizeof expected, "text number %d %*s", i, i % 90, "");
        assert_true(slice_eq(texts[i], slice_cstr(expected)));
    }
    arena_fini(&arena);
}

static void a_peers_size_past_the_ceiling_gets_null_and_ours_does_not(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 64, 1000);
    assert_non_null(arena_try_alloc(&arena, 600));
    assert_null(arena_try_alloc(&arena, 600));
    assert_non_null(arena_try_alloc(&arena, 300));
    assert_null(arena_try_alloc(&arena, SIZE_MAX));
    assert_null(arena_try_alloc(&arena, SIZE_MAX - 8));
    assert_non_null(arena_alloc(&arena, 600));
    assert_null(arena_try_alloc(&arena, 1));
    arena_reset(&arena);
    assert_non_null(arena_try_alloc(&arena, 1000));
    arena_fini(&arena);
}

static void a_size_that_overflows_gets_null_without_a_ceiling_too(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 64, 0);
    assert_null(arena_try_alloc(&arena, SIZE_MAX));
    assert_null(arena_try_alloc(&arena, SIZE_MAX - 40));
    assert_null(mem_try_alloc(SIZE_MAX / 2));
    arena_fini(&arena);
}

static void an_oversize_block_leaves_the_room_of_the_current_chunk_in_use(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 1024, 0);
    char *before = arena_alloc(&arena, 16);
    assert_non_null(arena_alloc(&arena, 100000));
    char *after = arena_alloc(&arena, 16);
    assert_ptr_equal(after, before + 16);
    arena_fini(&arena);
}

static void reset_reuses_the_first_chunk(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 1024, 0);
    char *first = arena_alloc(&arena, 16);
    for (int i = 0; i < 1000; i++) {
        (void)arena_alloc(&arena, 100); /* only to make it grow */
    }
    arena_reset(&arena);
    assert_ptr_equal(arena_alloc(&arena, 16), first);
    arena_fini(&arena);
}

static void a_reset_arena_that_began_with_an_oversize_block_holds_nothing(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 64, 0);
    assert_non_null(arena_alloc(&arena, 1 << 20));
    arena_reset(&arena);
    assert_null(arena.head);
    assert_non_null(arena_alloc(&arena, 8));
    arena_fini(&arena);
}

static void a_copy_is_a_c_string_too(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 64, 0);
    struct slice copy = arena_dup(&arena, slice_of("abcdef", 3));
    assert_string_equal(copy.ptr, "abc");
    assert_int_equal(copy.len, 3);
    assert_string_equal(arena_dup(&arena, SLICE_NONE).ptr, "");
    assert_string_equal(arena_printf(&arena, "%d-%s", 5, "x").ptr, "5-x");
    arena_fini(&arena);
}

static void a_finished_arena_may_be_used_again(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 64, 100);
    assert_non_null(arena_try_alloc(&arena, 90));
    arena_fini(&arena);
    assert_non_null(arena_try_alloc(&arena, 90));
    assert_null(arena_try_alloc(&arena, 90));
    arena_fini(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_aligned_zeroed_and_apart),
        cmocka_unit_test(what_was_written_before_another_allocation_is_still_there),
        cmocka_unit_test(a_peers_size_past_the_ceiling_gets_null_and_ours_does_not),
        cmocka_unit_test(a_size_that_overflows_gets_null_without_a_ceiling_too),
        cmocka_unit_test(an_oversize_block_leaves_the_room_of_the_current_chunk_in_use),
        cmocka_unit_test(reset_reuses_the_first_chunk),
        cmocka_unit_test(a_reset_arena_that_began_with_an_oversize_block_holds_nothing),
        cmocka_unit_test(a_copy_is_a_c_string_too),
        cmocka_unit_test(a_finished_arena_may_be_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
