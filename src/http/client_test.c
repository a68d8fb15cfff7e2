/* What the client sends, what it makes of answers and of the lack of them, which addresses it refuses, what it keeps
 * open. */
#include "http/client.h"

#include "http/server_testing.h"

#define TEST_CLOCK INT64_C(1700000000000) /* Tue, 14 Nov 2023 22:13:20 GMT */

static const struct http_client_conf open_conf = {
    .connections = 8,
    .connections_per_host = 8,
    .connect_ms = 5000,
    .allow_private = true,
    .response_bytes = 4096,
};

/* One call and what came of it; filled on the loop's thread. */
struct run {
    struct http_call call;
    struct http_client *client;
    enum err sent;
    struct errinfo why;
    bool done;
    enum err err;
    int status;
    char body[8192];
    size_t body_len;
    char content_type[64];
    char text[256];
    int64_t retry_after_ms;
    struct run *then; /* sent from this one's on_done */
};

static void send_run(struct testing *testing, void *arg) {
    (void)testing;
    struct run *run = arg;
    run->sent = http_client_send(run->client, &run->call, &run->why);
    assert_false(run->done);
}

static void on_done(struct http_call *call, const struct http_result *result) {
    struct run *run = CONTAINER_OF(call, struct run, call);
    assert_false(run->done);
    run->done = true;
    run->err = result->err;
    run->status = result->status;
    run->body_len = result->body.len;
    assert_true(result->body.len < sizeof(run->body));
    memcpy(run->body, result->body.len > 0 ? result->body.ptr : "", result->body.len);
    snprintf(run->content_type, sizeof(run->content_type), "%.*s", SLICE_ARG(result->content_type));
    snprintf(run->text, sizeof(run->text), "%s", result->text);
    run->retry_after_ms = result->retry_after_ms;
    assert_true((result->err == OK) == (result->status > 0));
    assert_true((result->err == OK) == (result->text[0] == '\0'));
    if (run->then != NULL) {
        send_run(NULL, run->then);
    }
}

static struct run *waited_for;

static bool run_is_done(struct testing *testing, int64_t value) {
    (void)testing;
    (void)value;
    return waited_for->done;
}

static void wait_for(struct testing *testing, struct run *run) {
    waited_for = run;
    testing_wait(testing, run_is_done, 0);
}

struct opening {
    const struct http_client_conf *conf;
    struct http_client *client;
};

static void open_client(struct testing *testing, void *arg) {
    struct opening *opening = arg;
    opening->client = http_client_new(testing->loop, opening->conf);
}

static struct http_client *client_of(struct testing *testing, const struct http_client_conf *conf) {
    struct opening opening = {.conf = conf};
    testing_do(testing, open_client, &opening);
    return opening.client;
}

static void close_client(struct testing *testing, void *arg) {
    (void)testing;
    http_client_free(arg);
}

static void stop_both(struct testing *testing, struct http_client *client) {
    testing_do(testing, close_client, client);
    testing_stop(testing);
}

struct place {
    char url[256];
};

static struct slice url_at(struct place *place, const char *host, uint16_t port, const char *path) {
    int len = snprintf(place->url, sizeof(place->url), "http://%s:%u%s", host, (unsigned)port, path);
    return slice_of(place->url, (size_t)len);
}

static struct run run_of(struct http_client *client, struct slice url) {
    return (struct run){
        .client = client, .call = {.method = HTTP_METHOD_GET, .url = url, .timeout_ms = 60000, .on_done = on_done}};
}

static void perform(struct testing *testing, struct run *run) {
    testing_do(testing, send_run, run);
    if (run->sent != OK) {
        fail_msg("%s", run->why.text);
    }
    wait_for(testing, run);
}

/* ---- what is sent ---- */

