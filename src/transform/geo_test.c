/* Addresses are looked up in a database that the test writes: MaxMind's format, version 2, one network of IPv4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "transform/geo.h"
#include "transform/transform_testing.h"
#include "transform/worker.h"

enum { UTF8 = 2, DOUBLE = 3, UINT16 = 5, UINT32 = 6, MAP = 7, UINT64 = 9, ARRAY = 11, PREFIX_BITS = 24 };

/* ---- a writer ---- */

static void put_head(struct buf *out, unsigned type, size_t size) {
    assert_true(size < 29); /* larger sizes have a longer form, which is not needed here */
    buf_append_byte(out, (char)((type <= MAP ? type << 5 : 0) | size));
    if (type > MAP) {
        buf_append_byte(out, (char)(type - MAP));
    }
}

static void put_text(struct buf *out, const char *text) {
    put_head(out, UTF8, strlen(text));
    buf_append(out, slice_cstr(text));
}

static void put_big_endian(struct buf *out, uint64_t value, size_t bytes) {
    for (size_t i = bytes; i > 0; i--) {
        buf_append_byte(out, (char)(value >> (8 * (i - 1))));
    }
}

static void put_number(struct buf *out, const char *key, unsigned type, uint64_t value) {
    size_t bytes = type == UINT16 ? 2 : type == UINT32 ? 4 : 8;
    put_text(out, key);
    put_head(out, type, bytes);
    put_big_endian(out, value, bytes);
}

static void put_pair(struct buf *out, const char *key, const char *value) {
    put_text(out, key);
    put_text(out, value);
}

static void put_double(struct buf *out, const char *key, double value) {
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    put_text(out, key);
    put_head(out, DOUBLE, sizeof bits);
    put_big_endian(out, bits, sizeof bits);
}

static void put_names(struct buf *out, const char *key, const char *name) {
    put_text(out, key);
    put_head(out, MAP, 1);
    put_text(out, "names");
    put_head(out, MAP, 1);
    put_pair(out, "en", name);
}

static void put_record(struct buf *out) {
    put_head(out, MAP, 5);
    put_names(out, "city", "Uppsala");
    put_text(out, "country");
    put_head(out, MAP, 1);
    put_pair(out, "iso_code", "SE");
    put_text(out, "subdivisions");
    put_head(out, ARRAY, 1);
    put_head(out, MAP, 1);
    put_text(out, "names");
    put_head(out, MAP, 1);
    put_pair(out, "en", "Uppland");
    put_text(out, "postal");
    put_head(out, MAP, 1);
    put_pair(out, "code", "752 21");
    put_text(out, "location");
    put_head(out, MAP, 3);
    put_double(out, "latitude", 59.8586);
    put_double(out, "longitude", 17.6389);
    put_pair(out, "time_zone", "Europe/Stockholm");
}

static void put_metadata(struct buf *out, const char *type) {
    buf_append(out, SLICE("\xab\xcd\xefMaxMind.com"));
    put_head(out, MAP, 9);
    put_number(out, "node_count", UINT32, PREFIX_BITS);
    put_number(out, "record_size", UINT16, 32);
    put_number(out, "ip_version", UINT16, 4);
    put_pair(out, "database_type", type);
    put_text(out, "languages");
    put_head(out, ARRAY, 1);
    put_text(out, "en");
    put_number(out, "binary_format_major_version", UINT16, 2);
    put_number(out, "binary_format_minor_version", UINT16, 0);
    put_number(out, "build_epoch", UINT64, 1700000000);
    put_text(out, "description");
    put_head(out, MAP, 1);
    put_pair(out, "en", "a test's");
}

/* 198.51.100.0/24 has the record; nothing else is known. */
static void write_database(const char *path, const char *type) {
    enum { DATA_GAP = 16 };
    const uint32_t network = 198U << 24 | 51U << 16 | 100U << 8;
    struct buf out;
    buf_init(&out, 0);
    for (uint32_t node = 0; node < PREFIX_BITS; node++) {
        uint32_t next = node + 1 < PREFIX_BITS ? node + 1 : PREFIX_BITS + DATA_GAP;
        bool bit = (network >> (31 - node) & 1) != 0;
        put_big_endian(&out, bit ? PREFIX_BITS : next, 4);
        put_big_endian(&out, bit ? next : PREFIX_BITS, 4);
    }
    put_big_endian(&out, 0, 8);
    put_big_endian(&out, 0, 8);
    put_record(&out);
    put_metadata(&out, type);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(out.ptr, 1, out.len, file), out.len);
    assert_int_equal(fclose(file), 0);
    buf_fini(&out);
}

