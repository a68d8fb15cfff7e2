/* The cases of folders, for `dest test` and `source test`: a line each, and how many passed. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/dest.h"

enum { ARENA_CHUNK = 65536, PATH_SIZE = 4400 };

static void count(struct dest_tests *tests, bool passed) {
    tests->passed += passed;
    tests->failed += !passed;
}

static void test_case(
    const struct dest_tester *tester, struct dest_tests *tests, const struct destination_type *type, const char *file) {
    struct arena arena;
    struct slice text;
    struct errinfo why = {.at = 0};
    struct dest_verdict verdict = {.passed = false};
    arena_init(&arena, ARENA_CHUNK, 0);
    enum err e = dest_read(file, &arena, &text, &why);
    e = e == OK ? tester->run(tests, type, text, &arena, &verdict, &why) : e;
    if (e != OK) {
        printf("FAIL %s: %s: %s\n", file, why.path, why.text);
    } else if (!verdict.passed) {
        printf("FAIL %s: %.*s\n     %.*s\n", file, SLICE_ARG(verdict.why), SLICE_ARG(verdict.text));
    } else {
        printf("ok   %s: %.*s\n", file, SLICE_ARG(verdict.why));
    }
    count(tests, e == OK && verdict.passed);
    arena_fini(&arena);
}

static int is_case(const struct dirent *entry) {
    size_t len = strlen(entry->d_name);
    return entry->d_name[0] != '.' && len > 5 && strcmp(entry->d_name + len - 5, ".json") == 0;
}

/* A definition in C says only what its settings are: its cases are its own tests' business. */
static void test_folder(const struct dest_tester *tester, struct dest_tests *tests, const char *folder) {
    char file[PATH_SIZE];
    struct errinfo why = {.at = 0};
    struct dirent **entries = NULL;
    const struct destination_type *type = NULL;
    if (tester->load(tests, folder, &type, &why) != OK) {
        printf("FAIL %s: %s\n", why.path, why.text);
        count(tests, false);
        return;
    }
    snprintf(file, sizeof file, "%.4000s/cases", folder);
    int found = type->kind != DESTINATION_NATIVE ? scandir(file, &entries, is_case, alphasort) : 0;
    for (int i = 0; i < found; i++) {
        snprintf(file, sizeof file, "%.4000s/cases/%.255s", folder, entries[i]->d_name);
        test_case(tester, tests, type, file);
        mem_free(entries[i]);
    }
    mem_free(entries);
    if (found <= 0) {
        printf("ok   %s: the definition is good; no cases\n", folder);
        count(tests, true);
    }
}

int dest_test(const struct dest_tester *tester, const struct args *args, const struct conf *conf) {
    if (args->positional_count == 1) {
        fprintf(stderr, "sluice: %s\n", tester->usage);
        return EXIT_USAGE;
    }
    struct dest_tests tests = {.parser = json_parser_new(DEST_DEPTH)};
    dest_seat_init(&tests.seat, conf);
    for (int i = 1; i < args->positional_count; i++) {
        test_folder(tester, &tests, args->positional[i]);
    }
    dest_seat_fini(&tests.seat);
    json_parser_free(tests.parser);
    printf("%u passed, %u failed\n", tests.passed, tests.failed);
    return tests.failed == 0 ? EXIT_OK : EXIT_NO;
}
