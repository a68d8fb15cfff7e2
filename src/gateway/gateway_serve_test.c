/* The gateway as clients see it, over a real store: statuses and texts, what is stored, what is told of it. */
#include "gateway/gateway_testing.h"

#define TRACK "{\"event\":\"e\",\"userId\":\"u1\",\"messageId\":\"m1\"}"

/* ---- events ---- */

static void an_event_is_acknowledged_and_stored_enriched(void **state) {
    struct testing *testing = *state;
    testing_start(testing);
    struct testing_answer answer;
    testing_ask(testing, "POST /v1/track", TESTING_BASIC "X-Forwarded-For: 203.0.113.9 , 10.0.0.1\r\n", TRACK, &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "ok");
    assert_true(testing_has(&answer, "\r\nContent-Type: text/plain; charset=utf-8\r\n"));
    struct store_block *block = NULL;
    const struct record *record = testing_record(testing, 0, &block);
    assert_int_equal(record->head.type, EVENT_TRACK);
    assert_int_equal(record->head.flags, 0);
    assert_int_equal(record->head.source, hash64(SLICE("web")));
    assert_int_equal(record->head.user, hash64(SLICE("u1")));
    assert_true(hash128_eq(record->head.message, hash128(SLICE("m1"))));
    assert_true(slice_starts(record->payload,
        SLICE("{\"event\":\"e\",\"userId\":\"u1\",\"messageId\":\"m1\",\"type\":\"track\","
              "\"rudderId\":\"5eff0fc3-0944-48fa-9c04-38f62e3890ca\","
              "\"receivedAt\":\"20")));
    store_block_release(block);
    testing_expect_record(testing, 0, "\"request_ip\":\"203.0.113.9\",\"originalTimestamp\"");
    struct gateway_counts counts;
    gateway_counts(testing->gateway, &counts);
    assert_int_equal(counts.events_stored, 1);
    assert_int_equal(counts.requests, 1);
    assert_int_equal(counts.requests_refused, 0);
}

static void without_trust_in_forwarded_addresses_the_peer_counts(void **state) {
    struct testing *testing = *state;
    testing->conf.trust_forwarded = false;
    testing_start(testing);
    testing_expect(testing, "POST /v1/track", TESTING_BASIC "X-Forwarded-For: 203.0.113.9\r\n", TRACK, 200, "ok");
    testing_expect_record(testing, 0, "\"request_ip\":\"127.0.0.1\"");
}

static void a_forwarded_address_cannot_break_out_of_its_string(void **state) {
    struct testing *testing = *state;
    testing_start(testing);
    testing_expect(
        testing, "POST /v1/track", TESTING_BASIC "X-Forwarded-For: a\",\"admin\":\"\\\r\n", TRACK, 200, "ok");
    testing_expect_record(testing, 0, "\"request_ip\":\"a\\\"\",\"originalTimestamp\"");
}

static void every_kind_of_event_has_its_type(void **state) {
    struct testing *testing = *state;
    testing_start(testing);
    static const char *const types[] = {
        "identify", "track", "page", "screen", "alias", "group", "merge", "audiencelist"};
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        char line[64], part[64];
        (void)snprintf(line, sizeof(line), "POST /v1/%s", types[i]);
        (void)snprintf(part, sizeof(part), "\"type\":\"%s\"", types[i]);
        testing_expect(testing, line, TESTING_BASIC, "{\"userId\":\"u1\",\"type\":\"x\"}", 200, "ok");
        testing_expect_record(testing, i, part);
    }
}

static void segment_clients_may_have_the_write_key_in_the_body(void **state) {
    struct testing *testing = *state;
    testing_start(testing);
    static const char *const lines[] = {
        "POST /v1/t", "POST /t", "POST /v1/i", "POST /p", "POST /s", "POST /a", "POST /v1/g"};
    const char *body = "{\"userId\":\"u1\",\"writeKey\":\"wk_web\"}";
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        testing_expect(testing, lines[i], "Content-Type: text/plain\r\n", body, 200, "{\"success\": true}");
    }
    testing_expect(testing, "POST /v1/track", "Authorization: Bearer abc\r\n", body, 200, "ok");
    const char *batch = "{\"writeKey\":\"wk_web\",\"batch\":[{\"userId\":\"u1\",\"type\":\"track\"}]}";
    testing_expect(testing, "POST /v1/b", "", batch, 200, "{\"success\": true}");
    testing_expect(testing, "POST /v1/batch", "", batch, 200, "ok");
    assert_int_equal(store_head(testing->store), COUNT_OF(lines) + 3);
    testing_expect(testing, "POST /v1/m", "", "{\"series\":[]}", 200, "{\"success\": true}");
    testing_expect(testing, "POST /m", "", "not even json", 200, "{\"success\": true}");
    assert_int_equal(store_head(testing->store), COUNT_OF(lines) + 3);
}

