/* Damage on disk, and what is made of it: torn tails, corrupt records, indexes that are gone or bad. */
#include "store/store_rig.h"

#include "store/local/local.h"

#define SEGMENT_HEAD 64
#define SMALL_FRAME 88 /* of a record with up to 8 bytes of payload */

static void remove_index(const struct rig *rig, uint64_t base) {
    char path[128];
    rig_segment_path(rig, base, "idx", path);
    (void)remove(path);
}

static void a_torn_tail_is_cut_off_on_open(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    rig_append_many(rig, 1, 0, 10);
    rig_close(rig);
    char path[128];
    rig_segment_path(rig, 0, "seg", path);
    long whole = rig_file_size(path);
    rig_append_bytes(path, "SLR1 and what a crash had time for", 34);
    rig_open(rig);
    assert_int_equal(10, store_head(rig->store));
    assert_int_equal(34, stat_get(&store_stat(rig->store)->torn));
    assert_int_equal(whole, rig_file_size(path));
    assert_int_equal(10, rig_append(rig, 1, "after", "a"));
    rig_close(rig);
    rig_open(rig);
    assert_int_equal(11, rig_count_from(rig, 0, NULL, NULL));
}

static void half_a_record_at_the_end_is_cut_off(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    rig_append_many(rig, 1, 0, 10);
    rig_close(rig);
    char path[128];
    rig_segment_path(rig, 0, "seg", path);
    remove_index(rig, 0);
    assert_int_equal(0, truncate(path, SEGMENT_HEAD + 9 * SMALL_FRAME + 81));
    rig_open(rig);
    assert_int_equal(9, store_head(rig->store));
    assert_int_equal(81, stat_get(&store_stat(rig->store)->torn));
    assert_int_equal(9, rig_count_from(rig, 0, NULL, NULL));
}

static void a_file_shorter_than_its_index_is_read_from_its_bytes(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    rig_append_many(rig, 1, 0, 10);
    rig_close(rig);
    char path[128];
    rig_segment_path(rig, 0, "seg", path);
    assert_int_equal(0, truncate(path, SEGMENT_HEAD + 7 * SMALL_FRAME));
    rig_open(rig);
    assert_int_equal(7, store_head(rig->store));
    assert_int_equal(7, rig_append(rig, 1, "after", "a"));
}

static void a_corrupt_payload_is_skipped_and_counted(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    rig_append_many(rig, 1, 0, 100);
    char path[128];
    rig_segment_path(rig, 0, "seg", path);
    rig_damage(path, SEGMENT_HEAD + 41 * SMALL_FRAME + 81);
    uint64_t corrupt = 0;
    assert_int_equal(99, rig_count_from(rig, 0, NULL, &corrupt));
    assert_int_equal(1, corrupt);
    struct store_block *block = NULL;
    assert_int_equal(ERR_CORRUPT, store_get(rig->store, 41, &block));
    assert_true(rig_payload_is(rig, 42, "m42"));
    assert_true(stat_get(&store_stat(rig->store)->corrupt) > 0);
}

static void a_corrupt_head_amid_the_last_segment_costs_only_its_record(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    rig_append_many(rig, 1, 0, 100); /* groups of ten */
    rig_close(rig);
    char path[128];
    rig_segment_path(rig, 0, "seg", path);
    remove_index(rig, 0);
    rig_damage(path, SEGMENT_HEAD + 41 * SMALL_FRAME + 30);
    rig_damage(path, SEGMENT_HEAD + 42 * SMALL_FRAME + 30);
    rig_open(rig);
    assert_int_equal(100, store_head(rig->store)); /* the groups behind had been synced: this is no torn tail */
    uint64_t corrupt = 0;
    assert_int_equal(98, rig_count_from(rig, 0, NULL, &corrupt));
    assert_int_equal(2, corrupt);
    struct store_block *block = NULL;
    assert_int_equal(ERR_CORRUPT, store_get(rig->store, 41, &block));
    assert_true(rig_payload_is(rig, 43, "m43"));
    assert_int_equal(100, rig_append(rig, 1, "after", "a"));
}

static void corruption_in_the_last_group_is_taken_for_a_torn_tail(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    rig_append_many(rig, 1, 0, 100);
    rig_close(rig);
    char path[128];
    rig_segment_path(rig, 0, "seg", path);
    remove_index(rig, 0);
    rig_damage(path, SEGMENT_HEAD + 95 * SMALL_FRAME + 30);
    rig_open(rig);
    assert_int_equal(95, store_head(rig->store));
    assert_int_equal(5 * SMALL_FRAME, stat_get(&store_stat(rig->store)->torn));
}

