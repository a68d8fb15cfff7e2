/* The log alone: store_append and store_read against raw write + fdatasync and read of the same bytes, in the same
 * group sizes, round by round in turn so that both see the same machine. Best and median rounds are printed; ratios are
 * of medians. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "bench.h"
#include "store/store.h"

#define ROUNDS 7
#define EVENT_BYTES 1400

struct appender {
    struct store *store;
    struct loop *loop;
    struct store_batch batch;
    struct loop_msg kick;
    uint64_t groups, done;
    unsigned group;
    uint64_t number;
};

static char payload[EVENT_BYTES];

static void append_group(struct appender *appender) {
    store_batch_reset(&appender->batch);
    for (unsigned i = 0; i < appender->group; i++) {
        uint64_t id[2] = {appender->number++, 42};
        struct record_head head = {.received_ms = clock_ms(),
            .source = 7,
            .user = id[0] % 1000,
            .message = hash128(slice_of((char *)id, sizeof id)),
            .type = EVENT_TRACK};
        char *room = store_batch_add(&appender->batch, &head, SLICE_NONE, EVENT_BYTES);
        ASSERT(room != NULL);
        memcpy(room, payload, EVENT_BYTES);
    }
    store_append(appender->store, &appender->batch);
}

static void on_appended(struct store_batch *batch) {
    struct appender *appender = CONTAINER_OF(batch, struct appender, batch);
    ASSERT(batch->result == OK);
    if (++appender->done == appender->groups) {
        loop_stop(appender->loop);
    } else {
        append_group(appender);
    }
}

static void on_kick(struct loop_msg *msg) {
    append_group(CONTAINER_OF(msg, struct appender, kick));
}

static double store_round(struct appender *appender, uint64_t groups) {
    appender->groups = groups;
    appender->done = 0;
    uint64_t start = now_ns();
    loop_post(appender->loop, &appender->kick);
    loop_run(appender->loop);
    return (double)(now_ns() - start) / 1e9;
}

/* Same bytes as the store writes for a group: measured from its own statistics, so framing is in both. */
static double raw_round(int fd, size_t bytes, uint64_t groups) {
    char *block = mem_alloc(bytes);
    memset(block, 'x', bytes);
    uint64_t start = now_ns();
    for (uint64_t i = 0; i < groups; i++) {
        ASSERT(write(fd, block, bytes) == (ssize_t)bytes);
        ASSERT(fdatasync(fd) == 0);
    }
    double seconds = (double)(now_ns() - start) / 1e9;
    mem_free(block);
    return seconds;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *values) {
    qsort(values, ROUNDS, sizeof *values, by_value);
    return values[ROUNDS / 2];
}

/* Bytes of the file, headers and all, as read_raw counts them. */
static double read_store(struct store *store) {
    struct store_reader *reader;
    struct store_info info;
    store_info(store, &info);
    ASSERT(store_reader_open(store, 0, &reader) == OK);
    uint64_t start = now_ns(), records = 0;
    struct store_block *block;
    while (store_read(reader, NULL, 1 << 20, &block) == OK) {
        records += block->count;
        store_block_release(block);
    }
    double seconds = (double)(now_ns() - start) / 1e9;
    store_reader_close(reader);
    return (double)info.bytes / (double)(info.head - info.tail) * (double)records / seconds;
}

static double read_raw(const char *path) {
    static char block[1 << 20];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ASSERT(fd >= 0);
    uint64_t start = now_ns(), bytes = 0;
    ssize_t n;
    while ((n = read(fd, block, sizeof block)) > 0) {
        bytes += (uint64_t)n;
    }
    double seconds = (double)(now_ns() - start) / 1e9;
    close(fd);
    return (double)bytes / seconds;
}

static struct store *open_store(int argc, char **argv, struct arena *arena, const char *dir) {
    static struct store_conf conf;
    struct knob_section section = store_conf_section(&conf);
    struct errinfo why = {0};
    struct store *store;
    knob_defaults(&section, arena);
    conf.path = slice_cstr(dir);
    conf.segment_bytes = arg_u64(argc, argv, "--segment", conf.segment_bytes);
    if (store_open(&conf, &store, &why) != OK) {
        fprintf(stderr, "sluice-bench: %s: %s\n", why.path, why.text);
        exit(1);
    }
    return store;
}

int bench_log(int argc, char **argv) {
    const char *dir = arg_text(argc, argv, "--dir", "bench-log");
    struct arena arena;
    arena_init(&arena, 4096, 0);
    memset(payload, 'e', sizeof payload);
    struct appender appender = {.store = open_store(argc, argv, &arena, dir),
        .loop = loop_new("bench"),
        .kick = {.on_msg = on_kick},
        .group = (unsigned)arg_u64(argc, argv, "--group", 100)};
    appender.number = now_ns();
    store_batch_init(&appender.batch, appender.loop, on_appended);
    uint64_t groups = arg_u64(argc, argv, "--events", 50000) / appender.group;
    struct slice raw_path = arena_printf(&arena, "%s/raw", dir);
    int fd = open(raw_path.ptr, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    ASSERT(fd >= 0);
    struct store_info info;
    double store_s[ROUNDS], raw_s[ROUNDS], read_store_rate[ROUNDS], read_raw_rate[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        store_s[i] = store_round(&appender, groups);
        store_info(appender.store, &info);
        raw_s[i] = raw_round(fd, (size_t)(info.bytes / (info.head - info.tail)) * appender.group, groups);
    }
    for (int i = 0; i < ROUNDS; i++) {
        read_store_rate[i] = read_store(appender.store);
        read_raw_rate[i] = read_raw(raw_path.ptr);
    }
    double events = (double)(groups * appender.group), store_median = median(store_s), raw_median = median(raw_s);
    printf(
        "{\"group\":%u,\"store_events_per_s\":%.0f,\"raw_events_per_s\":%.0f,\"append_ratio\":%.3f,\"read_store_mb_s\":%.0f,\"read_raw_mb_s\":%.0f,"
        "\"read_ratio\":%.3f,\"sync_us\":%.1f}\n",
        appender.group, events / store_median, events / raw_median, raw_median / store_median,
        median(read_store_rate) / 1e6, median(read_raw_rate) / 1e6, median(read_store_rate) / median(read_raw_rate),
        raw_median / (double)groups * 1e6);
    close(fd);
    unlink(raw_path.ptr);
    store_batch_fini(&appender.batch);
    store_close(appender.store);
    loop_free(appender.loop);
    arena_fini(&arena);
    return 0;
}

int bench_fill(int argc, char **argv) {
    struct arena arena;
    arena_init(&arena, 4096, 0);
    memset(payload, 'e', sizeof payload);
    struct appender appender = {.store = open_store(argc, argv, &arena, arg_text(argc, argv, "--dir", "bench-log")),
        .loop = loop_new("bench"),
        .kick = {.on_msg = on_kick},
        .group = 1000};
    appender.number = now_ns();
    store_batch_init(&appender.batch, appender.loop, on_appended);
    double seconds = store_round(&appender, arg_u64(argc, argv, "--events", 1000000) / appender.group);
    struct store_info info;
    store_info(appender.store, &info);
    printf("{\"events\":%llu,\"bytes\":%llu,\"seconds\":%.2f}\n", (unsigned long long)info.head,
        (unsigned long long)info.bytes, seconds);
    store_batch_fini(&appender.batch);
    store_close(appender.store);
    loop_free(appender.loop);
    arena_fini(&arena);
    return 0;
}
