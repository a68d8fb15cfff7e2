/* From the workspace snapshot: which lanes a source's events go to, and which sources a lane wants. Rebuilt as a whole
 * when the snapshot or the set of lanes changes. */
#include <stdlib.h>

#include "base/clock.h"
#include "processor/processor_internal.h"

static struct lane *find_lane(const struct processor *processor, uint64_t destination) {
    for (size_t i = 0; i < processor->lane_count; i++) {
        if (processor->lanes[i]->destination == destination) {
            return processor->lanes[i];
        }
    }
    return NULL;
}

static int by_source(const void *a, const void *b) {
    uint64_t left = ((const struct route *)a)->source;
    uint64_t right = ((const struct route *)b)->source;
    return left < right ? -1 : left > right;
}

static void add_route(struct processor *processor, const struct source *source) {
    struct route *route = &processor->routes[processor->route_count];
    *route = (struct route){.source = source->key};
    route->hops = ARENA_ARRAY(&processor->routes_arena, struct hop, source->connection_count);
    for (size_t i = 0; i < source->connection_count; i++) {
        struct lane *lane = find_lane(processor, source->connections[i]->destination->key);
        if (lane != NULL) {
            route->hops[route->hop_count++] = (struct hop){source->connections[i], lane};
            lane->source_count++;
        }
    }
    processor->route_count++;
}

/* After a change of the snapshot: what the lane is to do from now on. */
static void refresh_lane(struct processor *processor, struct lane *lane) {
    const struct destination *destination = workspace_destination_by_key(processor->workspace, lane->destination);
    lane->known = destination != NULL;
    bool parked = destination != NULL && !destination->supported;
    if (!lane->known || parked) {
        processor_lane_leave(lane);
    }
    if (parked && !lane->parked) {
        lane->parked_due_ms = clock_ms();
    }
    lane->parked = parked;
    lane->sources = ARENA_ARRAY(&processor->routes_arena, uint64_t, lane->source_count > 0 ? lane->source_count : 1);
    lane->source_count = 0;
}

void processor_rebuild_routes(struct processor *processor) {
    const struct workspace_info *info = workspace_info(processor->workspace);
    arena_reset(&processor->routes_arena);
    for (size_t i = 0; i < processor->lane_count; i++) {
        processor->lanes[i]->source_count = 0;
    }
    processor->routes = ARENA_ARRAY(&processor->routes_arena, struct route, info->source_count + 1);
    processor->route_count = 0;
    for (size_t i = 0; i < info->source_count; i++) {
        add_route(processor, info->sources[i]);
    }
    qsort(processor->routes, processor->route_count, sizeof *processor->routes, by_source);
    for (size_t i = 0; i < processor->lane_count; i++) {
        refresh_lane(processor, processor->lanes[i]);
    }
    for (size_t i = 0; i < processor->route_count; i++) {
        const struct route *route = &processor->routes[i];
        for (size_t j = 0; j < route->hop_count; j++) {
            struct lane *lane = route->hops[j].lane;
            lane->sources[lane->source_count++] = route->source;
        }
    }
}

void processor_renew(struct processor *processor, struct workspace *newer) {
    uint64_t held = workspace_info(processor->workspace)->generation;
    if (newer == NULL) {
        newer = workspace_cell_get(processor->deps.cell);
    } else {
        workspace_hold(newer);
    }
    if (workspace_info(newer)->generation <= held) {
        workspace_release(newer);
        return;
    }
    struct workspace *old = processor->workspace;
    processor->workspace = newer;
    processor_rebuild_routes(processor);
    workspace_release(old);
}

const struct route *processor_route(const struct processor *processor, uint64_t source) {
    struct route key = {.source = source};
    return bsearch(&key, processor->routes, processor->route_count, sizeof key, by_source);
}
