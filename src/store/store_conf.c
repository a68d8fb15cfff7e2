/* The store's knobs as a table. */
#include "store/store_conf.h"

struct knob_section store_conf_section(struct store_conf *conf) {
    static const struct knob rows[] = {
#define K(type, key, def, min, max, unit, flags, help) \
    KNOB_ROW_(struct store_conf, type, key, def, min, max, unit, flags, help)
#include "store/store_conf.def"
#undef K
    };
    return (struct knob_section){.name = "store", .knobs = rows, .count = COUNT_OF(rows), .base = conf};
}
