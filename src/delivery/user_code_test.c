/* User transformations in the path of delivery, with real workers: this program is its own worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "delivery/delivery_internal.h"
#include "delivery/user_code_internal.h"
#include "delivery/user_code_set.h"
#include "transform/transform_testing.h"
#include "transform/worker.h"

enum { EVENTS = 3, TEXT = 1024 };

/* A workspace with one destination, `crm`, and the sources `web` and `app`; %s: what the tests differ in. */
static const char head[] = "version: 1\n"
                           "workspace: {id: shop}\n"
                           "sources:\n"
                           "  - {id: web, name: Web, write_key: wkweb, definition: Javascript}\n"
                           "  - {id: app, write_key: wkapp}\n";

struct fixture {
    struct arena arena;
    struct transform_conf conf;
    struct transform *transform;
    struct loop *loop;
    struct workspace *workspace;
    struct sender_settings settings;
    struct user_code_set *set;
};

static struct workspace *parse(const char *rest) {
    char text[4 * TEXT];
    struct workspace *workspace = NULL;
    struct errinfo why = {.text = ""};
    snprintf(text, sizeof text, "%s%s", head, rest);
    enum err e = workspace_parse(slice_cstr(text), "w.yaml", NULL, &workspace, &why);
    assert_string_equal(why.text, "");
    assert_int_equal(e, OK);
    return workspace;
}

static void begin(struct fixture *fixture, const char *rest) {
    *fixture = (struct fixture){.workspace = parse(rest)};
    arena_init(&fixture->arena, 0, 0);
    struct knob_section section = transform_conf_section(&fixture->conf);
    knob_defaults(&section, &fixture->arena);
    fixture->conf.workers = 1;
    fixture->conf.cpu_time = 300;
    fixture->transform = transform_new(&fixture->conf, testing_workers());
    fixture->loop = loop_new("test");
    fixture->settings.destination = workspace_info(fixture->workspace)->destinations[0];
    fixture->settings.user_code =
        user_code_settings_new(fixture->workspace, fixture->settings.destination, &fixture->arena);
}

static void end(struct fixture *fixture) {
    transform_free(fixture->transform);
    user_code_settings_fini(fixture->settings.user_code);
    user_code_close(fixture->set);
    workspace_release(fixture->workspace);
    loop_free(fixture->loop);
    arena_fini(&fixture->arena);
}

struct ending {
    struct user_code_run run;
    enum err err;
    struct errinfo why;
};

static void on_done(struct user_code_run *run, enum err err, const struct errinfo *why) {
    struct ending *ending = CONTAINER_OF(run, struct ending, run);
    ending->err = err;
    ending->why = *why;
    loop_stop(run->loop);
}

/* Events m0, m1, m2 with n = 0, 1, 2; m1 is of the source `app`. */
static void run(struct fixture *fixture, struct ending *ending) {
    static const char messages[EVENTS][128] = {
        "{\"messageId\":\"m0\",\"type\":\"track\",\"event\":\"A\",\"n\":0}",
        "{\"messageId\":\"m1\",\"type\":\"track\",\"event\":\"B\",\"n\":1}",
        "{\"messageId\":\"m2\",\"type\":\"track\",\"event\":\"C\",\"n\":2,\"context\":{\"sources\":{\"job_id\":\"j\"}}}",
    };
    static const char metadata[] = "{\"jobId\":7}";
    struct slice *texts = ARENA_ARRAY(&fixture->arena, struct slice, EVENTS);
    struct slice *meta = ARENA_ARRAY(&fixture->arena, struct slice, EVENTS);
    uint64_t *sources = ARENA_ARRAY(&fixture->arena, uint64_t, EVENTS);
    for (size_t i = 0; i < EVENTS; i++) {
        texts[i] = slice_cstr(messages[i]);
        meta[i] = slice_cstr(metadata);
        sources[i] = hash64(i == 1 ? SLICE("app") : SLICE("web"));
    }
    *ending = (struct ending){.run = {.transform = fixture->transform,
                                  .settings = &fixture->settings,
                                  .messages = texts,
                                  .metadata = meta,
                                  .sources = sources,
                                  .count = EVENTS,
                                  .arena = &fixture->arena,
                                  .loop = fixture->loop,
                                  .on_done = on_done}};
    user_code_run(&ending->run);
    loop_run(fixture->loop);
}

