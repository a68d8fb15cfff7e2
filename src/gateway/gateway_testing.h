/* For tests only: a gateway on a free port over a real store in a folder of its own, and a blocking socket that talks
 * to it. Sockets give up after ten seconds, so that a hang is a failure. thread: the test's. */
#ifndef SLUICE_GATEWAY_GATEWAY_TESTING_H
#define SLUICE_GATEWAY_GATEWAY_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <ftw.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/fault.h"
#include "gateway/gateway_internal.h"

enum { TESTING_PATIENCE_S = 10, TESTING_ANSWER_MAX = 1 << 17 };

#define TESTING_BASIC "Authorization: Basic d2tfd2ViOg==\r\n" /* wk_web: */

struct testing {
    char path[64];
    struct arena arena;
    struct store_conf store_conf;
    struct gateway_conf conf;
    struct store *store;
    struct feed *feed;
    struct workspace_cell *cell;
    struct gateway_deps deps;
    struct gateway *gateway;
    uint16_t port;
};

struct testing_answer {
    int status;
    char head[8192];
    char body[TESTING_ANSWER_MAX];
    size_t body_len;
};

static inline struct workspace *testing_workspace(const char *text) {
    struct workspace *workspace = NULL;
    struct errinfo why = {.text = ""};
    enum err err = workspace_parse(slice_cstr(text), "workspace.yaml", NULL, &workspace, &why);
    assert_string_equal(why.text, "");
    assert_int_equal(err, OK);
    return workspace;
}

/* Settings may be changed until testing_start. */
static inline int testing_setup(void **state) {
    struct testing *testing = mem_alloc(sizeof(*testing));
    (void)snprintf(testing->path, sizeof(testing->path), "/tmp/sluice-gateway-XXXXXX");
    assert_non_null(mkdtemp(testing->path));
    arena_init(&testing->arena, 4096, 0);
    struct knob_section store = store_conf_section(&testing->store_conf);
    struct knob_section gateway = gateway_conf_section(&testing->conf);
    knob_defaults(&store, &testing->arena);
    knob_defaults(&gateway, &testing->arena);
    testing->store_conf.path = slice_cstr(testing->path);
    testing->store_conf.disk_reserve = 0;
    testing->conf.listen = SLICE("127.0.0.1:0");
    testing->conf.threads = 1;
    testing->feed = feed_new();
    testing->cell = workspace_cell_new(testing_workspace("version: 1\n"
                                                         "workspace: {id: w1}\n"
                                                         "sources:\n"
                                                         "  - {id: web, name: Web, write_key: wk_web}\n"
                                                         "  - {id: off, write_key: wk_off, enabled: false}\n"));
    *state = testing;
    return 0;
}

static inline void testing_start(struct testing *testing) {
    struct errinfo why = {.text = ""};
    assert_int_equal(store_open(&testing->store_conf, &testing->store, &why), OK);
    testing->deps.store = testing->store;
    testing->deps.feed = testing->feed;
    testing->deps.cell = testing->cell;
    assert_int_equal(gateway_new(&testing->conf, &testing->deps, &testing->gateway, &why), OK);
    assert_int_equal(gateway_start(testing->gateway, &testing->port, &why), OK);
}

static inline int testing_remove(const char *path, const struct stat *stat, int kind, struct FTW *where) {
    (void)stat; /* shape of nftw's callback */
    (void)kind;
    (void)where;
    return remove(path);
}

static inline int testing_teardown(void **state) {
    struct testing *testing = *state;
    if (testing->gateway != NULL) {
        gateway_stop(testing->gateway, 5000);
        gateway_free(testing->gateway);
        store_close(testing->store);
    }
    workspace_cell_free(testing->cell);
    feed_free(testing->feed);
    arena_fini(&testing->arena);
    (void)nftw(testing->path, testing_remove, 16, FTW_DEPTH | FTW_PHYS); /* what is left of a failed test is in /tmp */
    mem_free(testing);
    return 0;
}

/* ---- the client ---- */

