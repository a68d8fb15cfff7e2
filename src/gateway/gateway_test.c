/* The gateway's parts without a server: what ids are made of, splices, the good and the bad of a batch, GCRA, routes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/gateway_internal.h"

/* ---- cleaning and rudderId ---- */

static void assert_cleaned(struct slice from, const char *to) {
    struct arena arena;
    arena_init(&arena, 1024, 0);
    struct slice cleaned = gateway_clean(from, &arena);
    assert_int_equal(cleaned.len, strlen(to));
    assert_memory_equal(cleaned.ptr, to, cleaned.len);
    arena_fini(&arena);
}

static void printable_text_is_only_trimmed(void **state) {
    (void)state;
    assert_cleaned(SLICE("user-1 a~"), "user-1 a~");
    assert_cleaned(SLICE("  user 1  "), "user 1");
    assert_cleaned(SLICE("Zoë 日本 👩🏽"), "Zoë 日本 👩🏽");
    assert_cleaned(SLICE(""), "");
    assert_cleaned(SLICE("   "), "");
}

static void runes_that_nobody_sees_are_dropped(void **state) {
    (void)state;
    assert_cleaned(SLICE("a\0b\tc\nd\x7f"), "abcd");
    assert_cleaned(SLICE("\xc2\x80\xc2\x9f\xc2\xa0x\xc2\xad"), "x"); /* C1, no-break space, soft hyphen */
    assert_cleaned(SLICE("\xe2\x80\x8bzero\xe2\x80\x8dwidth\xef\xbb\xbf"), "zerowidth"); /* 200B, 200D, FEFF */
    assert_cleaned(SLICE("\xcd\x8f\xd8\x9c\xe1\x85\x9f\xe1\x85\xa0\xe1\x9e\xb4\xe1\x9e\xb5\xe1\xa0\x8e"), "");
    assert_cleaned(SLICE("\xe2\x80\x80\xe2\x80\x8f\xe2\x80\xaf\xe2\x81\x9f\xe2\x81\xa0\xe2\x81\xaf\xe3\x80\x80"), "");
    assert_cleaned(SLICE("\xe2\xa0\x80\xe3\x85\xa4\xef\xbe\xa0"), ""); /* 2800, 3164, FFA0 */
    assert_cleaned(SLICE(" \xe2\x80\x8b "), "");
    assert_cleaned(SLICE("\xee\x80\x80\xf3\xb0\x80\x80\xf3\xa0\x80\xa1"), ""); /* private use, a tag */
}

static void neighbours_of_dropped_runes_stay(void **state) {
    (void)state;
    assert_cleaned(SLICE("\xc2\xa1\xc2\xac\xc2\xae"), "\xc2\xa1\xc2\xac\xc2\xae");
    assert_cleaned(
        SLICE("\xe2\x80\x90\xe2\x80\xa7\xe2\x80\xb0\xe2\x81\x9e"), "\xe2\x80\x90\xe2\x80\xa7\xe2\x80\xb0\xe2\x81\x9e");
    assert_cleaned(SLICE("\xef\xbf\xbd\xef\xbf\xbc"), "\xef\xbf\xbd\xef\xbf\xbc");
}

static void a_rudder_id_is_the_md5_of_both_ids_as_a_version_4_uuid(void **state) {
    (void)state;
    static const struct {
        const char *key, *expected;
    } vectors[] = {
        {":anon-1", "e2a29aab-4b74-4f7e-a159-8c583fcadcec"},
        {"u1:", "5eff0fc3-0944-48fa-9c04-38f62e3890ca"},
        {"u1:anon-1", "87ddf0d7-552d-4211-b0d2-7cbe901fa913"},
        {":", "853ae90f-0351-424b-973e-a615e6487517"},
        {"Zoë:日本", "abd7df96-f760-499d-b41e-4981e17d4488"},
    };
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        char out[UUID_LEN + 1] = {0};
        gateway_rudder_id(slice_cstr(vectors[i].key), out);
        assert_string_equal(out, vectors[i].expected);
    }
}

static enum err basic_user(const char *authorization, const char *expected) {
    struct http_header header = {SLICE("Authorization"), slice_cstr(authorization)};
    struct http_request request = {.headers = &header, .header_count = authorization != NULL};
    char out[GATEWAY_WRITE_KEY_MAX];
    struct slice user = SLICE_NONE;
    enum err err = gateway_basic_user(&request, out, &user);
    if (expected != NULL) {
        assert_int_equal(user.len, strlen(expected));
        assert_memory_equal(user.ptr, expected, user.len);
    }
    return err;
}

