/* For tests of code: a destination from a definition and a transform.js as texts, runs in real workers (the test
 * program is its own worker), results as text. */
#ifndef SLUICE_DESTINATION_CODE_TESTING_H
#define SLUICE_DESTINATION_CODE_TESTING_H

#include "destination/code_internal.h"
#include "destination/destination_testing.h"
#include "destination/exchange.h"
#include "transform/transform_testing.h"

/* Workers cost a tenth of a second to start: one crew for all tests of a program. */
struct seat {
    struct arena arena;
    struct transform_conf conf;
    struct transform *transform;
    struct loop *loop;
};

static inline void seat_start(struct seat *seat) {
    arena_init(&seat->arena, 0, 0);
    struct knob_section section = transform_conf_section(&seat->conf);
    knob_defaults(&section, &seat->arena);
    seat->conf.cpu_time = 1500; /* loops of the tests cost as much */
    seat->transform = transform_new(&seat->conf, testing_workers());
    seat->loop = loop_new("test");
}

static inline void seat_stop(struct seat *seat) {
    transform_free(seat->transform);
    loop_free(seat->loop);
    arena_fini(&seat->arena);
}

/* `more`: members of the definition behind the settings key (secret), region (text) and none (secret). */
MUST static inline enum err code_open(struct testing *t, const char *more, const char *script, const char *config) {
    testing_start(t);
    struct slice text = arena_printf(&t->arena,
        "{\"type\":\"CODE\",\"label\":\"Code\",\"category\":\"c\",\"settings\":{"
        "\"key\":{\"type\":\"text\",\"label\":\"Key\",\"help\":\"h\",\"secret\":true},"
        "\"region\":{\"type\":\"text\",\"label\":\"Region\",\"help\":\"h\",\"default\":\"us\"}}%s}",
        more);
    enum err e = definition_parse(text, "d.json", /* has_code: */ true, &t->definition, &t->why);
    if (e == OK) {
        const struct code_module main = {SLICE("transform"), slice_cstr(script), SLICE("transform.js")};
        t->definition->code = code_new(&main, NULL, 0);
        e = destination_open(&t->definition->type, slice_cstr(config), t->parser, &t->arena, &t->settings, &t->why);
    }
    return e;
}

static inline struct slice code_shown(struct testing *t, const struct destination_batch *batch) {
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    destination_batch_write(batch, &w);
    struct slice text = arena_dup(&t->arena, buf_slice(&out));
    buf_fini(&out);
    return text;
}

/* Events are messages in JSON, NULL behind them. */
static inline enum err code_run(
    struct testing *t, struct seat *seat, const char *const *messages, struct destination_run *ret_run) {
    enum { EVENTS_MAX = 16 };
    struct destination_event *events = ARENA_ARRAY(&t->arena, struct destination_event, EVENTS_MAX);
    size_t count = 0;
    for (; messages[count] != NULL; count++) {
        ASSERT(count < EVENTS_MAX);
        events[count].message = testing_padded(t, messages[count]);
    }
    ret_run->transform = seat->transform;
    ret_run->settings = t->settings;
    ret_run->events = events;
    ret_run->count = count;
    ret_run->now_ms = TESTING_NOW_MS;
    ret_run->parser = t->parser;
    ret_run->arena = &t->arena;
    ret_run->loop = seat->loop;
    return destination_run_wait(ret_run, &t->why);
}

#endif
