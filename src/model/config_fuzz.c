/* Any bytes as a sluice.yaml: either it is refused with a place and a sentence, or the knobs are within their ranges.
 */
#include <stddef.h>
#include <stdint.h>

#include "model/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sample_conf {
    uint64_t count, bytes;
    int64_t wait;
    struct slice text;
    unsigned word;
    bool flag;
};

static const struct knob sample_knobs[] = {
#define K(type, key, def, min, max, unit) KNOB_ROW_(struct sample_conf, type, key, def, min, max, unit, 0, "")
    K(U64, count, "1", 1, 10, "") K(BYTES, bytes, "1KiB", 1, 1048576, "bytes") K(DURATION, wait, "1s", 1, 60000, "ms")
        K(TEXT, text, "x", 1, 16, "") K(ENUM, word, "one", 0, 0, "one|two|three") K(BOOL, flag, "true", 0, 0, "")
#undef K
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sample_conf a, b;
    struct knob_section sections[] = {
        {"alpha", sample_knobs, COUNT_OF(sample_knobs), &a},
        {"beta", sample_knobs, COUNT_OF(sample_knobs), &b},
    };
    struct arena arena;
    arena_init(&arena, 4096, 0);
    knob_defaults(&sections[0], &arena);
    knob_defaults(&sections[1], &arena);
    struct errinfo why = {.text = ""};
    struct config_text text = {"f.yaml", slice_of((const char *)data, size)};
    enum err e = config_parse(sections, COUNT_OF(sections), &text, &arena, &why);
    ASSERT(e == OK || (why.path[0] != '\0' && why.text[0] != '\0'));
    ASSERT(a.count >= 1 && a.count <= 10 && a.bytes >= 1 && a.bytes <= 1048576 && a.wait >= 1 && a.wait <= 60000);
    ASSERT(b.word < 3 && b.text.len >= 1 && b.text.len <= 16);
    arena_fini(&arena);
    return 0;
}