static void a_batch_is_one_record_per_event(void **state) {
    struct testing *testing = *state;
    testing_start(testing);
    const char *body =
        "{\"batch\":[{\"type\":\"track\",\"userId\":\"u1\",\"n\":1e400},{\"type\":\"page\",\"anonymousId\":\"a1\"},"
        "{\"userId\":\"u2\"}]}";
    testing_expect(testing, "POST /v1/batch", TESTING_BASIC, body, 200, "ok");
    assert_int_equal(store_head(testing->store), 3);
    testing_expect_record(testing, 0, "\"n\":1e400,");
    struct store_block *block = NULL;
    assert_int_equal(testing_record(testing, 1, &block)->head.type, EVENT_PAGE);
    assert_int_equal(block->records->head.flags, RECORD_NO_DEDUP);
    store_block_release(block);
    assert_int_equal(testing_record(testing, 2, &block)->head.type, EVENT_OTHER);
    store_block_release(block);
}

static void a_bad_event_of_a_good_batch_is_kept_with_its_reason(void **state) {
    struct testing *testing = *state;
    testing_start(testing);
    const char *body = "{\"batch\":[{\"type\":\"track\"},{\"type\":\"track\",\"userId\":\"u1\"}]}";
    testing_expect(testing, "POST /v1/batch", TESTING_BASIC, body, 200, "ok");
    struct store_block *block = NULL;
    const struct record *record = testing_record(testing, 0, &block);
    assert_true(record->head.flags & RECORD_REJECTED);
    assert_true(slice_eq(record->why, SLICE("request neither has anonymousId nor userId")));
    assert_true(slice_eq(record->payload, SLICE("{\"type\":\"track\"}")));
    store_block_release(block);
    struct gateway_counts counts;
    gateway_counts(testing->gateway, &counts);
    assert_int_equal(counts.events_stored, 1);
    assert_int_equal(counts.events_rejected, 1);
}

static void a_rejected_event_that_comes_again_put_right_is_stored(void **state) {
    struct testing *testing = *state;
    testing_start(testing);
    const char *bad = "{\"batch\":[{\"messageId\":\"m1\"},{},{},{\"messageId\":\"m2\",\"userId\":\"u1\"}]}";
    testing_expect(testing, "POST /v1/batch", TESTING_BASIC, bad, 200, "ok");
    assert_int_equal(store_head(testing->store), 4);
    const char *good = "{\"batch\":[{\"messageId\":\"m1\",\"userId\":\"u1\"}]}";
    testing_expect(testing, "POST /v1/batch", TESTING_BASIC, good, 200, "ok");
    assert_int_equal(store_head(testing->store), 5);
    uint64_t offsets[4];
    size_t count = 0;
    enum err err = store_find_message(testing->store, hash128(SLICE("m1")), offsets, COUNT_OF(offsets), &count);
    assert_int_equal(err, OK);
    assert_int_equal(count, 2); /* trace shows the rejected one too */
    assert_int_equal(offsets[0], 0);
    assert_int_equal(offsets[1], 4);
}

static void the_anonymous_id_decides_whose_event_it_is(void **state) {
    struct testing *testing = *state;
    testing_start(testing);
    testing_expect(testing, "POST /v1/track", TESTING_BASIC, "{\"userId\":\"u1\",\"anonymousId\":\" a1\"}", 200, "ok");
    struct store_block *block = NULL;
    assert_int_equal(testing_record(testing, 0, &block)->head.user, hash64(SLICE("a1")));
    store_block_release(block);
}

static void strict_refuses_the_whole_batch(void **state) {
    struct testing *testing = *state;
    testing->conf.strict = true;
    testing_start(testing);
    const char *body = "{\"batch\":[{\"type\":\"track\",\"userId\":\"u1\"},3]}";
    testing_expect(testing, "POST /v1/batch", TESTING_BASIC, body, 400, "event is not a valid rudder event\n");
    assert_int_equal(store_head(testing->store), 0);
}

static void a_message_seen_before_is_acknowledged_and_counted(void **state) {
    struct testing *testing = *state;
    testing_start(testing);
    for (int i = 0; i < 3; i++) {
        testing_expect(testing, "POST /v1/track", TESTING_BASIC, TRACK, 200, "ok");
    }
    assert_int_equal(store_head(testing->store), 1);
    struct gateway_counts counts;
    gateway_counts(testing->gateway, &counts);
    assert_int_equal(counts.events_stored, 1);
    assert_int_equal(counts.events_duplicate, 2);
}

