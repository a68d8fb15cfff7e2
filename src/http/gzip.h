/* Compression of bodies. thread: any. */
#ifndef SLUICE_HTTP_GZIP_H
#define SLUICE_HTTP_GZIP_H

#include "base/buf.h"

/* Appends `plain` as gzip. */
void http_gzip(struct slice plain, struct buf *out);

#endif
