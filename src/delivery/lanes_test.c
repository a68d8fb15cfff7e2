/* Order per user, readiness, waiting; and a random run against a model that looks at everything each time. */
#include "delivery/lanes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ITEMS = 2000, USERS = 37, STEPS = 40000 };

static struct item *new_item(uint64_t offset, uint64_t user, int64_t due_ms) {
    struct item *item = mem_alloc(sizeof *item);
    item->offset = offset;
    item->user = user;
    item->due_ms = due_ms;
    return item;
}

static uint64_t take_offset(struct lanes *lanes) {
    struct item *item = lanes_take(lanes);
    return item != NULL ? item->offset : UINT64_MAX;
}

static void end_all(struct lanes *lanes) {
    while (lanes->oldest != NULL) {
        struct item *item = lanes->oldest;
        lanes_end(lanes, item, 0);
        mem_free(item);
    }
    lanes_fini(lanes);
}

static void only_the_oldest_of_a_user_is_ready(void **state) {
    (void)state;
    struct lanes lanes;
    lanes_init(&lanes);
    struct item *first = new_item(1, 7, 0);
    lanes_add(&lanes, first, true, 0);
    lanes_add(&lanes, new_item(2, 7, 0), true, 0);
    lanes_add(&lanes, new_item(3, 8, 0), true, 0);
    assert_int_equal(take_offset(&lanes), 1);
    assert_int_equal(take_offset(&lanes), 3);
    assert_int_equal(take_offset(&lanes), UINT64_MAX);
    lanes_end(&lanes, first, 0);
    mem_free(first);
    assert_int_equal(take_offset(&lanes), 2);
    end_all(&lanes);
}

static void events_of_nobody_and_unordered_ones_do_not_wait_for_each_other(void **state) {
    (void)state;
    struct lanes lanes;
    lanes_init(&lanes);
    lanes_add(&lanes, new_item(1, 0, 0), true, 0);
    lanes_add(&lanes, new_item(2, 0, 0), true, 0);
    lanes_add(&lanes, new_item(3, 9, 0), false, 0);
    lanes_add(&lanes, new_item(4, 9, 0), false, 0);
    assert_int_equal(lanes.ready_count, 4);
    end_all(&lanes);
}

static void one_that_waits_holds_back_its_user_alone(void **state) {
    (void)state;
    struct lanes lanes;
    lanes_init(&lanes);
    lanes_add(&lanes, new_item(1, 7, 0), true, 0);
    lanes_add(&lanes, new_item(2, 7, 0), true, 0);
    lanes_wait(&lanes, lanes_take(&lanes), 500);
    lanes_add(&lanes, new_item(3, 8, 0), true, 0);
    assert_int_equal(take_offset(&lanes), 3);
    assert_int_equal(take_offset(&lanes), UINT64_MAX);
    assert_int_equal(lanes_due(&lanes, 499), 500);
    assert_int_equal(take_offset(&lanes), UINT64_MAX);
    assert_int_equal(lanes_due(&lanes, 500), INT64_MAX);
    assert_int_equal(take_offset(&lanes), 1);
    end_all(&lanes);
}

static void an_event_that_comes_with_a_due_time_waits_for_it(void **state) {
    (void)state;
    struct lanes lanes;
    lanes_init(&lanes);
    lanes_add(&lanes, new_item(1, 7, 900), true, 100);
    lanes_add(&lanes, new_item(2, 7, 0), true, 100);
    assert_int_equal(take_offset(&lanes), UINT64_MAX);
    assert_int_equal(lanes_due(&lanes, 100), 900);
    struct item *probe = lanes_take_soonest(&lanes);
    assert_int_equal(probe->offset, 1);
    assert_int_equal(lanes.waiting_count, 0);
    end_all(&lanes);
}

static void one_that_is_put_back_is_the_next(void **state) {
    (void)state;
    struct lanes lanes;
    lanes_init(&lanes);
    lanes_add(&lanes, new_item(1, 7, 0), true, 0);
    lanes_add(&lanes, new_item(2, 8, 0), true, 0);
    lanes_put_back(&lanes, lanes_take(&lanes));
    assert_int_equal(take_offset(&lanes), 1);
    assert_int_equal(take_offset(&lanes), 2);
    end_all(&lanes);
}

