/* The bounded queue: order, bounds, who is woken when; and a run over two threads. */
#include "processor/outlet.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"
#include "store/engine.h"

enum { PAYLOAD = 100, MANY = 200000 };

struct rig {
    struct loop *producer, *consumer;
    struct outlet *outlet;
    unsigned ready, room;
};

static void on_ready(void *ctx) {
    ((struct rig *)ctx)->ready++;
}

static void on_room(void *ctx) {
    ((struct rig *)ctx)->room++;
}

static void rig_open(struct rig *rig, uint32_t events, uint64_t bytes) {
    *rig = (struct rig){.producer = loop_new("producer"), .consumer = loop_new("consumer")};
    rig->outlet = outlet_new(&(struct outlet_conf){.producer = rig->producer,
        .consumer = rig->consumer,
        .events = events,
        .bytes = bytes,
        .on_ready = on_ready,
        .ready_ctx = rig});
    outlet_feed(rig->outlet, on_room, rig);
}

static void rig_close(struct rig *rig) {
    outlet_free(rig->outlet);
    loop_free(rig->producer);
    loop_free(rig->consumer);
}

/* Runs what was posted to the loop. */
static void settle(struct loop *loop) {
    loop_stop(loop);
    loop_run(loop);
}

static struct store_block *block_of(uint64_t first_offset, uint32_t count) {
    struct record *records;
    char *bytes;
    struct store_block *block = store_block_new(count, (size_t)count * PAYLOAD, &records, &bytes);
    for (uint32_t i = 0; i < count; i++) {
        records[i] =
            (struct record){.offset = first_offset + i, .payload = slice_of(bytes + (size_t)i * PAYLOAD, PAYLOAD)};
    }
    block->count = count;
    block->next = first_offset + count;
    return block;
}

static bool push(struct outlet *outlet, struct store_block *block, uint32_t i) {
    store_block_hold(block);
    struct handover handover = {.block = block, .record = &block->records[i], .verdict = VERDICT_DELIVER};
    if (outlet_push(outlet, &handover)) {
        return true;
    }
    store_block_release(block);
    return false;
}

static size_t take(struct outlet *outlet, size_t max, uint64_t *ret_first, uint64_t *ret_scanned) {
    struct handover out[64];
    size_t count = outlet_take(outlet, out, max, ret_scanned);
    *ret_first = count > 0 ? out[0].record->offset : UINT64_MAX;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(out[i].record->offset, *ret_first + i);
        store_block_release(out[i].block);
    }
    return count;
}

static void what_is_pushed_comes_out_in_order_after_a_flush(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, 16, 1 << 20);
    struct store_block *block = block_of(5, 4);
    for (uint32_t i = 0; i < 4; i++) {
        assert_true(push(rig.outlet, block, i));
    }
    outlet_scanned(rig.outlet, 20);
    uint64_t first, scanned;
    assert_int_equal(take(rig.outlet, 64, &first, &scanned), 0);
    outlet_flush(rig.outlet);
    assert_int_equal(outlet_length(rig.outlet), 4);
    assert_int_equal(take(rig.outlet, 3, &first, &scanned), 3);
    assert_int_equal(first, 5);
    assert_int_equal(scanned, 8); /* not 20: the event at 8 is still to be accounted for */
    assert_int_equal(take(rig.outlet, 64, &first, &scanned), 1);
    assert_int_equal(first, 8);
    assert_int_equal(scanned, 20);
    store_block_release(block);
    rig_close(&rig);
}

static void the_consumer_is_woken_once_per_empty_queue(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, 16, 1 << 20);
    struct store_block *block = block_of(0, 3);
    uint64_t first, scanned;
    push(rig.outlet, block, 0);
    outlet_flush(rig.outlet);
    push(rig.outlet, block, 1);
    outlet_flush(rig.outlet);
    settle(rig.consumer);
    assert_int_equal(rig.ready, 1);
    assert_int_equal(take(rig.outlet, 64, &first, &scanned), 2);
    push(rig.outlet, block, 2);
    outlet_flush(rig.outlet);
    settle(rig.consumer);
    assert_int_equal(rig.ready, 2);
    store_block_release(block);
    rig_close(&rig);
}

static void much_scanned_in_vain_wakes_the_consumer_too(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, 16, 1 << 20);
    uint64_t first, scanned;
    outlet_scanned(rig.outlet, 10);
    outlet_flush(rig.outlet);
    settle(rig.consumer);
    assert_int_equal(rig.ready, 0);
    outlet_scanned(rig.outlet, 1000000);
    outlet_flush(rig.outlet);
    settle(rig.consumer);
    assert_int_equal(rig.ready, 1);
    assert_int_equal(take(rig.outlet, 64, &first, &scanned), 0);
    assert_int_equal(scanned, 1000000);
    rig_close(&rig);
}

