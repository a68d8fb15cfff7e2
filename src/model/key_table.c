/* Open addressing with linear probing, at most half full; grows by doubling, old halves stay in the arena. */
#include "model/key_table.h"

#define FIRST_CAPACITY 16

/* The slot that holds `key`, or the free one where it belongs. */
static size_t slot_of(const struct key_table *table, uint64_t key) {
    size_t slot = (size_t)key & (table->capacity - 1);
    while (table->values[slot] != NULL && table->keys[slot] != key) {
        slot = (slot + 1) & (table->capacity - 1);
    }
    return slot;
}

static void grow(struct key_table *table, struct arena *arena) {
    struct key_table next = {
        .capacity = table->capacity == 0 ? FIRST_CAPACITY : table->capacity * 2, .count = table->count};
    next.keys = ARENA_ARRAY(arena, uint64_t, next.capacity);
    next.values = ARENA_ARRAY(arena, void *, next.capacity);
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->values[i] != NULL) {
            size_t slot = slot_of(&next, table->keys[i]);
            next.keys[slot] = table->keys[i];
            next.values[slot] = table->values[i];
        }
    }
    *table = next;
}

void *key_table_find(const struct key_table *table, uint64_t key) {
    return table->capacity == 0 ? NULL : table->values[slot_of(table, key)];
}

void *key_table_put(struct key_table *table, struct arena *arena, uint64_t key, void *value) {
    ASSERT(value != NULL);
    if (table->count * 2 >= table->capacity) {
        grow(table, arena);
    }
    size_t slot = slot_of(table, key);
    if (table->values[slot] != NULL) {
        return table->values[slot];
    }
    table->keys[slot] = key;
    table->values[slot] = value;
    table->count++;
    return NULL;
}
