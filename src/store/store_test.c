/* What store.h promises of the log, through the local engine on a real file system. */
#include "store/store_rig.h"

static void a_record_comes_back_as_it_was_appended(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    struct record_head head = {.received_ms = 1234567890123,
        .source = 11,
        .user = 12,
        .message = hash128(SLICE("id")),
        .target = 13,
        .type = EVENT_IDENTIFY,
        .flags = RECORD_REJECTED};
    struct rig_batch one;
    rig_batch_init(rig, &one);
    memcpy(store_batch_add(&one.batch, &head, SLICE("no good"), 5), "hello", 5);
    rig_send(rig, &one);
    rig_wait(rig);
    assert_int_equal(OK, one.batch.result);
    store_batch_fini(&one.batch);

    struct store_block *block = NULL;
    assert_int_equal(OK, store_get(rig->store, 0, &block));
    assert_int_equal(1, block->count);
    const struct record *record = &block->records[0];
    assert_int_equal(0, record->offset);
    assert_memory_equal(&head, &record->head, offsetof(struct record_head, flags) + 1);
    assert_true(slice_eq(record->why, SLICE("no good")));
    assert_true(slice_eq(record->payload, SLICE("hello")));
    store_block_release(block);
    assert_int_equal(1, store_head(rig->store));
}

static void records_survive_a_restart_in_order(void **state) {
    struct rig *rig = *state;
    rig->conf.segment_bytes = 65536;
    rig_open(rig);
    rig_append_many(rig, 1, 0, 3000);
    rig_close(rig);
    rig_open(rig);
    assert_int_equal(3000, store_head(rig->store));
    assert_int_equal(3000, rig_count_from(rig, 0, NULL, NULL));
    assert_true(rig_payload_is(rig, 0, "m0"));
    assert_true(rig_payload_is(rig, 1777, "m1777"));
    assert_true(rig_payload_is(rig, 2999, "m2999"));
    assert_int_equal(3000, rig_append(rig, 1, "next", "x"));
}

static void batches_of_one_caller_keep_their_order(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    struct rig_batch batches[50];
    for (uint32_t i = 0; i < COUNT_OF(batches); i++) {
        char id[16];
        rig_batch_init(rig, &batches[i]);
        snprintf(id, sizeof id, "%u-a", i);
        rig_add(&batches[i], 1, id, SLICE("a"));
        snprintf(id, sizeof id, "%u-b", i);
        rig_add(&batches[i], 1, id, SLICE("b"));
        rig_send(rig, &batches[i]);
    }
    rig_wait(rig);
    for (uint32_t i = 0; i < COUNT_OF(batches); i++) {
        uint64_t offset = 0;
        assert_int_equal(APPEND_STORED, store_batch_outcome(&batches[i].batch, 1, &offset));
        assert_int_equal(2 * i + 1, offset);
        store_batch_fini(&batches[i].batch);
    }
}

static void a_record_past_the_limit_is_refused_and_the_batch_is_as_before(void **state) {
    struct rig *rig = *state;
    rig->conf.record_bytes = 2000;
    rig_open(rig);
    struct rig_batch one;
    rig_batch_init(rig, &one);
    rig_add(&one, 1, "a", SLICE("first"));
    struct record_head head = rig_head(1, "b");
    assert_null(store_batch_add(&one.batch, &head, SLICE_NONE, 1921));
    assert_non_null(store_batch_add(&one.batch, &head, SLICE_NONE, 1920));
    store_batch_drop_last(&one.batch);
    rig_add(&one, 1, "c", SLICE("second"));
    rig_send(rig, &one);
    rig_wait(rig);
    assert_int_equal(2, store_head(rig->store));
    assert_true(rig_payload_is(rig, 0, "first"));
    assert_true(rig_payload_is(rig, 1, "second"));
    store_batch_fini(&one.batch);
    assert_int_equal(2, rig_append(rig, 1, "d", "the limit is the knob's"));
}

static void an_empty_batch_is_answered(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    struct rig_batch one;
    rig_batch_init(rig, &one);
    rig_send(rig, &one);
    rig_wait(rig);
    assert_true(one.done);
    assert_int_equal(OK, one.batch.result);
    assert_int_equal(0, store_head(rig->store));
    store_batch_fini(&one.batch);
}

