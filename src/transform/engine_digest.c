/* Hashes and encodings of texts for destinations. */
#include "base/hash.h"
#include "transform/engine.h"

static void append_hex(const unsigned char *bytes, size_t len, struct buf *out) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        buf_append_byte(out, digits[bytes[i] >> 4]);
        buf_append_byte(out, digits[bytes[i] & 15]);
    }
}

static void append_base64(struct slice text, struct buf *out) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < text.len; i += 3) {
        uint32_t group = 0;
        for (size_t k = 0; k < 3; k++) {
            group = group << 8 | (i + k < text.len ? (unsigned char)text.ptr[i + k] : 0);
        }
        buf_append_byte(out, alphabet[group >> 18]);
        buf_append_byte(out, alphabet[group >> 12 & 63]);
        buf_append_byte(out, i + 1 < text.len ? alphabet[group >> 6 & 63] : '=');
        buf_append_byte(out, i + 2 < text.len ? alphabet[group & 63] : '=');
    }
}

bool engine_digest(struct slice algorithm, struct slice text, struct slice key, struct buf *out) {
    unsigned char bytes[32];
    if (slice_eq(algorithm, SLICE("base64"))) {
        append_base64(text, out);
    } else if (slice_eq(algorithm, SLICE("sha256"))) {
        hash_sha256(text, bytes);
        append_hex(bytes, 32, out);
    } else if (slice_eq(algorithm, SLICE("md5"))) {
        hash_md5(text, bytes);
        append_hex(bytes, 16, out);
    } else if (slice_eq(algorithm, SLICE("sha1"))) {
        hash_sha1(text, bytes);
        append_hex(bytes, 20, out);
    } else if (slice_eq(algorithm, SLICE("hmac_sha256"))) {
        hash_hmac_sha256(key, text, bytes);
        append_hex(bytes, 32, out);
    } else {
        return false;
    }
    return true;
}
