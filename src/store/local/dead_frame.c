/* The bytes of dead letters: see docs/formats/dead.md. */
#include "store/local/dead.h"

static size_t padded(size_t size) {
    return (size + DEAD_ALIGN - 1) & ~(size_t)(DEAD_ALIGN - 1);
}

static uint32_t head_sum(const char *data, const struct dead_frame *frame) {
    size_t from = offsetof(struct dead_frame, body_sum);
    return hash_check(data + from, dead_head_size(frame) - from);
}

/* At most `max` bytes: ids and reasons are short, and what is not is cut rather than refused. */
static struct slice cut(struct slice s, size_t max) {
    return slice_of(s.ptr, s.len < max ? s.len : max);
}

/* Pads, sums, and puts the head in front of what is behind `at` already. */
static enum err finish(struct buf *out, struct dead_frame *frame) {
    static const char zeros[DEAD_ALIGN] = {0};
    buf_append(out, slice_of(zeros, padded(out->len) - out->len));
    if (out->failed != OK) {
        return out->failed;
    }
    if (out->len > UINT32_MAX / 2) {
        return ERR_TOO_LARGE;
    }
    frame->magic = DEAD_MAGIC;
    frame->size = (uint32_t)out->len;
    size_t head = dead_head_size(frame);
    frame->body_sum = hash_check(out->ptr + head, out->len - head);
    memcpy(out->ptr, frame, sizeof *frame);
    frame->head_sum = head_sum(out->ptr, frame);
    memcpy(out->ptr, frame, sizeof *frame);
    return OK;
}

enum err dead_encode_letter(const struct dead_letter *letter, struct buf *out) {
    struct slice destination = cut(letter->destination_id, UINT16_MAX), source = cut(letter->source_id, UINT16_MAX);
    struct slice message = cut(letter->message_id, UINT16_MAX), text = cut(letter->text, UINT16_MAX);
    if (letter->request.len > INT32_MAX || letter->response.len > INT32_MAX || letter->payload.len > INT32_MAX) {
        return ERR_TOO_LARGE;
    }
    struct dead_frame frame = {
        .kind = DEAD_LETTER,
        .type = letter->type,
        .reason = letter->reason,
        .attempts = letter->attempts,
        .status = letter->status,
        .id = letter->id,
        .at_ms = letter->at_ms,
        .received_ms = letter->received_ms,
        .offset = letter->offset,
        .destination = letter->destination,
        .source = letter->source,
        .user = letter->user,
        .message = letter->message,
        .destination_id_len = (uint16_t)destination.len,
        .source_id_len = (uint16_t)source.len,
        .message_id_len = (uint16_t)message.len,
        .text_len = (uint16_t)text.len,
        .request_len = (uint32_t)letter->request.len,
        .response_len = (uint32_t)letter->response.len,
        .payload_len = (uint32_t)letter->payload.len,
    };
    const struct slice parts[] = {
        destination, source, message, text, letter->request, letter->response, letter->payload};
    buf_reset(out);
    buf_append(out, slice_of((const char *)&frame, sizeof frame));
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        buf_append(out, parts[i]);
    }
    return finish(out, &frame);
}

enum err dead_encode_taken(uint64_t id, struct buf *out) {
    struct dead_frame frame = {.kind = DEAD_TAKEN, .id = id};
    buf_reset(out);
    buf_append(out, slice_of((const char *)&frame, sizeof frame));
    return finish(out, &frame);
}

enum err dead_encode_end(const struct local_dead_file *file, struct buf *out) {
    struct dead_frame frame = {.kind = DEAD_END, .id = file->first, .offset = file->count, .source = file->taken_count};
    buf_reset(out);
    buf_append(out, slice_of((const char *)&frame, sizeof frame));
    if (file->count > 0) {
        buf_append(out, slice_of((const char *)file->entries, file->count * sizeof *file->entries));
    }
    if (file->taken_count > 0) {
        buf_append(out, slice_of((const char *)file->taken, file->taken_count * sizeof *file->taken));
    }
    enum err e = finish(out, &frame);
    if (e != OK) {
        return e;
    }
    uint64_t size = frame.size; /* the last 8 bytes of a full file say where its end begins */
    return buf_append(out, slice_of((const char *)&size, sizeof size));
}

bool dead_head_ok(const char *data, size_t size, uint64_t left, struct dead_frame *ret_frame) {
    struct dead_frame frame;
    if (size < sizeof frame) {
        return false;
    }
    memcpy(&frame, data, sizeof frame);
    if (frame.magic != DEAD_MAGIC || frame.size % DEAD_ALIGN != 0 || frame.size > left ||
        dead_head_size(&frame) > size || dead_head_size(&frame) + dead_body_size(&frame) > frame.size ||
        head_sum(data, &frame) != frame.head_sum) {
        return false;
    }
    *ret_frame = frame;
    return true;
}

bool dead_body_ok(const struct dead_frame *frame, const char *data) {
    size_t head = dead_head_size(frame);
    return hash_check(data + head, frame->size - head) == frame->body_sum;
}

static struct slice take(const char **at, size_t len) {
    struct slice s = slice_of(*at, len);
    *at += len;
    return s;
}

void dead_decode_letter(
    const struct dead_frame *frame, const char *data, bool with_body, struct dead_letter *ret_letter) {
    const char *at = data + sizeof *frame;
    *ret_letter = (struct dead_letter){
        .id = frame->id,
        .at_ms = frame->at_ms,
        .received_ms = frame->received_ms,
        .offset = frame->offset,
        .destination = frame->destination,
        .source = frame->source,
        .user = frame->user,
        .message = frame->message,
        .attempts = frame->attempts,
        .status = frame->status,
        .type = frame->type,
        .reason = frame->reason,
    };
    ret_letter->destination_id = take(&at, frame->destination_id_len);
    ret_letter->source_id = take(&at, frame->source_id_len);
    ret_letter->message_id = take(&at, frame->message_id_len);
    ret_letter->text = take(&at, frame->text_len);
    if (with_body) {
        ret_letter->request = take(&at, frame->request_len);
        ret_letter->response = take(&at, frame->response_len);
        ret_letter->payload = take(&at, frame->payload_len);
    }
}
