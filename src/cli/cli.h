/* The command line: verbs and options from tables (verbs.def, options.def, exits.def), one file per verb. Data goes to
 * stdout, talk to stderr. Everything here runs on the main thread. */
#ifndef SLUICE_CLI_CLI_H
#define SLUICE_CLI_CLI_H

#include "cli/args.h"

#define CLI_VERSION "0.1.0"

enum cli_exit {
#define X(name, code, meaning) EXIT_##name = (code),
#include "cli/exits.def"
#undef X
};

/* The whole program. Returns its exit code. */
int cli_main(int argc, char **argv);

struct cli_verb {
    const char *name, *arguments, *summary, *help;
    int (*run)(const struct args *args);
};
const struct cli_verb *cli_verbs(size_t *ret_count);
const struct cli_verb *cli_verb_find(struct slice name);
/* The verb with the smallest edit distance. */
const struct cli_verb *cli_verb_nearest(struct slice name);
/* "sluice tail --follow …" with its options, as -h prints it. */
void cli_verb_describe(const struct cli_verb *verb, struct buf *out);
/* "file:line:column: path: text" on stderr; the path of an errinfo is "file:line:column path". */
void cli_print_error(const struct errinfo *why);

#define V(name, arguments, summary, help) int verb_##name(const struct args *args);
#include "cli/verbs.def"
#undef V

#endif