static void a_batch_larger_than_a_segment_gets_one_of_its_own(void **state) {
    struct rig *rig = *state;
    rig->conf.segment_bytes = 65536;
    rig_open(rig);
    static char large[100000];
    memset(large, 'l', sizeof large);
    rig_append(rig, 1, "small", "s");
    enum err e = OK;
    struct record_head head = rig_head(1, "large");
    assert_int_equal(1, rig_append_as(rig, &head, slice_of(large, sizeof large), &e));
    assert_int_equal(OK, e);
    assert_int_equal(2, rig_append(rig, 1, "after", "a"));
    struct store_block *block = NULL;
    assert_int_equal(OK, store_get(rig->store, 1, &block));
    assert_true(slice_eq(block->records[0].payload, slice_of(large, sizeof large)));
    store_block_release(block);
    assert_int_equal(3, rig_count_from(rig, 0, NULL, NULL));
}

/* ---- duplicates ---- */

static void a_message_id_seen_again_is_not_stored(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    rig_append(rig, 1, "other", "x");
    assert_int_equal(1, rig_append(rig, 1, "id", "first"));
    struct rig_batch one;
    rig_batch_init(rig, &one);
    rig_add(&one, 1, "id", SLICE("again"));
    rig_add(&one, 2, "id", SLICE("another source"));
    rig_add(&one, 1, "new", SLICE("new"));
    rig_add(&one, 1, "new", SLICE("twice in one batch"));
    rig_send(rig, &one);
    rig_wait(rig);
    static const enum append_outcome outcomes[] = {APPEND_DUPLICATE, APPEND_STORED, APPEND_STORED, APPEND_DUPLICATE};
    static const uint64_t offsets[] = {1, 2, 3, 3};
    for (uint32_t i = 0; i < COUNT_OF(outcomes); i++) {
        uint64_t offset = 0;
        assert_int_equal(outcomes[i], store_batch_outcome(&one.batch, i, &offset));
        assert_int_equal(offsets[i], offset);
    }
    assert_int_equal(2, one.batch.duplicates);
    assert_int_equal(4, store_head(rig->store));
    assert_true(rig_payload_is(rig, 1, "first"));
    store_batch_fini(&one.batch);
    assert_int_equal(2, stat_get(&store_stat(rig->store)->duplicates));
}

static void ids_of_our_own_and_of_refused_events_are_not_looked_for(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    struct record_head head = rig_head(1, "id");
    enum err e = OK;
    head.flags = RECORD_NO_DEDUP;
    rig_append_as(rig, &head, SLICE("a"), &e);
    rig_append_as(rig, &head, SLICE("b"), &e);
    head.flags = RECORD_REJECTED;
    rig_append_as(rig, &head, SLICE("c"), &e);
    assert_int_equal(3, rig_append(rig, 1, "id", "the first that counts"));
    rig_append_as(rig, &head, SLICE("d"), &e);
    assert_int_equal(5, store_head(rig->store));
}

static void ids_are_known_after_a_restart_and_forgotten_after_the_window(void **state) {
    struct rig *rig = *state;
    rig->conf.dedup_window = 60000;
    rig_open(rig);
    int64_t now = clock_ms();
    struct record_head head = rig_head(1, "id");
    enum err e = OK;
    head.received_ms = now - 30000;
    rig_append_as(rig, &head, SLICE("first"), &e);
    rig_close(rig);
    rig_open(rig);
    head.received_ms = now + 30000; /* 60 s after */
    assert_int_equal(0, rig_append_as(rig, &head, SLICE("still within"), &e));
    assert_int_equal(1, store_head(rig->store));
    head.received_ms = now + 30001;
    assert_int_equal(1, rig_append_as(rig, &head, SLICE("past it"), &e));
    head.received_ms = now + 90001;
    assert_int_equal(1, rig_append_as(rig, &head, SLICE("seen anew"), &e));
    assert_int_equal(2, store_head(rig->store));
}

static void no_window_means_no_duplicates(void **state) {
    struct rig *rig = *state;
    rig->conf.dedup_window = 0;
    rig_open(rig);
    rig_append(rig, 1, "id", "a");
    assert_int_equal(1, rig_append(rig, 1, "id", "b"));
}

/* ---- reading ---- */

static void a_filter_gives_only_what_it_asks_for(void **state) {
    struct rig *rig = *state;
    rig->conf.segment_bytes = 65536;
    rig_open(rig);
    rig_append_many(rig, 1, 0, 1000);
    rig_append_many(rig, 2, 1000, 1000);
    rig_append_many(rig, 3, 2000, 1000);
    struct record_head head = rig_head(2, "targeted");
    head.target = 77;
    enum err e = OK;
    rig_append_as(rig, &head, SLICE("t"), &e);

    const uint64_t sources[] = {2, 9};
    struct store_filter filter = {.sources = sources, .source_count = 2};
    assert_int_equal(1001, rig_count_from(rig, 0, &filter, NULL));
    filter.target = 77;
    assert_int_equal(1001, rig_count_from(rig, 0, &filter, NULL));
    filter.target = 78;
    assert_int_equal(1000, rig_count_from(rig, 0, &filter, NULL));
    filter.source_count = 0;
    assert_int_equal(0, rig_count_from(rig, 0, &filter, NULL));
}

