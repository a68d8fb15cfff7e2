/* Settings, requests, batches, answers, cases, and definitions that come at run time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "destination/case.h"
#include "destination/destination_testing.h"

static const char full[] =
    "{\"type\":\"FULL\",\"label\":\"Full\",\"category\":\"c\",\"message_types\":[\"track\",\"identify\"],\"settings\":{"
    "\"apiKey\":{\"type\":\"text\",\"label\":\"API key\",\"help\":\"from the console\",\"required\":true,\"secret\":true,"
    "\"pattern\":\"^k[0-9]+$\"},"
    "\"region\":{\"type\":\"choice\",\"label\":\"Region\",\"help\":\"where\",\"default\":\"us\",\"options\":["
    "{\"value\":\"us\",\"label\":\"US\"},{\"value\":\"eu\",\"label\":\"EU\"}]},"
    "\"proxy\":{\"type\":\"url\",\"label\":\"Proxy\",\"help\":\"its URL\",\"required\":true,"
    "\"show_when\":{\"settings\":{\"region\":\"eu\"}}}},"
    "\"variables\":{\"host\":[{\"when\":{\"settings\":{\"region\":\"eu\"}},\"text\":\"${settings.proxy}\"},"
    "{\"text\":\"https://api.x.test\"}]},"
    "\"rules\":[{\"when\":{\"event\":\"Ping\"},\"filtered\":\"pings are not wanted\"}],"
    "\"delivery\":{\"auth\":{\"bearer\":\"${settings.apiKey}\"},\"headers\":{\"X-A\":\"1\"},\"requests\":["
    "{\"name\":\"track\",\"when\":{\"type\":\"track\"},\"method\":\"POST\","
    "\"url\":\"${variables.host}/t/${event.event}\",\"query\":{\"u\":\"${event.userId}\",\"n\":\"${event.none}\"},"
    "\"headers\":{\"x-a\":\"2\"},\"body\":\"json\",\"table\":\"t\"},"
    "{\"name\":\"identify\",\"method\":\"PUT\",\"url\":\"${variables.host}/i\",\"body\":\"json\",\"table\":\"t\"}],"
    "\"batch\":{\"into\":\"events\",\"events\":2,\"bytes\":200,\"with\":\"w\"}},"
    "\"responses\":[{\"status\":200,\"when\":{\"is\":{\"ok\":false}},\"outcome\":\"dead\"},"
    "{\"status\":[429,\"5xx\"],\"when\":{\"has\":\"stop\"},\"outcome\":\"auth\"}],"
    "\"tables\":{\"t\":[{\"to\":\"id\",\"from\":\"messageId\"}],\"w\":[{\"to\":\"key\",\"setting\":\"apiKey\"}]}}";

static const char small_config[] = "{\"apiKey\":\" k1 \"}";

static void expect_text(struct slice s, const char *expected) {
    assert_int_equal(s.len, strlen(expected));
    assert_memory_equal(s.ptr, expected, s.len);
}

static void open_full(struct testing *t, const char *config) {
    testing_start(t);
    if (testing_open(t, full, config) != OK) {
        fail_msg("%s: %s", t->why.path, t->why.text);
    }
}

static void refuses_config(const char *config, const char *key, const char *text) {
    struct testing t;
    testing_start(&t);
    assert_int_equal(testing_open(&t, full, config), ERR_INVALID);
    assert_string_equal(t.why.path, key);
    if (strstr(t.why.text, text) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", text, t.why.text);
    }
    testing_stop(&t);
}

/* ---- settings ---- */

static void a_missing_setting_is_named_with_label_and_help(void **state) {
    (void)state;
    refuses_config("{}", "apiKey", "API key is required and missing: from the console");
    refuses_config("{\"apiKey\":\"  \"}", "apiKey", "required and missing");
    refuses_config("{\"api_key\":\"k1\"}", "apiKey", "there is \"api_key\": is \"apiKey\" meant?");
}

static void settings_are_checked_by_type_and_pattern(void **state) {
    (void)state;
    refuses_config("{\"apiKey\":true}", "apiKey", "must be a text");
    refuses_config("{\"apiKey\":\"x\"}", "apiKey", "not of the form");
    refuses_config("{\"apiKey\":\"k1\",\"region\":\"eur\"}", "region", "the nearest is \"eu\"");
    refuses_config("{\"apiKey\":\"k1\",\"region\":\"eu\",\"proxy\":\"x\"}", "proxy", "Proxy");
}

