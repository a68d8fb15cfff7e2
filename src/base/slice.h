/* A borrowed run of bytes. Owns nothing; lives as long as what it points into. C strings exist only at libc borders. */
#ifndef SLUICE_BASE_SLICE_H
#define SLUICE_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/attr.h"
#include "base/err.h"

struct slice {
    const char *ptr;
    size_t len;
};

#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})
#define SLICE_NONE ((struct slice){NULL, 0})
/* for printf("%.*s", SLICE_ARG(s)) */
#define SLICE_ARG(s) (int)(s).len, (s).ptr

static inline struct slice slice_of(const char *ptr, size_t len) {
    return (struct slice){ptr, len};
}

static inline struct slice slice_cstr(const char *text) {
    return (struct slice){text, text != NULL ? strlen(text) : 0};
}

static inline bool slice_eq(struct slice a, struct slice b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool slice_starts(struct slice s, struct slice prefix) {
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

/* For secrets: takes as long wherever they differ, and says nothing of `b` but its length. */
bool slice_eq_secret(struct slice a, struct slice b);
/* Bytes before the first that is not ASCII; len: there is none. */
size_t slice_ascii_len(struct slice s);
/* ASCII case-insensitive equality (header names, schemes). */
bool slice_eq_nocase(struct slice a, struct slice b);
/* Without leading and trailing ASCII space, tab, CR, LF. */
struct slice slice_trim(struct slice s);
/* Cuts `s` at the first `sep`: returns what is before it, and leaves what is after it in *rest (empty ptr NULL if
 * absent). */
struct slice slice_cut(struct slice s, char sep, struct slice *rest);
/* Strict decimal, whole slice, no sign, no leading '+': ERR_INVALID on anything else, ERR_RANGE on overflow. */
MUST enum err slice_to_u64(struct slice s, uint64_t *ret_value);
MUST enum err slice_to_i64(struct slice s, int64_t *ret_value);
/* Edit distance, for "did you mean": bounded to 64-byte words, longer ones count as far. */
unsigned slice_distance(struct slice a, struct slice b);

#endif
