/* Knobs of the processor: one row each in processor_conf.def. */
#ifndef SLUICE_PROCESSOR_PROCESSOR_CONF_H
#define SLUICE_PROCESSOR_PROCESSOR_CONF_H

#include "base/knob.h"

struct processor_conf {
#define K(type, key, def, min, max, unit, flags, help) KNOB_FIELD_##type(key)
#include "processor/processor_conf.def"
#undef K
};

struct knob_section processor_conf_section(struct processor_conf *conf);

#endif
