/* Growable buffer: doubles, up to its ceiling; the first failure sticks, and later appends change nothing. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

enum { BUF_FIRST_CAPACITY = 256 };

void buf_init(struct buf *buf, size_t ceiling) {
    *buf = (struct buf){.ceiling = ceiling};
}

void buf_fini(struct buf *buf) {
    mem_free(buf->ptr);
    *buf = (struct buf){.ceiling = buf->ceiling};
}

void buf_reset(struct buf *buf) {
    buf->len = 0;
    buf->failed = OK;
}

static enum err buf_grow(struct buf *buf, size_t size) {
    size_t wanted;
    if (__builtin_add_overflow(buf->len, size, &wanted) || (buf->ceiling > 0 && wanted > buf->ceiling)) {
        buf->failed = ERR_TOO_LARGE;
        return ERR_TOO_LARGE;
    }
    size_t cap = buf->cap > 0 ? buf->cap : BUF_FIRST_CAPACITY;
    while (cap < wanted) {
        if (__builtin_mul_overflow(cap, (size_t)2, &cap)) {
            cap = wanted;
        }
    }
    if (buf->ceiling > 0 && cap > buf->ceiling) {
        cap = buf->ceiling;
    }
    char *ptr = mem_try_resize(buf->ptr, cap);
    if (ptr == NULL) {
        buf->failed = ERR_NOMEM;
        return ERR_NOMEM;
    }
    buf->ptr = ptr;
    buf->cap = cap;
    return OK;
}

enum err buf_reserve(struct buf *buf, size_t size) {
    if (UNLIKELY(buf->failed != OK)) {
        return buf->failed;
    }
    if (LIKELY(size <= buf->cap - buf->len)) {
        return OK;
    }
    return buf_grow(buf, size);
}

enum err buf_append(struct buf *buf, struct slice s) {
    enum err e = buf_reserve(buf, s.len);
    if (e == OK && s.len > 0) {
        memcpy(buf->ptr + buf->len, s.ptr, s.len);
        buf->len += s.len;
    }
    return e;
}

enum err buf_append_byte(struct buf *buf, char c) {
    enum err e = buf_reserve(buf, 1);
    if (e == OK) {
        buf->ptr[buf->len++] = c;
    }
    return e;
}

enum err buf_printf(struct buf *buf, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    ASSERT(len >= 0);
    char small[512];
    enum err e = buf_reserve(buf, (size_t)len);
    if (e == OK && (size_t)len < sizeof small) {
        /* vsnprintf wants room for a NUL that the ceiling may not grant */
        vsnprintf(small, sizeof small, format, again);
        e = buf_append(buf, slice_of(small, (size_t)len));
    } else if (e == OK) {
        char *text = mem_alloc((size_t)len + 1);
        vsnprintf(text, (size_t)len + 1, format, again);
        e = buf_append(buf, slice_of(text, (size_t)len));
        mem_free(text);
    }
    va_end(again);
    return e;
}

struct slice buf_keep(struct buf *buf, struct arena *arena) {
    struct slice kept = arena_dup(arena, buf_slice(buf));
    buf_fini(buf);
    return kept;
}