static void requests_of_many_connections_share_appends_and_each_gets_its_answer(void **state) {
    enum { CONNECTIONS = 40, ROUNDS = 5 };
    struct testing *testing = *state;
    testing->conf.threads = 2;
    testing_start(testing);
    int fds[CONNECTIONS];
    for (int i = 0; i < CONNECTIONS; i++) {
        fds[i] = testing_dial(testing);
    }
    struct testing_answer answer;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CONNECTIONS; i++) {
            testing_send_request(fds[i], "POST /v1/track", TESTING_BASIC, i % 4 == 3 ? "{}" : "{\"userId\":\"u\"}");
        }
        for (int i = 0; i < CONNECTIONS; i++) {
            testing_read(fds[i], true, &answer);
            assert_int_equal(answer.status, i % 4 == 3 ? 400 : 200);
        }
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        close(fds[i]);
    }
    assert_int_equal(store_head(testing->store), ROUNDS * CONNECTIONS * 3 / 4);
    for (int i = 0; i < 2; i++) { /* both listen on the port that was told */
        assert_true(stat_get(&testing->gateway->workers[i].stat.requests) > 0);
    }
}

/* ---- refusals ---- */

static void refusals_have_the_originals_codes_and_texts(void **state) {
    struct testing *testing = *state;
    testing_start(testing);
    const char *track = "POST /v1/track";
    testing_expect(testing, track, "", TRACK, 401, "failed to read writekey from header\n");
    testing_expect(testing, track, "", "not json", 401, "failed to read writekey from header\n");
    testing_expect(testing, track, "Authorization: Basic !\r\n", TRACK, 401, "failed to read writekey from header\n");
    testing_expect(testing, track, "Authorization: Basic bm9wZTo=\r\n", TRACK, 401, "invalid write key\n");
    testing_expect(testing, track, "Authorization: Basic d2tfb2ZmOg==\r\n", TRACK, 404, "source is disabled\n");
    testing_expect(testing, track, "", "{\"writeKey\":\"nope\"}", 401, "invalid write key\n");
    testing_expect(testing, track, TESTING_BASIC, "", 400, "invalid json\n");
    testing_expect(testing, track, TESTING_BASIC, "{", 400, "invalid json\n");
    testing_expect(testing, track, TESTING_BASIC, "[]", 400, "event is not a valid rudder event\n");
    testing_expect(testing, track, TESTING_BASIC, "{}", 400, "request neither has anonymousId nor userId\n");
    testing_expect(testing, "POST /v1/batch", TESTING_BASIC, "{}", 400, "empty batch payload\n");
    testing_expect(testing, "POST /v1/batch", TESTING_BASIC, "{\"batch\":[]}", 400, "empty batch payload\n");
    testing_expect(testing, "POST /v1/import", TESTING_BASIC, "{\"batch\":[]}", 200, "ok");
    testing_expect(
        testing, "POST /beacon/v1/batch", TESTING_BASIC, "{}", 401, "failed to read writekey from query params\n");
    testing_expect(testing, "GET /v1/track", "", NULL, 405, "");
    testing_expect(testing, "GET /nowhere", "", NULL, 404, "404 page not found\n");
    testing_expect(
        testing, "POST /v1/webhook", TESTING_BASIC, "{}", 401, "invalid write key\n"); /* no webhook source */
    struct testing_answer answer;
    testing_ask(testing, track, "", TRACK, &answer);
    assert_true(testing_has(&answer, "\r\nContent-Type: text/plain; charset=utf-8\r\n"));
    assert_true(testing_has(&answer, "\r\nX-Content-Type-Options: nosniff\r\n"));
    assert_int_equal(store_head(testing->store), 0);
}

static void deep_nesting_is_invalid_json(void **state) {
    struct testing *testing = *state;
    testing_start(testing);
    char body[2001];
    memset(body, '[', 1000);
    memset(body + 1000, ']', 1000);
    body[2000] = '\0';
    testing_expect(testing, "POST /v1/track", TESTING_BASIC, body, 400, "invalid json\n");
}

static void a_body_past_its_limit_is_refused_and_an_audience_list_is_not(void **state) {
    struct testing *testing = *state;
    testing->conf.max_body = 2000;
    testing_start(testing);
    char body[4000];
    memset(body, ' ', sizeof(body));
    memcpy(body, "{\"userId\":\"u1\"}", 15);
    body[3999] = '\0';
    testing_expect(testing, "POST /v1/track", TESTING_BASIC, body, 413, "request size exceeds max limit\n");
    testing_expect(testing, "POST /v1/audiencelist", TESTING_BASIC, body, 200, "ok");
    int fd = testing_dial(testing);
    testing_send_request(fd, "POST /v1/track", TESTING_BASIC "Transfer-Encoding: chunked\r\n", NULL);
    testing_send(fd, "f9f\r\n", 5);
    testing_send(fd, body, 3999);
    testing_send(fd, "\r\n0\r\n\r\n", 7);
    struct testing_answer answer;
    testing_read(fd, true, &answer);
    assert_int_equal(answer.status, 413);
    close(fd);
    assert_int_equal(store_head(testing->store), 1);
}

