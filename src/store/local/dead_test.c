/* Dead letters: kept whole, listed, taken once, bounded. */
#include "store/store_rig.h"

#include "store/local/local.h"

static struct dead_letter letter_of(uint64_t destination) {
    return (struct dead_letter){.at_ms = 1,
        .received_ms = 2,
        .offset = 3,
        .destination = destination,
        .source = 4,
        .user = 5,
        .message = {6, 7},
        .attempts = 8,
        .status = 400,
        .type = EVENT_PAGE,
        .reason = REASON_HTTP_STATUS,
        .destination_id = SLICE("dest"),
        .source_id = SLICE("src"),
        .message_id = SLICE("msg"),
        .text = SLICE("status 400"),
        .request = SLICE("POST /hook HTTP/1.1"),
        .response = SLICE("HTTP/1.1 400 Bad Request"),
        .payload = SLICE("{\"type\":\"page\"}")};
}

static uint64_t put(struct rig *rig, uint64_t destination) {
    struct dead_letter letter = letter_of(destination);
    uint64_t id = 0;
    assert_int_equal(OK, store_dead_put(rig->store, &letter, &id));
    return id;
}

static size_t list(struct rig *rig, struct dead_filter filter, struct dead_letter **ret_letters) {
    size_t count = 0;
    assert_int_equal(OK, store_dead_list(rig->store, &filter, &rig->arena, ret_letters, &count));
    return count;
}

static void a_letter_comes_back_whole_also_after_a_restart(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    assert_int_equal(1, put(rig, 9));
    assert_int_equal(2, put(rig, 9));
    for (int round = 0; round < 2; round++) {
        struct dead_letter letter;
        assert_int_equal(OK, store_dead_get(rig->store, 1, &rig->arena, &letter));
        struct dead_letter expected = letter_of(9);
        assert_int_equal(1, letter.id);
        assert_memory_equal(
            &expected.at_ms, &letter.at_ms, offsetof(struct dead_letter, taken) - offsetof(struct dead_letter, at_ms));
        assert_true(slice_eq(expected.destination_id, letter.destination_id));
        assert_true(slice_eq(expected.source_id, letter.source_id));
        assert_true(slice_eq(expected.message_id, letter.message_id));
        assert_true(slice_eq(expected.text, letter.text));
        assert_true(slice_eq(expected.request, letter.request));
        assert_true(slice_eq(expected.response, letter.response));
        assert_true(slice_eq(expected.payload, letter.payload));
        rig_close(rig);
        rig_open(rig);
    }
    assert_int_equal(3, put(rig, 9));
    struct dead_letter none;
    assert_int_equal(ERR_NOT_FOUND, store_dead_get(rig->store, 4, &rig->arena, &none));
    assert_int_equal(ERR_NOT_FOUND, store_dead_get(rig->store, 0, &rig->arena, &none));
}

static void letters_are_listed_by_destination_and_page(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    for (uint64_t i = 0; i < 10; i++) {
        put(rig, i % 2);
    }
    struct dead_letter *letters = NULL;
    assert_int_equal(10, list(rig, (struct dead_filter){.max = 20}, &letters));
    assert_int_equal(5, list(rig, (struct dead_filter){.destination = 1, .max = 20}, &letters));
    assert_int_equal(2, letters[0].id);
    assert_int_equal(10, letters[4].id);
    assert_true(slice_eq(letters[0].message_id, SLICE("msg")));
    assert_int_equal(0, letters[0].payload.len + letters[0].request.len + letters[0].response.len);
    assert_int_equal(2, list(rig, (struct dead_filter){.destination = 1, .after = 4, .max = 2}, &letters));
    assert_int_equal(6, letters[0].id);
    assert_int_equal(0, list(rig, (struct dead_filter){.destination = 7, .max = 2}, &letters));
    assert_int_equal(5, store_dead_count(rig->store, 0));
    assert_int_equal(5, store_dead_count(rig->store, 1));
}

static void a_letter_is_taken_once(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    put(rig, 1);
    put(rig, 1);
    assert_int_equal(OK, store_dead_take(rig->store, 1));
    assert_int_equal(ERR_EXISTS, store_dead_take(rig->store, 1));
    assert_int_equal(ERR_NOT_FOUND, store_dead_take(rig->store, 3));
    rig_close(rig);
    rig_open(rig);
    assert_int_equal(ERR_EXISTS, store_dead_take(rig->store, 1));
    assert_int_equal(1, store_dead_count(rig->store, 1));
    struct dead_letter *letters = NULL;
    assert_int_equal(1, list(rig, (struct dead_filter){.max = 9}, &letters));
    assert_int_equal(2, letters[0].id);
    assert_int_equal(2, list(rig, (struct dead_filter){.max = 9, .include_taken = true}, &letters));
    assert_true(letters[0].taken);
    assert_false(letters[1].taken);
}

