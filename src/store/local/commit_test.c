/* Group commit, and what becomes of groups that fail: nothing of them is seen, and the store goes on. */
#include "store/local/fs_fake.h"

#include "store/store_rig.h"

#include "store/local/local.h"

/* ---- one sync for all that wait ---- */

/* A file system whose log syncs wait until the test lets them go. */
struct gate {
    struct fake_fs *fake;
    int (*sync)(struct local_fs *fs, int fd);
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool closed;
    unsigned waiting, passed;
};

static struct gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static int gate_sync(struct local_fs *fs, int fd) {
    pthread_mutex_lock(&gate.lock);
    gate.waiting++;
    pthread_cond_broadcast(&gate.changed);
    while (gate.closed) {
        pthread_cond_wait(&gate.changed, &gate.lock);
    }
    gate.waiting--;
    gate.passed++;
    pthread_mutex_unlock(&gate.lock);
    return gate.sync(fs, fd);
}

static void gate_close(void) {
    pthread_mutex_lock(&gate.lock);
    gate.closed = true;
    pthread_mutex_unlock(&gate.lock);
}

static void gate_wait_for_one(void) {
    pthread_mutex_lock(&gate.lock);
    while (gate.waiting == 0) {
        pthread_cond_wait(&gate.changed, &gate.lock);
    }
    pthread_mutex_unlock(&gate.lock);
}