static void what_a_setting_evidently_means_is_taken(void **state) {
    (void)state;
    static const char loose[] =
        "{\"type\":\"X\",\"label\":\"X\",\"category\":\"A\",\"modes\":{\"all\":[\"cloud\"]},\"settings\":{"
        "\"project\":{\"type\":\"text\",\"label\":\"Project\",\"help\":\"its number\"},"
        "\"loud\":{\"type\":\"boolean\",\"label\":\"Loud\",\"help\":\"or not\"},"
        "\"word\":{\"type\":\"text\",\"label\":\"Word\",\"help\":\"of the loud\",\"required\":true,"
        "\"show_when\":{\"settings\":{\"loud\":true}}}},"
        "\"delivery\":{\"requests\":[{\"name\":\"r\",\"method\":\"POST\",\"url\":\"https://x.test/${settings.project}\","
        "\"body\":\"json\",\"table\":\"t\"}]},\"tables\":{\"t\":[{\"to\":\"w\",\"setting\":\"word\"}]}}";
    static const struct {
        const char *config, *refused;
    } rows[] = {{"{\"project\":1234567,\"loud\":\"false\"}", NULL}, {"{\"loud\":\" true \"}", "word"},
        {"{\"loud\":\"yes\"}", "loud"}, {"{\"project\":true}", "project"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct testing t;
        struct destination_batch batch;
        const char *event = "{\"type\":\"track\"}";
        testing_start(&t);
        assert_int_equal(testing_open(&t, loose, rows[i].config), rows[i].refused == NULL ? OK : ERR_INVALID);
        if (rows[i].refused != NULL) {
            assert_string_equal(t.why.path, rows[i].refused);
        } else {
            assert_int_equal(testing_build(&t, &event, 1, &batch), OK);
            assert_int_equal(batch.request_count, 1);
            expect_text(batch.requests[0].endpoint, "https://x.test/1234567");
        }
        testing_stop(&t);
    }
}

static void a_setting_of_any_shape_is_taken_as_it_is(void **state) {
    (void)state;
    static const char any[] =
        "{\"type\":\"X\",\"label\":\"X\",\"category\":\"A\",\"modes\":{\"all\":[\"cloud\"]},"
        "\"settings\":{\"mode\":{\"type\":\"any\",\"label\":\"Mode\",\"help\":\"of the sources\",\"required\":true}},"
        "\"delivery\":{\"requests\":[{\"name\":\"r\",\"method\":\"POST\",\"url\":\"https://x.test\",\"body\":\"json\","
        "\"table\":\"t\"}]},\"tables\":{\"t\":[{\"to\":\"mode\",\"setting\":\"mode\"}]}}";
    static const char *const values[] = {"\"cloud\"", "{\"web\":\"hybrid\"}", "[1,null]", "false", "7"};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct testing t;
        struct destination_batch batch;
        testing_start(&t);
        assert_int_equal(testing_open(&t, any, arena_printf(&t.arena, "{\"mode\":%s}", values[i]).ptr), OK);
        const char *event = "{\"type\":\"track\"}";
        assert_int_equal(testing_build(&t, &event, 1, &batch), OK);
        assert_int_equal(batch.request_count, 1);
        expect_text(batch.requests[0].body, arena_printf(&t.arena, "{\"mode\":%s}", values[i]).ptr);
        testing_stop(&t);
    }
}

static void a_secret_is_in_no_message(void **state) {
    (void)state;
    struct testing t;
    testing_start(&t);
    assert_int_equal(testing_open(&t, full, "{\"apiKey\":\"hunter2\"}"), ERR_INVALID);
    assert_null(strstr(t.why.text, "hunter2"));
    testing_stop(&t);
}

static void what_is_not_shown_is_not_asked_for(void **state) {
    (void)state;
    struct testing t;
    open_full(&t, small_config);
    testing_stop(&t);
    refuses_config("{\"apiKey\":\"k1\",\"region\":\"eu\"}", "proxy", "required and missing");
}

/* ---- requests ---- */