static inline int testing_dial(const struct testing *testing) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct timeval patience = {.tv_sec = TESTING_PATIENCE_S};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(testing->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static inline void testing_send(int fd, const char *data, size_t len) {
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        assert_true(sent > 0);
        data += sent;
        len -= (size_t)sent;
    }
}

static inline void testing_send_request(int fd, const char *line, const char *headers, const char *body) {
    struct buf text;
    buf_init(&text, 0);
    (void)buf_printf(&text, "%s HTTP/1.1\r\nHost: data.example:8080\r\n%s", line, headers); /* sticky */
    if (body != NULL) {
        (void)buf_printf(&text, "Content-Length: %zu\r\n", strlen(body)); /* sticky */
    }
    (void)buf_append(&text, SLICE("\r\n"));                        /* sticky */
    (void)buf_append(&text, slice_cstr(body != NULL ? body : "")); /* sticky */
    assert_int_equal(text.failed, OK);
    testing_send(fd, text.ptr, text.len);
    buf_fini(&text);
}

static inline void testing_read_exactly(int fd, char *out, size_t len) {
    while (len > 0) {
        ssize_t got = recv(fd, out, len, 0);
        assert_true(got > 0);
        out += got;
        len -= (size_t)got;
    }
}

static inline void testing_read(int fd, bool has_body, struct testing_answer *answer) {
    size_t len = 0;
    while (len < 4 || memcmp(answer->head + len - 4, "\r\n\r\n", 4) != 0) {
        assert_true(len + 1 < sizeof(answer->head));
        testing_read_exactly(fd, answer->head + len, 1);
        len++;
    }
    answer->head[len] = '\0';
    uint64_t status = 0;
    assert_int_equal(slice_to_u64(slice_of(answer->head + sizeof("HTTP/1.1 ") - 1, 3), &status), OK);
    answer->status = (int)status;
    const char *at = strstr(answer->head, "\r\nContent-Length: ");
    uint64_t body_len = 0;
    if (at != NULL && has_body) {
        at += sizeof("\r\nContent-Length: ") - 1;
        assert_int_equal(slice_to_u64(slice_of(at, strcspn(at, "\r")), &body_len), OK);
    }
    assert_true(body_len < sizeof(answer->body));
    testing_read_exactly(fd, answer->body, body_len);
    answer->body[body_len] = '\0';
    answer->body_len = body_len;
}

/* One request on a connection of its own. */
static inline void testing_ask(const struct testing *testing, const char *line, const char *headers, const char *body,
    struct testing_answer *answer) {
    int fd = testing_dial(testing);
    testing_send_request(fd, line, headers, body);
    testing_read(fd, strncmp(line, "HEAD ", 5) != 0, answer);
    close(fd);
}

static inline void testing_expect(const struct testing *testing, const char *line, const char *headers,
    const char *body, int status, const char *answer_body) {
    struct testing_answer answer;
    testing_ask(testing, line, headers, body, &answer);
    assert_string_equal(answer.body, answer_body);
    assert_int_equal(answer.status, status);
}

static inline bool testing_has(const struct testing_answer *answer, const char *text) {
    return strstr(answer->head, text) != NULL;
}

/* ---- the store ---- */

/* Record `offset` of the log, which must be there. Release the block. */
static inline const struct record *testing_record(
    struct testing *testing, uint64_t offset, struct store_block **ret_block) {
    assert_int_equal(store_get(testing->store, offset, ret_block), OK);
    assert_int_equal((*ret_block)->count, 1);
    return (*ret_block)->records;
}

static inline void testing_expect_record(struct testing *testing, uint64_t offset, const char *part) {
    struct store_block *block = NULL;
    const struct record *record = testing_record(testing, offset, &block);
    if (memmem(record->payload.ptr, record->payload.len, part, strlen(part)) == NULL) {
        fail_msg("record %lu lacks %s: %.*s", (unsigned long)offset, part, SLICE_ARG(record->payload));
    }
    store_block_release(block);
}

#endif
