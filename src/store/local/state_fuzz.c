/* Any bytes as a cursor file, as notes and as dead letters: decoded or refused, never a crash. What decodes as a cursor
 * encodes to the same bytes. */
#include "store/local/local.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_note(void *ctx, const struct note *note) {
    uint64_t *sum = ctx;
    *sum += note->offset + note->text.len;
    for (size_t i = 0; i < note->text.len; i++) {
        *sum += (unsigned char)note->text.ptr[i];
    }
}

static void try_cursor(struct slice bytes) {
    struct arena arena;
    arena_init(&arena, 0, 0);
    struct local_cursor_image image;
    if (local_cursor_decode(bytes, &arena, &image) == OK) {
        struct buf again;
        buf_init(&again, 0);
        ASSERT(local_cursor_encode(&image, &again) == OK);
        ASSERT(again.len == bytes.len);
        buf_fini(&again);
    }
    arena_fini(&arena);
}

/* With the sums put right, so that what is behind them is reached. */
static void mend(char *bytes, size_t size) {
    if (size >= 120) {
        memcpy(bytes, "SLRCUR1\n\1\0\0\0", 12);
        uint64_t length = size;
        memcpy(bytes + 16, &length, sizeof length);
        uint32_t sum = hash_check(bytes + 16, size - 16);
        memcpy(bytes + 12, &sum, sizeof sum);
    }
}

static void mend_notes(char *bytes, size_t size) {
    struct notes_group group;
    if (size >= sizeof group) {
        memcpy(&group, bytes, sizeof group);
        group.magic = NOTES_MAGIC;
        group.bytes = (uint32_t)(size - sizeof group) & ~7u;
        memcpy(bytes, &group, sizeof group);
        group.sum = local_notes_sum(bytes, group.bytes);
        memcpy(bytes, &group, sizeof group);
    }
}

static void try_dead(const char *bytes, size_t size) {
    struct local_dead_file file = {.first = 1};
    uint64_t bad = 0;
    ASSERT(local_dead_scan(&file, bytes, size, &bad) <= size);
    for (size_t i = 0; i < file.count; i++) {
        struct dead_frame frame;
        struct dead_letter letter;
        size_t at = (size_t)file.entries[i].at * DEAD_ALIGN;
        if (file.entries[i].size != 0) {
            ASSERT(dead_head_ok(bytes + at, size - at, size - at, &frame));
            dead_decode_letter(&frame, bytes + at, /*with_body*/ true, &letter);
            ASSERT(letter.payload.ptr + letter.payload.len <= bytes + size);
        }
    }
    mem_free(file.entries);
    mem_free(file.taken);
}

/* Sums of every dead letter's frame put right. */
static void mend_dead(char *bytes, size_t size) {
    for (size_t at = 0; at + sizeof(struct dead_frame) <= size; at += DEAD_ALIGN) {
        struct dead_frame frame;
        memcpy(&frame, bytes + at, sizeof frame);
        if (frame.magic != DEAD_MAGIC) {
            continue;
        }
        frame.size = frame.size % 1024 & ~7u;
        frame.id %= 32;
        if (frame.size < sizeof frame || frame.size > size - at || dead_head_size(&frame) > frame.size) {
            continue;
        }
        size_t head = dead_head_size(&frame);
        frame.body_sum = hash_check(bytes + at + head, frame.size - head);
        memcpy(bytes + at, &frame, sizeof frame);
        size_t from = offsetof(struct dead_frame, body_sum);
        frame.head_sum = hash_check(bytes + at + from, head - from);
        memcpy(bytes + at, &frame, sizeof frame);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *bytes = mem_alloc(size);
    uint64_t sum = 0;
    size_t need = 0;
    memcpy(bytes, data, size);
    for (int round = 0; round < 2; round++) {
        try_cursor(slice_of(bytes, size));
        mend(bytes, size);
    }
    memcpy(bytes, data, size);
    for (int round = 0; round < 2; round++) {
        ASSERT(local_notes_decode(bytes, size, &need, on_note, &sum) <= size);
        mend_notes(bytes, size);
    }
    memcpy(bytes, data, size);
    for (int round = 0; round < 2; round++) {
        try_dead(bytes, size);
        mend_dead(bytes, size);
    }
    mem_free(bytes);
    return 0;
}
