/* What store.h promises, through the local engine on a real file system. */
#include "store/store_rig.h"

#include "store/store_stat.h"

static int setup(void **state) {
    struct rig *rig = calloc(1, sizeof *rig);
    rig_init(rig);
    *state = rig;
    return 0;
}

static int teardown(void **state) {
    rig_fault("STORE_BEFORE_WRITE=off,STORE_ENOSPC=off,STORE_BEFORE_SYNC=off,STORE_ROLL=off,STORE_NOTE=off");
    rig_fini(*state);
    free(*state);
    return 0;
}

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_record_comes_back_as_it_was_appended, setup, teardown),
        cmocka_unit_test_setup_teardown(records_survive_a_restart_in_order, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
