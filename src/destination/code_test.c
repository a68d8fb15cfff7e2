/* transform.js in real workers: this program is its own worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "destination/code_testing.h"
#include "transform/worker.h"

static struct seat seat;

#define TRACK(name, user) \
    "{\"type\":\"track\",\"event\":\"" name "\",\"userId\":\"" user "\",\"messageId\":\"m-" name user "\"}"
#define EVENTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const char auth[] = ",\"delivery\":{\"auth\":{\"bearer\":\"${settings.key}\"},\"headers\":{\"X-A\":\"core\"}}";
static const char config[] = "{\"key\":\"secret1\"}";

static void begin(struct testing *t, const char *more, const char *script, const char *settings) {
    if (code_open(t, more, script, settings) != OK) {
        fail_msg("%s: %s", t->why.path, t->why.text);
    }
}

/* What comes of the events, as cases show it. */
static void expect_run(const char *more, const char *script, const char *const *events, const char *expected) {
    struct testing t;
    struct destination_run run = {.count = 0};
    begin(&t, more, script, config);
    if (code_run(&t, &seat, events, &run) != OK) {
        fail_msg("%s: %s", t.why.path, t.why.text);
    }
    assert_string_equal(code_shown(&t, &run.batch).ptr, expected);
    testing_stop(&t);
}

/* A script whose events are all dead for `text`. */
static void expect_dead(const char *script, const char *text) {
    struct testing t;
    struct destination_run run = {.count = 0};
    begin(&t, "", script, config);
    assert_int_equal(code_run(&t, &seat, EVENTS(TRACK("a", "u")), &run), OK);
    assert_int_equal(run.batch.request_count, 0);
    assert_int_equal(run.batch.refusal_count, 1);
    assert_int_equal(run.batch.refusals[0].kind, REFUSAL_DEAD);
    struct slice got = run.batch.refusals[0].text;
    if (memmem(got.ptr, got.len, text, strlen(text)) == NULL) {
        fail_msg("\"%s\" is not in \"%.*s\"", text, SLICE_ARG(got));
    }
    testing_stop(&t);
}

/* ---- requests ---- */

static void core_puts_its_headers_under_those_of_the_code(void **state) {
    (void)state;
    expect_run(auth,
        "import { each } from 'sluice';"
        "export const transform = each((e) => ({ method: 'PUT', url: 'https://v.test/a', query: { q: 1, n: null },"
        "  headers: { 'x-a': 'own' }, json: { name: e.message.event } }));",
        EVENTS(TRACK("a", "u")),
        "{\"requests\":[{\"method\":\"PUT\",\"url\":\"https://v.test/a?q=1\",\"headers\":{\"Authorization\":\"Bearer "
        "secret1\",\"x-a\":\"own\",\"Content-Type\":\"application/json\"},\"body\":{\"name\":\"a\"},\"events\":[0]}],"
        "\"refused\":[]}");
}

static void an_event_may_make_several_requests_in_their_order(void **state) {
    (void)state;
    expect_run("",
        "import { each } from 'sluice';"
        "export const transform = each((e) => ['https://v.test/1', 'https://v.test/2'].map((url) => ({ url,"
        "  form: { a: 'b c', l: [1] } })));",
        EVENTS(TRACK("a", "u")),
        "{\"requests\":[{\"method\":\"POST\",\"url\":\"https://v.test/1\",\"headers\":{\"Content-Type\":"
        "\"application/x-www-form-urlencoded\"},\"body\":\"a=b+c&l=%5B1%5D\",\"events\":[0]},{\"method\":\"POST\","
        "\"url\":\"https://v.test/2\",\"headers\":{\"Content-Type\":\"application/x-www-form-urlencoded\"},\"body\":"
        "\"a=b+c&l=%5B1%5D\",\"events\":[0]}],\"refused\":[]}");
}