static void the_write_key_is_the_user_name_of_basic_authorization(void **state) {
    (void)state;
    assert_int_equal(basic_user("Basic d2tfd2ViOg==", "wk_web"), OK);
    assert_int_equal(basic_user("basic  d2tfd2ViOnNlY3JldA==", "wk_web"), OK); /* wk_web:secret */
    assert_int_equal(basic_user(NULL, NULL), ERR_NOT_FOUND);
    assert_int_equal(basic_user("Bearer abc.def", NULL), ERR_NOT_FOUND);
    assert_int_equal(basic_user("Basic", NULL), ERR_NO_WRITE_KEY);
    assert_int_equal(basic_user("Basic !!!", NULL), ERR_NO_WRITE_KEY);
    assert_int_equal(basic_user("Basic OnNlY3JldA==", NULL), ERR_NO_WRITE_KEY); /* :secret */
    assert_int_equal(basic_user("Basic d2tfd2Vi", NULL), ERR_NO_WRITE_KEY);     /* no colon */
    assert_int_equal(basic_user("Digest username=x", NULL), ERR_NO_WRITE_KEY);
}

/* ---- events ---- */

struct bench {
    struct json_parser *parser;
    struct json_doc doc;
    struct arena arena;
    struct identity_memo memo;
    struct store_batch batch;
    struct enrich enrich;
    struct intake_result result;
    char text[4096 + JSON_PADDING];
};

static int setup(void **state) {
    struct bench *bench = mem_alloc(sizeof(*bench));
    bench->parser = json_parser_new(128);
    arena_init(&bench->arena, 4096, 0);
    store_batch_init(&bench->batch, NULL, NULL);
    bench->enrich = (struct enrich){.doc = &bench->doc,
        .arena = &bench->arena,
        .memo = &bench->memo,
        .source = 7,
        .received_ms = 1786060800000,
        .received_member = SLICE("\"receivedAt\":\"2026-08-07T00:00:00.000Z\""),
        .address_member = SLICE("\"request_ip\":\"192.0.2.1\"")};
    *state = bench;
    return 0;
}

static int teardown(void **state) {
    struct bench *bench = *state;
    store_batch_fini(&bench->batch);
    arena_fini(&bench->arena);
    json_parser_free(bench->parser);
    mem_free(bench);
    return 0;
}

static void parse(struct bench *bench, const char *text) {
    size_t len = strlen(text);
    assert_true(len <= sizeof(bench->text) - JSON_PADDING);
    memcpy(bench->text, text, len);
    memset(bench->text + len, 0, JSON_PADDING);
    assert_int_equal(json_parse(bench->parser, slice_of(bench->text, len), &bench->doc, NULL), OK);
}

static void force_type(struct bench *bench, const char *type, const char *member) {
    bench->enrich.type = slice_cstr(type);
    bench->enrich.type_member = slice_cstr(member);
    bench->enrich.forced = event_type_parse(slice_cstr(type));
}

static enum err add_single(struct bench *bench, const char *text) {
    parse(bench, text);
    struct events events = gateway_events_single();
    return gateway_events_add(&bench->enrich, &events, /* strict: */ false, &bench->batch, &bench->result);
}

static enum err add_batch(struct bench *bench, const char *text, bool strict) {
    parse(bench, text);
    struct events events = gateway_events_batch(&bench->doc);
    return gateway_events_add(&bench->enrich, &events, strict, &bench->batch, &bench->result);
}

/* The frames of the batch hold `text`. */
static bool framed(const struct bench *bench, const char *text) {
    return memmem(bench->batch.frames.ptr, bench->batch.frames.len, text, strlen(text)) != NULL;
}

#define TIMES \
    "\"originalTimestamp\":\"2026-08-07T00:00:00.000Z\",\"sentAt\":\"2026-08-07T00:00:00.000Z\"," \
    "\"timestamp\":\"2026-08-07T00:00:00.000Z\""

