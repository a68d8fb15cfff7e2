/* See json_text.h. Nothing here runs for a valid text without escapes. */
#include "json/json_text.h"

#include "base/encode.h"
#include "base/err.h"

static bool is_continuation(const char *at, const char *end) {
    return at < end && ((unsigned char)*at & 0xc0) == 0x80;
}

size_t json_text_utf8(const char *at, const char *end) {
    unsigned char first = (unsigned char)*at;
    if (first < 0x80) {
        return 1;
    }
    if (first < 0xc2 || first > 0xf4 || !is_continuation(at + 1, end)) {
        return 0;
    }
    if (first < 0xe0) {
        return 2;
    }
    unsigned char second = (unsigned char)at[1];
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) {
        return 0; /* overlong, surrogate */
    }
    if (!is_continuation(at + 2, end)) {
        return 0;
    }
    if (first < 0xf0) {
        return 3;
    }
    if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) {
        return 0; /* overlong, beyond U+10FFFF */
    }
    return is_continuation(at + 3, end) ? 4 : 0;
}

/* The code unit of \uXXXX at `at`, or -1. */
static int32_t code_unit(const char *at, const char *end) {
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u') {
        return -1;
    }
    int32_t unit = 0;
    for (int i = 2; i < 6; i++) {
        int digit = decode_hex_digit(at[i]);
        if (digit < 0) {
            return -1;
        }
        unit = unit << 4 | digit;
    }
    return unit;
}

/* The byte that \c stands for, 0 when there is no such escape. */
static char short_escape(char c) {
    switch (c) {
    case '"':
    case '\\':
    case '/':
        return c;
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return 0;
    }
}

size_t json_text_escape(const char *at, const char *end) {
    if (end - at < 2) {
        return 0;
    }
    if (at[1] == 'u') {
        return code_unit(at, end) >= 0 ? 6 : 0;
    }
    return short_escape(at[1]) != 0 ? 2 : 0;
}

static size_t utf8_encode(uint32_t point, char out[4]) {
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xc0 | point >> 6);
        out[1] = (char)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (char)(0xe0 | point >> 12);
        out[1] = (char)(0x80 | (point >> 6 & 0x3f));
        out[2] = (char)(0x80 | (point & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | point >> 18);
    out[1] = (char)(0x80 | (point >> 12 & 0x3f));
    out[2] = (char)(0x80 | (point >> 6 & 0x3f));
    out[3] = (char)(0x80 | (point & 0x3f));
    return 4;
}

size_t json_text_unescape(const char *at, const char *end, char out[4], size_t *ret_len) {
    ASSERT(json_text_escape(at, end) != 0);
    if (at[1] != 'u') {
        out[0] = short_escape(at[1]);
        *ret_len = 1;
        return 2;
    }
    uint32_t point = (uint32_t)code_unit(at, end);
    size_t read = 6;
    if (point >= 0xd800 && point <= 0xdfff) {
        int32_t low = point < 0xdc00 ? code_unit(at + 6, end) : -1;
        bool paired = low >= 0xdc00 && low <= 0xdfff;
        point = paired ? 0x10000 + ((point - 0xd800) << 10) + ((uint32_t)low - 0xdc00) : 0xfffd;
        read = paired ? 12 : 6;
    }
    *ret_len = utf8_encode(point, out);
    return read;
}

/* What is wrong with the character at `at`, or NULL; *ret_step = its bytes, an escape with what it escapes. */
static const char *character_error(const char *at, const char *end, bool in_string, size_t *ret_step) {
    *ret_step = json_text_utf8(at, end);
    if (*ret_step == 0) {
        return "invalid UTF-8";
    }
    if (in_string && (unsigned char)*at < 0x20) {
        return "control character in a string";
    }
    if (*at != '\\' || end - at < 2) {
        return NULL; /* a backslash at the very end leaves its string open */
    }
    if (!in_string) {
        return "backslash outside a string";
    }
    *ret_step = json_text_escape(at, end);
    return *ret_step == 0 ? "invalid escape" : NULL;
}

size_t json_text_first_error(const char *text, size_t len, const char **ret_what) {
    const char *end = text + len;
    const char *opened = NULL; /* quote of the string that we are in */
    const char *at = text;
    while (at < end) {
        size_t step = 0;
        const char *what = character_error(at, end, opened != NULL, &step);
        if (what != NULL) {
            *ret_what = what;
            return (size_t)(at - text);
        }
        if (*at == '"') {
            opened = opened == NULL ? at : NULL;
        }
        at += step;
    }
    *ret_what = "string without an end";
    return opened != NULL ? (size_t)(opened - text) : len;
}
