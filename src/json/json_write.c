/* See json_write.h. Each value passes through value_begin, which is the only place that knows about commas. */
#include "json/json_write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "json/json_text.h"

#define DOUBLE_DIGITS_MAX 17 /* enough for any double to read back */
#define DOUBLE_TEXT_SIZE 32
#define DOUBLE_EXACT_MAX 9007199254740992.0 /* 2^53: integers below print as such */

void json_writer_init(struct json_writer *w, struct buf *out) {
    w->out = out;
    w->depth = 0;
    w->comma = false;
    w->after_key = false;
}

static void value_begin(struct json_writer *w) {
    bool in_object = w->depth > 0 && w->stack[w->depth - 1] == '}';
    ASSERT(w->after_key == in_object);
    ASSERT(w->depth > 0 || !w->comma); /* one root */
    if (w->comma && !w->after_key) {
        buf_append_byte(w->out, ',');
    }
    w->after_key = false;
    w->comma = true;
}

static void container_begin(struct json_writer *w, char open, char close) {
    value_begin(w);
    ASSERT(w->depth < JSON_WRITE_DEPTH);
    buf_append_byte(w->out, open);
    w->stack[w->depth++] = close;
    w->comma = false;
}

void json_write_object(struct json_writer *w) {
    container_begin(w, '{', '}');
}

void json_write_array(struct json_writer *w) {
    container_begin(w, '[', ']');
}

void json_write_end(struct json_writer *w) {
    ASSERT(w->depth > 0 && !w->after_key);
    buf_append_byte(w->out, w->stack[--w->depth]);
    w->comma = true;
}

void json_write_key(struct json_writer *w, struct slice key) {
    ASSERT(w->depth > 0 && w->stack[w->depth - 1] == '}' && !w->after_key);
    if (w->comma) {
        buf_append_byte(w->out, ',');
    }
    json_escape(w->out, key);
    buf_append_byte(w->out, ':');
    w->after_key = true;
}

void json_write_string(struct json_writer *w, struct slice s) {
    value_begin(w);
    json_escape(w->out, s);
}

static void write_digits(struct buf *out, uint64_t v) {
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    buf_append(out, slice_of(digits + at, sizeof(digits) - at));
}

void json_write_u64(struct json_writer *w, uint64_t v) {
    value_begin(w);
    write_digits(w->out, v);
}

void json_write_i64(struct json_writer *w, int64_t v) {
    value_begin(w);
    if (v < 0) {
        buf_append_byte(w->out, '-');
    }
    write_digits(w->out, v < 0 ? -(uint64_t)v : (uint64_t)v);
}

void json_write_bool(struct json_writer *w, bool v) {
    value_begin(w);
    buf_append(w->out, v ? SLICE("true") : SLICE("false"));
}

void json_write_null(struct json_writer *w) {
    value_begin(w);
    buf_append(w->out, SLICE("null"));
}

void json_write_double(struct json_writer *w, double v) {
    if (!isfinite(v)) {
        json_write_null(w);
        return;
    }
    if (fabs(v) < DOUBLE_EXACT_MAX && v == trunc(v) && !(v == 0 && signbit(v))) {
        json_write_i64(w, (int64_t)v);
        return;
    }
    char text[DOUBLE_TEXT_SIZE];
    int len = 0;
    for (int digits = 1; digits <= DOUBLE_DIGITS_MAX; digits++) {
        len = snprintf(text, sizeof(text), "%.*g", digits, v);
        if (strtod(text, NULL) == v) {
            break;
        }
    }
    value_begin(w);
    buf_append(w->out, slice_of(text, (size_t)len));
}

void json_write_raw(struct json_writer *w, struct slice json) {
    value_begin(w);
    buf_append(w->out, json);
}

static const char hex[] = "0123456789abcdef";

static void write_unit(struct buf *out, uint32_t unit) {
    const char text[6] = {'\\', 'u', hex[unit >> 12], hex[unit >> 8 & 15], hex[unit >> 4 & 15], hex[unit & 15]};
    buf_append(out, slice_of(text, sizeof(text)));
}