static void an_event_keeps_its_bytes_and_gains_what_is_missing(void **state) {
    struct bench *bench = *state;
    force_type(bench, "track", "\"type\":\"track\"");
    assert_int_equal(add_single(bench,
                         "{\"z\" : 1.50, \"userId\":\"u1\",  \"anonymousId\":\"anon-1\",\"big\":9007199254740993,"
                         "\"messageId\":\"m1\",\"t\":\"\\u00e9\\/\"}"),
        OK);
    assert_true(framed(bench,
        "{\"z\" : 1.50, \"userId\":\"u1\",  \"anonymousId\":\"anon-1\",\"big\":9007199254740993,"
        "\"messageId\":\"m1\",\"t\":\"\\u00e9\\/\",\"type\":\"track\","
        "\"rudderId\":\"87ddf0d7-552d-4211-b0d2-7cbe901fa913\","
        "\"receivedAt\":\"2026-08-07T00:00:00.000Z\",\"request_ip\":\"192.0.2.1\"," TIMES "}"));
}

static void what_is_there_is_kept_but_for_type_and_rudder_id(void **state) {
    struct bench *bench = *state;
    force_type(bench, "track", "\"type\":\"track\"");
    assert_int_equal(add_single(bench,
                         "{\"rudderId\":[1],\"type\":\"wrong\",\"userId\":\"u1\",\"receivedAt\":null,"
                         "\"request_ip\":5,\"messageId\":\"m1\"}"),
        OK);
    assert_true(framed(bench,
        "{\"rudderId\":\"5eff0fc3-0944-48fa-9c04-38f62e3890ca\",\"type\":\"track\",\"userId\":\"u1\","
        "\"receivedAt\":null,\"request_ip\":5,\"messageId\":\"m1\"," TIMES "}"));
}

static void the_time_of_an_event_is_put_right_by_what_the_senders_clock_is_ahead(void **state) {
    struct bench *bench = *state;
    assert_int_equal(add_single(bench,
                         "{\"userId\":\"u1\",\"originalTimestamp\":\"2031-01-01T00:00:00Z\","
                         "\"sentAt\":\"2031-01-01T01:00:10+01:00\"}"),
        OK);
    assert_true(framed(bench, "\"timestamp\":\"2026-08-06T23:59:50.000Z\""));
    assert_int_equal(add_single(bench, "{\"userId\":\"u1\",\"timestamp\":\"as it came\",\"sentAt\":7}"), OK);
    assert_true(framed(bench, "\"timestamp\":\"as it came\",\"sentAt\":7"));
    assert_int_equal(add_single(bench,
                         "{\"userId\":\"u2\",\"originalTimestamp\":\"0001-01-01T00:00:00Z\","
                         "\"sentAt\":\"9999-01-01T00:00:00Z\"}"),
        OK);
    assert_true(framed(bench, "\"sentAt\":\"9999-01-01T00:00:00Z\",\"type\"") ||
        framed(bench, "\"timestamp\":\"2026-08-07T00:00:00.000Z\""));
}

static void an_empty_object_gains_members_without_a_leading_comma(void **state) {
    struct bench *bench = *state;
    bench->enrich.allow_no_identity = true;
    force_type(bench, "page", "\"type\":\"page\"");
    assert_int_equal(add_single(bench, "{ }"), OK);
    assert_true(framed(bench, "\"type\":\"page\",\"rudderId\":\"853ae90f-"));
    assert_false(framed(bench, "{ ,"));
}

static void a_message_id_is_made_when_there_is_none_to_keep(void **state) {
    struct bench *bench = *state;
    force_type(bench, "track", "\"type\":\"track\"");
    assert_int_equal(add_single(bench, "{\"userId\":\"u1\"}"), OK);
    assert_true(framed(bench, "\"messageId\":\""));
    assert_int_equal(add_single(bench, "{\"userId\":\"u1\",\"messageId\":12}"), OK);
    assert_false(framed(bench, "\"messageId\":12"));
    assert_int_equal(add_single(bench, "{\"userId\":\"u1\",\"messageId\":\" \\u200b \"}"), OK);
    assert_false(framed(bench, "u200b"));
    assert_int_equal(bench->batch.count, 3);
}

static void a_message_id_with_hidden_runes_is_stored_clean(void **state) {
    struct bench *bench = *state;
    force_type(bench, "track", "\"type\":\"track\"");
    assert_int_equal(add_single(bench, "{\"userId\":\"u1\",\"messageId\":\" m\\u200b\\\"1 \"}"), OK);
    assert_true(framed(bench, "\"messageId\":\"m\\\"1\""));
    assert_int_equal(add_single(bench, "{\"userId\":\"u1\",\"messageId\":\"\\u006d2\"}"), OK);
    assert_true(framed(bench, "\"messageId\":\"\\u006d2\"")); /* nothing to clean: the bytes stay */
}

