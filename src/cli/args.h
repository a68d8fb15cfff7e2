/* Parsing of a verb's command line by the table options.def. */
#ifndef SLUICE_CLI_ARGS_H
#define SLUICE_CLI_ARGS_H

#include "base/buf.h"

enum option {
#define O(id, name, value, verbs, help) OPTION_##id,
#include "cli/options.def"
#undef O
    OPTION_COUNT_OF
};

struct args {
    const char *verb;
    const char *program;                /* argv[0] */
    const char *value[OPTION_COUNT_OF]; /* NULL = absent; "" for a flag that is there */
    char **positional;                  /* what is no option; borrowed from argv, whose order parsing changes */
    int positional_count;
};

struct option_info {
    const char *name, *value, *verbs, *help;
};
const struct option_info *option_info(enum option option);
bool option_belongs(enum option option, const char *verb);

/* argv[0] is the word behind the verb. `--name value`, `--name=value`, `--` ends options. ERR_UNKNOWN_KEY names the
 * nearest option of that verb. */
MUST enum err args_parse(const char *verb, int argc, char **argv, struct args *ret_args, struct errinfo *why);
static inline bool args_has(const struct args *args, enum option option) {
    return args->value[option] != NULL;
}
/* A number in [min, max]; `absent` when the option is not there. */
MUST enum err args_number(const struct args *args, enum option option, uint64_t absent, uint64_t max,
    uint64_t *ret_value, struct errinfo *why);

#endif
