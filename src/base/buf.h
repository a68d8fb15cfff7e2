/* A growable byte buffer with a ceiling. Every buffer whose size a peer influences states its ceiling at init. */
#ifndef SLUICE_BASE_BUF_H
#define SLUICE_BASE_BUF_H

#include "base/arena.h"

struct buf {
    char *ptr;
    size_t len, cap;
    size_t ceiling;  /* 0 = none */
    enum err failed; /* sticky: first append that did not fit; checked once at the end by writers */
};

void buf_init(struct buf *buf, size_t ceiling);
void buf_fini(struct buf *buf);
void buf_reset(struct buf *buf); /* len = 0, failed = OK, memory kept */
/* Room for `size` more bytes. ERR_TOO_LARGE past the ceiling, ERR_NOMEM. The sticky state is set too. */
enum err buf_reserve(struct buf *buf, size_t size);
enum err buf_append(struct buf *buf, struct slice s);
enum err buf_append_byte(struct buf *buf, char c);
enum err buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
/* What it holds, copied to `arena` with a NUL beyond; the buffer is given back. */
struct slice buf_keep(struct buf *buf, struct arena *arena);
static inline struct slice buf_slice(const struct buf *buf) {
    return (struct slice){buf->ptr, buf->len};
}

#endif
