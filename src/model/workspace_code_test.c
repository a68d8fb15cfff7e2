/* Transformations in both files: where their code comes from, who uses them, and what each mistake is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/workspace.h"

static char folder[] = "workspace_code_test_XXXXXX";

static enum err parse(const char *file, const char *text, struct workspace **ret_workspace, struct errinfo *why) {
    char path[64];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    return workspace_parse(slice_cstr(text), path, NULL, ret_workspace, why);
}

static struct workspace *parsed(const char *file, const char *text) {
    struct workspace *workspace = NULL;
    struct errinfo why = {.text = ""};
    enum err e = parse(file, text, &workspace, &why);
    assert_string_equal(why.text, "");
    assert_int_equal(e, OK);
    return workspace;
}

static void put(const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void assert_slice(struct slice s, const char *text) {
    char copy[512];
    snprintf(copy, sizeof copy, "%.*s", SLICE_ARG(s));
    assert_string_equal(copy, text);
}

#define HEAD "version: 1\nworkspace: {id: w}\n"
#define REST \
    "sources: [{id: web, write_key: k1}, {id: app, write_key: k2}]\n" \
    "destinations: [{id: crm, type: X, transformation: a, on_error: pass}]\n"

static void code_stands_inline_or_in_a_file_and_keeps_its_dollars(void **state) {
    (void)state;
    put("a.js", "file's");
    put("lib.js", "library's");
    assert_int_equal(setenv("WORKSPACE_CODE_SECRET", "hunter2", 1), 0);
    struct workspace *workspace = parsed("w.yaml",
        HEAD "transformations:\n"
             "  - {id: a, name: A, file: a.js, libraries: {one: {file: lib.js}, two: {code: '${x}'}}}\n"
             "  - id: b\n"
             "    version: 0\n"
             "    code: |\n"
             "      `${event.n}`\n"
             "    credentials: [{key: k, value: '${WORKSPACE_CODE_SECRET}'}]\n");
    const struct workspace_info *info = workspace_info(workspace);
    assert_int_equal(info->transformation_count, 2);
    const struct transformation *a = info->transformations[0], *b = info->transformations[1];
    assert_slice(a->name, "A");
    assert_slice(a->code, "file's");
    assert_non_null(memmem(a->place.text.ptr, a->place.text.len, "/a.js", 5));
    assert_int_equal(a->language, 1);
    assert_int_equal(a->library_count, 2);
    assert_slice(a->libraries[0].name, "one");
    assert_slice(a->libraries[0].code, "library's");
    assert_slice(a->libraries[1].code, "${x}");
    assert_slice(b->name, "b");
    assert_slice(b->code, "`${event.n}`\n");
    assert_int_equal(b->language, 0);
    assert_slice(b->credentials, "[{\"key\":\"k\",\"value\":\"hunter2\"}]");
    assert_null(b->missing);
    assert_true(a->place.in_file && !b->place.in_file);
    assert_int_equal(b->place.line, 8);
    assert_int_equal(b->place.indent, 6);
    assert_slice(b->place.path, "transformations[1].code");
    assert_ptr_equal(workspace_transformation_by_id(workspace, SLICE("b")), b);
    assert_null(workspace_transformation_by_id(workspace, SLICE("c")));
    workspace_release(workspace);
}

static void a_connection_has_the_last_word(void **state) {
    (void)state;
    struct workspace *workspace = parsed("w.yaml",
        HEAD "transformations: [{id: a, code: ''}, {id: b, code: ''}]\n" REST
             "connections: [{from: web, to: crm}, {from: app, to: crm, transformation: b, on_error: stop}]\n");
    const struct workspace_info *info = workspace_info(workspace);
    assert_ptr_equal(info->destinations[0]->transformation, info->transformations[0]);
    assert_ptr_equal(info->connections[0].transformation, info->transformations[0]);
    assert_int_equal(info->connections[0].on_error, ON_ERROR_PASS);
    assert_ptr_equal(info->connections[1].transformation, info->transformations[1]);
    assert_int_equal(info->connections[1].on_error, ON_ERROR_STOP);
    workspace_release(workspace);
    workspace = parsed("w.yaml",
        HEAD "transformations: [{id: a, code: ''}]\n" REST
             "connections: [{from: web, to: crm, transformation: none}]\n");
    assert_null(workspace_info(workspace)->connections[0].transformation);
    workspace_release(workspace);
}

static void each_mistake_says_where_and_what(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"transformations: [{id: a}]\n", "needs exactly one of 'code' and 'file'"},
        {"transformations: [{id: a, code: '', file: a.js}]\n", "needs exactly one of 'code' and 'file'"},
        {"transformations: [{id: a, file: none.js}]\n", "'none.js': there is no such file"},
        {"transformations: [{id: a, file: ..}]\n", "'..': it is not a plain file"},
        {"transformations: [{id: a, code: ''}, {id: a, code: ''}]\n", "the id 'a' is used twice"},
        {"transformations: [{id: none, code: ''}]\n", "the id 'none' means no transformation"},
        {"transformations: [{id: a, code: '', version: 2}]\n", "must be 1 (a module with transformEvent"},
        {"transformations: [{id: a, code: '', libraries: {x: {}}}]\n", "needs exactly one of 'code' and 'file'"},
        {"transformations: [{id: a, code: '', credentials: [{key: k}]}]\n", "the key 'value' is missing"},
        {"transformations: [{id: ab, code: ''}]\n" REST, "there is no transformation 'a'; the nearest is 'ab'"},
        {REST, "there is no transformation 'a'; the workspace has none"},
        {"destinations: [{id: d, type: X, on_error: retry}]\n", "must be 'dead', 'pass' or 'stop', not 'retry'"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[1024];
        struct workspace *workspace = NULL;
        struct errinfo why = {.text = ""};
        snprintf(text, sizeof text, HEAD "%s", rows[i].text);
        assert_int_not_equal(parse("w.yaml", text, &workspace, &why), OK);
        if (strstr(why.text, rows[i].says) == NULL) {
            fail_msg("'%s' is not in '%s: %s'", rows[i].says, why.path, why.text);
        }
        assert_non_null(strstr(why.path, "w.yaml:"));
    }
}

#define COPY(list) \
    "{\"id\": \"d1\", \"enabled\": true, \"isProcessorEnabled\": true, \"destinationDefinition\": {\"name\": \"X\"}, " \
    "\"transformations\": [" list "]}"
#define ORIGINAL(one, two, rest) \
    "{\"workspaceId\": \"w\", \"sources\": [{\"id\": \"s1\", \"enabled\": true, \"destinations\": [" one "]}, " \
    "{\"id\": \"s2\", \"enabled\": true, \"destinations\": [" two "]}]" rest "}"

static void an_originals_code_is_found_by_version_then_by_id_then_in_the_file(void **state) {
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/transformations", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/transformations/libraries", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    put("transformations/v1.js", "version's");
    put("transformations/t2.js", "id's");
    put("transformations/libraries/zed.js", "z");
    put("transformations/libraries/alpha.js", "a");
    struct workspace *workspace = parsed("w.json",
        ORIGINAL(COPY("{\"id\": \"t1\", \"versionId\": \"v1\"}"), COPY("{\"id\": \"t2\", \"versionId\": \"v2\"}"),
            ", \"libraries\": [{\"versionId\": \"l1\"}, {\"versionId\": \"l2\", \"name\": \"inline\", \"code\": \"i\"}], "
            "\"credentials\": {\"c\": {\"key\": \"k\", \"value\": \"v\", \"isSecret\": true}}"));
    const struct workspace_info *info = workspace_info(workspace);
    const struct transformation *one = info->connections[0].transformation, *two = info->connections[1].transformation;
    assert_slice(one->code, "version's");
    assert_slice(one->version_id, "v1");
    assert_slice(two->code, "id's");
    assert_slice(two->id, "t2");
    assert_int_equal(one->library_count, 3);
    assert_slice(one->libraries[0].name, "inline");
    assert_slice(one->libraries[1].name, "alpha");
    assert_slice(one->libraries[2].name, "zed");
    assert_slice(one->credentials, "[{\"key\":\"k\",\"value\":\"v\"}]");
    workspace_release(workspace);
    workspace = parsed("w.json",
        ORIGINAL(
            COPY("{\"id\": \"t9\", \"versionId\": \"v9\", \"code\": \"own\", \"codeVersion\": \"0\"}"), COPY(""), ""));
    one = workspace_info(workspace)->connections[0].transformation;
    assert_slice(one->code, "own");
    assert_int_equal(one->language, 0);
    assert_null(workspace_info(workspace)->connections[1].transformation);
    workspace_release(workspace);
}

static void an_originals_transformation_without_code_is_missing_and_says_where_it_could_be(void **state) {
    (void)state;
    struct workspace *workspace = parsed("w.json",
        ORIGINAL(COPY("{\"id\": \"t8\", \"versionId\": \"v8\"}"),
            COPY("{\"id\": \"t7\", \"versionId\": \"v7\", \"language\": \"pythonfaas\"}"), ""));
    const struct workspace_info *info = workspace_info(workspace);
    assert_int_equal(info->transformation_count, 2);
    assert_non_null(strstr(info->transformations[0]->missing, "transformations/v8.js"));
    assert_non_null(strstr(info->transformations[1]->missing, "pythonfaas"));
    workspace_release(workspace);
}

static void two_versions_of_one_transformation_are_two(void **state) {
    (void)state;
    struct workspace *workspace = parsed("w.json",
        ORIGINAL(COPY("{\"id\": \"t\", \"versionId\": \"v5\", \"code\": \"five\"}"),
            COPY("{\"id\": \"t\", \"versionId\": \"v6\", \"code\": \"six\"}"), ""));
    const struct workspace_info *info = workspace_info(workspace);
    assert_int_equal(info->transformation_count, 2);
    assert_slice(info->connections[0].transformation->code, "five");
    assert_slice(info->connections[1].transformation->code, "six");
    assert_slice(info->connections[1].transformation->id, "v6");
    workspace_release(workspace);
}

static int setup(void **state) {
    (void)state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    static const char *const names[] = {"a.js", "lib.js", "transformations/libraries/zed.js",
        "transformations/libraries/alpha.js", "transformations/v1.js", "transformations/t2.js",
        "transformations/libraries", "transformations", ""};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)remove(path); /* a test that failed may not have made it */
    }
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(code_stands_inline_or_in_a_file_and_keeps_its_dollars),
        cmocka_unit_test(a_connection_has_the_last_word),
        cmocka_unit_test(each_mistake_says_where_and_what),
        cmocka_unit_test(an_originals_code_is_found_by_version_then_by_id_then_in_the_file),
        cmocka_unit_test(an_originals_transformation_without_code_is_missing_and_says_where_it_could_be),
        cmocka_unit_test(two_versions_of_one_transformation_are_two),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