static void a_body_is_compressed_where_the_code_says_so(void **state) {
    (void)state;
    struct testing t;
    struct destination_run run = {.count = 0};
    begin(&t, "",
        "import { each } from 'sluice';"
        "export const transform = each(() => ({ url: 'https://v.test/', text: 'x'.repeat(1000), gzip: true }));",
        config);
    assert_int_equal(code_run(&t, &seat, EVENTS(TRACK("a", "u")), &run), OK);
    assert_int_equal(run.batch.request_count, 1);
    const struct destination_request *request = &run.batch.requests[0];
    assert_int_equal(request->plain.len, 1000);
    assert_true(request->body.len < 100);
    assert_int_equal((unsigned char)request->body.ptr[0], 0x1f);
    assert_int_equal((unsigned char)request->body.ptr[1], 0x8b);
    struct http_header last = request->headers[request->header_count - 1];
    assert_true(slice_eq(last.name, SLICE("Content-Encoding")) && slice_eq(last.value, SLICE("gzip")));
    testing_stop(&t);
}

static void a_secret_reaches_the_code_only_where_the_definition_says_so(void **state) {
    (void)state;
    static const char script[] =
        "import { each } from 'sluice';"
        "export const transform = each((e, config) => ({ url: 'https://v.test/', json: { config } }));";
    expect_run("", script, EVENTS(TRACK("a", "u")),
        "{\"requests\":[{\"method\":\"POST\",\"url\":\"https://v.test/\",\"headers\":{\"Content-Type\":"
        "\"application/json\"},\"body\":{\"config\":{\"region\":\"us\"}},\"events\":[0]}],\"refused\":[]}");
    expect_run(",\"code\":{\"secrets\":[\"key\"]}", script, EVENTS(TRACK("a", "u")),
        "{\"requests\":[{\"method\":\"POST\",\"url\":\"https://v.test/\",\"headers\":{\"Content-Type\":"
        "\"application/json\"},\"body\":{\"config\":{\"key\":\"secret1\",\"region\":\"us\"}},\"events\":[0]}],"
        "\"refused\":[]}");
}

/* ---- what the code says of events ---- */

static void thrown_outcomes_concern_their_event_alone(void **state) {
    (void)state;
    expect_run("",
        "import { each, Dead, Filtered, Retry, Throttled, AuthFailed } from 'sluice';"
        "const kinds = { Dead, Filtered, Retry, Throttled, AuthFailed };"
        "export const transform = each(async ({ message }) => { if (kinds[message.event]) throw new"
        "  kinds[message.event](`it is ${message.event}`); return { url: 'https://v.test/' }; });",
        EVENTS(TRACK("Dead", "u"), TRACK("Filtered", "u"), TRACK("Retry", "u"), TRACK("fine", "u"),
            TRACK("Throttled", "u"), TRACK("AuthFailed", "u")),
        "{\"requests\":[{\"method\":\"POST\",\"url\":\"https://v.test/\",\"headers\":{},\"events\":[3]}],\"refused\":["
        "{\"event\":0,\"outcome\":\"dead\",\"text\":\"it is Dead\"},{\"event\":1,\"outcome\":\"filtered\",\"text\":"
        "\"it is Filtered\"},{\"event\":2,\"outcome\":\"retry\",\"text\":\"it is Retry\"},{\"event\":4,\"outcome\":"
        "\"throttled\",\"text\":\"it is Throttled\"},{\"event\":5,\"outcome\":\"auth\",\"text\":\"it is AuthFailed\"}]}");
}

static void an_error_of_a_batch_costs_only_the_event_that_makes_it(void **state) {
    (void)state;
    expect_run("",
        "export function transform(events) { return events.map(({ message }, i) => { if (message.event === 'bad')"
        "  throw new Error('cannot be'); return { events: [i], request: { url: `https://v.test/${message.event}` } }; });"
        "}",
        EVENTS(TRACK("a", "u"), TRACK("bad", "u"), TRACK("c", "u")),
        "{\"requests\":[{\"method\":\"POST\",\"url\":\"https://v.test/a\",\"headers\":{},\"events\":[0]},{\"method\":"
        "\"POST\",\"url\":\"https://v.test/c\",\"headers\":{},\"events\":[2]}],\"refused\":[{\"event\":1,\"outcome\":"
        "\"dead\",\"text\":\"cannot be\"}]}");
}

