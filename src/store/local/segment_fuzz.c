/* Any bytes as a segment file, and as its index: recovery and reading end in records or errors, never in a crash. The
 * first byte says whether the bytes are the last segment, a sealed one, or the index of a good one. */
#include "store/local/fs_fake.h"

#include "store/local/local.h"

#define INPUT_MAX ((size_t)1 << 16)
#define READ_BYTES 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_file(struct fake_fs *fake, const char *path, const void *bytes, size_t size) {
    int fd = fake->fs.open(&fake->fs, path, LOCAL_FS_WRITE | LOCAL_FS_CREATE | LOCAL_FS_TRUNCATE);
    struct iovec iov = {.iov_base = (void *)bytes, .iov_len = size};
    ASSERT(fd > 0 && fake->fs.write(&fake->fs, fd, &iov, 1, 0) == 0);
    fake->fs.close(&fake->fs, fd);
}

/* Makes the frames of the input pass their sums, so that what is behind the sums is reached: a magic number begins a
 * frame. */
static void mend_frames(char *bytes, size_t size, uint64_t base) {
    uint32_t salt = hash_check(&base, sizeof base);
    uint64_t offset = base;
    for (size_t at = sizeof(struct local_segment_head); at + sizeof(struct frame) <= size; at += FRAME_ALIGN) {
        struct frame *frame = (struct frame *)(void *)(bytes + at);
        if (frame->magic != FRAME_MAGIC) {
            continue;
        }
        frame->payload_len %= 512;
        frame->why_len %= 64;
        frame->offset = offset++ + (frame->type % 64 == 0);
        if (frame_size(frame) <= size - at && frame->flags % 8 != 0) {
            frame->body_sum = hash_check(frame_body(frame), frame_body_size(frame));
        }
        frame->head_sum = frame_head_sum(frame, salt);
    }
}

static void read_all(struct store *store) {
    struct store_reader *reader = NULL;
    struct store_block *block = NULL;
    size_t count = 0;
    uint64_t sources[] = {1, 0}, found[4], n = 0;
    struct store_filter filter = {.sources = sources, .source_count = 2, .target = 3};
    for (int round = 0; round < 2; round++) {
        ASSERT(store_reader_open(store, 0, &reader) == OK);
        while (store_read(reader, round == 0 ? NULL : &filter, READ_BYTES, &block) == OK) {
            ASSERT(block->next <= store_head(store));
            store_block_release(block);
        }
        store_reader_close(reader);
    }
    if (store_get(store, store_tail(store), &block) == OK) {
        store_block_release(block);
    }
    (void)store_find_message(store, (struct hash128){0, 0}, found, COUNT_OF(found), &count);
    (void)store_count(store, &filter, 1, UINT64_MAX, &n);
    (void)store_offset_at(store, 5);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2 || size > INPUT_MAX) {
        return 0;
    }
    log_setup((enum log_level)(LOG_ERROR + 1), false);
    uint8_t mode = data[0];
    struct fake_fs *fake = fake_new(1);
    struct store_conf conf;
    struct arena arena;
    arena_init(&arena, 0, 0);
    struct knob_section section = store_conf_section(&conf);
    knob_defaults(&section, &arena);
    conf.segment_bytes = INPUT_MAX;
    conf.prepare = false;
    char *bytes = mem_alloc(size);
    memcpy(bytes, data + 1, size - 1);
    put_file(fake, "format", LOCAL_FORMAT, strlen(LOCAL_FORMAT));
    if ((mode & 4) != 0) {
        mend_frames(bytes, size - 1, 7);
    }
    put_file(fake, "log/00000000000000000007.seg", bytes, size - 1);
    if ((mode & 1) != 0) {
        put_file(fake, "log/00000000000000000020.seg", "", 0);
    }
    if ((mode & 2) != 0) {
        put_file(fake, "log/00000000000000000007.idx", bytes, size - 1);
    }
    struct store *store = NULL;
    if (local_open_on(&conf, &fake->fs, &store, NULL) == OK) {
        read_all(store);
        store->engine->close(store);
    }
    fake_destroy(fake);
    mem_free(bytes);
    arena_fini(&arena);
    return 0;
}
