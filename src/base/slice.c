/* What a slice needs beyond its inline parts: comparison without case, cutting, numbers, edit distance. */
#include "base/slice.h"

static char ascii_lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool slice_eq_secret(struct slice a, struct slice b) {
    unsigned char differs = 0;
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        differs |= (unsigned char)(a.ptr[i] ^ b.ptr[i]);
    }
    return differs == 0;
}

size_t slice_ascii_len(struct slice s) {
    const uint64_t high_bits = 0x8080808080808080u;
    size_t i = 0;
    for (uint64_t word = 0; i + sizeof word <= s.len; i += sizeof word) {
        memcpy(&word, s.ptr + i, sizeof word);
        if ((word & high_bits) != 0) {
            break;
        }
    }
    while (i < s.len && (unsigned char)s.ptr[i] < 0x80) {
        i++;
    }
    return i;
}

bool slice_eq_nocase(struct slice a, struct slice b) {
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

struct slice slice_trim(struct slice s) {
    while (s.len > 0 && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

struct slice slice_cut(struct slice s, char sep, struct slice *rest) {
    const char *at = s.len > 0 ? memchr(s.ptr, sep, s.len) : NULL;
    if (at == NULL) {
        *rest = SLICE_NONE;
        return s;
    }
    size_t len = (size_t)(at - s.ptr);
    *rest = slice_of(at + 1, s.len - len - 1);
    return slice_of(s.ptr, len);
}

enum err slice_to_u64(struct slice s, uint64_t *ret_value) {
    if (s.len == 0) {
        return ERR_INVALID;
    }
    uint64_t value = 0;
    bool overflow = false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') {
            return ERR_INVALID;
        }
        overflow |= __builtin_mul_overflow(value, (uint64_t)10, &value);
        overflow |= __builtin_add_overflow(value, (uint64_t)(s.ptr[i] - '0'), &value);
    }
    if (overflow) {
        return ERR_RANGE;
    }
    *ret_value = value;
    return OK;
}

enum err slice_to_i64(struct slice s, int64_t *ret_value) {
    bool negative = s.len > 0 && s.ptr[0] == '-';
    uint64_t value = 0;
    enum err e = slice_to_u64(negative ? slice_of(s.ptr + 1, s.len - 1) : s, &value);
    if (e != OK) {
        return e;
    }
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    if (value > limit) {
        return ERR_RANGE;
    }
    *ret_value = negative ? (int64_t)(0 - value) : (int64_t)value;
    return OK;
}

unsigned slice_distance(struct slice a, struct slice b) {
    enum { LONGEST = 64 };
    if (a.len > LONGEST || b.len > LONGEST) {
        return LONGEST + 1;
    }
    /* Levenshtein, one row: row[j] is the distance of a[0..i) to b[0..j) */
    unsigned row[LONGEST + 1];
    for (unsigned j = 0; j <= b.len; j++) {
        row[j] = j;
    }
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            unsigned replace = diagonal + (a.ptr[i - 1] != b.ptr[j - 1]);
            unsigned insert_or_remove = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = replace < insert_or_remove ? replace : insert_or_remove;
        }
    }
    return row[b.len];
}
