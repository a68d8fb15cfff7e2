/* Events to requests: a draft for each event, then drafts that agree share a request within the batch's limits.
 *
 * Order per user: an event never goes into a request before one that holds an earlier event of its user. */
#include "destination/dynamic.h"
#include "destination/request.h"

enum { SCRATCH_CHUNK = 32768 };

struct group {
    const struct draft_request *first;
    uint32_t *events;
    size_t count, room;
    uint64_t bytes;
};

struct grouping {
    const struct destination_settings *settings;
    struct json_parser *parser;
    const struct definition *d;
    struct arena *arena;
    struct arena scratch; /* of one draft: the tables' intermediate values, many times what is left of them */
    struct draft_request *drafts;
    struct group *groups;
    size_t group_count;
    /* open addressing: which group has a user's latest event */
    uint64_t *users;
    uint32_t *user_groups;
    size_t user_mask;
};

/* ---- who may share ---- */

static uint64_t *user_place(struct grouping *g, uint64_t user) {
    size_t at = user & g->user_mask;
    while (g->users[at] != 0 && g->users[at] != user) {
        at = (at + 1) & g->user_mask;
    }
    return &g->users[at];
}

static bool has_room(const struct grouping *g, const struct group *group, const struct draft_request *draft) {
    const struct destination_batching *batching = &g->d->type.batching;
    return g->d->has_batch && hash128_eq(group->first->agrees, draft->agrees) && group->count < batching->events &&
        group->bytes + draft->item.len + 1 <= batching->bytes;
}

static void put(struct grouping *g, struct group *group, uint32_t event) {
    if (group->count == group->room) {
        size_t room = group->room == 0 ? 1 : 4 * group->room;
        uint32_t *events = ARENA_ARRAY(g->arena, uint32_t, room);
        if (group->count > 0) {
            memcpy(events, group->events, group->count * sizeof *events);
        }
        group->events = events;
        group->room = room;
    }
    group->events[group->count++] = event;
    group->bytes += g->drafts[event].item.len + 1;
}

static void place(struct grouping *g, uint32_t event) {
    const struct draft_request *draft = &g->drafts[event];
    uint64_t *user = draft->user != 0 ? user_place(g, draft->user) : NULL;
    size_t at = user != NULL && *user != 0 ? g->user_groups[user - g->users] : 0;
    while (at < g->group_count && !has_room(g, &g->groups[at], draft)) {
        at++;
    }
    if (at == g->group_count) {
        enum { BRACKETS = 16 }; /* of the envelope and the array, generously */
        g->groups[g->group_count++] =
            (struct group){.first = draft, .bytes = draft->envelope_bytes + g->d->batch_into.len + BRACKETS};
    }
    put(g, &g->groups[at], event);
    if (user != NULL) {
        *user = draft->user;
        g->user_groups[user - g->users] = (uint32_t)at;
    }
}

/* ---- bodies ---- */

static void write_items(const struct grouping *g, const struct group *group, struct json_writer *w) {
    json_write_array(w);
    for (size_t i = 0; i < group->count; i++) {
        json_write_raw(w, g->drafts[group->events[i]].item);
    }
    json_write_end(w);
}

static struct slice batch_body(const struct grouping *g, const struct group *group) {
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    if (g->d->batch_into.len == 0) {
        write_items(g, group, &w);
    } else {
        const struct value *envelope = &group->first->envelope;
        json_write_object(&w);
        for (size_t i = 0; i < envelope->count; i++) {
            json_write_key(&w, envelope->pairs[i].key);
            json_write_raw(&w, envelope->pairs[i].value.text);
        }
        json_write_key(&w, g->d->batch_into);
        write_items(g, group, &w);
        json_write_end(&w);
    }
    return buf_keep(&out, g->arena);
}

static struct destination_request finish(const struct grouping *g, const struct group *group) {
    struct destination_request request = group->first->request;
    request.body = g->d->has_batch ? batch_body(g, group) : group->first->item;
    request.events = group->events;
    request.event_count = group->count;
    return request;
}

/* ---- settings that the event fills ---- */

struct filled {
    const struct destination_settings *settings;
    struct slice event;
};

/* OK also when the settings are wrong with what the event has: ret_filled->settings is NULL, *ret_refusal says why. */
static enum err fill(const struct destination_settings *settings, struct slice event, struct json_parser *parser,
    struct arena *arena, struct filled *ret_filled, struct destination_refusal *ret_refusal) {
    struct json_doc doc;
    struct slice config;
    struct errinfo why = {.at = 0};
    *ret_filled = (struct filled){settings, event};
    enum err e = settings->dynamic != NULL ? json_parse(parser, event, &doc, NULL) : OK;
    if (e != OK || settings->dynamic == NULL) {
        return e;
    }
    dynamic_fill(settings->dynamic, &doc, arena, &config, &ret_filled->event);
    if (settings_open_filled(&settings->definition->type, config, parser, arena, &ret_filled->settings, &why) != OK) {
        ret_filled->settings = NULL;
        *ret_refusal =
            (struct destination_refusal){.kind = REFUSAL_DEAD, .text = arena_dup(arena, slice_cstr(why.text))};
    }
    return OK;
}

