/* See encode.h. */
#include "base/encode.h"

void encode_hex(struct slice bytes, struct buf *out) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.len; i++) {
        buf_append_byte(out, digits[(unsigned char)bytes.ptr[i] >> 4]);
        buf_append_byte(out, digits[(unsigned char)bytes.ptr[i] & 15]);
    }
}

void encode_base64(struct slice bytes, struct buf *out) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes.len; i += 3) {
        uint32_t group = 0;
        for (size_t k = 0; k < 3; k++) {
            group = group << 8 | (i + k < bytes.len ? (unsigned char)bytes.ptr[i + k] : 0);
        }
        buf_append_byte(out, alphabet[group >> 18]);
        buf_append_byte(out, alphabet[group >> 12 & 63]);
        buf_append_byte(out, i + 1 < bytes.len ? alphabet[group >> 6 & 63] : '=');
        buf_append_byte(out, i + 2 < bytes.len ? alphabet[group & 63] : '=');
    }
}

int decode_hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool decode_hex(struct slice s, char *out, size_t *ret_len) {
    for (size_t i = 0; i + 1 < s.len; i += 2) {
        int high = decode_hex_digit(s.ptr[i]), low = decode_hex_digit(s.ptr[i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i / 2] = (char)(high << 4 | low);
    }
    *ret_len = s.len / 2;
    return s.len % 2 == 0;
}

static int base64_digit(char c) {
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == '+' || c == '-') {
        return 62;
    }
    return c == '/' || c == '_' ? 63 : -1;
}

bool decode_base64(struct slice s, char *out, size_t *ret_len) {
    for (unsigned padding = 0; padding < 2 && s.len > 0 && s.ptr[s.len - 1] == '='; padding++) {
        s.len--;
    }
    uint32_t bits = 0;
    unsigned held = 0;
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++) {
        int digit = base64_digit(s.ptr[i]);
        if (digit < 0) {
            return false;
        }
        bits = bits << 6 | (uint32_t)digit;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[len++] = (char)(bits >> held & 0xff);
        }
    }
    *ret_len = len;
    return s.len % 4 != 1;
}
