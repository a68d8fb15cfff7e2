/* Where an address is, from a city database in MaxMind's format (GeoLite2-City and alike). The file is mapped, not
 * read: what is looked up is what gets into memory.
 *
 * thread: an open database is read by one thread at a time. */
#ifndef SLUICE_TRANSFORM_GEO_H
#define SLUICE_TRANSFORM_GEO_H

#include "base/err.h"
#include "base/slice.h"
#include "json/json_write.h"

struct geo;

/* Errors: there is no such file, it is no such database, or one without cities. */
MUST enum err geo_open(const char *path, struct geo **ret_geo, struct errinfo *why);
void geo_close(struct geo *geo); /* takes NULL */
/* {"ip","city","country","region","postal","location":"latitude,longitude","timezone"}: names in English, the country
 * by its ISO code, the region is the first subdivision; "" for what the database does not say. `ip` is an address. */
MUST enum err geo_write(const struct geo *geo, const char *ip, struct json_writer *json);

#endif
