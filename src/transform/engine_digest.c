/* Hashes and encodings of texts for destinations. */
#include "base/encode.h"
#include "base/hash.h"
#include "transform/engine.h"

/* The version 5 UUID of `name` in a namespace: SHA-1 of the namespace's 16 bytes and the name (RFC 9562). */
static void uuid_of_name(const unsigned char space[16], struct slice name, struct buf *out) {
    unsigned char digest[20];
    char text[UUID_LEN];
    struct buf joined;
    buf_init(&joined, 0);
    buf_append(&joined, slice_of((const char *)space, 16));
    buf_append(&joined, name);
    hash_sha1(buf_slice(&joined), digest);
    buf_fini(&joined);
    digest[6] = (unsigned char)((digest[6] & 0x0f) | 0x50);
    digest[8] = (unsigned char)((digest[8] & 0x3f) | 0x80);
    uuid_format(digest, text);
    buf_append(out, slice_of(text, UUID_LEN));
}

bool engine_digest(struct slice algorithm, struct slice text, struct slice key, struct buf *out) {
    unsigned char bytes[32];
    if (slice_eq(algorithm, SLICE("base64"))) {
        encode_base64(text, out);
    } else if (slice_eq(algorithm, SLICE("sha256"))) {
        hash_sha256(text, bytes);
        encode_hex(slice_of((const char *)bytes, 32), out);
    } else if (slice_eq(algorithm, SLICE("md5"))) {
        hash_md5(text, bytes);
        encode_hex(slice_of((const char *)bytes, 16), out);
    } else if (slice_eq(algorithm, SLICE("sha1"))) {
        hash_sha1(text, bytes);
        encode_hex(slice_of((const char *)bytes, 20), out);
    } else if (slice_eq(algorithm, SLICE("hmac_sha256"))) {
        hash_hmac_sha256(key, text, bytes);
        encode_hex(slice_of((const char *)bytes, 32), out);
    } else if (slice_eq(algorithm, SLICE("uuid5_url"))) {
        static const unsigned char url[16] = {
            0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8};
        uuid_of_name(url, text, out);
    } else {
        return false;
    }
    return true;
}