static void a_part_that_is_refused_refuses_the_event(void **state) {
    (void)state;
    expect_run("",
        "export const transform = () => [{ events: [0, 1], request: { url: 'https://v.test/both' } },"
        "  { events: [1], dead: 'no' }, { events: [1], request: { url: 'https://v.test/one' } }];",
        EVENTS(TRACK("a", "u"), TRACK("b", "v")),
        "{\"requests\":[{\"method\":\"POST\",\"url\":\"https://v.test/both\",\"headers\":{},\"events\":[0]}],"
        "\"refused\":[{\"event\":1,\"outcome\":\"dead\",\"text\":\"no\"}]}");
}

static void what_may_not_be_returned_says_what_may(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"5", "the code returned 5; allowed is a list of"},
        {"undefined", "the code returned undefined; allowed is a list of"},
        {"[]", "the code returned nothing for it"},
        {"[null]", "the code returned null as a result; allowed are"},
        {"[{ events: [], dead: 'x' }]", "a result with events []; allowed are indexes below 1"},
        {"[{ events: [1], dead: 'x' }]", "a result with events [1]; allowed are indexes below 1"},
        {"[{ events: ['0'], dead: 'x' }]", "a result with events [\"0\"]"},
        {"[{ events: [0] }]", "a result without outcome"},
        {"[{ events: [0], dead: 'x', filtered: 'y' }]", "two outcomes"},
        {"[{ events: [0], dead: 5 }]", "the code returned dead 5; allowed are sentences"},
        {"[{ events: [0], dead: 'x', more: 1 }]", "a result with \"more\"; allowed are events keep alone"},
        {"[{ events: [0], request: 5 }]", "the request 5; allowed are objects"},
        {"[{ events: [0], request: {} }]", "the url nothing; allowed are http and https URLs"},
        {"[{ events: [0], request: { url: 'file:///etc/passwd' } }]", "the url \"file:///etc/passwd\""},
        {"[{ events: [0], request: { url: 'https://v.test/a/../b' } }]", "URLs without . and .."},
        {"[{ events: [0], request: { url: 'https://v.test/', method: 'STEAL' } }]",
            "the method \"STEAL\"; allowed are GET POST PUT PATCH DELETE"},
        {"[{ events: [0], request: { url: 'https://v.test/', headers: { a: 'b\\r\\nc' } } }]",
            "headers {\"a\":\"b\\r\\nc\"}; allowed are names and texts without control characters"},
        {"[{ events: [0], request: { url: 'https://v.test/', headers: [1] } }]", "headers [1]; allowed are objects"},
        {"[{ events: [0], request: { url: 'https://v.test/', json: 'text' } }]",
            "the body json \"text\"; allowed are objects and arrays"},
        {"[{ events: [0], request: { url: 'https://v.test/', json: {}, form: {} } }]", "a second body {}"},
        {"[{ events: [0], request: { url: 'https://v.test/', xml: 5 } }]", "xml 5; allowed are texts"},
        {"[{ events: [0], request: { url: 'https://v.test/', gzip: 'yes' } }]", "gzip \"yes\""},
        {"[{ events: [0], request: { url: 'https://v.test/', body: {} } }]",
            "a request with \"body\"; allowed are method url headers query json form xml text gzip"},
        {"(() => { const a = []; a.push(a); return [{ events: [0], dead: 'x', a }]; })()", "cannot serialize cyclic"},
        {"[{ events: [0], request: { url: 'https://v.test/', json: { n: 1n } } }]", "BigInt"},
        {"[{ get events() { throw new Error('got you'); } }]", "got you"},
        {"[new Proxy({}, { get() { throw new Error('no'); } })]", "no"},
        {"[{ events: [0], request: { url: 'https://v.test/', json: { toJSON() { throw new Error('late'); } } } }]",
            "late"},
        {"[{ events: [0], request: { toJSON: () => 'odd' } }]", "could not be cloned"},
        {"(() => { Array.prototype.map = () => []; return [{ events: [0], dead: 'x' }]; })()", ""},
        {"(() => { for (;;); })()", "the code used up its CPU time"},
        {"new Promise(() => {})", "waits for a promise that nothing can settle"},
        {"Date.now()", "Date.now() is not there: ctx.now is the time"},
        {"new Date()", "new Date() without a time is not there"},
        {"Math.random()", "Math.random() is not there: ctx.random() gives numbers"},
        {"fetch('http://127.0.0.1/')", "fetch"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char script[512];
        snprintf(script, sizeof script, "export const transform = () => %s;", rows[i][0]);
        expect_dead(script, rows[i][1]);
    }
}

