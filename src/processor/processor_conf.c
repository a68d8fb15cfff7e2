/* The processor's knobs as a section for base/knob.h. */
#include "processor/processor_conf.h"

static const struct knob rows[] = {
#define K(...) KNOB_ROW_(struct processor_conf, __VA_ARGS__)
#include "processor/processor_conf.def"
#undef K
};

struct knob_section processor_conf_section(struct processor_conf *conf) {
    return (struct knob_section){.name = "processor", .knobs = rows, .count = COUNT_OF(rows), .base = conf};
}
