/* What an engine holds. Private to engine.c. */
#ifndef SLUICE_TRANSFORM_ENGINE_INTERNAL_H
#define SLUICE_TRANSFORM_ENGINE_INTERNAL_H

#include "base/arena.h"
#include "base/buf.h"
#include "transform/engine.h"
#include "transform/jsc.h"

struct engine_module {
    struct slice file, source; /* NUL behind both */
    uint32_t imports;          /* how many of the modules before it, from the first on, it gets */
};

struct engine_version {
    struct engine_version *next;
    uint32_t id;
    bool classic; /* version 0: a script with a function transform */
    struct arena arena;
    struct engine_module *modules; /* the libraries, then the transformation */
    size_t module_count;
    JSContextGroupRef group;               /* NULL: made at the next run */
    JSGlobalContextRef context;            /* with the group */
    JSObjectRef run, reply, take, give_up; /* functions of runtime.js in the context */
};

struct engine {
    engine_on_ask on_ask;
    void *ctx;
    JSContextGroupRef compiler_group;
    JSGlobalContextRef compiler;
    JSObjectRef compile;
    struct engine_version *versions;
    struct engine_version *running; /* a batch of it has begun and not ended */
    uint32_t limit_ms;              /* of that batch */
    uint32_t last_question;
    bool stopped; /* the CPU limit struck in the last call */
    struct json_parser *parser;
    struct buf ask_text;
};

#endif
