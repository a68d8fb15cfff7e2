/* Bytes as text. */
#ifndef SLUICE_BASE_ENCODE_H
#define SLUICE_BASE_ENCODE_H

#include "base/buf.h"

void encode_hex(struct slice bytes, struct buf *out);    /* lower case */
void encode_base64(struct slice bytes, struct buf *out); /* RFC 4648, with padding */

#endif
