/* Blocks of records: one allocation each, refcounted, and kept on short free lists by size, because a fresh allocation
 * of this size would be paid for in page faults at every read.
 *
 * thread: any. The free lists are under one mutex, taken once per block of a size worth keeping. */
#include <pthread.h>
#include <stdatomic.h>

#include "store/engine.h"

#define BLOCK_KEEP_BITS_MIN 16u /* smaller ones are malloc's own business */
#define BLOCK_KEEP_BITS_MAX 21u
#define BLOCK_KEEP_BYTES ((size_t)8 << 20) /* on all lists together */
#define BLOCK_PADDING 64u                  /* JSON_PADDING: readers parse payloads in place */
#define BLOCK_MAGIC UINT32_C(0x6b6c6273)

struct block {
    struct store_block view; /* first: what readers see */
    uint32_t magic;
    _Atomic uint32_t refs;
    uint32_t size_bits; /* 0: not for a free list */
    struct block *next; /* on a free list */
};
_Static_assert(sizeof(struct block) % 8 == 0, "records follow");

static pthread_mutex_t free_lock = PTHREAD_MUTEX_INITIALIZER;
static struct block *free_lists[BLOCK_KEEP_BITS_MAX + 1];
static size_t free_bytes;

static struct block *take_free(uint32_t bits) {
    pthread_mutex_lock(&free_lock);
    struct block *block = free_lists[bits];
    if (block != NULL) {
        free_lists[bits] = block->next;
        free_bytes -= (size_t)1 << bits;
    }
    pthread_mutex_unlock(&free_lock);
    return block;
}

static bool put_free(struct block *block) {
    size_t size = (size_t)1 << block->size_bits;
    pthread_mutex_lock(&free_lock);
    bool keep = free_bytes + size <= BLOCK_KEEP_BYTES;
    if (keep) {
        block->next = free_lists[block->size_bits];
        free_lists[block->size_bits] = block;
        free_bytes += size;
    }
    pthread_mutex_unlock(&free_lock);
    return keep;
}

/* 0: outside the sizes that are kept. */
static uint32_t keep_bits(size_t size) {
    if (size <= ((size_t)1 << BLOCK_KEEP_BITS_MIN) / 2 || size > (size_t)1 << BLOCK_KEEP_BITS_MAX) {
        return 0;
    }
    uint32_t bits = BLOCK_KEEP_BITS_MIN;
    while ((size_t)1 << bits < size) {
        bits++;
    }
    return bits;
}

struct store_block *store_block_new(size_t records, size_t bytes, struct record **ret_records, char **ret_bytes) {
    size_t head = sizeof(struct block) + records * sizeof(struct record);
    size_t size = head + bytes + BLOCK_PADDING;
    uint32_t bits = keep_bits(size);
    struct block *block = bits > 0 ? take_free(bits) : NULL;
    if (block == NULL) {
        block = mem_try_resize(NULL, bits > 0 ? (size_t)1 << bits : size); /* not zeroed: all of it is written */
        if (block == NULL) {
            return NULL;
        }
    }
    *ret_records = (struct record *)(void *)((char *)block + sizeof *block);
    *ret_bytes = (char *)block + head;
    memset(*ret_bytes + bytes, 0, BLOCK_PADDING);
    *block = (struct block){.view.records = *ret_records, .magic = BLOCK_MAGIC, .refs = 1, .size_bits = bits};
    return &block->view;
}

static struct block *block_of(struct store_block *view) {
    struct block *block = CONTAINER_OF(view, struct block, view);
    ASSERT(block->magic == BLOCK_MAGIC);
    return block;
}

void store_block_hold(struct store_block *view) {
    atomic_fetch_add_explicit(&block_of(view)->refs, 1, memory_order_relaxed);
}

void store_block_release(struct store_block *view) {
    struct block *block = block_of(view);
    if (atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    block->magic = 0;
    if (block->size_bits == 0 || !put_free(block)) {
        mem_free(block);
    }
}