/* "0 {...}\n1 {...}\n" */
static const char *outputs_of(const struct ending *ending, char out[TEXT]) {
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < ending->run.output_count; i++) {
        const struct user_code_output *output = &ending->run.outputs[i];
        len += (size_t)snprintf(out + len, TEXT - len, "%u %.*s\n", output->input, SLICE_ARG(output->message));
    }
    return out;
}

static void assert_text(struct slice text, const char *expected) {
    char copy[TEXT];
    snprintf(copy, sizeof copy, "%.*s", SLICE_ARG(text));
    assert_string_equal(copy, expected);
}

#define CONNECTED \
    "destinations:\n" \
    "  - {id: crm, type: WEBHOOK, transformation: t}\n" \
    "connections:\n" \
    "  - {from: web, to: crm}\n" \
    "  - {from: app, to: crm}\n"

static void changed_dropped_and_split_events_come_back_in_the_order_of_the_inputs(void **state) {
    (void)state;
    struct fixture fixture;
    struct ending ending;
    char out[TEXT];
    begin(&fixture,
        CONNECTED "transformations:\n"
                  "  - id: t\n"
                  "    name: Tee\n"
                  "    code: |\n"
                  "      export async function transformEvent(event) {\n"
                  "        if (event.n === 0) { await null; return [{ a: 1 }, { a: 2 }]; }\n"
                  "        return event.n === 1 ? null : { n: 20 };\n"
                  "      }\n");
    run(&fixture, &ending);
    assert_int_equal(ending.err, OK);
    assert_string_equal(outputs_of(&ending, out), "0 {\"a\":1}\n0 {\"a\":2}\n2 {\"n\":20}\n");
    assert_int_equal(ending.run.results[0].fate, USER_CODE_OUTPUT);
    assert_int_equal(ending.run.results[1].fate, USER_CODE_DROPPED);
    assert_text(ending.run.results[1].text, "dropped by transformation Tee");
    assert_text(ending.run.results[2].text, "");
    end(&fixture);
}

static void a_connection_without_one_passes_its_events_as_they_are(void **state) {
    (void)state;
    struct fixture fixture;
    struct ending ending;
    begin(&fixture,
        "transformations: [{id: t, code: 'export const transformEvent = () => ({});'}]\n"
        "destinations: [{id: crm, type: WEBHOOK, transformation: t}]\n"
        "connections: [{from: web, to: crm, transformation: none}, {from: app, to: crm}]\n");
    assert_false(user_code_wanted(&fixture.settings, hash64(SLICE("web"))));
    assert_true(user_code_wanted(&fixture.settings, hash64(SLICE("app"))));
    run(&fixture, &ending);
    assert_int_equal(ending.run.output_count, EVENTS);
    assert_ptr_equal(ending.run.outputs[0].message.ptr, ending.run.messages[0].ptr);
    assert_text(ending.run.outputs[1].message, "{}");
    end(&fixture);
}