/* The character of the UTF-8 sequence at `at` as one escape, or as a pair of surrogates. */
static void write_units(struct buf *out, const char *at, size_t len) {
    static const unsigned char first_bits[] = {[2] = 0x1f, [3] = 0x0f, [4] = 0x07};
    uint32_t point = (unsigned char)at[0] & first_bits[len];
    for (size_t i = 1; i < len; i++) {
        point = point << 6 | ((unsigned char)at[i] & 0x3f);
    }
    if (point < 0x10000) {
        write_unit(out, point);
        return;
    }
    write_unit(out, 0xd800 + ((point - 0x10000) >> 10));
    write_unit(out, 0xdc00 + ((point - 0x10000) & 0x3ff));
}

void json_write_ascii(struct json_writer *w, struct slice json) {
    const char *end = json.len > 0 ? json.ptr + json.len : json.ptr;
    value_begin(w);
    for (const char *at = json.ptr; at < end;) {
        size_t plain = slice_ascii_len(slice_of(at, (size_t)(end - at)));
        buf_append(w->out, slice_of(at, plain));
        at += plain;
        size_t len = at < end ? json_text_utf8(at, end) : 0;
        ASSERT(at == end || len > 1); /* json_parse takes no other bytes */
        if (at < end) {
            write_units(w->out, at, len);
        }
        at += len;
    }
}

void json_put_string(struct json_writer *w, const char *key, struct slice v) {
    json_write_key(w, slice_cstr(key));
    json_write_string(w, v);
}

void json_put_cstr(struct json_writer *w, const char *key, const char *v) {
    json_write_key(w, slice_cstr(key));
    if (v == NULL) {
        json_write_null(w);
        return;
    }
    json_write_string(w, slice_cstr(v));
}

void json_put_u64(struct json_writer *w, const char *key, uint64_t v) {
    json_write_key(w, slice_cstr(key));
    json_write_u64(w, v);
}

void json_put_i64(struct json_writer *w, const char *key, int64_t v) {
    json_write_key(w, slice_cstr(key));
    json_write_i64(w, v);
}

void json_put_bool(struct json_writer *w, const char *key, bool v) {
    json_write_key(w, slice_cstr(key));
    json_write_bool(w, v);
}

void json_put_raw(struct json_writer *w, const char *key, struct slice json) {
    json_write_key(w, slice_cstr(key));
    json_write_raw(w, json);
}

void json_put_time(struct json_writer *w, const char *key, int64_t ms) {
    json_write_key(w, slice_cstr(key));
    if (ms == 0) {
        json_write_null(w);
        return;
    }
    char text[CLOCK_RFC3339_SIZE];
    clock_format(ms, text);
    json_write_string(w, slice_cstr(text));
}

static void write_escape(struct buf *out, unsigned char c) {
    static const char letters[0x20] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    char letter = c < 0x20 ? letters[c] : (char)c;
    if (letter != 0) {
        char text[2] = {'\\', letter};
        buf_append(out, slice_of(text, sizeof(text)));
        return;
    }
    write_unit(out, c);
}

void json_escape(struct buf *out, struct slice s) {
    const char *at = s.ptr;
    const char *end = s.len > 0 ? s.ptr + s.len : s.ptr;
    const char *plain = at; /* start of the run that is copied as it is */
    buf_append_byte(out, '"');
    while (at < end) {
        unsigned char c = (unsigned char)*at;
        bool special = c < 0x20 || c == '"' || c == '\\';
        size_t len = special ? 0 : c < 0x80 ? 1 : json_text_utf8(at, end);
        if (LIKELY(len > 0)) {
            at += len;
            continue;
        }
        buf_append(out, slice_of(plain, (size_t)(at - plain)));
        if (special) {
            write_escape(out, c);
        } else {
            buf_append(out, SLICE(JSON_TEXT_REPLACEMENT));
        }
        plain = ++at;
    }
    buf_append(out, slice_of(plain, (size_t)(at - plain)));
    buf_append_byte(out, '"');
}