static void a_full_queue_refuses_and_tells_when_half_is_free(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, 4, 1 << 20);
    struct store_block *block = block_of(0, 6);
    for (uint32_t i = 0; i < 4; i++) {
        assert_true(push(rig.outlet, block, i));
    }
    assert_false(push(rig.outlet, block, 4));
    outlet_flush(rig.outlet);
    uint64_t first, scanned;
    take(rig.outlet, 1, &first, &scanned);
    settle(rig.producer);
    assert_int_equal(rig.room, 0);
    take(rig.outlet, 1, &first, &scanned);
    settle(rig.producer);
    assert_int_equal(rig.room, 1);
    assert_true(push(rig.outlet, block, 4));
    assert_true(push(rig.outlet, block, 5));
    take(rig.outlet, 64, &first, &scanned);
    settle(rig.producer);
    assert_int_equal(rig.room, 1); /* nothing was refused since */
    store_block_release(block);
    rig_close(&rig);
}

static void bytes_are_charged_once_per_run_of_a_block(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, 1000, 25 * PAYLOAD);
    struct store_block *first_block = block_of(0, 10);
    struct store_block *second_block = block_of(10, 10);
    struct store_block *third_block = block_of(20, 10);
    assert_true(push(rig.outlet, first_block, 0));
    assert_true(push(rig.outlet, first_block, 9));
    assert_true(push(rig.outlet, second_block, 0));
    assert_false(push(rig.outlet, third_block, 0)); /* would keep thirty payloads alive */
    outlet_flush(rig.outlet);
    struct handover out[2];
    uint64_t scanned;
    assert_int_equal(outlet_take(rig.outlet, out, 2, &scanned), 2);
    store_block_release(out[0].block);
    store_block_release(out[1].block);
    assert_true(push(rig.outlet, third_block, 0));
    store_block_release(first_block);
    store_block_release(second_block);
    store_block_release(third_block);
    rig_close(&rig); /* what was not taken is released: the leak checker looks */
}

static void an_empty_queue_takes_an_event_larger_than_all_of_it(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, 16, PAYLOAD / 2);
    struct store_block *block = block_of(0, 1);
    assert_true(push(rig.outlet, block, 0));
    store_block_release(block);
    rig_close(&rig);
}

/* ---- two threads ---- */

struct relay {
    struct outlet *outlet;
    struct loop *producer, *consumer;
    struct loop_msg start;
    uint64_t next_push, next_take;
};

static void produce(struct relay *relay) {
    while (relay->next_push < MANY) {
        uint32_t count = 1 + (uint32_t)(relay->next_push % 7);
        struct store_block *block = block_of(relay->next_push, count);
        uint32_t i = 0;
        while (i < count && push(relay->outlet, block, i)) {
            i++;
        }
        store_block_release(block);
        relay->next_push += i;
        outlet_scanned(relay->outlet, relay->next_push);
        outlet_flush(relay->outlet);
        if (i < count) {
            return; /* on_room goes on */
        }
    }
}

static void relay_on_room(void *ctx) {
    produce(ctx);
}

static void relay_on_start(struct loop_msg *msg) {
    produce(CONTAINER_OF(msg, struct relay, start));
}

static void relay_on_ready(void *ctx) {
    struct relay *relay = ctx;
    uint64_t first, scanned;
    for (size_t count = 1; count > 0;) {
        count = take(relay->outlet, 64, &first, &scanned);
        assert_true(count == 0 || first == relay->next_take);
        relay->next_take += count;
        assert_true(scanned <= MANY && scanned >= relay->next_take);
    }
    if (relay->next_take == MANY) {
        loop_stop(relay->producer);
        loop_stop(relay->consumer);
    }
}

static void nothing_is_lost_or_doubled_between_two_threads(void **state) {
    (void)state;
    struct relay relay = {.producer = loop_new("producer"), .consumer = loop_new("consumer")};
    relay.outlet = outlet_new(&(struct outlet_conf){.producer = relay.producer,
        .consumer = relay.consumer,
        .events = 100,
        .bytes = 40 * PAYLOAD,
        .on_ready = relay_on_ready,
        .ready_ctx = &relay});
    outlet_feed(relay.outlet, relay_on_room, &relay);
    relay.start.on_msg = relay_on_start;
    loop_post(relay.producer, &relay.start);
    loop_start(relay.producer);
    loop_start(relay.consumer);
    loop_join(relay.consumer);
    loop_join(relay.producer);
    assert_int_equal(relay.next_take, MANY);
    outlet_free(relay.outlet);
    loop_free(relay.producer);
    loop_free(relay.consumer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_pushed_comes_out_in_order_after_a_flush),
        cmocka_unit_test(the_consumer_is_woken_once_per_empty_queue),
        cmocka_unit_test(much_scanned_in_vain_wakes_the_consumer_too),
        cmocka_unit_test(a_full_queue_refuses_and_tells_when_half_is_free),
        cmocka_unit_test(bytes_are_charged_once_per_run_of_a_block),
        cmocka_unit_test(an_empty_queue_takes_an_event_larger_than_all_of_it),
        cmocka_unit_test(nothing_is_lost_or_doubled_between_two_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