static void each_method_arrives_with_the_headers_and_the_body_it_was_given(void **state) {
    (void)state;
    static const struct {
        enum http_method method;
        const char *body, *expected;
    } cases[] = {
        {HTTP_METHOD_GET, "", "GET Host=?;Accept=*/*;X-One=1;X-None=;"},
        {HTTP_METHOD_POST, "a body", "POST Host=?;Accept=*/*;X-One=1;X-None=;Content-Length=6;a body"},
        {HTTP_METHOD_POST, "", "POST Host=?;Accept=*/*;X-One=1;X-None=;Content-Length=0;"},
        {HTTP_METHOD_PUT, "put", "PUT Host=?;Accept=*/*;X-One=1;X-None=;Content-Length=3;put"},
        {HTTP_METHOD_PATCH, "patch", "PATCH Host=?;Accept=*/*;X-One=1;X-None=;Content-Length=5;patch"},
        {HTTP_METHOD_DELETE, "", "DELETE Host=?;Accept=*/*;X-One=1;X-None=;Content-Length=0;"},
        {HTTP_METHOD_GET, "odd", "GET Host=?;Accept=*/*;X-One=1;X-None=;Content-Length=3;odd"},
        {HTTP_METHOD_OPTIONS, "", "OPTIONS Host=?;Accept=*/*;X-One=1;X-None=;Content-Length=0;"},
        {HTTP_METHOD_GET, "", "GET Host=?;Accept=*/*;X-One=1;X-None=;"},
    };
    struct http_header headers[] = {{SLICE("Host"), SLICE("?")}, {SLICE("X-One"), SLICE("1")},
        {SLICE("Content-Length"), SLICE("99")}, /* the client frames: ignored */
        {SLICE("X-None"), SLICE("")}};
    struct testing *testing = testing_start();
    struct http_client *client = client_of(testing, &open_conf);
    struct place place;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct run run = run_of(client, url_at(&place, "127.0.0.1", testing->port, "/mirror"));
        run.call.method = cases[i].method;
        run.call.body = slice_cstr(cases[i].body);
        run.call.headers = headers;
        run.call.header_count = COUNT_OF(headers);
        perform(testing, &run);
        assert_int_equal(run.status, 200);
        assert_string_equal(run.body, cases[i].expected);
    }
    assert_int_equal(stat_get(&http_server_stat(testing->server)->accepted), 1);
    stop_both(testing, client);
}

static void of_two_content_types_the_last_is_sent(void **state) {
    (void)state;
    struct http_header headers[] = {{SLICE("Host"), SLICE("?")}, {SLICE("Content-Type"), SLICE("application/xml")},
        {SLICE("X-One"), SLICE("1")}, {SLICE("content-type"), SLICE("text/xml")}};
    struct testing *testing = testing_start();
    struct http_client *client = client_of(testing, &open_conf);
    struct place place;
    struct run run = run_of(client, url_at(&place, "127.0.0.1", testing->port, "/mirror"));
    run.call.method = HTTP_METHOD_POST;
    run.call.body = SLICE("<a/>");
    run.call.headers = headers;
    run.call.header_count = COUNT_OF(headers);
    perform(testing, &run);
    assert_string_equal(run.body, "POST Host=?;Accept=*/*;X-One=1;content-type=text/xml;Content-Length=4;<a/>");
    stop_both(testing, client);
}

static void head_has_a_status_and_no_body(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct http_client *client = client_of(testing, &open_conf);
    struct place place;
    struct run run = run_of(client, url_at(&place, "127.0.0.1", testing->port, "/x"));
    run.call.method = HTTP_METHOD_HEAD;
    perform(testing, &run);
    assert_int_equal(run.status, 200);
    assert_int_equal(run.body_len, 0);
    stop_both(testing, client);
}

static void a_megabyte_goes_out_whole_and_without_asking(void **state) {
    (void)state;
    enum { SIZE = 1 << 20 };
    struct testing *testing = testing_start();
    struct http_client *client = client_of(testing, &open_conf);
    struct place place;
    char *body = mem_alloc(SIZE);
    memset(body, 'm', SIZE);
    struct run run = run_of(client, url_at(&place, "127.0.0.1", testing->port, "/mirror"));
    run.call.method = HTTP_METHOD_POST;
    run.call.body = slice_of(body, SIZE);
    perform(testing, &run);
    assert_int_equal(run.status, 200);
    assert_int_equal(run.body_len, open_conf.response_bytes); /* the answer is capped */
    assert_null(strstr(run.body, "Expect"));
    assert_non_null(strstr(run.body, "Content-Length=1048576;m"));
    mem_free(body);
    stop_both(testing, client);
}

