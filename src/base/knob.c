/* Parsing, range checks and printing of knobs. All of it is driven by the rows; no knob is named here. */
#include "base/knob.h"

#include <stdio.h>

enum { NAME_SIZE = 160 };

struct unit {
    struct slice name;
    int64_t factor;
};

static const struct unit duration_units[] = {
    {SLICE("ms"), 1},
    {SLICE("s"), 1000},
    {SLICE("m"), 60 * 1000},
    {SLICE("h"), 60 * 60 * 1000},
    {SLICE("d"), 24 * 60 * 60 * 1000},
};
static const struct unit byte_units[] = {
    {SLICE("B"), 1},
    {SLICE("KiB"), INT64_C(1) << 10},
    {SLICE("MiB"), INT64_C(1) << 20},
    {SLICE("GiB"), INT64_C(1) << 30},
    {SLICE("TiB"), INT64_C(1) << 40},
    {SLICE("kB"), 1000},
    {SLICE("MB"), 1000 * 1000},
    {SLICE("GB"), 1000 * 1000 * 1000},
    {SLICE("TB"), INT64_C(1000) * 1000 * 1000 * 1000},
};

/* ---- values from text ---- */

/* "1h30m", "64KiB": one or more numbers, each with a unit. A bare number counts as the first unit's if `bare_allowed`
 * or 0. */
static enum err parse_with_units(
    struct slice text, const struct unit *units, size_t unit_count, bool bare_allowed, int64_t *ret_value) {
    int64_t total = 0;
    if (text.ptr == NULL || text.len == 0) {
        return ERR_INVALID;
    }
    for (bool first = true; text.len > 0; first = false) {
        size_t digits = 0;
        while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9') {
            digits++;
        }
        size_t end = digits;
        while (end < text.len && (text.ptr[end] < '0' || text.ptr[end] > '9')) {
            end++;
        }
        int64_t number = 0;
        enum err e = slice_to_i64(slice_of(text.ptr, digits), &number);
        if (e != OK) {
            return e;
        }
        struct slice name = slice_trim(slice_of(text.ptr + digits, end - digits));
        int64_t factor = name.len == 0 && first && end == text.len && (bare_allowed || number == 0) ? 1 : 0;
        for (size_t i = 0; i < unit_count; i++) {
            factor = slice_eq(name, units[i].name) ? units[i].factor : factor;
        }
        if (factor == 0) {
            return ERR_INVALID;
        }
        if (__builtin_mul_overflow(number, factor, &number) || __builtin_add_overflow(total, number, &total)) {
            return ERR_RANGE;
        }
        text = slice_of(text.ptr + end, text.len - end);
    }
    *ret_value = total;
    return OK;
}

static enum err parse_bool(struct slice text, int64_t *ret_value) {
    static const struct slice words[] = {
        SLICE("false"), SLICE("true"), SLICE("off"), SLICE("on"), SLICE("no"), SLICE("yes")};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (slice_eq(words[i], text)) {
            *ret_value = (int64_t)(i % 2);
            return OK;
        }
    }
    return ERR_INVALID;
}

static enum err parse_enum(const char *words, struct slice text, int64_t *ret_value) {
    struct slice rest = slice_cstr(words);
    for (int64_t i = 0; rest.ptr != NULL; i++) {
        if (slice_eq(slice_cut(rest, '|', &rest), text)) {
            *ret_value = i;
            return OK;
        }
    }
    return ERR_INVALID;
}

/* The value as a number; of TEXT, its length. */
static enum err parse_number(const struct knob *knob, struct slice text, int64_t *ret_value) {
    uint64_t value = 0;
    enum err e = OK;
    switch (knob->type) {
    case KNOB_U64:
        e = slice_to_u64(text, &value);
        if (e == OK && value > INT64_MAX) {
            e = ERR_RANGE;
        }
        if (e == OK) {
            *ret_value = (int64_t)value;
        }
        return e;
    case KNOB_I64:
        return slice_to_i64(text, ret_value);
    case KNOB_BOOL:
        return parse_bool(text, ret_value);
    case KNOB_ENUM:
        return parse_enum(knob->unit, text, ret_value);
    case KNOB_DURATION:
        return parse_with_units(text, duration_units, COUNT_OF(duration_units), false, ret_value);
    case KNOB_BYTES:
        return parse_with_units(text, byte_units, COUNT_OF(byte_units), true, ret_value);
    case KNOB_TEXT:
        *ret_value = (int64_t)text.len;
        return OK;
    }
    return ERR_INVALID;
}

