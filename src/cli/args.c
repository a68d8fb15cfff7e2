/* The parser of command lines. Positional words are moved to the front of argv, in order. */
#include "cli/args.h"

static const struct option_info infos[] = {
#define O(id, name, value, verbs, help) {name, value, verbs, help},
#include "cli/options.def"
#undef O
};

const struct option_info *option_info(enum option option) {
    return &infos[option];
}

bool option_belongs(enum option option, const char *verb) {
    struct slice rest = slice_cstr(infos[option].verbs);
    if (slice_eq(rest, SLICE("*"))) {
        return true;
    }
    while (rest.ptr != NULL) {
        if (slice_eq(slice_cut(rest, ' ', &rest), slice_cstr(verb))) {
            return true;
        }
    }
    return false;
}

static enum err refuse(const char *verb, struct slice name, struct errinfo *why) {
    const char *nearest = "help";
    unsigned nearest_distance = UINT32_MAX;
    for (unsigned i = 0; i < COUNT_OF(infos); i++) {
        if (option_belongs((enum option)i, verb)) {
            unsigned distance = slice_distance(name, slice_cstr(infos[i].name));
            if (distance < nearest_distance) {
                nearest_distance = distance;
                nearest = infos[i].name;
            }
        }
    }
    return err_why(ERR_UNKNOWN_KEY, why, "", "%s has no option --%.*s; the nearest is --%s", verb,
        (int)(name.len < 64 ? name.len : 64), name.ptr, nearest);
}

/* One option at argv[*at]; moves *at past its value. */
static enum err parse_option(struct args *args, int argc, char **argv, int *at, struct errinfo *why) {
    struct slice value;
    struct slice name = slice_cut(slice_cstr(argv[*at] + 2), '=', &value);
    for (unsigned i = 0; i < COUNT_OF(infos); i++) {
        if (!slice_eq(name, slice_cstr(infos[i].name)) || !option_belongs((enum option)i, args->verb)) {
            continue;
        }
        bool flag = infos[i].value[0] == '\0';
        if (flag && value.ptr != NULL) {
            return err_why(ERR_INVALID, why, "", "--%s takes no value", infos[i].name);
        }
        if (!flag && value.ptr == NULL && *at + 1 >= argc) {
            return err_why(ERR_INVALID, why, "", "--%s needs a value: %s", infos[i].name, infos[i].value);
        }
        if (flag) {
            args->value[i] = "";
        } else {
            args->value[i] = value.ptr != NULL ? value.ptr : argv[++*at];
        }
        return OK;
    }
    return refuse(args->verb, name, why);
}

enum err args_parse(const char *verb, int argc, char **argv, struct args *ret_args, struct errinfo *why) {
    struct args args = {.verb = verb, .positional = argv};
    bool options = true;
    for (int at = 0; at < argc; at++) {
        struct slice word = slice_cstr(argv[at]);
        if (options && slice_eq(word, SLICE("--"))) {
            options = false;
        } else if (options && slice_eq(word, SLICE("-h"))) {
            args.value[OPTION_HELP] = "";
        } else if (options && slice_starts(word, SLICE("--"))) {
            enum err e = parse_option(&args, argc, argv, &at, why);
            if (e != OK) {
                return e;
            }
        } else if (options && word.len > 1 && word.ptr[0] == '-') {
            return err_why(ERR_UNKNOWN_KEY, why, "", "%s has no option %s", verb, argv[at]);
        } else {
            args.positional[args.positional_count++] = argv[at];
        }
    }
    *ret_args = args;
    return OK;
}

enum err args_number(const struct args *args, enum option option, uint64_t absent, uint64_t max, uint64_t *ret_value,
    struct errinfo *why) {
    const char *text = args->value[option];
    uint64_t value = absent;
    if (text != NULL && (slice_to_u64(slice_cstr(text), &value) != OK || value < 1 || value > max)) {
        return err_why(ERR_RANGE, why, "", "--%s: \"%.32s\" is not a number from 1 to %lu", infos[option].name, text,
            (unsigned long)max);
    }
    *ret_value = value;
    return OK;
}
