/* Knobs of the destinations: one row each in destination_conf.def. */
#ifndef SLUICE_DESTINATION_DESTINATION_CONF_H
#define SLUICE_DESTINATION_DESTINATION_CONF_H

#include "base/knob.h"

struct destination_conf {
#define K(type, key, def, min, max, unit, flags, help) KNOB_FIELD_##type(key)
#include "destination/destination_conf.def"
#undef K
};

struct knob_section destination_conf_section(struct destination_conf *conf);

#endif
