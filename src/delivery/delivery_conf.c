/* The delivery knobs as a section for base/knob.h. */
#include "delivery/delivery_conf.h"

static const struct knob rows[] = {
#define K(...) KNOB_ROW_(struct delivery_conf, __VA_ARGS__)
#include "delivery/delivery_conf.def"
#undef K
};

struct knob_section delivery_conf_section(struct delivery_conf *conf) {
    return (struct knob_section){.name = "delivery", .knobs = rows, .count = COUNT_OF(rows), .base = conf};
}
