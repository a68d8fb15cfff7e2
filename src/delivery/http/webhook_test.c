/* What WEBHOOK sends: bytes untouched, overrides, parameters, settings that are refused. */
#include "delivery/http/webhook.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "delivery/delivery.h"

struct rig {
    struct json_parser *parser;
    struct arena arena;
    const void *settings;
    struct kind_request request;
};

static int rig_open(void **state) {
    struct rig *rig = mem_alloc(sizeof *rig);
    rig->parser = json_parser_new(128);
    arena_init(&rig->arena, 4096, 0);
    *state = rig;
    return 0;
}

static int rig_close(void **state) {
    struct rig *rig = *state;
    json_parser_free(rig->parser);
    arena_fini(&rig->arena);
    mem_free(rig);
    return 0;
}

static enum err build(struct rig *rig, const char *config, const char *event) {
    struct errinfo why = {0};
    enum err e =
        delivery_webhook.open(SLICE("WEBHOOK"), slice_cstr(config), rig->parser, &rig->arena, &rig->settings, &why);
    assert_int_equal(e, OK);
    size_t len = strlen(event);
    char *padded = arena_alloc(&rig->arena, len + JSON_PADDING);
    memcpy(padded, event, len);
    return delivery_webhook.build(rig->settings, slice_of(padded, len), rig->parser, &rig->arena, &rig->request, &why);
}

static void assert_text(struct slice actual, const char *expected) {
    assert_int_equal(actual.len, strlen(expected));
    assert_memory_equal(actual.ptr, expected, actual.len);
}

static const char *header(const struct rig *rig, const char *name) {
    for (size_t i = 0; i < rig->request.header_count; i++) {
        if (slice_eq_nocase(rig->request.headers[i].name, slice_cstr(name))) {
            return rig->request.headers[i].value.ptr;
        }
    }
    return NULL;
}

static void assert_header(const struct rig *rig, const char *name, const char *value) {
    const char *actual = header(rig, name);
    assert_non_null(actual);
    assert_memory_equal(actual, value, strlen(value));
}

#define PLAIN "{\"webhookUrl\":\"https://example.com/in\"}"

static void an_event_goes_out_byte_for_byte(void **state) {
    struct rig *rig = *state;
    static const char event[] = "{ \"z\" : 9007199254740993,\"e\":1e400, \"t\":\"\\u00e9\\/\" ,\"a\":1,\"a\":2}";
    assert_int_equal(build(rig, PLAIN, event), OK);
    assert_text(rig->request.body, event);
    assert_text(rig->request.url, "https://example.com/in");
    assert_int_equal(rig->request.method, HTTP_METHOD_POST);
    assert_header(rig, "content-type", "application/json");
    assert_header(rig, "user-agent", "Sluice");
    assert_false(rig->request.own_url);
}

static void request_ip_fills_in_a_missing_context_ip_and_nothing_else_changes(void **state) {
    struct rig *rig = *state;
    assert_int_equal(build(rig, PLAIN, "{\"context\": {\"a\":1.0},\"request_ip\":\"1.2.3.4\" }"), OK);
    assert_text(rig->request.body, "{\"context\": {\"a\":1.0,\"ip\":\"1.2.3.4\"},\"request_ip\":\"1.2.3.4\" }");
    assert_int_equal(build(rig, PLAIN, "{\"context\":{},\"request_ip\":\"1.2.3.4\"}"), OK);
    assert_text(rig->request.body, "{\"context\":{\"ip\":\"1.2.3.4\"},\"request_ip\":\"1.2.3.4\"}");
    assert_int_equal(build(rig, PLAIN, "{\"x\": 1 , \"request_ip\":\"1.2.3.4\"}"), OK);
    assert_text(rig->request.body, "{\"x\": 1 , \"request_ip\":\"1.2.3.4\",\"context\":{\"ip\":\"1.2.3.4\"}}");
}

static void a_context_ip_that_is_there_stays(void **state) {
    struct rig *rig = *state;
    static const char *const events[] = {
        "{\"context\":{\"ip\":\"0.0.0.0\"},\"request_ip\":\"1.2.3.4\"}",
        "{\"context\":7,\"request_ip\":\"1.2.3.4\"}",
        "{\"context\":{},\"request_ip\":\"\"}",
        "{\"context\":{},\"request_ip\":5}",
    };
    for (size_t i = 0; i < COUNT_OF(events); i++) {
        assert_int_equal(build(rig, PLAIN, events[i]), OK);
        assert_text(rig->request.body, events[i]);
    }
}

