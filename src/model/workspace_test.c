/* Snapshots as others see them: loading a file, look-ups, references, the cell. */
#include "model/workspace.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/hash.h"
#include "json/json.h"

static struct workspace *parsed(struct slice text) {
    struct workspace *workspace = NULL;
    struct errinfo why = {.text = ""};
    assert_int_equal(workspace_parse(text, "w.yaml", NULL, &workspace, &why), OK);
    return workspace;
}

static struct workspace *named(const char *id) {
    char text[200];
    int len = snprintf(text, sizeof(text), "version: 1\nworkspace: {id: %s}\nsources: [{id: s, write_key: k}]\n", id);
    return parsed(slice_of(text, (size_t)len));
}

static struct workspace *large(int count) {
    struct buf text;
    buf_init(&text, 16 << 20);
    buf_printf(&text, "version: 1\nworkspace: {id: w}\nsources:\n");
    for (int i = 0; i < count; i++) {
        buf_printf(&text, "  - {id: s%d, write_key: key-%d}\n", i, i);
    }
    buf_printf(&text, "destinations:\n");
    for (int i = 0; i < count; i++) {
        buf_printf(&text, "  - {id: d%d, type: WEBHOOK, config: {n: %d}}\n", i, i);
    }
    buf_printf(&text, "connections:\n");
    for (int i = 0; i < count; i++) {
        buf_printf(&text, "  - {from: s%d, to: d%d}\n  - {from: s%d, to: d%d}\n", i, i, i, (i + 1) % count);
    }
    struct workspace *workspace = parsed(buf_slice(&text));
    buf_fini(&text);
    return workspace;
}

static void every_source_and_destination_is_found_by_each_of_its_names(void **state) {
    (void)state;
    enum { COUNT = 3000 };
    struct workspace *workspace = large(COUNT);
    for (int i = 0; i < COUNT; i++) {
        char id[32], write_key[32], destination[32];
        struct slice id_slice = slice_of(id, (size_t)snprintf(id, sizeof(id), "s%d", i));
        struct slice key_slice = slice_of(write_key, (size_t)snprintf(write_key, sizeof(write_key), "key-%d", i));
        struct slice to = slice_of(destination, (size_t)snprintf(destination, sizeof(destination), "d%d", i));
        const struct source *source = workspace_source_by_id(workspace, id_slice);
        assert_non_null(source);
        assert_true(slice_eq(source->write_key, key_slice));
        assert_ptr_equal(workspace_source_by_write_key(workspace, key_slice), source);
        assert_ptr_equal(workspace_source_by_key(workspace, hash64(id_slice)), source);
        assert_int_equal(source->connection_count, 2);
        assert_ptr_equal(source->connections[0]->source, source);
        assert_ptr_equal(source->connections[0]->destination, workspace_destination_by_key(workspace, hash64(to)));
    }
    assert_int_equal(workspace_info(workspace)->connection_count, 2 * COUNT);
    workspace_release(workspace);
}

static void what_is_not_there_is_not_found(void **state) {
    (void)state;
    struct workspace *workspace = named("w");
    assert_null(workspace_source_by_write_key(workspace, SLICE("K")));
    assert_null(workspace_source_by_write_key(workspace, SLICE_NONE));
    assert_null(workspace_source_by_id(workspace, SLICE("k")));
    assert_null(workspace_source_by_key(workspace, 0));
    assert_null(workspace_destination_by_key(workspace, hash64(SLICE("s"))));
    workspace_release(workspace);
}

static void a_config_can_be_parsed_where_it_lies(void **state) {
    (void)state;
    struct workspace *workspace = large(2);
    struct json_parser *parser = json_parser_new(8);
    struct json_doc doc;
    struct slice config = workspace_info(workspace)->destinations[1]->config;
    assert_int_equal(json_parse(parser, config, &doc, NULL), OK);
    int64_t n = 0;
    assert_int_equal(json_i64(&doc, json_find(&doc, 0, SLICE("n")), &n), OK);
    assert_int_equal(n, 1);
    json_parser_free(parser);
    workspace_release(workspace);
}

static void a_generation_is_larger_than_all_before_it(void **state) {
    (void)state;
    struct workspace *first = named("a");
    struct workspace *bad = NULL;
    assert_int_not_equal(workspace_parse(SLICE("version: 7"), "w.yaml", NULL, &bad, NULL), OK);
    struct workspace *second = named("b");
    assert_int_equal(workspace_info(second)->generation, workspace_info(first)->generation + 1);
    workspace_release(first);
    workspace_release(second);
}