static void a_loop_in_one_event_leaves_the_others_alone(void **state) {
    (void)state;
    struct testing t;
    struct destination_run run = {.count = 0};
    begin(&t, "",
        "import { each } from 'sluice';"
        "export const transform = each(({ message }) => { while (message.event === 'bad'); return { url: 'https://v.test/' "
        "}; });",
        config);
    assert_int_equal(code_run(&t, &seat, EVENTS(TRACK("a", "u"), TRACK("bad", "u"), TRACK("c", "u")), &run), OK);
    assert_int_equal(run.batch.request_count, 2);
    assert_int_equal(run.batch.refusal_count, 1);
    assert_int_equal(run.batch.refusals[0].event, 1);
    assert_int_equal(run.batch.refusals[0].kind, REFUSAL_DEAD);
    testing_stop(&t);
}

static void nothing_is_left_of_a_batch_for_the_next(void **state) {
    (void)state;
    struct testing t;
    begin(&t, "",
        "import { each } from 'sluice'; let count = 0;"
        "export const transform = each(() => { count += 1; const seen = [count, Object.prototype.left, globalThis.mine];"
        "  Object.prototype.left = 1; globalThis.mine = 2; return { url: `https://v.test/${seen.join('-')}` }; });",
        config);
    for (int round = 0; round < 2; round++) {
        struct destination_run run = {.count = 0};
        assert_int_equal(code_run(&t, &seat, EVENTS(TRACK("a", "u")), &run), OK);
        assert_int_equal(run.batch.request_count, 1);
        assert_string_equal(arena_dup(&t.arena, run.batch.requests[0].url).ptr, "https://v.test/1--");
    }
    testing_stop(&t);
}

static void too_much_memory_kills_the_worker_and_no_other_event(void **state) {
    (void)state;
    struct testing t;
    struct destination_run run = {.count = 0};
    begin(&t, "",
        "import { each } from 'sluice';"
        "export const transform = each(({ message }) => { const kept = []; while (message.event === 'bad')"
        "  kept.push(new Uint8Array(1 << 24).fill(1)); return { url: 'https://v.test/' }; });",
        config);
    assert_int_equal(code_run(&t, &seat, EVENTS(TRACK("a", "u"), TRACK("bad", "u"), TRACK("c", "u")), &run), OK);
    assert_int_equal(run.batch.request_count, 2);
    assert_int_equal(run.batch.refusal_count, 1);
    assert_int_equal(run.batch.refusals[0].event, 1);
    assert_int_equal(run.batch.refusals[0].kind, REFUSAL_DEAD);
    testing_stop(&t);
}

/* ---- batches ---- */

static const char batches[] = ",\"delivery\":{\"batch\":{\"into\":\"items\",\"events\":3}}";
static const char items[] = "import { each } from 'sluice';"
                            "export const transform = each(({ message }) => ({ url: `https://v.test/${message.event}`,"
                            "  json: { to: 'x', items: [message.userId] } }));";

