/* The tables of the command line, and the pages that are printed from them. */
#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "cli/docs.h"

static bool contains(const struct buf *text, const char *part) {
    return memmem(text->ptr, text->len, part, strlen(part)) != NULL;
}

static void verbs_are_found_by_their_whole_name_only(void **state) {
    (void)state;
    assert_non_null(cli_verb_find(SLICE("serve")));
    assert_null(cli_verb_find(SLICE("serv")));
    assert_null(cli_verb_find(SLICE("Serve")));
    assert_null(cli_verb_find(SLICE("")));
}

static void the_nearest_verb_is_suggested(void **state) {
    (void)state;
    assert_string_equal(cli_verb_nearest(SLICE("trase"))->name, "trace");
    assert_string_equal(cli_verb_nearest(SLICE("adit"))->name, "audit");
    assert_string_equal(cli_verb_nearest(SLICE("stats"))->name, "stat");
}

static void no_two_verbs_share_a_name(void **state) {
    (void)state;
    size_t count = 0;
    const struct cli_verb *verbs = cli_verbs(&count);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(cli_verb_find(slice_cstr(verbs[i].name)), &verbs[i]);
    }
}

static void every_verb_of_an_option_exists(void **state) {
    (void)state;
    for (unsigned i = 0; i < OPTION_COUNT_OF; i++) {
        struct slice rest = slice_trim(slice_cstr(option_info((enum option)i)->verbs));
        while (rest.ptr != NULL) {
            struct slice name = slice_cut(rest, ' ', &rest);
            assert_true(slice_eq(name, SLICE("*")) || cli_verb_find(name) != NULL);
        }
    }
}

static void every_reading_verb_can_answer_in_json(void **state) {
    (void)state;
    static const char *const reading[] = {"check", "tail", "trace", "stat", "audit", "dead"};
    for (size_t i = 0; i < COUNT_OF(reading); i++) {
        assert_true(option_belongs(OPTION_JSON, reading[i]));
        assert_true(option_belongs(OPTION_DATA, reading[i]));
    }
}

static void a_verb_describes_itself_with_its_options_and_no_others(void **state) {
    (void)state;
    struct buf out;
    buf_init(&out, 0);
    cli_verb_describe(cli_verb_find(SLICE("tail")), &out);
    assert_true(contains(&out, "--follow"));
    assert_true(contains(&out, "--help"));
    assert_false(contains(&out, "--demo"));
    buf_fini(&out);
}

static void a_wrong_command_line_ends_with_the_usage_code(void **state) {
    (void)state;
    char *unknown[] = {(char[]){"sluice"}, (char[]){"srve"}, NULL};
    char *option[] = {(char[]){"sluice"}, (char[]){"stat"}, (char[]){"--nothing"}, NULL};
    char *word[] = {(char[]){"sluice"}, (char[]){"stat"}, (char[]){"word"}, NULL};
    assert_int_equal(cli_main(1, unknown), EXIT_USAGE);
    assert_int_equal(cli_main(2, unknown), EXIT_USAGE);
    assert_int_equal(cli_main(3, option), EXIT_USAGE);
    assert_int_equal(cli_main(3, word), EXIT_USAGE);
}

static void nobody_at_the_socket_has_a_code_of_its_own(void **state) {
    (void)state;
    char *argv[] = {
        (char[]){"sluice"}, (char[]){"stat"}, (char[]){"--data"}, (char[]){"/tmp/sluice-no-such-folder"}, NULL};
    assert_int_equal(cli_main(4, argv), EXIT_UNREACHABLE);
}

static void every_reference_page_prints_its_table(void **state) {
    (void)state;
    static const struct {
        const char *page, *part;
    } expected[] = {
        {"knobs", "| `max_body` | bytes | `4000KiB` |"},
        {"counters", "| `sluice_gateway_events_stored_total` | counter | `thread` |"},
        {"routes", "| POST | `/v1/track` |"},
        {"routes", "| GET | `/v0/stat` |"},
        {"cli", "## Exit codes"},
        {"errors", "| `BAD_WRITE_KEY` | 401 | invalid write key |"},
        {"reasons", "| `AUTH` |"},
        {"faults", "| `STORE_BEFORE_SYNC` |"},
    };
    size_t count = 0;
    const struct docs_page *pages = docs_pages(&count);
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        size_t at = 0;
        while (at < count && strcmp(pages[at].name, expected[i].page) != 0) {
            at++;
        }
        assert_true(at < count);
        struct buf out;
        buf_init(&out, 0);
        pages[at].print(&out);
        assert_true(contains(&out, expected[i].part));
        buf_fini(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verbs_are_found_by_their_whole_name_only),
        cmocka_unit_test(the_nearest_verb_is_suggested),
        cmocka_unit_test(no_two_verbs_share_a_name),
        cmocka_unit_test(every_verb_of_an_option_exists),
        cmocka_unit_test(every_reading_verb_can_answer_in_json),
        cmocka_unit_test(a_verb_describes_itself_with_its_options_and_no_others),
        cmocka_unit_test(a_wrong_command_line_ends_with_the_usage_code),
        cmocka_unit_test(nobody_at_the_socket_has_a_code_of_its_own),
        cmocka_unit_test(every_reference_page_prints_its_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
