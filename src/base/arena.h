/* Memory by lifetime: a chain of chunks that is freed at once. One arena per request, batch or snapshot. Not
 * thread-safe: owned by the thread that owns the request. malloc is called only in base/. */
#ifndef SLUICE_BASE_ARENA_H
#define SLUICE_BASE_ARENA_H

#include "base/attr.h"
#include "base/slice.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *head;
    char *at, *end;
    size_t chunk_size; /* size of the next chunk */
    size_t used;       /* bytes handed out since init or reset */
    size_t ceiling;    /* arena_try_alloc answers NULL past this; 0 = none */
};

/* Heap at the seams where no arena fits. Die with a message on out-of-memory; mem_try_* answers NULL (sizes that a peer
 * chose). */
void *mem_alloc(size_t size);             /* zeroed */
void *mem_try_alloc(size_t size);         /* zeroed, or NULL */
void *mem_resize(void *old, size_t size); /* dies on OOM */
void *mem_try_resize(void *old, size_t size);
void mem_free(void *block); /* takes NULL */

void arena_init(struct arena *arena, size_t chunk_size, size_t ceiling);
void arena_fini(struct arena *arena);
/* Keeps the first chunk for reuse, frees the rest. */
void arena_reset(struct arena *arena);
/* 16-byte aligned, zeroed. arena_alloc dies on OOM and ignores the ceiling (sizes that we choose). */
void *arena_alloc(struct arena *arena, size_t size);
/* NULL past the ceiling or on OOM (sizes that a peer chooses). */
MUST void *arena_try_alloc(struct arena *arena, size_t size);
/* Copy with a trailing NUL beyond len, so that ptr is also a C string. */
struct slice arena_dup(struct arena *arena, struct slice s);
struct slice arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, n) ((type *)arena_alloc((arena), sizeof(type) * (n)))

#endif
