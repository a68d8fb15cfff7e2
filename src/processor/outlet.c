/* A ring of handovers. The producer fills slots that the consumer cannot see yet and publishes them with one lock per
 * group; the consumer takes a group with one lock. The ring is charged with the bytes of blocks, once per run of
 * handovers of one block: a block stays in memory as a whole however few of its records are wanted.
 *
 * thread: see outlet.h. `lock` guards what is marked shared; it is held for copies only. */
#include "processor/outlet.h"

#include <pthread.h>

#include "base/arena.h"

enum { SCANNED_STEP = 4096 }; /* records scanned in vain before the consumer is woken just for that */

struct slot {
    struct handover handover;
    uint64_t bytes; /* charged for it */
};

struct outlet {
    struct outlet_conf conf;
    struct slot *ring;
    /* producer */
    void (*on_room)(void *ctx);
    void *room_ctx;
    uint64_t pushed;     /* slots filled */
    uint64_t taken_seen; /* `taken` and `taken_bytes` as last looked up */
    uint64_t pushed_bytes, taken_bytes_seen;
    const struct store_block *last_block;
    uint64_t scanned;
    /* shared */
    pthread_mutex_t lock;
    uint64_t published, published_bytes, taken, taken_bytes;
    uint64_t published_scanned, taken_scanned;
    bool drained; /* the consumer found it empty: tell it when that changes */
    bool refused; /* the producer was refused: tell it when there is room */
    bool ready_posted, room_posted;
    struct loop_msg ready_msg, room_msg;
};

static void on_ready(struct loop_msg *msg) {
    struct outlet *outlet = CONTAINER_OF(msg, struct outlet, ready_msg);
    pthread_mutex_lock(&outlet->lock);
    outlet->ready_posted = false;
    pthread_mutex_unlock(&outlet->lock);
    outlet->conf.on_ready(outlet->conf.ready_ctx);
}

static void on_room(struct loop_msg *msg) {
    struct outlet *outlet = CONTAINER_OF(msg, struct outlet, room_msg);
    pthread_mutex_lock(&outlet->lock);
    outlet->room_posted = false;
    pthread_mutex_unlock(&outlet->lock);
    if (outlet->on_room != NULL) {
        outlet->on_room(outlet->room_ctx);
    }
}

struct outlet *outlet_new(const struct outlet_conf *conf) {
    struct outlet *outlet = mem_alloc(sizeof *outlet);
    outlet->conf = *conf;
    outlet->ring = mem_alloc(conf->events * sizeof *outlet->ring);
    outlet->drained = true;
    outlet->ready_msg.on_msg = on_ready;
    outlet->room_msg.on_msg = on_room;
    pthread_mutex_init(&outlet->lock, NULL);
    return outlet;
}

void outlet_free(struct outlet *outlet) {
    if (outlet == NULL) {
        return;
    }
    for (uint64_t at = outlet->taken; at < outlet->pushed; at++) {
        store_block_release(outlet->ring[at % outlet->conf.events].handover.block);
    }
    pthread_mutex_destroy(&outlet->lock);
    mem_free(outlet->ring);
    mem_free(outlet);
}

void outlet_feed(struct outlet *outlet, void (*room)(void *ctx), void *ctx) {
    outlet->on_room = room;
    outlet->room_ctx = ctx;
    pthread_mutex_lock(&outlet->lock);
    outlet->refused = false; /* whoever was to be told is gone */
    pthread_mutex_unlock(&outlet->lock);
}

/* ---- producer ---- */

/* What keeps a block alive costs about what lies between its first and last record. */
static uint64_t block_bytes(const struct store_block *block) {
    if (block->count == 0) {
        return 0;
    }
    struct slice first = block->records[0].payload;
    struct slice last = block->records[block->count - 1].payload;
    return (uint64_t)(last.ptr + last.len - first.ptr);
}

