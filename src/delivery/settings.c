/* A destination's settings, taken from one snapshot of the workspace and the server's knobs. */
#include "delivery/delivery_internal.h"
#include "delivery/http/external.h"
#include "delivery/user_code_internal.h"
#include "destination/destination.h"

enum { DEPTH_MAX = 128, ARENA_CHUNK = 8192, LOAD_MAX = 10000 /* as many as the knob allows */ };

static size_t connected_sources(
    const struct workspace_info *info, const struct destination *destination, uint64_t *out) {
    size_t count = 0;
    for (size_t i = 0; i < info->connection_count; i++) {
        if (info->connections[i].destination == destination) {
            out[count++] = info->connections[i].source->key;
        }
    }
    return count;
}

static enum err open_kind(struct sender_settings *settings, struct errinfo *why) {
    const struct destination *destination = settings->destination;
    settings->kind = destination->supported ? delivery_kind_find(destination->type) : NULL;
    if (settings->kind == NULL) {
        return OK;
    }
    struct json_parser *parser = json_parser_new(DEPTH_MAX);
    enum err e = settings->kind->open(
        destination->type, destination->config, parser, &settings->arena, &settings->kind_settings, why);
    json_parser_free(parser);
    return e;
}

/* After open_kind. */
static void set_loads(
    struct sender_settings *settings, const struct destination_type *definition, const struct delivery_conf *conf) {
    const struct delivery_kind *kind = settings->kind;
    bool batches = definition != NULL && definition->kind != DESTINATION_NATIVE && definition->batching.events > 0;
    bool external = kind == &delivery_external;
    batches = batches && !external;
    settings->is_late = external || (kind != NULL && kind->build == NULL && definition->kind == DESTINATION_CODE);
    uint32_t batch_events = batches ? definition->batching.events : 1;
    uint32_t code_events = settings->is_late || settings->user_code != NULL ? (uint32_t)conf->load : 1;
    settings->load_events = batch_events > code_events ? batch_events : code_events;
    settings->load_events = settings->load_events < LOAD_MAX ? settings->load_events : LOAD_MAX;
    settings->gather_ms = batches ? definition->batching.time_ms : 0;
}

enum err sender_settings_new(const struct delivery_conf *conf, struct workspace *workspace,
    const struct destination *destination, struct sender_settings **ret_settings, struct errinfo *why) {
    struct sender_settings *settings = mem_alloc(sizeof *settings);
    const struct workspace_info *info = workspace_info(workspace);
    const struct delivery_rules *rules = &destination->rules;
    arena_init(&settings->arena, ARENA_CHUNK, 0);
    settings->references = 1;
    settings->workspace = workspace_hold(workspace);
    settings->destination = destination;
    const struct destination_type *definition = destination_find(destination->type);
    struct destination_limits limits = definition != NULL ? definition->limits : (struct destination_limits){0};
    settings->concurrency = rules->concurrency > 0 ? rules->concurrency
        : limits.concurrency > 0                   ? limits.concurrency
                                                   : (uint32_t)conf->concurrency;
    settings->timeout_ms = rules->timeout_ms > 0 ? rules->timeout_ms
        : limits.timeout_ms > 0                  ? limits.timeout_ms
                                                 : conf->timeout;
    settings->window_ms = rules->window_ms > 0 ? rules->window_ms : conf->window;
    settings->sources = ARENA_ARRAY(&settings->arena, uint64_t, info->connection_count + 1);
    settings->source_count = connected_sources(info, destination, settings->sources);
    settings->user_code = user_code_settings_new(workspace, destination, &settings->arena);
    enum err e = open_kind(settings, why);
    if (e != OK) {
        sender_settings_release(settings);
        return e;
    }
    set_loads(settings, definition, conf);
    *ret_settings = settings;
    return OK;
}

struct sender_settings *sender_settings_hold(struct sender_settings *settings) {
    settings->references++;
    return settings;
}

void sender_settings_release(struct sender_settings *settings) {
    if (--settings->references == 0) {
        user_code_settings_fini(settings->user_code);
        workspace_release(settings->workspace);
        arena_fini(&settings->arena);
        mem_free(settings);
    }
}