static void ids_count_as_the_original_counts_them(void **state) {
    struct bench *bench = *state;
    force_type(bench, "track", "\"type\":\"track\"");
    assert_int_equal(add_single(bench, "{\"userId\":null,\"anonymousId\":\"\"}"), ERR_NO_IDENTITY);
    assert_int_equal(add_single(bench, "{\"userId\":\" \\ufeff\"}"), ERR_NO_IDENTITY);
    assert_int_equal(add_single(bench, "{}"), ERR_NO_IDENTITY);
    assert_int_equal(bench->batch.count, 0);
    assert_int_equal(add_single(bench, "{\"userId\":0}"), OK);
    assert_int_equal(add_single(bench, "{\"anonymousId\":{\"a\":1}}"), OK);
    assert_int_equal(add_single(bench, "{\"anonymousId\":false}"), OK);
    assert_int_equal(add_single(bench, "[{\"userId\":\"u\"}]"), ERR_NOT_EVENT);
    assert_int_equal(add_single(bench, "\"text\""), ERR_NOT_EVENT);
    assert_int_equal(bench->batch.count, 3);
}

static void an_event_of_a_vendor_gets_an_anonymous_id_when_it_has_no_ids(void **state) {
    struct bench *bench = *state;
    bench->enrich.makes_identity = true;
    assert_int_equal(add_single(bench, "{\"type\":\"track\",\"anonymousId\":null}"), OK);
    assert_false(framed(bench, "\"anonymousId\":null"));
    assert_true(framed(bench, "\"anonymousId\":\""));
    assert_int_equal(add_single(bench, "{\"type\":\"identify\",\"userId\":\"u1\"}"), OK);
    assert_false(framed(bench, "\"type\":\"identify\",\"userId\":\"u1\",\"anonymousId\""));
    assert_int_equal(bench->batch.count, 2);
}

static void extract_and_record_need_no_identity(void **state) {
    struct bench *bench = *state;
    assert_int_equal(add_batch(bench, "{\"batch\":[{\"type\":\"record\"},{\"type\":\"extract\"}]}", true), OK);
    assert_int_equal(bench->result.records, 2);
    assert_int_equal(add_batch(bench, "{\"batch\":[{\"type\":\"Record\"}]}", true), ERR_NO_IDENTITY);
}

static void a_good_event_is_stored_beside_a_bad_one(void **state) {
    struct bench *bench = *state;
    assert_int_equal(
        add_batch(bench,
            "{\"batch\":[{\"type\":\"track\"},{\"type\":\"track\",\"userId\":\"u1\",\"messageId\":\"m1\"},7]}", false),
        OK);
    assert_int_equal(bench->result.records, 3);
    assert_int_equal(bench->result.rejected, 2);
    assert_int_equal(bench->result.first_error, ERR_NO_IDENTITY);
    assert_true(framed(bench, "request neither has anonymousId nor userId{\"type\":\"track\"}"));
    assert_true(framed(bench, "event is not a valid rudder event7"));
}

static void strict_takes_all_or_nothing(void **state) {
    struct bench *bench = *state;
    assert_int_equal(add_single(bench, "{\"userId\":\"before\"}"), OK);
    size_t len = bench->batch.frames.len;
    assert_int_equal(
        add_batch(bench, "{\"batch\":[{\"userId\":\"u1\"},{\"userId\":\"u2\"},{}]}", true), ERR_NO_IDENTITY);
    assert_int_equal(bench->batch.count, 1);
    assert_int_equal(bench->batch.frames.len, len);
}

static void a_request_without_a_good_event_leaves_nothing_and_answers_its_first_error(void **state) {
    struct bench *bench = *state;
    assert_int_equal(add_batch(bench, "{\"batch\":[1,{}]}", false), ERR_NOT_EVENT);
    assert_int_equal(add_batch(bench, "{\"batch\":[{},1]}", false), ERR_NO_IDENTITY);
    assert_int_equal(bench->batch.count, 0);
    assert_int_equal(bench->batch.frames.len, 0);
}

static uint32_t batch_count(struct bench *bench, const char *text) {
    parse(bench, text);
    struct events events = gateway_events_batch(&bench->doc);
    uint32_t walked = 0;
    for (uint32_t node = events.first; node != JSON_ABSENT; node = gateway_events_next(&events, &bench->doc, node)) {
        walked++;
    }
    assert_int_equal(walked, events.count);
    return walked;
}

