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
