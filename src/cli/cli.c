/* Finds the verb, parses its options, runs it. */
#include "cli/cli.h"

#include <signal.h>
#include <stdio.h>

static const struct cli_verb verbs[] = {
#define V(name, arguments, summary, help) {#name, arguments, summary, help, verb_##name},
#include "cli/verbs.def"
#undef V
};

const struct cli_verb *cli_verbs(size_t *ret_count) {
    *ret_count = COUNT_OF(verbs);
    return verbs;
}

const struct cli_verb *cli_verb_find(struct slice name) {
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        if (slice_eq(name, slice_cstr(verbs[i].name))) {
            return &verbs[i];
        }
    }
    return NULL;
}

const struct cli_verb *cli_verb_nearest(struct slice name) {
    const struct cli_verb *nearest = &verbs[0];
    unsigned nearest_distance = UINT32_MAX;
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        unsigned distance = slice_distance(name, slice_cstr(verbs[i].name));
        if (distance < nearest_distance) {
            nearest_distance = distance;
            nearest = &verbs[i];
        }
    }
    return nearest;
}

void cli_verb_describe(const struct cli_verb *verb, struct buf *out) {
    buf_printf(out, "sluice %s%s%s [options]: %s\n", verb->name, verb->arguments[0] != '\0' ? " " : "", verb->arguments,
        verb->summary);
    if (verb->help[0] != '\0') {
        buf_printf(out, "\n%s\n", verb->help);
    }
    buf_append(out, SLICE("\noptions:\n"));
    for (unsigned i = 0; i < OPTION_COUNT_OF; i++) {
        const struct option_info *info = option_info((enum option)i);
        if (option_belongs((enum option)i, verb->name)) {
            char left[64];
            snprintf(left, sizeof left, "--%s %s", info->name, info->value);
            buf_printf(out, "  %-20s %s\n", left, info->help);
        }
    }
}

void cli_print_error(const struct errinfo *why) {
    struct slice rest;
    struct slice place = slice_cut(slice_cstr(why->path), ' ', &rest);
    if (place.len > 0) {
        fprintf(stderr, "%.*s: ", SLICE_ARG(place));
    }
    if (rest.len > 0) {
        fprintf(stderr, "%.*s: ", SLICE_ARG(rest));
    }
    fprintf(stderr, "%s\n", why->text);
}

static void print_overview(FILE *to) {
    fprintf(to,
        "sluice " CLI_VERSION ": takes events in, keeps them, delivers each one to every connected destination\n\n");
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        fprintf(to, "  %-9s %s\n", verbs[i].name, verbs[i].summary);
    }
    fprintf(to, "\n`sluice VERB -h` explains a verb. `sluice serve --demo` is the shortest way to see it work.\n");
}

static void print_verb(const struct cli_verb *verb) {
    struct buf out;
    buf_init(&out, 0);
    cli_verb_describe(verb, &out);
    fwrite(out.ptr, 1, out.len, stdout);
    buf_fini(&out);
}

static int unknown_verb(struct slice name) {
    fprintf(stderr, "sluice: there is no verb \"%.*s\"; the nearest is \"%s\"\n", SLICE_ARG(name),
        cli_verb_nearest(name)->name);
    return EXIT_USAGE;
}

int verb_help(const struct args *args) {
    if (args->positional_count == 0) {
        print_overview(stdout);
        return EXIT_OK;
    }
    const struct cli_verb *verb = cli_verb_find(slice_cstr(args->positional[0]));
    if (verb == NULL) {
        return unknown_verb(slice_cstr(args->positional[0]));
    }
    print_verb(verb);
    return EXIT_OK;
}

int verb_version(const struct args *args) {
    (void)args; /* shape of a verb */
    printf("sluice " CLI_VERSION "\n");
    return EXIT_OK;
}

static int run_verb(const struct cli_verb *verb, int argc, char **argv) {
    struct args args = {.verb = verb->name, .positional = argv, .positional_count = argc};
    struct errinfo why = {.at = 0};
    /* the words behind `bench` are the other program's */
    if (verb->run != verb_bench && args_parse(verb->name, argc, argv, &args, &why) != OK) {
        fprintf(stderr, "sluice: %s\n", why.text);
        return EXIT_USAGE;
    }
    if (args_has(&args, OPTION_HELP)) {
        print_verb(verb);
        return EXIT_OK;
    }
    if (verb->arguments[0] == '\0' && args.positional_count > 0) {
        fprintf(stderr, "sluice: %s takes no \"%s\"\n", verb->name, args.positional[0]);
        return EXIT_USAGE;
    }
    return verb->run(&args);
}

int cli_main(int argc, char **argv) {
    /* a peer that leaves, or a closed pipe on stdout, is an error of the write, not our death */
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        print_overview(stderr);
        return EXIT_USAGE;
    }
    struct slice name = slice_cstr(argv[1]);
    if (slice_eq(name, SLICE("-h")) || slice_eq(name, SLICE("--help"))) {
        print_overview(stdout);
        return EXIT_OK;
    }
    if (slice_eq(name, SLICE("--version"))) {
        name = SLICE("version");
    }
    const struct cli_verb *verb = cli_verb_find(name);
    if (verb == NULL) {
        return unknown_verb(name);
    }
    return run_verb(verb, argc - 2, argv + 2);
}
