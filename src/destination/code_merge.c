/* Requests of a transform.js, merged as delivery.batch says. An event never goes into a request before one that has an
 * earlier event of its user, or another request of the event itself. */
#include <stdlib.h>

#include "destination/code_internal.h"

struct group {
    const struct code_item **items;
    size_t item_count, item_room;
    size_t elements, bytes;
};

struct merging {
    struct code_result *result;
    struct arena *arena;
    const struct definition *d;
    struct group *groups;
    size_t group_count;
    size_t *latest; /* by user's place: the group behind the last one that has it; 0 = none */
    uint64_t *users;
    size_t mask;
};

/* ---- who comes after whom ---- */

static size_t place_of(struct merging *m, uint64_t user) {
    size_t at = user & m->mask;
    while (m->users[at] != 0 && m->users[at] != user) {
        at = (at + 1) & m->mask;
    }
    m->users[at] = user;
    return at;
}

/* Events of nobody keep their order with themselves. */
static uint64_t owner(const uint64_t *users, uint32_t event) {
    return users[event] != 0 ? users[event] : (uint64_t)event << 1 | (uint64_t)1 << 63;
}

static size_t earliest(struct merging *m, const struct code_item *item, const uint64_t *users) {
    size_t from = 0;
    for (size_t i = 0; i < item->request.event_count; i++) {
        size_t latest = m->latest[place_of(m, owner(users, item->request.events[i]))];
        from = latest > from ? latest : from;
    }
    return from > 0 ? from - 1 : 0;
}

/* ---- groups ---- */

static bool fits(const struct merging *m, const struct group *group, const struct code_item *item) {
    const struct destination_batching *batching = &m->d->type.batching;
    return item->merges && group->items[0]->merges && hash128_eq(group->items[0]->agrees, item->agrees) &&
        group->elements + item->element_count <= batching->events && group->bytes + item->bytes <= batching->bytes;
}

static void put(struct merging *m, struct group *group, const struct code_item *item) {
    if (group->item_count == group->item_room) {
        size_t room = group->item_room > 0 ? 4 * group->item_room : 1;
        const struct code_item **items = ARENA_ARRAY(m->arena, const struct code_item *, room);
        if (group->item_count > 0) {
            memcpy(items, group->items, group->item_count * sizeof *items);
        }
        group->items = items;
        group->item_room = room;
    }
    group->items[group->item_count++] = item;
    group->elements += item->element_count;
    group->bytes += item->bytes;
}

static void place(struct merging *m, const struct code_item *item, const uint64_t *users) {
    size_t at = earliest(m, item, users);
    while (at < m->group_count && !fits(m, &m->groups[at], item)) {
        at++;
    }
    if (at == m->group_count) {
        enum { BRACKETS = 16 };
        size_t beside = 0;
        for (size_t i = 0; i < item->beside_count; i++) {
            beside += item->beside[i].name.len + item->beside[i].value.len + 4; /* quotes, colon, comma */
        }
        m->groups[m->group_count++] = (struct group){.bytes = beside + m->d->batch_into.len + BRACKETS};
    }
    put(m, &m->groups[at], item);
    for (size_t i = 0; i < item->request.event_count; i++) {
        m->latest[place_of(m, owner(users, item->request.events[i]))] = at + 1;
    }
}

/* ---- a group's request ---- */

static void write_elements(const struct group *group, struct json_writer *w) {
    json_write_array(w);
    for (size_t i = 0; i < group->item_count; i++) {
        for (size_t k = 0; k < group->items[i]->element_count; k++) {
            json_write_raw(w, group->items[i]->elements[k]);
        }
    }
    json_write_end(w);
}

static struct slice merged_body(const struct merging *m, const struct group *group) {
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    if (m->d->batch_into.len == 0) {
        write_elements(group, &w);
    } else {
        const struct code_item *first = group->items[0];
        json_write_object(&w);
        for (size_t i = 0; i < first->beside_count; i++) {
            json_write_key(&w, first->beside[i].name);
            json_write_raw(&w, first->beside[i].value);
        }
        json_write_key(&w, m->d->batch_into);
        write_elements(group, &w);
        json_write_end(&w);
    }
    return buf_keep(&out, m->arena);
}

static int by_number(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

/* The events of all its items, each once, but for refused ones: another result has said that nothing is to be sent for
 * them. */
static void gather_events(const struct merging *m, const struct group *group, struct destination_request *request) {
    size_t room = 0;
    for (size_t i = 0; i < group->item_count; i++) {
        room += group->items[i]->request.event_count;
    }
    uint32_t *events = ARENA_ARRAY(m->arena, uint32_t, room);
    size_t count = 0;
    for (size_t i = 0; i < group->item_count; i++) {
        const struct destination_request *one = &group->items[i]->request;
        memcpy(events + count, one->events, one->event_count * sizeof *events);
        count += one->event_count;
    }
    qsort(events, count, sizeof *events, by_number);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool refused = m->result->refusals[events[i]].text.ptr != NULL;
        if (!refused && (kept == 0 || events[i] != events[kept - 1])) {
            events[kept++] = events[i];
        }
    }
    request->events = events;
    request->event_count = kept;
}

static bool is_wanted(const struct code_result *result, const struct code_item *item) {
    for (size_t i = 0; i < item->request.event_count; i++) {
        if (result->refusals[item->request.events[i]].text.ptr == NULL) {
            return true;
        }
    }
    return false;
}

static void finish(const struct merging *m, const struct group *group) {
    struct destination_batch *batch = &m->result->run->batch;
    struct destination_request request = group->items[0]->request;
    struct code_reader reader = {.arena = m->arena, .settings = m->result->part->settings};
    gather_events(m, group, &request);
    if (group->item_count > 1) {
        request.plain = merged_body(m, group);
    }
    if (code_request_finish(&reader, &request, /* with_core: */ true)) {
        batch->requests[batch->request_count++] = request;
        return;
    }
    for (size_t i = 0; i < request.event_count; i++) {
        m->result->refusals[request.events[i]] =
            (struct destination_refusal){request.events[i], REFUSAL_DEAD, reader.why};
    }
}

void code_merge(struct code_result *result, const uint64_t *users) {
    struct arena *arena = result->run->arena;
    size_t pairs = 1;
    for (size_t i = 0; i < result->item_count; i++) {
        pairs += result->items[i].request.event_count;
    }
    size_t places = 2;
    while (places < 2 * pairs) {
        places *= 2;
    }
    struct merging m = {.result = result,
        .arena = arena,
        .d = result->part->settings->definition,
        .groups = ARENA_ARRAY(arena, struct group, result->item_count + 1),
        .latest = ARENA_ARRAY(arena, size_t, places),
        .users = ARENA_ARRAY(arena, uint64_t, places),
        .mask = places - 1};
    for (size_t i = 0; i < result->item_count; i++) {
        if (is_wanted(result, &result->items[i])) {
            place(&m, &result->items[i], users);
        }
    }
    for (size_t i = 0; i < m.group_count; i++) {
        finish(&m, &m.groups[i]);
    }
}
