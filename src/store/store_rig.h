/* For the tests of the store: a store in a temporary directory, a loop to wait on, and short ways to append and read.
 */
#ifndef SLUICE_STORE_STORE_RIG_H
#define SLUICE_STORE_STORE_RIG_H

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fault.h"
#include "store/store.h"
#include "store/store_stat.h"

#define RIG_PATH_SIZE 64
#define RIG_READ_BYTES ((size_t)1 << 20)

struct rig {
    char path[RIG_PATH_SIZE];
    struct arena arena;
    struct store_conf conf;
    struct store *store;
    struct loop *loop;
    uint32_t waiting; /* batches */
};

struct rig_batch {
    struct store_batch batch;
    struct rig *rig;
    bool done;
};

static inline void rig_fault(const char *spec) {
    assert_int_equal(OK, fault_arm(slice_cstr(spec), NULL));
}

static inline void rig_open(struct rig *rig) {
    struct errinfo why = {.text = ""};
    enum err e = store_open(&rig->conf, &rig->store, &why);
    if (e != OK) {
        print_error("open: %s: %s: %s\n", err_name(e), why.path, why.text);
    }
    assert_int_equal(OK, e);
}

static inline void rig_close(struct rig *rig) {
    store_close(rig->store);
    rig->store = NULL;
}

/* A fresh directory and the defaults, but for a small segment and no disk reserve. Not opened. */
static inline void rig_init(struct rig *rig) {
    *rig = (struct rig){.path = "/tmp/sluice-store-XXXXXX"};
    assert_non_null(mkdtemp(rig->path));
    arena_init(&rig->arena, 0, 0);
    struct knob_section section = store_conf_section(&rig->conf);
    knob_defaults(&section, &rig->arena);
    rig->conf.path = slice_cstr(rig->path);
    rig->conf.disk_reserve = 0;
    rig->loop = loop_new("test");
}