static void what_fails_has_the_fate_that_on_error_names_and_the_others_go_on(void **state) {
    (void)state;
    static const struct {
        const char *word;
        enum user_code_fate fate;
    } rows[] = {{"dead", USER_CODE_DEAD}, {"pass", USER_CODE_OUTPUT}, {"stop", USER_CODE_STOP}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fixture fixture;
        struct ending ending;
        char rest[TEXT];
        snprintf(rest, sizeof rest,
            "transformations:\n"
            "  - id: t\n"
            "    code: |\n"
            "      export function transformEvent(event) {\n"
            "        if (event.n === 1) { throw new TypeError('no user'); }\n"
            "        return event;\n"
            "      }\n"
            "destinations: [{id: crm, type: WEBHOOK, transformation: t, on_error: %s}]\n"
            "connections: [{from: web, to: crm}, {from: app, to: crm}]\n",
            rows[i].word);
        begin(&fixture, rest);
        run(&fixture, &ending);
        assert_int_equal(ending.run.results[0].fate, USER_CODE_OUTPUT);
        assert_int_equal(ending.run.results[1].fate, rows[i].fate);
        assert_text(
            ending.run.results[1].text, "failed in transformation t: TypeError: no user at transformEvent (t:2:43)");
        assert_int_equal(ending.run.output_count, rows[i].fate == USER_CODE_OUTPUT ? EVENTS : EVENTS - 1);
        end(&fixture);
    }
}

static void metadata_has_the_originals_keys_of_source_destination_event_and_caller(void **state) {
    (void)state;
    struct fixture fixture;
    struct ending ending;
    char out[TEXT];
    begin(&fixture,
        CONNECTED "transformations:\n"
                  "  - id: t\n"
                  "    code: |\n"
                  "      export const transformEvent = (event, metadata) => {\n"
                  "        const { transformationVersionId, ...rest } = metadata(event);\n"
                  "        return event.n === 2 ? rest : null;\n"
                  "      };\n");
    run(&fixture, &ending);
    assert_string_equal(outputs_of(&ending, out),
        "2 {\"sourceId\":\"web\",\"sourceName\":\"Web\",\"workspaceId\":\"shop\",\"sourceType\":\"Javascript\","
        "\"sourceCategory\":\"\",\"destinationId\":\"crm\",\"destinationType\":\"WEBHOOK\","
        "\"destinationName\":\"crm\",\"jobId\":7,\"sourceJobId\":\"j\",\"messageId\":\"m2\",\"eventName\":\"C\","
        "\"eventType\":\"track\",\"transformationId\":\"t\"}\n");
    end(&fixture);
}

static void new_events_of_a_batch_go_out_behind_its_first_event(void **state) {
    (void)state;
    struct fixture fixture;
    struct ending ending;
    char out[TEXT];
    begin(&fixture,
        "transformations:\n"
        "  - id: t\n"
        "    code: |\n"
        "      export const transformBatch = (events) => [...events.slice(1), { messageId: 'new' }];\n"
        "destinations: [{id: crm, type: WEBHOOK}]\n"
        "connections: [{from: web, to: crm, transformation: t}, {from: app, to: crm}]\n");
    run(&fixture, &ending);
    assert_int_equal(ending.run.results[0].fate, USER_CODE_OUTPUT);
    outputs_of(&ending, out);
    assert_memory_equal(out, "0 {\"messageId\":\"new\"}\n1 {\"messageId\":\"m1\"", 41);
    assert_non_null(strstr(out, "\n2 {\"messageId\":\"m2\""));
    end(&fixture);
}

static void an_endless_loop_fails_only_its_own_event(void **state) {
    (void)state;
    struct fixture fixture;
    struct ending ending;
    begin(&fixture,
        CONNECTED "transformations:\n"
                  "  - id: t\n"
                  "    code: |\n"
                  "      export function transformEvent(event) {\n"
                  "        while (event.n === 0) { /* forever */ }\n"
                  "        return event;\n"
                  "      }\n");
    run(&fixture, &ending);
    assert_int_equal(ending.run.results[0].fate, USER_CODE_DEAD);
    /* stopped by the engine, or by a kill on a machine so busy that the engine's clock came late */
    assert_true(slice_starts(ending.run.results[0].text, SLICE("failed in transformation t: Error: ")));
    assert_int_equal(ending.run.results[1].fate, USER_CODE_OUTPUT);
    assert_int_equal(ending.run.results[2].fate, USER_CODE_OUTPUT);
    end(&fixture);
}

