/* workspace.yaml: what it means, and what each mistake is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/hash.h"
#include "model/workspace.h"

static enum err check(struct slice type, struct slice config, struct errinfo *why) {
    if (!slice_eq(type, SLICE("WEBHOOK"))) {
        return ERR_UNSUPPORTED;
    }
    if (memmem(config.ptr, config.len, "ftp:", 4) != NULL) {
        return err_why(ERR_INVALID, why, "webhookUrl", "must begin with http:// or https://");
    }
    if (memmem(config.ptr, config.len, "\"from\":\"\"", 9) != NULL) {
        return err_why(ERR_INVALID, why, "config.headers[1].from", "must not be empty");
    }
    return OK;
}
static const struct workspace_types types = {.check = check};

static struct workspace *parsed(const char *text) {
    struct workspace *workspace = NULL;
    struct errinfo why = {.text = ""};
    enum err e = workspace_parse(slice_cstr(text), "w.yaml", &types, &workspace, &why);
    if (e != OK) {
        print_error("%s: %s\n", why.path, why.text);
    }
    assert_int_equal(e, OK);
    return workspace;
}

static void assert_slice(struct slice s, const char *text) {
    if (!slice_eq(s, slice_cstr(text))) {
        print_error("'%.*s' is not '%s'\n", SLICE_ARG(s), text);
    }
    assert_true(slice_eq(s, slice_cstr(text)));
}

static const char whole[] = "version: 1\n"
                            "workspace: {id: ws, name: Shop}\n"
                            "sources:\n"
                            "  - {id: web, name: Site, write_key: wk1, type: web, definition: Javascript,\n"
                            "     category: cloud, config: {a: 1.10}}\n"
                            "  - {id: app, write_key: wk2, enabled: false}\n"
                            "destinations:\n"
                            "  - id: hook\n"
                            "    name: CRM\n"
                            "    type: WEBHOOK\n"
                            "    config: {webhookUrl: http://x/, eventFilteringOption: whitelistedEvents,\n"
                            "      whitelistedEvents: [{eventName: ' Order Placed '}, {eventName: ''}]}\n"
                            "    delivery: {concurrency: 8, rate: 6000/m, timeout: 10s, window: 4h,\n"
                            "      ordered: false, allow_private: true}\n"
                            "  - {id: ga, type: ga4, enabled: false}\n"
                            "connections:\n"
                            "  - {from: web, to: hook}\n"
                            "  - {from: web, to: ga, enabled: false}\n"
                            "  - {from: app, to: hook}\n";

static void every_key_of_a_source_is_read(void **state) {
    (void)state;
    struct workspace *workspace = parsed(whole);
    const struct workspace_info *info = workspace_info(workspace);
    assert_slice(info->id, "ws");
    assert_slice(info->name, "Shop");
    assert_slice(info->path, "w.yaml");
    assert_int_equal(info->source_count, 2);
    const struct source *web = info->sources[0];
    assert_slice(web->name, "Site");
    assert_slice(web->write_key, "wk1");
    assert_slice(web->type, "web");
    assert_slice(web->definition, "Javascript");
    assert_slice(web->category, "cloud");
    assert_slice(web->config, "{\"a\":1.10}");
    assert_true(web->enabled);
    assert_int_equal(web->key, hash64(SLICE("web")));
    const struct source *app = info->sources[1];
    assert_slice(app->name, "app");
    assert_slice(app->config, "{}");
    assert_slice(app->category, "");
    assert_false(app->enabled);
    workspace_release(workspace);
}

static void every_key_of_a_destination_is_read(void **state) {
    (void)state;
    struct workspace *workspace = parsed(whole);
    const struct workspace_info *info = workspace_info(workspace);
    assert_int_equal(info->destination_count, 2);
    const struct destination *hook = info->destinations[0];
    assert_slice(hook->name, "CRM");
    assert_slice(hook->display_name, "Webhook");
    assert_true(hook->enabled && hook->supported);
    assert_int_equal(hook->filter, EVENT_FILTER_ALLOW);
    assert_int_equal(hook->filter_event_count, 1);
    assert_slice(hook->filter_events[0], "Order Placed");
    assert_null(hook->message_types);
    assert_int_equal(hook->rules.concurrency, 8);
    assert_true(hook->rules.rate > 99.9 && hook->rules.rate < 100.1);
    assert_int_equal(hook->rules.timeout_ms, 10000);
    assert_int_equal(hook->rules.window_ms, 4 * 3600 * 1000);
    assert_true(hook->rules.unordered && hook->rules.allow_private);
    const struct destination *ga = info->destinations[1];
    assert_slice(ga->type, "GA4"); /* types are upper case */
    assert_slice(ga->display_name, "GA4");
    assert_false(ga->enabled);
    assert_false(ga->supported);
    assert_false(ga->rules.unordered || ga->rules.allow_private);
    assert_int_equal(ga->rules.timeout_ms, 0);
    workspace_release(workspace);
}