static void an_event_may_end_while_it_stands_behind_another(void **state) {
    (void)state;
    struct lanes lanes;
    lanes_init(&lanes);
    struct item *items[4];
    for (uint64_t i = 0; i < 4; i++) {
        items[i] = new_item(i, 7, 0);
        lanes_add(&lanes, items[i], true, 0);
    }
    lanes_end(&lanes, items[1], 0);
    lanes_end(&lanes, items[3], 0);
    mem_free(items[1]);
    mem_free(items[3]);
    lanes_add(&lanes, new_item(9, 7, 0), true, 0);
    static const uint64_t expected[] = {0, 2, 9};
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        struct item *item = lanes_take(&lanes);
        assert_int_equal(item->offset, expected[i]);
        lanes_end(&lanes, item, 0);
        mem_free(item);
    }
    end_all(&lanes);
}

static void those_behind_go_along_and_come_back_in_their_order(void **state) {
    (void)state;
    struct lanes lanes;
    lanes_init(&lanes);
    struct item *items[4];
    for (uint64_t i = 0; i < 4; i++) {
        items[i] = new_item(i, 7, i == 3 ? 900 : 0);
        lanes_add(&lanes, items[i], true, 0);
    }
    assert_int_equal(take_offset(&lanes), 0);
    for (uint64_t i = 1; i < 3; i++) {
        assert_ptr_equal(lanes_peek_behind(items[i - 1], 0), items[i]);
        lanes_take_behind(items[i]);
    }
    assert_null(lanes_peek_behind(items[2], 899)); /* not due */
    lanes_put_back(&lanes, items[2]);
    lanes_wait(&lanes, items[1], 700);
    lanes_wait(&lanes, items[0], 500);
    assert_int_equal(lanes_due(&lanes, 500), INT64_MAX);
    assert_int_equal(take_offset(&lanes), 0);
    lanes_end(&lanes, items[0], 500);
    mem_free(items[0]);
    assert_int_equal(take_offset(&lanes), UINT64_MAX);
    assert_int_equal(lanes_due(&lanes, 700), INT64_MAX);
    assert_int_equal(take_offset(&lanes), 1);
    assert_ptr_equal(lanes_peek_behind(items[1], 700), items[2]);
    end_all(&lanes);
}

static void the_end_of_a_taken_one_is_no_turn_for_one_that_is_taken_too(void **state) {
    (void)state;
    struct lanes lanes;
    lanes_init(&lanes);
    struct item *items[3];
    for (uint64_t i = 0; i < 3; i++) {
        items[i] = new_item(i, 7, 0);
        lanes_add(&lanes, items[i], true, 0);
    }
    assert_int_equal(take_offset(&lanes), 0);
    lanes_take_behind(items[1]);
    lanes_end(&lanes, items[0], 0);
    mem_free(items[0]);
    assert_int_equal(take_offset(&lanes), UINT64_MAX);
    lanes_end(&lanes, items[1], 0);
    mem_free(items[1]);
    assert_int_equal(take_offset(&lanes), 2);
    end_all(&lanes);
}

/* ---- model ---- */

struct model {
    struct lanes lanes;
    struct item *all[ITEMS]; /* by offset; NULL = ended */
    uint64_t next;
    int64_t now_ms;
    unsigned random;
};

static unsigned dice(struct model *model, unsigned sides) {
    model->random = model->random * 1103515245 + 12345;
    return (model->random >> 16) % sides;
}

static bool is_first_of_user(const struct model *model, const struct item *item) {
    for (uint64_t i = 0; i < item->offset; i++) {
        if (model->all[i] != NULL && model->all[i]->user == item->user) {
            return false;
        }
    }
    return true;
}

