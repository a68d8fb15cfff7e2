/* Bytes as text, and back. */
#ifndef SLUICE_BASE_ENCODE_H
#define SLUICE_BASE_ENCODE_H

#include "base/buf.h"

void encode_hex(struct slice bytes, struct buf *out);    /* lower case */
void encode_base64(struct slice bytes, struct buf *out); /* RFC 4648, with padding */

/* Append the bytes of `text`; false when it is none, and what was appended means nothing. */
MUST bool decode_hex(struct slice text, struct buf *out);
MUST bool decode_base64url(struct slice text, struct buf *out); /* RFC 4648, without padding */

#endif
