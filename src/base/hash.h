/* The one hash of the project (XXH3): checksums of records, keys of tables, ids of users. Stable on disk: never change
 * it without a format version. */
#ifndef SLUICE_BASE_HASH_H
#define SLUICE_BASE_HASH_H

#include "base/slice.h"

struct hash128 {
    uint64_t lo, hi;
};

uint64_t hash64(struct slice s);
struct hash128 hash128(struct slice s);
static inline bool hash128_eq(struct hash128 a, struct hash128 b) {
    return a.lo == b.lo && a.hi == b.hi;
}
/* 32-bit checksum over bytes (low half of hash64). */
uint32_t hash_check(const void *data, size_t len);
/* Streaming MD5 is for rudderId only: 16 bytes out. */
void hash_md5(struct slice s, unsigned char out[16]);
/* SHA-256, for what vendors want hashed: 32 bytes out. */
void hash_sha256(struct slice s, unsigned char out[32]);
/* SHA-1, for vendors that still want it: 20 bytes out. */
void hash_sha1(struct slice s, unsigned char out[20]);
/* HMAC of SHA-256: 32 bytes out. */
void hash_hmac_sha256(struct slice key, struct slice s, unsigned char out[32]);
/* HMAC of SHA-1: 20 bytes out. */
void hash_hmac_sha1(struct slice key, struct slice s, unsigned char out[20]);
/* Random bytes from the kernel; for ids and jitter. Thread-safe, buffered per thread, never fails. */
void random_bytes(void *out, size_t len);
uint64_t random_u64(void);
/* Text form 8-4-4-4-12, lower case, of a random v4 UUID; 36 bytes, no NUL. */
#define UUID_LEN 36
void uuid_v4(char out[UUID_LEN]);
void uuid_format(const unsigned char bytes[16], char out[UUID_LEN]);

#endif