static void check(const struct model *model) {
    size_t ready = 0, waiting = 0, count = 0;
    const struct item *chain = model->lanes.oldest;
    for (uint64_t i = 0; i < model->next; i++) {
        const struct item *item = model->all[i];
        if (item == NULL) {
            continue;
        }
        assert_ptr_equal(chain, item);
        chain = chain->newer;
        count++;
        ready += item->state == ITEM_READY ? 1 : 0;
        waiting += item->state == ITEM_WAITING ? 1 : 0;
        bool first = item->user == 0 || is_first_of_user(model, item);
        assert_false(first && item->state == ITEM_BEHIND);
        assert_false(!first && (item->state == ITEM_READY || item->state == ITEM_WAITING));
    }
    assert_null(chain);
    assert_int_equal(model->lanes.count, count);
    assert_int_equal(model->lanes.ready_count, ready);
    assert_int_equal(model->lanes.waiting_count, waiting);
}

/* One of the first few. */
static struct item *any_taken(struct model *model) {
    struct item *found = NULL;
    unsigned skip = dice(model, 4);
    for (struct item *item = model->lanes.oldest; item != NULL; item = item->newer) {
        if (item->state == ITEM_TAKEN) {
            found = item;
            if (skip-- == 0) {
                break;
            }
        }
    }
    return found;
}

/* As a load does: one that is ready, and those behind it. */
static void take_run(struct model *model) {
    struct item *item = lanes_take(&model->lanes);
    for (unsigned more = dice(model, 4); item != NULL && more > 0; more--) {
        struct item *behind = lanes_peek_behind(item, model->now_ms);
        if (behind != NULL) {
            assert_int_equal(behind->user, item->user);
            assert_true(behind->due_ms <= model->now_ms);
            lanes_take_behind(behind);
        }
        item = behind;
    }
}

static void end_item(struct model *model, struct item *item) {
    model->all[item->offset] = NULL;
    lanes_end(&model->lanes, item, model->now_ms);
    mem_free(item);
}

static void step(struct model *model) {
    struct item *taken = any_taken(model);
    switch (dice(model, 9)) {
    case 0:
    case 1:
        if (model->next < ITEMS) {
            struct item *item = new_item(model->next, dice(model, USERS), dice(model, 4) == 0 ? model->now_ms + 50 : 0);
            model->all[model->next++] = item;
            lanes_add(&model->lanes, item, true, model->now_ms);
        }
        break;
    case 2:
    case 3:
        take_run(model);
        break;
    case 7:
        if (taken != NULL) {
            lanes_put_back(&model->lanes, taken);
        }
        break;
    case 4:
        if (taken != NULL) {
            lanes_wait(&model->lanes, taken, model->now_ms + 1 + dice(model, 100));
        }
        break;
    case 5:
        model->now_ms += dice(model, 30);
        assert_true(lanes_due(&model->lanes, model->now_ms) > model->now_ms);
        break;
    case 6:
        if (taken != NULL) {
            end_item(model, taken);
        }
        break;
    default:
        if (dice(model, 8) == 0 && model->lanes.oldest != NULL) {
            end_item(model, dice(model, 2) == 0 ? model->lanes.oldest : model->lanes.newest);
        }
        break;
    }
}

static void any_sequence_of_steps_keeps_the_order_of_every_user(void **state) {
    (void)state;
    struct model *model = mem_alloc(sizeof *model);
    model->random = 20260807;
    lanes_init(&model->lanes);
    for (unsigned i = 0; i < STEPS; i++) {
        step(model);
        if (i % 16 == 0) {
            check(model);
        }
    }
    end_all(&model->lanes);
    mem_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_oldest_of_a_user_is_ready),
        cmocka_unit_test(events_of_nobody_and_unordered_ones_do_not_wait_for_each_other),
        cmocka_unit_test(one_that_waits_holds_back_its_user_alone),
        cmocka_unit_test(an_event_that_comes_with_a_due_time_waits_for_it),
        cmocka_unit_test(one_that_is_put_back_is_the_next),
        cmocka_unit_test(an_event_may_end_while_it_stands_behind_another),
        cmocka_unit_test(those_behind_go_along_and_come_back_in_their_order),
        cmocka_unit_test(the_end_of_a_taken_one_is_no_turn_for_one_that_is_taken_too),
        cmocka_unit_test(any_sequence_of_steps_keeps_the_order_of_every_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