static void a_file_is_loaded_and_named_in_messages(void **state) {
    (void)state;
    char path[] = "/tmp/workspace_test_XXXXXX";
    int fd = mkstemp(path);
    static const char text[] = "version: 1\nworkspace: {id: file}\n";
    assert_true(fd >= 0 && write(fd, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1);
    struct workspace *workspace = NULL;
    struct errinfo why = {.text = ""};
    assert_int_equal(workspace_load(path, NULL, &workspace, &why), OK);
    assert_true(slice_eq(workspace_info(workspace)->path, slice_cstr(path)));
    assert_true(workspace_info(workspace)->loaded_ms > 0);
    workspace_release(workspace);
    assert_int_equal(write(fd, "x: 1\n", 5), 5);
    assert_int_equal(workspace_load(path, NULL, &workspace, &why), ERR_UNKNOWN_KEY);
    assert_int_equal(strncmp(why.path, path, strlen(path)), 0);
    assert_string_equal(why.path + strlen(path), ":3:1");
    close(fd);
    unlink(path);
    assert_int_equal(workspace_load(path, NULL, &workspace, &why), ERR_NOT_FOUND);
    assert_string_equal(why.path, path);
}

static void a_file_past_the_limit_is_refused(void **state) {
    (void)state;
    char path[] = "/tmp/workspace_test_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && ftruncate(fd, (64 << 20) + 1) == 0);
    struct workspace *workspace = NULL;
    struct errinfo why = {.text = ""};
    assert_int_equal(workspace_load(path, NULL, &workspace, &why), ERR_TOO_LARGE);
    assert_string_equal(why.text, "is larger than the limit of 64 MiB");
    close(fd);
    unlink(path);
}

static void a_long_path_loses_its_beginning_and_not_the_line(void **state) {
    (void)state;
    char path[400];
    memset(path, 'd', sizeof(path));
    memcpy(path + sizeof(path) - 8, "/w.yaml", 8);
    struct workspace *workspace = NULL;
    struct errinfo why = {.text = ""};
    struct slice text = SLICE("version: 1\nworkspace: {id: w}\nsources: [{id: s, write_key: k, nmae: x}]\n");
    assert_int_equal(workspace_parse(text, path, NULL, &workspace, &why), ERR_UNKNOWN_KEY);
    assert_non_null(strstr(why.path, "ddd/w.yaml:3:33 sources[0]"));
    assert_string_equal(why.text, "unknown key 'nmae'; the nearest known key is 'name'");
}

static void a_snapshot_lives_until_its_last_holder_lets_go(void **state) {
    (void)state;
    struct workspace_cell *cell = workspace_cell_new(named("first"));
    struct workspace *held = workspace_cell_get(cell);
    uint64_t before = workspace_cell_generation(cell);
    assert_int_equal(before, workspace_info(held)->generation);
    workspace_cell_swap(cell, named("second"));
    assert_true(workspace_cell_generation(cell) > before);
    assert_true(slice_eq(workspace_info(held)->id, SLICE("first"))); /* a sanitizer sees it if it was freed */
    struct workspace *current = workspace_cell_get(cell);
    assert_true(slice_eq(workspace_info(current)->id, SLICE("second")));
    workspace_release(held);
    workspace_cell_free(cell);
    assert_true(slice_eq(workspace_info(current)->id, SLICE("second")));
    workspace_release(current);
    workspace_release(NULL);
}

enum { READERS = 3, SWAPS = 300 };

struct race {
    struct workspace_cell *cell;
    uint64_t backwards; /* generations that went down; one reader each */
};

static void *read_until_last(void *ctx) {
    struct race *race = ctx;
    uint64_t seen = 0;
    bool last = false;
    while (!last) {
        struct workspace *workspace = workspace_cell_get(race->cell);
        uint64_t generation = workspace_info(workspace)->generation;
        race->backwards += generation < seen;
        seen = generation;
        last = slice_eq(workspace_info(workspace)->id, SLICE("last"));
        workspace_release(workspace);
    }
    return NULL;
}

static void readers_see_whole_snapshots_while_they_are_swapped(void **state) {
    (void)state;
    struct workspace_cell *cell = workspace_cell_new(named("first"));
    pthread_t threads[READERS];
    struct race races[READERS];
    for (int i = 0; i < READERS; i++) {
        races[i] = (struct race){.cell = cell};
        assert_int_equal(pthread_create(&threads[i], NULL, read_until_last, &races[i]), 0);
    }
    for (int i = 0; i < SWAPS; i++) {
        workspace_cell_swap(cell, named("next"));
    }
    workspace_cell_swap(cell, named("last"));
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(races[i].backwards, 0);
    }
    workspace_cell_free(cell);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_source_and_destination_is_found_by_each_of_its_names),
        cmocka_unit_test(what_is_not_there_is_not_found),
        cmocka_unit_test(a_config_can_be_parsed_where_it_lies),
        cmocka_unit_test(a_generation_is_larger_than_all_before_it),
        cmocka_unit_test(a_file_is_loaded_and_named_in_messages),
        cmocka_unit_test(a_file_past_the_limit_is_refused),
        cmocka_unit_test(a_long_path_loses_its_beginning_and_not_the_line),
        cmocka_unit_test(a_snapshot_lives_until_its_last_holder_lets_go),
        cmocka_unit_test(readers_see_whole_snapshots_while_they_are_swapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