static void requests_that_agree_share_one_and_users_keep_their_order(void **state) {
    (void)state;
    expect_run(batches, items,
        EVENTS(
            TRACK("a", "u1"), TRACK("b", "u1"), TRACK("a", "u2"), TRACK("a", "u1"), TRACK("a", "u3"), TRACK("a", "u4")),
        "{\"requests\":[{\"method\":\"POST\",\"url\":\"https://v.test/a\",\"headers\":{\"Content-Type\":"
        "\"application/json\"},\"body\":{\"to\":\"x\",\"items\":[\"u1\",\"u2\",\"u3\"]},\"events\":[0,2,4]},{\"method\":"
        "\"POST\",\"url\":\"https://v.test/b\",\"headers\":{\"Content-Type\":\"application/json\"},\"body\":{\"to\":"
        "\"x\",\"items\":[\"u1\"]},\"events\":[1]},{\"method\":\"POST\",\"url\":\"https://v.test/a\",\"headers\":{"
        "\"Content-Type\":\"application/json\"},\"body\":{\"to\":\"x\",\"items\":[\"u1\",\"u4\"]},\"events\":[3,5]}],"
        "\"refused\":[]}");
}

static void nothing_is_merged_in_a_preview(void **state) {
    (void)state;
    struct testing t;
    struct destination_run run = {.no_batch = true};
    begin(&t, batches, items, config);
    assert_int_equal(code_run(&t, &seat, EVENTS(TRACK("a", "u1"), TRACK("a", "u2")), &run), OK);
    assert_int_equal(run.batch.request_count, 2);
    assert_int_equal(run.batch.requests[1].events[0], 1);
    testing_stop(&t);
}

static void a_batch_of_the_code_goes_before_a_declared_one(void **state) {
    (void)state;
    expect_run(batches,
        "import { each } from 'sluice';"
        "export const transform = each(({ message }) => ({ keep: message.userId,"
        "  request: { url: 'https://v.test/', json: { items: [message.userId] } } }));"
        "export const batch = (results) => [{ events: results.flatMap((r) => r.events).reverse(),"
        "  request: { url: 'https://v.test/all', json: results.map((r) => r.keep) } }];",
        EVENTS(TRACK("a", "u1"), TRACK("a", "u2")),
        "{\"requests\":[{\"method\":\"POST\",\"url\":\"https://v.test/all\",\"headers\":{\"Content-Type\":"
        "\"application/json\"},\"body\":[\"u1\",\"u2\"],\"events\":[0,1]}],\"refused\":[]}");
}

/* ---- settings from events ---- */

static void settings_that_events_fill_are_filled_and_taken_from_them(void **state) {
    (void)state;
    struct testing t;
    struct destination_run run = {.count = 0};
    begin(&t, ",\"delivery\":{\"auth\":{\"bearer\":\"${settings.key}\"}}",
        "import { each } from 'sluice';"
        "export const transform = each(({ message }, config) => ({ url: 'https://v.test/', json: { region: config.region,"
        "  left: message.properties } }));",
        "{\"key\":\"{{ event.properties.key || \\\"k0\\\" }}\",\"region\":\"{{event.properties.to.region || eu }}\"}");
    assert_int_equal(
        code_run(&t, &seat,
            EVENTS("{\"type\":\"track\",\"properties\":{\"key\":\"k1\",\"to\":{\"region\":\"us\",\"n\":1}}}",
                "{\"type\":\"track\",\"properties\":{\"a\":1}}"),
            &run),
        OK);
    assert_string_equal(code_shown(&t, &run.batch).ptr,
        "{\"requests\":[{\"method\":\"POST\",\"url\":\"https://v.test/\",\"headers\":{\"Authorization\":\"Bearer k1\","
        "\"Content-Type\":\"application/json\"},\"body\":{\"region\":\"us\",\"left\":{\"to\":{\"n\":1}}},\"events\":[0]},"
        "{\"method\":\"POST\",\"url\":\"https://v.test/\",\"headers\":{\"Authorization\":\"Bearer k0\",\"Content-Type\":"
        "\"application/json\"},\"body\":{\"region\":\"eu\",\"left\":{\"a\":1}},\"events\":[1]}],\"refused\":[]}");
    testing_stop(&t);
}

