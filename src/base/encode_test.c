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

/* expected NULL: it is none */
static void check_back(
    bool (*decode)(struct slice s, char *out, size_t *ret_len), const char *coded, const char *expected) {
    char out[64];
    size_t len = 0;
    bool good = decode(slice_cstr(coded), out, &len);
    assert_int_equal(good, expected != NULL);
    if (expected != NULL) {
        assert_int_equal(len, strlen(expected));
        assert_memory_equal(out, expected, len);
    }
}

static void base64_is_read_in_both_alphabets_with_and_without_padding(void **state) {
    (void)state;
    check_back(decode_base64, "d2tfd2ViOg==", "wk_web:");
    check_back(decode_base64, "d2tfd2ViOg", "wk_web:");
    check_back(decode_base64, "Pz8+fg==", "\x3f\x3f\x3e\x7e");
    check_back(decode_base64, "Pz8-fg==", "\x3f\x3f\x3e\x7e");
    check_back(decode_base64, "//8=", "\xff\xff");
    check_back(decode_base64, "__8", "\xff\xff");
    check_back(decode_base64, "", "");
    check_back(decode_base64, "A", NULL);
    check_back(decode_base64, "ab=c", NULL);
    check_back(decode_base64, "ab c", NULL);
}

static void hex_comes_back_in_either_case(void **state) {
    (void)state;
    check_back(decode_hex, "010aFf", "\x01\x0a\xff");
    check_back(decode_hex, "", "");
    check_back(decode_hex, "0", NULL);
    check_back(decode_hex, "0g", NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_pads_to_four_characters),
        cmocka_unit_test(hex_is_lower_case_and_two_digits_a_byte),
        cmocka_unit_test(base64_is_read_in_both_alphabets_with_and_without_padding),
        cmocka_unit_test(hex_comes_back_in_either_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
