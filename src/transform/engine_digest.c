/* Hashes and encodings of texts for destinations. */
#include "base/encode.h"
#include "base/hash.h"
#include "transform/engine.h"

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
    } else {
        return false;
    }
    return true;
}