/* ---- the world ---- */

static void ids_are_the_same_whenever_an_event_is_prepared_again(void **state) {
    (void)state;
    static const char script[] =
        "import { each } from 'sluice';"
        "export const transform = each((e, config, ctx) => ({ url: `https://v.test/${ctx.uuid()}/${ctx.uuid()}/"
        "${ctx.random()}/${ctx.now}` }));";
    struct testing t;
    struct destination_run alone = {.count = 0};
    struct destination_run together = {.count = 0};
    begin(&t, "", script, config);
    assert_int_equal(code_run(&t, &seat, EVENTS(TRACK("b", "u")), &alone), OK);
    assert_int_equal(code_run(&t, &seat, EVENTS(TRACK("a", "u"), TRACK("b", "u")), &together), OK);
    assert_true(slice_eq(alone.batch.requests[0].url, together.batch.requests[1].url));
    assert_false(slice_eq(alone.batch.requests[0].url, together.batch.requests[0].url));
    testing_stop(&t);
}

static const char asks[] =
    "import { each, Retry } from 'sluice';"
    "export const transform = each(async ({ message }, config, ctx) => { const { status, headers, body } = await ctx.http({"
    "  method: 'GET', url: `https://v.test/${message.event}`, query: { id: message.userId } });"
    "  return { url: 'https://v.test/', json: { status, headers, body } }; });";

static void expect_asked(const char *exchanges, const char *const *events, const char *expected) {
    struct testing t;
    struct json_doc doc;
    struct destination_exchanges *list = NULL;
    begin(&t, auth, asks, config);
    struct json_parser *parser = json_parser_new(32);
    assert_int_equal(json_parse(parser, testing_padded(&t, exchanges), &doc, &t.why), OK);
    assert_int_equal(destination_exchanges_read(&doc, 0, &t.arena, &list, &t.why), OK);
    json_parser_free(parser);
    const struct destination_stage stage = {.on_http = destination_exchanges_answer, .ctx = list};
    struct destination_run run = {.stage = &stage};
    assert_int_equal(code_run(&t, &seat, events, &run), OK);
    struct slice got = run.batch.request_count > 0 ? run.batch.requests[0].body : run.batch.refusals[0].text;
    assert_string_equal(arena_dup(&t.arena, got).ptr, expected);
    testing_stop(&t);
}

static void exchanges_of_a_case_answer_the_code(void **state) {
    (void)state;
    expect_asked(
        "[{\"request\":{\"method\":\"GET\",\"url\":\"https://v.test/other\"},\"response\":{\"status\":500}},"
        "{\"request\":{\"method\":\"GET\",\"url\":\"https://v.test/look\",\"query\":{\"id\":\"u&1\"}},\"response\":"
        "{\"status\":404,\"headers\":{\"a\":\"b\"},\"body\":{\"x\":1}}}]",
        EVENTS("{\"type\":\"track\",\"event\":\"look\",\"userId\":\"u&1\"}"),
        "{\"status\":404,\"headers\":{\"a\":\"b\"},\"body\":{\"x\":1}}");
    expect_asked("[{\"request\":{\"method\":\"GET\",\"url\":\"https://v.test/look?id=u\"},\"response\":{\"status\":200,"
                 "\"body\":\"<a>\"}}]",
        EVENTS(TRACK("look", "u")), "{\"status\":200,\"headers\":{},\"body\":\"<a>\"}");
    expect_asked("[]", EVENTS(TRACK("look", "u")), "no exchange of the case answers GET https://v.test/look?id=u ");
    expect_asked("[{\"request\":{\"method\":\"GET\",\"url\":\"https://v.test/look?id=u\"}}]",
        EVENTS(TRACK("look", "u")), "the request failed");
}

