/* What a command line may look like, and what is said when it is wrong. */
#include "cli/args.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static enum err parse(const char *verb, int argc, const char **argv, struct args *args, struct errinfo *why) {
    return args_parse(verb, argc, (char **)(uintptr_t)argv, args, why);
}

static void options_and_words_may_be_mixed(void **state) {
    (void)state;
    const char *argv[] = {"redrive", "--data", "d", "7", "--json", "--destination=hook", "8"};
    struct args args;
    assert_int_equal(parse("dead", COUNT_OF(argv), argv, &args, NULL), OK);
    assert_string_equal(args.value[OPTION_DATA], "d");
    assert_string_equal(args.value[OPTION_DESTINATION], "hook");
    assert_true(args_has(&args, OPTION_JSON));
    assert_false(args_has(&args, OPTION_ALL));
    assert_int_equal(args.positional_count, 3);
    assert_string_equal(args.positional[0], "redrive");
    assert_string_equal(args.positional[1], "7");
    assert_string_equal(args.positional[2], "8");
}

static void two_dashes_end_the_options(void **state) {
    (void)state;
    const char *argv[] = {"--", "--json"};
    struct args args;
    assert_int_equal(parse("trace", COUNT_OF(argv), argv, &args, NULL), OK);
    assert_false(args_has(&args, OPTION_JSON));
    assert_int_equal(args.positional_count, 1);
    assert_string_equal(args.positional[0], "--json");
}

static void an_unknown_option_names_the_nearest_of_that_verb(void **state) {
    (void)state;
    const char *argv[] = {"--folow"};
    struct args args;
    struct errinfo why = {.at = 0};
    assert_int_equal(parse("tail", COUNT_OF(argv), argv, &args, &why), ERR_UNKNOWN_KEY);
    assert_string_equal(why.text, "tail has no option --folow; the nearest is --follow");
}

static void an_option_of_another_verb_is_unknown(void **state) {
    (void)state;
    const char *argv[] = {"--follow"};
    struct args args;
    assert_int_equal(parse("stat", COUNT_OF(argv), argv, &args, NULL), ERR_UNKNOWN_KEY);
}

static void a_value_that_is_missing_is_an_error(void **state) {
    (void)state;
    const char *argv[] = {"--data"};
    struct args args;
    struct errinfo why = {.at = 0};
    assert_int_equal(parse("stat", COUNT_OF(argv), argv, &args, &why), ERR_INVALID);
    assert_string_equal(why.text, "--data needs a value: DIR");
}

static void a_flag_takes_no_value(void **state) {
    (void)state;
    const char *argv[] = {"--json=yes"};
    struct args args;
    assert_int_equal(parse("stat", COUNT_OF(argv), argv, &args, NULL), ERR_INVALID);
}

static void the_same_name_may_be_a_flag_of_one_verb_and_take_a_value_at_another(void **state) {
    (void)state;
    const char *flag[] = {"redrive", "--all"}, *value[] = {"--all", "folder"};
    struct args args;
    assert_int_equal(parse("dead", COUNT_OF(flag), flag, &args, NULL), OK);
    assert_true(args_has(&args, OPTION_ALL) && !args_has(&args, OPTION_DIR));
    assert_int_equal(parse("docs", COUNT_OF(value), value, &args, NULL), OK);
    assert_string_equal(args.value[OPTION_DIR], "folder");
}

static void h_alone_asks_for_help(void **state) {
    (void)state;
    const char *argv[] = {"-h"};
    struct args args;
    assert_int_equal(parse("stat", COUNT_OF(argv), argv, &args, NULL), OK);
    assert_true(args_has(&args, OPTION_HELP));
}

static void numbers_are_checked_against_their_range(void **state) {
    (void)state;
    struct args args = {.verb = "tail"};
    struct errinfo why = {.at = 0};
    uint64_t n = 0;
    assert_int_equal(args_number(&args, OPTION_COUNT, 20, 100, &n, &why), OK);
    assert_int_equal(n, 20);
    args.value[OPTION_COUNT] = "100";
    assert_int_equal(args_number(&args, OPTION_COUNT, 20, 100, &n, &why), OK);
    assert_int_equal(n, 100);
    static const char *const bad[] = {"101", "0", "", "-1", "ten", "1e3", "99999999999999999999999"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        args.value[OPTION_COUNT] = bad[i];
        assert_int_equal(args_number(&args, OPTION_COUNT, 20, 100, &n, &why), ERR_RANGE);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_words_may_be_mixed),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(an_unknown_option_names_the_nearest_of_that_verb),
        cmocka_unit_test(an_option_of_another_verb_is_unknown),
        cmocka_unit_test(a_value_that_is_missing_is_an_error),
        cmocka_unit_test(a_flag_takes_no_value),
        cmocka_unit_test(the_same_name_may_be_a_flag_of_one_verb_and_take_a_value_at_another),
        cmocka_unit_test(h_alone_asks_for_help),
        cmocka_unit_test(numbers_are_checked_against_their_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
