/* An original workspaceConfig.json, as it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "model/workspace.h"

static enum err check(struct slice type, struct slice config, struct errinfo *why) {
    if (!slice_eq(type, SLICE("WEBHOOK"))) {
        return ERR_UNSUPPORTED;
    }
    if (memmem(config.ptr, config.len, "ftp:", 4) != NULL) {
        return err_why(ERR_INVALID, why, "webhookUrl", "must begin with http:// or https://");
    }
    return OK;
}
static const struct workspace_types types = {.check = check};

static struct workspace *parsed(const char *text) {
    struct workspace *workspace = NULL;
    struct errinfo why = {.text = ""};
    enum err e = workspace_parse(slice_cstr(text), "w.json", &types, &workspace, &why);
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

/* The shape of the file that the original starts from, with its many fields that do not concern us. */
static const char full[] =
    "{\"enableMetrics\": false, \"workspaceId\": \"ws1\", \"updatedAt\": \"2024-01-01T00:00:00Z\", \"sources\": [\n"
    " {\"id\": \"s1\", \"name\": \"Dev\", \"writeKey\": \"wk1\", \"enabled\": true, \"workspaceId\": \"ws1\", \"transient\": false,\n"
    "  \"sourceDefinitionId\": \"x\", \"sourceDefinition\": {\"id\": \"x\", \"name\": \"Javascript\", \"category\": null, \"type\": \"web\"},\n"
    "  \"config\": {\"eventUpload\": true, \"n\": 1e400}, \"dgSourceTrackingPlanConfig\": {\"version\": 0},\n"
    "  \"destinations\": [\n"
    "   {\"id\": \"d1\", \"name\": \"hook\", \"enabled\": true, \"isConnectionEnabled\": true, \"isProcessorEnabled\": true,\n"
    "    \"config\": {\"webhookUrl\": \"http://x/\", \"webhookMethod\": \"POST\", \"headers\": [{\"from\": \"a\", \"to\": \"b\"}],\n"
    "      \"eventFilteringOption\": \"blacklistedEvents\", \"blacklistedEvents\": [{\"eventName\": \" No \"}, {\"eventName\": \"\"}, 5]},\n"
    "    \"secretConfig\": {}, \"transformations\": [],\n"
    "    \"destinationDefinition\": {\"name\": \"WEBHOOK\", \"displayName\": \"Webhook\", \"config\": {\"transformAtV1\": \"processor\",\n"
    "      \"supportedMessageTypes\": [\"alias\", \" Track \", \"identify\"], \"secretKeys\": []}}},\n"
    "   {\"id\": \"d2\", \"name\": \"GA\", \"enabled\": true, \"isProcessorEnabled\": true, \"config\": {\"connectionMode\": {\"web\": \"device\"}},\n"
    "    \"destinationDefinition\": {\"name\": \"GA4\", \"displayName\": \"Google Analytics 4 (GA4)\", \"config\": {}}}]},\n"
    " {\"id\": \"s2\", \"name\": \"App\", \"writeKey\": \"wk2\", \"enabled\": true, \"sourceDefinition\": {\"type\": \"android\"},\n"
    "  \"destinations\": [{\"id\": \"d1\", \"enabled\": true, \"isProcessorEnabled\": true, \"config\": {}},\n"
    "   {\"id\": \"d2\", \"enabled\": true, \"isProcessorEnabled\": true, \"config\": {\"connectionMode\": {\"web\": \"device\"}}}]}],\n"
    " \"libraries\": [{\"versionId\": \"l\"}], \"settings\": {\"dataRetention\": {}}}";

static void a_file_of_the_original_is_read_as_it_is(void **state) {
    (void)state;
    struct workspace *workspace = parsed(full);
    const struct workspace_info *info = workspace_info(workspace);
    assert_slice(info->id, "ws1");
    assert_int_equal(info->source_count, 2);
    const struct source *source = info->sources[0];
    assert_slice(source->id, "s1");
    assert_slice(source->name, "Dev");
    assert_slice(source->write_key, "wk1");
    assert_slice(source->definition, "Javascript");
    assert_slice(source->category, "");
    assert_slice(source->type, "web");
    assert_slice(source->config, "{\"eventUpload\": true, \"n\": 1e400}");
    assert_true(source->enabled);
    const struct destination *hook = info->destinations[0];
    assert_slice(hook->type, "WEBHOOK");
    assert_slice(hook->display_name, "Webhook");
    assert_true(hook->enabled && hook->supported);
    assert_int_equal(hook->filter, EVENT_FILTER_DENY);
    assert_int_equal(hook->filter_event_count, 1);
    assert_slice(hook->filter_events[0], "No");
    assert_int_equal(hook->message_type_count, 3);
    assert_slice(hook->message_types[1], "track");
    assert_true(slice_starts(hook->config, SLICE("{\"webhookUrl\": \"http://x/\"")));
    workspace_release(workspace);
}

