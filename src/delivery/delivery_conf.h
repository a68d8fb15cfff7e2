/* Knobs of the delivery: one row each in delivery_conf.def. */
#ifndef SLUICE_DELIVERY_DELIVERY_CONF_H
#define SLUICE_DELIVERY_DELIVERY_CONF_H

#include "base/knob.h"

struct delivery_conf {
#define K(type, key, def, min, max, unit, flags, help) KNOB_FIELD_##type(key)
#include "delivery/delivery_conf.def"
#undef K
};

struct knob_section delivery_conf_section(struct delivery_conf *conf);

#endif
