/* The filter as a table: an event, a connection's settings, what becomes of it and why. */
#include "processor/filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct row {
    const char *event; /* JSON */
    enum event_type type;
    enum reason reason; /* NONE = delivered */
};

static struct destination webhook(void) {
    return (struct destination){.id = SLICE("d"),
        .type = SLICE("WEBHOOK"),
        .display_name = SLICE("Webhook"),
        .config = SLICE("{}"),
        .key = 1,
        .enabled = true,
        .supported = true};
}

static void check(const struct connection *connection, const struct row *rows, size_t count) {
    struct filter *filter = filter_new();
    for (size_t i = 0; i < count; i++) {
        struct record record = {.head = {.type = rows[i].type}, .payload = slice_cstr(rows[i].event)};
        filter_begin(filter, &record);
        enum reason reason = REASON_COUNT;
        enum verdict verdict = filter_verdict(filter, connection, &reason);
        if (reason != rows[i].reason) {
            print_error("%s: %s, not %s\n", rows[i].event, reason_name(reason), reason_name(rows[i].reason));
        }
        assert_int_equal(reason, rows[i].reason);
        assert_int_equal(verdict, reason == REASON_NONE ? VERDICT_DELIVER : VERDICT_FILTER);
    }
    filter_free(filter);
}

static void check_config(const char *config, const struct row *rows, size_t count) {
    struct destination destination = webhook();
    destination.config = slice_cstr(config);
    struct connection connection = {.destination = &destination, .enabled = true, .cloud = true};
    check(&connection, rows, count);
}

static void the_integrations_object_decides_by_display_name(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"{\"a\":1}", EVENT_TRACK, REASON_NONE},
        {"{\"integrations\":{}}", EVENT_TRACK, REASON_NONE},
        {"{\"integrations\":{\"All\":true}}", EVENT_TRACK, REASON_NONE},
        {"{\"integrations\":{\"All\":false}}", EVENT_TRACK, REASON_INTEGRATIONS},
        {"{\"integrations\":{\"All\":false,\"Webhook\":true}}", EVENT_TRACK, REASON_NONE},
        {"{\"integrations\":{\"All\":false,\"Webhook\":{\"a\":1}}}", EVENT_TRACK, REASON_NONE},
        {"{\"integrations\":{\"All\":false,\"Webhook\":\"yes\"}}", EVENT_TRACK, REASON_INTEGRATIONS},
        {"{\"integrations\":{\"All\":false,\"webhook\":true}}", EVENT_TRACK, REASON_INTEGRATIONS},
        {"{\"integrations\":{\"Webhook\":false}}", EVENT_TRACK, REASON_INTEGRATIONS},
        {"{\"integrations\":{\"All\":true,\"Webhook\":false}}", EVENT_TRACK, REASON_INTEGRATIONS},
        {"{\"integrations\":{\"Webhook\":\"yes\"}}", EVENT_TRACK, REASON_NONE},
        {"{\"integrations\":{\"All\":\"no\"}}", EVENT_TRACK, REASON_INTEGRATIONS},
        {"{\"integrations\":{\"All\":1,\"Webhook\":true}}", EVENT_TRACK, REASON_INTEGRATIONS},
        {"{\"integrations\":\"x\"}", EVENT_TRACK, REASON_INTEGRATIONS},
        {"{\"integrations\":[]}", EVENT_TRACK, REASON_INTEGRATIONS},
        {"{\"properties\":{\"integrations\":{\"All\":false}}}", EVENT_TRACK, REASON_NONE},
    };
    check_config("{}", rows, COUNT_OF(rows));
}

static void what_is_switched_off_gets_nothing(void **state) {
    (void)state;
    static const struct row off[] = {{"{}", EVENT_TRACK, REASON_CONNECTION_DISABLED}};
    static const struct row disabled[] = {{"{}", EVENT_TRACK, REASON_DESTINATION_DISABLED}};
    static const struct row device[] = {{"{}", EVENT_TRACK, REASON_DEVICE_MODE}};
    struct destination destination = webhook();
    struct connection connection = {.destination = &destination, .enabled = false, .cloud = true};
    check(&connection, off, 1);
    connection.enabled = true;
    connection.cloud = false;
    check(&connection, device, 1);
    destination.enabled = false;
    check(&connection, disabled, 1);
}