static void copies_of_a_destination_are_one_with_a_connection_each(void **state) {
    (void)state;
    struct workspace *workspace = parsed(full);
    const struct workspace_info *info = workspace_info(workspace);
    assert_int_equal(info->destination_count, 2);
    assert_int_equal(info->connection_count, 4);
    assert_ptr_equal(info->sources[0]->connections[0]->destination, info->destinations[0]);
    assert_ptr_equal(info->sources[1]->connections[0]->destination, info->destinations[0]);
    assert_slice(info->destinations[0]->name, "hook"); /* the first copy speaks */
    workspace_release(workspace);
}

static void an_unsupported_type_is_kept_and_not_an_error(void **state) {
    (void)state;
    struct workspace *workspace = parsed(full);
    const struct destination *ga = workspace_info(workspace)->destinations[1];
    assert_slice(ga->display_name, "Google Analytics 4 (GA4)");
    assert_false(ga->supported);
    assert_null(ga->message_types);
    workspace_release(workspace);
}

static void device_mode_holds_for_the_source_type_that_it_names(void **state) {
    (void)state;
    struct workspace *workspace = parsed(full);
    const struct workspace_info *info = workspace_info(workspace);
    assert_false(info->sources[0]->connections[1]->cloud);
    assert_true(info->sources[1]->connections[1]->cloud);
    workspace_release(workspace);
}

static void field_names_match_in_any_case_and_the_last_one_counts(void **state) {
    (void)state;
    struct workspace *workspace = parsed(
        "{\"WORKSPACEID\": \"w\", \"sources\": [{\"ID\": \"old\", \"Id\": \"s\", \"writekey\": \"k\", \"Enabled\": true,"
        " \"Destinations\": [{\"iD\": \"d\", \"isprocessorenabled\": true, \"ENABLED\": true,"
        " \"DestinationDefinition\": {\"NAME\": \"WEBHOOK\"}}]}]}");
    const struct workspace_info *info = workspace_info(workspace);
    assert_slice(info->id, "w");
    assert_slice(info->sources[0]->id, "s");
    assert_true(info->sources[0]->enabled);
    assert_slice(info->destinations[0]->type, "WEBHOOK");
    assert_slice(info->destinations[0]->display_name, "Webhook");
    assert_slice(info->destinations[0]->config, "{}");
    assert_true(info->connections[0].cloud);
    workspace_release(workspace);
}

static void what_is_missing_or_null_is_the_zero_value(void **state) {
    (void)state;
    struct workspace *workspace = parsed(
        "{\"sources\": [{\"id\": \"s\", \"enabled\": null, \"writeKey\": null, \"config\": null,"
        " \"destinations\": [{\"id\": \"d\"}]}, {\"id\": \"t\", \"destinations\": null}], \"connections\": null}");
    const struct workspace_info *info = workspace_info(workspace);
    assert_false(info->sources[0]->enabled);
    assert_slice(info->sources[0]->config, "{}");
    assert_null(workspace_source_by_write_key(workspace, SLICE("")));
    assert_false(info->destinations[0]->enabled);
    assert_false(info->destinations[0]->supported);
    assert_true(info->connections[0].enabled);
    assert_false(info->connections[0].cloud); /* isProcessorEnabled is false: the original's processor skips it */
    workspace_release(workspace);
}

static void the_connections_map_takes_away_what_the_copies_give(void **state) {
    (void)state;
    struct workspace *workspace = parsed(
        "{\"sources\": [{\"id\": \"s\", \"writeKey\": \"k\", \"enabled\": true, \"destinations\": ["
        "{\"id\": \"a\", \"isProcessorEnabled\": true}, {\"id\": \"b\", \"isProcessorEnabled\": true},"
        "{\"id\": \"c\", \"isProcessorEnabled\": true, \"isConnectionEnabled\": false},"
        "{\"id\": \"e\", \"isProcessorEnabled\": true}]}],"
        "\"connections\": {\"1\": {\"sourceId\": \"s\", \"destinationId\": \"a\", \"enabled\": false, \"processorEnabled\": true},"
        "\"2\": {\"sourceId\": \"s\", \"destinationId\": \"b\", \"enabled\": true, \"processorEnabled\": false},"
        "\"3\": {\"sourceId\": \"s\", \"destinationId\": \"c\", \"enabled\": true},"
        "\"4\": {\"sourceId\": \"gone\", \"destinationId\": \"a\", \"enabled\": false}}}");
    const struct connection *connections = workspace_info(workspace)->connections;
    assert_true(!connections[0].enabled && connections[0].cloud);
    assert_true(connections[1].enabled && !connections[1].cloud);
    assert_true(!connections[2].enabled && connections[2].cloud);
    assert_true(connections[3].enabled && connections[3].cloud);
    workspace_release(workspace);
}