static void a_request_has_url_headers_and_body(void **state) {
    (void)state;
    struct testing t;
    struct destination_batch batch;
    open_full(&t, "{\"apiKey\":\"k1\",\"region\":\"eu\",\"proxy\":\"https://p.test\"}");
    const char *event = "{\"type\":\"track\",\"event\":\"a b/c\",\"userId\":\"ü&\",\"messageId\":\"m\"}";
    assert_int_equal(testing_build(&t, &event, 1, &batch), OK);
    assert_int_equal(batch.request_count, 1);
    const struct destination_request *request = &batch.requests[0];
    expect_text(request->url, "https://p.test/t/a%20b%2Fc?u=%C3%BC%26");
    expect_text(request->body, "{\"key\":\"k1\",\"events\":[{\"id\":\"m\"}]}");
    assert_int_equal(request->header_count, 2);
    expect_text(request->headers[0].value, "2");
    expect_text(request->headers[1].name, "Authorization");
    expect_text(request->headers[1].value, "Bearer k1");
    testing_stop(&t);
}

static void a_header_with_a_control_character_refuses_the_event(void **state) {
    (void)state;
    struct testing t;
    testing_start(&t);
    const char *definition =
        "{\"type\":\"T\",\"label\":\"l\",\"category\":\"c\",\"settings\":{},\"delivery\":{\"requests\":[{\"name\":\"r\",\"method\":\"GET\","
        "\"url\":\"https://x.test/\",\"headers\":{\"X\":\"${event.x}\"},\"body\":\"none\"}]}}";
    assert_int_equal(testing_open(&t, definition, "{}"), OK);
    assert_string_equal(testing_body(&t, "{\"type\":\"track\",\"x\":\"a\\r\\nB: c\"}"),
        "refused: the header X would have a control character");
    testing_stop(&t);
}

static void an_id_of_dots_leads_nowhere_else(void **state) {
    (void)state;
    struct testing t;
    open_full(&t, small_config);
    assert_string_equal(testing_body(&t, "{\"type\":\"track\",\"event\":\"..\"}"),
        "refused: the URL would have . or .. as a part of its path");
    assert_string_equal(testing_body(&t, "{\"type\":\"track\",\"event\":\"...\"}"), "{\"key\":\"k1\",\"events\":[{}]}");
    testing_stop(&t);
}

static void events_that_are_not_taken_say_why(void **state) {
    (void)state;
    struct testing t;
    struct destination_batch batch;
    open_full(&t, small_config);
    const char *events[] = {"{\"type\":\"page\"}", "{\"type\":\"track\",\"event\":\"Ping\"}", "{\"type\":\"track\"}"};
    assert_int_equal(testing_build(&t, events, COUNT_OF(events), &batch), OK);
    assert_int_equal(batch.request_count, 0);
    assert_int_equal(batch.refusal_count, 3);
    assert_int_equal(batch.refusals[0].kind, REFUSAL_TYPE);
    expect_text(batch.refusals[0].text, "Full takes no page events");
    assert_int_equal(batch.refusals[1].kind, REFUSAL_FILTERED);
    expect_text(batch.refusals[1].text, "pings are not wanted");
    assert_int_equal(batch.refusals[2].kind, REFUSAL_DEAD);
    expect_text(batch.refusals[2].text, "event.event is needed and is missing");
    testing_stop(&t);
}

static void a_form_is_encoded(void **state) {
    (void)state;
    struct testing t;
    testing_start(&t);
    const char *definition =
        "{\"type\":\"T\",\"label\":\"l\",\"category\":\"c\",\"settings\":{},\"delivery\":{\"requests\":[{\"name\":\"r\",\"method\":\"POST\","
        "\"url\":\"https://x.test/\",\"body\":\"form\",\"table\":\"t\"}]},\"tables\":{\"t\":[{\"to\":\"a b\",\"from\":\"x\"},"
        "{\"to\":\"o.p\",\"from\":\"y\"}]}}";
    assert_int_equal(testing_open(&t, definition, "{}"), OK);
    assert_string_equal(
        testing_body(&t, "{\"type\":\"track\",\"x\":\"1&2\",\"y\":[1.0]}"), "a+b=1%262&o=%7B%22p%22%3A%5B1.0%5D%7D");
    testing_stop(&t);
}

/* ---- batches ---- */