static void the_event_may_choose_its_url_and_headers_and_those_keys_leave_the_body(void **state) {
    struct rig *rig = *state;
    assert_int_equal(build(rig, PLAIN,
                         "{\"a\": 1.50,\"fullPath\":\"https://other.example/x\",\"appendPath\":\"/y?z=1\","
                         "\"header\":{\"X-One\":\"1\",\"n\":10,\"o\":{\"k\": [1, \"a b\"]},\"off\":null}}"),
        OK);
    assert_text(rig->request.url, "https://other.example/x/y?z=1");
    assert_text(rig->request.body, "{\"a\":1.50}");
    assert_header(rig, "x-one", "1");
    assert_header(rig, "n", "10");
    assert_header(rig, "o", "{\"k\":[1,\"a b\"]}");
    assert_null(header(rig, "off"));
    assert_true(rig->request.own_url);
}

static void headers_of_the_settings_replace_defaults_and_the_events_replace_theirs(void **state) {
    struct rig *rig = *state;
    static const char config[] = "{\"webhookUrl\":\"https://example.com\",\"headers\":[{\"from\":\"\",\"to\":\"\"},"
                                 "{\"from\":\"Content-Type\",\"to\":\"text/x\"},{\"from\":\" X-A \",\"to\":\" one \"},"
                                 "{\"from\":\"X-Empty\",\"to\":\"\"}]}";
    assert_int_equal(build(rig, config, "{\"header\":{\"x-a\":\"two\"}}"), OK);
    assert_int_equal(rig->request.header_count, 3);
    assert_header(rig, "content-type", "text/x");
    assert_header(rig, "X-A", "two");
}

static void settings_are_filled_by_the_event_which_loses_what_went_into_them(void **state) {
    struct rig *rig = *state;
    static const char config[] =
        "{\"webhookUrl\":\"{{ event.properties.to || \\\"https://example.com\\\" }}\","
        "\"headers\":[{\"from\":\"X-Plan\",\"to\":\"{{ event.context.plan || \\\"none\\\" }}\"}]}";
    assert_int_equal(
        build(rig, config, "{\"type\":\"track\",\"properties\":{\"to\":\"https://a.example/x\",\"n\":1.50}}"), OK);
    assert_text(rig->request.url, "https://a.example/x");
    assert_text(rig->request.body, "{\"type\":\"track\",\"properties\":{\"n\":1.50}}");
    assert_header(rig, "x-plan", "none");
    assert_true(rig->request.own_url);
    assert_int_equal(build(rig, config, "{\"type\":\"track\"}"), OK);
    assert_text(rig->request.url, "https://example.com");
    assert_int_equal(build(rig, config, "{\"properties\":{\"to\":\"no URL\"}}"), ERR_INVALID);
}

static void an_event_cannot_break_out_of_its_headers_or_its_url(void **state) {
    struct rig *rig = *state;
    static const char *const events[] = {
        "{\"header\":{\"a\":\"b\\r\\nX: y\"}}",
        "{\"header\":{\"a b\":\"c\"}}",
        "{\"header\":{\"\":\"c\"}}",
        "{\"header\":{\"Content-Length\":\"0\"}}",
        "{\"header\":{\"transfer-encoding\":\"chunked\"}}",
        "{\"fullPath\":\"file:///etc/passwd\"}",
        "{\"fullPath\":\"https://a b/\"}",
        "{\"appendPath\":\"\\r\\nHost: x\"}",
    };
    for (size_t i = 0; i < COUNT_OF(events); i++) {
        enum err e = build(rig, PLAIN, events[i]);
        if (e == OK) {
            print_error("accepted: %s\n", events[i]);
        }
        assert_int_not_equal(e, OK);
        assert_int_equal(err_class(e), ERR_CLASS_ABORT);
    }
}

static void too_many_headers_are_refused(void **state) {
    struct rig *rig = *state;
    char event[8192];
    size_t len = (size_t)snprintf(event, sizeof event, "{\"header\":{\"a\":1");
    for (unsigned i = 0; i < 200; i++) {
        len += (size_t)snprintf(event + len, sizeof event - len, ",\"h%u\":1", i);
    }
    snprintf(event + len, sizeof event - len, "}}");
    assert_int_equal(build(rig, PLAIN, event), ERR_TOO_LARGE);
}

