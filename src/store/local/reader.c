/* Readers: a window of index entries says what is wanted and where it lies; those runs are read into one block and
 * checked. Nothing at or above the head is ever looked at. */
#include <errno.h>

#include "store/local/local.h"

#define WINDOW_ENTRIES 1024u
#define GAP_BYTES ((uint64_t)16 << 10) /* unwanted bytes that are read along rather than begin another read */

struct wanted {
    uint64_t offset;
    uint64_t at;    /* in the file */
    uint64_t place; /* in the block */
    uint32_t size;
};

struct local_reader {
    struct store_reader reader; /* first */
    uint64_t offset;
    struct local_segment *segment; /* held, or NULL */
    uint8_t *bits;                 /* wanted pairs */
    uint32_t bits_cap;
    struct local_entry window[WINDOW_ENTRIES];
    struct wanted plan[WINDOW_ENTRIES];
};

/* What one read is to bring. */
struct plan {
    struct wanted *records;
    size_t count;
    uint64_t bytes; /* of the records */
    uint64_t room;  /* of the runs that are read */
    uint64_t next;
    uint32_t lost;
};

enum err local_reader_open(struct store *store, uint64_t offset, struct store_reader **ret_reader) {
    struct local_reader *reader = mem_alloc(sizeof *reader);
    reader->reader.store = store;
    reader->offset = offset;
    *ret_reader = &reader->reader;
    return OK;
}

static struct local_reader *reader_of(const struct store_reader *reader) {
    return CONTAINER_OF((struct store_reader *)reader, struct local_reader, reader);
}

void local_reader_close(struct store_reader *base) {
    struct local_reader *reader = reader_of(base);
    local_segment_release(reader->segment);
    mem_free(reader->bits);
    mem_free(reader);
}

void local_reader_seek(struct store_reader *reader, uint64_t offset) {
    reader_of(reader)->offset = offset;
}

uint64_t local_reader_offset(const struct store_reader *reader) {
    return reader_of(reader)->offset;
}

/* The segment for reader->offset, held by the reader; moves the offset over what is not kept. NULL: at the head. */
static struct local_segment *reader_segment(struct local_reader *reader, struct local *local, uint64_t head) {
    struct local_segment *segment = reader->segment;
    uint64_t tail = atomic_load_explicit(&local->tail, memory_order_acquire);
    if (reader->offset < tail) {
        reader->offset = tail;
    }
    if (reader->offset >= head) {
        return NULL;
    }
    if (segment != NULL && reader->offset >= segment->base &&
        reader->offset - segment->base < local_segment_count(segment)) {
        return segment;
    }
    local_segment_release(segment);
    segment = reader->segment = local_segment_find(local, reader->offset);
    if (segment != NULL && segment->base > reader->offset) {
        reader->offset = segment->base;
    }
    return segment;
}

/* Adds a record to the plan; its run begins anew if it lies too far behind the one before. */
static void plan_add(struct plan *plan, uint64_t offset, const struct local_entry *entry) {
    uint64_t at = (uint64_t)entry->at * FRAME_ALIGN;
    uint32_t size = entry->size * FRAME_ALIGN;
    const struct wanted *last = plan->count > 0 ? &plan->records[plan->count - 1] : NULL;
    uint64_t gap = last != NULL && at >= last->at + last->size ? at - last->at - last->size : UINT64_MAX;
    uint64_t place = gap <= GAP_BYTES ? last->place + last->size + gap : plan->room;
    plan->records[plan->count++] = (struct wanted){.offset = offset, .at = at, .place = place, .size = size};
    plan->room = place + size;
    plan->bytes += size;
}

/* Walks the window; stops at max_bytes. */
static void plan_window(struct plan *plan, uint64_t first, const struct local_entry *window, size_t count,
    const uint8_t *bits, size_t max_bytes) {
    for (size_t i = 0; i < count; i++) {
        const struct local_entry *entry = &window[i];
        plan->next = first + i;
        if (entry->size == 0) {
            plan->lost++;
            continue;
        }
        if (bits != NULL && bits[entry->pair] == 0) {
            continue;
        }
        if (plan->count > 0 && plan->bytes + (uint64_t)entry->size * FRAME_ALIGN > max_bytes) {
            return;
        }
        plan_add(plan, first + i, entry);
    }
    plan->next = first + count;
}

/* Reads the runs; a run that cannot be read is tried record by record, so that a bad sector costs only what is on it.
 */
static void read_runs(struct local *local, int fd, const struct plan *plan, char *bytes) {
    for (size_t i = 0; i < plan->count;) {
        const struct wanted *first = &plan->records[i];
        size_t n = i + 1;
        while (n < plan->count && plan->records[n].place - first->place == plan->records[n].at - first->at) {
            n++;
        }
        const struct wanted *last = &plan->records[n - 1];
        size_t size = last->place + last->size - first->place;
        ssize_t got = local->fs->read(local->fs, fd, bytes + first->place, size, first->at);
        for (size_t k = i; got != (ssize_t)size && k < n; k++) {
            const struct wanted *one = &plan->records[k];
            got = local->fs->read(local->fs, fd, bytes + one->place, one->size, one->at);
            if (got != (ssize_t)one->size) {
                (void)local_io(local, got < 0 ? (int)got : -EIO, "read record", one->offset); /* found corrupt below */
                memset(bytes + one->place, 0, one->size);
            }
            got = 0;
        }
        i = n;
    }
}