static bool has_room(const struct outlet *outlet, uint64_t bytes) {
    uint64_t length = outlet->pushed - outlet->taken_seen;
    uint64_t held = outlet->pushed_bytes - outlet->taken_bytes_seen;
    return length == 0 || (length < outlet->conf.events && held + bytes <= outlet->conf.bytes);
}

bool outlet_push(struct outlet *outlet, const struct handover *handover) {
    uint64_t bytes = handover->block != outlet->last_block ? block_bytes(handover->block) : 0;
    if (!has_room(outlet, bytes)) {
        pthread_mutex_lock(&outlet->lock);
        outlet->taken_seen = outlet->taken;
        outlet->taken_bytes_seen = outlet->taken_bytes;
        bool room = has_room(outlet, bytes);
        outlet->refused = outlet->refused || !room;
        pthread_mutex_unlock(&outlet->lock);
        if (!room) {
            return false;
        }
    }
    outlet->last_block = handover->block;
    outlet->pushed_bytes += bytes;
    outlet->ring[outlet->pushed % outlet->conf.events] = (struct slot){*handover, bytes};
    outlet->pushed++;
    return true;
}

void outlet_scanned(struct outlet *outlet, uint64_t offset) {
    ASSERT(offset >= outlet->scanned);
    outlet->scanned = offset;
}

void outlet_flush(struct outlet *outlet) {
    pthread_mutex_lock(&outlet->lock);
    outlet->published = outlet->pushed;
    outlet->published_bytes = outlet->pushed_bytes;
    outlet->published_scanned = outlet->scanned;
    bool news = outlet->published > outlet->taken || outlet->scanned >= outlet->taken_scanned + SCANNED_STEP;
    bool wake = news && outlet->drained && !outlet->ready_posted;
    if (wake) {
        outlet->drained = false;
        outlet->ready_posted = true;
    }
    pthread_mutex_unlock(&outlet->lock);
    outlet->last_block = NULL; /* its reference may be gone, its address used again */
    if (wake) {
        loop_post(outlet->conf.consumer, &outlet->ready_msg);
    }
}

uint32_t outlet_length(struct outlet *outlet) {
    pthread_mutex_lock(&outlet->lock);
    uint64_t length = outlet->published - outlet->taken;
    pthread_mutex_unlock(&outlet->lock);
    return (uint32_t)length;
}

/* ---- consumer ---- */

/* Half empty, or as empty as it gets. */
static bool has_drained(const struct outlet *outlet) {
    uint64_t length = outlet->published - outlet->taken;
    return length == 0 ||
        (length <= outlet->conf.events / 2 && outlet->published_bytes - outlet->taken_bytes <= outlet->conf.bytes / 2);
}

size_t outlet_take(struct outlet *outlet, struct handover *out, size_t max, uint64_t *ret_scanned) {
    pthread_mutex_lock(&outlet->lock);
    size_t count = 0;
    while (count < max && outlet->taken < outlet->published) {
        const struct slot *slot = &outlet->ring[outlet->taken % outlet->conf.events];
        out[count++] = slot->handover;
        outlet->taken_bytes += slot->bytes;
        outlet->taken++;
    }
    if (outlet->taken < outlet->published) {
        outlet->taken_scanned = outlet->ring[outlet->taken % outlet->conf.events].handover.record->offset;
    } else {
        uint64_t behind_last = count > 0 ? out[count - 1].record->offset + 1 : 0;
        uint64_t scanned = outlet->published_scanned > behind_last ? outlet->published_scanned : behind_last;
        outlet->taken_scanned = scanned > outlet->taken_scanned ? scanned : outlet->taken_scanned;
        outlet->drained = true;
    }
    *ret_scanned = outlet->taken_scanned;
    bool tell = outlet->refused && !outlet->room_posted && has_drained(outlet);
    if (tell) {
        outlet->refused = false;
        outlet->room_posted = true;
    }
    pthread_mutex_unlock(&outlet->lock);
    if (tell) {
        loop_post(outlet->conf.producer, &outlet->room_msg);
    }
    return count;
}
