/* See value.h. */
#include "destination/value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    DIGITS_MAX = 17,       /* always enough for a double */
    EXACT_DIGITS = 15,     /* an integer of so many digits is its own shortest text */
    NUMBER_TEXT_MAX = 400, /* bytes of a text that may still be a number */
    LARGE_EXPONENT = 21,   /* JavaScript writes 1e21 with an exponent */
    SMALL_EXPONENT = -7    /* and 1e-7 */
};

struct value value_of_node(const struct json_doc *doc, uint32_t node) {
    if (node == JSON_ABSENT) {
        return VALUE_NONE;
    }
    switch (json_kind(doc, node)) {
    case JSON_NULL:
        return (struct value){.kind = VALUE_NULL};
    case JSON_FALSE:
        return value_of_bool(false);
    case JSON_TRUE:
        return value_of_bool(true);
    case JSON_NUMBER:
        return (struct value){.kind = VALUE_NUMBER, .text = json_raw(doc, node)};
    default:
        return (struct value){.kind = VALUE_NODE, .node = node, .doc = doc};
    }
}

struct value value_of_text(struct slice text) {
    return (struct value){.kind = VALUE_TEXT, .text = text};
}

struct value value_of_bool(bool b) {
    return (struct value){.kind = VALUE_BOOL, .count = b};
}

/* `digits` (no leading or trailing zeros) times ten to the power of `point` - their number. */
static struct slice layout(bool negative, const char *digits, int count, int point, struct arena *arena) {
    const char *sign = negative ? "-" : "";
    int exponent = point - 1;
    if (exponent >= LARGE_EXPONENT || exponent <= SMALL_EXPONENT) {
        const char *dot = count > 1 ? "." : "";
        return arena_printf(arena, "%s%c%s%.*se%+d", sign, digits[0], dot, count - 1, digits + 1, exponent);
    }
    if (point <= 0) {
        return arena_printf(arena, "%s0.%.*s%.*s", sign, -point, "000000", count, digits);
    }
    if (count <= point) {
        return arena_printf(arena, "%s%.*s%.*s", sign, count, digits, point - count, "000000000000000000000");
    }
    return arena_printf(arena, "%s%.*s.%.*s", sign, point, digits, count - point, digits + point);
}

/* 15 digits hold every shorter decimal that reads back as v; the zeros behind it are cut off. */
static struct value format_double(double v, struct arena *arena) {
    char text[40];
    int precision = EXACT_DIGITS;
    do {
        snprintf(text, sizeof text, "%.*e", precision - 1, fabs(v));
    } while (precision < DIGITS_MAX && strtod(text, NULL) != fabs(v) && precision++ < DIGITS_MAX);
    char digits[DIGITS_MAX + 1];
    int count = 0;
    const char *at = text;
    for (; *at != 'e'; at++) {
        if (*at != '.') {
            digits[count++] = *at;
        }
    }
    while (count > 1 && digits[count - 1] == '0') {
        count--;
    }
    int64_t exponent = 0;
    enum err e = slice_to_i64(slice_cstr(at[1] == '+' ? at + 2 : at + 1), &exponent);
    ASSERT(e == OK);
    return (struct value){.kind = VALUE_NUMBER, .text = layout(v < 0, digits, count, (int)exponent + 1, arena)};
}

static struct value whole_number(int64_t v, struct arena *arena) {
    enum { ROOM = 20 };
    char *end = (char *)arena_alloc(arena, ROOM) + ROOM;
    char *at = end;
    uint64_t rest = v < 0 ? (uint64_t)-v : (uint64_t)v;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (v < 0) {
        *--at = '-';
    }
    return (struct value){.kind = VALUE_NUMBER, .text = slice_of(at, (size_t)(end - at))};
}

struct value value_of_double(double v, struct arena *arena) {
    static const double whole_max = 9007199254740992; /* 2^53 */
    if (!isfinite(v)) {
        return VALUE_NONE;
    }
    if (v == trunc(v) && fabs(v) < whole_max) {
        return whole_number((int64_t)v, arena);
    }
    return format_double(v, arena);
}