static void get_and_delete_send_flattened_traits_or_properties(void **state) {
    struct rig *rig = *state;
    static const char get[] = "{\"webhookUrl\":\"https://example.com/in?k=v\",\"webhookMethod\":\"GET\"}";
    static const char del[] = "{\"webhookUrl\":\"https://example.com/in\",\"webhookMethod\":\"DELETE\"}";
    assert_int_equal(build(rig, get,
                         "{\"type\":\"track\",\"properties\":{\"b\":{\"c\":[1,{\"d\":\"x y&z\"}]},\"a\":true,"
                         "\"e\":[],\"\\u00e9\":1.0},\"traits\":{\"no\":1}}"),
        OK);
    assert_text(
        rig->request.url, "https://example.com/in?k=v&a=true&b.c%5B0%5D=1&b.c%5B1%5D.d=x+y%26z&e=%5B%5D&%C3%A9=1.0");
    assert_int_equal(rig->request.method, HTTP_METHOD_GET);
    assert_int_equal(rig->request.body.len, 0);
    assert_null(header(rig, "content-type"));
    assert_int_equal(
        build(rig, del, "{\"type\":\"identify\",\"traits\":{\"company\":{\"id\":7}},\"properties\":{\"no\":1}}"), OK);
    assert_text(rig->request.url, "https://example.com/in?company.id=7");
    assert_int_equal(build(rig, del, "{\"type\":\"identify\",\"context\":{\"traits\":{\"a\":\"\"}}}"), OK);
    assert_text(rig->request.url, "https://example.com/in?a=");
    assert_int_equal(build(rig, del, "{\"type\":\"track\"}"), OK);
    assert_text(rig->request.url, "https://example.com/in");
}

static void parameters_cannot_grow_without_bound(void **state) {
    struct rig *rig = *state;
    static const char get[] = "{\"webhookUrl\":\"https://example.com\",\"webhookMethod\":\"GET\"}";
    size_t size = 600 * 1024;
    char *event = arena_alloc(&rig->arena, size + 64);
    size_t len = (size_t)snprintf(event, size, "{\"properties\":{\"key\":[0");
    while (len < size) {
        memcpy(event + len, ",1", 2);
        len += 2;
    }
    memcpy(event + len, "]}}", 4);
    assert_int_equal(build(rig, get, event), ERR_TOO_LARGE);
}

static void settings_that_cannot_work_are_refused_by_name(void **state) {
    (void)state;
    static const struct {
        const char *config, *path;
    } rows[] = {
        {"{}", "webhookUrl"},
        {"{\"webhookUrl\":\"\"}", "webhookUrl"},
        {"{\"webhookUrl\":7}", "webhookUrl"},
        {"{\"webhookUrl\":\"https://a\",\"webhookMethod\":\"HEAD\"}", "webhookMethod"},
        {"{\"webhookUrl\":\"https://a\",\"webhookMethod\":\"post\"}", "webhookMethod"},
        {"{\"webhookUrl\":\"https://a\",\"headers\":{}}", "headers"},
        {"{\"webhookUrl\":\"https://a\",\"headers\":[{\"from\":\"a b\",\"to\":\"c\"}]}", "headers"},
        {"{\"webhookUrl\":\"https://a\",\"headers\":[{\"from\":\"a\",\"to\":\"c\\nd\"}]}", "headers"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct errinfo why = {0};
        assert_int_equal(delivery_check(SLICE("WEBHOOK"), slice_cstr(rows[i].config), &why), ERR_INVALID);
        assert_string_equal(why.path, rows[i].path);
        assert_true(why.text[0] != '\0');
    }
    struct errinfo why = {0};
    assert_int_equal(delivery_check(SLICE("WEBHOOK"), SLICE("{\"webhookUrl\":\"ftp://a\"}"), &why), ERR_INVALID);
    assert_int_equal(delivery_check(SLICE("NOT_YET"), SLICE("{}"), &why), ERR_UNSUPPORTED);
    assert_int_equal(delivery_check(SLICE("WEBHOOK"), SLICE(PLAIN), &why), OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_event_goes_out_byte_for_byte, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(
            request_ip_fills_in_a_missing_context_ip_and_nothing_else_changes, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(a_context_ip_that_is_there_stays, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(
            the_event_may_choose_its_url_and_headers_and_those_keys_leave_the_body, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(
            headers_of_the_settings_replace_defaults_and_the_events_replace_theirs, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(
            settings_are_filled_by_the_event_which_loses_what_went_into_them, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(an_event_cannot_break_out_of_its_headers_or_its_url, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(too_many_headers_are_refused, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(get_and_delete_send_flattened_traits_or_properties, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(parameters_cannot_grow_without_bound, rig_open, rig_close),
        cmocka_unit_test(settings_that_cannot_work_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
