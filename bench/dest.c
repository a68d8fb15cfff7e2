/* What destinations cost: the same mapping in tables, here, and in JavaScript, in a worker; and the least that code can
 * do. Batches of events, one at a time; CPU time is this process's and the workers', their start included. */
#include <stdio.h>
#include <sys/resource.h>

#include "bench.h"
#include "destination/code.h"

enum { EVENT_MAX = 1 << 20, DEPTH_MAX = 128, ARENA_CHUNK = 65536, WARM_BATCHES = 20 };

struct sheet {
    const struct transform_conf *conf;
    const struct transform_deps *deps;
    struct transform *transform;
    struct loop *loop;
    struct json_parser *parser;
    struct slice event;
    uint64_t events, batch;
};

struct cost { /* microseconds for an event */
    double real, cpu;
};

static double cpu_us(void) {
    double us = 0;
    static const int whose[] = {RUSAGE_SELF, RUSAGE_CHILDREN};
    for (size_t i = 0; i < COUNT_OF(whose); i++) {
        struct rusage usage;
        (void)getrusage(whose[i], &usage); /* cannot fail with these */
        us += (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
            (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    }
    return us;
}

static size_t read_event(const char *file, char *out) {
    FILE *in = fopen(file, "re");
    size_t len = in != NULL ? fread(out, 1, EVENT_MAX, in) : 0;
    if (in != NULL) {
        fclose(in);
    }
    return len;
}

static enum err run_batch(const struct sheet *sheet, const struct destination_settings *settings, struct arena *arena,
    struct destination_event *events, struct errinfo *why) {
    arena_reset(arena);
    struct destination_run run = {.transform = sheet->transform,
        .settings = settings,
        .events = events,
        .count = sheet->batch,
        .now_ms = 1786060800000,
        .parser = sheet->parser,
        .arena = arena,
        .loop = sheet->loop};
    enum err e = destination_run_wait(&run, why);
    bool whole = e != OK || run.batch.refusal_count == 0;
    return whole ? e : err_why(ERR_INVALID, why, "event", "%.*s", SLICE_ARG(run.batch.refusals[0].text));
}

static enum err measure(struct sheet *sheet, const char *folder, struct cost *ret_cost, struct errinfo *why) {
    double cpu_began = cpu_us();
    sheet->transform = transform_new(sheet->conf, sheet->deps);
    struct arena lasting;
    struct arena arena;
    const struct destination_type *type = NULL;
    const struct destination_settings *settings = NULL;
    arena_init(&lasting, ARENA_CHUNK, 0);
    arena_init(&arena, ARENA_CHUNK, 0);
    struct destination_event *events = ARENA_ARRAY(&lasting, struct destination_event, sheet->batch);
    for (uint64_t i = 0; i < sheet->batch; i++) {
        events[i].message = sheet->event;
    }
    enum err e = destination_load(folder, &type, why);
    if (e == OK) {
        e = destination_open(type, SLICE("{\"key\":\"k\"}"), sheet->parser, &lasting, &settings, why);
    }
    for (unsigned i = 0; i < WARM_BATCHES && e == OK; i++) {
        e = run_batch(sheet, settings, &arena, events, why);
    }
    uint64_t done = 0;
    uint64_t began = now_ns();
    for (; done < sheet->events && e == OK; done += sheet->batch) {
        e = run_batch(sheet, settings, &arena, events, why);
    }
    double events_done = (double)(done > 0 ? done : 1);
    ret_cost->real = (double)(now_ns() - began) / 1000 / events_done;
    transform_free(sheet->transform);
    ret_cost->cpu = (cpu_us() - cpu_began) / (events_done + (double)(WARM_BATCHES * sheet->batch));
    arena_fini(&arena);
    arena_fini(&lasting);
    return e;
}

int bench_dest(int argc, char **argv) {
    static char text[EVENT_MAX + JSON_PADDING];
    static const char *const folders[] = {"bench/map", "bench/code", "bench/trivial"};
    static const char *const names[] = {"tables", "code", "trivial_code"};
    struct transform_conf conf;
    struct arena arena;
    struct errinfo why = {.at = 0};
    const struct transform_deps deps = {.program = arg_text(argc, argv, "--sluice", "build/sluice")};
    arena_init(&arena, ARENA_CHUNK, 0);
    struct knob_section section = transform_conf_section(&conf);
    knob_defaults(&section, &arena);
    struct sheet sheet = {.conf = &conf,
        .deps = &deps,
        .loop = loop_new("bench"),
        .parser = json_parser_new(DEPTH_MAX),
        .events = arg_u64(argc, argv, "--events", 100000),
        .batch = arg_u64(argc, argv, "--batch", 100)};
    sheet.event = slice_of(text, read_event(arg_text(argc, argv, "--event", "bench/map/event.json"), text));
    enum err e = OK;
    printf("{\"batch\":%lu", sheet.batch);
    for (size_t i = 0; i < COUNT_OF(folders) && e == OK; i++) {
        struct cost cost = {0, 0};
        e = measure(&sheet, folders[i], &cost, &why);
        printf(",\"%s\":{\"us\":%.2f,\"cpu_us\":%.2f,\"events_per_s\":%.0f}", names[i], cost.real, cost.cpu,
            cost.real > 0 ? 1e6 / cost.real : 0);
    }
    printf("}\n");
    if (e != OK) {
        fprintf(stderr, "sluice-bench: %s: %s\n", why.path, why.text);
    }
    loop_free(sheet.loop);
    json_parser_free(sheet.parser);
    arena_fini(&arena);
    return e == OK ? 0 : 1;
}
