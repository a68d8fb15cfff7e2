/* A run: events are sorted into parts whose settings agree; part by part their tables are executed here, their code in
 * a worker, and the requests put behind each other. */
#include "destination/code.h"

#include "destination/code_internal.h"
#include "destination/dynamic.h"

struct code_run {
    struct destination_run *run;
    struct transform_call call;
    struct code_part *parts;
    size_t part_count, part_at;
    struct slice *messages; /* per event: without what its settings took */
    uint64_t *users;        /* per event; 0 = nobody */
    uint32_t *sent;         /* of the part: events that the code gets, in its order */
    size_t sent_count, request_room;
    struct code_result result;  /* of the part; refusals and named: of the run */
    struct json_parser *parser; /* NULL until the caller's may not be used any more */
};

static void run_parts(struct code_run *c);

static void end(struct code_run *c, enum err e, const struct errinfo *why) {
    struct destination_run *run = c->run;
    json_parser_free(c->parser);
    if (e == OK) {
        struct destination_batch *batch = &run->batch;
        batch->refusals = ARENA_ARRAY(run->arena, struct destination_refusal, run->count + 1);
        for (size_t i = 0; i < run->count; i++) {
            if (c->result.refusals[i].text.ptr != NULL) {
                batch->refusals[batch->refusal_count++] = c->result.refusals[i];
            }
        }
    }
    run->on_done(run, e, why);
}

static void refuse(struct code_run *c, uint32_t event, enum destination_refusal_kind kind, struct slice text) {
    c->result.refusals[event] = (struct destination_refusal){event, kind, text};
}

/* ---- settings ---- */

static struct code_part *add_part(
    struct code_run *c, const struct destination_settings *settings, struct hash128 config) {
    struct code_part *part = &c->parts[c->part_count++];
    *part = (struct code_part){
        .settings = settings, .config = config, .events = ARENA_ARRAY(c->run->arena, uint32_t, c->run->count)};
    return part;
}

/* One part; each event its own when nothing may be shared. */
static void sort_alike(struct code_run *c) {
    static const struct hash128 none = {0, 0};
    struct code_part *part = NULL;
    for (uint32_t i = 0; i < c->run->count; i++) {
        c->messages[i] = c->run->events[i].message;
        if (part == NULL || c->run->no_batch) {
            part = add_part(c, c->run->settings, none);
        }
        part->events[part->count++] = i;
    }
}

static struct code_part *find_part(struct code_run *c, struct hash128 config) {
    for (size_t i = 0; i < c->part_count && !c->run->no_batch; i++) {
        if (hash128_eq(c->parts[i].config, config)) {
            return &c->parts[i];
        }
    }
    return NULL;
}

static enum err sort_one(struct code_run *c, uint32_t event, struct errinfo *why) {
    struct destination_run *run = c->run;
    struct json_doc doc;
    struct slice config;
    enum err e = json_parse(run->parser, run->events[event].message, &doc, why);
    if (e != OK) {
        return e;
    }
    dynamic_fill(run->settings->dynamic, &doc, run->arena, &config, &c->messages[event]);
    struct hash128 hash = hash128(config);
    struct code_part *part = find_part(c, hash);
    if (part == NULL) {
        const struct destination_settings *settings = NULL;
        struct errinfo refused = {.at = 0};
        e = settings_open_filled(
            &run->settings->definition->type, config, run->parser, run->arena, &settings, &refused);
        if (e != OK) {
            refuse(c, event, REFUSAL_DEAD, arena_dup(run->arena, slice_cstr(refused.text)));
            return OK;
        }
        part = add_part(c, settings, hash);
    }
    part->events[part->count++] = event;
    return OK;
}

static enum err sort_events(struct code_run *c, struct errinfo *why) {
    bool tables = c->run->settings->definition->type.kind != DESTINATION_CODE; /* destination_build fills itself */
    if (tables || c->run->settings->dynamic == NULL) {
        sort_alike(c);
        return OK;
    }
    for (uint32_t i = 0; i < c->run->count; i++) {
        enum err e = sort_one(c, i, why);
        if (e != OK) {
            return e;
        }
    }
    return OK;
}

/* ---- requests of a part, behind those of the parts before ---- */

