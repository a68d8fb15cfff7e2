/* See dedup.h. Open addressing with linear probing; a slot's place comes from the high bits of a seeded hash, so that a
 * table of twice the size keeps the order, and ids chosen by a client cannot be made to collide. */
#include "store/local/dedup.h"

#include "base/arena.h"

#define DEDUP_FIRST_CAP 1024u
#define DEDUP_MOVES 4u      /* slots moved per entry: all are moved before the next growth */
#define DEDUP_SKEW_MS 60000 /* how much older than the first id of a generation a later one may be */
#define DEDUP_OFFSET_UNKNOWN UINT32_MAX
#define DEDUP_OFFSET_SLACK (UINT64_C(1) << 24) /* after a failed group offsets are given again, from lower on */
#define DEDUP_EMPTY 0u
#define DEDUP_VOID 1u /* forgotten: counts as not seen; keeps the probe chain whole */
#define DEDUP_TIME 2u /* first value that is a time */

struct dedup_slot {
    struct hash128 id;
    uint32_t time;   /* DEDUP_EMPTY, DEDUP_VOID, or ms from base_ms + DEDUP_TIME */
    uint32_t offset; /* from base_offset */
};

void local_dedup_init(struct local_dedup *dedup, int64_t window_ms, uint64_t entries_max) {
    *dedup = (struct local_dedup){
        .window_ms = window_ms, .generation_max = entries_max > 1 ? entries_max / 2 : 1, .seed = random_u64() | 1};
    dedup->oldest_ms = INT64_MAX;
}

static void generation_drop(struct dedup_generation *generation) {
    mem_free(generation->now.slots);
    mem_free(generation->old.slots);
    *generation = (struct dedup_generation){.count = 0};
}

void local_dedup_fini(struct local_dedup *dedup) {
    generation_drop(&dedup->newer);
    generation_drop(&dedup->older);
}

static uint64_t place_of(const struct local_dedup *dedup, const struct dedup_table *table, struct hash128 id) {
    uint64_t h = (id.lo ^ dedup->seed) * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ (h >> 32) ^ id.hi) * UINT64_C(0xd6e8feb86659fd93);
    h ^= h >> 29;
    h *= UINT64_C(0xbf58476d1ce4e5b9);
    return (uint64_t)(((unsigned __int128)h * table->cap) >> 64);
}

/* The slot of `id`, or the empty one where it would go. The table is never full. */
static struct dedup_slot *table_find(
    const struct local_dedup *dedup, const struct dedup_table *table, struct hash128 id) {
    uint64_t at = place_of(dedup, table, id);
    while (table->slots[at].time != DEDUP_EMPTY && !hash128_eq(table->slots[at].id, id)) {
        at = at + 1 < table->cap ? at + 1 : 0;
    }
    return &table->slots[at];
}

/* NULL: not there. A slot in `old` that has been moved has its newer state in `now`. */
static struct dedup_slot *generation_find(
    const struct local_dedup *dedup, const struct dedup_generation *generation, struct hash128 id) {
    if (generation->now.slots != NULL) {
        struct dedup_slot *slot = table_find(dedup, &generation->now, id);
        if (slot->time != DEDUP_EMPTY) {
            return slot;
        }
    }
    if (generation->old.slots != NULL) {
        struct dedup_slot *slot = table_find(dedup, &generation->old, id);
        if (slot->time != DEDUP_EMPTY) {
            return slot;
        }
    }
    return NULL;
}

static void generation_move(const struct local_dedup *dedup, struct dedup_generation *generation, uint64_t moves) {
    struct dedup_table *old = &generation->old;
    while (old->slots != NULL && moves-- > 0) {
        const struct dedup_slot *from = &old->slots[generation->moved++];
        if (from->time != DEDUP_EMPTY) {
            struct dedup_slot *to = table_find(dedup, &generation->now, from->id);
            if (to->time == DEDUP_EMPTY) {
                *to = *from;
            }
        }
        if (generation->moved == old->cap) {
            mem_free(old->slots);
            *old = (struct dedup_table){.cap = 0};
        }
    }
}