static void past_the_rate_limit_the_answer_is_429_with_a_time(void **state) {
    struct testing *testing = *state;
    testing->conf.rate_limit = 4;
    testing->conf.rate_window = 3600000;
    testing_start(testing);
    const char *batch = "{\"batch\":[{\"userId\":\"u1\"},{\"userId\":\"u2\"},{\"userId\":\"u3\"}]}";
    testing_expect(testing, "POST /v1/batch", TESTING_BASIC, batch, 200, "ok");
    struct testing_answer answer;
    testing_ask(testing, "POST /v1/batch", TESTING_BASIC, batch, &answer);
    assert_int_equal(answer.status, 429);
    assert_string_equal(answer.body, "max requests limit reached\n");
    assert_true(testing_has(&answer, "\r\nRetry-After: 900\r\n") || testing_has(&answer, "\r\nRetry-After: 899\r\n"));
    testing_expect(testing, "POST /v1/track", TESTING_BASIC, "{\"userId\":\"u\"}", 200, "ok"); /* fits still */
    assert_int_equal(store_head(testing->store), 4);
}

static void a_store_that_cannot_write_answers_503_and_keeps_nothing(void **state) {
    struct testing *testing = *state;
    testing_start(testing);
    assert_int_equal(fault_arm(SLICE("STORE_BEFORE_WRITE=fail@1"), NULL), OK);
    struct testing_answer answer;
    testing_ask(testing, "POST /v1/track", TESTING_BASIC, TRACK, &answer);
    assert_int_equal(fault_arm(SLICE("STORE_BEFORE_WRITE=off"), NULL), OK);
    assert_int_equal(answer.status, 503);
    assert_true(testing_has(&answer, "\r\nRetry-After: 5\r\n"));
    assert_int_equal(store_head(testing->store), 0);
    struct gateway_counts counts;
    gateway_counts(testing->gateway, &counts);
    assert_int_equal(counts.events_stored, 0);
    assert_int_equal(counts.requests_refused, 1);
}

/* ---- CORS ---- */

static void a_preflight_is_allowed_what_it_asks_for(void **state) {
    struct testing *testing = *state;
    testing_start(testing);
    struct testing_answer answer;
    testing_ask(testing, "OPTIONS /v1/track",
        "Origin: https://shop.example\r\nAccess-Control-Request-Method: POST\r\n"
        "Access-Control-Request-Headers: anonymousid,authorization,rsa-retry-attempt\r\n",
        NULL, &answer);
    assert_int_equal(answer.status, 204);
    assert_true(testing_has(&answer, "\r\nAccess-Control-Allow-Origin: https://shop.example\r\n"));
    assert_true(testing_has(&answer, "\r\nAccess-Control-Allow-Credentials: true\r\n"));
    assert_true(testing_has(&answer, "\r\nAccess-Control-Allow-Methods: GET, POST, HEAD\r\n"));
    assert_true(
        testing_has(&answer, "\r\nAccess-Control-Allow-Headers: anonymousid,authorization,rsa-retry-attempt\r\n"));
    assert_true(testing_has(&answer, "\r\nAccess-Control-Max-Age: 7200\r\n"));
    assert_true(testing_has(&answer, "\r\nVary: Origin\r\n"));
}

static void every_answer_reflects_the_origin_refusals_too(void **state) {
    struct testing *testing = *state;
    testing_start(testing);
    struct testing_answer answer;
    testing_ask(testing, "POST /v1/track", TESTING_BASIC "Origin: https://shop.example\r\n", TRACK, &answer);
    assert_true(testing_has(&answer, "\r\nAccess-Control-Allow-Origin: https://shop.example\r\n"));
    testing_ask(testing, "POST /v1/track", "Origin: null\r\n", TRACK, &answer);
    assert_int_equal(answer.status, 401);
    assert_true(testing_has(&answer, "\r\nAccess-Control-Allow-Origin: null\r\n"));
    testing_ask(testing, "GET /version", "", NULL, &answer);
    assert_false(testing_has(&answer, "Access-Control"));
    assert_true(testing_has(&answer, "\r\nVary: Origin\r\n"));
}

/* ---- pixels and beacons ---- */

static void expect_gif(struct testing *testing, const char *line) {
    static const unsigned char gif[] = {0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 1, 0, 1, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0,
        0x21, 0xf9, 4, 1, 0, 0, 0, 0, 0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0, 0x3b};
    struct testing_answer answer;
    testing_ask(testing, line, "", NULL, &answer);
    assert_int_equal(answer.status, 200);
    assert_true(testing_has(&answer, "\r\nContent-Type: image/gif\r\n"));
    assert_int_equal(answer.body_len, sizeof(gif));
    assert_memory_equal(answer.body, gif, sizeof(gif));
}

