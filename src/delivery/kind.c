/* The table of kinds, and the check of a destination's settings. */
#include "delivery/kind.h"

#include "delivery/delivery.h"
#include "delivery/http/external.h"
#include "delivery/http/tables.h"
#include "delivery/http/webhook.h"
#include "destination/destination.h"

enum { DEPTH_MAX = 128, ARENA_CHUNK = 4096 };

static const struct delivery_kind *const kinds[] = {
    &delivery_webhook,
};

const struct delivery_kind *delivery_kind_find(struct slice type) {
    if (external_wants(type)) {
        return &delivery_external;
    }
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (slice_eq(type, slice_cstr(kinds[i]->type))) {
            return kinds[i];
        }
    }
    const struct destination_type *definition = destination_find(type);
    if (definition != NULL && definition->kind != DESTINATION_NATIVE) {
        return &delivery_tables;
    }
    return external_is_there() ? &delivery_external : NULL;
}

static void refuse(struct kind_run *run, uint32_t event, enum err e, const struct errinfo *why) {
    enum kind_refusal_fate fate = e == ERR_UNSUPPORTED ? KIND_FILTERED
        : err_class(e) == ERR_CLASS_RETRY              ? KIND_AGAIN
                                                       : KIND_DEAD;
    run->refusals[run->refusal_count++] =
        (struct kind_refusal){event, fate, arena_dup(run->arena, slice_cstr(why->text))};
}

static void build_each(const struct delivery_kind *kind, struct kind_run *run) {
    uint32_t *numbers = ARENA_ARRAY(run->arena, uint32_t, run->count);
    run->requests = ARENA_ARRAY(run->arena, struct kind_request, run->count);
    for (uint32_t i = 0; i < run->count; i++) {
        struct kind_request *request = &run->requests[run->request_count];
        struct errinfo why = {.at = 0};
        enum err e = kind->build(run->settings, run->events[i].message, run->parser, run->arena, request, &why);
        if (e != OK) {
            run->refusals =
                run->refusals != NULL ? run->refusals : ARENA_ARRAY(run->arena, struct kind_refusal, run->count);
            refuse(run, i, e, &why);
            continue;
        }
        numbers[i] = i;
        request->events = &numbers[i];
        request->event_count = 1;
        run->request_count++;
    }
    run->on_done(run, OK, NULL);
}

void delivery_kind_run(const struct delivery_kind *kind, struct kind_run *run) {
    if (kind->run != NULL) {
        kind->run(run);
    } else {
        build_each(kind, run);
    }
}

static void on_run(struct kind_run *run, enum err e, const struct errinfo *why) {
    run->failed = e;
    if (e != OK) {
        (void)err_why(e, run->why, why->path, "%s", why->text);
    } else if (run->refusal_count > 0) {
        const struct kind_refusal *refusal = &run->refusals[0];
        bool filtered = refusal->fate == KIND_FILTERED || refusal->fate == KIND_TYPE;
        run->failed = filtered ? ERR_UNSUPPORTED : ERR_INVALID;
        (void)err_why(
            run->failed, run->why, refusal->fate == KIND_TYPE ? "type" : "event", "%.*s", SLICE_ARG(refusal->text));
    }
}

enum err delivery_kind_run_now(const struct delivery_kind *kind, struct kind_run *run, struct errinfo *why) {
    run->on_done = on_run;
    run->why = why;
    delivery_kind_run(kind, run);
    return run->failed;
}

enum err delivery_configure(const struct delivery_conf *conf, struct errinfo *why) {
    return external_configure(conf, why);
}

struct slice delivery_label(struct slice type) {
    const struct destination_type *definition = destination_find(type);
    return definition != NULL ? definition->label : SLICE_NONE;
}

enum err delivery_check(struct slice type, struct slice config, struct errinfo *why) {
    const struct delivery_kind *kind = delivery_kind_find(type);
    if (kind == NULL) {
        return err_why(ERR_UNSUPPORTED, why, "type", "no delivery for %.*s in this build", SLICE_ARG(type));
    }
    struct json_parser *parser = json_parser_new(DEPTH_MAX);
    struct arena arena;
    arena_init(&arena, ARENA_CHUNK, 0);
    const void *settings = NULL;
    const struct destination_type *definition = destination_find(type);
    const struct destination_settings *checked = NULL;
    /* a kind in C whose settings a definition describes: its messages have label and help */
    bool ours = definition != NULL && kind != &delivery_external;
    enum err e = ours ? destination_open(definition, config, parser, &arena, &checked, why) : OK;
    if (e == OK) {
        e = kind->open(type, config, parser, &arena, &settings, why);
    }
    arena_fini(&arena);
    json_parser_free(parser);
    return e;
}
