/* Who sent it: a signature over the body, or a token, in a header. Checked when the source has the secret; secrets
 * never reach the code. Comparison takes the same time wherever the difference is. */
#include "base/encode.h"
#include "base/hash.h"
#include "source/source_internal.h"

enum { SHA1_BYTES = 20, SHA256_BYTES = 32 };

static bool header_of(const struct source_request *request, struct slice name, struct slice *ret_value) {
    for (size_t i = 0; i < request->header_count; i++) {
        if (slice_eq_nocase(request->headers[i].name, name)) {
            *ret_value = request->headers[i].value;
            return true;
        }
    }
    return false;
}

/* The content with its ${body} and ${header.Name} filled in. */
static struct slice signed_content(
    const struct destination_signature *signature, const struct source_request *request, struct arena *arena) {
    struct buf out;
    struct slice rest = signature->content;
    buf_init(&out, 0);
    while (rest.len > 0) {
        const char *open = memmem(rest.ptr, rest.len, "${", 2);
        size_t before = open != NULL ? (size_t)(open - rest.ptr) : rest.len;
        buf_append(&out, slice_of(rest.ptr, before));
        if (open == NULL) {
            break;
        }
        struct slice name = slice_cut(slice_of(open + 2, rest.len - before - 2), '}', &rest);
        struct slice value = SLICE("");
        if (slice_eq(name, SLICE("body"))) {
            value = request->body;
        } else if (slice_starts(name, SLICE("header."))) {
            (void)header_of(request, slice_of(name.ptr + 7, name.len - 7), &value); /* absent: empty */
        }
        buf_append(&out, value);
    }
    return buf_keep(&out, arena);
}

static struct slice encoded(const unsigned char *digest, size_t len, bool is_base64, struct arena *arena) {
    struct buf out;
    struct slice bytes = slice_of((const char *)digest, len);
    buf_init(&out, 0);
    (is_base64 ? encode_base64 : encode_hex)(bytes, &out);
    return buf_keep(&out, arena);
}

/* Empty when the text is none. JSON may be read of it. */
static struct slice bytes_of(
    bool (*decode)(struct slice s, char *out, size_t *ret_len), struct slice text, struct arena *arena) {
    size_t len = 0;
    char *out = arena_alloc(arena, text.len + JSON_PADDING);
    return decode(text, out, &len) ? slice_of(out, len) : SLICE("");
}

static struct slice expected(const struct destination_signature *signature, const struct source_request *request,
    struct slice secret, struct arena *arena) {
    unsigned char digest[SHA256_BYTES];
    struct slice content = signed_content(signature, request, arena);
    if (signature->has_hex_key) {
        secret = bytes_of(decode_hex, secret, arena);
    }
    if (secret.len == 0) { /* no hex: nothing holds, rather than what an empty key makes */
        return SLICE("");
    }
    if (signature->algorithm == SIGNATURE_HMAC_SHA1) {
        hash_hmac_sha1(secret, content, digest);
        return encoded(digest, SHA1_BYTES, signature->is_base64, arena);
    }
    hash_hmac_sha256(secret, content, digest);
    return encoded(digest, SHA256_BYTES, signature->is_base64, arena);
}

static bool without_prefix(struct slice prefix, struct slice *given) {
    *given = slice_trim(*given);
    if (!slice_starts(*given, prefix)) {
        return false;
    }
    *given = slice_of(given->ptr + prefix.len, given->len - prefix.len);
    return true;
}

/* The header may hold several, between commas: vendors sign with the old key and the new one while a key is changed. */
static bool one_signature_holds(const struct destination_signature *signature, const struct source_request *request,
    struct slice given, struct slice secret, struct arena *arena) {
    struct slice wanted = expected(signature, request, secret, arena);
    while (wanted.len > 0 && given.len > 0) {
        struct slice one = slice_cut(given, ',', &given);
        if (without_prefix(signature->prefix, &one) && slice_eq_secret(one, wanted)) {
            return true;
        }
    }
    return false;
}

/* ---- JSON Web Tokens: RFC 7519, of the one algorithm that a shared secret makes ---- */

static bool is_expired(const struct source_run *run, struct slice claims) {
    enum { MS = 1000 };
    struct json_doc doc;
    struct slice fraction;
    int64_t expires_s = 0;
    if (json_parse(run->parser, bytes_of(decode_base64, claims, run->arena), &doc, NULL) != OK) {
        return true;
    }
    uint32_t at = json_find(&doc, 0, SLICE("exp"));
    if (at == JSON_ABSENT) {
        return false;
    }
    enum err e = slice_to_i64(slice_cut(json_raw(&doc, at), '.', &fraction), &expires_s);
    return e != OK || expires_s < run->now_ms / MS;
}

static bool token_holds(const struct source_run *run, struct slice token, struct slice secret) {
    unsigned char digest[SHA256_BYTES];
    struct slice rest = SLICE(""), signature = SLICE("");
    struct slice head = slice_cut(token, '.', &rest);
    struct slice claims = slice_cut(rest, '.', &signature);
    if (claims.len == 0) {
        return false;
    }
    hash_hmac_sha256(secret, slice_of(token.ptr, head.len + 1 + claims.len), digest);
    struct slice given = bytes_of(decode_base64, signature, run->arena);
    return slice_eq_secret(given, slice_of((const char *)digest, SHA256_BYTES)) && !is_expired(run, claims);
}

static bool holds(const struct source_run *run, const struct destination_signature *signature, struct slice secret) {
    struct slice given;
    if (!header_of(&run->request, signature->header, &given)) {
        return false;
    }
    switch (signature->algorithm) {
    case SIGNATURE_EQUAL:
        (void)without_prefix(signature->prefix, &given); /* it may be missing */
        return slice_eq_secret(given, secret);
    case SIGNATURE_JWT_HS256:
        (void)without_prefix(signature->prefix, &given);
        return token_holds(run, given, secret);
    case SIGNATURE_HMAC_SHA256:
    case SIGNATURE_HMAC_SHA1:
        return one_signature_holds(signature, &run->request, given, secret, run->arena);
    }
    return false;
}

enum err source_verify(
    const struct source_run *run, const struct destination_settings *settings, struct slice *ret_detail) {
    const struct destination_webhook *webhook = run->type->webhook;
    const struct destination_signature *wanted = NULL;
    for (size_t i = 0; i < webhook->signature_count; i++) {
        const struct destination_signature *signature = &webhook->signatures[i];
        struct slice secret = destination_setting_text(settings, signature->secret, run->arena);
        if (secret.len == 0) {
            continue;
        }
        if (holds(run, signature, secret)) {
            return OK;
        }
        wanted = signature;
    }
    if (wanted == NULL) {
        return OK;
    }
    *ret_detail = arena_printf(run->arena, "the header %.*s is absent, or not what the source's %.*s makes of it",
        SLICE_ARG(wanted->header), SLICE_ARG(wanted->secret));
    return ERR_SIGNATURE;
}
