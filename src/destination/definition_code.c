/* definition.json: what concerns the transform.js beside it. */
#include "destination/definition.h"

static enum err read_secret(struct schema *s, uint32_t item, struct definition *d) {
    size_t at = 0;
    enum err e = schema_word(s, item, d->setting_words, d->type.setting_count, &at);
    if (e == OK && !d->type.settings[at].secret) {
        e = schema_fail(s, item, "\"%s\" is no secret: the code gets it anyway", d->setting_words[at]);
    }
    if (e == OK) {
        d->code_secret[at] = true;
    }
    return e;
}

static enum err read_secrets(struct schema *s, uint32_t node, struct definition *d) {
    size_t index = 0;
    for (uint32_t item = json_first(s->doc, node); item != JSON_ABSENT; item = json_after(s->doc, node, item)) {
        size_t mark = schema_enter_index(s, index++);
        enum err e = json_is(s->doc, item, JSON_STRING) ? read_secret(s, item, d)
                                                        : schema_fail(s, item, "must be the key of a setting");
        if (e != OK) {
            return e;
        }
        schema_leave(s, mark);
    }
    return OK;
}

static enum err read_lookups(struct schema *s, uint32_t node, struct definition *d) {
    static const struct schema_key keys[] = {{"cache", SCHEMA_TEXT, false}};
    d->lookups = ARENA_ARRAY(s->arena, struct code_lookup, json_count(s->doc, node) + 1);
    for (uint32_t key = json_first(s->doc, node); key != JSON_ABSENT; key = json_after(s->doc, node, key)) {
        struct code_lookup *lookup = &d->lookups[d->lookup_count++];
        uint32_t at[COUNT_OF(keys)];
        lookup->name = schema_text(s, key);
        size_t mark = schema_enter(s, lookup->name);
        enum err e = schema_object(s, key + 1, keys, COUNT_OF(keys), at);
        if (e == OK && at[0] != JSON_ABSENT) {
            e = schema_duration(s, at[0], &lookup->cache_ms);
        }
        if (e != OK) {
            return e;
        }
        schema_leave(s, mark);
    }
    return OK;
}

static enum err read_limits(struct schema *s, uint32_t node, struct definition *d) {
    enum { LIMIT_MAX = 1 << 30 };
    d->limits = ARENA_ARRAY(s->arena, struct code_limit, json_count(s->doc, node) + 1);
    for (uint32_t key = json_first(s->doc, node); key != JSON_ABSENT; key = json_after(s->doc, node, key)) {
        struct code_limit *limit = &d->limits[d->limit_count++];
        limit->name = schema_text(s, key);
        size_t mark = schema_enter(s, limit->name);
        enum err e = json_is(s->doc, key + 1, JSON_NUMBER) ? schema_number(s, key + 1, 1, LIMIT_MAX, &limit->value)
                                                           : schema_fail(s, key + 1, "must be a number");
        if (e != OK) {
            return e;
        }
        schema_leave(s, mark);
    }
    return OK;
}

enum err definition_code(struct schema *s, uint32_t node, struct definition *d) {
    static const struct schema_key keys[] = {
        {"secrets", SCHEMA_LIST, false}, {"lookups", SCHEMA_OBJECT, false}, {"limits", SCHEMA_OBJECT, false}};
    static enum err (*const readers[])(struct schema *, uint32_t, struct definition *) = {
        read_secrets, read_lookups, read_limits};
    uint32_t at[COUNT_OF(keys)];
    enum err e = schema_object(s, node, keys, COUNT_OF(keys), at);
    for (size_t i = 0; i < COUNT_OF(keys) && e == OK; i++) {
        if (at[i] == JSON_ABSENT) {
            continue;
        }
        size_t mark = schema_enter(s, slice_cstr(keys[i].name));
        e = readers[i](s, at[i], d);
        if (e == OK) {
            schema_leave(s, mark);
        }
    }
    return e;
}