static void a_network_that_fails_is_tried_again(void **state) {
    (void)state;
    struct testing t;
    struct destination_run run = {.count = 0};
    begin(&t, "",
        "import { each } from 'sluice';"
        "export const transform = each(async (e, config, ctx) => { await ctx.http({ url: 'http://127.0.0.1:1/' }); });",
        config);
    assert_int_equal(code_run(&t, &seat, EVENTS(TRACK("a", "u")), &run), OK);
    assert_int_equal(run.batch.refusal_count, 1);
    assert_int_equal(run.batch.refusals[0].kind, REFUSAL_RETRY);
    struct slice text = run.batch.refusals[0].text; /* the guard: the address is private */
    assert_true(slice_eq(text, SLICE("blocked request to non-public address: 127.0.0.1")));
    testing_stop(&t);
}

/* ---- answers ---- */

static void expect_verdicts(const char *script, int status, const char *body, size_t events, const char *expected) {
    struct testing t;
    begin(&t, ",\"responses\":[{\"status\":418,\"outcome\":\"filtered\"}]", script, config);
    static const uint32_t list[] = {0, 1};
    const struct destination_request request = {.url = SLICE("https://v.test/a"),
        .endpoint = SLICE("https://v.test/a"),
        .body_kind = BODY_FORM,
        .plain = SLICE("a=b+c"),
        .events = list,
        .event_count = events,
        .keep = SLICE("{\"mine\":1}")};
    struct destination_judging judging = {.transform = seat.transform,
        .settings = t.settings,
        .request = &request,
        .status = status,
        .body = slice_cstr(body),
        .parser = t.parser,
        .arena = &t.arena,
        .loop = seat.loop};
    assert_int_equal(destination_judge_wait(&judging, &t.why), OK);
    struct buf out;
    buf_init(&out, 0);
    for (size_t i = 0; i < events; i++) {
        buf_printf(&out, "%s %.*s;", destination_outcome_name(judging.verdicts[i].outcome),
            SLICE_ARG(judging.verdicts[i].text));
    }
    assert_string_equal(arena_dup(&t.arena, buf_slice(&out)).ptr, expected);
    buf_fini(&out);
    testing_stop(&t);
}

#define OUTCOME(expression) \
    "export const transform = () => []; export const outcome = (response, request, config) => " expression ";"

static void outcome_says_what_an_answer_means_for_each_event(void **state) {
    (void)state;
    expect_verdicts(OUTCOME("'retry'"), 200, "{}", 2, "retry ;retry ;");
    expect_verdicts(
        OUTCOME("({ outcome: 'dead', text: response.body.why })"), 200, "{\"why\":\"it is\"}", 1, "dead it is;");
    expect_verdicts(
        OUTCOME("request.events.map((i) => (i === 1 ? { outcome: 'dead', text: request.form.a } : 'delivered'))"), 400,
        "<html>", 2, "delivered ;dead b c;");
    expect_verdicts(
        OUTCOME("request.keep.mine === 1 && response.body === '' ? 'throttled' : 'dead'"), 200, "", 1, "throttled ;");
    expect_verdicts(OUTCOME("undefined"), 418, "", 1, "filtered ;");
    expect_verdicts(OUTCOME("undefined"), 503, "", 1, "retry ;");
    expect_verdicts("export const transform = () => [];", 429, "", 2, "throttled ;throttled ;");
}

