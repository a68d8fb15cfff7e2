/* See schema.h. */
#include "destination/schema.h"

#include <stdarg.h>
#include <stdio.h>

#define KEYS_MAX 32

/* ---- where ---- */

static void append(struct schema *s, const char *joint, struct slice part) {
    int room = (int)(sizeof s->path - s->path_len);
    int written = snprintf(s->path + s->path_len, (size_t)room, "%s%.*s", joint, SLICE_ARG(part));
    s->path_len += (size_t)(written < room ? written : room - 1);
}

size_t schema_enter(struct schema *s, struct slice key) {
    size_t mark = s->path_len;
    append(s, mark > 0 ? "." : "", key);
    return mark;
}

size_t schema_enter_index(struct schema *s, size_t index) {
    size_t mark = s->path_len;
    char text[32];
    snprintf(text, sizeof text, "[%zu]", index);
    append(s, "", slice_cstr(text));
    return mark;
}

void schema_leave(struct schema *s, size_t mark) {
    s->path_len = mark;
    s->path[mark] = '\0';
}

enum err schema_fail(struct schema *s, uint32_t node, const char *format, ...) {
    size_t at = node == JSON_ABSENT ? 0 : s->doc->nodes[node].start;
    unsigned line = 1;
    unsigned column = 1;
    for (size_t i = 0; i < at; i++) {
        bool newline = s->doc->text[i] == '\n';
        line += newline;
        column = newline ? 1 : column + 1;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(s->why->text, sizeof s->why->text, format, arguments);
    va_end(arguments);
    snprintf(
        s->why->path, sizeof s->why->path, "%s:%u:%u%s%s", s->file, line, column, s->path_len > 0 ? " " : "", s->path);
    s->why->at = at;
    return ERR_INVALID;
}

enum err schema_fail_word(
    struct schema *s, uint32_t node, const char *what, struct slice word, const char *const *names, size_t count) {
    size_t nearest = 0;
    unsigned nearest_distance = UINT32_MAX;
    for (size_t i = 0; i < count; i++) {
        unsigned distance = slice_distance(word, slice_cstr(names[i]));
        if (distance < nearest_distance) {
            nearest_distance = distance;
            nearest = i;
        }
    }
    int shown = word.len < 64 ? (int)word.len : 64;
    if (count == 0) {
        return schema_fail(s, node, "unknown %s \"%.*s\"; there are none", what, shown, word.ptr);
    }
    return schema_fail(s, node, "unknown %s \"%.*s\"; the nearest is \"%s\"", what, shown, word.ptr, names[nearest]);
}

/* ---- objects ---- */

static const char *kinds_text(unsigned kinds) {
    switch (kinds) {
    case SCHEMA_TEXT:
        return "a text";
    case SCHEMA_NUMBER:
        return "a number";
    case SCHEMA_BOOL:
        return "true or false";
    case SCHEMA_LIST:
        return "a list";
    case SCHEMA_OBJECT:
        return "an object";
    case SCHEMA_TEXT | SCHEMA_LIST:
        return "a text or a list";
    default:
        return "of another kind";
    }
}

static enum err take_key(
    struct schema *s, uint32_t key, const struct schema_key *keys, size_t count, uint32_t *values) {
    const char *names[KEYS_MAX];
    ASSERT(count <= KEYS_MAX);
    struct slice name = json_string(s->doc, key, s->arena);
    for (size_t i = 0; i < count; i++) {
        names[i] = keys[i].name;
        if (!slice_eq(name, slice_cstr(names[i]))) {
            continue;
        }
        if (values[i] != JSON_ABSENT) {
            return schema_fail(s, key, "\"%s\" is given twice", names[i]);
        }
        if ((keys[i].kinds & 1u << json_kind(s->doc, key + 1)) == 0) {
            return schema_fail(s, key + 1, "\"%s\" must be %s", names[i], kinds_text(keys[i].kinds));
        }
        values[i] = key + 1;
        return OK;
    }
    return schema_fail_word(s, key, "key", name, names, count);
}

enum err schema_object(
    struct schema *s, uint32_t node, const struct schema_key *keys, size_t count, uint32_t *ret_values) {
    for (size_t i = 0; i < count; i++) {
        ret_values[i] = JSON_ABSENT;
    }
    if (!json_is(s->doc, node, JSON_OBJECT)) {
        return schema_fail(s, node, "must be an object");
    }
    for (uint32_t key = json_first(s->doc, node); key != JSON_ABSENT; key = json_after(s->doc, node, key)) {
        enum err e = take_key(s, key, keys, count, ret_values);
        if (e != OK) {
            return e;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (keys[i].required && ret_values[i] == JSON_ABSENT) {
            return schema_fail(s, node, "\"%s\" is missing", keys[i].name);
        }
    }
    return OK;
}

/* ---- values ---- */

struct slice schema_text(struct schema *s, uint32_t node) {
    return node == JSON_ABSENT ? SLICE_NONE : arena_dup(s->arena, json_string(s->doc, node, s->arena));
}

enum err schema_texts(struct schema *s, uint32_t node, struct slice **ret_list, size_t *ret_count) {
    if (json_is(s->doc, node, JSON_STRING)) {
        *ret_list = ARENA_NEW(s->arena, struct slice);
        **ret_list = schema_text(s, node);
        *ret_count = 1;
        return OK;
    }
    if (!json_is(s->doc, node, JSON_ARRAY)) {
        return schema_fail(s, node, "must be a text or a list of texts");
    }
    struct slice *list = ARENA_ARRAY(s->arena, struct slice, json_count(s->doc, node) + 1);
    size_t count = 0;
    for (uint32_t item = json_first(s->doc, node); item != JSON_ABSENT; item = json_after(s->doc, node, item)) {
        if (!json_is(s->doc, item, JSON_STRING)) {
            return schema_fail(s, item, "must be a text");
        }
        list[count++] = schema_text(s, item);
    }
    *ret_list = list;
    *ret_count = count;
    return OK;
}

enum err schema_number(struct schema *s, uint32_t node, uint64_t min, uint64_t max, uint64_t *ret_value) {
    uint64_t value = 0;
    if (json_u64(s->doc, node, &value) != OK || value < min || value > max) {
        return schema_fail(s, node, "must be a whole number from %lu to %lu", min, max);
    }
    *ret_value = value;
    return OK;
}

enum err schema_duration(struct schema *s, uint32_t node, int64_t *ret_ms) {
    static const struct {
        struct slice unit;
        int64_t ms;
    } units[] = {{SLICE("ms"), 1}, {SLICE("s"), 1000}, {SLICE("m"), 60000}, {SLICE("h"), 3600000}};
    enum { DIGITS_MAX = 9 };
    struct slice text = json_string(s->doc, node, s->arena);
    size_t digits = 0;
    int64_t number = 0;
    while (digits < text.len && digits < DIGITS_MAX && text.ptr[digits] >= '0' && text.ptr[digits] <= '9') {
        number = number * 10 + (text.ptr[digits++] - '0');
    }
    struct slice unit = slice_of(text.ptr + digits, text.len - digits);
    for (size_t i = 0; digits > 0 && i < COUNT_OF(units); i++) {
        if (slice_eq(unit, units[i].unit)) {
            *ret_ms = number * units[i].ms;
            return OK;
        }
    }
    return schema_fail(s, node, "must be a duration: a number and one of ms, s, m, h");
}

enum err schema_word(struct schema *s, uint32_t node, const char *const *names, size_t count, size_t *ret_index) {
    struct slice word = json_string(s->doc, node, s->arena);
    for (size_t i = 0; i < count; i++) {
        if (slice_eq(word, slice_cstr(names[i]))) {
            *ret_index = i;
            return OK;
        }
    }
    return schema_fail_word(s, node, "word", word, names, count);
}
