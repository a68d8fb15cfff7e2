/* The core schema's regular expressions, written out. Octal (0o17) and hexadecimal (0x1F) become decimal in JSON; a
 * sign '+', leading zeros, ".5" and "5." get the nearest JSON form; all other number text is kept. */
#include "model/ytree_scalar.h"

#include <stdlib.h>

#include "base/buf.h"

#define EXPANDED_MAX ((size_t)1 << 20) /* bytes of one value after ${NAME} is replaced */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static size_t count_digits(struct slice s, size_t from) {
    size_t at = from;
    while (at < s.len && is_digit(s.ptr[at])) {
        at++;
    }
    return at - from;
}

static bool is_one_of(struct slice s, const char *const *words, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (slice_eq(s, slice_cstr(words[i]))) {
            return true;
        }
    }
    return false;
}

static struct slice without_sign(struct slice s) {
    bool sign = s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+');
    return sign ? slice_of(s.ptr + 1, s.len - 1) : s;
}

static int digit_value(char c) {
    if (is_digit(c)) {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 99;
}

/* 8 or 16 when `s` is 0o… or 0x…, else 0. */
static unsigned radix_of(struct slice s) {
    if (s.len < 3 || s.ptr[0] != '0' || (s.ptr[1] != 'o' && s.ptr[1] != 'x')) {
        return 0;
    }
    unsigned radix = s.ptr[1] == 'o' ? 8 : 16;
    for (size_t i = 2; i < s.len; i++) {
        if ((unsigned)digit_value(s.ptr[i]) >= radix) {
            return 0;
        }
    }
    return radix;
}

static bool is_special_float(struct slice s) {
    static const char *const infinities[] = {".inf", ".Inf", ".INF"};
    static const char *const nans[] = {".nan", ".NaN", ".NAN"};
    return is_one_of(without_sign(s), infinities, COUNT_OF(infinities)) || is_one_of(s, nans, COUNT_OF(nans));
}

/* The parts of [-+]? (\.[0-9]+ | [0-9]+(\.[0-9]*)?) ([eE][-+]?[0-9]+)? */
struct decimal {
    bool negative;
    struct slice whole, fraction, exponent; /* exponent with its letter and sign */
};

static bool decimal_parse(struct slice s, struct decimal *ret) {
    struct decimal d = {.negative = s.len > 0 && s.ptr[0] == '-'};
    s = without_sign(s);
    size_t at = count_digits(s, 0);
    d.whole = slice_of(s.ptr, at);
    if (at < s.len && s.ptr[at] == '.') {
        size_t digits = count_digits(s, at + 1);
        d.fraction = slice_of(s.ptr + at + 1, digits);
        at += 1 + digits;
    }
    if (d.whole.len + d.fraction.len == 0) {
        return false;
    }
    if (at < s.len && (s.ptr[at] | 0x20) == 'e') {
        size_t sign = at + 1 < s.len && (s.ptr[at + 1] == '-' || s.ptr[at + 1] == '+') ? 1 : 0;
        size_t digits = count_digits(s, at + 1 + sign);
        d.exponent = slice_of(s.ptr + at, digits == 0 ? 0 : 1 + sign + digits);
        at += d.exponent.len;
    }
    *ret = d;
    return at == s.len;
}

enum ytree_kind ytree_scalar_kind(struct slice plain) {
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    static const char *const bools[] = {"true", "True", "TRUE", "false", "False", "FALSE"};
    struct decimal ignored;
    if (is_one_of(plain, nulls, COUNT_OF(nulls))) {
        return YTREE_NULL;
    }
    if (is_one_of(plain, bools, COUNT_OF(bools))) {
        return YTREE_BOOL;
    }
    bool number = radix_of(plain) != 0 || decimal_parse(plain, &ignored) || is_special_float(plain);
    return number ? YTREE_NUMBER : YTREE_STRING;
}

static enum err radix_to_json(struct slice text, unsigned radix, struct arena *arena, struct slice *ret_json) {
    uint64_t value = 0;
    for (size_t i = 2; i < text.len; i++) {
        if (__builtin_mul_overflow(value, (uint64_t)radix, &value) ||
            __builtin_add_overflow(value, (uint64_t)digit_value(text.ptr[i]), &value)) {
            return ERR_RANGE;
        }
    }
    *ret_json = arena_printf(arena, "%lu", (unsigned long)value);
    return OK;
}

enum err ytree_scalar_number(struct slice text, struct arena *arena, struct slice *ret_json) {
    unsigned radix = radix_of(text);
    if (radix != 0) {
        return radix_to_json(text, radix, arena, ret_json);
    }
    struct decimal d;
    if (!decimal_parse(text, &d)) {
        return ERR_INVALID; /* .inf, .nan */
    }
    struct slice whole = d.whole;
    while (whole.len > 1 && whole.ptr[0] == '0') {
        whole = slice_of(whole.ptr + 1, whole.len - 1);
    }
    size_t len = (d.negative ? 1 : 0) + (whole.len > 0 ? whole.len : 1) +
        (d.fraction.len > 0 ? 1 + d.fraction.len : 0) + d.exponent.len;
    if (len == text.len) { /* nothing had to change */
        *ret_json = text;
        return OK;
    }
    *ret_json = arena_printf(arena, "%s%.*s%s%.*s%.*s", d.negative ? "-" : "", whole.len > 0 ? (int)whole.len : 1,
        whole.len > 0 ? whole.ptr : "0", d.fraction.len > 0 ? "." : "", (int)d.fraction.len,
        d.fraction.len > 0 ? d.fraction.ptr : "", (int)d.exponent.len, d.exponent.len > 0 ? d.exponent.ptr : "");
    return OK;
}

static bool is_name_byte(char c, bool first) {
    char lower = (char)(c | 0x20);
    return c == '_' || (lower >= 'a' && lower <= 'z') || (!first && is_digit(c));
}

/* Length of the name in "${NAME}" at `at`, 0 when there is none. */
static size_t name_length(struct slice text, size_t at) {
    size_t end = at + 2;
    while (end < text.len && is_name_byte(text.ptr[end], end == at + 2)) {
        end++;
    }
    return end < text.len && text.ptr[end] == '}' ? end - (at + 2) : 0;
}

static enum err expand_one(struct slice text, size_t at, struct arena *arena, struct buf *out, struct slice *ret_name) {
    size_t len = name_length(text, at);
    if (len == 0) {
        return ERR_INVALID;
    }
    struct slice name = arena_dup(arena, slice_of(text.ptr + at + 2, len));
    const char *value = getenv(name.ptr); /* thread: nothing in this program changes its environment */
    if (value == NULL) {
        *ret_name = name;
        return ERR_NOT_FOUND;
    }
    return buf_append(out, slice_cstr(value));
}

static enum err expand(struct slice text, struct arena *arena, struct buf *out, struct slice *ret_name) {
    size_t at = 0;
    while (at < text.len) {
        struct slice rest = slice_of(text.ptr + at, text.len - at);
        enum err e = OK;
        if (slice_starts(rest, SLICE("$${"))) {
            e = buf_append(out, SLICE("${"));
            at += 3;
        } else if (slice_starts(rest, SLICE("${"))) {
            e = expand_one(text, at, arena, out, ret_name);
            at += 3 + name_length(text, at);
        } else {
            e = buf_append_byte(out, text.ptr[at]);
            at++;
        }
        if (e != OK) {
            return e;
        }
    }
    return OK;
}

enum err ytree_scalar_expand(struct slice text, struct arena *arena, struct slice *ret_text) {
    if (memmem(text.ptr, text.len, "${", 2) == NULL) {
        *ret_text = text;
        return OK;
    }
    struct buf out;
    buf_init(&out, EXPANDED_MAX);
    struct slice name = SLICE_NONE;
    enum err e = expand(text, arena, &out, &name);
    *ret_text = e == OK ? arena_dup(arena, buf_slice(&out)) : name;
    buf_fini(&out);
    return e;
}
