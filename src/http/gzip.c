/* gzip by libdeflate. */
#include "http/gzip.h"

#include <libdeflate.h>

void http_gzip(struct slice plain, struct buf *out) {
    enum { LEVEL = 6 };
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(LEVEL);
    ASSERT(compressor != NULL);
    size_t room = libdeflate_gzip_compress_bound(compressor, plain.len);
    if (buf_reserve(out, room) == OK) {
        out->len += libdeflate_gzip_compress(compressor, plain.ptr, plain.len, out->ptr + out->len, room);
    }
    libdeflate_free_compressor(compressor);
}