/* Fills the records that are what the index says. */
static uint32_t fill_records(
    struct local_segment *segment, const struct plan *plan, char *bytes, struct record *records) {
    uint32_t count = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const struct wanted *wanted = &plan->records[i];
        const struct frame *frame = (const struct frame *)(const void *)(bytes + wanted->place);
        if (i + 1 < plan->count) { /* the checksum of this one hides the way to the next one's head */
            __builtin_prefetch(bytes + plan->records[i + 1].place);
            __builtin_prefetch(bytes + plan->records[i + 1].place + sizeof *frame);
        }
        if (frame_head_ok(frame, segment->salt) && frame->offset == wanted->offset &&
            frame_size(frame) == wanted->size && frame_body_ok(frame)) {
            frame_record(frame, &records[count++]);
            continue;
        }
        stat_add(&segment->local->store.stat.corrupt, 1);
        LOG(ERROR, "store", "corrupt record skipped", "offset=%lu segment=%lu at=%lu", (unsigned long)wanted->offset,
            (unsigned long)segment->base, (unsigned long)wanted->at);
    }
    return count;
}

static enum err read_plan(struct local_segment *segment, const struct plan *plan, struct store_block **ret_block) {
    int fd = -1;
    enum err e = plan->count > 0 ? local_segment_fd(segment, &fd) : OK;
    if (e != OK) {
        return e;
    }
    struct record *records = NULL;
    char *bytes = NULL;
    struct store_block *block = store_block_new(plan->count, plan->room, &records, &bytes);
    if (block == NULL) {
        return ERR_NOMEM;
    }
    read_runs(segment->local, fd, plan, bytes);
    block->count = fill_records(segment, plan, bytes, records);
    block->next = plan->next;
    block->corrupt = (uint32_t)(plan->count - block->count) + plan->lost;
    *ret_block = block;
    return OK;
}

/* One step within one segment: a block, or NULL when nothing in the step was wanted. Moves the reader. */
static enum err read_step(struct local_reader *reader, struct local_segment *segment, uint64_t head,
    const struct store_filter *filter, size_t max_bytes, struct store_block **ret_block) {
    uint64_t count = local_segment_count(segment); /* before the pairs: those of all that is counted are there */
    if (head - segment->base < count) {
        count = head - segment->base;
    }
    const uint8_t *bits = NULL;
    if (filter != NULL && (filter->sources != NULL || filter->target != 0)) {
        bool any = false;
        (void)local_segment_wanted(segment, filter, &reader->bits, &reader->bits_cap, &any);
        if (!any) {
            reader->offset = segment->base + count;
            return OK;
        }
        bits = reader->bits;
    }
    uint64_t first = reader->offset;
    size_t n = 0;
    size_t max = segment->base + count - first < WINDOW_ENTRIES ? segment->base + count - first : WINDOW_ENTRIES;
    enum err e = local_segment_entries(segment, first - segment->base, max, reader->window, &n);
    if (e != OK) {
        return e;
    }
    struct plan plan = {.records = reader->plan, .next = first};
    plan_window(&plan, first, reader->window, n, bits, max_bytes);
    if (plan.count > 0 || plan.lost > 0) {
        e = read_plan(segment, &plan, ret_block);
    }
    if (e == OK) {
        reader->offset = plan.next;
    }
    return e;
}

enum err local_read(
    struct store_reader *base, const struct store_filter *filter, size_t max_bytes, struct store_block **ret_block) {
    struct local_reader *reader = reader_of(base);
    struct local *local = local_of(base->store);
    struct store_block *block = NULL;
    while (block == NULL) {
        uint64_t head = atomic_load_explicit(&local->head, memory_order_acquire);
        struct local_segment *segment = reader_segment(reader, local, head);
        if (segment == NULL) {
            return ERR_END;
        }
        enum err e = read_step(reader, segment, head, filter, max_bytes, &block);
        if (e == ERR_NOT_FOUND && reader->offset < atomic_load_explicit(&local->tail, memory_order_acquire)) {
            continue; /* trimmed under our hands: on at the oldest kept */
        }
        if (e == ERR_CORRUPT) { /* a page of the index that could not be repaired: what it covers is skipped, the rest
                                   is read */
            stat_add(&local->store.stat.corrupt, LOCAL_PAGE_ENTRIES);
            reader->offset += LOCAL_PAGE_ENTRIES - (reader->offset - segment->base) % LOCAL_PAGE_ENTRIES;
            continue;
        }
        if (e != OK) {
            return e;
        }
    }
    *ret_block = block;
    return OK;
}

enum err local_get(struct store *store, uint64_t offset, struct store_block **ret_block) {
    struct local *local = local_of(store);
    if (offset < atomic_load_explicit(&local->tail, memory_order_acquire) ||
        offset >= atomic_load_explicit(&local->head, memory_order_acquire)) {
        return ERR_NOT_FOUND;
    }
    struct local_segment *segment = local_segment_find(local, offset);
    if (segment == NULL || segment->base > offset) {
        local_segment_release(segment);
        return ERR_NOT_FOUND;
    }
    struct local_entry entry;
    size_t n = 0;
    enum err e = local_segment_entries(segment, offset - segment->base, 1, &entry, &n);
    struct wanted record;
    struct plan plan = {.records = &record, .next = offset + 1};
    if (e == OK && (n == 0 || entry.size == 0)) {
        e = ERR_CORRUPT;
    }
    struct store_block *block = NULL;
    if (e == OK) {
        plan_add(&plan, offset, &entry);
        e = read_plan(segment, &plan, &block);
    }
    local_segment_release(segment);
    if (e == OK && block->count == 0) {
        store_block_release(block);
        return ERR_CORRUPT;
    }
    if (e == OK) {
        *ret_block = block;
    }
    return e;
}