static void code_that_does_not_compile_is_refused_with_its_place_and_a_caret(void **state) {
    (void)state;
    struct fixture fixture;
    struct errinfo why = {.text = ""};
    begin(&fixture,
        CONNECTED "transformations:\n"
                  "  - id: t\n"
                  "    code: |\n"
                  "      export function transformEvent(event) {\n"
                  "        return event event;\n"
                  "      }\n");
    assert_int_equal(user_code_open(fixture.transform, fixture.workspace, &fixture.set, &why), ERR_INVALID);
    assert_null(fixture.set);
    assert_string_equal(why.path, "w.yaml:15:22 transformations[0].code");
    assert_string_equal(why.text,
        "transformation 't': SyntaxError: Unexpected token\n"
        "      return event event;\n"
        "                   ^");
    end(&fixture);
}

static void unchanged_code_keeps_its_version_and_counters_over_a_reload(void **state) {
    (void)state;
    static const char rest[] =
        CONNECTED "transformations: [{id: t, code: 'export const transformEvent = (event) => event;'}]\n";
    struct fixture fixture;
    struct ending ending;
    struct errinfo why = {.text = ""};
    begin(&fixture, rest);
    assert_int_equal(user_code_open(fixture.transform, fixture.workspace, &fixture.set, &why), OK);
    run(&fixture, &ending);
    struct workspace *next = parse(rest);
    struct user_code_settings *after =
        user_code_settings_new(next, workspace_info(next)->destinations[0], &fixture.arena);
    assert_ptr_equal(after->connections[0].version, fixture.settings.user_code->connections[0].version);
    assert_int_equal(stat_get(&after->connections[0].unit->stat.events), EVENTS);
    assert_int_equal(stat_get(&after->connections[0].unit->stat.outputs), EVENTS);
    user_code_settings_fini(after);
    workspace_release(next);
    end(&fixture);
}

static void code_that_the_workspace_does_not_have_makes_events_wait(void **state) {
    (void)state;
    static const char text[] =
        "{\"workspaceId\":\"w\",\"sources\":[{\"id\":\"web\",\"enabled\":true,\"destinations\":[{\"id\":\"crm\","
        "\"enabled\":true,\"isProcessorEnabled\":true,\"destinationDefinition\":{\"name\":\"WEBHOOK\"},"
        "\"transformations\":[{\"versionId\":\"v9\",\"id\":\"t9\"}]}]}]}";
    struct fixture fixture;
    struct ending ending;
    struct errinfo why = {.text = ""};
    begin(&fixture, CONNECTED "transformations: [{id: t, code: ''}]\n");
    user_code_settings_fini(fixture.settings.user_code);
    workspace_release(fixture.workspace);
    assert_int_equal(workspace_parse(slice_cstr(text), "none/w.json", NULL, &fixture.workspace, &why), OK);
    fixture.settings.user_code =
        user_code_settings_new(fixture.workspace, workspace_info(fixture.workspace)->destinations[0], &fixture.arena);
    assert_non_null(strstr(user_code_missing(&fixture.settings), "transformations/v9.js"));
    run(&fixture, &ending);
    assert_int_equal(ending.err, ERR_UNAVAILABLE);
    assert_int_equal(user_code_open(fixture.transform, fixture.workspace, &fixture.set, &why), OK);
    end(&fixture);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "worker") == 0) {
        return worker_main();
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changed_dropped_and_split_events_come_back_in_the_order_of_the_inputs),
        cmocka_unit_test(a_connection_without_one_passes_its_events_as_they_are),
        cmocka_unit_test(what_fails_has_the_fate_that_on_error_names_and_the_others_go_on),
        cmocka_unit_test(metadata_has_the_originals_keys_of_source_destination_event_and_caller),
        cmocka_unit_test(new_events_of_a_batch_go_out_behind_its_first_event),
        cmocka_unit_test(an_endless_loop_fails_only_its_own_event),
        cmocka_unit_test(code_that_does_not_compile_is_refused_with_its_place_and_a_caret),
        cmocka_unit_test(unchanged_code_keeps_its_version_and_counters_over_a_reload),
        cmocka_unit_test(code_that_the_workspace_does_not_have_makes_events_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