static void make_room(struct code_run *c, size_t more) {
    struct destination_batch *batch = &c->run->batch;
    if (batch->request_count + more <= c->request_room) {
        return;
    }
    c->request_room = 2 * (batch->request_count + more);
    struct destination_request *requests = ARENA_ARRAY(c->run->arena, struct destination_request, c->request_room);
    if (batch->request_count > 0) {
        memcpy(requests, batch->requests, batch->request_count * sizeof *requests);
    }
    batch->requests = requests;
}

/* ---- tables ---- */

static enum err build_tables(struct code_run *c, const struct code_part *part, struct errinfo *why) {
    struct destination_run *run = c->run;
    struct slice *events = ARENA_ARRAY(run->arena, struct slice, part->count);
    for (size_t i = 0; i < part->count; i++) {
        events[i] = c->messages[part->events[i]];
    }
    const struct destination_input input = {.events = events, .count = part->count, .now_ms = run->now_ms};
    struct destination_batch built;
    enum err e = destination_build(part->settings, &input, run->parser, run->arena, &built, why);
    if (e != OK) {
        return e;
    }
    make_room(c, built.request_count);
    for (size_t i = 0; i < built.request_count; i++) {
        struct destination_request *request = &run->batch.requests[run->batch.request_count++];
        *request = built.requests[i];
        uint32_t *list = ARENA_ARRAY(run->arena, uint32_t, request->event_count);
        for (size_t k = 0; k < request->event_count; k++) {
            list[k] = part->events[request->events[k]];
        }
        request->events = list;
    }
    for (size_t i = 0; i < built.refusal_count; i++) {
        refuse(c, part->events[built.refusals[i].event], built.refusals[i].kind, built.refusals[i].text);
    }
    return OK;
}

/* ---- code ---- */

static void write_stage(const struct destination_stage *stage, struct json_writer *w) {
    if (stage->limits.len > 0) {
        json_put_raw(w, "staged", stage->limits);
    }
    if (stage->uuids.len > 0) {
        json_put_raw(w, "uuids", stage->uuids);
    }
    if (stage->random.len > 0) {
        json_put_raw(w, "random", stage->random);
    }
}

/* What is the same for all events of the part: the prelude's `common`. */
static struct slice common_of(const struct code_run *c, const struct destination_settings *settings) {
    const struct definition *d = settings->definition;
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_write_object(&w);
    json_put_raw(&w, "config", settings->code_config);
    json_put_i64(&w, "now", c->run->now_ms);
    json_put_bool(&w, "batch", !c->run->no_batch);
    json_write_key(&w, SLICE("limits"));
    json_write_object(&w);
    for (size_t i = 0; i < d->limit_count; i++) {
        json_write_key(&w, d->limits[i].name);
        json_write_u64(&w, d->limits[i].value);
    }
    json_write_end(&w);
    if (c->run->stage != NULL) {
        write_stage(c->run->stage, &w);
    }
    json_write_end(&w);
    return buf_keep(&out, c->run->arena);
}

static struct slice meta_of(const struct code_run *c, uint32_t event, struct slice draft) {
    const struct destination_event *given = &c->run->events[event];
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_write_object(&w);
    json_put_u64(&w, "at", event);
    json_put_raw(&w, "draft", draft);
    json_put_raw(&w, "metadata", given->metadata.len > 0 ? given->metadata : SLICE("{}"));
    if (given->connection.len > 0) {
        json_put_raw(&w, "connection", given->connection);
    }
    json_write_end(&w);
    return buf_keep(&out, c->run->arena);
}

/* Rules and tables; what they leave goes to the code. */
static enum err make_inputs(struct code_run *c, const struct code_part *part, struct arena *scratch,
    struct transform_input *inputs, struct errinfo *why) {
    struct destination_run *run = c->run;
    c->sent_count = 0;
    for (size_t i = 0; i < part->count; i++) {
        uint32_t event = part->events[i];
        struct draft_request draft;
        struct destination_refusal refusal = {.text = SLICE_NONE};
        arena_reset(scratch);
        enum err e =
            draft_request(part->settings, c->messages[event], run->now_ms, run->parser, scratch, &draft, &refusal, why);
        if (e != OK) {
            return e;
        }
        if (draft.refused) {
            refuse(c, event, refusal.kind, arena_dup(run->arena, refusal.text));
            continue;
        }
        c->users[event] = draft.user;
        inputs[c->sent_count] = (struct transform_input){
            .message = c->messages[event], .metadata = meta_of(c, event, draft_json(&draft, scratch))};
        c->sent[c->sent_count++] = event;
    }
    return OK;
}