static void a_reader_keeps_to_its_bytes_but_gives_at_least_one_record(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    rig_append_many(rig, 1, 0, 100);
    struct store_reader *reader = NULL;
    assert_int_equal(OK, store_reader_open(rig->store, 0, &reader));
    struct store_block *block = NULL;
    assert_int_equal(OK, store_read(reader, NULL, 1, &block));
    assert_int_equal(1, block->count);
    assert_int_equal(1, block->next);
    store_block_release(block);
    assert_int_equal(OK, store_read(reader, NULL, 88 * 10, &block));
    assert_int_equal(10, block->count);
    assert_int_equal(11, store_reader_offset(reader));
    store_block_hold(block);
    store_block_release(block);
    assert_true(slice_eq(block->records[9].payload, SLICE("m10")));
    store_block_release(block);
    store_reader_seek(reader, 99);
    assert_int_equal(OK, store_read(reader, NULL, RIG_READ_BYTES, &block));
    assert_int_equal(1, block->count);
    store_block_release(block);
    assert_int_equal(ERR_END, store_read(reader, NULL, RIG_READ_BYTES, &block));
    rig_append(rig, 1, "more", "x");
    assert_int_equal(OK, store_read(reader, NULL, RIG_READ_BYTES, &block));
    assert_int_equal(100, block->records[0].offset);
    store_block_release(block);
    store_reader_close(reader);
}

static void what_is_not_there_is_not_found(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    struct store_block *block = NULL;
    assert_int_equal(ERR_NOT_FOUND, store_get(rig->store, 0, &block));
    rig_append(rig, 1, "a", "a");
    assert_int_equal(ERR_NOT_FOUND, store_get(rig->store, 1, &block));
    assert_int_equal(ERR_NOT_FOUND, store_get(rig->store, UINT64_MAX, &block));
}

static void a_message_is_found_in_every_segment_that_has_it(void **state) {
    struct rig *rig = *state;
    rig->conf.segment_bytes = 65536;
    rig_open(rig);
    struct record_head head = rig_head(1, "wanted");
    head.flags = RECORD_NO_DEDUP;
    enum err e = OK;
    uint64_t expected[3];
    for (uint32_t i = 0; i < 3; i++) {
        rig_append_many(rig, 1, i * 2000, 2000);
        expected[i] = rig_append_as(rig, &head, SLICE("x"), &e);
    }
    for (int round = 0; round < 2; round++) { /* from memory and, after a restart, from the indexes */
        uint64_t offsets[4];
        size_t count = 0;
        assert_int_equal(OK, store_find_message(rig->store, hash128(SLICE("wanted")), offsets, 4, &count));
        assert_int_equal(3, count);
        assert_memory_equal(expected, offsets, sizeof expected);
        assert_int_equal(OK, store_find_message(rig->store, hash128(SLICE("wanted")), offsets, 2, &count));
        assert_int_equal(2, count);
        assert_int_equal(OK, store_find_message(rig->store, hash128(SLICE("m3333")), offsets, 4, &count));
        assert_int_equal(1, count);
        assert_int_equal(3334, offsets[0]);
        assert_int_equal(OK, store_find_message(rig->store, hash128(SLICE("never")), offsets, 4, &count));
        assert_int_equal(0, count);
        rig_close(rig);
        rig_open(rig);
    }
}

static void counts_leave_out_what_no_destination_may_get(void **state) {
    struct rig *rig = *state;
    rig->conf.segment_bytes = 65536;
    rig_open(rig);
    rig_append_many(rig, 1, 0, 1500);
    rig_append_many(rig, 2, 2000, 1500);
    struct record_head head = rig_head(1, "bad");
    head.flags = RECORD_REJECTED;
    enum err e = OK;
    rig_append_as(rig, &head, SLICE("x"), &e);
    const uint64_t sources[] = {1};
    struct store_filter filter = {.sources = sources, .source_count = 1};
    uint64_t count = 0;
    assert_int_equal(OK, store_count(rig->store, &filter, 0, UINT64_MAX, &count));
    assert_int_equal(1500, count);
    assert_int_equal(OK, store_count(rig->store, &filter, 1400, 1600, &count));
    assert_int_equal(100, count);
    assert_int_equal(OK, store_count(rig->store, NULL, 1400, 1600, &count));
    assert_int_equal(200, count);
    assert_int_equal(OK, store_count(rig->store, NULL, 50, 50, &count));
    assert_int_equal(0, count);
}

