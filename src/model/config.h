/* sluice.yaml: `section: {key: value}` for the knobs of every module, then SLUICE_<SECTION>_<KEY> on top. */
#ifndef SLUICE_MODEL_CONFIG_H
#define SLUICE_MODEL_CONFIG_H

#include "base/knob.h"

/* Defaults, then the file (NULL = none), then the environment. Errors name file:line:column, section.key, the value,
 * the limit, the nearest known name. Texts live in `arena`. */
MUST enum err config_load(const struct knob_section *sections, size_t count, const char *path, char **environment,
    struct arena *arena, struct errinfo *why);

/* The file's part alone, on text in memory: sets what the text says and nothing else. */
struct config_text {
    const char *file; /* for messages */
    struct slice text;
};
MUST enum err config_parse(const struct knob_section *sections, size_t count, const struct config_text *text,
    struct arena *arena, struct errinfo *why);

#endif
