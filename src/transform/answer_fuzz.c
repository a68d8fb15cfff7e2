/* What a worker says of a step, as bytes that somebody hostile wrote. */
#include "transform/transform_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum { STEP = 3, DEPTH = 192 };
    static struct transform transform;
    static struct transform_version version;
    uint32_t step[STEP] = {4, 0, 9};
    if (transform.parser == NULL) {
        transform.parser = json_parser_new(DEPTH);
    }
    struct job job = {.transform = &transform, .version = &version, .step = step, .step_count = size % STEP + 1};
    struct answer_again again;
    arena_init(&job.arena, 0, 0);
    char *text = arena_alloc(&job.arena, size + JSON_PADDING);
    memcpy(text, size > 0 ? (const char *)data : "", size);
    if (answer_read(&job, slice_of(text, size), &again) == OK) {
        ASSERT(again.count <= job.step_count);
        for (size_t i = 0; i < job.result_count; i++) {
            ASSERT(job.results[i].input == TRANSFORM_NO_INPUT || job.results[i].input <= 9);
        }
    }
    arena_fini(&job.arena);
    return 0;
}
