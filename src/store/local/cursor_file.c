/* The bytes of a cursor file. */
#include "store/local/cursor.h"

#define CURSOR_MAGIC "SLRCUR1\n"
#define CURSOR_VERSION 1u
#define CURSOR_ALIGN 8u
#define CURSOR_RETIRED 1u
#define CURSOR_BYTES_MAX ((size_t)1 << 30)

struct cursor_head {
    char magic[8];
    uint32_t version;
    uint32_t sum;  /* of all that follows, to the end of the file */
    uint64_t size; /* of the file */
    uint64_t destination, notes_position;
    uint64_t start, scanned;
    uint64_t in, delivered, filtered, dead, expired;
    uint64_t open_count, ended_count;
    uint32_t id_len;
    uint8_t paused, flags;
    uint16_t zero;
};
_Static_assert(sizeof(struct cursor_head) == 120, "format of the cursor");

struct cursor_row {
    uint64_t offset;
    int64_t first_ms, due_ms;
    uint16_t attempts, status;
    uint8_t reason, zero[3];
};
_Static_assert(sizeof(struct cursor_row) == 32, "format of the cursor");

static size_t padded(size_t size) {
    return (size + CURSOR_ALIGN - 1) & ~(size_t)(CURSOR_ALIGN - 1);
}

static uint32_t file_sum(const char *bytes, size_t size) {
    size_t from = offsetof(struct cursor_head, size);
    return hash_check(bytes + from, size - from);
}

enum err local_cursor_encode(const struct local_cursor_image *image, struct buf *out) {
    const struct cursor_state *state = &image->state;
    static const char zeros[CURSOR_ALIGN] = {0};
    struct cursor_head head = {
        .magic = CURSOR_MAGIC,
        .version = CURSOR_VERSION,
        .destination = image->destination,
        .notes_position = image->notes_position,
        .start = state->start,
        .scanned = state->scanned,
        .in = state->counts.in,
        .delivered = state->counts.delivered,
        .filtered = state->counts.filtered,
        .dead = state->counts.dead,
        .expired = state->counts.expired,
        .open_count = state->open_count,
        .ended_count = state->ended_count,
        .id_len = (uint32_t)image->id.len,
        .paused = state->paused,
        .flags = image->retired ? CURSOR_RETIRED : 0,
    };
    head.size = sizeof head + padded(image->id.len) + state->open_count * sizeof(struct cursor_row) +
        state->ended_count * sizeof(uint64_t);
    buf_reset(out);
    buf_append(out, slice_of((const char *)&head, sizeof head));
    buf_append(out, image->id);
    buf_append(out, slice_of(zeros, padded(image->id.len) - image->id.len));
    for (size_t i = 0; i < state->open_count; i++) {
        const struct cursor_entry *entry = &state->open[i];
        struct cursor_row row = {.offset = entry->offset,
            .first_ms = entry->first_ms,
            .due_ms = entry->due_ms,
            .attempts = entry->attempts,
            .status = entry->status,
            .reason = entry->reason};
        buf_append(out, slice_of((const char *)&row, sizeof row));
    }
    if (state->ended_count > 0) {
        buf_append(out, slice_of((const char *)state->ended, state->ended_count * sizeof *state->ended));
    }
    if (out->failed != OK) {
        return out->failed;
    }
    head.sum = file_sum(out->ptr, out->len);
    memcpy(out->ptr, &head, sizeof head);
    return OK;
}

static bool head_plausible(const struct cursor_head *head, size_t size) {
    if (memcmp(head->magic, CURSOR_MAGIC, sizeof head->magic) != 0 || head->version != CURSOR_VERSION ||
        head->size != size || size > CURSOR_BYTES_MAX || head->id_len > size ||
        head->open_count > size / sizeof(struct cursor_row) || head->ended_count > size / sizeof(uint64_t)) {
        return false;
    }
    return size ==
        sizeof *head + padded(head->id_len) + head->open_count * sizeof(struct cursor_row) +
        head->ended_count * sizeof(uint64_t);
}

static void decode_open(struct cursor_state *state, const char *at, struct arena *arena) {
    state->open = ARENA_ARRAY(arena, struct cursor_entry, state->open_count);
    for (size_t i = 0; i < state->open_count; i++) {
        struct cursor_row row;
        memcpy(&row, at + i * sizeof row, sizeof row);
        state->open[i] = (struct cursor_entry){.offset = row.offset,
            .first_ms = row.first_ms,
            .due_ms = row.due_ms,
            .attempts = row.attempts,
            .status = row.status,
            .reason = row.reason};
    }
}

enum err local_cursor_decode(struct slice bytes, struct arena *arena, struct local_cursor_image *ret_image) {
    struct cursor_head head;
    if (bytes.len < sizeof head) {
        return ERR_CORRUPT;
    }
    memcpy(&head, bytes.ptr, sizeof head);
    if (!head_plausible(&head, bytes.len) || file_sum(bytes.ptr, bytes.len) != head.sum) {
        return ERR_CORRUPT;
    }
    const char *at = bytes.ptr + sizeof head;
    struct local_cursor_image image = {
        .destination = head.destination,
        .notes_position = head.notes_position,
        .retired = (head.flags & CURSOR_RETIRED) != 0,
        .id = arena_dup(arena, slice_of(at, head.id_len)),
        .state = {.start = head.start,
            .scanned = head.scanned,
            .counts = {.in = head.in,
                .delivered = head.delivered,
                .filtered = head.filtered,
                .dead = head.dead,
                .expired = head.expired},
            .open_count = head.open_count,
            .ended_count = head.ended_count,
            .paused = head.paused},
    };
    at += padded(head.id_len);
    decode_open(&image.state, at, arena);
    at += head.open_count * sizeof(struct cursor_row);
    image.state.ended = ARENA_ARRAY(arena, uint64_t, head.ended_count);
    memcpy(image.state.ended, at, head.ended_count * sizeof(uint64_t));
    *ret_image = image;
    return OK;
}
