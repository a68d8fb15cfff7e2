/* The audit's baseline survives on disk, and a damaged file is refused whole. */
#include "control/audit_file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], path[128];

static int make_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/sluice-audit-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/audit.json", folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void write_text(const char *text) {
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static void what_was_saved_is_loaded(void **state) {
    (void)state;
    struct baselines list = {.rows = NULL}, loaded;
    *baselines_put(&list, 1) = (struct baseline){1, UINT64_MAX, 10, 5, true, 0};
    *baselines_put(&list, UINT64_MAX) = (struct baseline){UINT64_MAX, 2, 0, 0, true, 0};
    assert_int_equal(baselines_save(&list, path, NULL), OK);
    assert_int_equal(baselines_load(&loaded, path, NULL), OK);
    assert_int_equal(loaded.count, 2);
    const struct baseline *row = baselines_find(&loaded, 1);
    assert_non_null(row);
    assert_true(row->sources == UINT64_MAX && row->offset == 10 && row->in == 5 && row->ready);
    assert_non_null(baselines_find(&loaded, UINT64_MAX));
    baselines_fini(&list);
    baselines_fini(&loaded);
}

static void a_row_that_is_not_ready_is_not_saved(void **state) {
    (void)state;
    struct baselines list = {.rows = NULL}, loaded;
    baselines_put(&list, 1)->ready = false;
    assert_int_equal(baselines_save(&list, path, NULL), OK);
    assert_int_equal(baselines_load(&loaded, path, NULL), OK);
    assert_int_equal(loaded.count, 0);
    baselines_fini(&list);
    baselines_fini(&loaded);
}

static void no_file_yet_is_not_found(void **state) {
    (void)state;
    struct baselines loaded;
    assert_int_equal(baselines_load(&loaded, "/tmp/sluice-no-such-folder/audit.json", NULL), ERR_NOT_FOUND);
    assert_int_equal(loaded.count, 0);
}

static void a_damaged_file_is_refused_whole(void **state) {
    (void)state;
    static const char *const damaged[] = {
        "",
        "{\"version\":1,\"destinations\":[{\"destination\":1,\"sources\":2,\"offset\":3,\"in\":4}",
        "{\"version\":1}",
        "{\"version\":2,\"destinations\":[]}",
        "{\"version\":1,\"destinations\":[{\"destination\":1,\"sources\":2,\"offset\":3,\"in\":4},{\"destination\":1}]}",
        "{\"version\":1,\"destinations\":[{\"destination\":-1,\"sources\":2,\"offset\":3,\"in\":4}]}",
        "{\"version\":1,\"destinations\":[7]}",
    };
    for (size_t i = 0; i < COUNT_OF(damaged); i++) {
        struct baselines loaded;
        struct errinfo why = {.at = 0};
        write_text(damaged[i]);
        assert_int_equal(baselines_load(&loaded, path, &why), ERR_CORRUPT);
        assert_int_equal(loaded.count, 0);
        assert_string_equal(why.path, path);
    }
}

static void rows_are_put_once_and_removed(void **state) {
    (void)state;
    struct baselines list = {.rows = NULL};
    for (uint64_t i = 0; i < 100; i++) {
        baselines_put(&list, i)->in = i;
        baselines_put(&list, i)->offset = i;
    }
    assert_int_equal(list.count, 100);
    baselines_remove(&list, 0);
    baselines_remove(&list, 0);
    assert_int_equal(list.count, 99);
    assert_null(baselines_find(&list, 0));
    assert_int_equal(baselines_find(&list, 99)->in, 99);
    baselines_fini(&list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_saved_is_loaded),
        cmocka_unit_test(a_row_that_is_not_ready_is_not_saved),
        cmocka_unit_test(no_file_yet_is_not_found),
        cmocka_unit_test(a_damaged_file_is_refused_whole),
        cmocka_unit_test(rows_are_put_once_and_removed),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