/* ---- the tests ---- */

static char folder[] = "geo_test_XXXXXX";
static char path[64];

static int setup(void **state) {
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/city.mmdb", folder);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    (void)unlink(path); /* it may not be there */
    return rmdir(folder);
}

static void assert_found(const struct geo *geo, const char *ip, const char *expected) {
    struct buf out;
    struct json_writer json;
    buf_init(&out, 0);
    json_writer_init(&json, &out);
    assert_int_equal(geo_write(geo, ip, &json), OK);
    buf_append_byte(&out, '\0');
    assert_string_equal(out.ptr, expected);
    buf_fini(&out);
}

static void an_address_of_a_known_network_has_its_place(void **state) {
    (void)state;
    struct geo *geo = NULL;
    struct errinfo why = {.text = ""};
    write_database(path, "Test-City");
    assert_int_equal(geo_open(path, &geo, &why), OK);
    assert_found(geo, "198.51.100.77",
        "{\"ip\":\"198.51.100.77\",\"city\":\"Uppsala\",\"country\":\"SE\",\"region\":\"Uppland\","
        "\"postal\":\"752 21\",\"location\":\"59.8586,17.6389\",\"timezone\":\"Europe/Stockholm\"}");
    geo_close(geo);
}

static void an_unknown_address_has_empty_texts(void **state) {
    (void)state;
    struct geo *geo = NULL;
    struct errinfo why = {.text = ""};
    static const char rest[] =
        ",\"city\":\"\",\"country\":\"\",\"region\":\"\",\"postal\":\"\",\"location\":\"\",\"timezone\":\"\"}";
    char expected[256];
    write_database(path, "Test-City");
    assert_int_equal(geo_open(path, &geo, &why), OK);
    snprintf(expected, sizeof expected, "{\"ip\":\"198.51.101.1\"%s", rest);
    assert_found(geo, "198.51.101.1", expected);
    snprintf(expected, sizeof expected, "{\"ip\":\"2001:db8::1\"%s", rest);
    assert_found(geo, "2001:db8::1", expected);
    geo_close(geo);
}

static void a_file_that_is_no_city_database_is_refused_and_says_why(void **state) {
    (void)state;
    struct geo *geo = NULL;
    struct errinfo why = {.text = ""};
    assert_int_equal(geo_open("geo_test_not_there.mmdb", &geo, &why), ERR_INVALID);
    assert_string_equal(why.path, "geo_test_not_there.mmdb");
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs("not a database", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(geo_open(path, &geo, &why), ERR_INVALID);
    assert_non_null(strstr(why.text, "no geolocation database"));
    write_database(path, "Test-ASN");
    assert_int_equal(geo_open(path, &geo, &why), ERR_INVALID);
    assert_string_equal(why.text, "it is a database of type Test-ASN; one with cities is needed");
    assert_null(geo);
}

static void on_done(struct transform_call *call, const struct transform_answer *answer) {
    assert_int_equal(answer->result_count, 1);
    assert_false(answer->results[0].failed);
    struct slice output = answer->results[0].output;
    assert_non_null(memmem(output.ptr, output.len, "Uppsala", 7));
    loop_stop(call->loop);
}

static void user_code_in_a_worker_gets_it_from_the_server(void **state) {
    (void)state;
    static const struct transform_code code = {
        .code = {"export const transformEvent = async (e) => ({ ...e, geo: await geolocation(e.ip) });", 84},
        .language = 1};
    static const struct transform_input input = {.message = {"{\"ip\":\"198.51.100.1\"}", 21}};
    struct transform_conf conf;
    struct arena arena;
    arena_init(&arena, 0, 0);
    struct knob_section section = transform_conf_section(&conf);
    knob_defaults(&section, &arena);
    write_database(path, "Test-City");
    conf.geo_database = slice_cstr(path);
    struct transform *transform = transform_new(&conf, testing_workers());
    struct loop *loop = loop_new("test");
    struct transform_version *version = transform_version_new(transform, &code);
    struct transform_call call = {
        .version = version, .inputs = &input, .input_count = 1, .loop = loop, .on_done = on_done};
    transform_run(transform, &call);
    loop_run(loop);
    transform_version_release(version);
    transform_free(transform);
    loop_free(loop);
    arena_fini(&arena);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "worker") == 0) {
        return worker_main();
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_of_a_known_network_has_its_place),
        cmocka_unit_test(an_unknown_address_has_empty_texts),
        cmocka_unit_test(a_file_that_is_no_city_database_is_refused_and_says_why),
        cmocka_unit_test(user_code_in_a_worker_gets_it_from_the_server),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