#define HYBRID(mode) \
    "{\"id\": \"a\", \"isProcessorEnabled\": true, \"config\": {\"connectionMode\": \"" mode "\"}," \
    " \"destinationDefinition\": {\"config\": {\"hybridModeCloudEventsFilter\": {\"web\": {\"messageType\": [\" Track\", \"group\"]}}}}}"

static void hybrid_mode_names_the_event_types_that_the_cloud_sends_per_source_type(void **state) {
    (void)state;
    struct workspace *workspace = parsed(
        "{\"sources\": ["
        "{\"id\": \"s\", \"sourceDefinition\": {\"type\": \"web\"}, \"destinations\": [" HYBRID(
            "hybrid") "]},"
                      "{\"id\": \"t\", \"sourceDefinition\": {\"type\": \"ios\"}, \"destinations\": [" HYBRID(
                          "hybrid") "]},"
                                    "{\"id\": \"u\", \"sourceDefinition\": {\"type\": \"web\"}, \"destinations\": [" HYBRID(
                                        "cloud") "]}]}");
    const struct connection *connections = workspace_info(workspace)->connections;
    assert_int_equal(connections[0].hybrid_type_count, 2);
    assert_slice(connections[0].hybrid_types[0], "track");
    assert_slice(connections[0].hybrid_types[1], "group");
    assert_true(connections[0].cloud);
    assert_null(connections[1].hybrid_types); /* nothing is said of ios */
    assert_null(connections[2].hybrid_types); /* not in hybrid mode */
    workspace_release(workspace);
}

static void identify_is_left_out_when_the_destination_turns_it_off(void **state) {
    (void)state;
    struct workspace *workspace = parsed(
        "{\"sources\": [{\"id\": \"s\", \"destinations\": ["
        "{\"id\": \"a\", \"config\": {\"enableServerSideIdentify\": false},"
        " \"destinationDefinition\": {\"config\": {\"supportedMessageTypes\": {\"cloud\": [\"identify\", \"track\"], \"device\": [\"page\"]}}}},"
        "{\"id\": \"b\", \"config\": {\"enableServerSideIdentify\": false},"
        " \"destinationDefinition\": {\"config\": {\"supportedMessageTypes\": [\"identify\"]}}}]}]}");
    const struct destination *const *destinations = workspace_info(workspace)->destinations;
    assert_int_equal(destinations[0]->message_type_count, 1);
    assert_slice(destinations[0]->message_types[0], "track");
    assert_non_null(destinations[1]->message_types); /* none at all, which is not "all" */
    assert_int_equal(destinations[1]->message_type_count, 0);
    workspace_release(workspace);
}

static void a_disabled_destination_may_hold_anything(void **state) {
    (void)state;
    struct workspace *workspace =
        parsed("{\"sources\": [{\"id\": \"s\", \"destinations\": [{\"id\": \"d\", \"enabled\": false,"
               " \"config\": {\"webhookUrl\": \"ftp://x\"}, \"destinationDefinition\": {\"name\": \"WEBHOOK\"}}]}]}");
    assert_true(workspace_info(workspace)->destinations[0]->supported);
    workspace_release(workspace);
}

static void a_byte_order_mark_and_escapes_do_no_harm(void **state) {
    (void)state;
    struct workspace *workspace =
        parsed("\xEF\xBB\xBF {\"sources\": [{\"id\": \"s\\u0031\", \"na\\u006de\": \"a\\\"b\"}]}");
    assert_slice(workspace_info(workspace)->sources[0]->id, "s1");
    assert_slice(workspace_info(workspace)->sources[0]->name, "a\"b");
    workspace_release(workspace);
}