static void a_wrong_outcome_leaves_the_status_to_decide(void **state) {
    (void)state;
    expect_verdicts(OUTCOME("'great'"), 200, "", 1,
        "delivered outcome() returned \"great\"; allowed are delivered filtered retry throttled dead auth, {outcome, text},"
        " a list of them for the events;");
    expect_verdicts(OUTCOME("['dead']"), 500, "", 2,
        "retry outcome() returned [\"dead\"]; allowed are delivered filtered retry throttled dead auth, {outcome, text}, a "
        "list of them for the events;retry outcome() returned [\"dead\"]; allowed are delivered filtered retry throttled "
        "dead auth, {outcome, text}, a list of them for the events;");
    expect_verdicts(OUTCOME("response.body.errors.length"), 400, "{}", 1,
        "dead outcome() failed: TypeError: undefined is not an object (evaluating 'response.body.errors.length') "
        "(transform.js:1:110);");
}

/* ---- compiling ---- */

static void code_that_does_not_parse_is_named_with_its_place(void **state) {
    (void)state;
    struct testing t;
    begin(&t, "", "export function transform(events) {\n    return events.;\n}\n", config);
    assert_int_equal(destination_code_check(seat.transform, &t.definition->type, &t.why), ERR_INVALID);
    assert_string_equal(t.why.path, "transform.js:2:19");
    assert_string_equal(t.why.text, "SyntaxError: Unexpected token\n        return events.;\n                      ^");
    struct destination_run run = {.count = 0};
    assert_int_equal(code_run(&t, &seat, EVENTS(TRACK("a", "u")), &run), ERR_INVALID);
    testing_stop(&t);
}

static void imports_are_those_of_destinations(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"import { readFile } from 'fs'; export const transform = 1;", "import from fs failed. Module not found."},
        {"import { ask } from 'sluice:host'; export const transform = 1;", "import from sluice:host failed"},
        {"import { nothing } from 'sluice'; export const transform = 1;", "does not provide an export named 'nothing'"},
        {"import * as me from 'transform'; export const transform = 1;", "transform is imported in a circle"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct testing t;
        begin(&t, "", rows[i][0], config);
        assert_int_equal(destination_code_check(seat.transform, &t.definition->type, &t.why), ERR_INVALID);
        if (strstr(t.why.text, rows[i][1]) == NULL) {
            fail_msg("\"%s\" is not in \"%s\"", rows[i][1], t.why.text);
        }
        testing_stop(&t);
    }
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "worker") == 0) {
        return worker_main();
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(core_puts_its_headers_under_those_of_the_code),
        cmocka_unit_test(an_event_may_make_several_requests_in_their_order),
        cmocka_unit_test(a_body_is_compressed_where_the_code_says_so),
        cmocka_unit_test(a_secret_reaches_the_code_only_where_the_definition_says_so),
        cmocka_unit_test(thrown_outcomes_concern_their_event_alone),
        cmocka_unit_test(an_error_of_a_batch_costs_only_the_event_that_makes_it),
        cmocka_unit_test(a_part_that_is_refused_refuses_the_event),
        cmocka_unit_test(what_may_not_be_returned_says_what_may),
        cmocka_unit_test(a_loop_in_one_event_leaves_the_others_alone),
        cmocka_unit_test(nothing_is_left_of_a_batch_for_the_next),
        cmocka_unit_test(too_much_memory_kills_the_worker_and_no_other_event),
        cmocka_unit_test(requests_that_agree_share_one_and_users_keep_their_order),
        cmocka_unit_test(nothing_is_merged_in_a_preview),
        cmocka_unit_test(a_batch_of_the_code_goes_before_a_declared_one),
        cmocka_unit_test(settings_that_events_fill_are_filled_and_taken_from_them),
        cmocka_unit_test(ids_are_the_same_whenever_an_event_is_prepared_again),
        cmocka_unit_test(exchanges_of_a_case_answer_the_code),
        cmocka_unit_test(a_network_that_fails_is_tried_again),
        cmocka_unit_test(outcome_says_what_an_answer_means_for_each_event),
        cmocka_unit_test(a_wrong_outcome_leaves_the_status_to_decide),
        cmocka_unit_test(code_that_does_not_parse_is_named_with_its_place),
        cmocka_unit_test(imports_are_those_of_destinations),
    };
    seat_start(&seat);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    seat_stop(&seat);
    return failed;
}