static void batch_means_what_the_original_takes_it_for(void **state) {
    struct bench *bench = *state;
    assert_int_equal(batch_count(bench, "{\"batch\":[1,[2],{}]}"), 3);
    assert_int_equal(batch_count(bench, "{\"batch\":[]}"), 0);
    assert_int_equal(batch_count(bench, "{\"batch\":null}"), 0);
    assert_int_equal(batch_count(bench, "{\"batch\":{\"userId\":\"u\"}}"), 1);
    assert_int_equal(batch_count(bench, "{\"batch\":\"x\"}"), 1);
    assert_int_equal(batch_count(bench, "{}"), 0);
    assert_int_equal(batch_count(bench, "[{\"userId\":\"u\"}]"), 0);
    assert_int_equal(batch_count(bench, "{\"batch\":[1],\"batch\":[1,2]}"), 2);
}

static void the_memo_of_ids_never_serves_another_user(void **state) {
    struct bench *bench = *state;
    assert_int_equal(
        add_batch(bench,
            "{\"batch\":[{\"userId\":\"u2\"},{\"userId\":\"u1\"},{\"userId\":\"u1\"},{\"userId\":\"u1\",\"anonymousId\":\"anon-1\"},"
            "{\"anonymousId\":\"anon-1\"}]}",
            true),
        OK);
    assert_true(framed(bench, "{\"userId\":\"u1\",\"rudderId\":\"5eff0fc3-0944-48fa-9c04-38f62e3890ca\""));
    assert_true(framed(bench, "\"anonymousId\":\"anon-1\",\"rudderId\":\"87ddf0d7-552d-4211-b0d2-7cbe901fa913\""));
    assert_true(framed(bench, "{\"anonymousId\":\"anon-1\",\"rudderId\":\"e2a29aab-4b74-4f7e-a159-8c583fcadcec\""));
}

/* ---- GCRA ---- */

static void a_burst_of_the_limit_passes_and_then_one_per_interval(void **state) {
    (void)state;
    struct limit limit = gateway_limit_of(10, 1000);
    _Atomic int64_t tat = 0;
    int64_t wait = 0;
    int64_t now = 1786060800000;
    unsigned passed = 0;
    while (gateway_limit_take(&tat, limit, now, 1, &wait)) {
        passed++;
    }
    assert_int_equal(passed, 11); /* the tolerance is one interval more than the burst */
    assert_int_equal(wait, 100);
    assert_false(gateway_limit_take(&tat, limit, now + 99, 1, &wait));
    assert_int_equal(wait, 1);
    assert_true(gateway_limit_take(&tat, limit, now + 100, 1, &wait));
    assert_false(gateway_limit_take(&tat, limit, now + 100, 1, &wait));
}

static void what_is_refused_consumes_nothing(void **state) {
    (void)state;
    struct limit limit = gateway_limit_of(10, 1000);
    _Atomic int64_t tat = 0;
    int64_t wait = 0;
    assert_true(gateway_limit_take(&tat, limit, 1786060800000, 8, &wait));
    int64_t before = tat;
    assert_false(gateway_limit_take(&tat, limit, 1786060800000, 4, &wait));
    assert_int_equal(tat, before);
    assert_true(gateway_limit_take(&tat, limit, 1786060800000, 3, &wait));
}

static void a_cost_past_the_burst_never_passes(void **state) {
    (void)state;
    struct limit limit = gateway_limit_of(10, 86400000);
    _Atomic int64_t tat = 0;
    int64_t wait = 0;
    assert_false(gateway_limit_take(&tat, limit, 1786060800000, 12, &wait));
    assert_true(wait == INT64_MAX);
    assert_false(gateway_limit_take(&tat, limit, 1786060800000, UINT64_MAX, &wait));
    assert_int_equal(tat, 0);
    assert_int_equal(gateway_limit_of(0, 1000).interval_ns, 0);
}

/* ---- routes ---- */

static void every_row_is_found_by_its_path_and_method(void **state) {
    (void)state;
    struct route_table table;
    gateway_route_table_init(&table);
    size_t count = 0;
    const struct gateway_route *rows = gateway_routes(&count);
    assert_true(count > 30);
    for (size_t i = 0; i < count; i++) {
        enum err why = OK;
        enum http_method method = http_method_parse(slice_cstr(rows[i].method));
        const struct route *route = gateway_route_find(&table, method, slice_cstr(rows[i].path), &why);
        assert_non_null(route);
        assert_string_equal(route->row.path, rows[i].path);
        assert_string_equal(route->row.method, rows[i].method);
    }
}

