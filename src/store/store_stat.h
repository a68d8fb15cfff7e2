/* Counters of the store: one row each in store_stat.def. Kept by whichever thread does the work; relaxed. */
#ifndef SLUICE_STORE_STORE_STAT_H
#define SLUICE_STORE_STORE_STAT_H

#include "base/stat.h"

struct store_stat {
#define S(name, kind, unit, help) STAT_FIELD_##kind(name)
#include "store/store_stat.def"
#undef S
};

const struct stat_info *store_stat_info(size_t *ret_count);

#endif