static const struct bad_file {
    const char *text, *path, *message;
} bad_files[] = {
    {"{\"sources\": [\n {\"id\": 5}]}", "w.json:2:9 sources[0].id", "must be text, not 5"},
    {"{\"sources\": [\n 5]}", "w.json:2:2 sources[0]", "must be an object, not 5"},
    {"{\"sources\": [{\"id\": \"\"}]}", "w.json:1:21 sources[0].id", "must not be empty"},
    {"{\"sources\": [{\"id\": \"s\", \"enabled\": \"yes\"}]}", "w.json:1:37 sources[0].enabled",
        "must be true or false, not \"yes\""},
    {"{\"sources\": [{\"id\": \"s\", \"config\": []}]}", "w.json:1:36 sources[0].config", "must be an object, not []"},
    {"{\"sources\": [{\"id\": \"s\", \"sourceDefinition\": {\"type\": 1}}]}",
        "w.json:1:55 sources[0].sourceDefinition.type", "must be text, not 1"},
    {"{\"sources\": [{\"id\": \"s\"},\n{\"id\": \"s\"}]}", "w.json:2:8 sources[1].id",
        "the id 's' is used twice; first on line 1"},
    {"{\"sources\": [{\"id\": \"s\", \"writeKey\": \"k\"},\n{\"id\": \"t\", \"writeKey\": \"k\"}]}",
        "w.json:2:25 sources[1].writeKey", "is also the write key of the source 's' on line 1"},
    {"{\"sources\": [{\"id\": \"s\", \"destinations\": [\n{\"id\": \"d\", \"enabled\": true, \"config\": {\n\"webhookUrl\": \"ftp://x\"},"
     " \"destinationDefinition\": {\"name\": \"WEBHOOK\"}}]}]}",
        "w.json:3:15 sources[0].destinations[0].config.webhookUrl", "must begin with http:// or https://"},
    {"{\"sources\": [], \"connections\": {\"c\": {\"enabled\": 1}}}", "w.json:1:50 connections.c.enabled",
        "must be true or false, not 1"},
    {"{\"sources\": [], \"connections\": []}", "w.json:1:32 connections", "must be an object, not []"},
    {"{\"sources\": 5}", "w.json:1:13 sources", "must be an array, not 5"},
};

static void a_wrong_type_or_a_duplicate_is_refused_with_its_place(void **state) {
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < COUNT_OF(bad_files); i++) {
        const struct bad_file *bad = &bad_files[i];
        struct workspace *workspace = NULL;
        struct errinfo why = {.text = ""};
        assert_int_not_equal(workspace_parse(slice_cstr(bad->text), "w.json", &types, &workspace, &why), OK);
        assert_null(workspace);
        if (strcmp(why.path, bad->path) != 0 || strcmp(why.text, bad->message) != 0) {
            print_error(
                "%s\n  is told  %s | %s\n  and not  %s | %s\n", bad->text, why.path, why.text, bad->path, bad->message);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

static void a_broken_json_file_is_told_where_json_ends(void **state) {
    (void)state;
    struct workspace *workspace = NULL;
    struct errinfo why = {.text = ""};
    struct slice text = SLICE("{\"sources\": [\n  {\"id\": \"s\",}]}");
    assert_int_equal(workspace_parse(text, "w.json", &types, &workspace, &why), ERR_INVALID_JSON);
    assert_string_equal(why.path, "w.json:2:14");
    assert_int_equal(strncmp(why.text, "not JSON: ", 10), 0);
    assert_int_equal(why.at, 27);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_of_the_original_is_read_as_it_is),
        cmocka_unit_test(copies_of_a_destination_are_one_with_a_connection_each),
        cmocka_unit_test(an_unsupported_type_is_kept_and_not_an_error),
        cmocka_unit_test(device_mode_holds_for_the_source_type_that_it_names),
        cmocka_unit_test(field_names_match_in_any_case_and_the_last_one_counts),
        cmocka_unit_test(what_is_missing_or_null_is_the_zero_value),
        cmocka_unit_test(the_connections_map_takes_away_what_the_copies_give),
        cmocka_unit_test(hybrid_mode_names_the_event_types_that_the_cloud_sends_per_source_type),
        cmocka_unit_test(identify_is_left_out_when_the_destination_turns_it_off),
        cmocka_unit_test(a_disabled_destination_may_hold_anything),
        cmocka_unit_test(a_byte_order_mark_and_escapes_do_no_harm),
        cmocka_unit_test(a_wrong_type_or_a_duplicate_is_refused_with_its_place),
        cmocka_unit_test(a_broken_json_file_is_told_where_json_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
