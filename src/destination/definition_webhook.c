/* definition.json of a source: what bodies its webhooks have, and how a sender proves who it is. */
#include "destination/definition.h"

static enum err read_bodies(struct schema *s, uint32_t node, struct destination_webhook *webhook) {
    static const char *const words[] = {"json", "form", "query", "lines"}; /* bits of enum destination_webhook_body */
    size_t index = 0;
    for (uint32_t item = json_first(s->doc, node); item != JSON_ABSENT; item = json_after(s->doc, node, item)) {
        size_t word = 0;
        size_t mark = schema_enter_index(s, index++);
        enum err e = json_is(s->doc, item, JSON_STRING) ? schema_word(s, item, words, COUNT_OF(words), &word)
                                                        : schema_fail(s, item, "must be a text");
        if (e != OK) {
            return e;
        }
        webhook->bodies |= 1u << word;
        schema_leave(s, mark);
    }
    return webhook->bodies != 0 ? OK : schema_fail(s, node, "there is no body");
}

static bool has_secret(const struct definition *d, struct slice key) {
    for (size_t i = 0; i < d->type.setting_count; i++) {
        if (d->type.settings[i].secret && slice_eq(d->type.settings[i].key, key)) {
            return true;
        }
    }
    return false;
}

static enum err read_signature(
    struct schema *s, uint32_t node, const struct definition *d, struct destination_signature *signature) {
    enum { HEADER, ALGORITHM, ENCODING, PREFIX, CONTENT, SECRET, KEY, COUNT };
    static const struct schema_key keys[COUNT] = {[HEADER] = {"header", SCHEMA_TEXT, true},
        [ALGORITHM] = {"algorithm", SCHEMA_TEXT, true},
        [ENCODING] = {"encoding", SCHEMA_TEXT, false},
        [PREFIX] = {"prefix", SCHEMA_TEXT, false},
        [CONTENT] = {"content", SCHEMA_TEXT, false},
        [SECRET] = {"secret", SCHEMA_TEXT, true},
        [KEY] = {"key", SCHEMA_TEXT, false}};
    static const char *const algorithms[] = {"equal", "hmac_sha256", "hmac_sha1", "jwt_hs256"};
    static const char *const encodings[] = {"hex", "base64"};
    static const char *const key_forms[] = {"text", "hex"};
    uint32_t at[COUNT];
    size_t algorithm = 0, encoding = 0, key = 0;
    enum err e = schema_object(s, node, keys, COUNT, at);
    e = e == OK ? schema_word(s, at[ALGORITHM], algorithms, COUNT_OF(algorithms), &algorithm) : e;
    if (e == OK && at[ENCODING] != JSON_ABSENT) {
        e = schema_word(s, at[ENCODING], encodings, COUNT_OF(encodings), &encoding);
    }
    if (e == OK && at[KEY] != JSON_ABSENT) {
        e = schema_word(s, at[KEY], key_forms, COUNT_OF(key_forms), &key);
    }
    if (e != OK) {
        return e;
    }
    *signature = (struct destination_signature){.header = schema_text(s, at[HEADER]),
        .prefix = at[PREFIX] != JSON_ABSENT ? schema_text(s, at[PREFIX]) : SLICE(""),
        .content = at[CONTENT] != JSON_ABSENT ? schema_text(s, at[CONTENT]) : SLICE("${body}"),
        .secret = schema_text(s, at[SECRET]),
        .algorithm = (enum destination_algorithm)algorithm,
        .is_base64 = encoding == 1,
        .has_hex_key = key == 1};
    return has_secret(d, signature->secret) ? OK : schema_fail(s, at[SECRET], "must be the key of a secret setting");
}

static enum err read_signatures(
    struct schema *s, uint32_t node, const struct definition *d, struct destination_webhook *webhook) {
    struct destination_signature *list =
        ARENA_ARRAY(s->arena, struct destination_signature, json_count(s->doc, node) + 1);
    webhook->signatures = list;
    for (uint32_t item = json_first(s->doc, node); item != JSON_ABSENT; item = json_after(s->doc, node, item)) {
        size_t mark = schema_enter_index(s, webhook->signature_count);
        enum err e = read_signature(s, item, d, &list[webhook->signature_count++]);
        if (e != OK) {
            return e;
        }
        schema_leave(s, mark);
    }
    return OK;
}

enum err definition_webhook(struct schema *s, uint32_t node, struct definition *d) {
    enum { BODIES, GET, SIGNATURES, CHALLENGE, COUNT };
    static const struct schema_key keys[COUNT] = {[BODIES] = {"bodies", SCHEMA_LIST, true},
        [GET] = {"get", SCHEMA_TEXT, true},
        [SIGNATURES] = {"signatures", SCHEMA_LIST, false},
        [CHALLENGE] = {"challenge", SCHEMA_TEXT, false}};
    static const char *const gets[] = {"empty", "event"};
    uint32_t at[COUNT];
    size_t get = 0;
    struct destination_webhook *webhook = ARENA_NEW(s->arena, struct destination_webhook);
    enum err e = schema_object(s, node, keys, COUNT, at);
    e = e == OK ? schema_word(s, at[GET], gets, COUNT_OF(gets), &get) : e;
    if (e == OK) {
        webhook->takes_get = get == 1;
        webhook->challenge = at[CHALLENGE] != JSON_ABSENT ? schema_text(s, at[CHALLENGE]) : SLICE("");
        size_t mark = schema_enter(s, SLICE("bodies"));
        e = read_bodies(s, at[BODIES], webhook);
        if (e == OK) {
            schema_leave(s, mark);
        }
    }
    if (e == OK && at[SIGNATURES] != JSON_ABSENT) {
        size_t mark = schema_enter(s, SLICE("signatures"));
        e = read_signatures(s, at[SIGNATURES], d, webhook);
        if (e == OK) {
            schema_leave(s, mark);
        }
    }
    d->type.webhook = webhook;
    return e;
}