static bool on_ask(struct transform_call *call, struct transform_ask *ask) {
    const struct code_run *c = CONTAINER_OF(call, struct code_run, call);
    return code_on_ask(c->parts[c->part_at].settings, c->run->stage, ask);
}

static void on_answer(struct transform_call *call, const struct transform_answer *answer) {
    enum { EVENT_DEPTH = 192 };
    struct code_run *c = CONTAINER_OF(call, struct code_run, call);
    if (c->parser == NULL) {
        c->run->parser = c->parser = json_parser_new(EVENT_DEPTH);
    }
    struct errinfo why = {.at = 0};
    if (answer->err != OK) {
        end(c, err_why(answer->err, &why, "transform.js", "%s", answer->text), &why);
        return;
    }
    if (answer->result_count == 1 && answer->results[0].failed && answer->results[0].cause == TRANSFORM_CAUSE_COMPILE) {
        struct slice text = answer->results[0].error;
        end(c, err_why(ERR_INVALID, &why, "transform.js", "%.*s", SLICE_ARG(text)), &why);
        return;
    }
    c->result.part = &c->parts[c->part_at];
    c->result.items = NULL;
    c->result.item_count = c->result.item_room = 0;
    c->result.odd = SLICE_NONE;
    code_answer_read(&c->result, answer, c->sent, c->sent_count);
    make_room(c, c->result.item_count);
    code_merge(&c->result, c->users);
    c->part_at++;
    run_parts(c);
}

/* False: no event of the part is left for the code. */
static bool start_code(struct code_run *c, const struct code_part *part, enum err *ret_err, struct errinfo *why) {
    struct destination_run *run = c->run;
    struct transform_input *inputs = ARENA_ARRAY(run->arena, struct transform_input, part->count);
    enum { SCRATCH_CHUNK = 32768 };
    struct arena scratch; /* of one draft */
    arena_init(&scratch, SCRATCH_CHUNK, 0);
    *ret_err = make_inputs(c, part, &scratch, inputs, why);
    arena_fini(&scratch);
    if (*ret_err != OK || c->sent_count == 0) {
        return false;
    }
    c->call = (struct transform_call){.version = code_compiled(part->settings->definition->code, run->transform),
        .metadata = common_of(c, part->settings),
        .inputs = inputs,
        .input_count = c->sent_count,
        .on_ask = on_ask,
        .loop = run->loop,
        .on_done = on_answer};
    transform_run(run->transform, &c->call);
    return true;
}

/* Until a worker has to be waited for, or the end. */
static void run_parts(struct code_run *c) {
    struct errinfo why = {.at = 0};
    enum err e = OK;
    bool code = c->run->settings->definition->type.kind == DESTINATION_CODE;
    for (; c->part_at < c->part_count && e == OK; c->part_at++) {
        const struct code_part *part = &c->parts[c->part_at];
        if (!code) {
            e = build_tables(c, part, &why);
        } else if (start_code(c, part, &e, &why)) {
            return;
        }
    }
    end(c, e, &why);
}

void destination_run(struct destination_run *run) {
    struct arena *arena = run->arena;
    struct code_run *c = ARENA_NEW(arena, struct code_run);
    struct errinfo why = {.at = 0};
    *c = (struct code_run){.run = run,
        .parts = ARENA_ARRAY(arena, struct code_part, run->count),
        .messages = ARENA_ARRAY(arena, struct slice, run->count),
        .users = ARENA_ARRAY(arena, uint64_t, run->count),
        .sent = ARENA_ARRAY(arena, uint32_t, run->count),
        .result = {.run = run,
            .refusals = ARENA_ARRAY(arena, struct destination_refusal, run->count),
            .named = ARENA_ARRAY(arena, bool, run->count)}};
    run->private = c;
    run->batch = (struct destination_batch){.request_count = 0};
    enum err e = sort_events(c, &why);
    if (e != OK) {
        end(c, e, &why);
        return;
    }
    run_parts(c);
}
