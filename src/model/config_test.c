/* sluice.yaml and the environment onto knobs, and what each mistake is told. */
#include "model/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct sample_conf {
    uint64_t max_body;
    int64_t idle_timeout;
    struct slice listen;
    bool strict;
};

static const struct knob sample_knobs[] = {
#define K(type, key, def, min, max, unit, flags, help) \
    KNOB_ROW_(struct sample_conf, type, key, def, min, max, unit, flags, help)
    K(BYTES, max_body, "4KiB", 1024, 1048576, "bytes", 0, "") K(DURATION, idle_timeout, "720s", 100, 86400000, "ms", 0,
        "") K(TEXT, listen, "0.0.0.0:8080", 3, 255, "", 0, "") K(BOOL, strict, "false", 0, 0, "", 0, "")
#undef K
};

struct fixture {
    struct sample_conf gateway, delivery;
    struct knob_section sections[2];
    struct arena arena;
    struct errinfo why;
};

static char *no_environment[] = {NULL};

static void fixture_init(struct fixture *f) {
    *f = (struct fixture){.why = {.text = ""}};
    f->sections[0] = (struct knob_section){"gateway", sample_knobs, COUNT_OF(sample_knobs), &f->gateway};
    f->sections[1] = (struct knob_section){"delivery", sample_knobs, COUNT_OF(sample_knobs), &f->delivery};
    arena_init(&f->arena, 4096, 0);
}

static enum err parse(struct fixture *f, const char *text) {
    struct config_text config = {"sluice.yaml", slice_cstr(text)};
    return config_parse(f->sections, COUNT_OF(f->sections), &config, &f->arena, &f->why);
}

