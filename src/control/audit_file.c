/* The baseline's list and its file. */
#include "control/audit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json/json.h"
#include "json/json_write.h"

enum { PATH_SIZE = 4096, FILE_MAX = 16 << 20, JSON_DEPTH = 8, VERSION = 1 };

/* ---- list ---- */

void baselines_fini(struct baselines *list) {
    mem_free(list->rows);
    *list = (struct baselines){.rows = NULL};
}

struct baseline *baselines_find(const struct baselines *list, uint64_t destination) {
    for (size_t i = 0; i < list->count; i++) {
        if (list->rows[i].destination == destination) {
            return &list->rows[i];
        }
    }
    return NULL;
}

struct baseline *baselines_put(struct baselines *list, uint64_t destination) {
    struct baseline *row = baselines_find(list, destination);
    if (row != NULL) {
        return row;
    }
    if (list->count == list->room) {
        list->room = list->room > 0 ? list->room * 2 : 16;
        list->rows = mem_resize(list->rows, list->room * sizeof *list->rows);
    }
    row = &list->rows[list->count++];
    *row = (struct baseline){.destination = destination};
    return row;
}

void baselines_remove(struct baselines *list, uint64_t destination) {
    struct baseline *row = baselines_find(list, destination);
    if (row != NULL) {
        *row = list->rows[--list->count];
    }
}

/* ---- writing ---- */

static void write_rows(const struct baselines *list, struct buf *out) {
    struct json_writer json;
    json_writer_init(&json, out);
    json_write_object(&json);
    json_put_u64(&json, "version", VERSION);
    json_write_key(&json, SLICE("destinations"));
    json_write_array(&json);
    for (size_t i = 0; i < list->count; i++) {
        if (!list->rows[i].ready) {
            continue;
        }
        json_write_object(&json);
        json_put_u64(&json, "destination", list->rows[i].destination);
        json_put_u64(&json, "sources", list->rows[i].sources);
        json_put_u64(&json, "offset", list->rows[i].offset);
        json_put_u64(&json, "in", list->rows[i].in);
        json_write_end(&json);
    }
    json_write_end(&json);
    json_write_end(&json);
    buf_append_byte(out, '\n');
}

static enum err write_file(const char *path, struct slice text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    enum err e = OK;
    while (e == OK && text.len > 0) {
        ssize_t n = write(fd, text.ptr, text.len);
        if (n < 0 && errno != EINTR) {
            e = err_from_errno(errno);
        } else if (n > 0) {
            text = slice_of(text.ptr + n, text.len - (size_t)n);
        }
    }
    if (e == OK && fdatasync(fd) != 0) {
        e = err_from_errno(errno);
    }
    if (close(fd) != 0 && e == OK) {
        e = err_from_errno(errno);
    }
    return e;
}

static enum err sync_folder(const char *path) {
    char folder[PATH_SIZE];
    const char *slash = strrchr(path, '/');
    int len = slash == NULL ? 1 : (int)(slash - path);
    snprintf(folder, sizeof folder, "%.*s", len, slash == NULL ? "." : path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    enum err e = fsync(fd) == 0 ? OK : err_from_errno(errno);
    (void)close(fd); /* nothing was written through it */
    return e;
}

enum err baselines_save(const struct baselines *list, const char *path, struct errinfo *why) {
    char temporary[PATH_SIZE];
    struct buf out;
    if ((size_t)snprintf(temporary, sizeof temporary, "%s.tmp", path) >= sizeof temporary) {
        return err_why(ERR_RANGE, why, path, "the path is too long");
    }
    buf_init(&out, FILE_MAX);
    write_rows(list, &out);
    enum err e = out.failed;
    e = e == OK ? write_file(temporary, buf_slice(&out)) : e;
    buf_fini(&out);
    if (e == OK && rename(temporary, path) != 0) {
        e = err_from_errno(errno);
    }
    e = e == OK ? sync_folder(path) : e;
    return e == OK ? OK : err_why(e, why, path, "cannot write the audit's baseline: %s", err_text(e));
}

/* ---- reading ---- */

static enum err read_file(const char *path, struct buf *out) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    enum { READ_SIZE = 64 << 10 };
    ssize_t n = 1;
    enum err e = OK;
    while (e == OK && n != 0) {
        e = buf_reserve(out, READ_SIZE + JSON_PADDING);
        if (e != OK) {
            break;
        }
        n = read(fd, out->ptr + out->len, READ_SIZE);
        if (n < 0 && errno != EINTR) {
            e = err_from_errno(errno);
        }
        out->len += n > 0 ? (size_t)n : 0;
    }
    (void)close(fd); /* was only read */
    return e;
}

static enum err take_row(struct baselines *list, const struct json_doc *doc, uint32_t node) {
    struct baseline row = {.ready = true};
    const struct {
        const char *key;
        uint64_t *place;
    } fields[] = {
        {"destination", &row.destination}, {"sources", &row.sources}, {"offset", &row.offset}, {"in", &row.in}};
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        uint32_t value = json_find(doc, node, slice_cstr(fields[i].key));
        if (!json_is(doc, value, JSON_NUMBER) || json_u64(doc, value, fields[i].place) != OK) {
            return ERR_CORRUPT;
        }
    }
    *baselines_put(list, row.destination) = row;
    return OK;
}

static enum err take_rows(struct baselines *list, const struct json_doc *doc) {
    uint64_t version = 0;
    uint32_t node = json_find(doc, 0, SLICE("version"));
    uint32_t rows = json_find(doc, 0, SLICE("destinations"));
    if (!json_is(doc, node, JSON_NUMBER) || json_u64(doc, node, &version) != OK || version != VERSION ||
        !json_is(doc, rows, JSON_ARRAY)) {
        return ERR_CORRUPT;
    }
    enum err e = OK;
    for (node = json_first(doc, rows); e == OK && node != JSON_ABSENT; node = json_after(doc, rows, node)) {
        e = take_row(list, doc, node);
    }
    return e;
}

enum err baselines_load(struct baselines *list, const char *path, struct errinfo *why) {
    struct buf in;
    struct json_doc doc;
    *list = (struct baselines){.rows = NULL};
    buf_init(&in, FILE_MAX);
    struct json_parser *parser = json_parser_new(JSON_DEPTH);
    enum err e = read_file(path, &in);
    if (e == OK) {
        memset(in.ptr + in.len, 0, JSON_PADDING);
        e = json_parse(parser, buf_slice(&in), &doc, NULL) == OK ? take_rows(list, &doc) : ERR_CORRUPT;
    }
    json_parser_free(parser);
    buf_fini(&in);
    if (e != OK) {
        baselines_fini(list);
        return err_why(e, why, path, "cannot read the audit's baseline: %s", err_text(e));
    }
    return OK;
}
