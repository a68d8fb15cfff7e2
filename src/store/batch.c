/* Batches: records framed by the caller's thread, so that the engine's writer only fills in what is known at commit
 * time. */
#include "store/engine.h"
#include "store/frame.h"

#define BATCH_BYTES_MAX ((size_t)1 << 30)
#define BATCH_INDEX_FIRST 16u

/* store.record_bytes. A batch does not know its store, and a process has one: store_open sets it for all. */
static _Atomic size_t record_bytes_max = (size_t)64 << 20;

void store_batch_set_limit(size_t record_bytes) {
    atomic_store_explicit(&record_bytes_max, record_bytes, memory_order_relaxed);
}

uint32_t frame_head_sum(const struct frame *frame, uint32_t salt) {
    size_t from = offsetof(struct frame, body_sum);
    return hash_check((const char *)frame + from, sizeof *frame - from) ^ salt;
}

bool frame_body_ok(const struct frame *frame) {
    return hash_check(frame_body(frame), frame_body_size(frame)) == frame->body_sum;
}

void frame_record(const struct frame *frame, struct record *ret_record) {
    const char *body = frame_body(frame);
    /* field by field: built as a whole and copied, it would cost as much as the checksum of a small record */
    ret_record->offset = frame->offset;
    ret_record->head.received_ms = frame->received_ms;
    ret_record->head.source = frame->source;
    ret_record->head.user = frame->user;
    ret_record->head.message = frame->message;
    ret_record->head.target = frame->target;
    ret_record->head.type = frame->type;
    ret_record->head.flags = frame->flags;
    ret_record->why = slice_of(body, frame->why_len);
    ret_record->payload = slice_of(body + frame->why_len, frame->payload_len);
}

void store_batch_init(struct store_batch *batch, struct loop *loop, void (*on_done)(struct store_batch *)) {
    *batch = (struct store_batch){.loop = loop, .on_done = on_done};
    buf_init(&batch->frames, BATCH_BYTES_MAX);
}

void store_batch_fini(struct store_batch *batch) {
    buf_fini(&batch->frames);
    mem_free(batch->index);
    batch->index = NULL;
    batch->count = batch->index_cap = 0;
}

void store_batch_reset(struct store_batch *batch) {
    buf_reset(&batch->frames);
    batch->count = 0;
    batch->duplicates = 0;
    batch->result = OK;
}

static bool batch_index_reserve(struct store_batch *batch) {
    if (batch->count < batch->index_cap) {
        return true;
    }
    uint32_t cap = batch->index_cap > 0 ? batch->index_cap * 2 : BATCH_INDEX_FIRST;
    struct store_frame *index = mem_try_resize(batch->index, cap * sizeof *index);
    if (index == NULL) {
        return false;
    }
    batch->index = index;
    batch->index_cap = cap;
    return true;
}

char *store_batch_add(
    struct store_batch *batch, const struct record_head *head, struct slice why, size_t payload_size) {
    if (why.len > FRAME_WHY_MAX) {
        why.len = FRAME_WHY_MAX;
    }
    size_t max = atomic_load_explicit(&record_bytes_max, memory_order_relaxed);
    if (payload_size > max || sizeof(struct frame) + why.len > max - payload_size || !batch_index_reserve(batch)) {
        return NULL;
    }
    struct frame frame = {
        .magic = FRAME_MAGIC,
        .payload_len = (uint32_t)payload_size,
        .why_len = (uint16_t)why.len,
        .type = head->type,
        .flags = head->flags,
        .received_ms = head->received_ms,
        .source = head->source,
        .user = head->user,
        .target = head->target,
        .message = head->message,
    };
    size_t size = frame_size(&frame);
    if (buf_reserve(&batch->frames, size) != OK) {
        batch->frames.failed = OK; /* this record did not fit; the batch stays usable */
        return NULL;
    }
    char *at = batch->frames.ptr + batch->frames.len;
    memset(at + size - FRAME_ALIGN, 0, FRAME_ALIGN); /* the padding, before what may overlap it */
    memcpy(at, &frame, sizeof frame);
    if (why.len > 0) {
        memcpy(at + sizeof frame, why.ptr, why.len);
    }
    batch->index[batch->count++] = (struct store_frame){
        .offset = UINT64_MAX, .at = (uint32_t)(batch->frames.len / FRAME_ALIGN), .outcome = APPEND_STORED};
    batch->frames.len += size;
    return at + sizeof frame + why.len;
}

void store_batch_drop_last(struct store_batch *batch) {
    ASSERT(batch->count > 0);
    batch->count--;
    batch->frames.len = (size_t)batch->index[batch->count].at * FRAME_ALIGN;
}

enum append_outcome store_batch_outcome(const struct store_batch *batch, uint32_t i, uint64_t *ret_offset) {
    ASSERT(i < batch->count);
    *ret_offset = batch->index[i].offset;
    return (enum append_outcome)batch->index[i].outcome;
}

static void on_batch_msg(struct loop_msg *msg) {
    struct store_batch *batch = CONTAINER_OF(msg, struct store_batch, msg);
    batch->on_done(batch);
}

void store_batch_seal(struct store_batch *batch) {
    batch->msg.on_msg = on_batch_msg;
    batch->result = OK;
    batch->duplicates = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        struct frame *frame = frame_of(batch, i);
        frame->body_sum = hash_check(frame_body(frame), frame_body_size(frame));
        batch->index[i].outcome = APPEND_STORED;
        batch->index[i].offset = UINT64_MAX;
    }
}
