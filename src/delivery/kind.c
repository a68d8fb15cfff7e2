/* The table of kinds, and the check of a destination's settings. */
#include "delivery/kind.h"

#include "delivery/delivery.h"
#include "delivery/http/webhook.h"

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
    return NULL;
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
    enum err e = kind->open(config, parser, &arena, &settings, why);
    arena_fini(&arena);
    json_parser_free(parser);
    return e;
}
