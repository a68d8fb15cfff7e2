/* See redact.h. A name is secret-looking when it contains one of a few words; better one "***" too many. */
#include "delivery/redact.h"

#include "base/buf.h"

static bool contains_nocase(struct slice text, struct slice word) {
    for (size_t i = 0; i + word.len <= text.len; i++) {
        if (slice_eq_nocase(slice_of(text.ptr + i, word.len), word)) {
            return true;
        }
    }
    return false;
}

static bool is_secret(struct slice name) {
    static const struct slice words[] = {SLICE("auth"), SLICE("cookie"), SLICE("token"), SLICE("secret"), SLICE("key"),
        SLICE("password"), SLICE("passwd"), SLICE("pwd"), SLICE("signature"), SLICE("credential"), SLICE("session"),
        SLICE("sig"), SLICE("jwt")};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (contains_nocase(name, words[i])) {
            return true;
        }
    }
    return false;
}

static void append_query(struct buf *out, struct slice query) {
    while (query.ptr != NULL) {
        struct slice rest;
        struct slice pair = slice_cut(query, '&', &rest);
        struct slice value;
        struct slice name = slice_cut(pair, '=', &value);
        buf_append(out, is_secret(name) && value.ptr != NULL ? name : pair);
        if (is_secret(name) && value.ptr != NULL) {
            buf_append(out, SLICE("=***"));
        }
        if (rest.ptr != NULL) {
            buf_append_byte(out, '&');
        }
        query = rest;
    }
}

/* Userinfo is between "//" and the last '@' before the path. */
static void append_url(struct buf *out, struct slice url) {
    struct slice query;
    struct slice base = slice_cut(url, '?', &query);
    const char *authority = memmem(base.ptr, base.len, "//", 2);
    size_t head = authority != NULL ? (size_t)(authority - base.ptr) + 2 : 0;
    struct slice rest = slice_of(base.ptr + head, base.len - head);
    const char *slash = memchr(rest.ptr, '/', rest.len);
    size_t host_len = slash != NULL ? (size_t)(slash - rest.ptr) : rest.len;
    const char *at = memrchr(rest.ptr, '@', host_len);
    buf_append(out, slice_of(base.ptr, head));
    if (at != NULL) {
        buf_append(out, SLICE("***"));
        size_t skipped = (size_t)(at - rest.ptr);
        rest = slice_of(at, rest.len - skipped);
    }
    buf_append(out, rest);
    if (query.ptr != NULL) {
        buf_append_byte(out, '?');
        append_query(out, query);
    }
}

static struct slice without(struct slice text, struct slice secret, struct arena *arena) {
    struct buf out;
    const char *found = memmem(text.ptr, text.len, secret.ptr, secret.len);
    if (found == NULL) {
        return text;
    }
    buf_init(&out, 0);
    for (; found != NULL; found = memmem(text.ptr, text.len, secret.ptr, secret.len)) {
        size_t before = (size_t)(found - text.ptr);
        buf_append(&out, slice_of(text.ptr, before));
        buf_append(&out, SLICE("***"));
        text = slice_of(found + secret.len, text.len - before - secret.len);
    }
    buf_append(&out, text);
    return buf_keep(&out, arena);
}

struct slice redact_request(
    const struct http_call *call, const struct slice *secrets, size_t secret_count, struct arena *arena) {
    struct buf out;
    buf_init(&out, 0);
    buf_printf(&out, "%s ", http_method_name(call->method));
    append_url(&out, call->url);
    buf_append_byte(&out, '\n');
    for (size_t i = 0; i < call->header_count; i++) {
        buf_append(&out, call->headers[i].name);
        buf_append(&out, SLICE(": "));
        buf_append(&out, is_secret(call->headers[i].name) ? SLICE("***") : call->headers[i].value);
        buf_append_byte(&out, '\n');
    }
    struct slice copy = buf_keep(&out, arena);
    for (size_t i = 0; i < secret_count; i++) {
        copy = without(copy, secrets[i], arena);
    }
    return copy;
}