bool value_of_decimal(struct slice text, struct arena *arena, struct value *ret_value) {
    size_t sign = text.len > 0 && text.ptr[0] == '-';
    size_t point = SIZE_MAX;
    size_t end = text.len;
    if (text.len == sign || text.len - sign > EXACT_DIGITS) {
        return false;
    }
    for (size_t i = sign; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '.' && point == SIZE_MAX && i > sign && i + 1 < text.len) {
            point = i;
        } else if (c < '0' || c > '9') {
            return false;
        }
    }
    /* "007", "-0" and "0.0000001" are written otherwise: not worth a case of their own */
    char first = text.ptr[sign];
    if (first == '0' && (point != sign + 1 || sign == 1 || (text.len > sign + 2 && text.ptr[sign + 2] == '0'))) {
        return text.len == 1 ? (*ret_value = whole_number(0, arena), true) : false;
    }
    while (point != SIZE_MAX && (text.ptr[end - 1] == '0' || text.ptr[end - 1] == '.')) {
        end--;
        if (end == point) {
            break;
        }
    }
    *ret_value = (struct value){.kind = VALUE_NUMBER, .text = slice_of(text.ptr, end)};
    return true;
}

/* ---- questions ---- */

static bool is_node(const struct value *v, enum json_kind kind) {
    return v->kind == VALUE_NODE && json_kind(v->doc, v->node) == kind;
}

bool value_is_text(const struct value *v) {
    return v->kind == VALUE_TEXT || is_node(v, JSON_STRING);
}

bool value_is_array(const struct value *v) {
    return v->kind == VALUE_LIST || is_node(v, JSON_ARRAY);
}

bool value_is_object(const struct value *v) {
    return v->kind == VALUE_PAIRS || is_node(v, JSON_OBJECT);
}

bool value_is_set(const struct value *v) {
    switch (v->kind) {
    case VALUE_ABSENT:
    case VALUE_NULL:
        return false;
    case VALUE_TEXT:
        return v->text.len > 0;
    case VALUE_NODE:
        return v->doc->nodes[v->node].end - v->doc->nodes[v->node].start > 2 || !is_node(v, JSON_STRING);
    default:
        return true;
    }
}

/* ---- numbers ---- */

/* strtod over a decimal number alone: no hexadecimal, no names. Returns the bytes read. */
static size_t read_decimal(struct slice text, double *ret_number) {
    char copy[NUMBER_TEXT_MAX + 1];
    size_t len = 0;
    while (len < text.len && len < NUMBER_TEXT_MAX && text.ptr[len] != '\0' &&
        memchr("0123456789+-.eE", text.ptr[len], 15)) {
        copy[len] = text.ptr[len];
        len++;
    }
    copy[len] = '\0';
    char *end = copy;
    *ret_number = strtod(copy, &end);
    return (size_t)(end - copy);
}

bool value_leading_number(struct slice text, double *ret_number) {
    return read_decimal(slice_trim(text), ret_number) > 0;
}

bool value_number(const struct value *v, struct arena *arena, double *ret_number) {
    switch (v->kind) {
    case VALUE_NULL:
        *ret_number = 0;
        return true;
    case VALUE_BOOL:
        *ret_number = (double)v->count;
        return true;
    case VALUE_NUMBER:
        return read_decimal(v->text, ret_number) == v->text.len && isfinite(*ret_number);
    default:
        break;
    }
    if (!value_is_text(v)) {
        return false;
    }
    struct slice text = slice_trim(value_text(v, arena));
    if (text.len == 0) {
        *ret_number = 0;
        return true;
    }
    return read_decimal(text, ret_number) == text.len && isfinite(*ret_number);
}

/* ---- text ---- */