static void gate_open(void) {
    pthread_mutex_lock(&gate.lock);
    gate.closed = false;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static void open_gated(struct rig *rig) {
    gate.fake = fake_new(1);
    gate.sync = gate.fake->fs.sync;
    gate.fake->fs.sync = gate_sync;
    rig->conf.prepare = false;
    assert_int_equal(OK, local_open_on(&rig->conf, &gate.fake->fs, &rig->store, NULL));
}

static void close_gated(struct rig *rig) {
    rig->store->engine->close(rig->store);
    rig->store = NULL;
    fake_destroy(gate.fake);
}

static void what_gathers_during_a_sync_is_one_commit(void **state) {
    struct rig *rig = *state;
    open_gated(rig);
    struct rig_batch batches[8];
    gate_close();
    for (uint32_t i = 0; i < COUNT_OF(batches); i++) {
        char id[16];
        snprintf(id, sizeof id, "%u", i);
        rig_batch_init(rig, &batches[i]);
        rig_add(&batches[i], 1, id, SLICE("x"));
        rig_send(rig, &batches[i]);
        if (i == 0) {
            gate_wait_for_one();
        }
    }
    assert_int_equal(0, store_head(rig->store)); /* not visible before it is durable */
    gate_open();
    rig_wait(rig);
    assert_int_equal(8, store_head(rig->store));
    assert_int_equal(2, stat_get(&store_stat(rig->store)->commits));
    for (uint32_t i = 0; i < COUNT_OF(batches); i++) {
        store_batch_fini(&batches[i].batch);
    }
    close_gated(rig);
}

struct stopper {
    struct loop_msg msg;
    struct loop *loop;
};

static void on_stop(struct loop_msg *msg) {
    loop_stop(CONTAINER_OF(msg, struct stopper, msg)->loop);
}

static void a_duplicate_is_answered_only_when_the_first_is_durable(void **state) {
    struct rig *rig = *state;
    open_gated(rig);
    struct rig_batch first, again;
    rig_batch_init(rig, &first);
    rig_batch_init(rig, &again);
    rig_add(&first, 1, "id", SLICE("first"));
    rig_add(&again, 1, "id", SLICE("again"));
    gate_close();
    rig_send(rig, &first);
    gate_wait_for_one();
    rig_send(rig, &again);
    struct stopper stopper = {.msg.on_msg = on_stop, .loop = rig->loop};
    loop_post(rig->loop, &stopper.msg);
    loop_run(rig->loop);
    assert_false(first.done);
    assert_false(again.done);
    gate_open();
    rig_wait(rig);
    uint64_t offset = UINT64_MAX;
    assert_int_equal(OK, again.batch.result);
    assert_int_equal(APPEND_DUPLICATE, store_batch_outcome(&again.batch, 0, &offset));
    assert_int_equal(0, offset);
    store_batch_fini(&first.batch);
    store_batch_fini(&again.batch);
    close_gated(rig);
}

/* ---- failures, by fault points ---- */

static enum err append_error(struct rig *rig, const char *message) {
    struct record_head head = rig_head(1, message);
    enum err e = OK;
    (void)rig_append_as(rig, &head, SLICE("x"), &e);
    return e;
}

/* The group that fails leaves nothing behind: not its record, not its id. */
static void check_failure_leaves_nothing(struct rig *rig, const char *fault, enum err expected) {
    rig_append(rig, 1, "before", "b");
    uint64_t head = store_head(rig->store);
    rig_fault(fault);
    assert_int_equal(expected, append_error(rig, "failing"));
    assert_int_equal(head, store_head(rig->store));
    assert_int_equal(head, rig_count_from(rig, 0, NULL, NULL));
    local_disk_check(local_of(rig->store)); /* what the keeper does by itself a little later */
    assert_int_equal(OK, store_pressure(rig->store));
    assert_int_equal(head, rig_append(rig, 1, "failing", "the same id again"));
    assert_int_equal(head + 1, rig_append(rig, 1, "after", "a"));
    rig_close(rig);
    rig_open(rig);
    assert_int_equal(head + 2, rig_count_from(rig, 0, NULL, NULL));
    assert_true(rig_payload_is(rig, head, "the same id again"));
    assert_int_equal(0, stat_get(&store_stat(rig->store)->corrupt));
}

static void no_room_answers_full_and_is_over_when_there_is_room(void **state) {
    rig_open(*state);
    check_failure_leaves_nothing(*state, "STORE_ENOSPC=fail", ERR_FULL);
}

static void a_failed_write_answers_io(void **state) {
    rig_open(*state);
    check_failure_leaves_nothing(*state, "STORE_BEFORE_WRITE=fail", ERR_IO);
}

static void a_write_that_fails_after_its_bytes_are_there_is_cut_back(void **state) {
    rig_open(*state);
    check_failure_leaves_nothing(*state, "STORE_AFTER_WRITE=fail", ERR_IO);
}

static void a_failed_sync_answers_io_and_the_log_goes_on_in_a_new_segment(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    check_failure_leaves_nothing(rig, "STORE_BEFORE_SYNC=fail", ERR_IO);
    struct store_info info;
    store_info(rig->store, &info);
    assert_int_equal(2, info.segments);
}

static void the_first_sync_of_a_store_may_fail(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    rig_fault("STORE_BEFORE_SYNC=fail");
    assert_int_equal(ERR_IO, append_error(rig, "a"));
    assert_int_equal(0, rig_append(rig, 1, "a", "a"));
    rig_close(rig);
    rig_open(rig);
    assert_int_equal(1, rig_count_from(rig, 0, NULL, NULL));
}

static void a_segment_that_cannot_be_made_answers_full(void **state) {
    struct rig *rig = *state;
    rig->conf.segment_bytes = 65536;
    rig_open(rig);
    rig_append_many(rig, 1, 0, 100);
    rig_fault("STORE_ROLL=fail@1+");
    enum err e = OK;
    uint32_t stored = 0;
    for (char id[16]; e == OK && stored < 2000; stored++) {
        snprintf(id, sizeof id, "r%u", stored);
        e = append_error(rig, id);
    }
    assert_int_equal(ERR_FULL, e);
    assert_int_equal(100 + stored - 1, store_head(rig->store));
    rig_fault("STORE_ROLL=off");
    local_disk_check(local_of(rig->store));
    assert_int_equal(100 + stored - 1, rig_append(rig, 1, "again", "x"));
}

static void a_disk_below_its_reserve_refuses_before_anything_is_written(void **state) {
    struct rig *rig = *state;
    struct fake_fs *fake = fake_new(1);
    rig->conf.disk_reserve = 1000000;
    assert_int_equal(OK, local_open_on(&rig->conf, &fake->fs, &rig->store, NULL));
    assert_int_equal(OK, store_pressure(rig->store));
    fake->free_bytes = 999999;
    local_disk_check(local_of(rig->store));
    assert_int_equal(ERR_FULL, store_pressure(rig->store));
    uint64_t writes = fake->writes;
    assert_int_equal(ERR_FULL, append_error(rig, "a"));
    assert_int_equal(writes, fake->writes);
    fake->free_bytes = 1000000;
    local_disk_check(local_of(rig->store));
    assert_int_equal(OK, store_pressure(rig->store));
    assert_int_equal(OK, append_error(rig, "a"));
    rig->store->engine->close(rig->store);
    rig->store = NULL;
    fake_destroy(fake);
}

/* ---- retention ---- */

static void old_segments_go_when_every_cursor_has_passed_them(void **state) {
    struct rig *rig = *state;
    rig->conf.segment_bytes = 65536;
    rig->conf.keep = rig->conf.dedup_window = 0;
    rig_open(rig);
    struct store_cursor *cursor = NULL;
    struct cursor_state cursor_state;
    assert_int_equal(OK, store_cursor_open(rig->store, 5, SLICE("d"), 0, &rig->arena, &cursor, &cursor_state));
    rig_append_many(rig, 1, 0, 3000);
    clock_test_advance(1000);
    store_trim(rig->store);
    assert_int_equal(0, store_tail(rig->store));
    store_cursor_progress(cursor, 2000);
    store_trim(rig->store);
    uint64_t tail = store_tail(rig->store);
    assert_true(tail > 1000 && tail <= 2000);
    assert_int_equal(3000 - tail, rig_count_from(rig, 0, NULL, NULL));
    struct store_block *block = NULL;
    assert_int_equal(ERR_NOT_FOUND, store_get(rig->store, tail - 1, &block));
    assert_true(stat_get(&store_stat(rig->store)->trimmed) > 0);
    assert_int_equal(OK, store_cursor_retire(cursor));
    store_cursor_close(cursor);
    store_trim(rig->store);
    assert_true(store_tail(rig->store) > tail);
    assert_true(store_tail(rig->store) < 3000); /* the one being written stays */
}

static void young_segments_stay_for_store_keep(void **state) {
    struct rig *rig = *state;
    rig->conf.segment_bytes = 65536;
    rig->conf.keep = 5000;
    rig->conf.dedup_window = 0;
    rig_open(rig);
    rig_append_many(rig, 1, 0, 2000);
    clock_test_advance(5000);
    store_trim(rig->store);
    assert_int_equal(0, store_tail(rig->store));
    clock_test_advance(1);
    store_trim(rig->store);
    assert_true(store_tail(rig->store) > 0);
}

static void a_quiet_segment_is_left_when_all_of_it_is_old(void **state) {
    struct rig *rig = *state;
    rig->conf.keep = 5000;
    rig->conf.dedup_window = 0;
    rig_open(rig);
    rig_append_many(rig, 1, 0, 10);
    clock_test_advance(5001);
    store_trim(rig->store);
    assert_int_equal(0, store_tail(rig->store)); /* the last one never goes, */
    rig_append(rig, 1, "a day later", "x");
    store_trim(rig->store);
    assert_int_equal(10, store_tail(rig->store)); /* but the next event is in another */
    assert_int_equal(1, rig_count_from(rig, 0, NULL, NULL));
}

static void a_full_log_refuses_until_a_cursor_has_moved(void **state) {
    struct rig *rig = *state;
    rig->conf.log_bytes = 1 << 20;
    rig->conf.prepare = false;
    rig_open(rig);
    struct store_cursor *cursor = NULL;
    struct cursor_state cursor_state;
    assert_int_equal(OK, store_cursor_open(rig->store, 5, SLICE("d"), 0, &rig->arena, &cursor, &cursor_state));
    enum err e = OK;
    static char payload[10000];
    uint32_t stored = 0;
    for (char id[16]; e == OK && stored < 1000; stored++) {
        snprintf(id, sizeof id, "%u", stored);
        struct record_head head = rig_head(1, id);
        (void)rig_append_as(rig, &head, slice_of(payload, sizeof payload), &e);
    }
    assert_int_equal(ERR_FULL, e);
    assert_int_equal(ERR_FULL, store_pressure(rig->store));
    local_disk_check(local_of(rig->store));
    assert_int_equal(ERR_FULL, store_pressure(rig->store)); /* the cursor still needs all of it */
    store_cursor_progress(cursor, 60);
    local_disk_check(local_of(rig->store));
    assert_int_equal(OK, store_pressure(rig->store));
    assert_int_equal(OK, append_error(rig, "goes on"));
    assert_true(store_tail(rig->store) > 0 && store_tail(rig->store) <= 60);
    store_cursor_close(cursor);
}

int main(void) {
    clock_test_start(INT64_C(1700000000000));
    log_setup((enum log_level)(LOG_ERROR + 1), false); /* the failures are meant */
    const struct CMUnitTest tests[] = {
        RIG_TEST(what_gathers_during_a_sync_is_one_commit),
        RIG_TEST(a_duplicate_is_answered_only_when_the_first_is_durable),
        RIG_TEST(no_room_answers_full_and_is_over_when_there_is_room),
        RIG_TEST(a_failed_write_answers_io),
        RIG_TEST(a_write_that_fails_after_its_bytes_are_there_is_cut_back),
        RIG_TEST(a_failed_sync_answers_io_and_the_log_goes_on_in_a_new_segment),
        RIG_TEST(the_first_sync_of_a_store_may_fail),
        RIG_TEST(a_segment_that_cannot_be_made_answers_full),
        RIG_TEST(a_disk_below_its_reserve_refuses_before_anything_is_written),
        RIG_TEST(old_segments_go_when_every_cursor_has_passed_them),
        RIG_TEST(young_segments_stay_for_store_keep),
        RIG_TEST(a_quiet_segment_is_left_when_all_of_it_is_old),
        RIG_TEST(a_full_log_refuses_until_a_cursor_has_moved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
