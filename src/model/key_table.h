/* A table from 64-bit keys to pointers, open addressing, in an arena: filled while a snapshot is built, then only read.
 * Private to model/. */
#ifndef SLUICE_MODEL_KEY_TABLE_H
#define SLUICE_MODEL_KEY_TABLE_H

#include "base/arena.h"

struct key_table {
    uint64_t *keys;
    void **values; /* NULL = free slot */
    size_t capacity, count;
};

void *key_table_find(const struct key_table *table, uint64_t key);
/* Puts `value` (not NULL) unless the key is there: answers what is there, or NULL when it was put. */
void *key_table_put(struct key_table *table, struct arena *arena, uint64_t key, void *value);

#endif
