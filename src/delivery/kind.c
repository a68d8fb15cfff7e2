/* The table of kinds, and the check of a destination's settings. */
#include "delivery/kind.h"

#include "delivery/delivery.h"
#include "delivery/http/tables.h"
#include "delivery/http/webhook.h"
#include "destination/destination.h"

enum { DEPTH_MAX = 128, ARENA_CHUNK = 4096 };

static const struct delivery_kind *const kinds[] = {
    &delivery_webhook,
};

const struct delivery_kind *delivery_kind_find(struct slice type) {
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (slice_eq(type, slice_cstr(kinds[i]->type))) {
            return kinds[i];
        }
    }
    const struct destination_type *definition = destination_find(type);
    return definition != NULL && definition->kind == DESTINATION_TABLES ? &delivery_tables : NULL;
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
    enum err e = definition != NULL ? destination_open(definition, config, parser, &arena, &checked, why) : OK;
    if (e == OK) {
        e = kind->open(type, config, parser, &arena, &settings, why);
    }
    arena_fini(&arena);
    json_parser_free(parser);
    return e;
}
