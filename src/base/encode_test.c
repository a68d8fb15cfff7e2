/* Bytes as text, and back: the vectors of RFC 4648. */
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

static bool decodes(bool (*decode)(struct slice, struct buf *), const char *text, struct slice expected) {
    struct buf out;
    buf_init(&out, 0);
    bool good = decode(slice_cstr(text), &out) && slice_eq(buf_slice(&out), expected);
    buf_fini(&out);
    return good;
}

static void base64url_comes_back_without_padding(void **state) {
    (void)state;
    assert_true(decodes(decode_base64url, "", SLICE("")));
    assert_true(decodes(decode_base64url, "Zg", SLICE("f")));
    assert_true(decodes(decode_base64url, "Zm8", SLICE("fo")));
    assert_true(decodes(decode_base64url, "Zm9vYmFy", SLICE("foobar")));
    assert_true(decodes(decode_base64url, "__79", slice_of("\xff\xfe\xfd", 3)));
    assert_false(decodes(decode_base64url, "Z", SLICE("")));
    assert_false(decodes(decode_base64url, "Zg==", SLICE("f")));
    assert_false(decodes(decode_base64url, "//79", slice_of("\xff\xfe\xfd", 3)));
}

static void hex_comes_back_in_either_case(void **state) {
    (void)state;
    assert_true(decodes(decode_hex, "000aFf", slice_of("\x00\x0a\xff", 3)));
    assert_true(decodes(decode_hex, "", SLICE("")));
    assert_false(decodes(decode_hex, "0", SLICE("")));
    assert_false(decodes(decode_hex, "0g", SLICE("")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_pads_to_four_characters),
        cmocka_unit_test(hex_is_lower_case_and_two_digits_a_byte),
        cmocka_unit_test(base64url_comes_back_without_padding),
        cmocka_unit_test(hex_comes_back_in_either_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
