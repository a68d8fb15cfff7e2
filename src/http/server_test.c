/* What the server makes of requests: framing, keep-alive, pipelining, HEAD, 100-continue, encodings, and what it
 * refuses. */
#include <libdeflate.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "http/server_testing.h"

static void a_kept_connection_answers_request_after_request(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct testing_response response;
    int fd = testing_dial(testing);
    for (int i = 0; i < 3; i++) {
        testing_say(fd, "POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
        testing_read(fd, &response);
        assert_int_equal(response.status, 200);
        assert_string_equal(response.body, "hello");
        assert_false(testing_has(&response, "Connection: close"));
        assert_true(testing_has(&response, "X-Added: yes\r\n"));
        assert_true(testing_has(&response, "Content-Type: text/plain\r\n"));
        assert_true(testing_has(&response, "\r\nDate: "));
    }
    close(fd);
    testing_wait(testing, testing_connections, 0);
    assert_int_equal(stat_get(&http_server_stat(testing->server)->requests), 3);
    assert_int_equal(stat_get(&http_server_stat(testing->server)->buffered), 0);
    testing_stop(testing);
}

static void requests_that_arrive_byte_by_byte_are_the_same_requests(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct testing_response response;
    const char text[] =
        "\r\nPOST /mirror HTTP/1.1\r\nHost: x\r\nEmpty:\r\nLong:  a b \t\r\nContent-Length: 3\r\n\r\nabc";
    int fd = testing_dial(testing);
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        testing_send(fd, slice_of(text + i, 1));
        testing_wait(testing, testing_bytes_in, (int64_t)i + 1);
    }
    testing_read(fd, &response);
    assert_string_equal(response.body, "POST Host=x;Empty=;Long=a b;Content-Length=3;abc");
    close(fd);
    testing_stop(testing);
}

static void pipelined_requests_are_answered_in_order_one_at_a_time(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct testing_response response;
    int fd = testing_dial(testing);
    testing_say(fd,
        "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"
        "POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\ntwo"
        "GET /three HTTP/1.1\r\nHost: x\r\n\r\n");
    testing_wait(testing, testing_inflight, 1);
    assert_int_equal(testing->handled, 1);
    testing_answer(testing, "one");
    testing_read(fd, &response);
    assert_string_equal(response.body, "one");
    testing_read(fd, &response);
    assert_string_equal(response.body, "two");
    testing_read(fd, &response);
    assert_string_equal(response.body, "/three");
    close(fd);
    testing_stop(testing);
}

static void a_long_pipeline_stops_reading_and_loses_nothing(void **state) {
    (void)state;
    enum { COUNT = 4000 };
    struct testing *testing = testing_start();
    struct testing_response response;
    struct buf text;
    buf_init(&text, 0);
    (void)buf_append(&text, SLICE("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")); /* sticky */
    for (unsigned i = 0; i < COUNT; i++) {
        (void)buf_printf(&text, "GET /%u HTTP/1.1\r\nHost: x\r\n\r\n", i); /* sticky */
    }
    int fd = testing_dial(testing);
    testing_send(fd, buf_slice(&text));
    testing_wait(testing, testing_inflight, 1);
    assert_true(stat_get(&http_server_stat(testing->server)->bytes_in) < (int64_t)text.len);
    testing_answer(testing, "held");
    testing_read(fd, &response);
    for (unsigned i = 0; i < COUNT; i++) {
        char expected[16];
        snprintf(expected, sizeof(expected), "/%u", i);
        testing_read(fd, &response);
        assert_string_equal(response.body, expected);
    }
    buf_fini(&text);
    close(fd);
    testing_stop(testing);
}

static void a_chunked_body_arrives_whole_and_trailers_are_dropped(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct testing_response response;
    testing_ask(testing,
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\nA;ext=1\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n",
        &response);
    assert_string_equal(response.body, "abc0123456789");
    testing_stop(testing);
}