static void a_header_that_would_break_the_head_is_not_sent(void **state) {
    (void)state;
    struct http_header bad[] = {{SLICE("A"), SLICE("b\r\nC: d")}, {SLICE("A\nB"), SLICE("c")},
        {SLICE("A:B"), SLICE("c")}, {SLICE(""), SLICE("c")}, {SLICE("A B"), SLICE("c")}};
    struct testing *testing = testing_start();
    struct http_client *client = client_of(testing, &open_conf);
    struct place place;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct run run = run_of(client, url_at(&place, "127.0.0.1", testing->port, "/"));
        run.call.headers = &bad[i];
        run.call.header_count = 1;
        testing_do(testing, send_run, &run);
        assert_int_equal(run.sent, ERR_INVALID);
        assert_true(run.why.text[0] != '\0');
    }
    assert_int_equal(testing->handled, 0);
    stop_both(testing, client);
}

/* ---- answers ---- */

static void statuses_arrive_as_they_are_and_redirects_are_not_followed(void **state) {
    (void)state;
    static const int statuses[] = {200, 202, 204, 298, 302, 400, 401, 429, 500, 503};
    struct testing *testing = testing_start();
    struct http_client *client = client_of(testing, &open_conf);
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        struct place place;
        char path[64];
        snprintf(path, sizeof(path), "/status?code=%d", statuses[i]);
        struct run run = run_of(client, url_at(&place, "127.0.0.1", testing->port, path));
        perform(testing, &run);
        assert_int_equal(run.err, OK);
        assert_int_equal(run.status, statuses[i]);
        assert_string_equal(run.content_type, "text/plain");
        assert_int_equal(run.retry_after_ms, -1);
    }
    stop_both(testing, client);
}

static void retry_after_is_understood_as_seconds_and_as_a_date(void **state) {
    (void)state;
    static const struct {
        const char *value;
        int64_t expected;
    } cases[] = {
        {"0", 0},
        {"120", 120000},
        {"Tue,+14+Nov+2023+22:14:20+GMT", 60000},
        {"Tue,+14+Nov+2023+22:00:00+GMT", 0},
        {"Tuesday,+14-Nov-23+22:13:21+GMT", 1000},
        {"99999999999999999999999", INT64_C(365) * 24 * 3600 * 1000},
        {"-5", -1},
        {"soon", -1},
    };
    struct testing *testing = testing_start();
    struct http_client *client = client_of(testing, &open_conf);
    clock_test_advance(TEST_CLOCK - clock_ms());
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct place place;
        char path[128];
        snprintf(path, sizeof(path), "/status?code=429&retry=%s", cases[i].value);
        struct run run = run_of(client, url_at(&place, "127.0.0.1", testing->port, path));
        perform(testing, &run);
        assert_int_equal(run.status, 429);
        assert_int_equal(run.retry_after_ms, cases[i].expected);
    }
    stop_both(testing, client);
}

static void an_answer_past_the_cap_is_cut_and_the_connection_kept(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct http_client *client = client_of(testing, &open_conf);
    for (int i = 0; i < 2; i++) {
        struct place place;
        struct run run = run_of(client, url_at(&place, "127.0.0.1", testing->port, "/sized?bytes=100000"));
        perform(testing, &run);
        assert_int_equal(run.status, 200);
        assert_int_equal(run.body_len, open_conf.response_bytes);
    }
    assert_int_equal(stat_get(&http_server_stat(testing->server)->accepted), 1);
    stop_both(testing, client);
}

static void an_answer_without_end_is_not_read_to_its_end(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct http_client *client = client_of(testing, &open_conf);
    struct place place;
    struct run run = run_of(client, url_at(&place, "127.0.0.1", testing->port, "/sized?bytes=50000000"));
    perform(testing, &run);
    assert_int_equal(run.err, OK);
    assert_int_equal(run.status, 200);
    testing_wait(testing, testing_connections, 0);
    assert_true(stat_get(&http_server_stat(testing->server)->bytes_out) >= 50000000);
    stop_both(testing, client);
}

/* ---- a peer that the test plays itself ---- */

struct peer {
    int listening;
    uint16_t port;
};

