/* XXH3 for everything, MD5 for rudderId, SHA for vendors, random bytes from the kernel.
 *
 * thread: any. Digest contexts and random buffers are per thread; a thread's digest context is freed when the thread
 * ends. */
#include "base/hash.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <sys/random.h>
#ifdef __x86_64__
#include <xxh_x86dispatch.h> /* same values; AVX2 and AVX-512 where the machine has them: more than twice as fast on a record */
#else
#include <xxhash.h>
#endif

/* The library's AVX-512 code returns with the upper halves of the registers in use, and every SSE instruction after it
 * (the compiler's own copies of structs) then costs some 200 cycles. Short inputs do not go there. */
static inline void leave_wide_registers(size_t len) {
#ifdef __x86_64__
    if (len > 240 && __builtin_cpu_supports("avx")) {
        __asm__ volatile("vzeroupper" ::
                             : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
                         "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    }
#else
    (void)len;
#endif
}

uint64_t hash64(struct slice s) {
    uint64_t h = XXH3_64bits(s.ptr, s.len);
    leave_wide_registers(s.len);
    return h;
}

struct hash128 hash128(struct slice s) {
    XXH128_hash_t h = XXH3_128bits(s.ptr, s.len);
    leave_wide_registers(s.len);
    return (struct hash128){.lo = h.low64, .hi = h.high64};
}

uint32_t hash_check(const void *data, size_t len) {
    return (uint32_t)hash64(slice_of(data, len));
}

static pthread_once_t digest_once = PTHREAD_ONCE_INIT;
static pthread_key_t digest_key;
static EVP_MD *md5_method, *sha1_method,
    *sha256_method; /* fetched once: an implicit fetch per call costs more than the hash */

static void digest_context_free(void *context) {
    EVP_MD_CTX_free(context);
}

static void digest_setup(void) {
    md5_method = EVP_MD_fetch(NULL, "MD5", NULL);
    sha1_method = EVP_MD_fetch(NULL, "SHA1", NULL);
    sha256_method = EVP_MD_fetch(NULL, "SHA256", NULL);
    ASSERT(md5_method != NULL && sha1_method != NULL && sha256_method != NULL);
    ASSERT(pthread_key_create(&digest_key, digest_context_free) == 0);
}

/* Of two pieces, one behind the other. `method` points to a variable that digest_setup fills. */
static void digest(EVP_MD *const *method, struct slice first, struct slice rest, unsigned char *out) {
    pthread_once(&digest_once, digest_setup);
    EVP_MD_CTX *context = pthread_getspecific(digest_key);
    if (context == NULL) {
        context = EVP_MD_CTX_new();
        ASSERT(context != NULL);
        pthread_setspecific(digest_key, context);
    }
    int done = EVP_DigestInit_ex2(context, *method, NULL) && EVP_DigestUpdate(context, first.ptr, first.len) &&
        EVP_DigestUpdate(context, rest.ptr, rest.len) && EVP_DigestFinal_ex(context, out, NULL);
    ASSERT(done);
}

void hash_md5(struct slice s, unsigned char out[16]) {
    digest(&md5_method, s, SLICE(""), out);
}

void hash_sha256(struct slice s, unsigned char out[32]) {
    digest(&sha256_method, s, SLICE(""), out);
}

void hash_sha1(struct slice s, unsigned char out[20]) {
    digest(&sha1_method, s, SLICE(""), out);
}

/* RFC 2104, for hashes of 64-byte blocks. */
static void hmac(EVP_MD *const *method, size_t size, struct slice key, struct slice s, unsigned char *out) {
    enum { BLOCK = 64, INNER = 0x36, OUTER = 0x5c, SIZE_MAX_BYTES = 32 };
    char pad[BLOCK] = {0};
    unsigned char inner[SIZE_MAX_BYTES];
    if (key.len > BLOCK) {
        digest(method, key, SLICE(""), (unsigned char *)pad);
    } else if (key.len > 0) {
        memcpy(pad, key.ptr, key.len);
    }
    for (size_t i = 0; i < BLOCK; i++) {
        pad[i] ^= INNER;
    }
    digest(method, slice_of(pad, BLOCK), s, inner);
    for (size_t i = 0; i < BLOCK; i++) {
        pad[i] ^= INNER ^ OUTER;
    }
    digest(method, slice_of(pad, BLOCK), slice_of((const char *)inner, size), out);
}

void hash_hmac_sha256(struct slice key, struct slice s, unsigned char out[32]) {
    hmac(&sha256_method, 32, key, s, out);
}

void hash_hmac_sha1(struct slice key, struct slice s, unsigned char out[20]) {
    hmac(&sha1_method, 20, key, s, out);
}

static void random_from_kernel(unsigned char *out, size_t len) {
    while (len > 0) {
        ssize_t n = getrandom(out, len, 0);
        if (n < 0) {
            ASSERT(errno == EINTR);
            continue;
        }
        out += n;
        len -= (size_t)n;
    }
}

void random_bytes(void *out, size_t len) {
    static __thread unsigned char pool[512];
    static __thread size_t left;
    if (len > sizeof pool / 4) {
        random_from_kernel(out, len);
        return;
    }
    if (left < len) {
        random_from_kernel(pool, sizeof pool);
        left = sizeof pool;
    }
    left -= len;
    memcpy(out, pool + left, len);
    memset(pool + left, 0, len); /* what was handed out is not kept */
}

uint64_t random_u64(void) {
    uint64_t value;
    random_bytes(&value, sizeof value);
    return value;
}

void uuid_format(const unsigned char bytes[16], char out[UUID_LEN]) {
    static const char digits[] = "0123456789abcdef";
    size_t at = 0;
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            out[at++] = '-';
        }
        out[at++] = digits[bytes[i] >> 4];
        out[at++] = digits[bytes[i] & 15];
    }
}

void uuid_v4(char out[UUID_LEN]) {
    unsigned char bytes[16];
    random_bytes(bytes, sizeof bytes);
    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
    uuid_format(bytes, out);
}
