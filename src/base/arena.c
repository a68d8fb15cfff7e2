/* Arenas and the only callers of malloc. An arena is a chain of chunks, newest first; what is larger than a chunk gets
 * a chunk of its own behind the newest one, so that the room left there is not lost. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ARENA_ALIGN = 16,
    ARENA_CHUNK_DEFAULT = 4096,
    ARENA_CHUNK_MAX = 256 * 1024,
};

struct arena_chunk {
    struct arena_chunk *next;
    size_t size;   /* of the room behind this header */
    bool oversize; /* holds one large block; never kept by a reset */
    _Alignas(ARENA_ALIGN) char room[];
};

NORETURN static void out_of_memory(size_t size) {
    fprintf(stderr, "out of memory: %zu bytes wanted\n", size);
    abort();
}

void *mem_try_alloc(size_t size) {
    return calloc(1, size > 0 ? size : 1);
}

void *mem_alloc(size_t size) {
    void *block = mem_try_alloc(size);
    if (block == NULL) {
        out_of_memory(size);
    }
    return block;
}

void *mem_try_resize(void *old, size_t size) {
    return realloc(old, size > 0 ? size : 1);
}

void *mem_resize(void *old, size_t size) {
    void *block = mem_try_resize(old, size);
    if (block == NULL) {
        out_of_memory(size);
    }
    return block;
}

void mem_free(void *block) {
    free(block);
}

void arena_init(struct arena *arena, size_t chunk_size, size_t ceiling) {
    *arena = (struct arena){.chunk_size = chunk_size > 0 ? chunk_size : ARENA_CHUNK_DEFAULT, .ceiling = ceiling};
}

/* Frees all chunks but `keep`, which may be NULL. */
static void arena_free_chunks(struct arena *arena, const struct arena_chunk *keep) {
    struct arena_chunk *chunk = arena->head;
    while (chunk != NULL) {
        struct arena_chunk *next = chunk->next;
        if (chunk != keep) {
            free(chunk);
        }
        chunk = next;
    }
}

void arena_fini(struct arena *arena) {
    arena_free_chunks(arena, NULL);
    *arena = (struct arena){.chunk_size = arena->chunk_size, .ceiling = arena->ceiling};
}

void arena_reset(struct arena *arena) {
    struct arena_chunk *first = NULL;
    for (struct arena_chunk *chunk = arena->head; chunk != NULL; chunk = chunk->next) {
        if (!chunk->oversize) {
            first = chunk;
        }
    }
    arena_free_chunks(arena, first);
    arena->used = 0;
    arena->head = first;
    arena->at = arena->end = NULL;
    if (first != NULL) {
        first->next = NULL;
        arena->at = first->room;
        arena->end = first->room + first->size;
        arena->chunk_size = first->size;
    }
}

static struct arena_chunk *arena_chunk_new(size_t size, bool oversize) {
    size_t total;
    if (__builtin_add_overflow(size, sizeof(struct arena_chunk), &total)) {
        return NULL;
    }
    struct arena_chunk *chunk = malloc(total);
    if (chunk != NULL) {
        chunk->size = size;
        chunk->oversize = oversize;
    }
    return chunk;
}

/* A block of a rounded size that does not fit the newest chunk. */
static void *arena_grow(struct arena *arena, size_t rounded) {
    bool oversize = rounded > arena->chunk_size / 2;
    struct arena_chunk *chunk = arena_chunk_new(oversize ? rounded : arena->chunk_size, oversize);
    if (chunk == NULL) {
        return NULL;
    }
    if (oversize && arena->head != NULL) {
        chunk->next = arena->head->next;
        arena->head->next = chunk;
        return chunk->room;
    }
    chunk->next = arena->head;
    arena->head = chunk;
    arena->at = chunk->room + rounded;
    arena->end = chunk->room + chunk->size;
    if (!oversize && arena->chunk_size < ARENA_CHUNK_MAX) {
        arena->chunk_size *= 2;
    }
    return chunk->room;
}

/* Not zeroed; NULL on OOM. */
static void *arena_take(struct arena *arena, size_t size) {
    size_t rounded;
    if (__builtin_add_overflow(size, (size_t)(ARENA_ALIGN - 1), &rounded)) {
        return NULL;
    }
    rounded &= ~(size_t)(ARENA_ALIGN - 1);
    void *block;
    if (rounded <= (size_t)(arena->end - arena->at) && arena->at != NULL) {
        block = arena->at;
        arena->at += rounded;
    } else {
        block = arena_grow(arena, rounded);
    }
    if (block != NULL) {
        arena->used += rounded;
    }
    return block;
}

void *arena_alloc(struct arena *arena, size_t size) {
    void *block = arena_take(arena, size);
    if (block == NULL) {
        out_of_memory(size);
    }
    return memset(block, 0, size);
}

void *arena_try_alloc(struct arena *arena, size_t size) {
    if (arena->ceiling > 0 && (arena->used > arena->ceiling || size > arena->ceiling - arena->used)) {
        return NULL;
    }
    void *block = arena_take(arena, size);
    return block != NULL ? memset(block, 0, size) : NULL;
}

/* A block of size + 1 bytes for text; dies on OOM. */
static char *arena_take_text(struct arena *arena, size_t len) {
    char *text = len < SIZE_MAX ? arena_take(arena, len + 1) : NULL;
    if (text == NULL) {
        out_of_memory(len);
    }
    return text;
}

struct slice arena_dup(struct arena *arena, struct slice s) {
    char *copy = arena_take_text(arena, s.len);
    if (s.len > 0) {
        memcpy(copy, s.ptr, s.len);
    }
    copy[s.len] = '\0';
    return slice_of(copy, s.len);
}

struct slice arena_printf(struct arena *arena, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    ASSERT(len >= 0);
    char *text = arena_take_text(arena, (size_t)len);
    vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return slice_of(text, (size_t)len);
}
