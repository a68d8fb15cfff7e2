/* Knobs: one row each in <module>_conf.def:
 *     K(TYPE, key, default_text, min, max, unit, flags, "help")
 * TYPE: U64 I64 BOOL TEXT ENUM DURATION(ms, "250ms" "4h") BYTES("64KiB" "1GiB"). From the row come the struct field,
 * parsing, range check, help, reference page and the environment name SLUICE_<MODULE>_<KEY>. The struct is `struct
 * <module>_conf`. */
#ifndef SLUICE_BASE_KNOB_H
#define SLUICE_BASE_KNOB_H

#include "base/arena.h"
#include "base/slice.h"

enum knob_type { KNOB_U64, KNOB_I64, KNOB_BOOL, KNOB_TEXT, KNOB_ENUM, KNOB_DURATION, KNOB_BYTES };
enum knob_flags {
    KNOB_LIVE = 1,   /* takes effect on reload; otherwise at start */
    KNOB_SECRET = 2, /* never printed */
    KNOB_TEST = 4,   /* for tests; left out of the reference page */
};

#define KNOB_FIELD_U64(key) uint64_t key;
#define KNOB_FIELD_I64(key) int64_t key;
#define KNOB_FIELD_BOOL(key) bool key;
#define KNOB_FIELD_TEXT(key) struct slice key;
#define KNOB_FIELD_ENUM(key) unsigned key; /* index into the '|'-separated words of `unit` */
#define KNOB_FIELD_DURATION(key) int64_t key;
#define KNOB_FIELD_BYTES(key) uint64_t key;

struct knob {
    const char *key;
    enum knob_type type;
    const char *default_text;
    int64_t min, max; /* of numbers, ms, bytes; of text: length */
    const char *unit; /* words of an ENUM: "none|gzip" */
    unsigned flags;
    const char *help;
    size_t offset;
};

struct knob_section {
    const char *name; /* "gateway" */
    const struct knob *knobs;
    size_t count;
    void *base; /* the live struct */
};

/* Sets all defaults. Text values live in `arena`. */
void knob_defaults(const struct knob_section *section, struct arena *arena);
/* One value from text. Errors name section.key, the value, the limit. UNKNOWN_KEY names the nearest known key. */
MUST enum err knob_set(
    const struct knob_section *section, struct arena *arena, struct slice key, struct slice value, struct errinfo *why);
/* Applies every SLUICE_<SECTION>_<KEY> of the environment that names one of `sections`; an unknown SLUICE_* name is an
 * error, but for SLUICE_FAULTS and SLUICE_CONFIG. */
MUST enum err knob_set_from_env(
    const struct knob_section *sections, size_t count, struct arena *arena, char **environment, struct errinfo *why);
/* Current value as text, for `check --verbose` and the reference page; secrets as "***". */
struct slice knob_text(const struct knob_section *section, const struct knob *knob, struct arena *arena);

/* struct body and rows from a .def file:
 *   struct gateway_conf {
 *   #define K(type, key, def, min, max, unit, flags, help) KNOB_FIELD_##type(key)
 *   #include "gateway/gateway_conf.def"
 *   #undef K
 *   };
 *   static const struct knob rows[] = {
 *   #define K KNOB_ROW(struct gateway_conf)  -- see KNOB_ROW_ below; each module's conf.c defines K with its own struct
 */
#define KNOB_ROW_(owner, type, key, def, min, max, unit, flags, help) \
    {#key, KNOB_##type, def, min, max, unit, flags, help, offsetof(owner, key)},

#endif