static void a_pixel_is_an_event_out_of_its_query(void **state) {
    struct testing *testing = *state;
    testing_start(testing);
    expect_gif(testing,
        "GET /pixel/v1/track?writeKey=wk_web&event=Open%20mail&anonymousId=%22a1%22&properties.n=1"
        "&properties.deep.x=%22y%22&properties.n=2&integrations.Webhook=no&channel=mail");
    testing_expect_record(testing, 0,
        "{\"channel\":\"mail\",\"integrations\":{\"All\":true,\"Webhook\":\"no\"},\"originalTimestamp\":\"20");
    testing_expect_record(testing, 0,
        "\"event\":\"Open mail\",\"anonymousId\":\"a1\","
        "\"properties\":{\"n\":\"1\",\"deep\":{\"x\":\"\\\"y\\\"\"}},\"type\":\"track\"");
    expect_gif(testing, "GET /pixel/v1/page?writeKey=wk_web&userId=u1&name=");
    testing_expect_record(testing, 1, "\"name\":\"Unknown Page\",\"type\":\"page\"");
    assert_int_equal(store_head(testing->store), 2);
}

static void a_pixel_is_an_image_whatever_is_wrong_with_it(void **state) {
    struct testing *testing = *state;
    testing_start(testing);
    expect_gif(testing, "GET /pixel/v1/track");
    expect_gif(testing, "GET /pixel/v1/track?writeKey=nope&userId=u1");
    expect_gif(testing, "GET /pixel/v1/track?writeKey=wk_off&userId=u1");
    expect_gif(testing, "GET /pixel/v1/track?writeKey=wk_web");
    expect_gif(testing, "GET /pixel/v1/track?writeKey=wk_web&userId=u1&event=");
    expect_gif(testing, "GET /v1/pixel/track?data=%7B%7D");
    expect_gif(testing, "GET /v1/pixel/track?data=e30");
    assert_int_equal(store_head(testing->store), 0);
    struct gateway_counts counts;
    gateway_counts(testing->gateway, &counts);
    assert_int_equal(counts.requests_refused, 7);
}

static void a_query_with_too_many_or_too_deep_names_stays_bounded(void **state) {
    struct testing *testing = *state;
    testing_start(testing);
    char line[4096];
    size_t len = (size_t)snprintf(line, sizeof(line), "GET /pixel/v1/page?writeKey=wk_web&userId=u1&a");
    for (int i = 0; i < 100; i++) {
        len += (size_t)snprintf(line + len, sizeof(line) - len, ".a");
    }
    (void)snprintf(line + len, sizeof(line) - len, "=1");
    expect_gif(testing, line);
    assert_int_equal(store_head(testing->store), 1);
    len = (size_t)snprintf(line, sizeof(line), "GET /pixel/v1/page?writeKey=wk_web&userId=u1");
    for (int i = 0; i < 300; i++) {
        len += (size_t)snprintf(line + len, sizeof(line) - len, "&k%d=1", i);
    }
    expect_gif(testing, line);
    assert_int_equal(store_head(testing->store), 1);
}

static void segments_pixel_takes_the_event_as_base64(void **state) {
    struct testing *testing = *state;
    testing_start(testing);
    /* {"writeKey":"wk_web","userId":"u?~","event":"e"} */
    expect_gif(testing, "GET /v1/pixel/track?data=eyJ3cml0ZUtleSI6IndrX3dlYiIsInVzZXJJZCI6InU_fiIsImV2ZW50IjoiZSJ9");
    testing_expect_record(testing, 0, "{\"writeKey\":\"wk_web\",\"userId\":\"u?~\",\"event\":\"e\",\"type\":\"track\"");
    expect_gif(testing, "GET /v1/pixel/identify?writeKey=wk_web&userId=u2&traits.plan=free");
    testing_expect_record(testing, 1, "\"traits\":{\"plan\":\"free\"},\"type\":\"identify\"");
}

static void a_beacon_has_its_key_in_the_query(void **state) {
    struct testing *testing = *state;
    testing_start(testing);
    testing_expect(testing, "POST /beacon/v1/batch?writeKey=wk_web", "Content-Type: text/plain\r\n",
        "{\"batch\":[{\"type\":\"track\",\"userId\":\"u1\"}]}", 200, "ok");
    testing_expect(testing, "POST /beacon/v1/batch?writeKey=nope", "", "{}", 401, "invalid write key\n");
    assert_int_equal(store_head(testing->store), 1);
}

/* ---- pages ---- */