static void connections_join_sources_and_destinations(void **state) {
    (void)state;
    struct workspace *workspace = parsed(whole);
    const struct workspace_info *info = workspace_info(workspace);
    assert_int_equal(info->connection_count, 3);
    const struct source *web = info->sources[0];
    assert_int_equal(web->connection_count, 2);
    assert_ptr_equal(web->connections[1]->destination, info->destinations[1]);
    assert_false(web->connections[1]->enabled);
    assert_ptr_equal(info->connections[2].source, info->sources[1]);
    assert_true(info->connections[2].enabled && info->connections[2].cloud);
    workspace_release(workspace);
}

static void a_workspace_may_be_empty_but_for_its_head(void **state) {
    (void)state;
    struct workspace *workspace = parsed("version: 1\nworkspace: {id: w}\nsources:\n");
    assert_int_equal(workspace_info(workspace)->source_count, 0);
    assert_slice(workspace_info(workspace)->name, "w");
    workspace_release(workspace);
}

static void yaml_written_as_json_is_still_a_workspace_yaml(void **state) {
    (void)state;
    struct workspace *workspace = parsed("{\"version\": 1, \"workspace\": {\"id\": \"w\"}, \"sources\": "
                                         "[{\"id\": \"s\", \"write_key\": \"k\"}]}");
    assert_true(workspace_source_by_write_key(workspace, SLICE("k"))->enabled);
    workspace_release(workspace);
}

static void a_secret_comes_from_the_environment_and_stays_out_of_messages(void **state) {
    (void)state;
    assert_int_equal(setenv("WORKSPACE_TEST_SECRET", "hunter2", 1), 0);
    struct workspace *workspace =
        parsed("version: 1\nworkspace: {id: w}\ndestinations:\n"
               "  - {id: d, type: WEBHOOK, config: {headers: [{from: A, to: 'Bearer ${WORKSPACE_TEST_SECRET}'}]}}\n");
    assert_slice(workspace_info(workspace)->destinations[0]->config,
        "{\"headers\":[{\"from\":\"A\",\"to\":\"Bearer hunter2\"}]}");
    workspace_release(workspace);
    struct errinfo why = {.text = ""};
    struct slice text = SLICE("version: 1\nworkspace: {id: w}\ndestinations: '${WORKSPACE_TEST_SECRET}'\n");
    assert_int_equal(workspace_parse(text, "w.yaml", &types, &workspace, &why), ERR_INVALID);
    assert_string_equal(why.text, "must be a list, not the text '${WORKSPACE_TEST_SECRET}'");
}

static bool is_cloud(const char *source_type, const char *config) {
    struct buf text;
    buf_init(&text, 4096);
    buf_printf(&text,
        "version: 1\nworkspace: {id: w}\nsources: [{id: s, write_key: k, type: '%s'}]\n"
        "destinations: [{id: d, type: WEBHOOK, config: {%s}}]\nconnections: [{from: s, to: d}]\n%c",
        source_type, config, '\0');
    struct workspace *workspace = parsed(text.ptr);
    bool cloud = workspace_info(workspace)->connections[0].cloud;
    workspace_release(workspace);
    buf_fini(&text);
    return cloud;
}

