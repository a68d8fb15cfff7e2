/* Bytes as text, and back. */
#ifndef SLUICE_BASE_ENCODE_H
#define SLUICE_BASE_ENCODE_H

#include "base/buf.h"

void encode_hex(struct slice bytes, struct buf *out);    /* lower case */
void encode_base64(struct slice bytes, struct buf *out); /* RFC 4648, with padding */

int decode_hex_digit(char c); /* of either case; -1: it is none */
/* The bytes of a text into `out`, which holds half of the text's length, 3/4 of it; false when it is none. */
MUST bool decode_hex(struct slice s, char *out, size_t *ret_len); /* of either case */
/* Of either alphabet of RFC 4648, with or without padding. */
MUST bool decode_base64(struct slice s, char *out, size_t *ret_len);

#endif