static void health_tells_ready_from_live(void **state) {
    struct testing *testing = *state;
    testing_start(testing);
    struct testing_answer answer;
    testing_ask(testing, "GET /health", "", NULL, &answer);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.body,
        "{\"appType\":\"EMBEDDED\",\"server\":\"UP\",\"db\":\"UP\",\"acceptingEvents\":\"TRUE\","
        "\"routingEvents\":\"TRUE\",\"mode\":\"NORMAL\",\"backendConfigMode\":\"JSON\",\"lastSync\":\"20"));
    assert_non_null(strstr(answer.body, "\"ready\":true}"));
    gateway_set_ready(testing->gateway, false);
    testing_ask(testing, "GET /", "", NULL, &answer);
    assert_int_equal(answer.status, 503);
    assert_non_null(strstr(answer.body, "\"ready\":false}"));
    testing_ask(testing, "HEAD /health/ready", "", NULL, &answer);
    assert_int_equal(answer.status, 503);
    testing_expect(testing, "GET /health/live", "", NULL, 200, "ok");
    testing_expect(testing, "POST /v1/track", TESTING_BASIC, TRACK, 200, "ok");
}

static void the_small_pages_are_there(void **state) {
    struct testing *testing = *state;
    testing->deps.version = "1.2.3";
    testing_start(testing);
    testing_expect(testing, "GET /version", "", NULL, 200,
        "{\"Version\":\"1.2.3\",\"Commit\":\"\",\"BuildDate\":\"\",\"BuiltBy\":\"\",\"Features\":[\"gzip-req-payload\"]}");
    testing_expect(testing, "GET /robots.txt", "", NULL, 200, "User-agent: * \nDisallow: / \n");
    testing_expect(testing, "POST /rsaMetrics", "", "{}", 200, "ok");
    struct testing_answer answer;
    testing_ask(testing, "GET /docs", "", NULL, &answer);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.body, "<code>/v1/batch</code>"));
}

static void source_config_tells_an_sdk_its_source(void **state) {
    struct testing *testing = *state;
    testing_start(testing);
    struct testing_answer answer;
    testing_ask(testing, "GET /sourceConfig/?p=cdn&v=3&writeKey=wk_web", TESTING_BASIC, NULL, &answer);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.body,
        "{\"source\":{\"id\":\"web\",\"name\":\"Web\",\"writeKey\":\"wk_web\",\"workspaceId\":\"w1\","
        "\"enabled\":true,\"config\":{\"statsCollection\":{\"errors\":{\"enabled\":false},"
        "\"metrics\":{\"enabled\":false}}},\"sourceDefinition\":{"));
    assert_non_null(strstr(answer.body, "\"destinations\":[]"));
    char *tag = strstr(answer.head, "\r\nETag: ");
    assert_non_null(tag);
    char headers[256];
    (void)snprintf(headers, sizeof(headers), TESTING_BASIC "If-None-Match: %.18s\r\n", tag + 8);
    testing_ask(testing, "GET /sourceConfig", headers, NULL, &answer);
    assert_int_equal(answer.status, 304);
    testing_ask(testing, "HEAD /sourceConfig/?view=ad", TESTING_BASIC, NULL, &answer);
    assert_int_equal(answer.status, 200);
    testing_ask(testing, "GET /sourceConfig?writeKey=wk_off", "", NULL, &answer);
    assert_non_null(strstr(answer.body, "\"enabled\":false,\"config\""));
    testing_expect(testing, "GET /sourceConfig", "", NULL, 401, "failed to read writekey from header\n");
    testing_expect(testing, "GET /sourceConfig?writeKey=nope", "", NULL, 401, "invalid write key\n");
}

static void settings_point_segments_client_back_to_us(void **state) {
    struct testing *testing = *state;
    testing_start(testing);
    struct testing_answer answer;
    testing_ask(testing, "GET /v1/projects/wk_web/settings", "X-Forwarded-Proto: https\r\n", NULL, &answer);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.body,
        "{\"integrations\":{\"Segment.io\":{\"apiKey\":\"wk_web\",\"apiHost\":\"data.example:8080/v1\","
        "\"protocol\":\"https\","));
    testing_ask(testing, "GET /projects/wk_web/settings", "", NULL, &answer);
    assert_non_null(strstr(answer.body, "\"protocol\":\"http\","));
    testing_expect(testing, "GET /projects/nope/settings", "", NULL, 401, "invalid write key\n");
}

static bool extra(void *ctx, struct slice path, struct buf *ret_body, struct slice *ret_content_type) {
    (void)ctx;
    if (!slice_eq(path, SLICE("/metrics"))) {
        return false;
    }
    *ret_content_type = SLICE("text/plain; version=0.0.4");
    stat_print_prometheus(ret_body);
    return true;
}