static void device_mode_takes_the_connection_out_of_the_cloud(void **state) {
    (void)state;
    assert_true(is_cloud("web", ""));
    assert_true(is_cloud("web", "connectionMode: cloud"));
    assert_true(is_cloud("web", "connectionMode: hybrid"));
    assert_false(is_cloud("web", "connectionMode: device"));
    assert_false(is_cloud("web", "connectionMode: {web: device, android: cloud}"));
    assert_true(is_cloud("android", "connectionMode: {web: device, android: cloud}"));
    assert_true(is_cloud("ios", "connectionMode: {web: device}"));
    assert_false(is_cloud("web", "useNativeSDK: true"));
    assert_false(is_cloud("web", "useNativeSDK: {web: true}"));
    assert_true(is_cloud("ios", "useNativeSDK: {web: true}"));
    assert_true(is_cloud("web", "useNativeSDK: true, connectionMode: cloud")); /* the newer key wins */
}

static void event_lists_are_read_by_the_option_alone(void **state) {
    (void)state;
    struct workspace *workspace = parsed(
        "version: 1\nworkspace: {id: w}\ndestinations:\n"
        "  - {id: a, type: WEBHOOK, config: {eventFilteringOption: disable, blacklistedEvents: [{eventName: x}]}}\n"
        "  - {id: b, type: WEBHOOK, config: {eventFilteringOption: blacklistedEvents, whitelistedEvents: [{eventName: x}]}}\n"
        "  - {id: c, type: WEBHOOK, config: {eventFilteringOption: blacklistedEvents, blacklistedEvents: [{eventName: x}]}}\n");
    const struct destination *const *destinations = workspace_info(workspace)->destinations;
    assert_int_equal(destinations[0]->filter, EVENT_FILTER_OFF);
    assert_int_equal(destinations[1]->filter, EVENT_FILTER_DENY);
    assert_int_equal(destinations[1]->filter_event_count, 0);
    assert_int_equal(destinations[2]->filter_event_count, 1);
    workspace_release(workspace);
}

#define HEAD "version: 1\nworkspace: {id: w}\n"
#define SOURCE HEAD "sources:\n  - {id: s, write_key: k}\n"
#define BOTH SOURCE "destinations:\n  - {id: d, type: WEBHOOK}\n"
#define LONG_ID "x123456789012345678901234567890123456789012345678901234567890123"

