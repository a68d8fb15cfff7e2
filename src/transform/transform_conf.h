/* Knobs of the transformations: one row each in transform_conf.def. */
#ifndef SLUICE_TRANSFORM_TRANSFORM_CONF_H
#define SLUICE_TRANSFORM_TRANSFORM_CONF_H

#include "base/knob.h"

struct transform_conf {
#define K(type, key, def, min, max, unit, flags, help) KNOB_FIELD_##type(key)
#include "transform/transform_conf.def"
#undef K
};

struct knob_section transform_conf_section(struct transform_conf *conf);

#endif
