/* YAML 1.2 core schema scalars (https://yaml.org/spec/1.2.2/, 10.3.2) and their JSON form. Private to model/. */
#ifndef SLUICE_MODEL_YTREE_SCALAR_H
#define SLUICE_MODEL_YTREE_SCALAR_H

#include "model/ytree.h"

enum ytree_kind ytree_scalar_kind(struct slice plain);
/* JSON text of a scalar of kind NUMBER: itself where that is JSON already. ERR_INVALID for .inf and .nan, ERR_RANGE for
 * a hexadecimal or octal number past 64 bits. */
MUST enum err ytree_scalar_number(struct slice text, struct arena *arena, struct slice *ret_json);
/* ${NAME} replaced from the environment, $${ by ${. ERR_NOT_FOUND: *ret_text is the name that is not set; ERR_INVALID:
 * what follows "${" is no name. */
MUST enum err ytree_scalar_expand(struct slice text, struct arena *arena, struct slice *ret_text);

#endif