static void routes_of_other_stages_are_served_behind_our_own(void **state) {
    struct testing *testing = *state;
    testing->deps.extra = extra;
    testing_start(testing);
    testing_expect(testing, "POST /v1/track", TESTING_BASIC, TRACK, 200, "ok");
    testing_expect(testing, "POST /v1/track", "", TRACK, 401, "failed to read writekey from header\n");
    struct testing_answer answer;
    testing_ask(testing, "GET /metrics", "", NULL, &answer);
    assert_int_equal(answer.status, 200);
    assert_true(testing_has(&answer, "version=0.0.4"));
    assert_non_null(strstr(answer.body, "\nsluice_gateway_events_stored_total{thread=\"0\"} 1\n"));
    assert_non_null(strstr(answer.body, "\nsluice_gateway_source_events_stored_total{source=\"web\"} 1\n"));
    assert_non_null(strstr(answer.body, "\nsluice_gateway_refused_total{error=\"NO_WRITE_KEY\"} 1\n"));
    testing_expect(testing, "GET /other", "", NULL, 404, "404 page not found\n");
    testing_expect(testing, "POST /metrics", "", "", 404, "404 page not found\n");
}

static void metrics_can_be_switched_off(void **state) {
    struct testing *testing = *state;
    testing->deps.extra = extra;
    testing->conf.metrics = false;
    testing_start(testing);
    testing_expect(testing, "GET /metrics", "", NULL, 404, "404 page not found\n");
}

/* ---- the live view ---- */

static void a_refusal_shows_its_reason_and_never_the_key(void **state) {
    struct testing *testing = *state;
    testing_start(testing);
    testing_expect(testing, "POST /v1/track", "Authorization: Basic c2VjcmV0X3dyaXRlX2tleTo=\r\n", TRACK, 401,
        "invalid write key\n");
    testing_expect(testing, "POST /v1/page", TESTING_BASIC, "{\"a\":}", 400, "invalid json\n");
    testing_expect(testing, "GET /projects/secret_write_key/settings", "", NULL, 401, "invalid write key\n");
    struct feed_row rows[4];
    uint64_t missed = 0;
    assert_int_equal(feed_read(testing->feed, 0, rows, COUNT_OF(rows), &missed), 3);
    assert_string_equal(rows[2].source, "secr…");
    assert_string_equal(rows[2].event, "/projects/{writeKey}/settings");
    assert_string_equal(rows[0].stage, "gateway");
    assert_string_equal(rows[0].outcome, "rejected");
    assert_string_equal(rows[0].source, "secr…");
    assert_string_equal(rows[0].reason, "invalid write key");
    assert_int_equal(rows[0].status, 401);
    assert_string_equal(rows[1].source, "web");
    assert_string_equal(rows[1].type, "page");
    assert_non_null(strstr(rows[1].reason, "invalid json: byte 5: "));
}

static void on_rows(void *ctx) {
    (void)ctx; /* the test reads by itself */
}

static void accepted_events_show_while_somebody_follows(void **state) {
    struct testing *testing = *state;
    testing_start(testing);
    testing_expect(testing, "POST /v1/track", TESTING_BASIC, "{\"event\":\"unseen\",\"userId\":\"u1\"}", 200, "ok");
    struct loop *loop = loop_new("follower");
    struct feed_follow *follow = feed_follow(testing->feed, loop, on_rows, NULL);
    testing_expect(testing, "POST /v1/batch", TESTING_BASIC,
        "{\"batch\":[{\"type\":\"track\",\"event\":\"Paid\",\"userId\":\"u1\",\"messageId\":\"m1\"},{},"
        "{\"type\":\"page\",\"name\":\"Home\",\"userId\":\"u1\",\"messageId\":\"m1\"}]}",
        200, "ok");
    struct feed_row rows[8];
    uint64_t missed = 0;
    assert_int_equal(feed_read(testing->feed, 0, rows, COUNT_OF(rows), &missed), 3);
    assert_string_equal(rows[0].outcome, "rejected");
    assert_string_equal(
        rows[0].reason, "1 of 3 events kept as dead letters: request neither has anonymousId nor userId");
    assert_string_equal(rows[1].outcome, "accepted");
    assert_string_equal(rows[1].type, "track");
    assert_string_equal(rows[1].event, "Paid");
    assert_string_equal(rows[1].message_id, "m1");
    assert_int_equal(rows[1].offset, 1);
    assert_string_equal(rows[2].outcome, "duplicate");
    assert_string_equal(rows[2].event, "Home");
    feed_unfollow(follow);
    loop_stop(loop);
    loop_run(loop);
    loop_free(loop);
}

/* ---- life ---- */