static void a_batch_ends_at_its_events_and_at_its_bytes(void **state) {
    (void)state;
    struct testing t;
    struct destination_batch batch;
    open_full(&t, small_config);
    char large[256];
    snprintf(large, sizeof large, "{\"type\":\"identify\",\"messageId\":\"%0150d\"}", 7);
    const char *events[] = {"{\"type\":\"identify\",\"messageId\":\"1\"}",
        "{\"type\":\"identify\",\"messageId\":\"2\"}", "{\"type\":\"identify\",\"messageId\":\"3\"}", large,
        "{\"type\":\"identify\",\"messageId\":\"5\"}"};
    assert_int_equal(testing_build(&t, events, COUNT_OF(events), &batch), OK);
    assert_int_equal(batch.request_count, 3);
    expect_text(batch.requests[0].body, "{\"key\":\"k1\",\"events\":[{\"id\":\"1\"},{\"id\":\"2\"}]}");
    expect_text(batch.requests[1].body, "{\"key\":\"k1\",\"events\":[{\"id\":\"3\"},{\"id\":\"5\"}]}");
    assert_int_equal(batch.requests[2].event_count, 1);
    assert_int_equal(batch.requests[2].events[0], 3);
    testing_stop(&t);
}

static void an_event_goes_in_no_request_before_an_earlier_one_of_its_user(void **state) {
    (void)state;
    struct testing t;
    struct destination_batch batch;
    open_full(&t, small_config);
    /* user A: identify, track, identify. The last one would fit into the first request, but must not pass its track. */
    const char *events[] = {"{\"type\":\"identify\",\"userId\":\"A\",\"messageId\":\"1\"}",
        "{\"type\":\"track\",\"event\":\"e\",\"userId\":\"A\",\"messageId\":\"2\"}",
        "{\"type\":\"identify\",\"userId\":\"A\",\"messageId\":\"3\"}",
        "{\"type\":\"identify\",\"userId\":\"B\",\"messageId\":\"4\"}"};
    assert_int_equal(testing_build(&t, events, COUNT_OF(events), &batch), OK);
    assert_int_equal(batch.request_count, 3);
    expect_text(batch.requests[0].body, "{\"key\":\"k1\",\"events\":[{\"id\":\"1\"},{\"id\":\"4\"}]}");
    expect_text(batch.requests[1].body, "{\"key\":\"k1\",\"events\":[{\"id\":\"2\"}]}");
    expect_text(batch.requests[2].body, "{\"key\":\"k1\",\"events\":[{\"id\":\"3\"}]}");
    testing_stop(&t);
}

static void every_event_is_in_one_request_or_refusal(void **state) {
    (void)state;
    enum { EVENTS = 200 };
    struct testing t;
    struct destination_batch batch;
    open_full(&t, small_config);
    const char *events[EVENTS];
    for (int i = 0; i < EVENTS; i++) {
        static const char *const types[] = {"track", "identify", "page"};
        events[i] =
            arena_printf(&t.arena, "{\"type\":\"%s\",\"event\":\"e%d\",\"userId\":\"u%d\"}", types[i % 3], i % 5, i % 7)
                .ptr;
    }
    assert_int_equal(testing_build(&t, events, EVENTS, &batch), OK);
    unsigned seen[EVENTS] = {0};
    for (size_t r = 0; r < batch.request_count; r++) {
        for (size_t i = 0; i < batch.requests[r].event_count; i++) {
            seen[batch.requests[r].events[i]]++;
        }
    }
    for (size_t i = 0; i < batch.refusal_count; i++) {
        seen[batch.refusals[i].event]++;
    }
    for (int i = 0; i < EVENTS; i++) {
        assert_int_equal(seen[i], 1);
    }
    testing_stop(&t);
}

/* ---- answers ---- */

static enum destination_outcome answer(struct testing *t, int status, const char *body) {
    return destination_answer(t->settings, status, slice_cstr(body), t->parser, &t->arena);
}

static void answers_are_judged_by_the_first_rule_that_matches(void **state) {
    (void)state;
    struct testing t;
    open_full(&t, small_config);
    assert_int_equal(answer(&t, 200, "{\"ok\":false}"), OUTCOME_DEAD);
    assert_int_equal(answer(&t, 200, "{\"ok\":true}"), OUTCOME_BY_STATUS);
    assert_int_equal(answer(&t, 200, "<html>"), OUTCOME_BY_STATUS);
    assert_int_equal(answer(&t, 429, "{\"stop\":1}"), OUTCOME_AUTH);
    assert_int_equal(answer(&t, 503, "{\"stop\":1}"), OUTCOME_AUTH);
    assert_int_equal(answer(&t, 503, ""), OUTCOME_BY_STATUS);
    assert_int_equal(answer(&t, 404, "{\"stop\":1}"), OUTCOME_BY_STATUS);
    testing_stop(&t);
}

/* ---- cases ---- */