static enum err draft(struct grouping *g, const struct destination_input *input, size_t at,
    struct destination_refusal *ret_refusal, struct errinfo *why) {
    struct filled filled;
    enum err e = fill(g->settings, input->events[at], g->parser, g->arena, &filled, ret_refusal);
    if (e != OK || filled.settings == NULL) {
        g->drafts[at].refused = true;
        return e;
    }
    arena_reset(&g->scratch);
    e = draft_request(
        filled.settings, filled.event, input->now_ms, g->parser, &g->scratch, &g->drafts[at], ret_refusal, why);
    if (e == OK && g->drafts[at].refused) {
        ret_refusal->text = arena_dup(g->arena, ret_refusal->text);
    } else if (e == OK) {
        draft_keep(&g->drafts[at], g->arena);
    }
    return e;
}

/* ---- the whole ---- */

static void grouping_init(struct grouping *g, const struct definition *d, size_t count, struct arena *arena) {
    size_t places = 2;
    while (places < 2 * count) {
        places *= 2;
    }
    *g = (struct grouping){.d = d, .arena = arena, .user_mask = places - 1};
    g->drafts = ARENA_ARRAY(arena, struct draft_request, count + 1);
    g->groups = ARENA_ARRAY(arena, struct group, count + 1);
    g->users = ARENA_ARRAY(arena, uint64_t, places);
    g->user_groups = ARENA_ARRAY(arena, uint32_t, places);
}

enum err destination_build(const struct destination_settings *settings, const struct destination_input *input,
    struct json_parser *parser, struct arena *arena, struct destination_batch *ret_batch, struct errinfo *why) {
    ASSERT(settings->definition->type.kind == DESTINATION_TABLES);
    struct grouping g;
    grouping_init(&g, settings->definition, input->count, arena);
    arena_init(&g.scratch, SCRATCH_CHUNK, 0);
    g.settings = settings;
    g.parser = parser;
    struct destination_batch batch = {.refusals = ARENA_ARRAY(arena, struct destination_refusal, input->count + 1)};
    enum err e = OK;
    for (size_t i = 0; i < input->count && e == OK; i++) {
        struct destination_refusal refusal;
        e = draft(&g, input, i, &refusal, why);
        if (e != OK) {
            break;
        }
        if (!g.drafts[i].refused) {
            place(&g, (uint32_t)i);
        } else {
            refusal.event = (uint32_t)i;
            batch.refusals[batch.refusal_count++] = refusal;
        }
    }
    arena_fini(&g.scratch);
    if (e != OK) {
        return e;
    }
    batch.requests = ARENA_ARRAY(arena, struct destination_request, g.group_count + 1);
    for (size_t i = 0; i < g.group_count; i++) {
        batch.requests[i] = finish(&g, &g.groups[i]);
    }
    batch.request_count = g.group_count;
    *ret_batch = batch;
    return OK;
}

/* ---- as JSON ---- */

const char *destination_refusal_name(enum destination_refusal_kind kind) {
    static const char *const names[] = {
        [REFUSAL_DEAD] = "dead",
        [REFUSAL_FILTERED] = "filtered",
        [REFUSAL_TYPE] = "filtered",
        [REFUSAL_RETRY] = "retry",
        [REFUSAL_THROTTLED] = "throttled",
        [REFUSAL_AUTH] = "auth",
    };
    return names[kind];
}

static void write_request(const struct destination_request *request, struct json_writer *w) {
    json_write_object(w);
    json_put_cstr(w, "method", http_method_name(request->method));
    json_put_string(w, "url", request->url);
    json_write_key(w, SLICE("headers"));
    http_headers_write(w, request->headers, request->header_count);
    struct slice body = request->plain.ptr != NULL ? request->plain : request->body;
    if (request->body_kind == BODY_JSON || request->body_kind == BODY_EVENT) {
        json_put_raw(w, "body", body);
    } else if (request->body_kind != BODY_NONE) {
        json_put_string(w, "body", body);
    }
    if (request->gzip) {
        json_put_bool(w, "gzip", true);
    }
    json_write_key(w, SLICE("events"));
    json_write_array(w);
    for (size_t i = 0; i < request->event_count; i++) {
        json_write_u64(w, request->events[i]);
    }
    json_write_end(w);
    json_write_end(w);
}

void destination_batch_write(const struct destination_batch *batch, struct json_writer *w) {
    json_write_object(w);
    json_write_key(w, SLICE("requests"));
    json_write_array(w);
    for (size_t i = 0; i < batch->request_count; i++) {
        write_request(&batch->requests[i], w);
    }
    json_write_end(w);
    json_write_key(w, SLICE("refused"));
    json_write_array(w);
    for (size_t i = 0; i < batch->refusal_count; i++) {
        json_write_object(w);
        json_put_u64(w, "event", batch->refusals[i].event);
        json_put_cstr(w, "outcome", destination_refusal_name(batch->refusals[i].kind));
        json_put_string(w, "text", batch->refusals[i].text);
        json_write_end(w);
    }
    json_write_end(w);
    json_write_end(w);
}
