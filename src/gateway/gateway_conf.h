/* Knobs of the gateway: one row each in gateway_conf.def. */
#ifndef SLUICE_GATEWAY_GATEWAY_CONF_H
#define SLUICE_GATEWAY_GATEWAY_CONF_H

#include "base/knob.h"

struct gateway_conf {
#define K(type, key, def, min, max, unit, flags, help) KNOB_FIELD_##type(key)
#include "gateway/gateway_conf.def"
#undef K
};

struct knob_section gateway_conf_section(struct gateway_conf *conf);

#endif
