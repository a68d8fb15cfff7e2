/* Knobs of the store: one row each in store_conf.def. */
#ifndef SLUICE_STORE_STORE_CONF_H
#define SLUICE_STORE_STORE_CONF_H

#include "base/knob.h"

struct store_conf {
#define K(type, key, def, min, max, unit, flags, help) KNOB_FIELD_##type(key)
#include "store/store_conf.def"
#undef K
};

struct knob_section store_conf_section(struct store_conf *conf);

#endif
