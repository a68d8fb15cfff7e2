/* What `sluice transform` is given: code with its libraries, credentials and metadata, events, and for a saved case
 * what is expected and the HTTP exchanges that answer its fetches. One JSON form for all of it
 * (docs/transformations.md).
 */
#ifndef SLUICE_CLI_TRANSFORM_SPEC_H
#define SLUICE_CLI_TRANSFORM_SPEC_H

#include "transform/transform.h"
#include "json/json.h"

struct exchange {
    struct slice method, url;
    struct slice body;   /* of the request; ptr NULL = any */
    struct slice answer; /* JSON as transform_ask_answer takes it */
    bool used;
};

struct spec {
    struct arena arena;         /* all texts */
    struct json_parser *parser; /* of `doc` */
    struct json_doc doc;        /* the case's own JSON; count 0 = there is none */
    const char *path;
    struct slice why, code, name;
    unsigned language;
    struct transform_library *libraries;
    size_t library_count;
    struct slice credentials, metadata;
    struct transform_input *inputs;
    size_t input_count;
    struct exchange *exchanges;
    size_t exchange_count;
};

void spec_init(struct spec *spec);
void spec_fini(struct spec *spec);
/* A .js file is the code; anything else is a case in JSON, whose `file` names are beside it. */
MUST enum err spec_read(struct spec *spec, const char *path, struct errinfo *why);
/* --with: what a code file cannot say. */
MUST enum err spec_read_with(struct spec *spec, const char *path, struct errinfo *why);
/* --events: replaces those of the case. */
MUST enum err spec_read_events(struct spec *spec, const char *path, struct errinfo *why);
/* --from-log: likewise, from a list in JSON text, which is copied. */
MUST enum err spec_take_events(struct spec *spec, struct slice list, struct errinfo *why);
struct transform_version *spec_version(const struct spec *spec, struct transform *transform, enum transform_kind kind);

/* on_ask of transform_deps; ctx = the spec. Answers from its exchanges, each once, in order. */
void spec_on_ask(void *ctx, struct transform_ask *ask);

#endif
