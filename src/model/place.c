/* Places in configuration files and the reading of those files. */
#include "model/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"

#define QUOTE_BYTES 60
#define READ_STEP ((size_t)65536)

struct place_path place_path(const char *format, ...) {
    struct place_path path;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(path.text, sizeof(path.text), format, args); /* a cut path still comes after its line */
    va_end(args);
    return path;
}

struct place_path place_path_join(const char *parent, const char *name) {
    return place_path("%s%s%s", parent, parent[0] != '\0' ? "." : "", name);
}

enum err place_fail(enum err e, struct errinfo *why, struct place at, const char *path, const char *format, ...) {
    char where[PLACE_PATH_SIZE + 32] = "";
    if (at.line != 0) {
        (void)snprintf(where, sizeof(where), ":%u:%u", at.line, at.column);
    }
    size_t used = strlen(where);
    if (path[0] != '\0') {
        (void)snprintf(where + used, sizeof(where) - used, " %s", path);
    }
    struct errinfo whole;
    size_t room = sizeof(whole.path) - 1 - strlen(where);
    size_t file_len = strlen(at.file);
    const char *file = file_len > room ? at.file + (file_len - room) : at.file;
    int written = snprintf(whole.path, sizeof(whole.path), "%s%s", file, where);
    ASSERT(written >= 0);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(whole.text, sizeof(whole.text), format, args); /* a cut sentence is still a sentence */
    va_end(args);
    return err_why(e, why, whole.path, "%s", whole.text);
}

struct place place_of_byte(const char *file, struct slice text, size_t byte) {
    struct place at = {file, 1, 1};
    size_t end = byte < text.len ? byte : text.len;
    for (size_t i = 0; i < end; i++) {
        if (text.ptr[i] == '\n') {
            at.line++;
            at.column = 1;
        } else if (((unsigned char)text.ptr[i] & 0xC0) != 0x80) { /* a column is a character, as editors count */
            at.column++;
        }
    }
    return at;
}

const char *place_nearest(struct slice word, const char *const *names, size_t count) {
    ASSERT(count > 0);
    const char *best = names[0];
    unsigned best_distance = slice_distance(word, slice_cstr(names[0]));
    for (size_t i = 1; i < count; i++) {
        unsigned distance = slice_distance(word, slice_cstr(names[i]));
        if (distance < best_distance) {
            best = names[i];
            best_distance = distance;
        }
    }
    return best;
}

struct place_quote place_quote(struct slice value) {
    struct place_quote quote = {""};
    size_t len = value.len < QUOTE_BYTES ? value.len : QUOTE_BYTES;
    while (len < value.len && len > 0 && ((unsigned char)value.ptr[len] & 0xC0) == 0x80) {
        len--;
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        quote.text[i] = c < 0x20 || c == 0x7F ? '?' : (char)c;
    }
    if (len < value.len) {
        memcpy(quote.text + len, "…", sizeof("…"));
    }
    return quote;
}

struct slice place_segment(struct slice *rest, bool *ret_indexed, uint64_t *ret_index) {
    size_t len = 0;
    while (len < rest->len && (len == 0 || (rest->ptr[len] != '.' && rest->ptr[len] != '['))) {
        len++;
    }
    struct slice segment = slice_of(rest->ptr, len);
    size_t dot = len < rest->len && rest->ptr[len] == '.' ? 1 : 0;
    *rest = slice_of(rest->ptr + len + dot, rest->len - len - dot);
    *ret_index = 0;
    *ret_indexed = len > 2 && segment.ptr[0] == '[' && segment.ptr[len - 1] == ']' &&
        slice_to_u64(slice_of(segment.ptr + 1, len - 2), ret_index) == OK;
    return segment;
}

/* Reads until the end of the file; `buf` has a ceiling of one byte more than is allowed, so that "too large" is seen.
 */
static enum err read_all(int fd, size_t ceiling, size_t padding, struct buf *buf) {
    for (;;) {
        enum err e = buf_reserve(buf, READ_STEP + padding);
        if (e != OK) {
            return e;
        }
        ssize_t got = read(fd, buf->ptr + buf->len, READ_STEP);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return err_from_errno(errno);
        }
        if (got == 0) {
            memset(buf->ptr + buf->len, 0, padding);
            return OK;
        }
        buf->len += (size_t)got;
        if (buf->len > ceiling) {
            return ERR_TOO_LARGE;
        }
    }
}

enum err place_read_file(const char *path, size_t ceiling, size_t padding, struct buf *buf, struct errinfo *why) {
    struct place at = {path, 0, 0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        int number = errno;
        return place_fail(err_from_errno(number), why, at, "", "cannot be opened: %s", strerrordesc_np(number));
    }
    errno = 0;
    enum err e = read_all(fd, ceiling, padding, buf);
    int number = errno;
    (void)close(fd); /* read only: nothing can be lost */
    if (e == ERR_TOO_LARGE) {
        return place_fail(e, why, at, "", "is larger than the limit of %zu MiB", ceiling >> 20);
    }
    if (e != OK) {
        return place_fail(e, why, at, "", "cannot be read: %s", number != 0 ? strerrordesc_np(number) : err_text(e));
    }
    return OK;
}
