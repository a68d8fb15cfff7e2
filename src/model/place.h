/* Where in a configuration file something is wrong, and how that is said: "file:line:column path" and one sentence with
 * the value, the limit and the nearest known name. Private to model/. */
#ifndef SLUICE_MODEL_PLACE_H
#define SLUICE_MODEL_PLACE_H

#include "base/slice.h"

#define PLACE_PATH_SIZE 128
#define PLACE_QUOTE_SIZE 72

struct place {
    const char *file;
    uint32_t line, column; /* from 1; line 0 = the file as a whole */
};

/* A value for a message: at most 60 bytes, control characters as '?', "…" when cut. */
struct place_quote {
    char text[PLACE_QUOTE_SIZE];
};

/* A path inside a document, "sources[0].write_key"; cut when it does not fit. */
struct place_path {
    char text[PLACE_PATH_SIZE];
};
struct place_path place_path(const char *format, ...) PRINTF_LIKE(1, 2);
/* "parent.name", or "name" in the document itself. */
struct place_path place_path_join(const char *parent, const char *name);

/* Fills `why` and returns `e`. `path` "" = the document itself. A long file name loses its beginning, never the line.
 */
enum err place_fail(enum err e, struct errinfo *why, struct place at, const char *path, const char *format, ...)
    PRINTF_LIKE(5, 6);
/* Line and column of a byte of `text`. */
struct place place_of_byte(const char *file, struct slice text, size_t byte);
/* The name with the smallest edit distance; `count` > 0. */
const char *place_nearest(struct slice word, const char *const *names, size_t count);
struct place_quote place_quote(struct slice value);

/* Takes the first segment of a path like "headers[0].from" off *rest: a name, or an index (*ret_indexed). Empty at the
 * end. */
struct slice place_segment(struct slice *rest, bool *ret_indexed, uint64_t *ret_index);

/* Reads a whole file, at most `ceiling` bytes, into `buf`, and leaves `padding` readable bytes behind it. */
struct buf;
MUST enum err place_read_file(const char *path, size_t ceiling, size_t padding, struct buf *buf, struct errinfo *why);

#endif
