/* The server's limits: sizes, counts, deadlines on the test clock, clients that leave, streams, draining, and no
 * descriptors left. */
#include <sys/resource.h>

#include "http/server_internal.h"
#include "http/server_testing.h"

#define GET_HOLD "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"

/* ---- sizes and counts ---- */

static void repeat(struct buf *text, const char *piece, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        (void)buf_append(text, slice_cstr(piece)); /* sticky */
    }
    assert_int_equal(text->failed, OK);
}

static int status_of(const struct testing *testing, struct slice text) {
    struct testing_response response;
    int fd = testing_dial(testing);
    testing_send(fd, text);
    testing_read(fd, &response);
    close(fd);
    return response.status;
}

static void headers_past_their_bytes_or_their_number_are_too_large(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct buf text;
    buf_init(&text, 0);
    repeat(&text, "GET / HTTP/1.1\r\nHost: x\r\n", 1);
    repeat(&text, "A: b\r\n", 255);
    repeat(&text, "\r\n", 1);
    assert_int_equal(status_of(testing, buf_slice(&text)), 200);

    buf_reset(&text);
    repeat(&text, "GET / HTTP/1.1\r\nHost: x\r\n", 1);
    repeat(&text, "A: b\r\n", 256);
    repeat(&text, "\r\n", 1);
    assert_int_equal(status_of(testing, buf_slice(&text)), 431);

    buf_reset(&text);
    repeat(&text, "GET /", 1);
    repeat(&text, "0123456789", 900);
    assert_int_equal(status_of(testing, buf_slice(&text)), 431);

    buf_reset(&text);
    repeat(&text, "GET / HTTP/1.1\r\nHost: x\r\nA: ", 1);
    repeat(&text, "0123456789", 900);
    assert_int_equal(status_of(testing, buf_slice(&text)), 431);
    assert_int_equal(testing->last_err, ERR_HEADERS_TOO_LARGE);

    buf_reset(&text);
    repeat(&text, "GET / HTTP/1.1\r\nHost: x\r\nA:", 1);
    repeat(&text, "          ", 900); /* which the parser skips */
    assert_int_equal(status_of(testing, buf_slice(&text)), 431);
    buf_fini(&text);
    testing_stop(testing);
}

static void headers_near_the_limit_survive_the_growth_of_their_memory(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct testing_response response;
    struct buf text;
    struct buf expected;
    buf_init(&text, 0);
    buf_init(&expected, 0);
    repeat(&text, "GET /mirror HTTP/1.1\r\nHost: x\r\n", 1);
    repeat(&expected, "GET Host=x;", 1);
    for (unsigned i = 0; i < 100; i++) {
        (void)buf_printf(&text, "Name-%u: value of fifty bytes or so, and the number %u\r\n", i, i); /* sticky */
        (void)buf_printf(&expected, "Name-%u=value of fifty bytes or so, and the number %u;", i, i); /* sticky */
    }
    repeat(&text, "\r\n", 1);
    int fd = testing_dial(testing);
    testing_send(fd, buf_slice(&text));
    testing_read(fd, &response);
    assert_int_equal(response.body_len, expected.len);
    assert_memory_equal(response.body, expected.ptr, expected.len);
    buf_fini(&text);
    buf_fini(&expected);
    close(fd);
    testing_stop(testing);
}

static void a_declared_body_past_the_limit_is_refused_before_it_is_sent(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    assert_int_equal(status_of(testing, SLICE("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n")), 413);
    assert_int_equal(testing->last_err, ERR_TOO_LARGE);
    assert_int_equal(stat_get(&http_server_stat(testing->server)->buffered), 0);
    testing_stop(testing);
}

static void a_chunked_body_past_the_limit_is_refused_when_it_gets_there(void **state) {
    (void)state;
    struct http_limits limits = testing_limits;
    limits.body_bytes = 100;
    struct testing *testing = testing_start_with(&limits);
    struct buf text;
    buf_init(&text, 0);
    repeat(&text, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 1);
    repeat(&text, "a\r\n0123456789\r\n", 11);
    assert_int_equal(status_of(testing, buf_slice(&text)), 413);
    buf_fini(&text);
    testing_stop(testing);
}