struct slice value_text(const struct value *v, struct arena *arena) {
    switch (v->kind) {
    case VALUE_ABSENT:
    case VALUE_NULL:
        return SLICE("");
    case VALUE_BOOL:
        return v->count ? SLICE("true") : SLICE("false");
    case VALUE_TEXT:
    case VALUE_JSON:
        return v->text;
    case VALUE_NUMBER: {
        struct value plain;
        double number = 0;
        if (value_of_decimal(v->text, arena, &plain)) {
            return plain.text;
        }
        if (read_decimal(v->text, &number) != v->text.len || !isfinite(number)) {
            return v->text;
        }
        struct value written = value_of_double(number, arena);
        return written.text;
    }
    default:
        return is_node(v, JSON_STRING) ? json_string(v->doc, v->node, arena) : value_json(v, arena);
    }
}

struct slice value_join(const struct slice *pieces, size_t count, struct arena *arena) {
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        len += pieces[i].len;
    }
    char *out = arena_alloc(arena, len + 1);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].len > 0) {
            memcpy(out + at, pieces[i].ptr, pieces[i].len);
            at += pieces[i].len;
        }
    }
    return slice_of(out, len);
}

void value_write(struct json_writer *w, const struct value *v, struct arena *arena) {
    switch (v->kind) {
    case VALUE_ABSENT:
    case VALUE_NULL:
        json_write_null(w);
        break;
    case VALUE_BOOL:
        json_write_bool(w, v->count != 0);
        break;
    case VALUE_NUMBER:
    case VALUE_JSON:
        json_write_raw(w, v->text);
        break;
    case VALUE_TEXT:
        json_write_string(w, v->text);
        break;
    case VALUE_NODE:
        json_write_raw(w, json_raw(v->doc, v->node));
        break;
    case VALUE_PAIRS:
        json_write_object(w);
        for (size_t i = 0; i < v->count; i++) {
            json_write_key(w, v->pairs[i].key);
            value_write(w, &v->pairs[i].value, arena);
        }
        json_write_end(w);
        break;
    case VALUE_LIST:
        json_write_array(w);
        for (size_t i = 0; i < v->count; i++) {
            value_write(w, &v->items[i], arena);
        }
        json_write_end(w);
        break;
    }
}

struct slice value_json(const struct value *v, struct arena *arena) {
    if (v->kind == VALUE_NODE) {
        return json_compact(json_raw(v->doc, v->node), arena);
    }
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    value_write(&w, v, arena);
    struct slice json = json_compact(buf_slice(&out), arena);
    buf_fini(&out);
    return json;
}

/* ---- members ---- */

static bool next_of_node(const struct value *v, size_t *at, struct arena *arena, struct value_pair *ret_pair) {
    bool object = is_node(v, JSON_OBJECT);
    if (!object && !is_node(v, JSON_ARRAY)) {
        return false;
    }
    uint32_t node = *at == 0 ? json_first(v->doc, v->node) : (uint32_t)*at;
    if (node == JSON_ABSENT || node >= v->doc->nodes[v->node].next) {
        return false;
    }
    uint32_t child = object ? node + 1 : node;
    ret_pair->key = object ? json_string(v->doc, node, arena) : SLICE("");
    ret_pair->value = value_of_node(v->doc, child);
    *at = v->doc->nodes[child].next;
    return true;
}

bool value_next(const struct value *v, size_t *at, struct arena *arena, struct value_pair *ret_pair) {
    if (v->kind == VALUE_NODE) {
        return next_of_node(v, at, arena, ret_pair);
    }
    if ((v->kind != VALUE_PAIRS && v->kind != VALUE_LIST) || *at >= v->count) {
        return false;
    }
    *ret_pair = v->kind == VALUE_PAIRS ? v->pairs[*at] : (struct value_pair){SLICE(""), v->items[*at]};
    ++*at;
    return true;
}

struct value value_member(const struct value *object, struct slice key, struct arena *arena) {
    if (object->kind == VALUE_NODE) {
        uint32_t node = json_find(object->doc, object->node, key);
        return value_of_node(object->doc, node);
    }
    struct value found = VALUE_NONE;
    struct value_pair pair;
    for (size_t at = 0; object->kind == VALUE_PAIRS && value_next(object, &at, arena, &pair);) {
        if (slice_eq(pair.key, key)) {
            found = pair.value;
        }
    }
    return found;
}