static const struct bad_file {
    const char *text, *path, *message;
} bad_files[] = {
    {"", "w.yaml:1:1", "is empty: a workspace needs 'version' and 'workspace'"},
    {"[]", "w.yaml:1:1", "must be a map, not a list"},
    {"hello", "w.yaml:1:1", "must be a map, not the text 'hello'"},
    {"workspace: {id: w}\n", "w.yaml:1:1", "the key 'version' is missing"},
    {"version: 2\nworkspace: {id: w}\n", "w.yaml:1:10 version", "must be 1, not '2'"},
    {"version: [1]\nworkspace: {id: w}\n", "w.yaml:1:10 version", "must be a single value, not a list"},
    {"version: 1\n", "w.yaml:1:1", "the key 'workspace' is missing"},
    {"version: 1\nworkspace: {name: W}\n", "w.yaml:2:12 workspace", "the key 'id' is missing"},
    {"version: 1\nworkspace: {id: ''}\n", "w.yaml:2:17 workspace.id", "must not be empty"},
    {HEAD "surces: []\n", "w.yaml:3:1", "unknown key 'surces'; the nearest known key is 'sources'"},
    {HEAD "sources: {}\n", "w.yaml:3:10 sources", "must be a list, not a map"},
    {HEAD "sources: [s]\n", "w.yaml:3:11 sources[0]", "must be a map, not the text 's'"},
    {HEAD "sources:\n  - id: s\n    wirte_key: k\n", "w.yaml:5:5 sources[0]",
        "unknown key 'wirte_key'; the nearest known key is 'write_key'"},
    {HEAD "sources:\n  - id: s\n", "w.yaml:4:5 sources[0]", "the key 'write_key' is missing"},
    {HEAD "sources:\n  - id: 5\n    write_key: k\n", "w.yaml:4:9 sources[0].id",
        "must be text (put it in quotes), not the number 5"},
    {HEAD "sources:\n  - {id: s, write_key: k, enabled: yes}\n", "w.yaml:4:36 sources[0].enabled",
        "must be true or false, not the text 'yes'"},
    {HEAD "sources:\n  - {id: s, write_key: k, config: []}\n", "w.yaml:4:35 sources[0].config",
        "must be a map, not a list"},
    {HEAD "sources:\n  - {id: s s, write_key: k}\n", "w.yaml:4:10 sources[0].id",
        "'s s' has a blank or a control character"},
    {HEAD "sources:\n  - {id: " LONG_ID ", write_key: k}\n", "w.yaml:4:10 sources[0].id",
        "has 64 bytes; the limit is 63"},
    {HEAD "sources:\n  - {id: s, write_key: 'k:x'}\n", "w.yaml:4:24 sources[0].write_key",
        "must not have a ':', where a Basic user name ends"},
    {SOURCE "  - {id: s, write_key: l}\n", "w.yaml:5:10 sources[1].id", "the id 's' is used twice; first on line 4"},
    {SOURCE "  - {id: t, write_key: k}\n", "w.yaml:5:24 sources[1].write_key",
        "is also the write key of the source 's' on line 4"},
    {SOURCE "destinations:\n  - {id: d}\n", "w.yaml:6:5 destinations[0]", "the key 'type' is missing"},
    {BOTH "  - {id: d, type: WEBHOOK}\n", "w.yaml:7:10 destinations[1].id",
        "the id 'd' is used twice; first on line 6"},
    {SOURCE "destinations:\n  - id: d\n    type: WEBHOOK\n    config:\n      webhookUrl: ftp://x\n",
        "w.yaml:9:19 destinations[0].config.webhookUrl", "must begin with http:// or https://"},
    {SOURCE
        "destinations:\n  - id: d\n    type: WEBHOOK\n    config:\n      headers:\n        - {from: a}\n        - {from: ''}\n",
        "w.yaml:11:18 destinations[0].config.headers[1].from", "must not be empty"},
    {SOURCE "destinations:\n  - {id: d, type: X, config: {eventFilteringOption: allow}}\n",
        "w.yaml:6:53 destinations[0].config.eventFilteringOption",
        "must be 'disable', 'whitelistedEvents' or 'blacklistedEvents', not \"allow\""},
    {SOURCE
        "destinations:\n  - {id: d, type: X, config: {eventFilteringOption: whitelistedEvents, whitelistedEvents: [a]}}\n",
        "w.yaml:6:91 destinations[0].config.whitelistedEvents", "must be a list of {eventName: text}"},
    {SOURCE "destinations:\n  - {id: d, type: X, config: {connectionMode: {web: clout}}}\n",
        "w.yaml:6:47 destinations[0].config.connectionMode",
        "must be 'cloud', 'device' or 'hybrid', or one of these per source type, not \"clout\""},
    {SOURCE "destinations:\n  - {id: d, type: X, config: {a: .inf}}\n", "w.yaml:6:34", ".inf has no form in JSON"},
    {SOURCE "destinations:\n  - {id: d, type: X, delivery: {timeot: 1s}}\n", "w.yaml:6:33 destinations[0].delivery",
        "unknown key 'timeot'; the nearest known key is 'timeout'"},
    {SOURCE "destinations:\n  - {id: d, type: X, delivery: {timeout: 10}}\n",
        "w.yaml:6:42 destinations[0].delivery.timeout",
        "\"10\" is not a duration with its unit: ms, s, m, h or d (250ms, 1h30m)"},
    {SOURCE "destinations:\n  - {id: d, type: X, delivery: {timeout: 2h}}\n",
        "w.yaml:6:42 destinations[0].delivery.timeout", "\"2h\" is out of range: 100ms to 1h"},
    {SOURCE "destinations:\n  - {id: d, type: X, delivery: {concurrency: 0}}\n",
        "w.yaml:6:46 destinations[0].delivery.concurrency", "\"0\" is out of range: 1 to 10000"},
    {SOURCE "destinations:\n  - {id: d, type: X, delivery: {rate: 5/d}}\n", "w.yaml:6:39 destinations[0].delivery.rate",
        "\"5/d\" is not a rate: requests per second or with a unit (100/s, 6000/m, 100/h), at most 1000000/s"},
    {BOTH "connections:\n  - {from: x, to: d}\n", "w.yaml:8:12 connections[0].from",
        "there is no source 'x'; the nearest is 's'"},
    {BOTH "connections:\n  - {from: s, to: dd}\n", "w.yaml:8:19 connections[0].to",
        "there is no destination 'dd'; the nearest is 'd'"},
    {SOURCE "connections:\n  - {from: s, to: d}\n", "w.yaml:6:19 connections[0].to",
        "there is no destination 'd'; the workspace has no destinations"},
    {BOTH "connections:\n  - {from: s, to: d}\n  - {from: s, to: d, enabled: false}\n", "w.yaml:9:5 connections[1]",
        "the connection from 's' to 'd' is here twice"},
    {SOURCE "destinations:\n  - {id: d, type: X, type: Y}\n", "w.yaml:6:22",
        "the key 'type' is here twice; first on line 6"},
};

