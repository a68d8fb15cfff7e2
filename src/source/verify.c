/* Who sent it: a signature over the body, or a token, in a header. Checked when the source has the secret; secrets
 * never reach the code. Comparison takes the same time wherever the difference is. */
#include "base/encode.h"
#include "base/hash.h"
#include "source/source_internal.h"

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

static struct slice expected(const struct destination_signature *signature, const struct source_request *request,
    struct slice secret, struct arena *arena) {
    enum { SHA1_BYTES = 20, SHA256_BYTES = 32 };
    unsigned char digest[SHA256_BYTES];
    if (signature->algorithm == SIGNATURE_EQUAL) {
        return secret;
    }
    struct slice content = signed_content(signature, request, arena);
    if (signature->algorithm == SIGNATURE_HMAC_SHA1) {
        hash_hmac_sha1(secret, content, digest);
        return encoded(digest, SHA1_BYTES, signature->is_base64, arena);
    }
    hash_hmac_sha256(secret, content, digest);
    return encoded(digest, SHA256_BYTES, signature->is_base64, arena);
}

static bool holds(const struct destination_signature *signature, const struct source_request *request,
    struct slice secret, struct arena *arena) {
    struct slice given;
    if (!header_of(request, signature->header, &given)) {
        return false;
    }
    given = slice_trim(given);
    if (slice_starts(given, signature->prefix)) {
        given = slice_of(given.ptr + signature->prefix.len, given.len - signature->prefix.len);
    } else if (signature->prefix.len > 0 && signature->algorithm != SIGNATURE_EQUAL) {
        return false;
    }
    return slice_eq_secret(given, expected(signature, request, secret, arena));
}

enum err source_verify(const struct destination_type *type, const struct source_request *request,
    const struct destination_settings *settings, struct arena *arena, struct slice *ret_detail) {
    const struct destination_webhook *webhook = type->webhook;
    const struct destination_signature *wanted = NULL;
    for (size_t i = 0; i < webhook->signature_count; i++) {
        const struct destination_signature *signature = &webhook->signatures[i];
        struct slice secret = destination_setting_text(settings, signature->secret, arena);
        if (secret.len == 0) {
            continue;
        }
        if (holds(signature, request, secret, arena)) {
            return OK;
        }
        wanted = signature;
    }
    if (wanted == NULL) {
        return OK;
    }
    *ret_detail = arena_printf(arena, "the header %.*s is absent, or not what the source's %.*s makes of it",
        SLICE_ARG(wanted->header), SLICE_ARG(wanted->secret));
    return ERR_SIGNATURE;
}
