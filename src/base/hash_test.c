/* Hashes against published vectors, random ids. */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void hashes_match_the_published_values_so_that_files_stay_readable(void **state) {
    (void)state;
    assert_true(hash64(SLICE("")) == UINT64_C(0x2d06800538d394c2));
    assert_true(hash64(SLICE_NONE) == UINT64_C(0x2d06800538d394c2));
    struct hash128 empty = hash128(SLICE(""));
    assert_true(empty.hi == UINT64_C(0x99aa06d3014798d8) && empty.lo == UINT64_C(0x6001c324468d497f));
    assert_int_equal(hash_check("", 0), 0x38d394c2);
    assert_true(hash128_eq(empty, hash128(SLICE_NONE)));
    assert_false(hash128_eq(empty, hash128(SLICE("a"))));
}

static void md5_matches_rfc_1321_also_when_repeated(void **state) {
    (void)state;
    const struct {
        const char *text, *hex;
    } rows[] = {
        {"", "d41d8cd98f00b204e9800998ecf8427e"},
        {"abc", "900150983cd24fb0d6963f7d28e17f72"},
        {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
        {"", "d41d8cd98f00b204e9800998ecf8427e"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        unsigned char md5[16];
        char hex[33];
        hash_md5(slice_cstr(rows[i].text), md5);
        for (size_t j = 0; j < sizeof md5; j++) {
            snprintf(hex + 2 * j, 3, "%02x", md5[j]);
        }
        assert_string_equal(hex, rows[i].hex);
    }
}

static void expect_hex(const unsigned char *bytes, size_t len, const char *expected) {
    char hex[65];
    for (size_t i = 0; i < len; i++) {
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    }
    assert_string_equal(hex, expected);
}

static void sha1_and_hmac_match_rfc_3174_and_rfc_4231(void **state) {
    (void)state;
    unsigned char out[32];
    char key[131];
    hash_sha1(SLICE("abc"), out);
    expect_hex(out, 20, "a9993e364706816aba3e25717850c26c9cd0d89d");
    hash_hmac_sha256(SLICE("Jefe"), SLICE("what do ya want for nothing?"), out);
    expect_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    hash_hmac_sha256(slice_of(key, sizeof key), SLICE("Test Using Larger Than Block-Size Key - Hash Key First"), out);
    expect_hex(out, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void a_random_uuid_has_the_form_of_version_4(void **state) {
    (void)state;
    for (int round = 0; round < 200; round++) {
        char uuid[UUID_LEN];
        uuid_v4(uuid);
        for (size_t i = 0; i < UUID_LEN; i++) {
            bool dash = i == 8 || i == 13 || i == 18 || i == 23;
            assert_true(dash ? uuid[i] == '-' : strchr("0123456789abcdef", uuid[i]) != NULL);
        }
        assert_int_equal(uuid[14], '4');
        assert_non_null(strchr("89ab", uuid[19]));
    }
}

static void a_uuid_is_written_in_the_order_of_its_bytes(void **state) {
    (void)state;
    const unsigned char bytes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff};
    char uuid[UUID_LEN];
    uuid_format(bytes, uuid);
    assert_memory_equal(uuid, "00010203-0405-0607-0809-0a0b0c0d0eff", UUID_LEN);
}

static void random_numbers_do_not_repeat_and_use_all_bits(void **state) {
    (void)state;
    uint64_t seen[500], ones = 0, zeros = 0;
    for (size_t i = 0; i < COUNT_OF(seen); i++) {
        seen[i] = random_u64();
        ones |= seen[i];
        zeros |= ~seen[i];
        for (size_t j = 0; j < i; j++) {
            assert_true(seen[i] != seen[j]);
        }
    }
    assert_true(ones == UINT64_MAX && zeros == UINT64_MAX);
}

static void random_bytes_fill_the_whole_block_whatever_its_size(void **state) {
    (void)state;
    const size_t sizes[] = {1, 7, 128, 129, 512, 4096};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        unsigned char touched[4097] = {0};
        for (int round = 0; round < 64; round++) {
            unsigned char block[4097] = {0};
            random_bytes(block, sizes[i]);
            assert_int_equal(block[sizes[i]], 0);
            for (size_t j = 0; j < sizes[i]; j++) {
                touched[j] |= block[j];
            }
        }
        for (size_t j = 0; j < sizes[i]; j++) {
            assert_true(touched[j] != 0);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_match_the_published_values_so_that_files_stay_readable),
        cmocka_unit_test(md5_matches_rfc_1321_also_when_repeated),
        cmocka_unit_test(sha1_and_hmac_match_rfc_3174_and_rfc_4231),
        cmocka_unit_test(a_random_uuid_has_the_form_of_version_4),
        cmocka_unit_test(a_uuid_is_written_in_the_order_of_its_bytes),
        cmocka_unit_test(random_numbers_do_not_repeat_and_use_all_bits),
        cmocka_unit_test(random_bytes_fill_the_whole_block_whatever_its_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
