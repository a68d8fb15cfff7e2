/* The golden cases of WEBHOOK beside the repository, compared as structures: method, endpoint, headers, parameters,
 * JSON body. Skipped, and says so, where they are absent. */
#include "delivery/http/webhook.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "delivery/http/fields.h"

#define FILES "../shared/cases/webhook/"

struct cases {
    struct json_parser *parser, *event_parser;
    struct arena arena;
    struct json_doc doc;
    unsigned compared;
};

static struct slice read_file(const char *path, struct arena *arena) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return SLICE_NONE;
    }
    size_t room = 8 << 20;
    char *text = arena_alloc(arena, room + JSON_PADDING);
    size_t len = fread(text, 1, room, file);
    fclose(file);
    assert_true(len < room);
    return slice_of(text, len);
}

/* ---- equality of JSON as structures ---- */

static bool same(const struct json_doc *a, uint32_t x, const struct json_doc *b, uint32_t y, struct arena *arena);

static bool same_object(
    const struct json_doc *a, uint32_t x, const struct json_doc *b, uint32_t y, struct arena *arena) {
    for (uint32_t key = json_first(a, x); key != JSON_ABSENT; key = json_after(a, x, key)) {
        uint32_t other = json_find(b, y, json_string(a, key, arena));
        if (other == JSON_ABSENT || !same(a, key + 1, b, other, arena)) {
            print_error("differs at %.*s\n", SLICE_ARG(json_raw(a, key)));
            return false;
        }
    }
    return json_count(a, x) == json_count(b, y);
}

static bool same_array(
    const struct json_doc *a, uint32_t x, const struct json_doc *b, uint32_t y, struct arena *arena) {
    uint32_t other = json_first(b, y);
    for (uint32_t node = json_first(a, x); node != JSON_ABSENT; node = json_after(a, x, node)) {
        if (other == JSON_ABSENT || !same(a, node, b, other, arena)) {
            return false;
        }
        other = json_after(b, y, other);
    }
    return other == JSON_ABSENT;
}

static bool same(const struct json_doc *a, uint32_t x, const struct json_doc *b, uint32_t y, struct arena *arena) {
    if (json_kind(a, x) != json_kind(b, y)) {
        return false;
    }
    switch (json_kind(a, x)) {
    case JSON_OBJECT:
        return same_object(a, x, b, y, arena);
    case JSON_ARRAY:
        return same_array(a, x, b, y, arena);
    case JSON_STRING:
        return slice_eq(json_string(a, x, arena), json_string(b, y, arena));
    default:
        return slice_eq(json_raw(a, x), json_raw(b, y));
    }
}

/* ---- one case ---- */

static void compare_headers(struct cases *cases, const struct kind_request *request, uint32_t headers) {
    size_t count = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        count +=
            slice_eq_nocase(request->headers[i].name, SLICE("user-agent")) ? 0 : 1; /* the router's in the original */
    }
    for (uint32_t key = json_first(&cases->doc, headers); key != JSON_ABSENT;
         key = json_after(&cases->doc, headers, key)) {
        struct slice name = json_string(&cases->doc, key, &cases->arena);
        bool found = false;
        for (size_t i = 0; i < request->header_count; i++) {
            found = found ||
                (slice_eq_nocase(request->headers[i].name, name) &&
                    slice_eq(request->headers[i].value, json_string(&cases->doc, key + 1, &cases->arena)));
        }
        if (!found) {
            print_error("header %.*s\n", SLICE_ARG(name));
        }
        assert_true(found);
    }
    assert_int_equal(count, json_count(&cases->doc, headers));
}

static void compare_url(struct cases *cases, const struct kind_request *request, uint32_t output) {
    struct slice endpoint = json_string(&cases->doc, json_find(&cases->doc, output, SLICE("endpoint")), &cases->arena);
    struct slice query = SLICE_NONE;
    enum err e =
        fields_query(&cases->doc, json_find(&cases->doc, output, SLICE("params")), &cases->arena, &query, NULL);
    assert_int_equal(e, OK);
    assert_true(slice_starts(request->url, endpoint));
    struct slice rest = slice_of(request->url.ptr + endpoint.len, request->url.len - endpoint.len);
    assert_int_equal(rest.len, query.len > 0 ? query.len + 1 : 0);
    assert_true(query.len == 0 || slice_eq(slice_of(rest.ptr + 1, rest.len - 1), query));
}