/* What a person may write instead. */
static void describe_form(const struct knob *knob, char *out, size_t size) {
    switch (knob->type) {
    case KNOB_U64:
    case KNOB_I64:
        snprintf(out, size, "a whole number");
        return;
    case KNOB_BOOL:
        snprintf(out, size, "true or false");
        return;
    case KNOB_ENUM:
        snprintf(out, size, "one of %s", knob->unit);
        return;
    case KNOB_DURATION:
        snprintf(out, size, "a duration with its unit: ms, s, m, h or d (250ms, 1h30m)");
        return;
    case KNOB_BYTES:
        snprintf(out, size, "a number of bytes: B, KiB, MiB, GiB or TiB (64KiB)");
        return;
    case KNOB_TEXT:
        snprintf(out, size, "text");
        return;
    }
}

/* ---- numbers to text ---- */

/* In the largest unit of the first `unit_count` that divides it. */
static void format_with_units(int64_t value, const struct unit *units, size_t unit_count, char *out, size_t size) {
    size_t best = 0;
    for (size_t i = 0; i < unit_count; i++) {
        if (value != 0 && value % units[i].factor == 0) {
            best = i;
        }
    }
    snprintf(out, size, "%ld%.*s", (long)(value / units[best].factor), SLICE_ARG(units[best].name));
}

static void format_number(const struct knob *knob, int64_t value, char *out, size_t size) {
    if (knob->type == KNOB_DURATION) {
        format_with_units(value, duration_units, COUNT_OF(duration_units), out, size);
    } else if (knob->type == KNOB_BYTES) {
        enum { BINARY_UNITS = 5 };
        format_with_units(value, byte_units, BINARY_UNITS, out, size);
    } else {
        snprintf(out, size, "%ld", (long)value);
    }
}

/* ---- set ---- */

static bool has_range(const struct knob *knob) {
    return knob->type != KNOB_BOOL && knob->type != KNOB_ENUM;
}

static void store_value(const struct knob_section *section, const struct knob *knob, struct arena *arena,
    struct slice text, int64_t number) {
    void *at = (char *)section->base + knob->offset;
    switch (knob->type) {
    case KNOB_U64:
    case KNOB_BYTES:
        *(uint64_t *)at = (uint64_t)number;
        return;
    case KNOB_I64:
    case KNOB_DURATION:
        *(int64_t *)at = number;
        return;
    case KNOB_BOOL:
        *(bool *)at = number != 0;
        return;
    case KNOB_ENUM:
        *(unsigned *)at = (unsigned)number;
        return;
    case KNOB_TEXT:
        *(struct slice *)at = arena_dup(arena, text);
        return;
    }
}

static enum err refuse_range(const char *name, const struct knob *knob, const char *shown, struct errinfo *why) {
    char min[32], max[32];
    format_number(knob, knob->min, min, sizeof min);
    format_number(knob, knob->max, max, sizeof max);
    return err_why(ERR_RANGE, why, name, "%s: \"%s\" is out of range: %s%s to %s%s", name, shown,
        knob->type == KNOB_TEXT ? "length " : "", min, max, knob->type == KNOB_TEXT ? " bytes" : "");
}

static enum err set_value(const struct knob_section *section, const struct knob *knob, struct arena *arena,
    struct slice value, struct errinfo *why) {
    char name[NAME_SIZE], shown[64];
    snprintf(name, sizeof name, "%s.%s", section->name, knob->key);
    struct slice text = knob->flags & KNOB_SECRET ? SLICE("***") : value;
    snprintf(shown, sizeof shown, "%.*s", (int)(text.len < sizeof shown ? text.len : sizeof shown), text.ptr);
    int64_t number = 0;
    enum err e = parse_number(knob, value, &number);
    if (e == ERR_RANGE || (e == OK && has_range(knob) && (number < knob->min || number > knob->max))) {
        return refuse_range(name, knob, shown, why);
    }
    if (e != OK) {
        char form[128];
        describe_form(knob, form, sizeof form);
        return err_why(ERR_INVALID, why, name, "%s: \"%s\" is not %s", name, shown, form);
    }
    store_value(section, knob, arena, value, number);
    return OK;
}

void knob_defaults(const struct knob_section *section, struct arena *arena) {
    for (size_t i = 0; i < section->count; i++) {
        const struct knob *knob = &section->knobs[i];
        int64_t number = 0;
        enum err e = parse_number(knob, slice_cstr(knob->default_text), &number);
        ASSERT(e == OK); /* a row's own default; its range is not checked: "" may be the default of a text */
        store_value(section, knob, arena, slice_cstr(knob->default_text), number);
    }
}

