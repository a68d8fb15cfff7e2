/* For tests of destination/: a definition from text, a build of some events, the result as JSON text. */
#ifndef SLUICE_DESTINATION_DESTINATION_TESTING_H
#define SLUICE_DESTINATION_DESTINATION_TESTING_H

#include "destination/definition.h"

#define TESTING_NOW_MS 1786060800000 /* 2026-08-07T00:00:00Z */

struct testing {
    struct definition *definition;
    const struct destination_settings *settings;
    struct json_parser *parser;
    struct arena arena;
    struct errinfo why;
};

static inline struct slice testing_padded(struct testing *t, const char *text) {
    size_t len = strlen(text);
    char *copy = arena_alloc(&t->arena, len + JSON_PADDING);
    memcpy(copy, text, len);
    return slice_of(copy, len);
}

static inline void testing_start(struct testing *t) {
    *t = (struct testing){.parser = json_parser_new(128)};
    arena_init(&t->arena, 4096, 0);
}

static inline void testing_stop(struct testing *t) {
    definition_free(t->definition);
    json_parser_free(t->parser);
    arena_fini(&t->arena);
}

/* The error of the definition, else of the settings. */
static inline enum err testing_open(struct testing *t, const char *definition, const char *config) {
    enum err e = definition_parse(slice_cstr(definition), "d.json", false, &t->definition, &t->why);
    if (e == OK) {
        e = destination_open(&t->definition->type, slice_cstr(config), t->parser, &t->arena, &t->settings, &t->why);
    }
    return e;
}

/* A definition with one POST of JSON made by `rows`; settings: key (text, secret), region (choice us, eu). */
static inline enum err testing_open_rows(struct testing *t, const char *rows, const char *config) {
    struct slice text = arena_printf(&t->arena,
        "{\"type\":\"TEST\",\"label\":\"Test\",\"category\":\"c\",\"settings\":{"
        "\"key\":{\"type\":\"text\",\"label\":\"Key\",\"help\":\"the key\",\"secret\":true},"
        "\"region\":{\"type\":\"choice\",\"label\":\"Region\",\"help\":\"where\",\"default\":\"us\",\"options\":["
        "{\"value\":\"us\",\"label\":\"US\"},{\"value\":\"eu\",\"label\":\"EU\"}]}},"
        "\"delivery\":{\"requests\":[{\"name\":\"r\",\"method\":\"POST\",\"url\":\"https://x.test/\",\"body\":\"json\","
        "\"table\":\"t\"}]},\"tables\":{\"t\":%s}}",
        rows);
    return testing_open(t, text.ptr, config);
}

static inline enum err testing_build(
    struct testing *t, const char *const *events, size_t count, struct destination_batch *ret_batch) {
    struct slice *list = ARENA_ARRAY(&t->arena, struct slice, count + 1);
    for (size_t i = 0; i < count; i++) {
        list[i] = testing_padded(t, events[i]);
    }
    struct destination_input input = {.events = list, .count = count, .now_ms = TESTING_NOW_MS};
    return destination_build(t->settings, &input, t->parser, &t->arena, ret_batch, &t->why);
}

/* The body made of one event, or the text of its refusal behind "refused: ". */
static inline const char *testing_body(struct testing *t, const char *event) {
    struct destination_batch batch;
    enum err e = testing_build(t, &event, 1, &batch);
    ASSERT(e == OK);
    struct slice text = batch.request_count > 0 ? batch.requests[0].body : batch.refusals[0].text;
    return arena_printf(&t->arena, "%s%.*s", batch.request_count > 0 ? "" : "refused: ", SLICE_ARG(text)).ptr;
}

#endif
