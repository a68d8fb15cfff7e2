/* knob_set on any text, for each type: what it accepts lies in its range, and its printed form sets the same value
 * again. */
#include "base/knob.h"

struct fuzz_conf {
    KNOB_FIELD_U64(u64)
    KNOB_FIELD_I64(i64)
    KNOB_FIELD_BOOL(flag)
    KNOB_FIELD_TEXT(text)
    KNOB_FIELD_ENUM(word)
    KNOB_FIELD_DURATION(duration)
    KNOB_FIELD_BYTES(bytes)
};

static const struct knob rows[] = {KNOB_ROW_(struct fuzz_conf, U64, u64, "5", 5, 1000000, "", 0, "")
        KNOB_ROW_(struct fuzz_conf, I64, i64, "0", -1000, INT64_MAX, "", 0, "") KNOB_ROW_(struct fuzz_conf, BOOL, flag,
            "true", 0, 0, "", 0, "") KNOB_ROW_(struct fuzz_conf, TEXT, text, "x", 1, 100, "", 0, "")
            KNOB_ROW_(struct fuzz_conf, ENUM, word, "a", 0, 0, "a|bb|ccc", 0, "")
                KNOB_ROW_(struct fuzz_conf, DURATION, duration, "1s", 1, INT64_MAX, "ms", 0, "")
                    KNOB_ROW_(struct fuzz_conf, BYTES, bytes, "1KiB", 1, INT64_MAX, "bytes", 0, "")};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    const struct knob *knob = &rows[data[0] % COUNT_OF(rows)];
    struct fuzz_conf conf = {0};
    struct knob_section section = {.name = "fuzz", .knobs = rows, .count = COUNT_OF(rows), .base = &conf};
    struct arena arena;
    struct errinfo why = {.text = ""};
    arena_init(&arena, 0, 0);
    knob_defaults(&section, &arena);
    enum err e = knob_set(&section, &arena, slice_cstr(knob->key), slice_of((const char *)data + 1, size - 1), &why);
    ASSERT((e == OK) == (why.text[0] == '\0'));
    ASSERT(conf.u64 >= 5 && conf.u64 <= 1000000 && conf.i64 >= -1000 && conf.word < 3);
    ASSERT(conf.duration >= 1 && conf.bytes >= 1 && conf.text.len >= 1 && conf.text.len <= 100);
    struct slice shown = knob_text(&section, knob, &arena);
    e = knob_set(&section, &arena, slice_cstr(knob->key), shown, &why);
    ASSERT(e == OK);
    ASSERT(slice_eq(shown, knob_text(&section, knob, &arena)));
    arena_fini(&arena);
    return 0;
}