static void message_types_are_a_list_of_lower_case_names(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"{\"type\":\"track\"}", EVENT_TRACK, REASON_NONE},
        {"{\"type\":\"identify\"}", EVENT_IDENTIFY, REASON_NONE},
        {"{\"type\":\"page\"}", EVENT_PAGE, REASON_MESSAGE_TYPE},
        {"{\"type\":\" Track \"}", EVENT_OTHER, REASON_NONE},
        {"{\"type\":7}", EVENT_OTHER, REASON_MESSAGE_TYPE},
        {"{}", EVENT_OTHER, REASON_MESSAGE_TYPE},
    };
    static const struct row no_identify[] = {
        {"{}", EVENT_IDENTIFY, REASON_MESSAGE_TYPE},
        {"{}", EVENT_TRACK, REASON_NONE},
    };
    static const struct slice types[] = {SLICE("identify"), SLICE("track")};
    struct destination destination = webhook();
    destination.message_types = types;
    destination.message_type_count = COUNT_OF(types);
    struct connection connection = {.destination = &destination, .enabled = true, .cloud = true};
    check(&connection, rows, COUNT_OF(rows));
    destination.config = SLICE("{\"enableServerSideIdentify\":false}");
    check(&connection, no_identify, COUNT_OF(no_identify));
}

static void in_hybrid_mode_only_the_types_that_the_cloud_has_to_send_pass(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"{\"type\":\"track\"}", EVENT_TRACK, REASON_NONE},
        {"{\"type\":\"page\"}", EVENT_PAGE, REASON_HYBRID_MODE},
        {"{\"type\":\" Group \"}", EVENT_OTHER, REASON_NONE},
    };
    static const struct slice types[] = {SLICE("track"), SLICE("group")};
    struct destination destination = webhook();
    struct connection connection = {.destination = &destination,
        .enabled = true,
        .cloud = true,
        .hybrid_types = types,
        .hybrid_type_count = COUNT_OF(types)};
    check(&connection, rows, COUNT_OF(rows));
}

static void event_lists_apply_to_track_events_by_trimmed_name(void **state) {
    (void)state;
    static const struct slice names[] = {SLICE("Paid"), SLICE("Signed up")};
    static const struct row allow[] = {
        {"{\"event\":\"Paid\"}", EVENT_TRACK, REASON_NONE},
        {"{\"event\":\"  Signed up \"}", EVENT_TRACK, REASON_NONE},
        {"{\"event\":\"paid\"}", EVENT_TRACK, REASON_EVENT_NOT_ALLOWED},
        {"{\"event\":\"\"}", EVENT_TRACK, REASON_EVENT_NOT_ALLOWED},
        {"{\"event\":3}", EVENT_TRACK, REASON_EVENT_NOT_ALLOWED},
        {"{}", EVENT_TRACK, REASON_EVENT_NOT_ALLOWED},
        {"{}", EVENT_IDENTIFY, REASON_NONE},
        {"{\"name\":\"Other\"}", EVENT_PAGE, REASON_NONE},
    };
    static const struct row deny[] = {
        {"{\"event\":\"Paid\"}", EVENT_TRACK, REASON_EVENT_DENIED},
        {"{\"event\":\"Pa\\u0069d\"}", EVENT_TRACK, REASON_EVENT_DENIED},
        {"{\"event\":\"paid\"}", EVENT_TRACK, REASON_NONE},
        {"{}", EVENT_TRACK, REASON_NONE},
        {"{\"event\":\"Paid\"}", EVENT_SCREEN, REASON_NONE},
    };
    static const struct row allow_nothing[] = {{"{\"event\":\"Paid\"}", EVENT_TRACK, REASON_EVENT_NOT_ALLOWED}};
    struct destination destination = webhook();
    destination.filter = EVENT_FILTER_ALLOW;
    destination.filter_events = names;
    destination.filter_event_count = COUNT_OF(names);
    struct connection connection = {.destination = &destination, .enabled = true, .cloud = true};
    check(&connection, allow, COUNT_OF(allow));
    destination.filter = EVENT_FILTER_DENY;
    check(&connection, deny, COUNT_OF(deny));
    destination.filter = EVENT_FILTER_ALLOW;
    destination.filter_event_count = 0;
    check(&connection, allow_nothing, 1);
}

static void a_list_of_conversions_lets_only_those_through(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"{\"event\":\"Paid\"}", EVENT_TRACK, REASON_NONE},
        {"{\"event\":\"Other\"}", EVENT_TRACK, REASON_EVENT_NOT_ALLOWED},
    };
    static const struct row all[] = {{"{\"event\":\"Other\"}", EVENT_TRACK, REASON_NONE}};
    check_config("{\"listOfConversions\":[{\"conversions\":\"Paid\"}]}", rows, COUNT_OF(rows));
    check_config("{\"listOfConversions\":\"Paid\"}", all, 1);
    check_config("{\"listOfConversions\":[{\"other\":1}]}", all, 1);
}

#define CONSENT(denied, more) "{\"context\":{\"consentManagement\":{\"deniedConsentIds\":" denied more "}}}"

