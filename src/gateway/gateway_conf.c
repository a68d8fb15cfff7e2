/* The gateway's knobs: rows only. */
#include "gateway/gateway_conf.h"

static const struct knob knobs[] = {
#define K(...) KNOB_ROW_(struct gateway_conf, __VA_ARGS__)
#include "gateway/gateway_conf.def"
#undef K
};

struct knob_section gateway_conf_section(struct gateway_conf *conf) {
    return (struct knob_section){.name = "gateway", .knobs = knobs, .count = COUNT_OF(knobs), .base = conf};
}
