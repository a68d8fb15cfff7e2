/* Characters inside JSON strings: UTF-8 sequences and backslash escapes. Private to json/. Pure functions. */
#ifndef SLUICE_JSON_JSON_TEXT_H
#define SLUICE_JSON_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_TEXT_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

static inline bool json_text_is_space(char c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Bytes of the UTF-8 sequence at `at` (at < end), 0 when it is not one (overlong, surrogate, beyond U+10FFFF, cut off).
 */
size_t json_text_utf8(const char *at, const char *end);
/* Bytes of the escape at `at` (a backslash), 0 when RFC 8259 has no such escape or it runs past `end`. */
size_t json_text_escape(const char *at, const char *end);
/* Decodes the valid escape at `at` (a surrogate pair is one) to UTF-8; a lone surrogate becomes U+FFFD.
 * Returns the bytes read; *ret_len = bytes written. */
size_t json_text_unescape(const char *at, const char *end, char out[4], size_t *ret_len);
/* Where a text that the library's first stage refused goes wrong, and why. */
size_t json_text_first_error(const char *text, size_t len, const char **ret_what);

#endif