static bool run_case(struct testing *t, const char *text, struct destination_case *result) {
    *result = (struct destination_case){.passed = false};
    const struct destination_case_seat seat = {.parser = t->parser};
    enum err e = destination_case_run(&t->definition->type, slice_cstr(text), &seat, &t->arena, result, &t->why);
    if (e != OK) {
        fail_msg("%s: %s", t->why.path, t->why.text);
    }
    return result->passed;
}

#define CASE(id, outcome) \
    "{\"why\":\"w\",\"config\":{\"apiKey\":\"k1\"},\"events\":[{\"type\":\"identify\",\"messageId\":\"m\"},{\"type\":\"page\"}]," \
    "\"expect\":{\"requests\":[{\"method\":\"PUT\",\"url\":\"https://api.x.test/i\",\"headers\":{\"Authorization\":\"Bearer k1\"," \
    "\"X-A\":\"1\"},\"body\":{\"key\":\"k1\",\"events\":[{\"id\":\"" id "\"}]},\"events\":[0]}]," \
    "\"refused\":[{\"event\":1,\"outcome\":\"filtered\",\"text\":\"Full takes no page events\"}]}," \
    "\"answers\":[{\"status\":200,\"body\":{\"ok\":false},\"outcome\":\"" outcome "\"}]}"

static void a_case_passes_or_shows_its_first_difference(void **state) {
    (void)state;
    struct testing t;
    struct destination_case result;
    open_full(&t, small_config);
    assert_true(run_case(&t, CASE("m", "dead"), &result));
    assert_false(run_case(&t, CASE("x", "dead"), &result));
    expect_text(result.text, "requests.0.body.events.0.id: expected \"x\", got \"m\"");
    assert_false(run_case(&t, CASE("m", "retry"), &result));
    expect_text(result.text, "answer 200 {\"ok\":false}: expected retry, got dead");
    testing_stop(&t);
}

/* ---- the catalogue ---- */

static void the_binary_has_its_definitions_sorted(void **state) {
    (void)state;
    size_t count = 0;
    const struct destination_type *const *list = destination_list(&count);
    assert_true(count >= 3);
    for (size_t i = 1; i < count; i++) {
        assert_true(strcmp(list[i - 1]->type.ptr, list[i]->type.ptr) < 0);
    }
    assert_ptr_equal(destination_find(SLICE("SEGMENT"))->definition->requests[0].body.trie,
        &destination_find(SLICE("SEGMENT"))->definition->trie);
    assert_int_equal(destination_find(SLICE("WEBHOOK"))->kind, DESTINATION_NATIVE);
    assert_null(destination_find(SLICE("SEGMENTS")));
    assert_null(destination_find(SLICE("")));
}

static void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static const char code_definition[] =
    "{\"type\":\"FULL\",\"label\":\"Full\",\"category\":\"c\",\"message_types\":[\"track\"],\"settings\":{"
    "\"key\":{\"type\":\"text\",\"label\":\"Key\",\"help\":\"h\",\"secret\":true},"
    "\"map\":{\"type\":\"rows\",\"label\":\"Map\",\"help\":\"h\"}},"
    "\"code\":{\"secrets\":[\"key\"],\"lookups\":{\"user\":{\"cache\":\"1h\"}},\"limits\":{\"users\":75}},"
    "\"delivery\":{\"auth\":{\"bearer\":\"${settings.key}\"},\"requests\":["
    "{\"name\":\"order\",\"when\":{\"event\":\"Order\"},\"headers\":{\"X-A\":\"b\"},\"table\":\"t\"},"
    "{\"name\":\"form\",\"when\":{\"event\":\"Form\"},\"method\":\"PUT\",\"url\":\"https://x.test/${event.userId}\","
    "\"query\":{\"u\":\"${event.userId}\"},\"body\":\"form\",\"table\":\"t\"}]},"
    "\"tables\":{\"t\":[{\"to\":\"id\",\"from\":\"userId\",\"required\":true}]}}";