static void an_offset_is_found_by_time(void **state) {
    struct rig *rig = *state;
    rig->conf.segment_bytes = 65536;
    rig->conf.dedup_window = 0;
    rig_open(rig);
    enum err e = OK;
    static const int64_t times[] = {1000, 2000, 1500, 3000};
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        struct record_head head = rig_head(1, "t");
        head.received_ms = times[i];
        rig_append_as(rig, &head, SLICE("x"), &e);
    }
    assert_int_equal(0, store_offset_at(rig->store, 0));
    assert_int_equal(1, store_offset_at(rig->store, 1001));
    assert_int_equal(3, store_offset_at(rig->store, 2001));
    assert_int_equal(4, store_offset_at(rig->store, 3001));
}

/* ---- watches ---- */

struct watched {
    struct store_watch watch;
    struct loop *loop;
    unsigned calls;
};

static void on_watch(struct loop_msg *msg) {
    struct watched *watched = CONTAINER_OF(CONTAINER_OF(msg, struct store_watch, msg), struct watched, watch);
    watched->calls++;
    loop_stop(watched->loop);
}

static void a_watch_is_called_once_when_the_head_has_passed(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    struct watched watched = {.watch = {.msg.on_msg = on_watch, .loop = rig->loop}, .loop = rig->loop};
    store_watch_arm(rig->store, &watched.watch, 1);
    rig_append(rig, 1, "a", "a");
    assert_int_equal(0, watched.calls); /* the head is 1: offset 1 is not durable yet */
    rig_append(rig, 1, "b", "b");
    if (watched.calls == 0) {
        loop_run(rig->loop);
    }
    assert_int_equal(1, watched.calls);
    rig_append(rig, 1, "c", "c");
    assert_int_equal(1, watched.calls);
    store_watch_arm(rig->store, &watched.watch, 0); /* passed already */
    loop_run(rig->loop);
    assert_int_equal(2, watched.calls);
}

static void a_watch_that_is_disarmed_is_not_called(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    struct watched watched = {.watch = {.msg.on_msg = on_watch, .loop = rig->loop}, .loop = rig->loop};
    assert_false(store_watch_disarm(rig->store, &watched.watch));
    store_watch_arm(rig->store, &watched.watch, 0);
    assert_true(store_watch_disarm(rig->store, &watched.watch));
    rig_append(rig, 1, "a", "a");
    rig_append(rig, 1, "b", "b");
    assert_int_equal(0, watched.calls);
}

/* ---- the directory ---- */

static void a_second_opener_is_told_who_has_the_directory(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    struct store *second = NULL;
    struct errinfo why = {.text = ""};
    assert_int_equal(ERR_BUSY, store_open(&rig->conf, &second, &why));
    char pid[32];
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_non_null(strstr(why.text, pid));
    assert_non_null(strstr(why.text, rig->path));
}

static void a_directory_of_another_format_is_refused(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    rig_close(rig);
    char path[128];
    snprintf(path, sizeof path, "%s/format", rig->path);
    rig_damage(path, -2);
    struct errinfo why = {.text = ""};
    assert_int_equal(ERR_UNSUPPORTED, store_open(&rig->conf, &rig->store, &why));
    assert_non_null(strstr(why.text, "sluice-local 0"));
    rig->store = NULL;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_record_comes_back_as_it_was_appended),
        RIG_TEST(records_survive_a_restart_in_order),
        RIG_TEST(batches_of_one_caller_keep_their_order),
        RIG_TEST(a_record_past_the_limit_is_refused_and_the_batch_is_as_before),
        RIG_TEST(an_empty_batch_is_answered),
        RIG_TEST(a_batch_larger_than_a_segment_gets_one_of_its_own),
        RIG_TEST(a_message_id_seen_again_is_not_stored),
        RIG_TEST(ids_of_our_own_and_of_refused_events_are_not_looked_for),
        RIG_TEST(ids_are_known_after_a_restart_and_forgotten_after_the_window),
        RIG_TEST(no_window_means_no_duplicates),
        RIG_TEST(a_filter_gives_only_what_it_asks_for),
        RIG_TEST(a_reader_keeps_to_its_bytes_but_gives_at_least_one_record),
        RIG_TEST(what_is_not_there_is_not_found),
        RIG_TEST(a_message_is_found_in_every_segment_that_has_it),
        RIG_TEST(counts_leave_out_what_no_destination_may_get),
        RIG_TEST(an_offset_is_found_by_time),
        RIG_TEST(a_watch_is_called_once_when_the_head_has_passed),
        RIG_TEST(a_watch_that_is_disarmed_is_not_called),
        RIG_TEST(a_second_opener_is_told_who_has_the_directory),
        RIG_TEST(a_directory_of_another_format_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
