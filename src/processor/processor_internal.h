/* What the files of the processor share: its state, and the parts that one turn of its loop is made of.
 *
 * A lane is one destination's way from the log to its outlet:
 *
 *     unknown (not in the snapshot) ─▶ detached ─▶ attached ⇄ detached (blocked while its outlet is full)
 *                                  └▶ parked (unsupported type)
 *
 * lane.offset: everything below it was pushed or is of no concern. An attached lane follows the tail: records below
 * lane.offset are skipped there, and lane.offset moves with the tail.
 *
 * thread: all of it belongs to the processor's loop, but for what `lock` guards. */
#ifndef SLUICE_PROCESSOR_PROCESSOR_INTERNAL_H
#define SLUICE_PROCESSOR_PROCESSOR_INTERNAL_H

#include <pthread.h>

#include "base/stat.h"
#include "processor/filter.h"
#include "processor/processor.h"

struct processor_stat {
#define S(name, kind, unit, help) STAT_FIELD_##kind(name)
#include "processor/processor_stat.def"
#undef S
};

struct lane {
    struct processor *processor;
    uint64_t destination;
    struct outlet *outlet;
    uint64_t offset;
    struct store_reader *reader; /* while detached and not idle */
    bool known;                  /* the snapshot has the destination */
    bool attached;
    bool blocked;          /* its outlet refused; on_room ends it */
    bool parked;           /* this build cannot deliver its type: only what is too old is handed over */
    int64_t parked_due_ms; /* when the oldest parked event will be too old */
    uint64_t *sources;     /* connected to it; in the routes' arena */
    size_t source_count;
};

struct hop {
    const struct connection *connection;
    struct lane *lane;
};

struct route { /* of one source */
    uint64_t source;
    struct hop *hops;
    size_t hop_count;
};

/* Dead letters for rejected records: a lane that ends in the store. */
struct rejects {
    struct store_cursor *cursor;
    uint64_t offset, saved;
    uint64_t next;      /* below it, letters exist already (a crash came between letter and cursor) */
    uint64_t letters;   /* written in all */
    uint64_t newest_id; /* of a letter, when last looked */
    bool attached;
    struct store_reader *reader;
};

struct processor {
    struct processor_conf conf;
    struct processor_deps deps;
    struct loop *loop;
    struct filter *filter;
    struct workspace *workspace; /* the snapshot in use */
    struct arena routes_arena;
    struct route *routes; /* ascending sources */
    size_t route_count;
    struct lane **lanes;
    size_t lane_count, lane_room;
    struct store_reader *tail;
    uint64_t tail_offset;
    struct rejects rejects;
    struct store_watch watch;
    bool watching, stopping, turn_posted;
    struct loop_msg turn_msg;
    struct loop_timer retry_timer, parked_timer;
    struct processor_stat stat;
    struct stat_group stat_group;
    pthread_mutex_t life; /* start, stop and calls from outside, one at a time */
    bool running;         /* under life */
    pthread_mutex_t lock; /* guards infos */
    struct processor_lane_info *infos;
    size_t info_count, info_room;
};

/* route.c: takes the snapshot of the cell if it is newer; rebuilds routes and what lanes know of it. */
void processor_renew(struct processor *processor, struct workspace *newer);
void processor_rebuild_routes(struct processor *processor);
const struct route *processor_route(const struct processor *processor, uint64_t source);

/* turn.c */
void processor_turn_soon(struct processor *processor);
void processor_turn(struct processor *processor);
void processor_on_room(void *lane);
void processor_lane_leave(struct lane *lane);
/* A read or a write failed: the turn comes again by a timer. */
void processor_retry_later(struct processor *processor, const char *what, enum err e);

/* reject.c */
MUST enum err rejects_open(struct processor *processor, struct errinfo *why);
/* A rejected record at the tail or on the way there. False: could not be written, come back to it. */
bool rejects_take(struct processor *processor, const struct record *record);
/* Catches up to the tail by a reader of its own. True: there is more to do at once. */
bool rejects_step(struct processor *processor);
/* Everything below `offset` is done. */
void rejects_passed(struct processor *processor, uint64_t offset);
void rejects_close(struct processor *processor);

#endif
