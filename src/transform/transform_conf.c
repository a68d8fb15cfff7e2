/* The transform knobs as a section for base/knob.h. */
#include "transform/transform_conf.h"

static const struct knob rows[] = {
#define K(...) KNOB_ROW_(struct transform_conf, __VA_ARGS__)
#include "transform/transform_conf.def"
#undef K
};

struct knob_section transform_conf_section(struct transform_conf *conf) {
    return (struct knob_section){.name = "transform", .knobs = rows, .count = COUNT_OF(rows), .base = conf};
}
