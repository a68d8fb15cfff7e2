/* Questions of user code, from the frame to the answer. */
#include "transform/transform_internal.h"

enum { ASK_CHUNK = 2048 };

static void unlink_ask(struct ask *ask) {
    struct ask **at = &ask->hand->asks;
    while (*at != ask) {
        at = &(*at)->next;
    }
    *at = ask->next;
    ask->hand->ask_count--;
    ask->hand = NULL;
}

static void free_ask(struct ask *ask) {
    arena_fini(&ask->arena);
    mem_free(ask);
}

void transform_ask_answer(struct transform_ask *public, struct slice json) {
    struct ask *ask = CONTAINER_OF(public, struct ask, public);
    struct hand *hand = ask->hand;
    if (hand != NULL && ask->on_answer != NULL) {
        ask->on_answer(ask->answer_ctx, json);
    }
    if (hand != NULL) {
        if (slice_starts(json, SLICE("{\"error\""))) {
            stat_add(&ask->transform->stat.ask_failures, 1);
        }
        unlink_ask(ask);
        hand_reply(hand, ask->question, json);
    }
    free_ask(ask);
}

struct arena *transform_ask_arena(struct transform_ask *public) {
    return &CONTAINER_OF(public, struct ask, public)->arena;
}

/* Those that somebody else answers are freed when they are answered. */
void ask_drop_all(struct hand *hand) {
    while (hand->asks != NULL) {
        struct ask *ask = hand->asks;
        unlink_ask(ask);
        if (ask->is_open) {
            http_client_cancel(ask->client, &ask->call);
            free_ask(ask);
        }
    }
}

static void dispatch(struct ask *ask, const struct json_doc *doc, uint32_t parameters) {
    struct transform *transform = ask->transform;
    struct job *job = ask->hand->job;
    struct transform_call *call = job != NULL ? job->call : NULL;
    if (ask->hand->ask_count > transform->conf.fetches) {
        transform_ask_answer(&ask->public, SLICE("{\"error\":\"too many requests are open\"}"));
    } else if (call != NULL && call->on_ask != NULL && call->on_ask(call, &ask->public)) {
        return;
    } else if (transform->deps.on_ask != NULL) {
        transform->deps.on_ask(transform->deps.ctx, &ask->public);
    } else if (slice_eq(ask->public.kind, SLICE("geolocation"))) {
        geolocation_begin(ask, doc, parameters);
    } else {
        fetch_begin(ask, doc, parameters);
    }
}

enum err ask_begin(struct hand *hand, struct slice text) {
    struct transform *transform = hand->transform;
    struct ask *ask = mem_alloc(sizeof *ask);
    struct json_doc doc;
    uint64_t question = 0;
    arena_init(&ask->arena, ASK_CHUNK, 0);
    char *copy = arena_alloc(&ask->arena, text.len + JSON_PADDING);
    memcpy(copy, text.ptr, text.len);
    if (json_parse(transform->parser, slice_of(copy, text.len), &doc, NULL) != OK) {
        free_ask(ask);
        return ERR_CORRUPT;
    }
    uint32_t parameters = json_find(&doc, 0, SLICE("parameters"));
    uint32_t kind = json_find(&doc, 0, SLICE("kind"));
    if (json_u64(&doc, json_find(&doc, 0, SLICE("id")), &question) != OK || question > UINT32_MAX ||
        !json_is(&doc, parameters, JSON_ARRAY) || !json_is(&doc, kind, JSON_STRING)) {
        free_ask(ask);
        return ERR_CORRUPT;
    }
    atomic_store(&hand->job->version->asks, true);
    ask->transform = transform;
    ask->hand = hand;
    ask->question = (uint32_t)question;
    ask->public.kind = json_string(&doc, kind, &ask->arena);
    ask->public.parameters = json_raw(&doc, parameters);
    ask->next = hand->asks;
    hand->asks = ask;
    hand->ask_count++;
    stat_add(&transform->stat.asks, 1);
    dispatch(ask, &doc, parameters);
    return OK;
}
