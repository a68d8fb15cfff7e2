/* Bytes as text: the vectors of RFC 4648. */
#include "base/encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void check(void (*encode)(struct slice, struct buf *), struct slice bytes, const char *expected) {
    struct buf out;
    buf_init(&out, 0);
    encode(bytes, &out);
    buf_append_byte(&out, '\0');
    assert_string_equal(out.ptr, expected);
    buf_fini(&out);
}

static void base64_pads_to_four_characters(void **state) {
    (void)state;
    check(encode_base64, SLICE(""), "");
    check(encode_base64, SLICE("f"), "Zg==");
    check(encode_base64, SLICE("fo"), "Zm8=");
    check(encode_base64, SLICE("foo"), "Zm9v");
    check(encode_base64, SLICE("foobar"), "Zm9vYmFy");
    check(encode_base64, slice_of("\xff\xfe\xfd", 3), "//79");
}

static void hex_is_lower_case_and_two_digits_a_byte(void **state) {
    (void)state;
    check(encode_hex, slice_of("\x00\x0a\xff", 3), "000aff");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_pads_to_four_characters),
        cmocka_unit_test(hex_is_lower_case_and_two_digits_a_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