static void expect_100_continue_is_answered_before_the_body(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct testing_response response;
    int fd = testing_dial(testing);
    testing_say(fd, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    testing_read_head(fd, &response);
    assert_int_equal(response.status, 100);
    testing_say(fd, "ok");
    testing_read(fd, &response);
    assert_int_equal(response.status, 200);
    assert_string_equal(response.body, "ok");
    close(fd);
    testing_stop(testing);
}

static void expect_100_continue_with_a_refusal_gets_the_refusal(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct testing_response response;
    int fd = testing_dial(testing);
    testing_say(fd, "POST /secret HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    testing_read(fd, &response);
    assert_int_equal(response.status, 401);
    testing_expect_end(fd);
    close(fd);
    testing_stop(testing);
}

static void head_gets_the_length_and_no_body(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct testing_response response;
    int fd = testing_dial(testing);
    testing_say(fd, "HEAD /twelve-bytes HTTP/1.1\r\nHost: x\r\n\r\nGET /n HTTP/1.1\r\nHost: x\r\n\r\n");
    testing_read_head(fd, &response);
    assert_true(testing_has(&response, "Content-Length: 13\r\n"));
    testing_read(fd, &response); /* would begin with the body */
    assert_string_equal(response.body, "/n");
    close(fd);
    testing_stop(testing);
}

static void no_content_has_neither_length_nor_body(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct testing_response response;
    testing_ask(testing, "GET /empty HTTP/1.1\r\nHost: x\r\n\r\n", &response);
    assert_int_equal(response.status, 204);
    assert_false(testing_has(&response, "Content-Length"));
    testing_stop(testing);
}

static void connection_close_and_http_1_0_end_the_connection(void **state) {
    (void)state;
    static const char *const texts[] = {
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: foo, Close\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
    };
    struct testing *testing = testing_start();
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct testing_response response;
        int fd = testing_dial(testing);
        testing_say(fd, texts[i]);
        testing_read(fd, &response);
        assert_int_equal(response.status, 200);
        assert_true(testing_has(&response, "Connection: close\r\n"));
        testing_expect_end(fd);
        close(fd);
    }
    testing_stop(testing);
}

static void http_1_0_with_keep_alive_keeps_the_connection(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct testing_response response;
    int fd = testing_dial(testing);
    for (int i = 0; i < 2; i++) {
        testing_say(fd, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        testing_read(fd, &response);
        assert_true(testing_has(&response, "Connection: keep-alive\r\n"));
    }
    close(fd);
    testing_stop(testing);
}

static void an_offer_to_upgrade_is_ignored(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct testing_response response;
    int fd = testing_dial(testing);
    testing_say(fd,
        "GET /u HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
        "GET /v HTTP/1.1\r\nHost: x\r\n\r\n");
    testing_read(fd, &response);
    assert_string_equal(response.body, "/u");
    testing_read(fd, &response);
    assert_string_equal(response.body, "/v");
    close(fd);
    testing_stop(testing);
}

static void a_handler_sees_the_peer_without_its_port(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct testing_response response;
    testing_ask(testing, "GET /peer HTTP/1.1\r\nHost: x\r\n\r\n", &response);
    assert_string_equal(response.body, "127.0.0.1");
    testing_stop(testing);
}

static void a_large_body_and_a_large_answer_pass_unchanged(void **state) {
    (void)state;
    enum { SIZE = 1 << 20 };
    struct testing *testing = testing_start();
    struct testing_response response;
    char *body = mem_alloc(SIZE);
    for (size_t i = 0; i < SIZE; i++) {
        body[i] = (char)('a' + i % 23);
    }
    int fd = testing_dial(testing);
    testing_say(fd, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n");
    testing_send(fd, slice_of(body, SIZE));
    testing_read_head(fd, &response);
    for (size_t i = 0; i < SIZE; i++) {
        char byte = 0;
        assert_int_equal(testing_byte(fd, &byte), 1);
        assert_int_equal(byte, body[i]);
    }
    testing_say(fd, "GET /after HTTP/1.1\r\nHost: x\r\n\r\n");
    testing_read(fd, &response);
    assert_string_equal(response.body, "/after");
    mem_free(body);
    close(fd);
    testing_stop(testing);
}

/* ---- gzip ---- */

static struct slice gzip(struct slice plain, char *out, size_t room) {
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(6);
    size_t len = libdeflate_gzip_compress(compressor, plain.ptr, plain.len, out, room);
    libdeflate_free_compressor(compressor);
    assert_true(len > 0);
    return slice_of(out, len);
}

static void post_gzip(
    struct testing *testing, struct slice body, const char *coding, struct testing_response *response) {
    char head[256];
    int len = snprintf(head, sizeof(head),
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: %s\r\nContent-Length: %zu\r\n\r\n", coding, body.len);
    int fd = testing_dial(testing);
    testing_send(fd, slice_of(head, (size_t)len));
    testing_send(fd, body);
    testing_read(fd, response);
    close(fd);
}

static void a_gzip_body_is_inflated(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct testing_response response;
    char packed[256];
    struct slice body = gzip(SLICE("{\"batch\":[]}"), packed, sizeof(packed));
    post_gzip(testing, body, "gzip", &response);
    assert_string_equal(response.body, "{\"batch\":[]}");
    post_gzip(testing, body, "GZip", &response);
    assert_string_equal(response.body, "{\"batch\":[]}");
    post_gzip(testing, SLICE("plain"), "br", &response);
    assert_string_equal(response.body, "plain");
    testing_stop(testing);
}

static void several_gzip_members_are_one_body(void **state) {
    (void)state;
    enum { PLAIN = 100000 };
    struct testing *testing = testing_start();
    struct testing_response response;
    char *plain = mem_alloc(PLAIN);
    char *packed = mem_alloc(2 * PLAIN);
    memset(plain, 'p', PLAIN);
    struct slice first = gzip(slice_of(plain, PLAIN), packed, PLAIN);
    struct slice second = gzip(SLICE("end"), packed + first.len, PLAIN);
    post_gzip(testing, slice_of(packed, first.len + second.len), "gzip", &response);
    assert_int_equal(response.status, 200);
    assert_int_equal(response.body_len, PLAIN + 3);
    mem_free(plain);
    mem_free(packed);
    testing_stop(testing);
}

static void a_broken_gzip_body_is_a_failure_to_read_it(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct testing_response response;
    char packed[256];
    struct slice body = gzip(SLICE("{\"batch\":[]}"), packed, sizeof(packed));
    post_gzip(testing, slice_of(body.ptr, body.len - 3), "gzip", &response);
    assert_int_equal(response.status, 500);
    assert_string_equal(response.body, "failed to read body from request\n");
    packed[body.len / 2] ^= 0x55;
    post_gzip(testing, body, "gzip", &response);
    assert_int_equal(response.status, 500);
    post_gzip(testing, SLICE("not gzip at all"), "gzip", &response);
    assert_int_equal(response.status, 500);
    assert_int_equal(testing->handled, 0);
    testing_stop(testing);
}

static void a_gzip_bomb_is_too_large(void **state) {
    (void)state;
    enum { PLAIN = 64 << 20 };
    struct testing *testing = testing_start();
    struct testing_response response;
    char *plain = mem_alloc(PLAIN);
    char *packed = mem_alloc(1 << 20);
    struct slice body = gzip(slice_of(plain, PLAIN), packed, 1 << 20);
    post_gzip(testing, body, "gzip", &response);
    assert_int_equal(response.status, 413);
    memset(packed + body.len - 4, 0, 4); /* the same, with a lie about its size */
    post_gzip(testing, body, "gzip", &response);
    assert_int_equal(response.status, 413);
    assert_int_equal(testing->handled, 0);
    mem_free(plain);
    mem_free(packed);
    testing_stop(testing);
}

/* ---- refusals ---- */

struct probe {
    const char *name, *text;
    int status;
};

static const struct probe probes[] = {
    {"length and chunks",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {"chunks and length",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400},
    {"two lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400},
    {"the same length twice", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400},
    {"a list of lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc", 400},
    {"a signed length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +2\r\n\r\nab", 400},
    {"a negative length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -2\r\n\r\nab", 400},
    {"a hexadecimal length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x2\r\n\r\nab", 400},
    {"a length past 64 bits", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551618\r\n\r\nab", 400},
    {"a space before the colon", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 2\r\n\r\nab", 400},
    {"bare line feeds", "GET / HTTP/1.1\nHost: x\n\n", 400},
    {"a bare line feed in the head", "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", 400},
    {"a bare carriage return", "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", 400},
    {"a folded value", "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400},
    {"a value folded to the next line", "GET / HTTP/1.1\r\nHost: x\r\nA:\r\n b\r\n\r\n", 400},
    {"a folded coding", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400},
    {"a NUL in a value", "GET / HTTP/1.1\r\nHost: x\r\nA: b\x01\r\n\r\n", 400},
    {"an unknown coding", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
    {"a coding under chunks", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
    {"chunked twice",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {"chunks in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {"a chunk size past 64 bits",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n", 400},
    {"a chunk longer than its size",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n", 400},
    {"a chunk size with a sign",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n+2\r\nab\r\n0\r\n\r\n", 400},
    {"no host", "GET / HTTP/1.1\r\n\r\n", 400},
    {"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
    {"a later version", "GET / HTTP/2.0\r\nHost: x\r\n\r\n", 400},
    {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
    {"no version", "GET /\r\n\r\n", 400},
    {"a method that is none", "GOT / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"a tunnel", "CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n", 405},
    {"noise", "\x16\x03\x01\x02\x00\x01", 400},
};

static void what_could_smuggle_a_request_is_refused_and_the_connection_closed(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    for (size_t i = 0; i < COUNT_OF(probes); i++) {
        struct testing_response response;
        int fd = testing_dial(testing);
        testing_say(fd, probes[i].text);
        testing_read(fd, &response);
        if (response.status != probes[i].status || testing->handled != 0) {
            fail_msg("%s: %d", probes[i].name, response.status);
        }
        assert_true(testing_has(&response, "Connection: close\r\n"));
        assert_true(testing_has(&response, "X-Added: yes\r\n"));
        testing_expect_end(fd);
        close(fd);
        assert_int_equal(testing->refused, i + 1);
        assert_int_equal(testing->last_status, probes[i].status);
    }
    testing_stop(testing);
}

static void a_folded_line_is_refused_however_it_is_cut(void **state) {
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n";
    struct testing *testing = testing_start();
    for (size_t cut = 24; cut < sizeof(text) - 5; cut++) {
        struct testing_response response;
        int64_t before = stat_get(&http_server_stat(testing->server)->bytes_in);
        int fd = testing_dial(testing);
        testing_send(fd, slice_of(text, cut));
        testing_wait(testing, testing_bytes_in, before + (int64_t)cut);
        testing_send(fd, slice_of(text + cut, sizeof(text) - 1 - cut));
        testing_read(fd, &response);
        assert_int_equal(response.status, 400);
        close(fd);
    }
    assert_int_equal(testing->handled, 0);
    testing_stop(testing);
}

static void a_refusal_after_the_headers_keeps_the_connection_when_the_body_is_short(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct testing_response response;
    int fd = testing_dial(testing);
    for (int i = 0; i < 2; i++) {
        testing_say(fd, "POST /secret HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
        testing_read(fd, &response);
        assert_int_equal(response.status, 401);
        assert_string_equal(response.body, "invalid write key\n");
        assert_true(testing_has(&response, "Content-Type: text/plain; charset=utf-8\r\n"));
        assert_true(testing_has(&response, "X-Content-Type-Options: nosniff\r\n"));
        assert_false(testing_has(&response, "Connection: close"));
    }
    assert_int_equal(testing->handled, 0);
    assert_int_equal(testing->refused, 2);
    assert_int_equal(testing->last_err, ERR_BAD_WRITE_KEY);
    close(fd);
    testing_stop(testing);
}

static void a_refusal_before_a_long_body_arrives_although_the_client_still_sends(void **state) {
    (void)state;
    enum { SIZE = 1 << 19 };
    struct testing *testing = testing_start();
    struct testing_response response;
    char *body = mem_alloc(SIZE);
    int fd = testing_dial(testing);
    testing_say(fd, "POST /secret HTTP/1.1\r\nHost: x\r\nContent-Length: 524288\r\n\r\n");
    testing_read(fd, &response);
    assert_int_equal(response.status, 401);
    testing_send(fd, slice_of(body, SIZE)); /* a reset would fail this */
    testing_expect_end(fd);
    mem_free(body);
    close(fd);
    testing_stop(testing);
}

/* ---- unix socket ---- */

static int dial_unix(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void a_unix_socket_is_private_replaces_a_dead_one_and_spares_a_live_one(void **state) {
    (void)state;
    char folder[] = "/tmp/server_test.XXXXXX";
    assert_non_null(mkdtemp(folder));
    char path[64];
    snprintf(path, sizeof(path), "%s/socket", folder);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(dead, (struct sockaddr *)&address, sizeof(address)), 0);
    close(dead); /* leaves its file */

    struct loop *loop = loop_new("test");
    struct testing testing = {.loop = loop};
    struct http_handlers handlers = {.on_request = testing_on_request, .ctx = &testing};
    testing.server = http_server_new(loop, &testing_limits, &handlers);
    struct http_server *second = http_server_new(loop, &testing_limits, &handlers);
    struct errinfo why = {0};
    assert_int_equal(http_server_listen_unix(testing.server, path, &why), OK);
    assert_int_equal(http_server_listen_unix(second, path, &why), ERR_EXISTS);
    struct stat stat;
    assert_int_equal(lstat(path, &stat), 0);
    assert_int_equal(stat.st_mode & 0777, 0600);

    loop_start(loop);
    struct testing_response response;
    int fd = dial_unix(path);
    testing_say(fd, "GET /peer HTTP/1.1\r\nHost: x\r\n\r\n");
    testing_read(fd, &response);
    assert_int_equal(response.status, 200);
    assert_int_equal(response.body_len, 0);
    close(fd);
    loop_stop(loop);
    loop_join(loop);
    http_server_free(testing.server);
    http_server_free(second);
    loop_free(loop);
    assert_int_not_equal(lstat(path, &stat), 0);
    rmdir(folder);
}

static void a_bad_address_says_what_is_wrong(void **state) {
    (void)state;
    static const char *const addresses[] = {
        "", "8080", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:+1", "no.such.host.invalid:1"};
    struct loop *loop = loop_new("test");
    struct http_handlers handlers = {.on_request = testing_on_request};
    struct http_server *server = http_server_new(loop, &testing_limits, &handlers);
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        struct errinfo why = {0};
        uint16_t port = 0;
        assert_int_equal(http_server_listen(server, slice_cstr(addresses[i]), false, &port, &why), ERR_INVALID);
        assert_true(why.text[0] != '\0');
    }
    http_server_free(server);
    loop_free(loop);
}

static void several_servers_share_a_port_when_asked(void **state) {
    (void)state;
    struct loop *loop = loop_new("test");
    struct http_handlers handlers = {.on_request = testing_on_request};
    struct http_server *servers[3];
    uint16_t port = 0;
    char address[32];
    struct errinfo why = {0};
    for (size_t i = 0; i < COUNT_OF(servers); i++) {
        servers[i] = http_server_new(loop, &testing_limits, &handlers);
        snprintf(address, sizeof(address), "127.0.0.1:%u", (unsigned)port);
        bool share = i < 2;
        enum err expected = share ? OK : ERR_EXISTS;
        assert_int_equal(http_server_listen(servers[i], slice_cstr(address), share, &port, &why), expected);
    }
    for (size_t i = 0; i < COUNT_OF(servers); i++) {
        http_server_free(servers[i]);
    }
    loop_free(loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kept_connection_answers_request_after_request),
        cmocka_unit_test(requests_that_arrive_byte_by_byte_are_the_same_requests),
        cmocka_unit_test(pipelined_requests_are_answered_in_order_one_at_a_time),
        cmocka_unit_test(a_long_pipeline_stops_reading_and_loses_nothing),
        cmocka_unit_test(a_chunked_body_arrives_whole_and_trailers_are_dropped),
        cmocka_unit_test(expect_100_continue_is_answered_before_the_body),
        cmocka_unit_test(expect_100_continue_with_a_refusal_gets_the_refusal),
        cmocka_unit_test(head_gets_the_length_and_no_body),
        cmocka_unit_test(no_content_has_neither_length_nor_body),
        cmocka_unit_test(connection_close_and_http_1_0_end_the_connection),
        cmocka_unit_test(http_1_0_with_keep_alive_keeps_the_connection),
        cmocka_unit_test(an_offer_to_upgrade_is_ignored),
        cmocka_unit_test(a_handler_sees_the_peer_without_its_port),
        cmocka_unit_test(a_large_body_and_a_large_answer_pass_unchanged),
        cmocka_unit_test(a_gzip_body_is_inflated),
        cmocka_unit_test(several_gzip_members_are_one_body),
        cmocka_unit_test(a_broken_gzip_body_is_a_failure_to_read_it),
        cmocka_unit_test(a_gzip_bomb_is_too_large),
        cmocka_unit_test(what_could_smuggle_a_request_is_refused_and_the_connection_closed),
        cmocka_unit_test(a_folded_line_is_refused_however_it_is_cut),
        cmocka_unit_test(a_refusal_after_the_headers_keeps_the_connection_when_the_body_is_short),
        cmocka_unit_test(a_refusal_before_a_long_body_arrives_although_the_client_still_sends),
        cmocka_unit_test(a_unix_socket_is_private_replaces_a_dead_one_and_spares_a_live_one),
        cmocka_unit_test(a_bad_address_says_what_is_wrong),
        cmocka_unit_test(several_servers_share_a_port_when_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