static struct peer peer_open(void) {
    struct peer peer = {.listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    assert_int_equal(bind(peer.listening, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(peer.listening, 8), 0);
    assert_int_equal(getsockname(peer.listening, (struct sockaddr *)&address, &len), 0);
    peer.port = ntohs(address.sin_port);
    struct timeval patience = {.tv_sec = TESTING_PATIENCE_S};
    assert_int_equal(setsockopt(peer.listening, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    return peer;
}

/* Accepts and reads a head. */
static int peer_take(const struct peer *peer) {
    int fd = accept(peer->listening, NULL, NULL);
    assert_true(fd >= 0);
    char last[4] = "";
    while (memcmp(last, "\r\n\r\n", 4) != 0) {
        memmove(last, last + 1, 3);
        assert_int_equal(testing_byte(fd, &last[3]), 1);
    }
    return fd;
}

static void start_run(struct testing *testing, struct run *run) {
    testing_do(testing, send_run, run);
    assert_int_equal(run->sent, OK);
}

static void a_reset_connection_is_a_failure_of_input_or_output(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct http_client *client = client_of(testing, &open_conf);
    struct peer peer = peer_open();
    struct place place;
    struct run run = run_of(client, url_at(&place, "127.0.0.1", peer.port, "/"));
    start_run(testing, &run);
    int fd = peer_take(&peer);
    struct linger hard = {.l_onoff = 1};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
    close(fd);
    wait_for(testing, &run);
    assert_int_equal(run.err, ERR_IO);
    close(peer.listening);
    stop_both(testing, client);
}

static void what_is_not_http_is_a_failure_of_input_or_output(void **state) {
    (void)state;
    static const char *const answers[] = {"", "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"};
    struct testing *testing = testing_start();
    struct http_client *client = client_of(testing, &open_conf);
    struct peer peer = peer_open();
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        struct place place;
        struct run run = run_of(client, url_at(&place, "127.0.0.1", peer.port, "/"));
        start_run(testing, &run);
        int fd = peer_take(&peer);
        testing_say(fd, answers[i]);
        close(fd);
        wait_for(testing, &run);
        assert_int_equal(run.err, ERR_IO);
    }
    close(peer.listening);
    stop_both(testing, client);
}

static void a_status_line_counts_although_the_body_breaks_off(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct http_client *client = client_of(testing, &open_conf);
    struct peer peer = peer_open();
    struct place place;
    struct run run = run_of(client, url_at(&place, "127.0.0.1", peer.port, "/"));
    start_run(testing, &run);
    int fd = peer_take(&peer);
    testing_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    close(fd);
    wait_for(testing, &run);
    assert_int_equal(run.err, OK);
    assert_int_equal(run.status, 200);
    assert_string_equal(run.body, "only this");
    close(peer.listening);
    stop_both(testing, client);
}

static void a_port_that_nobody_listens_on_is_a_failure_to_connect(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct http_client *client = client_of(testing, &open_conf);
    struct peer peer = peer_open();
    close(peer.listening);
    struct place place;
    struct run run = run_of(client, url_at(&place, "127.0.0.1", peer.port, "/"));
    perform(testing, &run);
    assert_int_equal(run.err, ERR_CONNECT);
    stop_both(testing, client);
}

static void a_name_without_an_address_is_a_failure_to_connect(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct http_client *client = client_of(testing, &open_conf);
    struct place place;
    struct run run = run_of(client, url_at(&place, "no.such.host.invalid", 80, "/"));
    perform(testing, &run);
    assert_int_equal(run.err, ERR_CONNECT);
    stop_both(testing, client);
}

/* ---- time ---- */

static bool held_is_gone(struct testing *testing, int64_t value) {
    (void)value;
    return testing->held[0]->gone;
}

static void a_call_that_is_not_answered_in_time_ends_on_the_test_clock(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct http_client *client = client_of(testing, &open_conf);
    struct place place;
    struct run run = run_of(client, url_at(&place, "127.0.0.1", testing->port, "/hold"));
    run.call.timeout_ms = 500;
    start_run(testing, &run);
    testing_wait(testing, testing_inflight, 1);
    testing_advance(499);
    assert_false(run.done);
    testing_advance(1);
    assert_true(run.done);
    assert_int_equal(run.err, ERR_TIMEOUT);
    testing_wait(testing, held_is_gone, 0); /* it has hung up */
    testing_answer(testing, "too late");
    stop_both(testing, client);
}

/* ---- what is kept open ---- */

static void a_hundred_calls_in_a_row_use_one_connection(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct http_client *client = client_of(testing, &open_conf);
    for (int i = 0; i < 100; i++) {
        struct place place;
        struct run run = run_of(client, url_at(&place, "127.0.0.1", testing->port, i % 2 ? "/a" : "/b"));
        perform(testing, &run);
        assert_string_equal(run.body, i % 2 ? "/a" : "/b");
    }
    assert_int_equal(stat_get(&http_server_stat(testing->server)->accepted), 1);
    stop_both(testing, client);
}

static void calls_past_the_connections_of_a_host_wait_for_them(void **state) {
    (void)state;
    enum { CALLS = 20 };
    struct http_client_conf conf = open_conf;
    conf.connections_per_host = 3;
    struct testing *testing = testing_start();
    struct http_client *client = client_of(testing, &conf);
    struct place place;
    struct slice url = url_at(&place, "127.0.0.1", testing->port, "/x");
    static struct run runs[CALLS];
    for (int i = 0; i < CALLS; i++) {
        runs[i] = run_of(client, url);
        start_run(testing, &runs[i]);
    }
    for (int i = 0; i < CALLS; i++) {
        wait_for(testing, &runs[i]);
        assert_int_equal(runs[i].status, 200);
    }
    assert_in_range(stat_get(&http_server_stat(testing->server)->accepted), 1, 3);
    stop_both(testing, client);
}

static void a_connection_that_the_server_closed_meanwhile_is_replaced(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct http_client *client = client_of(testing, &open_conf);
    for (int i = 0; i < 2; i++) {
        struct place place;
        struct run run = run_of(client, url_at(&place, "127.0.0.1", testing->port, "/x"));
        perform(testing, &run);
        assert_int_equal(run.status, 200);
        testing_advance(testing_limits.idle_ms);
        testing_wait(testing, testing_connections, 0);
    }
    assert_int_equal(stat_get(&http_server_stat(testing->server)->accepted), 2);
    stop_both(testing, client);
}

static void a_call_can_be_sent_from_the_end_of_another(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct http_client *client = client_of(testing, &open_conf);
    struct place first_place;
    struct place second_place;
    struct run first = run_of(client, url_at(&first_place, "127.0.0.1", testing->port, "/first"));
    struct run second = run_of(client, url_at(&second_place, "127.0.0.1", testing->port, "/second"));
    first.then = &second;
    start_run(testing, &first);
    wait_for(testing, &second);
    assert_string_equal(first.body, "/first");
    assert_string_equal(second.body, "/second");
    stop_both(testing, client);
}

/* ---- ends that come from outside ---- */

static void cancel_run(struct testing *testing, void *arg) {
    (void)testing;
    struct run *run = arg;
    http_client_cancel(run->client, &run->call);
    http_client_cancel(run->client, &run->call); /* a second time does nothing */
}

static void a_cancelled_call_hangs_up_and_is_never_done(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct http_client *client = client_of(testing, &open_conf);
    struct place place;
    struct run run = run_of(client, url_at(&place, "127.0.0.1", testing->port, "/hold"));
    start_run(testing, &run);
    testing_wait(testing, testing_inflight, 1);
    testing_do(testing, cancel_run, &run);
    testing_wait(testing, held_is_gone, 0);
    testing_answer(testing, "nobody");
    testing_advance(run.call.timeout_ms);
    assert_false(run.done);
    stop_both(testing, client);
}

static void a_freed_client_ends_its_calls_in_silence(void **state) {
    (void)state;
    struct testing *testing = testing_start();
    struct http_client *client = client_of(testing, &open_conf);
    struct place place;
    struct run run = run_of(client, url_at(&place, "127.0.0.1", testing->port, "/hold"));
    start_run(testing, &run);
    testing_wait(testing, testing_inflight, 1);
    struct run unsent = run_of(client, run.call.url);
    start_run(testing, &unsent);
    testing_do(testing, close_client, client);
    testing_wait(testing, held_is_gone, 0);
    testing_answer(testing, "nobody");
    assert_false(run.done);
    assert_false(unsent.done);
    testing_stop(testing);
}

/* ---- addresses ---- */

static void private_addresses_are_refused_by_number_and_by_name(void **state) {
    (void)state;
    static const char *const hosts[] = {"127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]",
        "2130706433", "0x7f.1", "127.1", "[::]", "169.254.169.254", "10.1.2.3"};
    struct http_client_conf conf = open_conf;
    conf.allow_private = false;
    struct testing *testing = testing_start();
    struct http_client *client = client_of(testing, &conf);
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        struct place place;
        struct run run = run_of(client, url_at(&place, hosts[i], testing->port, "/"));
        perform(testing, &run);
        if (run.err != ERR_DENIED) {
            fail_msg("%s: %s", hosts[i], run.text);
        }
    }
    assert_int_equal(stat_get(&http_server_stat(testing->server)->accepted), 0);
    stop_both(testing, client);
}

static void a_call_that_may_reach_inside_opens_no_door_for_one_that_may_not(void **state) {
    (void)state;
    struct http_client_conf conf = open_conf;
    conf.allow_private = false;
    struct testing *testing = testing_start();
    struct http_client *client = client_of(testing, &conf);
    struct place place;
    struct slice url = url_at(&place, "127.0.0.1", testing->port, "/");
    struct run may = run_of(client, url);
    may.call.allow_private = true;
    perform(testing, &may);
    assert_int_equal(may.status, 200);
    struct run may_not = run_of(client, url);
    perform(testing, &may_not);
    assert_int_equal(may_not.err, ERR_DENIED);
    assert_int_equal(testing->handled, 1);
    stop_both(testing, client);
}

static void a_url_that_cannot_be_called_says_why(void **state) {
    (void)state;
    static const char *const bad[] = {"", "http://", "https:///path", "ftp://a/", "file:///etc/passwd", "//a/", "a.com",
        "http://a b/", "http://a/\x01", "http://a:99999/", "http://a:port/", "http://[::1", "HTTP:/a"};
    static const char *const good[] = {
        "http://a", "https://a.example:8443/x?y=%20#z", "HTTPS://user:secret@a/", "http://[::1]:80/", "http://1.2.3.4"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct errinfo why = {0};
        if (http_url_check(slice_cstr(bad[i]), &why) != ERR_INVALID || why.text[0] == '\0') {
            fail_msg("%s", bad[i]);
        }
    }
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct errinfo why = {0};
        if (http_url_check(slice_cstr(good[i]), &why) != OK) {
            fail_msg("%s: %s", good[i], why.text);
        }
    }
}

int main(void) {
    clock_test_start(TEST_CLOCK - 1000 * 1000);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            retry_after_is_understood_as_seconds_and_as_a_date), /* first: it needs the clock where it is */
        cmocka_unit_test(each_method_arrives_with_the_headers_and_the_body_it_was_given),
        cmocka_unit_test(of_two_content_types_the_last_is_sent),
        cmocka_unit_test(head_has_a_status_and_no_body),
        cmocka_unit_test(a_megabyte_goes_out_whole_and_without_asking),
        cmocka_unit_test(a_header_that_would_break_the_head_is_not_sent),
        cmocka_unit_test(statuses_arrive_as_they_are_and_redirects_are_not_followed),
        cmocka_unit_test(an_answer_past_the_cap_is_cut_and_the_connection_kept),
        cmocka_unit_test(an_answer_without_end_is_not_read_to_its_end),
        cmocka_unit_test(a_reset_connection_is_a_failure_of_input_or_output),
        cmocka_unit_test(what_is_not_http_is_a_failure_of_input_or_output),
        cmocka_unit_test(a_status_line_counts_although_the_body_breaks_off),
        cmocka_unit_test(a_port_that_nobody_listens_on_is_a_failure_to_connect),
        cmocka_unit_test(a_name_without_an_address_is_a_failure_to_connect),
        cmocka_unit_test(a_call_that_is_not_answered_in_time_ends_on_the_test_clock),
        cmocka_unit_test(a_hundred_calls_in_a_row_use_one_connection),
        cmocka_unit_test(calls_past_the_connections_of_a_host_wait_for_them),
        cmocka_unit_test(a_connection_that_the_server_closed_meanwhile_is_replaced),
        cmocka_unit_test(a_call_can_be_sent_from_the_end_of_another),
        cmocka_unit_test(a_cancelled_call_hangs_up_and_is_never_done),
        cmocka_unit_test(a_freed_client_ends_its_calls_in_silence),
        cmocka_unit_test(private_addresses_are_refused_by_number_and_by_name),
        cmocka_unit_test(a_call_that_may_reach_inside_opens_no_door_for_one_that_may_not),
        cmocka_unit_test(a_url_that_cannot_be_called_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
