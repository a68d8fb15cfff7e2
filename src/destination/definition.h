/* What a definition.json compiles to. Private to destination/.
 *
 * thread: made by whoever loads it, then read by any. Everything lives in its arena but the compiled patterns. */
#ifndef SLUICE_DESTINATION_DEFINITION_H
#define SLUICE_DESTINATION_DEFINITION_H

#include "destination/destination.h"
#include "destination/mapping.h"

/* A variable is the text of its first choice whose condition (on settings alone) holds. */
struct variable_choice {
    const struct condition *when;
    struct template text;
};

struct variable {
    struct variable_choice *choices;
    size_t choice_count;
};

struct rule { /* events that make no request */
    const struct condition *when;
    bool filtered;
    struct slice text;
};

struct request_definition {
    struct slice name;
    const struct condition *when;
    bool has_method, has_url; /* always, but for DESTINATION_CODE */
    enum http_method method;
    struct template url;
    struct named_template *headers, *query;
    size_t header_count, query_count;
    enum destination_body body_kind;
    bool has_query_plan;
    struct plan body, query_plan;
};

enum auth_kind { AUTH_NONE, AUTH_BASIC, AUTH_BEARER };

struct auth_definition {
    enum auth_kind kind;
    struct template user, secret; /* bearer: secret */
};

struct status_range {
    uint64_t first, last;
};

struct response_rule {
    struct status_range *statuses;
    size_t status_count; /* 0 = any */
    const struct condition *when;
    enum destination_outcome outcome;
};

struct code_lookup { /* answers that ctx.http may give from memory */
    struct slice name;
    int64_t cache_ms; /* 0 = never */
};

struct code_limit { /* numbers that the code reads from ctx.limits */
    struct slice name;
    uint64_t value;
};

struct code;

struct setting_check {
    const struct condition *show_when; /* NULL = always shown */
    regex_t *pattern;                  /* NULL = none */
    struct value fallback;
};

struct definition {
    struct destination_type type;
    struct arena arena;
    struct json_doc doc; /* copied into the arena */
    struct pattern_list patterns;
    struct slice *setting_keys, *variable_names;
    const char **setting_words;   /* the keys as C strings */
    struct setting_check *checks; /* by setting */
    struct variable *variables;
    size_t variable_count;
    struct trie trie; /* of events */
    uint32_t slot_type, slot_event, slot_user_id, slot_anonymous_id;
    struct rule *rules;
    size_t rule_count;
    struct auth_definition auth;
    struct named_template *headers; /* of every request */
    size_t header_count;
    struct request_definition *requests;
    size_t request_count;
    struct slice batch_into; /* empty = the body is the array */
    bool has_batch, has_envelope;
    struct plan envelope; /* the members beside the array, from the request's first event */
    struct trie response_trie;
    struct response_rule *responses;
    size_t response_count;
    bool *code_secret; /* by setting: transform.js gets it although it is a secret */
    struct code_lookup *lookups;
    size_t lookup_count;
    struct code_limit *limits;
    size_t limit_count;
    struct code *code; /* owned; NULL unless DESTINATION_CODE */
};

/* A copy that outlives the parser's next parse. */
void definition_doc_dup(const struct json_doc *doc, struct arena *arena, struct json_doc *ret_doc);

/* `file` is for messages and becomes the origin. The caller owns *ret_definition: definition_free. */
MUST enum err definition_parse(
    struct slice text, const char *file, bool has_code, struct definition **ret_definition, struct errinfo *why);
void definition_free(struct definition *definition); /* takes NULL */

/* ---- the parts of it: definition_settings.c, definition_delivery.c, definition_code.c ---- */
MUST enum err definition_settings(struct compiler *c, uint32_t node, struct definition *d);
/* show_when refers to settings: after all of them are known. */
MUST enum err definition_settings_shown(struct compiler *c, uint32_t node, struct definition *d);
MUST enum err definition_variables(struct compiler *c, uint32_t node, struct definition *d);
MUST enum err definition_delivery(struct compiler *c, uint32_t node, struct definition *d);
MUST enum err definition_responses(struct compiler *c, uint32_t node, struct definition *d);
MUST enum err definition_code(struct schema *s, uint32_t node, struct definition *d);

/* ---- opened settings: settings.c ---- */
struct destination_settings {
    const struct definition *definition;
    struct value *values, *variables; /* by index */
    const struct json_doc *dynamic;   /* the config, when events fill some of it; NULL = it is as it stands */
    /* of DESTINATION_CODE: */
    struct slice code_config;          /* JSON: what its code sees */
    const struct http_header *headers; /* of every request, authorization included */
    size_t header_count;
    struct slice headers_why; /* why they cannot be made: nothing can be sent; "" = they can */
};

/* A config that an event has filled: what still looks like {{ … }} is an ordinary text. As destination_open else. */
MUST enum err settings_open_filled(const struct destination_type *type, struct slice config, struct json_parser *parser,
    struct arena *arena, const struct destination_settings **ret_settings, struct errinfo *why);
/* definition_webhook.c: of a source */
MUST enum err definition_webhook(struct schema *s, uint32_t node, struct definition *d);
/* settings_code.c: code_config and headers of a DESTINATION_CODE. */
void settings_prepare_code(struct destination_settings *settings, struct arena *arena);

#endif