static void a_draft_has_what_the_request_says_and_no_authorization(void **state) {
    (void)state;
    struct testing t;
    testing_start(&t);
    assert_int_equal(
        definition_parse(slice_cstr(code_definition), "d.json", /* has_code: */ true, &t.definition, &t.why), OK);
    assert_int_equal(
        destination_open(&t.definition->type, SLICE("{\"key\":\"s\"}"), t.parser, &t.arena, &t.settings, &t.why), OK);
    static const char *const pairs[][2] = {
        {"{\"type\":\"track\",\"event\":\"Order\",\"userId\":\"u 1\"}",
            "{\"name\":\"order\",\"headers\":{\"X-A\":\"b\"},\"body\":{\"id\":\"u 1\"}}"},
        {"{\"type\":\"track\",\"event\":\"Form\",\"userId\":\"u 1\"}",
            "{\"name\":\"form\",\"method\":\"PUT\",\"url\":\"https://x.test/u%201\",\"query\":{\"u\":\"u 1\"},"
            "\"body\":{\"id\":\"u 1\"}}"},
        {"{\"type\":\"track\",\"event\":\"Other\"}", "null"},
        {"{\"type\":\"track\",\"event\":\"Order\"}", "refused: id is required and is missing (from \"userId\")"},
        {"{\"type\":\"page\"}", "refused: Full takes no page events"},
    };
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        struct slice json = SLICE_NONE;
        struct destination_refusal refusal;
        assert_int_equal(destination_draft(t.settings, testing_padded(&t, pairs[i][0]), TESTING_NOW_MS, t.parser,
                             &t.arena, &json, &refusal, &t.why),
            OK);
        bool refused = refusal.text.len > 0;
        struct slice got = refused ? refusal.text : json;
        assert_string_equal(
            arena_printf(&t.arena, "%s%.*s", refused ? "refused: " : "", SLICE_ARG(got)).ptr, pairs[i][1]);
    }
    testing_stop(&t);
}

static void a_folder_adds_a_destination_at_run_time(void **state) {
    (void)state;
    char root[] = "/tmp/sluice-destination-XXXXXX";
    char path[256];
    struct errinfo why = {.at = 0};
    assert_non_null(mkdtemp(root));
    snprintf(path, sizeof path, "%s/full", root);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/full/definition.json", root);
    write_text(path, full);
    assert_null(destination_find(SLICE("FULL")));
    assert_int_equal(destination_load_folder(slice_cstr(root), &why), OK);
    assert_int_equal(destination_find(SLICE("FULL"))->kind, DESTINATION_TABLES);
    expect_text(destination_find(SLICE("FULL"))->origin, path);
    /* once more, now with code beside it: replaced */
    char code[256];
    snprintf(code, sizeof code, "%s/full/transform.js", root);
    write_text(code, "");
    assert_int_equal(destination_load_folder(slice_cstr(root), &why), ERR_INVALID);
    assert_non_null(strstr(why.text, "\"with\" goes with tables alone"));
    write_text(path, code_definition);
    assert_int_equal(destination_load_folder(slice_cstr(root), &why), OK);
    assert_int_equal(destination_find(SLICE("FULL"))->kind, DESTINATION_CODE);
    write_text(path, "{");
    assert_int_equal(destination_load_folder(slice_cstr(root), &why), ERR_INVALID_JSON);
    assert_string_equal(why.path, path);
    unlink(code);
    unlink(path);
    snprintf(path, sizeof path, "%s/full", root);
    rmdir(path);
    rmdir(root);
    assert_int_equal(destination_load_folder(slice_cstr(root), &why), ERR_NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_setting_is_named_with_label_and_help),
        cmocka_unit_test(settings_are_checked_by_type_and_pattern),
        cmocka_unit_test(what_a_setting_evidently_means_is_taken),
        cmocka_unit_test(a_setting_of_any_shape_is_taken_as_it_is),
        cmocka_unit_test(a_secret_is_in_no_message),
        cmocka_unit_test(what_is_not_shown_is_not_asked_for),
        cmocka_unit_test(a_request_has_url_headers_and_body),
        cmocka_unit_test(a_header_with_a_control_character_refuses_the_event),
        cmocka_unit_test(an_id_of_dots_leads_nowhere_else),
        cmocka_unit_test(events_that_are_not_taken_say_why),
        cmocka_unit_test(a_form_is_encoded),
        cmocka_unit_test(a_batch_ends_at_its_events_and_at_its_bytes),
        cmocka_unit_test(an_event_goes_in_no_request_before_an_earlier_one_of_its_user),
        cmocka_unit_test(every_event_is_in_one_request_or_refusal),
        cmocka_unit_test(answers_are_judged_by_the_first_rule_that_matches),
        cmocka_unit_test(a_case_passes_or_shows_its_first_difference),
        cmocka_unit_test(the_binary_has_its_definitions_sorted),
        cmocka_unit_test(a_draft_has_what_the_request_says_and_no_authorization),
        cmocka_unit_test(a_folder_adds_a_destination_at_run_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