static const struct route *find(enum http_method method, const char *path, enum err *ret_why) {
    struct route_table table;
    gateway_route_table_init(&table);
    return gateway_route_find(&table, method, slice_cstr(path), ret_why);
}

static void paths_match_exactly(void **state) {
    (void)state;
    static const char *const strangers[] = {"/v1/track/", "/V1/track", "/v1//track", "v1/track", "", "/v1/webhooks",
        "/internal/v1/batch", "/v1/projects//settings", "/v1/projects/a/b/settings", "/v1/projects/a/settings/"};
    for (size_t i = 0; i < COUNT_OF(strangers); i++) {
        enum err why = OK;
        assert_null(find(HTTP_METHOD_POST, strangers[i], &why));
        assert_int_equal(why, ERR_NOT_HERE);
    }
}

static void a_known_path_with_another_method_is_told_apart_from_an_unknown_one(void **state) {
    (void)state;
    enum err why = OK;
    assert_null(find(HTTP_METHOD_GET, "/v1/track", &why));
    assert_int_equal(why, ERR_METHOD_NOT_ALLOWED);
    assert_null(find(HTTP_METHOD_POST, "/v1/projects/k/settings", &why));
    assert_int_equal(why, ERR_METHOD_NOT_ALLOWED);
    assert_null(find(HTTP_METHOD_HEAD, "/pixel/v1/track", &why)); /* would make an event of a probe */
    assert_int_equal(why, ERR_METHOD_NOT_ALLOWED);
    assert_non_null(find(HTTP_METHOD_HEAD, "/sourceConfig/", &why));
    assert_non_null(find(HTTP_METHOD_HEAD, "/health", &why));
}

static void a_route_with_a_name_in_it_gives_the_name(void **state) {
    (void)state;
    enum err why = OK;
    const struct route *route = find(HTTP_METHOD_GET, "/v1/projects/wk_web/settings", &why);
    assert_non_null(route);
    struct slice name = gateway_route_argument(route, SLICE("/v1/projects/wk_web/settings"));
    assert_int_equal(name.len, 6);
    assert_memory_equal(name.ptr, "wk_web", 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(printable_text_is_only_trimmed),
        cmocka_unit_test(runes_that_nobody_sees_are_dropped),
        cmocka_unit_test(neighbours_of_dropped_runes_stay),
        cmocka_unit_test(a_rudder_id_is_the_md5_of_both_ids_as_a_version_4_uuid),
        cmocka_unit_test(the_write_key_is_the_user_name_of_basic_authorization),
        cmocka_unit_test_setup_teardown(an_event_keeps_its_bytes_and_gains_what_is_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(
            the_time_of_an_event_is_put_right_by_what_the_senders_clock_is_ahead, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_there_is_kept_but_for_type_and_rudder_id, setup, teardown),
        cmocka_unit_test_setup_teardown(an_empty_object_gains_members_without_a_leading_comma, setup, teardown),
        cmocka_unit_test_setup_teardown(a_message_id_is_made_when_there_is_none_to_keep, setup, teardown),
        cmocka_unit_test_setup_teardown(a_message_id_with_hidden_runes_is_stored_clean, setup, teardown),
        cmocka_unit_test_setup_teardown(ids_count_as_the_original_counts_them, setup, teardown),
        cmocka_unit_test_setup_teardown(an_event_of_a_vendor_gets_an_anonymous_id_when_it_has_no_ids, setup, teardown),
        cmocka_unit_test_setup_teardown(extract_and_record_need_no_identity, setup, teardown),
        cmocka_unit_test_setup_teardown(a_good_event_is_stored_beside_a_bad_one, setup, teardown),
        cmocka_unit_test_setup_teardown(strict_takes_all_or_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_request_without_a_good_event_leaves_nothing_and_answers_its_first_error, setup, teardown),
        cmocka_unit_test_setup_teardown(batch_means_what_the_original_takes_it_for, setup, teardown),
        cmocka_unit_test_setup_teardown(the_memo_of_ids_never_serves_another_user, setup, teardown),
        cmocka_unit_test(a_burst_of_the_limit_passes_and_then_one_per_interval),
        cmocka_unit_test(what_is_refused_consumes_nothing),
        cmocka_unit_test(a_cost_past_the_burst_never_passes),
        cmocka_unit_test(every_row_is_found_by_its_path_and_method),
        cmocka_unit_test(paths_match_exactly),
        cmocka_unit_test(a_known_path_with_another_method_is_told_apart_from_an_unknown_one),
        cmocka_unit_test(a_route_with_a_name_in_it_gives_the_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