static void consent_without_a_denied_id_denies_nothing(void **state) {
    (void)state;
    static const struct row rows[] = {
        {CONSENT("[]", ",\"provider\":\"oneTrust\""), EVENT_TRACK, REASON_NONE},
        {CONSENT("\"ads\"", ""), EVENT_TRACK, REASON_NONE},
        {"{\"context\":{\"consentManagement\":[\"deniedConsentIds\"]}}", EVENT_TRACK, REASON_NONE},
        {"{\"deniedConsentIds\":[\"ads\"]}", EVENT_TRACK, REASON_NONE},
    };
    check_config("{\"oneTrustCookieCategories\":[{\"oneTrustCookieCategory\":\"ads\"}]}", rows, COUNT_OF(rows));
}

static void generic_consent_goes_by_provider_and_strategy(void **state) {
    (void)state;
    static const char config[] = "{\"consentManagement\":[{\"provider\":\"ketch\",\"consents\":[{\"consent\":\"ads\"},"
                                 "{\"consent\":\"stats\"}]},{\"provider\":\"custom\",\"resolutionStrategy\":\"or\","
                                 "\"consents\":[{\"consent\":\"a\"},{\"consent\":\"b\"},{\"consent\":\"\"}]}]}";
    static const struct row rows[] = {
        {CONSENT("[\"ads\"]", ",\"provider\":\"ketch\",\"resolutionStrategy\":\"and\""), EVENT_TRACK, REASON_CONSENT},
        {CONSENT("[\"ads\"]", ",\"provider\":\"ketch\",\"resolutionStrategy\":\"or\""), EVENT_TRACK, REASON_NONE},
        {CONSENT("[\"ads\",\"stats\"]", ",\"provider\":\"ketch\",\"resolutionStrategy\":\"or\""), EVENT_TRACK,
            REASON_CONSENT},
        {CONSENT("[\"ads\"]", ",\"provider\":\"ketch\""), EVENT_TRACK, REASON_CONSENT},
        {CONSENT("[\"other\"]", ",\"provider\":\"ketch\""), EVENT_TRACK, REASON_NONE},
        {CONSENT("[\"ads\"]", ",\"provider\":\"iubenda\""), EVENT_TRACK, REASON_NONE},
        {CONSENT("[\"a\"]", ",\"provider\":\"custom\",\"resolutionStrategy\":\"and\""), EVENT_TRACK, REASON_NONE},
        {CONSENT("[\"a\",\"b\"]", ",\"provider\":\"custom\""), EVENT_TRACK, REASON_CONSENT},
    };
    check_config(config, rows, COUNT_OF(rows));
}

static void the_older_notations_of_consent_still_count(void **state) {
    (void)state;
    static const struct row one_trust[] = {
        {CONSENT("[\"ads\"]", ""), EVENT_TRACK, REASON_CONSENT},
        {CONSENT("[\"ads\"]", ",\"provider\":\"oneTrust\""), EVENT_TRACK, REASON_CONSENT},
        {CONSENT("[\"ads\"]", ",\"provider\":\"ketch\""), EVENT_TRACK, REASON_NONE},
        {CONSENT("[\"other\"]", ""), EVENT_TRACK, REASON_NONE},
    };
    static const struct row ketch[] = {
        {CONSENT("[\"a\"]", ",\"provider\":\"ketch\""), EVENT_TRACK, REASON_NONE},
        {CONSENT("[\"a\",\"b\"]", ",\"provider\":\"ketch\""), EVENT_TRACK, REASON_CONSENT},
        {CONSENT("[\"a\",\"b\"]", ",\"provider\":\"oneTrust\""), EVENT_TRACK, REASON_NONE},
    };
    check_config(
        "{\"oneTrustCookieCategories\":[{\"oneTrustCookieCategory\":\" ads \"},{\"oneTrustCookieCategory\":\"b\"}]}",
        one_trust, COUNT_OF(one_trust));
    check_config("{\"ketchConsentPurposes\":[{\"purpose\":\"a\"},{\"purpose\":\"b\"}]}", ketch, COUNT_OF(ketch));
}

static void an_event_that_is_no_object_passes_where_nothing_looks_inside(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"7", EVENT_OTHER, REASON_NONE},
        {"\"integrations\"", EVENT_OTHER, REASON_NONE},
        {"{\"integrations\":", EVENT_OTHER, REASON_NONE},
    };
    check_config("{}", rows, COUNT_OF(rows));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_integrations_object_decides_by_display_name),
        cmocka_unit_test(what_is_switched_off_gets_nothing),
        cmocka_unit_test(message_types_are_a_list_of_lower_case_names),
        cmocka_unit_test(in_hybrid_mode_only_the_types_that_the_cloud_has_to_send_pass),
        cmocka_unit_test(event_lists_apply_to_track_events_by_trimmed_name),
        cmocka_unit_test(a_list_of_conversions_lets_only_those_through),
        cmocka_unit_test(consent_without_a_denied_id_denies_nothing),
        cmocka_unit_test(generic_consent_goes_by_provider_and_strategy),
        cmocka_unit_test(the_older_notations_of_consent_still_count),
        cmocka_unit_test(an_event_that_is_no_object_passes_where_nothing_looks_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
