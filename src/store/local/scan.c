/* Reading a segment file from its bytes alone: at start for the segment that was growing, and wherever an index is
 * missing.
 *
 * What is found where a whole record should be:
 *   a whole record                                    -> it is one
 *   something else, and a later commit group behind it -> that group was begun after this place had been synced: the
 * record here is corrupt; it is skipped, counted, and reading goes on at the next whole head something else, and
 * nothing of a later group      -> the torn tail of a group that was never acknowledged: the segment ends here In a
 * sealed segment the second line holds without asking for a later group. */
#include "store/local/local.h"

#define SCAN_BLOCK ((size_t)1 << 20)
#define FRAME_MAX \
    ((size_t)(64u << 20) + sizeof(struct frame) + FRAME_WHY_MAX + FRAME_ALIGN) /* the knob's upper limit */

struct scan {
    struct local_segment *segment;
    int fd;
    uint64_t size; /* of the file */
    char *buffer;
    size_t cap;
    uint64_t from; /* position of buffer[0] */
    size_t len;
    enum err failed;
};

enum scan_found { SCAN_WHOLE, SCAN_BODY_BAD, SCAN_NONE };

/* `need` bytes at `at`, or NULL: past the end, or a read failed (then scan->failed). */
static const char *scan_bytes(struct scan *scan, uint64_t at, size_t need) {
    if (at > scan->size || need > scan->size - at || scan->failed != OK) {
        return NULL;
    }
    if (at >= scan->from && at + need <= scan->from + scan->len) {
        return scan->buffer + (at - scan->from);
    }
    size_t want = need > SCAN_BLOCK ? need : SCAN_BLOCK;
    if (want > scan->cap) {
        char *buffer = mem_try_resize(scan->buffer, want);
        if (buffer == NULL) {
            scan->failed = ERR_NOMEM;
            return NULL;
        }
        scan->buffer = buffer;
        scan->cap = want;
    }
    struct local *local = scan->segment->local;
    ssize_t n = local->fs->read(local->fs, scan->fd, scan->buffer, want, at);
    scan->from = at;
    scan->len = n > 0 ? (size_t)n : 0;
    if (n < 0) {
        scan->failed = local_io(local, (int)n, "read", at);
    }
    return scan->len >= need ? scan->buffer : NULL;
}

/* The head at `at`, if it is one of this segment's. Valid until the next scan_bytes. */
static const struct frame *scan_head(struct scan *scan, uint64_t at) {
    const struct frame *frame = (const struct frame *)(const void *)scan_bytes(scan, at, sizeof *frame);
    if (frame == NULL || !frame_head_ok(frame, scan->segment->salt) || frame_size(frame) > FRAME_MAX ||
        frame_size(frame) > scan->size - at || frame->offset < scan->segment->base) {
        return NULL;
    }
    return frame;
}

static enum scan_found scan_record(struct scan *scan, uint64_t at, uint64_t offset, const struct frame **ret_frame) {
    const struct frame *frame = scan_head(scan, at);
    if (frame == NULL || frame->offset != offset) {
        return SCAN_NONE;
    }
    frame = (const struct frame *)(const void *)scan_bytes(scan, at, frame_size(frame));
    if (frame == NULL) {
        return SCAN_NONE;
    }
    *ret_frame = frame;
    return frame_body_ok(frame) ? SCAN_WHOLE : SCAN_BODY_BAD;
}

/* Position of the next head at or after `at` with an offset in (above, limit) and a group that begins after `group`; 0
 * = none. */
static uint64_t scan_next(struct scan *scan, uint64_t at, uint64_t above, uint64_t limit, uint64_t group) {
    for (; at + sizeof(struct frame) <= scan->size; at += FRAME_ALIGN) {
        const char *bytes = scan_bytes(scan, at, FRAME_ALIGN);
        if (bytes == NULL) {
            return 0;
        }
        uint32_t magic;
        memcpy(&magic, bytes, sizeof magic);
        const struct frame *frame = magic == FRAME_MAGIC ? scan_head(scan, at) : NULL;
        if (frame != NULL && frame->offset > above && frame->offset < limit &&
            (uint64_t)frame->group * FRAME_ALIGN > group) {
            return at;
        }
    }
    return 0;
}

/* How much there is behind `end` of what a crash can have left. A prepared file has old bytes or zeros there anyway:
 * only what has this segment's salt counts. */
