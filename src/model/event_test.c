/* Names of event types and reasons. */
#include "model/event.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void every_type_name_parses_back_to_its_type(void **state) {
    (void)state;
    for (unsigned type = EVENT_IDENTIFY; type < EVENT_TYPE_COUNT; type++) {
        assert_int_equal(event_type_parse(event_type_name((enum event_type)type)), type);
    }
    assert_true(slice_eq(event_type_name(EVENT_MERGE), SLICE("merge")));
}

static void an_unknown_or_differently_cased_type_is_other(void **state) {
    (void)state;
    assert_int_equal(event_type_parse(SLICE("Track")), EVENT_OTHER);
    assert_int_equal(event_type_parse(SLICE("record")), EVENT_OTHER);
    assert_int_equal(event_type_parse(SLICE("")), EVENT_OTHER);
    assert_int_equal(event_type_parse(SLICE_NONE), EVENT_OTHER);
}

static void a_reason_has_a_name_and_a_sentence(void **state) {
    (void)state;
    assert_string_equal(reason_name(REASON_DEVICE_MODE), "DEVICE_MODE");
    assert_string_equal(reason_text(REASON_DEVICE_MODE), "the destination is in device mode for this source");
    assert_string_equal(reason_text(REASON_NONE), "");
}

static void a_reason_of_a_later_version_does_not_crash(void **state) {
    (void)state;
    assert_string_equal(reason_name((enum reason)250), "UNKNOWN");
    assert_string_equal(reason_text((enum reason)250), "a reason that this version does not know");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_name_parses_back_to_its_type),
        cmocka_unit_test(an_unknown_or_differently_cased_type_is_other),
        cmocka_unit_test(a_reason_has_a_name_and_a_sentence),
        cmocka_unit_test(a_reason_of_a_later_version_does_not_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
