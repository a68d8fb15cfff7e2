/* What the files of user_code share. Private to delivery/.
 *
 * A unit is a transformation as the process knows it, by its id: its counters. It outlives reloads, as long as a
 * snapshot in use names it. A connection is where a source meets the destination of a settings object. */
#ifndef SLUICE_DELIVERY_USER_CODE_INTERNAL_H
#define SLUICE_DELIVERY_USER_CODE_INTERNAL_H

#include "base/stat.h"
#include "delivery/user_code.h"
#include "model/workspace.h"
#include "transform/transform.h"
#include "json/json.h"

struct user_code_stat {
#define S(name, kind, unit, help) STAT_FIELD_##kind(name)
#include "delivery/user_code_stat.def"
#undef S
};

struct code_unit {
    struct code_unit *next;
    uint32_t references; /* under the list's lock */
    struct slice id;
    struct user_code_stat stat;
    struct stat_group stat_group;
};

struct code_connection {
    uint64_t source;
    const struct transformation *transformation; /* in the workspace */
    enum on_error on_error;
    struct transform_version *version;
    struct code_unit *unit;
    struct slice common; /* what metadata() says of all events */
};

/* Of one destination; part of its sender_settings and in their arena. */
struct user_code_settings {
    struct code_connection *connections; /* those with a transformation */
    size_t connection_count;
    const char *missing;
    struct json_parser *parser; /* thread: the settings' loop */
};

/* NULL: no connection of the destination has a transformation. */
struct user_code_settings *user_code_settings_new(
    const struct workspace *workspace, const struct destination *destination, struct arena *arena);
void user_code_settings_fini(struct user_code_settings *settings); /* takes NULL */

struct code_unit *code_unit_hold(struct slice id);
void code_unit_release(struct code_unit *unit); /* takes NULL */

struct transform_version *code_version(struct transform *transform, const struct transformation *transformation);

#endif