static inline int rig_remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static inline void rig_fini(struct rig *rig) {
    rig_close(rig);
    loop_free(rig->loop);
    arena_fini(&rig->arena);
    (void)nftw(rig->path, rig_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void rig_on_done(struct store_batch *batch) {
    struct rig_batch *one = CONTAINER_OF(batch, struct rig_batch, batch);
    one->done = true;
    if (--one->rig->waiting == 0) {
        loop_stop(one->rig->loop);
    }
}

static inline void rig_batch_init(struct rig *rig, struct rig_batch *one) {
    *one = (struct rig_batch){.rig = rig};
    store_batch_init(&one->batch, rig->loop, rig_on_done);
}

static inline struct record_head rig_head(uint64_t source, const char *message) {
    return (struct record_head){.received_ms = clock_ms(),
        .source = source,
        .user = 7,
        .message = hash128(slice_cstr(message)),
        .type = EVENT_TRACK};
}

static inline void rig_add(struct rig_batch *one, uint64_t source, const char *message, struct slice payload) {
    struct record_head head = rig_head(source, message);
    char *at = store_batch_add(&one->batch, &head, SLICE_NONE, payload.len);
    assert_non_null(at);
    if (payload.len > 0) {
        memcpy(at, payload.ptr, payload.len);
    }
}

static inline void rig_send(struct rig *rig, struct rig_batch *one) {
    rig->waiting++;
    one->done = false;
    store_append(rig->store, &one->batch);
}

static inline void rig_wait(struct rig *rig) {
    if (rig->waiting > 0) {
        loop_run(rig->loop);
    }
}

/* One record, waited for; its offset, or the error through ret_error. */
static inline uint64_t rig_append_as(
    struct rig *rig, const struct record_head *head, struct slice payload, enum err *ret_error) {
    struct rig_batch one;
    rig_batch_init(rig, &one);
    char *at = store_batch_add(&one.batch, head, SLICE_NONE, payload.len);
    assert_non_null(at);
    if (payload.len > 0) {
        memcpy(at, payload.ptr, payload.len);
    }
    rig_send(rig, &one);
    rig_wait(rig);
    uint64_t offset = UINT64_MAX;
    (void)store_batch_outcome(&one.batch, 0, &offset);
    *ret_error = one.batch.result;
    store_batch_fini(&one.batch);
    return offset;
}

static inline uint64_t rig_append(struct rig *rig, uint64_t source, const char *message, const char *payload) {
    struct record_head head = rig_head(source, message);
    enum err e = OK;
    uint64_t offset = rig_append_as(rig, &head, slice_cstr(payload), &e);
    assert_int_equal(OK, e);
    return offset;
}

/* n records with ids "m<first>"…, payload = id, one batch each group of 10. */
static inline void rig_append_many(struct rig *rig, uint64_t source, uint32_t first, uint32_t n) {
    struct rig_batch one;
    rig_batch_init(rig, &one);
    for (uint32_t i = first; i < first + n;) {
        store_batch_reset(&one.batch);
        for (uint32_t k = 0; k < 10 && i < first + n; k++, i++) {
            char id[32];
            snprintf(id, sizeof id, "m%u", i);
            rig_add(&one, source, id, slice_cstr(id));
        }
        rig_send(rig, &one);
        rig_wait(rig);
        assert_int_equal(OK, one.batch.result);
    }
    store_batch_fini(&one.batch);
}

/* Reads on and counts: records seen, checking that offsets ascend. */
static inline uint64_t rig_count_from(
    struct rig *rig, uint64_t offset, const struct store_filter *filter, uint64_t *ret_corrupt) {
    struct store_reader *reader = NULL;
    assert_int_equal(OK, store_reader_open(rig->store, offset, &reader));
    uint64_t count = 0, corrupt = 0, next = 0;
    enum err e;
    struct store_block *block = NULL;
    while ((e = store_read(reader, filter, RIG_READ_BYTES, &block)) == OK) {
        for (uint32_t i = 0; i < block->count; i++) {
            assert_true(block->records[i].offset >= next);
            next = block->records[i].offset + 1;
            count++;
        }
        assert_true(block->next >= next);
        next = block->next;
        corrupt += block->corrupt;
        store_block_release(block);
    }
    assert_int_equal(ERR_END, e);
    store_reader_close(reader);
    if (ret_corrupt != NULL) {
        *ret_corrupt = corrupt;
    }
    return count;
}

/* Whether the record at `offset` is there with this payload. */
static inline bool rig_payload_is(struct rig *rig, uint64_t offset, const char *payload) {
    struct store_block *block = NULL;
    if (store_get(rig->store, offset, &block) != OK) {
        return false;
    }
    bool same = block->count == 1 && block->records[0].offset == offset &&
        slice_eq(block->records[0].payload, slice_cstr(payload));
    store_block_release(block);
    return same;
}

static inline int rig_setup(void **state) {
    struct rig *rig = mem_alloc(sizeof *rig);
    rig_init(rig);
    *state = rig;
    return 0;
}

static inline int rig_teardown(void **state) {
    rig_fault(
        "STORE_BEFORE_WRITE=off,STORE_AFTER_WRITE=off,STORE_ENOSPC=off,STORE_BEFORE_SYNC=off,STORE_ROLL=off,STORE_NOTE=off,"
        "STORE_CHECKPOINT_WRITE=off,STORE_DEAD_PUT=off");
    rig_fini(*state);
    mem_free(*state);
    return 0;
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

/* Bytes of a file, changed in place: xor 1 at `at`. Negative `at`: from the end. */
static inline void rig_damage(const char *path, long at) {
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(0, fseek(file, at, at < 0 ? SEEK_END : SEEK_SET));
    long place = ftell(file);
    int byte = fgetc(file);
    assert_int_not_equal(EOF, byte);
    assert_int_equal(0, fseek(file, place, SEEK_SET));
    assert_int_not_equal(EOF, fputc(byte ^ 1, file));
    assert_int_equal(0, fclose(file));
}

static inline void rig_append_bytes(const char *path, const void *bytes, size_t size) {
    FILE *file = fopen(path, "ab");
    assert_non_null(file);
    assert_int_equal(size, fwrite(bytes, 1, size, file));
    assert_int_equal(0, fclose(file));
}

static inline long rig_file_size(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return -1;
    }
    assert_int_equal(0, fseek(file, 0, SEEK_END));
    long size = ftell(file);
    (void)fclose(file);
    return size;
}

/* Name of the segment that begins at `base`. */
static inline void rig_segment_path(const struct rig *rig, uint64_t base, const char *suffix, char out[128]) {
    snprintf(out, 128, "%s/log/%020lu.%s", rig->path, (unsigned long)base, suffix);
}

#endif
