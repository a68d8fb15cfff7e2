/* The frame of one record: what a batch is made of in memory and what the log holds on disk (docs/formats/log.md).
 * Little endian, 8-aligned: an 80-byte head, `why`, the payload, zero bytes up to a multiple of 8.
 *
 * Who fills what: store_batch_add all but the sums, group and offset; store_append body_sum (in the caller's thread);
 * the engine offset, group and head_sum. head_sum covers the head from body_sum on, so the body is covered through
 * body_sum. */
#ifndef SLUICE_STORE_FRAME_H
#define SLUICE_STORE_FRAME_H

#include "store/store.h"

#define FRAME_MAGIC UINT32_C(0x31524c53) /* "SLR1" */
#define FRAME_ALIGN 8u
#define FRAME_WHY_MAX UINT16_MAX

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "frames are written as they lie in memory");

struct frame {
    uint32_t magic;
    uint32_t head_sum;
    uint32_t body_sum; /* of why and payload */
    uint32_t payload_len;
    uint16_t why_len;
    uint8_t type;
    uint8_t flags;
    uint32_t group; /* position in the file, in units of 8, at which this record's commit group begins */
    uint64_t offset;
    int64_t received_ms;
    uint64_t source;
    uint64_t user;
    uint64_t target;
    struct hash128 message;
};
_Static_assert(sizeof(struct frame) == 80, "format of the log");

/* One record of a batch under way: store_batch.index. */
struct store_frame {
    uint64_t offset;  /* at on_done: where it is, or where it was seen first */
    uint32_t at;      /* in batch->frames, in units of FRAME_ALIGN */
    uint32_t outcome; /* enum append_outcome */
};

static inline size_t frame_body_size(const struct frame *frame) {
    return (size_t)frame->why_len + frame->payload_len;
}

/* Bytes on disk, padding included. */
static inline size_t frame_size(const struct frame *frame) {
    return (sizeof *frame + frame_body_size(frame) + FRAME_ALIGN - 1) & ~(size_t)(FRAME_ALIGN - 1);
}

static inline char *frame_body(const struct frame *frame) {
    return (char *)frame + sizeof *frame;
}

static inline struct frame *frame_of(const struct store_batch *batch, uint32_t i) {
    return (struct frame *)(void *)(batch->frames.ptr + (size_t)batch->index[i].at * FRAME_ALIGN);
}

/* `salt` tells the files of a log apart: a frame left over from a recycled file does not pass. */
uint32_t frame_head_sum(const struct frame *frame, uint32_t salt);
static inline bool frame_head_ok(const struct frame *frame, uint32_t salt) {
    return frame->magic == FRAME_MAGIC && frame->head_sum == frame_head_sum(frame, salt);
}
/* All of body is readable. */
bool frame_body_ok(const struct frame *frame);
/* The record as a reader sees it; slices point into the frame's body. */
void frame_record(const struct frame *frame, struct record *ret_record);

#endif