static void a_corrupt_record_in_a_sealed_segment_without_index_is_skipped(void **state) {
    struct rig *rig = *state;
    rig->conf.segment_bytes = 65536;
    rig->conf.prepare = false;
    rig_open(rig);
    rig_append_many(rig, 1, 0, 2000);
    rig_close(rig);
    char path[128];
    rig_segment_path(rig, 0, "seg", path);
    remove_index(rig, 0);
    rig_damage(path, SEGMENT_HEAD + 500 * SMALL_FRAME + 4);
    rig_damage(path, SEGMENT_HEAD + 600 * SMALL_FRAME + 81);
    rig_damage(path, -SMALL_FRAME); /* its last head */
    rig_open(rig);
    assert_int_equal(2000, store_head(rig->store));
    uint64_t corrupt = 0;
    assert_int_equal(1997, rig_count_from(rig, 0, NULL, &corrupt));
    assert_int_equal(3, corrupt);
    uint64_t count = 0;
    assert_int_equal(OK, store_count(rig->store, NULL, 0, UINT64_MAX, &count));
    assert_int_equal(1998, count); /* the corrupt payload has a good head */
}

static void a_damaged_segment_head_costs_nothing(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    rig_append_many(rig, 1, 0, 20);
    rig_close(rig);
    char path[128];
    rig_segment_path(rig, 0, "seg", path);
    remove_index(rig, 0);
    rig_damage(path, 3);
    rig_open(rig);
    assert_int_equal(20, rig_count_from(rig, 0, NULL, NULL));
}

static void a_bad_index_is_made_again(void **state) {
    struct rig *rig = *state;
    rig->conf.segment_bytes = 65536;
    rig_open(rig);
    rig_append_many(rig, 1, 0, 2000);
    rig_close(rig);
    char path[128];
    rig_segment_path(rig, 0, "idx", path);
    rig_damage(path, 40); /* its head */
    rig_open(rig);
    assert_int_equal(2000, rig_count_from(rig, 0, NULL, NULL));
    rig_close(rig);
    rig_damage(path, 8192 + 100); /* a page of entries */
    rig_open(rig);
    assert_int_equal(2000, rig_count_from(rig, 0, NULL, NULL));
    assert_true(rig_payload_is(rig, 3, "m3"));
    rig_close(rig);
    rig_damage(path, -100); /* the page of messages */
    rig_open(rig);
    uint64_t offset = 0;
    size_t count = 0;
    assert_int_equal(OK, store_find_message(rig->store, hash128(SLICE("m7")), &offset, 1, &count));
    assert_int_equal(1, count);
    assert_int_equal(7, offset);
}

static void leftovers_of_an_index_are_removed(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    rig_append(rig, 1, "a", "a");
    rig_close(rig);
    char draft[128], orphan[128];
    rig_segment_path(rig, 0, "idx.tmp", draft);
    rig_segment_path(rig, 999, "idx", orphan);
    rig_append_bytes(draft, "x", 1);
    rig_append_bytes(orphan, "x", 1);
    rig_open(rig);
    assert_int_equal(-1, rig_file_size(draft));
    assert_int_equal(-1, rig_file_size(orphan));
}

static void what_a_recycled_file_held_before_is_not_taken_for_records(void **state) {
    struct rig *rig = *state;
    rig->conf.segment_bytes = 65536;
    rig->conf.dedup_window = 0;
    rig->conf.prepare = false;
    rig_open(rig);
    rig_append_many(rig, 1, 0, 2000);
    rig_close(rig);
    char old[128], spare[128], last[128];
    struct local_segment_head head;
    rig_segment_path(rig, 0, "seg", old);
    snprintf(spare, sizeof spare, "%s/log/spare", rig->path);
    assert_int_equal(0, rename(old, spare));
    remove_index(rig, 0);
    rig->conf.prepare = true;
    rig_open(rig);
    uint64_t base = store_head(rig->store);
    while (rig_append(rig, 1, "fill", "fill") &&
        stat_get(&store_stat(rig->store)->rolls) == 0) { /* until the old file is in use */
    }
    uint64_t count = store_head(rig->store);
    assert_true(count > base);
    store_close(rig->store);
    /* the last segment: make it look unclean */
    rig_segment_path(rig, count - 1, "seg", last);
    FILE *file = fopen(last, "rb");
    assert_non_null(file);
    assert_int_equal(1, fread(&head, sizeof head, 1, file));
    fclose(file);
    assert_int_equal(LOCAL_SEGMENT_PREPARED, head.flags);
    remove_index(rig, count - 1);
    rig_open(rig);
    assert_int_equal(count, store_head(rig->store));
    assert_int_equal(0, stat_get(&store_stat(rig->store)->torn));
}

int main(void) {
    log_setup((enum log_level)(LOG_ERROR + 1), false); /* the damage is meant */
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_torn_tail_is_cut_off_on_open),
        RIG_TEST(half_a_record_at_the_end_is_cut_off),
        RIG_TEST(a_file_shorter_than_its_index_is_read_from_its_bytes),
        RIG_TEST(a_corrupt_payload_is_skipped_and_counted),
        RIG_TEST(a_corrupt_head_amid_the_last_segment_costs_only_its_record),
        RIG_TEST(corruption_in_the_last_group_is_taken_for_a_torn_tail),
        RIG_TEST(a_corrupt_record_in_a_sealed_segment_without_index_is_skipped),
        RIG_TEST(a_damaged_segment_head_costs_nothing),
        RIG_TEST(a_bad_index_is_made_again),
        RIG_TEST(leftovers_of_an_index_are_removed),
        RIG_TEST(what_a_recycled_file_held_before_is_not_taken_for_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
