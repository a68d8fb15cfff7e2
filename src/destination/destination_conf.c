/* The destination knobs as a section for base/knob.h. */
#include "destination/destination_conf.h"

static const struct knob rows[] = {
#define K(...) KNOB_ROW_(struct destination_conf, __VA_ARGS__)
#include "destination/destination_conf.def"
#undef K
};

struct knob_section destination_conf_section(struct destination_conf *conf) {
    return (struct knob_section){.name = "destination", .knobs = rows, .count = COUNT_OF(rows), .base = conf};
}