static void each_bad_file_is_refused_with_place_value_and_limit(void **state) {
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < COUNT_OF(bad_files); i++) {
        const struct bad_file *bad = &bad_files[i];
        struct workspace *workspace = NULL;
        struct errinfo why = {.text = ""};
        assert_int_not_equal(workspace_parse(slice_cstr(bad->text), "w.yaml", &types, &workspace, &why), OK);
        assert_null(workspace);
        if (strcmp(why.path, bad->path) != 0 || strcmp(why.text, bad->message) != 0) {
            print_error(
                "%s\n  is told  %s | %s\n  and not  %s | %s\n", bad->text, why.path, why.text, bad->path, bad->message);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

static void many_rates_have_one_meaning(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double rate;
    } rows[] = {
        {"100", 100}, {"100/s", 100}, {"'100 / s'", 100}, {"60/m", 1}, {"3600/h", 1}, {"0.5", 0.5}, {"1000000", 1e6}};
    static const char *const wrong[] = {"0", "-1", "1e3", "''", "5/", "/s", "1000001", "1.2.3", "' '", "abc"};
    for (size_t i = 0; i < COUNT_OF(rows) + COUNT_OF(wrong); i++) {
        bool good = i < COUNT_OF(rows);
        struct buf text;
        buf_init(&text, 4096);
        buf_printf(&text, HEAD "destinations: [{id: d, type: X, delivery: {rate: %s}}]\n",
            good ? rows[i].text : wrong[i - COUNT_OF(rows)]);
        struct workspace *workspace = NULL;
        struct errinfo why = {.text = ""};
        enum err e = workspace_parse(buf_slice(&text), "w.yaml", NULL, &workspace, &why);
        assert_int_equal(e == OK, good);
        if (good) {
            double rate = workspace_info(workspace)->destinations[0]->rules.rate;
            assert_true(rate > rows[i].rate * 0.999 && rate < rows[i].rate * 1.001);
        }
        workspace_release(workspace);
        buf_fini(&text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_of_a_source_is_read),
        cmocka_unit_test(every_key_of_a_destination_is_read),
        cmocka_unit_test(connections_join_sources_and_destinations),
        cmocka_unit_test(a_workspace_may_be_empty_but_for_its_head),
        cmocka_unit_test(yaml_written_as_json_is_still_a_workspace_yaml),
        cmocka_unit_test(a_secret_comes_from_the_environment_and_stays_out_of_messages),
        cmocka_unit_test(device_mode_takes_the_connection_out_of_the_cloud),
        cmocka_unit_test(event_lists_are_read_by_the_option_alone),
        cmocka_unit_test(each_bad_file_is_refused_with_place_value_and_limit),
        cmocka_unit_test(many_rates_have_one_meaning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
