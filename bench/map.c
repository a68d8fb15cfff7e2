/* What a destination in tables costs: parse, walk, rows, JSON out, for one event again and again. */
#include <stdio.h>

#include "bench.h"
#include "destination/destination.h"

enum { EVENT_MAX = 1 << 20, DEPTH_MAX = 128, ARENA_CHUNK = 65536 };

static size_t read_event(const char *file, char *out) {
    FILE *in = fopen(file, "re");
    size_t len = in != NULL ? fread(out, 1, EVENT_MAX, in) : 0;
    if (in != NULL) {
        fclose(in);
    }
    return len;
}

int bench_map(int argc, char **argv) {
    static char text[EVENT_MAX + JSON_PADDING];
    const struct destination_type *type = NULL;
    const struct destination_settings *settings = NULL;
    struct errinfo why = {.at = 0};
    struct arena lasting;
    struct arena arena;
    arena_init(&lasting, ARENA_CHUNK, 0);
    arena_init(&arena, ARENA_CHUNK, 0);
    struct json_parser *parser = json_parser_new(DEPTH_MAX);
    enum err e = destination_load(arg_text(argc, argv, "--definition", "bench/map"), &type, &why);
    if (e == OK) {
        e = destination_open(type, SLICE("{\"key\":\"k\"}"), parser, &lasting, &settings, &why);
    }
    uint64_t events = arg_u64(argc, argv, "--events", 200000);
    size_t len = read_event(arg_text(argc, argv, "--event", "bench/map/event.json"), text);
    struct slice event = slice_of(text, len);
    struct destination_input input = {.events = &event, .count = 1, .now_ms = 1786060800000};
    uint64_t bytes = 0;
    uint64_t started = now_ns();
    for (uint64_t i = 0; i < events && e == OK; i++) {
        struct destination_batch batch;
        arena_reset(&arena);
        e = destination_build(settings, &input, parser, &arena, &batch, &why);
        bytes += e == OK && batch.request_count > 0 ? batch.requests[0].body.len : 0;
    }
    uint64_t spent = now_ns() - started;
    if (e != OK) {
        fprintf(stderr, "sluice-bench: %s: %s\n", why.path, why.text);
    } else {
        printf("{\"events\":%lu,\"event_bytes\":%zu,\"body_bytes\":%lu,\"us_per_event\":%.3f}\n", events, len,
            events > 0 ? bytes / events : 0, (double)spent / 1000 / (double)(events > 0 ? events : 1));
    }
    json_parser_free(parser);
    arena_fini(&arena);
    arena_fini(&lasting);
    return e == OK ? 0 : 1;
}