/* Room for one more id: a table at most two thirds full. False on out-of-memory. */
static bool generation_reserve(const struct local_dedup *dedup, struct dedup_generation *generation) {
    generation_move(dedup, generation, DEDUP_MOVES);
    struct dedup_table *now = &generation->now;
    if (now->slots != NULL && generation->count + 1 <= now->cap / 3 * 2) {
        return true;
    }
    uint64_t final_cap = dedup->generation_max / 2 * 3 + 8;
    uint64_t first_cap =
        dedup->expected > DEDUP_FIRST_CAP / 2 ? dedup->expected / 2 * 3 + DEDUP_MOVES : DEDUP_FIRST_CAP;
    uint64_t cap = now->slots != NULL ? now->cap * 2 : first_cap;
    if (cap > final_cap && now->cap < final_cap) {
        cap = final_cap;
    }
    struct dedup_slot *slots = mem_try_alloc(cap * sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    generation_move(dedup, generation, UINT64_MAX); /* done long ago, but for small tables */
    generation->old = *now;
    generation->moved = 0;
    *now = (struct dedup_table){.slots = slots, .cap = cap};
    return true;
}

static void gauges_update(struct local_dedup *dedup) {
    uint64_t entries = dedup->newer.count + dedup->older.count;
    int64_t oldest = dedup->older.count > 0 ? dedup->older.first_ms
        : dedup->newer.count > 0            ? dedup->newer.first_ms
                                            : INT64_MAX;
    atomic_store_explicit(&dedup->entries, entries, memory_order_relaxed);
    atomic_store_explicit(&dedup->oldest_ms, oldest, memory_order_relaxed);
}

/* a - b, kept within range: times come from clocks, but also from files. */
static int64_t ms_between(int64_t a, int64_t b) {
    int64_t delta;
    if (__builtin_sub_overflow(a, b, &delta)) {
        return a < b ? INT64_MIN : INT64_MAX;
    }
    return delta;
}

static void generations_turn(struct local_dedup *dedup, int64_t ms) {
    struct dedup_generation *newer = &dedup->newer;
    if (newer->count == 0) {
        return;
    }
    bool aged = ms_between(ms, newer->first_ms) > dedup->window_ms;
    if (!aged && newer->count < dedup->generation_max) {
        return;
    }
    if (!aged) { /* all of `newer`, and some of `older`, might have been asked for again: what is dropped is too young
                  */
        dedup->evicted += dedup->older.count;
    }
    generation_drop(&dedup->older);
    dedup->older = *newer;
    *newer = (struct dedup_generation){.count = 0};
}

static struct hash128 id_of(struct hash128 message, uint64_t source) {
    return (struct hash128){.lo = message.lo ^ source, .hi = message.hi ^ (source << 32 | source >> 32)};
}

static uint32_t slot_time(const struct dedup_generation *generation, int64_t ms) {
    int64_t delta = ms_between(ms, generation->base_ms);
    int64_t max = UINT32_MAX - DEDUP_TIME;
    return (uint32_t)(delta < 0 ? 0 : delta > max ? max : delta) + DEDUP_TIME;
}

static uint32_t slot_offset(const struct dedup_generation *generation, uint64_t offset) {
    uint64_t delta = offset - generation->base_offset;
    return delta < DEDUP_OFFSET_UNKNOWN ? (uint32_t)delta : DEDUP_OFFSET_UNKNOWN;
}

/* Whether `slot` was seen within the window before `ms`. */
static bool slot_is_recent(const struct local_dedup *dedup, const struct dedup_generation *generation,
    const struct dedup_slot *slot, int64_t ms) {
    return slot != NULL && slot->time >= DEDUP_TIME &&
        ms_between(ms_between(ms, generation->base_ms), slot->time - DEDUP_TIME) <= dedup->window_ms;
}

static uint64_t slot_first(const struct dedup_generation *generation, const struct dedup_slot *slot) {
    return slot->offset == DEDUP_OFFSET_UNKNOWN ? UINT64_MAX : generation->base_offset + slot->offset;
}

bool local_dedup_seen(struct local_dedup *dedup, struct hash128 message, uint64_t source, int64_t ms, uint64_t offset,
    uint64_t *ret_first) {
    struct hash128 id = id_of(message, source);
    generations_turn(dedup, ms);
    struct dedup_generation *newer = &dedup->newer;
    struct dedup_slot *slot = generation_find(dedup, newer, id);
    if (slot_is_recent(dedup, newer, slot, ms)) {
        *ret_first = slot_first(newer, slot);
        return true;
    }
    const struct dedup_slot *before = slot == NULL ? generation_find(dedup, &dedup->older, id) : NULL;
    if (slot_is_recent(dedup, &dedup->older, before, ms)) {
        *ret_first = slot_first(&dedup->older, before);
        return true;
    }
    if (newer->count == 0) {
        newer->first_ms = ms;
        newer->base_ms = ms_between(ms, DEDUP_SKEW_MS);
        newer->base_offset = offset > DEDUP_OFFSET_SLACK ? offset - DEDUP_OFFSET_SLACK : 0;
    }
    if (slot == NULL) {
        if (!generation_reserve(dedup, newer)) {
            dedup->evicted++; /* this one is forgotten at once */
            return false;
        }
        slot = table_find(dedup, &newer->now, id);
        newer->count++;
    }
    *slot = (struct dedup_slot){.id = id, .time = slot_time(newer, ms), .offset = slot_offset(newer, offset)};
    gauges_update(dedup);
    return false;
}

void local_dedup_prefetch(const struct local_dedup *dedup, struct hash128 message, uint64_t source) {
    struct hash128 id = id_of(message, source);
    if (dedup->newer.now.slots != NULL) {
        __builtin_prefetch(&dedup->newer.now.slots[place_of(dedup, &dedup->newer.now, id)], /*for writing*/ 1);
    }
    if (dedup->older.now.slots != NULL) {
        __builtin_prefetch(&dedup->older.now.slots[place_of(dedup, &dedup->older.now, id)]);
    }
}

void local_dedup_forget(struct local_dedup *dedup, struct hash128 message, uint64_t source) {
    struct hash128 id = id_of(message, source);
    struct dedup_generation *const generations[] = {&dedup->newer, &dedup->older};
    for (size_t i = 0; i < COUNT_OF(generations); i++) {
        struct dedup_slot *slot = generation_find(dedup, generations[i], id);
        if (slot != NULL) {
            slot->time = DEDUP_VOID;
            return;
        }
    }
}
