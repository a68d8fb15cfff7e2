/* What an engine holds. Private to engine.c. */
#ifndef SLUICE_TRANSFORM_ENGINE_INTERNAL_H
#define SLUICE_TRANSFORM_ENGINE_INTERNAL_H

#include "base/arena.h"
#include "base/buf.h"
#include "transform/engine.h"
#include "transform/jsc.h"

struct engine_module {
    struct slice file, source; /* NUL behind both */
    struct slice imports;      /* JSON: indexes of the modules that it gets; -1 is the host's. NUL behind it */
};

struct engine_version {
    struct engine_version *next;
    uint32_t id;
    const char *kind; /* as the runtime calls it: transformation script destination */
    struct arena arena;
    struct engine_module *modules; /* the libraries, then the transformation */
    size_t module_count;
    JSContextGroupRef group;                             /* NULL: made at the next run */
    JSGlobalContextRef context;                          /* with the group */
    JSObjectRef run, reply, hold, settle, take, stopped; /* functions of runtime.js in the context */
    size_t held;                                         /* batches that have run, whose results are not taken */
};

struct engine {
    struct engine_host host;
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
