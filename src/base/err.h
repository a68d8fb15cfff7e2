/* Errors as values. One row per error in err.def: name, class, HTTP status, text. The class answers the router's
 * question: RETRY (the machine or the peer may recover), ABORT (this input never works), BUG (ours; an ASSERT is
 * better). */
#ifndef SLUICE_BASE_ERR_H
#define SLUICE_BASE_ERR_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

enum err {
#define E(name, class, status, text) ERR_##name,
#include "base/err.def"
#undef E
    ERR_COUNT
};

#define OK ERR_NONE

enum err_class { ERR_CLASS_OK, ERR_CLASS_RETRY, ERR_CLASS_ABORT, ERR_CLASS_BUG };

/* Where a person will read it: what was wrong, where. Zeroed by the caller; filled by the callee only on failure. */
struct errinfo {
    char path[160]; /* file, or path inside a document: "workspace.yaml:12:3 sources[0].write_key" */
    uint64_t at;    /* byte position in the input, when it has one */
    char text[320]; /* one sentence: the thing, the value, the limit, the nearest known */
};

const char *err_name(enum err e); /* "TOO_LARGE" */
const char *err_text(enum err e); /* wire text, where a client sees it */
int err_http_status(enum err e);  /* 200 for ERR_NONE */
enum err_class err_class(enum err e);
/* From errno of a system call just failed: ENOSPC/EDQUOT -> FULL, ENOENT -> NOT_FOUND, EMFILE.. -> BUSY, else IO. */
enum err err_from_errno(int number);
/* Fills `why` (NULL allowed) and returns `e`, so that `return err_why(...)` reads as one sentence. */
enum err err_why(enum err e, struct errinfo *why, const char *path, const char *format, ...) PRINTF_LIKE(4, 5);

/* Our own bugs: on in release, prints expression, file, line and aborts. Never on input, never with side effects. */
#define ASSERT(expression) \
    do { \
        if (UNLIKELY(!(expression))) { \
            err_assert_failed(#expression, __FILE__, __LINE__); \
        } \
    } while (0)
NORETURN void err_assert_failed(const char *expression, const char *file, int line);

#endif