static void compare_body(struct cases *cases, const struct kind_request *request, uint32_t output) {
    uint32_t expected = json_find_path(&cases->doc, output, SLICE("body.JSON"));
    if (request->body.len == 0) {
        assert_int_equal(json_count(&cases->doc, expected), 0);
        return;
    }
    char *padded = arena_alloc(&cases->arena, request->body.len + JSON_PADDING);
    memcpy(padded, request->body.ptr, request->body.len);
    struct json_doc body;
    assert_int_equal(json_parse(cases->event_parser, slice_of(padded, request->body.len), &body, NULL), OK);
    assert_true(same(&body, 0, &cases->doc, expected, &cases->arena));
    assert_true(same(&cases->doc, expected, &body, 0, &cases->arena));
}

static void compare(struct cases *cases, uint32_t input, uint32_t output) {
    const void *settings;
    struct errinfo why = {0};
    struct slice config = json_raw(&cases->doc, json_find_path(&cases->doc, input, SLICE("destination.Config")));
    assert_int_equal(
        delivery_webhook.open(SLICE("WEBHOOK"), config, cases->event_parser, &cases->arena, &settings, &why), OK);
    struct slice event = json_raw(&cases->doc, json_find(&cases->doc, input, SLICE("message")));
    struct kind_request request;
    assert_int_equal(delivery_webhook.build(settings, event, cases->event_parser, &cases->arena, &request, &why), OK);
    struct slice method = json_string(&cases->doc, json_find(&cases->doc, output, SLICE("method")), &cases->arena);
    assert_true(slice_eq(slice_cstr(http_method_name(request.method)), method));
    compare_headers(cases, &request, json_find(&cases->doc, output, SLICE("headers")));
    compare_url(cases, &request, output);
    compare_body(cases, &request, output);
    cases->compared++;
}

/* Inputs and outputs pair up in order. An output is under `output` (processor) or `batchedRequest` (router). */
static void compare_pairs(struct cases *cases, uint32_t inputs, uint32_t outputs) {
    uint32_t output = json_first(&cases->doc, outputs);
    for (uint32_t input = json_first(&cases->doc, inputs); input != JSON_ABSENT;
         input = json_after(&cases->doc, inputs, input)) {
        assert_int_not_equal(output, JSON_ABSENT);
        uint32_t request = json_find(&cases->doc, output, SLICE("output"));
        if (request == JSON_ABSENT) {
            request = json_find(&cases->doc, output, SLICE("batchedRequest"));
        }
        assert_int_not_equal(request, JSON_ABSENT);
        compare(cases, input, request);
        output = json_after(&cases->doc, outputs, output);
    }
}

static void run_file(const char *path) {
    struct cases cases = {.parser = json_parser_new(128), .event_parser = json_parser_new(128)};
    arena_init(&cases.arena, 1 << 20, 0);
    struct slice text = read_file(path, &cases.arena);
    if (text.ptr == NULL) {
        print_message("[  SKIPPED ] no golden cases at %s\n", path);
    } else {
        assert_int_equal(json_parse(cases.parser, text, &cases.doc, NULL), OK);
        for (uint32_t at = json_first(&cases.doc, 0); at != JSON_ABSENT; at = json_after(&cases.doc, 0, at)) {
            uint32_t inputs = json_find(&cases.doc, at, SLICE("input"));
            uint32_t outputs = json_find_path(&cases.doc, at, SLICE("expected.body"));
            bool nested = json_is(&cases.doc, inputs, JSON_OBJECT);
            compare_pairs(&cases, nested ? json_find(&cases.doc, inputs, SLICE("input")) : inputs,
                nested ? json_find(&cases.doc, outputs, SLICE("output")) : outputs);
        }
        assert_true(cases.compared > 0);
        print_message("[          ] %u requests compared with %s\n", cases.compared, path);
    }
    json_parser_free(cases.parser);
    json_parser_free(cases.event_parser);
    arena_fini(&cases.arena);
}

static void what_is_sent_equals_the_golden_cases(void **state) {
    (void)state;
    run_file(FILES "processor.json");
    run_file(FILES "router.json");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sent_equals_the_golden_cases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
