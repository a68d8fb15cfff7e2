/* The client of the control socket. */
#include "cli/ask.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/conf.h"

enum {
    PATH_SIZE = 4096,
    READ_SIZE = 64 << 10,
    HEAD_MAX = 64 << 10,
    ANSWER_MAX = 1 << 30,
    JSON_DEPTH = 1024,
    ARENA_CHUNK = 4096,
};

/* ---- the connection ---- */

static int unreachable(const char *path, const char *problem) {
    fprintf(stderr, "sluice: no server answers on %s: %s\n", path, problem);
    fprintf(stderr, "Is it running, and is --data the directory that it uses (store.path)?\n");
    return EXIT_UNREACHABLE;
}

static bool send_all(int fd, struct slice data) {
    while (data.len > 0) {
        ssize_t n = write(fd, data.ptr, data.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        data = slice_of(data.ptr + n, data.len - (size_t)n);
    }
    return true;
}

/* Connects and sends the request. Returns an exit code; *ret_fd is open when that is OK. */
static int dial(const struct args *args, const char *method, const char *target, int *ret_fd) {
    char data[PATH_SIZE];
    struct errinfo why = {.at = 0};
    if (conf_data_path(args, data, sizeof data, &why) != OK) {
        cli_print_error(&why);
        return EXIT_CONFIG;
    }
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int len = snprintf(address.sun_path, sizeof address.sun_path, "%s/sluice.sock", data);
    if (len < 0 || (size_t)len >= sizeof address.sun_path) {
        return unreachable(data, "the path of its socket is longer than a socket's path can be; use a shorter --data");
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        int code = unreachable(address.sun_path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return code;
    }
    struct buf request;
    buf_init(&request, 0);
    buf_printf(&request, "%s %s HTTP/1.0\r\nHost: sluice\r\nContent-Length: 0\r\n\r\n", method, target);
    bool sent = send_all(fd, buf_slice(&request));
    buf_fini(&request);
    if (!sent) {
        close(fd);
        return unreachable(address.sun_path, strerror(errno));
    }
    *ret_fd = fd;
    return EXIT_OK;
}

/* More bytes into `in`; false at the end, at an error and past the ceiling. */
static bool read_more(int fd, struct buf *in) {
    if (buf_reserve(in, READ_SIZE + JSON_PADDING) != OK) {
        return false;
    }
    ssize_t n;
    do {
        n = read(fd, in->ptr + in->len, READ_SIZE);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        return false;
    }
    in->len += (size_t)n;
    return true;
}

/* Reads up to the end of the head: the status, what is left in `in` is the body's beginning. false: no HTTP answer. */
static bool read_head(int fd, struct buf *in, int *ret_status) {
    const char *end = NULL;
    while (end == NULL) {
        if (in->len > HEAD_MAX || !read_more(fd, in)) {
            return false;
        }
        end = memmem(in->ptr, in->len, "\r\n\r\n", 4);
    }
    struct slice rest;
    struct slice version = slice_cut(slice_of(in->ptr, in->len), ' ', &rest);
    uint64_t status = 0;
    enum { STATUS_DIGITS = 3 };
    if (!slice_starts(version, SLICE("HTTP/1.")) || rest.len < STATUS_DIGITS ||
        slice_to_u64(slice_of(rest.ptr, STATUS_DIGITS), &status) != OK) {
        return false;
    }
    size_t head = (size_t)(end + 4 - in->ptr);
    memmove(in->ptr, in->ptr + head, in->len - head);
    in->len -= head;
    *ret_status = (int)status;
    return true;
}

/* ---- whole answers ---- */

/* What the server says about a failure, or its status when it says nothing. */
static int refused(struct answer *answer) {
    struct slice text = answer_text(answer, 0, "text");
    struct slice place = answer_text(answer, 0, "place");
    if (text.len == 0) {
        fprintf(stderr, "sluice: the server answered %d\n", answer->status);
    } else if (place.len > 0) {
        fprintf(stderr, "sluice: %.*s: %.*s\n", SLICE_ARG(place), SLICE_ARG(text));
    } else {
        fprintf(stderr, "sluice: %.*s\n", SLICE_ARG(text));
    }
    return answer->status == 404 || answer->status == 409 ? EXIT_NO : EXIT_SERVER;
}

static void parse_body(struct answer *answer) {
    memset(answer->body.ptr + answer->body.len, 0, JSON_PADDING);
    if (json_parse(answer->parser, buf_slice(&answer->body), &answer->doc, NULL) != OK) {
        answer->doc = (struct json_doc){.count = 0}; /* metrics are no JSON */
    }
}

int ask(const struct args *args, const char *method, const char *target, struct answer *ret_answer) {
    *ret_answer = (struct answer){.parser = json_parser_new(JSON_DEPTH)};
    buf_init(&ret_answer->body, ANSWER_MAX);
    arena_init(&ret_answer->arena, ARENA_CHUNK, 0);
    int fd = -1;
    int code = dial(args, method, target, &fd);
    if (code != EXIT_OK) {
        return code;
    }
    bool answered = read_head(fd, &ret_answer->body, &ret_answer->status);
    while (answered && read_more(fd, &ret_answer->body)) {}
    close(fd);
    if (!answered) {
        fprintf(stderr, "sluice: the server closed the connection without an answer\n");
        return EXIT_UNREACHABLE;
    }
    parse_body(ret_answer);
    return ret_answer->status < 300 ? EXIT_OK : refused(ret_answer);
}

void answer_fini(struct answer *answer) {
    json_parser_free(answer->parser);
    buf_fini(&answer->body);
    arena_fini(&answer->arena);
}

/* ---- lines ---- */

/* Hands over the whole lines of `in` and keeps the rest. */
static bool hand_over_lines(struct buf *in, bool (*on_line)(void *ctx, struct slice line), void *ctx) {
    struct slice rest = buf_slice(in);
    bool more = true;
    while (more && rest.len > 0 && memchr(rest.ptr, '\n', rest.len) != NULL) {
        struct slice line = slice_cut(rest, '\n', &rest);
        more = on_line(ctx, line);
    }
    memmove(in->ptr, rest.ptr, rest.len);
    in->len = rest.len;
    return more;
}

int ask_lines(const struct args *args, const char *target, bool (*on_line)(void *ctx, struct slice line), void *ctx) {
    struct answer answer = {.parser = json_parser_new(JSON_DEPTH)};
    buf_init(&answer.body, ANSWER_MAX);
    arena_init(&answer.arena, ARENA_CHUNK, 0);
    int fd = -1;
    int code = dial(args, "GET", target, &fd);
    if (code == EXIT_OK && !read_head(fd, &answer.body, &answer.status)) {
        fprintf(stderr, "sluice: the server closed the connection without an answer\n");
        code = EXIT_UNREACHABLE;
    } else if (code == EXIT_OK && answer.status >= 300) {
        while (read_more(fd, &answer.body)) {}
        parse_body(&answer);
        code = refused(&answer);
    } else if (code == EXIT_OK) {
        while (hand_over_lines(&answer.body, on_line, ctx) && read_more(fd, &answer.body)) {}
    }
    if (fd >= 0) {
        close(fd);
    }
    answer_fini(&answer);
    return code;
}

/* ---- small things ---- */

void ask_encode(struct buf *out, struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
            c == '_' || c == '.' || c == '~';
        if (plain) {
            buf_append_byte(out, (char)c);
        } else {
            buf_printf(out, "%%%02X", c);
        }
    }
}

static uint32_t find(const struct answer *answer, uint32_t object, const char *path) {
    if (answer->doc.count == 0) {
        return JSON_ABSENT;
    }
    return json_find_path(&answer->doc, object, slice_cstr(path));
}

struct slice answer_text(struct answer *answer, uint32_t object, const char *path) {
    uint32_t node = find(answer, object, path);
    if (!json_is(&answer->doc, node, JSON_STRING)) {
        return SLICE("");
    }
    return json_string(&answer->doc, node, &answer->arena);
}

int64_t answer_number(const struct answer *answer, uint32_t object, const char *path) {
    uint32_t node = find(answer, object, path);
    int64_t value = 0;
    if (!json_is(&answer->doc, node, JSON_NUMBER) || json_i64(&answer->doc, node, &value) != OK) {
        return 0;
    }
    return value;
}

bool answer_is_true(const struct answer *answer, uint32_t object, const char *path) {
    return json_is(&answer->doc, find(answer, object, path), JSON_TRUE);
}

uint32_t answer_first(const struct answer *answer, uint32_t object, const char *path, uint32_t *ret_array) {
    *ret_array = find(answer, object, path);
    return json_is(&answer->doc, *ret_array, JSON_ARRAY) ? json_first(&answer->doc, *ret_array) : JSON_ABSENT;
}