static void a_file_sets_the_knobs_that_it_names(void **state) {
    (void)state;
    struct fixture f;
    fixture_init(&f);
    char path[] = "/tmp/config_test_XXXXXX";
    int fd = mkstemp(path);
    static const char text[] =
        "# comment\ngateway:\n  max_body: 64KiB\n  strict: on\n  listen: \"[::]:80\"\ndelivery: {idle_timeout: 1h30m}\n";
    assert_true(fd >= 0 && write(fd, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1);
    close(fd);
    assert_int_equal(config_load(f.sections, 2, path, no_environment, &f.arena, &f.why), OK);
    assert_int_equal(f.gateway.max_body, 65536);
    assert_true(f.gateway.strict);
    assert_true(slice_eq(f.gateway.listen, SLICE("[::]:80")));
    assert_int_equal(f.gateway.idle_timeout, 720000);
    assert_int_equal(f.delivery.idle_timeout, 5400000);
    assert_int_equal(f.delivery.max_body, 4096);
    unlink(path);
    arena_fini(&f.arena);
}

static void the_environment_wins_over_the_file(void **state) {
    (void)state;
    struct fixture f;
    fixture_init(&f);
    char path[] = "/tmp/config_test_XXXXXX";
    int fd = mkstemp(path);
    static const char text[] = "gateway: {max_body: 64KiB, strict: true}\n";
    assert_true(fd >= 0 && write(fd, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1);
    close(fd);
    char entry[] = "SLUICE_GATEWAY_MAX_BODY=128KiB", other[] = "HOME=/";
    char *environment[] = {other, entry, NULL};
    assert_int_equal(config_load(f.sections, 2, path, environment, &f.arena, &f.why), OK);
    assert_int_equal(f.gateway.max_body, 131072);
    assert_true(f.gateway.strict);
    unlink(path);
    arena_fini(&f.arena);
}

static void without_a_file_the_defaults_and_the_environment_count(void **state) {
    (void)state;
    struct fixture f;
    fixture_init(&f);
    char entry[] = "SLUICE_DELIVERY_STRICT=true";
    char *environment[] = {entry, NULL};
    assert_int_equal(config_load(f.sections, 2, NULL, environment, &f.arena, &f.why), OK);
    assert_int_equal(f.gateway.max_body, 4096);
    assert_true(f.delivery.strict);
    char unknown[] = "SLUICE_DELIVERY_STRICKT=true";
    environment[0] = unknown;
    assert_int_equal(config_load(f.sections, 2, NULL, environment, &f.arena, &f.why), ERR_UNKNOWN_KEY);
    assert_non_null(strstr(f.why.text, "SLUICE_DELIVERY_STRICT"));
    arena_fini(&f.arena);
}

static void an_empty_file_and_an_empty_section_change_nothing(void **state) {
    (void)state;
    static const char *const texts[] = {
        "", "# nothing\n", "---\n", "gateway:\n", "gateway:\n  # max_body: 1\ndelivery: {}\n"};
    struct fixture f;
    fixture_init(&f);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_int_equal(parse(&f, texts[i]), OK);
    }
    arena_fini(&f.arena);
}

static void each_mistake_says_where_what_and_the_limit(void **state) {
    (void)state;
    static const struct {
        const char *text, *path, *message;
        enum err e;
    } rows[] = {
        {"gatway: {}", "sluice.yaml:1:1", "unknown section 'gatway'; the nearest known section is 'gateway'",
            ERR_UNKNOWN_KEY},
        {"gateway:\n  max_bdy: 1KiB", "sluice.yaml:2:3 gateway",
            "unknown key 'max_bdy'; the nearest known key is 'max_body'", ERR_UNKNOWN_KEY},
        {"gateway:\n  max_body: 2MiB", "sluice.yaml:2:13 gateway.max_body", "\"2MiB\" is out of range: 1KiB to 1MiB",
            ERR_RANGE},
        {"gateway:\n  max_body: lots", "sluice.yaml:2:13 gateway.max_body",
            "\"lots\" is not a number of bytes: B, KiB, MiB, GiB or TiB (64KiB)", ERR_INVALID},
        {"gateway: {idle_timeout: 30}", "sluice.yaml:1:25 gateway.idle_timeout",
            "\"30\" is not a duration with its unit: ms, s, m, h or d (250ms, 1h30m)", ERR_INVALID},
        {"gateway: {strict: perhaps}", "sluice.yaml:1:19 gateway.strict", "\"perhaps\" is not true or false",
            ERR_INVALID},
        {"gateway: {listen: [a, b]}", "sluice.yaml:1:19 gateway.listen", "must be a single value, not a list",
            ERR_INVALID},
        {"gateway: {listen: {a: b}}", "sluice.yaml:1:19 gateway.listen", "must be a single value, not a map",
            ERR_INVALID},
        {"gateway:\n  listen:\n", "sluice.yaml:2:10 gateway.listen", "has no value; leave the key out for the default",
            ERR_INVALID},
        {"gateway: 5", "sluice.yaml:1:10 gateway", "must be a map of keys and values", ERR_INVALID},
        {"- gateway", "sluice.yaml:1:1", "must be a map of sections", ERR_INVALID},
        {"gateway: {}\ngateway: {}", "sluice.yaml:2:1", "the key 'gateway' is here twice; first on line 1", ERR_EXISTS},
        {"gateway:\n\tlisten: x", "sluice.yaml:2:1",
            "not YAML: found character that cannot start any token while scanning for the next token", ERR_INVALID},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fixture f;
        fixture_init(&f);
        assert_int_equal(parse(&f, rows[i].text), rows[i].e);
        assert_string_equal(f.why.path, rows[i].path);
        assert_string_equal(f.why.text, rows[i].message);
        arena_fini(&f.arena);
    }
}

static void a_missing_file_is_told_by_name(void **state) {
    (void)state;
    struct fixture f;
    fixture_init(&f);
    assert_int_equal(
        config_load(f.sections, 2, "/nowhere/sluice.yaml", no_environment, &f.arena, &f.why), ERR_NOT_FOUND);
    assert_string_equal(f.why.path, "/nowhere/sluice.yaml");
    assert_string_equal(f.why.text, "cannot be opened: No such file or directory");
    assert_int_equal(config_load(f.sections, 2, "/tmp", no_environment, &f.arena, &f.why), ERR_IO);
    assert_string_equal(f.why.text, "cannot be read: Is a directory");
    arena_fini(&f.arena);
}

static void nobody_needs_to_want_the_reason(void **state) {
    (void)state;
    struct fixture f;
    fixture_init(&f);
    struct config_text config = {"sluice.yaml", SLICE("x: y")};
    assert_int_equal(config_parse(f.sections, 2, &config, &f.arena, NULL), ERR_UNKNOWN_KEY);
    arena_fini(&f.arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_sets_the_knobs_that_it_names),
        cmocka_unit_test(the_environment_wins_over_the_file),
        cmocka_unit_test(without_a_file_the_defaults_and_the_environment_count),
        cmocka_unit_test(an_empty_file_and_an_empty_section_change_nothing),
        cmocka_unit_test(each_mistake_says_where_what_and_the_limit),
        cmocka_unit_test(a_missing_file_is_told_by_name),
        cmocka_unit_test(nobody_needs_to_want_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