static void a_long_answer_is_cut_and_long_texts_are_listed(void **state) {
    struct rig *rig = *state;
    rig->conf.dead_response_bytes = 10;
    rig_open(rig);
    static char text[5000];
    memset(text, 't', sizeof text);
    struct dead_letter letter = letter_of(1);
    letter.text = slice_of(text, sizeof text);
    uint64_t id = 0;
    assert_int_equal(OK, store_dead_put(rig->store, &letter, &id));
    struct dead_letter found;
    assert_int_equal(OK, store_dead_get(rig->store, id, &rig->arena, &found));
    assert_true(slice_eq(found.response, SLICE("HTTP/1.1 4")));
    struct dead_letter *letters = NULL;
    assert_int_equal(1, list(rig, (struct dead_filter){.max = 9}, &letters));
    assert_true(slice_eq(letters[0].text, letter.text));
}

static void a_failed_put_leaves_nothing(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    put(rig, 1);
    rig_fault("STORE_DEAD_PUT=fail");
    struct dead_letter letter = letter_of(1);
    uint64_t id = 0;
    assert_int_equal(ERR_IO, store_dead_put(rig->store, &letter, &id));
    assert_int_equal(1, store_dead_count(rig->store, 1));
    assert_int_equal(2, put(rig, 1));
}

static void a_torn_letter_is_cut_off_and_a_corrupt_one_is_left_out(void **state) {
    struct rig *rig = *state;
    rig_open(rig);
    for (int i = 0; i < 5; i++) {
        put(rig, 1);
    }
    rig_close(rig);
    char path[128];
    snprintf(path, sizeof path, "%s/dead/%020u.ded", rig->path, 1);
    long size = rig_file_size(path);
    rig_damage(path, size / 5 + 40);
    assert_int_equal(0, truncate(path, size - 30));
    rig_open(rig);
    assert_int_equal(3, store_dead_count(rig->store, 1));
    struct dead_letter letter;
    assert_int_equal(ERR_NOT_FOUND, store_dead_get(rig->store, 2, &rig->arena, &letter));
    assert_int_equal(OK, store_dead_get(rig->store, 4, &rig->arena, &letter));
    assert_int_equal(5, put(rig, 1));
    assert_int_equal(OK, store_dead_get(rig->store, 5, &rig->arena, &letter));
}

static void the_oldest_letters_go_when_there_is_no_room(void **state) {
    struct rig *rig = *state;
    rig->conf.dead_bytes = 2 << 20;
    rig_open(rig);
    static char payload[100000];
    memset(payload, 'p', sizeof payload);
    struct dead_letter letter = letter_of(1);
    letter.payload = slice_of(payload, sizeof payload);
    uint64_t id = 0;
    for (int i = 0; i < 60; i++) {
        assert_int_equal(OK, store_dead_put(rig->store, &letter, &id));
        if (i == 55) {
            assert_int_equal(OK, store_dead_take(rig->store, 50));
        }
    }
    for (int round = 0; round < 2; round++) { /* the second time from the indexes behind full files */
        struct dead_letter found;
        assert_int_equal(ERR_NOT_FOUND, store_dead_get(rig->store, 1, &rig->arena, &found));
        assert_int_equal(OK, store_dead_get(rig->store, 60, &rig->arena, &found));
        assert_int_equal(sizeof payload, found.payload.len);
        assert_int_equal(ERR_EXISTS, store_dead_take(rig->store, 50));
        struct dead_letter *letters = NULL;
        size_t kept = list(rig, (struct dead_filter){.max = 100}, &letters);
        assert_true(kept >= 10 && kept <= 25);
        assert_int_equal(kept, store_dead_count(rig->store, 1));
        assert_int_equal(60 - kept - 1, letters[0].id - 1);
        rig_close(rig);
        rig_open(rig);
    }
}

int main(void) {
    log_setup((enum log_level)(LOG_ERROR + 1), false); /* the failures are meant */
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_letter_comes_back_whole_also_after_a_restart),
        RIG_TEST(letters_are_listed_by_destination_and_page),
        RIG_TEST(a_letter_is_taken_once),
        RIG_TEST(a_long_answer_is_cut_and_long_texts_are_listed),
        RIG_TEST(a_failed_put_leaves_nothing),
        RIG_TEST(a_torn_letter_is_cut_off_and_a_corrupt_one_is_left_out),
        RIG_TEST(the_oldest_letters_go_when_there_is_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
