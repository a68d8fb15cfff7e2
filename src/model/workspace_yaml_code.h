/* Transformations in workspace.yaml. Private to model/. */
#ifndef SLUICE_MODEL_WORKSPACE_YAML_CODE_H
#define SLUICE_MODEL_WORKSPACE_YAML_CODE_H

#include "model/workspace_build.h"
#include "model/ytree.h"

struct yaml_code {
    struct draft *draft;
    const struct ytree *tree;
};

/* An element of `transformations:`. */
MUST enum err yaml_code_read(const struct yaml_code *code, const struct ytree_node *map, const char *path);

/* `transformation:` and `on_error:` of a destination or connection; NULL = absent. */
struct yaml_code_choice {
    const struct ytree_node *transformation, *on_error;
    const char *path;
};
/* What is absent leaves the value as it is; "none" is no transformation. */
MUST enum err yaml_code_choose(const struct yaml_code *code, const struct yaml_code_choice *choice,
    const struct transformation **transformation, enum on_error *on_error);

#endif