static void chunks_that_are_mostly_wrapping_are_refused(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct buf text;
    buf_init(&text, 0);
    repeat(&text, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;", 1);
    repeat(&text, "extension-", 14000);
    int fd = testing_dial(testing);
    struct testing_response response;
    testing_send(fd, buf_slice(&text));
    testing_read(fd, &response);
    assert_int_equal(response.status, 400);
    close(fd);
    buf_fini(&text);
    testing_stop(testing);
}

static void a_liar_about_its_length_costs_no_memory(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    int fd = testing_dial(testing);
    testing_say_through(testing, fd, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n");
    assert_int_equal(stat_get(&http_server_stat(testing->server)->buffered), 0);
    testing_say_through(testing, fd, "a");
    assert_int_equal(stat_get(&http_server_stat(testing->server)->buffered), SERVER_BODY_FIRST);
    close(fd);
    testing_wait(testing, testing_connections, 0);
    assert_int_equal(stat_get(&http_server_stat(testing->server)->buffered), 0);
    testing_stop(testing);
}

static void requests_past_the_number_in_flight_are_told_to_come_again(void **state) {
    (void)state;
    struct http_limits limits = testing_limits;
    limits.requests = 1;
    struct testing *testing = testing_start_with(&limits);
    struct testing_response response;
    int first = testing_dial(testing);
    testing_say(first, GET_HOLD);
    testing_wait(testing, testing_inflight, 1);
    int second = testing_dial(testing);
    testing_say(second, "GET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
    testing_read(second, &response);
    assert_int_equal(response.status, 503);
    assert_string_equal(response.body, "service unavailable\n");
    assert_true(testing_has(&response, "Retry-After: 1\r\n"));
    testing_answer(testing, "first");
    testing_read(first, &response);
    assert_string_equal(response.body, "first");
    testing_say(second, "GET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
    testing_read(second, &response);
    assert_int_equal(response.status, 200);
    close(first);
    close(second);
    testing_stop(testing);
}

static void bodies_past_the_bytes_held_at_once_are_told_to_come_again(void **state) {
    (void)state;
    struct http_limits limits = testing_limits;
    limits.buffered_bytes = 20000;
    struct testing *testing = testing_start_with(&limits);
    assert_int_equal(status_of(testing, SLICE("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20001\r\n\r\n")), 503);
    assert_int_equal(status_of(testing, SLICE("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")), 200);
    testing_stop(testing);
}

static void the_connection_past_the_cap_gets_503_and_the_others_stay(void **state) {
    (void)state;
    struct http_limits limits = testing_limits;
    limits.connections = 1;
    struct testing *testing = testing_start_with(&limits);
    struct testing_response response;
    int first = testing_dial(testing);
    testing_wait(testing, testing_connections, 1);
    int second = testing_dial(testing);
    testing_read(second, &response);
    assert_int_equal(response.status, 503);
    testing_expect_end(second);
    close(second);
    assert_int_equal(testing->refused, 1);
    assert_int_equal(stat_get(&http_server_stat(testing->server)->refused_connections), 1);
    testing_say(first, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    testing_read(first, &response);
    assert_int_equal(response.status, 200);
    close(first);
    testing_stop(testing);
}

static void apply_limits(struct testing *testing, void *arg) {
    http_server_set_limits(testing->server, arg);
}

static void new_limits_hold_at_once(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct http_limits limits = testing_limits;
    limits.body_bytes = 2;
    limits.header_ms = 10;
    int waiting = testing_dial(testing);
    testing_wait(testing, testing_connections, 1);
    testing_do(testing, apply_limits, &limits);
    assert_int_equal(status_of(testing, SLICE("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")), 413);
    struct testing_response response;
    testing_advance(10);
    testing_read(waiting, &response);
    assert_int_equal(response.status, 408);
    close(waiting);
    testing_stop(testing);
}

/* ---- deadlines ---- */

static void a_connection_that_sends_no_request_is_closed_with_408(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct testing_response response;
    int fd = testing_dial(testing);
    testing_wait(testing, testing_connections, 1);
    testing_advance(testing_limits.header_ms);
    testing_read(fd, &response);
    assert_int_equal(response.status, 408);
    testing_expect_end(fd);
    assert_int_equal(testing->last_err, ERR_REQUEST_TIMEOUT);
    assert_int_equal(stat_get(&http_server_stat(testing->server)->timeouts), 1);
    close(fd);
    testing_stop(testing);
}

static void headers_that_drip_do_not_move_their_deadline(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct testing_response response;
    int fd = testing_dial(testing);
    testing_say_through(testing, fd, "GET / HTTP/1.1\r\n");
    testing_advance(testing_limits.header_ms - 1);
    testing_say_through(testing, fd, "Host: x\r\n");
    testing_advance(1);
    testing_read(fd, &response);
    assert_int_equal(response.status, 408);
    close(fd);
    testing_stop(testing);
}

static void a_body_that_drips_ends_with_its_deadline(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct testing_response response;
    int fd = testing_dial(testing);
    testing_say_through(testing, fd, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\na");
    testing_advance(testing_limits.body_ms - 1);
    testing_say_through(testing, fd, "b");
    testing_advance(1);
    testing_read(fd, &response);
    assert_int_equal(response.status, 408);
    close(fd);
    testing_stop(testing);
}

static void an_idle_connection_is_closed_in_silence(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct testing_response response;
    int fd = testing_dial(testing);
    for (int i = 0; i < 3; i++) {
        testing_say(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        testing_read(fd, &response);
        testing_wait(testing, testing_inflight, 0);
        testing_advance(testing_limits.idle_ms - 1);
    }
    testing_advance(1);
    testing_expect_end(fd);
    assert_int_equal(testing->refused, 0);
    close(fd);
    testing_stop(testing);
}

static void a_handler_may_take_its_time(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct testing_response response;
    int fd = testing_dial(testing);
    testing_say(fd, GET_HOLD);
    testing_wait(testing, testing_inflight, 1);
    testing_advance(3600 * 1000);
    testing_answer(testing, "late");
    testing_read(fd, &response);
    assert_string_equal(response.body, "late");
    close(fd);
    testing_stop(testing);
}

static bool writes_wait(struct testing *testing, int64_t value) {
    return (testing->server->deadlines[DEADLINE_WRITE].head != NULL) == (value != 0);
}

static void a_client_that_does_not_read_its_answer_is_cut_off(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    int fd = testing_dial(testing);
    testing_say(fd, "GET /sized?bytes=60000000 HTTP/1.1\r\nHost: x\r\n\r\n");
    testing_wait(testing, writes_wait, 1);
    testing_advance(testing_limits.write_ms);
    testing_wait(testing, testing_connections, 0);
    assert_int_equal(stat_get(&http_server_stat(testing->server)->timeouts), 1);
    close(fd);
    testing_stop(testing);
}

static bool no_timer_is_set(struct testing *testing, int64_t value) {
    (void)value;
    for (unsigned i = 0; i < DEADLINE_COUNT; i++) {
        if (loop_timer_is_set(&testing->server->deadlines[i].timer)) {
            return false;
        }
    }
    return true;
}

static void a_server_without_connections_has_no_timer(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    assert_int_equal(status_of(testing, SLICE("GET / HTTP/1.1\r\nHost: x\r\n\r\n")), 200);
    testing_wait(testing, testing_connections, 0);
    testing_advance(testing_limits.idle_ms + testing_limits.header_ms);
    testing_wait(testing, no_timer_is_set, 0);
    testing_stop(testing);
}

/* ---- clients that leave ---- */

static bool held_is_gone(struct testing *testing, int64_t value) {
    (void)value;
    return testing->held[0]->gone;
}

static void a_request_whose_client_has_left_stays_valid_until_it_is_answered(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    int fd = testing_dial(testing);
    testing_say(fd, "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nkept");
    testing_wait(testing, testing_inflight, 1);
    struct linger hard = {.l_onoff = 1};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
    close(fd); /* resets */
    testing_wait(testing, held_is_gone, 0);
    testing_wait(testing, testing_connections, 0);
    assert_true(slice_eq(testing->held[0]->body, SLICE("kept")));
    assert_true(slice_eq(testing->held[0]->peer, SLICE("127.0.0.1")));
    testing_answer(testing, "nobody reads this");
    assert_int_equal(stat_get(&http_server_stat(testing->server)->inflight), 0);
    assert_int_equal(stat_get(&http_server_stat(testing->server)->buffered), 0);
    testing_stop(testing);
}

static void a_client_that_only_shuts_its_sending_side_still_gets_its_answer(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct testing_response response;
    int fd = testing_dial(testing);
    testing_say(fd, GET_HOLD);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    testing_wait(testing, testing_inflight, 1);
    testing_wait(testing, held_is_gone, 0);
    testing_answer(testing, "still here");
    testing_read(fd, &response);
    assert_string_equal(response.body, "still here");
    testing_expect_end(fd);
    close(fd);
    testing_stop(testing);
}

static void a_server_freed_with_requests_unanswered_waits_for_their_answers(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    int fd = testing_dial(testing);
    testing_say(fd, GET_HOLD);
    testing_wait(testing, testing_inflight, 1);
    loop_stop(testing->loop);
    loop_join(testing->loop);
    http_server_free(testing->server);
    assert_true(testing->held[0]->gone);
    testing_respond_text(testing->held[0], 200, SLICE("too late"));
    loop_free(testing->loop);
    mem_free(testing);
    close(fd);
}

/* ---- streams ---- */

static void write_stream(struct testing *testing, void *arg) {
    assert_true(http_stream_write(testing->stream, slice_cstr(arg)));
}

static void end_stream(struct testing *testing, void *arg) {
    (void)arg;
    http_stream_end(testing->stream);
}

static void a_stream_is_chunked_and_the_connection_lives_on(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct testing_response response;
    int fd = testing_dial(testing);
    testing_say(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n");
    testing_read_head(fd, &response);
    assert_true(testing_has(&response, "Transfer-Encoding: chunked\r\n"));
    testing_do(testing, write_stream, (char[]){"hello"});
    testing_do(testing, write_stream, (char[]){"twelve bytes"});
    testing_do(testing, end_stream, NULL);
    static const char expected[] = "5\r\nhello\r\nc\r\ntwelve bytes\r\n0\r\n\r\n";
    for (size_t i = 0; i < sizeof(expected) - 1; i++) {
        char byte = 0;
        assert_int_equal(testing_byte(fd, &byte), 1);
        assert_int_equal(byte, expected[i]);
    }
    testing_read(fd, &response);
    assert_string_equal(response.body, "/next");
    close(fd);
    testing_stop(testing);
}

static bool stream_is_gone(struct testing *testing, int64_t value) {
    (void)value;
    return testing->gone_calls == 1;
}

static void fail_to_write_stream(struct testing *testing, void *arg) {
    (void)arg;
    assert_false(http_stream_write(testing->stream, SLICE("nobody")));
    http_stream_end(testing->stream);
}

static void a_stream_hears_that_its_client_has_left(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct testing_response response;
    int fd = testing_dial(testing);
    testing_say(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    testing_read_head(fd, &response);
    close(fd);
    testing_wait(testing, stream_is_gone, 0);
    testing_do(testing, fail_to_write_stream, NULL);
    assert_int_equal(stat_get(&http_server_stat(testing->server)->inflight), 0);
    testing_stop(testing);
}

static void fill_stream(struct testing *testing, void *arg) {
    static char block[100000];
    (void)arg;
    while (http_stream_backlog(testing->stream) == 0) {
        assert_true(http_stream_write(testing->stream, slice_of(block, sizeof(block))));
    }
}

static void a_stream_that_is_not_read_shows_its_backlog_and_is_cut_off(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    int fd = testing_dial(testing);
    testing_say(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    testing_wait(testing, testing_inflight, 1);
    testing_do(testing, fill_stream, NULL);
    testing_advance(testing_limits.write_ms);
    testing_wait(testing, stream_is_gone, 0);
    testing_do(testing, fail_to_write_stream, NULL);
    close(fd);
    testing_stop(testing);
}

/* ---- draining ---- */

static void on_drained(void *ctx) {
    struct testing *testing = ctx;
    testing->drained++;
}

static void drain(struct testing *testing, void *arg) {
    (void)arg;
    http_server_drain(testing->server, on_drained, testing);
    assert_int_equal(testing->drained, 0); /* never from inside */
}

static bool is_drained(struct testing *testing, int64_t value) {
    (void)value;
    return testing->drained == 1;
}

static void draining_answers_what_is_in_flight_and_closes_the_rest(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct testing_response response;
    int idle = testing_dial(testing);
    testing_say(idle, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    testing_read(idle, &response);
    int held = testing_dial(testing);
    testing_say(held, GET_HOLD);
    testing_wait(testing, testing_inflight, 1);
    testing_do(testing, drain, NULL);
    testing_expect_end(idle);
    assert_int_equal(testing->drained, 0);
    testing_answer(testing, "last");
    testing_read(held, &response);
    assert_string_equal(response.body, "last");
    assert_true(testing_has(&response, "Connection: close\r\n"));
    testing_expect_end(held);
    testing_wait(testing, is_drained, 0);
    close(idle);
    close(held);
    testing_stop(testing);
}

static void draining_a_server_without_connections_ends_at_once(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    testing_do(testing, drain, NULL);
    testing_wait(testing, is_drained, 0);
    testing_stop(testing);
}

static void draining_tells_streams_to_end(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct testing_response response;
    int fd = testing_dial(testing);
    testing_say(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    testing_read_head(fd, &response);
    testing_do(testing, drain, NULL);
    assert_int_equal(testing->gone_calls, 1);
    testing_do(testing, end_stream, NULL);
    testing_wait(testing, is_drained, 0);
    close(fd);
    testing_stop(testing);
}

/* ---- no descriptors ---- */

static void limit_descriptors(rlim_t count) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = count < limit.rlim_max ? count : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* The next descriptor would be this one. */
static rlim_t next_descriptor(void) {
    int fd = dup(0);
    assert_true(fd >= 0);
    close(fd);
    return (rlim_t)fd;
}

static int socket_only(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct timeval patience = {.tv_sec = TESTING_PATIENCE_S};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    return fd;
}

static void connect_to(const struct testing *testing, int fd) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(testing->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static bool refused_connections(struct testing *testing, int64_t count) {
    return stat_get(&http_server_stat(testing->server)->refused_connections) == count;
}

static void without_descriptors_connections_are_closed_and_counted(void **state) {
    (void)state;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct testing *testing = testing_start();
    int fds[3];
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        fds[i] = socket_only();
    }
    limit_descriptors(next_descriptor());
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        connect_to(testing, fds[i]);
    }
    testing_wait(testing, refused_connections, 3);
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        testing_expect_end(fds[i]);
        close(fds[i]);
    }
    limit_descriptors(before.rlim_cur);
    assert_int_equal(status_of(testing, SLICE("GET / HTTP/1.1\r\nHost: x\r\n\r\n")), 200);
    testing_stop(testing);
}

static void take_spare(struct testing *testing, void *arg) {
    int *spare = arg;
    *spare = testing->server->spare_fd;
    testing->server->spare_fd = -1;
}

static bool is_listening(struct testing *testing, int64_t value) {
    return testing->server->listeners[0]->polling == (value != 0);
}

static void without_even_the_spare_descriptor_listening_pauses_and_comes_back(void **state) {
    (void)state;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct testing *testing = testing_start();
    struct testing_response response;
    int spare = -1;
    testing_do(testing, take_spare, &spare);
    int fd = socket_only();
    limit_descriptors(next_descriptor());
    connect_to(testing, fd);
    testing_wait(testing, is_listening, 0);
    limit_descriptors(before.rlim_cur);
    testing_advance(SERVER_ACCEPT_PAUSE_MS);
    testing_say(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    testing_read(fd, &response);
    assert_int_equal(response.status, 200);
    close(fd);
    close(spare);
    testing_stop(testing);
}

int main(void) {
    clock_test_start(INT64_C(1700000000000));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_past_their_bytes_or_their_number_are_too_large),
        cmocka_unit_test(headers_near_the_limit_survive_the_growth_of_their_memory),
        cmocka_unit_test(a_declared_body_past_the_limit_is_refused_before_it_is_sent),
        cmocka_unit_test(a_chunked_body_past_the_limit_is_refused_when_it_gets_there),
        cmocka_unit_test(chunks_that_are_mostly_wrapping_are_refused),
        cmocka_unit_test(a_liar_about_its_length_costs_no_memory),
        cmocka_unit_test(requests_past_the_number_in_flight_are_told_to_come_again),
        cmocka_unit_test(bodies_past_the_bytes_held_at_once_are_told_to_come_again),
        cmocka_unit_test(the_connection_past_the_cap_gets_503_and_the_others_stay),
        cmocka_unit_test(new_limits_hold_at_once),
        cmocka_unit_test(a_connection_that_sends_no_request_is_closed_with_408),
        cmocka_unit_test(headers_that_drip_do_not_move_their_deadline),
        cmocka_unit_test(a_body_that_drips_ends_with_its_deadline),
        cmocka_unit_test(an_idle_connection_is_closed_in_silence),
        cmocka_unit_test(a_handler_may_take_its_time),
        cmocka_unit_test(a_client_that_does_not_read_its_answer_is_cut_off),
        cmocka_unit_test(a_server_without_connections_has_no_timer),
        cmocka_unit_test(a_request_whose_client_has_left_stays_valid_until_it_is_answered),
        cmocka_unit_test(a_client_that_only_shuts_its_sending_side_still_gets_its_answer),
        cmocka_unit_test(a_server_freed_with_requests_unanswered_waits_for_their_answers),
        cmocka_unit_test(a_stream_is_chunked_and_the_connection_lives_on),
        cmocka_unit_test(a_stream_hears_that_its_client_has_left),
        cmocka_unit_test(a_stream_that_is_not_read_shows_its_backlog_and_is_cut_off),
        cmocka_unit_test(draining_answers_what_is_in_flight_and_closes_the_rest),
        cmocka_unit_test(draining_a_server_without_connections_ends_at_once),
        cmocka_unit_test(draining_tells_streams_to_end),
        cmocka_unit_test(without_descriptors_connections_are_closed_and_counted),
        cmocka_unit_test(without_even_the_spare_descriptor_listening_pauses_and_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