enum err knob_set(const struct knob_section *section, struct arena *arena, struct slice key, struct slice value,
    struct errinfo *why) {
    const char *nearest = "";
    unsigned nearest_distance = UINT32_MAX;
    for (size_t i = 0; i < section->count; i++) {
        const struct knob *knob = &section->knobs[i];
        if (slice_eq(slice_cstr(knob->key), key)) {
            return set_value(section, knob, arena, value, why);
        }
        unsigned distance = slice_distance(slice_cstr(knob->key), key);
        if (distance < nearest_distance) {
            nearest_distance = distance;
            nearest = knob->key;
        }
    }
    return err_why(ERR_UNKNOWN_KEY, why, section->name, "unknown key %s.%.*s; the nearest is %s.%s", section->name,
        (int)(key.len < 64 ? key.len : 64), key.ptr, section->name, nearest);
}

/* ---- environment ---- */

/* SLUICE_<SECTION>_<KEY> */
static struct slice env_name(const struct knob_section *section, const struct knob *knob, char out[NAME_SIZE]) {
    int len = snprintf(out, NAME_SIZE, "SLUICE_%s_%s", section->name, knob->key);
    ASSERT(len > 0 && len < NAME_SIZE);
    for (int i = 0; i < len; i++) {
        out[i] = (char)(out[i] >= 'a' && out[i] <= 'z' ? out[i] - 'a' + 'A' : out[i]);
    }
    return slice_of(out, (size_t)len);
}

static enum err set_from_variable(const struct knob_section *sections, size_t count, struct arena *arena,
    struct slice name, struct slice value, struct errinfo *why) {
    char known[NAME_SIZE], nearest[NAME_SIZE] = "";
    unsigned nearest_distance = UINT32_MAX;
    for (size_t s = 0; s < count; s++) {
        for (size_t i = 0; i < sections[s].count; i++) {
            struct slice text = env_name(&sections[s], &sections[s].knobs[i], known);
            if (slice_eq(text, name)) {
                return set_value(&sections[s], &sections[s].knobs[i], arena, value, why);
            }
            unsigned distance = slice_distance(text, name);
            if (distance < nearest_distance) {
                nearest_distance = distance;
                memcpy(nearest, known, text.len + 1);
            }
        }
    }
    return err_why(ERR_UNKNOWN_KEY, why, "environment", "unknown variable %.*s; the nearest is %s",
        (int)(name.len < 64 ? name.len : 64), name.ptr, nearest);
}

enum err knob_set_from_env(
    const struct knob_section *sections, size_t count, struct arena *arena, char **environment, struct errinfo *why) {
    for (char **entry = environment; *entry != NULL; entry++) {
        struct slice value;
        struct slice name = slice_cut(slice_cstr(*entry), '=', &value);
        if (!slice_starts(name, SLICE("SLUICE_")) || slice_eq(name, SLICE("SLUICE_FAULTS")) ||
            slice_eq(name, SLICE("SLUICE_CONFIG"))) {
            continue;
        }
        enum err e = set_from_variable(sections, count, arena, name, value, why);
        if (e != OK) {
            return e;
        }
    }
    return OK;
}

/* ---- current value ---- */

struct slice knob_text(const struct knob_section *section, const struct knob *knob, struct arena *arena) {
    const void *at = (const char *)section->base + knob->offset;
    char text[32];
    if (knob->flags & KNOB_SECRET) {
        return SLICE("***");
    }
    switch (knob->type) {
    case KNOB_TEXT:
        return arena_dup(arena, *(const struct slice *)at);
    case KNOB_BOOL:
        return *(const bool *)at ? SLICE("true") : SLICE("false");
    case KNOB_ENUM: {
        struct slice rest = slice_cstr(knob->unit), word = SLICE_NONE;
        for (unsigned i = 0; i <= *(const unsigned *)at; i++) {
            word = slice_cut(rest, '|', &rest);
        }
        return arena_dup(arena, word);
    }
    case KNOB_U64:
    case KNOB_BYTES: /* at most INT64_MAX, as set_value keeps them */
    case KNOB_I64:
    case KNOB_DURATION:
        format_number(knob, *(const int64_t *)at, text, sizeof text);
        return arena_dup(arena, slice_cstr(text));
    }
    return SLICE_NONE;
}