static uint64_t torn_bytes(struct scan *scan, uint64_t end) {
    uint64_t last = end;
    bool prepared = scan->segment->prepared;
    for (uint64_t at = end; at < scan->size;) {
        size_t n = scan->size - at < FRAME_ALIGN ? scan->size - at : FRAME_ALIGN;
        const char *bytes = scan_bytes(scan, at, n);
        if (bytes == NULL) {
            break;
        }
        static const char zeros[FRAME_ALIGN] = {0};
        if (!prepared && memcmp(bytes, zeros, n) != 0) {
            last = at + n;
        }
        const struct frame *frame = prepared && memcmp(bytes, zeros, n) != 0 ? scan_head(scan, at) : NULL;
        if (frame != NULL) {
            last = at + frame_size(frame);
        }
        at += n;
    }
    return last - end;
}

static void scan_corrupt(struct scan *scan, uint64_t first, uint64_t count) {
    stat_add(&scan->segment->local->store.stat.corrupt, (int64_t)count);
    LOG(ERROR, "store", "corrupt record skipped", "segment=%lu offset=%lu count=%lu",
        (unsigned long)scan->segment->base, (unsigned long)first, (unsigned long)count);
}

/* A place that holds no whole record: *at moves on to where reading goes on, or stays and false is returned: the end.
 */
static bool scan_resync(
    struct scan *scan, uint64_t *at, uint64_t limit, bool last, enum scan_found found, const struct frame *bad_body) {
    struct local_segment *segment = scan->segment;
    uint64_t offset = segment->base + segment->added;
    struct frame head = {.magic = 0};
    if (found == SCAN_BODY_BAD) {
        head = *bad_body;
    }
    if (last && scan_next(scan, *at + FRAME_ALIGN, offset, limit, *at) == 0) {
        return false;
    }
    uint64_t next = scan_next(scan, *at + FRAME_ALIGN, offset, limit, 0);
    if (found == SCAN_BODY_BAD && (next != 0 || !last)) {
        scan_corrupt(scan, offset, 1);
        local_segment_add(segment, &head, *at); /* its head is good: readers find the body corrupt */
        *at += frame_size(&head);
        return true;
    }
    const struct frame *frame = next != 0 ? scan_head(scan, next) : NULL;
    if (frame == NULL) {
        return false;
    }
    scan_corrupt(scan, offset, frame->offset - offset);
    local_segment_add_lost(segment, frame->offset);
    *at = next;
    return true;
}

static void scan_file_head(struct scan *scan) {
    const char *bytes = scan_bytes(scan, 0, sizeof(struct local_segment_head));
    struct local_segment_head head;
    if (bytes == NULL) {
        return; /* shorter: a segment whose first group never came */
    }
    memcpy(&head, bytes, sizeof head);
    static const struct local_segment_head zeros;
    size_t from = offsetof(struct local_segment_head, base);
    bool whole = memcmp(head.magic, LOCAL_SEGMENT_MAGIC, sizeof head.magic) == 0 &&
        head.sum == hash_check((const char *)&head + from, sizeof head - from);
    if (whole && head.base == scan->segment->base) {
        scan->segment->prepared = (head.flags & LOCAL_SEGMENT_PREPARED) != 0;
    } else if (whole || memcmp(&head, &zeros, sizeof head) == 0) {
        scan->segment->prepared = true; /* a spare that had its new name, and not yet its new head */
    } else {
        LOG(WARN, "store", "head of a segment is bad; its records are read all the same", "segment=%lu",
            (unsigned long)scan->segment->base);
    }
}

enum err local_segment_scan(struct local_segment *segment, uint64_t limit, bool last, uint64_t *ret_torn) {
    struct local *local = segment->local;
    struct scan scan = {.segment = segment};
    enum err e = local_segment_fd(segment, &scan.fd);
    if (e != OK) {
        return e;
    }
    int64_t size = local->fs->size(local->fs, scan.fd);
    if (size < 0) {
        return local_io(local, (int)size, "stat", segment->base);
    }
    scan.size = (uint64_t)size;
    scan_file_head(&scan);
    uint64_t at = segment->end;
    while (segment->base + segment->added < limit) {
        const struct frame *frame = NULL;
        enum scan_found found = scan_record(&scan, at, segment->base + segment->added, &frame);
        if (found == SCAN_WHOLE) {
            local_segment_add(segment, frame, at);
            at += frame_size(frame);
        } else if (!scan_resync(&scan, &at, limit, last, found, frame)) {
            break;
        }
    }
    *ret_torn = last && scan.failed == OK ? torn_bytes(&scan, at) : 0;
    if (!last && scan.failed == OK && segment->base + segment->added < limit) {
        scan_corrupt(&scan, segment->base + segment->added, limit - segment->base - segment->added);
        local_segment_add_lost(segment, limit);
    }
    mem_free(scan.buffer);
    local_segment_publish(segment, at);
    return scan.failed;
}