static void a_new_workspace_counts_for_the_next_request(void **state) {
    struct testing *testing = *state;
    testing_start(testing);
    int fd = testing_dial(testing);
    struct testing_answer answer;
    testing_send_request(fd, "POST /v1/track", "", "{\"userId\":\"u\",\"writeKey\":\"wk_new\"}");
    testing_read(fd, true, &answer);
    assert_int_equal(answer.status, 401);
    workspace_cell_swap(
        testing->cell, testing_workspace("version: 1\nworkspace: {id: w1}\nsources: [{id: new, write_key: wk_new}]\n"));
    testing_send_request(fd, "POST /v1/track", "", "{\"userId\":\"u\",\"writeKey\":\"wk_new\"}");
    testing_read(fd, true, &answer);
    assert_int_equal(answer.status, 200);
    testing_send_request(fd, "POST /v1/track", TESTING_BASIC, TRACK);
    testing_read(fd, true, &answer);
    assert_int_equal(answer.status, 401);
    close(fd);
}

static void stopping_answers_what_is_in_flight_and_refuses_what_comes_later(void **state) {
    struct testing *testing = *state;
    testing_start(testing);
    int idle = testing_dial(testing);
    int half = testing_dial(testing);
    struct testing_answer answer;
    testing_expect(testing, "POST /v1/track", TESTING_BASIC, TRACK, 200, "ok");
    const char *begun = "POST /v1/track HTTP/1.1\r\nHost: x\r\n";
    testing_send(half, begun, strlen(begun));
    testing_send_request(idle, "GET /health/live", "", NULL);
    testing_read(idle, true, &answer);
    gateway_stop(testing->gateway, /* grace_ms: */ 1);
    char byte;
    assert_true(recv(idle, &byte, 1, 0) <= 0);
    assert_true(recv(half, &byte, 1, 0) <= 0);
    close(idle);
    close(half);
    assert_int_equal(store_head(testing->store), 1);
}

static void a_port_in_use_is_an_error_that_names_it(void **state) {
    struct testing *testing = *state;
    testing_start(testing);
    char address[32];
    int len = snprintf(address, sizeof(address), "127.0.0.1:%u", testing->port);
    struct gateway_conf conf = testing->conf;
    conf.listen = slice_of(address, (size_t)len);
    struct gateway *second = NULL;
    struct errinfo why = {.text = ""};
    uint16_t port = 0;
    assert_int_equal(gateway_new(&conf, &testing->deps, &second, &why), OK);
    assert_int_not_equal(gateway_start(second, &port, &why), OK);
    assert_true(strlen(why.text) > 0);
    gateway_free(second);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, testing_setup, testing_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_event_is_acknowledged_and_stored_enriched),
        TEST(without_trust_in_forwarded_addresses_the_peer_counts),
        TEST(a_forwarded_address_cannot_break_out_of_its_string),
        TEST(every_kind_of_event_has_its_type),
        TEST(segment_clients_may_have_the_write_key_in_the_body),
        TEST(a_batch_is_one_record_per_event),
        TEST(a_bad_event_of_a_good_batch_is_kept_with_its_reason),
        TEST(a_rejected_event_that_comes_again_put_right_is_stored),
        TEST(the_anonymous_id_decides_whose_event_it_is),
        TEST(strict_refuses_the_whole_batch),
        TEST(a_message_seen_before_is_acknowledged_and_counted),
        TEST(requests_of_many_connections_share_appends_and_each_gets_its_answer),
        TEST(refusals_have_the_originals_codes_and_texts),
        TEST(deep_nesting_is_invalid_json),
        TEST(a_body_past_its_limit_is_refused_and_an_audience_list_is_not),
        TEST(past_the_rate_limit_the_answer_is_429_with_a_time),
        TEST(a_store_that_cannot_write_answers_503_and_keeps_nothing),
        TEST(a_preflight_is_allowed_what_it_asks_for),
        TEST(every_answer_reflects_the_origin_refusals_too),
        TEST(a_pixel_is_an_event_out_of_its_query),
        TEST(a_pixel_is_an_image_whatever_is_wrong_with_it),
        TEST(a_query_with_too_many_or_too_deep_names_stays_bounded),
        TEST(segments_pixel_takes_the_event_as_base64),
        TEST(a_beacon_has_its_key_in_the_query),
        TEST(health_tells_ready_from_live),
        TEST(the_small_pages_are_there),
        TEST(source_config_tells_an_sdk_its_source),
        TEST(settings_point_segments_client_back_to_us),
        TEST(routes_of_other_stages_are_served_behind_our_own),
        TEST(metrics_can_be_switched_off),
        TEST(a_refusal_shows_its_reason_and_never_the_key),
        TEST(accepted_events_show_while_somebody_follows),
        TEST(a_new_workspace_counts_for_the_next_request),
        TEST(stopping_answers_what_is_in_flight_and_refuses_what_comes_later),
        TEST(a_port_in_use_is_an_error_that_names_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
