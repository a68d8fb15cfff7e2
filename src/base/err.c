/* Tables behind err.h, and the one place where an assertion ends the process. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct err_row {
    const char *name;
    enum err_class class;
    int http_status;
    const char *text;
};

static const struct err_row rows[ERR_COUNT] = {
#define E(name, class, status, text) {#name, ERR_CLASS_##class, status, text},
#include "base/err.def"
#undef E
};

static const struct err_row *err_row(enum err e) {
    ASSERT((unsigned)e < ERR_COUNT);
    return &rows[e];
}

const char *err_name(enum err e) {
    return err_row(e)->name;
}

const char *err_text(enum err e) {
    return err_row(e)->text;
}

int err_http_status(enum err e) {
    return err_row(e)->http_status;
}

enum err_class err_class(enum err e) {
    return err_row(e)->class;
}

enum err err_from_errno(int number) {
    switch (number) {
    case 0:
        return OK;
    case ENOMEM:
        return ERR_NOMEM;
    case ENOSPC:
    case EDQUOT:
        return ERR_FULL;
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    case EEXIST:
        return ERR_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_DENIED;
    case EMFILE:
    case ENFILE:
    case EAGAIN:
    case EBUSY:
        return ERR_BUSY;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    case EPIPE:
    case ECONNRESET:
        return ERR_CLOSED;
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return ERR_CONNECT;
    default:
        return ERR_IO;
    }
}

enum err err_why(enum err e, struct errinfo *why, const char *path, const char *format, ...) {
    if (why == NULL) {
        return e;
    }
    /* `path` may be the caller's own why->path, handed up one level */
    if (path != why->path) {
        snprintf(why->path, sizeof why->path, "%s", path != NULL ? path : "");
    }
    va_list args;
    va_start(args, format);
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
    return e;
}

NORETURN void err_assert_failed(const char *expression, const char *file, int line) {
    fprintf(stderr, "bug: assertion failed: %s (%s:%d)\n", expression, file, line);
    abort();
}
