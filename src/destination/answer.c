/* What a vendor's answer means, by the definition's response rules. */
#include "destination/definition.h"

static bool status_matches(const struct response_rule *rule, int status) {
    for (size_t i = 0; i < rule->status_count; i++) {
        if ((uint64_t)status >= rule->statuses[i].first && (uint64_t)status <= rule->statuses[i].last) {
            return true;
        }
    }
    return false;
}

enum destination_outcome destination_answer(const struct destination_settings *settings, int status, struct slice body,
    struct json_parser *parser, struct arena *arena) {
    const struct definition *d = settings->definition;
    if (d->response_count == 0) {
        return OUTCOME_BY_STATUS;
    }
    struct errinfo unused = {.at = 0};
    struct json_doc doc;
    char *padded = arena_alloc(arena, body.len + JSON_PADDING);
    if (body.len > 0) {
        memcpy(padded, body.ptr, body.len);
    }
    bool readable = json_parse(parser, slice_of(padded, body.len), &doc, NULL) == OK;
    uint32_t *slots = ARENA_ARRAY(arena, uint32_t, d->response_trie.slots);
    if (readable) {
        trie_walk(&d->response_trie, &doc, 0, arena, slots);
    }
    struct run run = {.settings = settings->values,
        .variables = settings->variables,
        .doc = &doc,
        .slots = slots,
        .type = SLICE(""),
        .name = SLICE(""),
        .arena = arena,
        .why = &unused};
    for (size_t i = 0; i < d->response_count; i++) {
        const struct response_rule *rule = &d->responses[i];
        bool asks = rule->when != NULL;
        if (status_matches(rule, status) && (!asks || (readable && condition_holds(rule->when, &run)))) {
            return rule->outcome;
        }
    }
    return OUTCOME_BY_STATUS;
}
