/* definition.json: the top level. */
#include "destination/code_internal.h"

enum { DEPTH_MAX = 32, ARENA_CHUNK = 16384, LABEL_MAX = 64 };

void definition_doc_dup(const struct json_doc *doc, struct arena *arena, struct json_doc *ret_doc) {
    char *text = arena_alloc(arena, doc->len + JSON_PADDING);
    struct json_node *nodes = ARENA_ARRAY(arena, struct json_node, doc->count);
    memcpy(text, doc->text, doc->len);
    memcpy(nodes, doc->nodes, doc->count * sizeof *nodes);
    *ret_doc = (struct json_doc){.text = text, .len = doc->len, .nodes = nodes, .count = doc->count};
}

void definition_free(struct definition *definition) {
    if (definition != NULL) {
        code_free(definition->code);
        pattern_list_free(&definition->patterns);
        arena_fini(&definition->arena);
        mem_free(definition);
    }
}

/* ---- who it is ---- */

static enum err read_type(struct schema *s, uint32_t node, struct destination_type *type) {
    type->type = schema_text(s, node);
    bool good = type->type.len > 0 && type->type.len <= LABEL_MAX;
    for (size_t i = 0; i < type->type.len; i++) {
        char c = type->type.ptr[i];
        good = good && ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_');
    }
    return good ? OK : schema_fail(s, node, "\"type\" is upper case letters, digits and _, at most %d", LABEL_MAX);
}

static const char *const source_types[] = {"all", "web", "android", "androidKotlin", "ios", "iosSwift", "unity", "amp",
    "reactnative", "flutter", "cordova", "shopify", "cloud", "warehouse"};
static const char *const mode_words[] = {"cloud", "device", "hybrid"};

static enum err read_mode(struct schema *s, uint32_t key, struct destination_mode *mode) {
    size_t unused = 0;
    struct slice *list = NULL;
    enum err e = schema_word(s, key, source_types, COUNT_OF(source_types), &unused);
    if (e == OK) {
        e = schema_texts(s, key + 1, &list, &mode->mode_count);
    }
    uint32_t item = json_is(s->doc, key + 1, JSON_ARRAY) ? json_first(s->doc, key + 1) : JSON_ABSENT;
    while (e == OK && item != JSON_ABSENT) {
        e = schema_word(s, item, mode_words, COUNT_OF(mode_words), &unused);
        item = json_after(s->doc, key + 1, item);
    }
    mode->source_type = schema_text(s, key);
    mode->modes = list;
    return e;
}

static enum err read_modes(struct schema *s, uint32_t node, struct destination_type *type) {
    struct destination_mode *modes = ARENA_ARRAY(s->arena, struct destination_mode, json_count(s->doc, node) + 1);
    for (uint32_t key = json_first(s->doc, node); key != JSON_ABSENT; key = json_after(s->doc, node, key)) {
        enum err e = read_mode(s, key, &modes[type->mode_count++]);
        if (e != OK) {
            return e;
        }
    }
    type->modes = modes;
    return OK;
}

static enum err read_message_types(struct schema *s, uint32_t node, struct destination_type *type) {
    static const char *const words[] = {
        "identify", "track", "page", "screen", "group", "alias", "merge", "record", "audiencelist"};
    struct slice *list = NULL;
    enum err e = schema_texts(s, node, &list, &type->message_type_count);
    uint32_t item = json_is(s->doc, node, JSON_ARRAY) ? json_first(s->doc, node) : JSON_ABSENT;
    while (e == OK && item != JSON_ABSENT) {
        size_t unused = 0;
        e = schema_word(s, item, words, COUNT_OF(words), &unused);
        item = json_after(s->doc, node, item);
    }
    type->message_types = list;
    return e;
}

/* ---- rules ---- */

static enum err read_rule(struct compiler *c, uint32_t node, struct rule *rule) {
    static const struct schema_key keys[] = {{"when", SCHEMA_OBJECT, true}, {"filtered", SCHEMA_TEXT, false},
        {"dead", SCHEMA_TEXT, false}, {"docs", SCHEMA_TEXT, false}};
    uint32_t at[COUNT_OF(keys)];
    enum err e = schema_object(c->s, node, keys, COUNT_OF(keys), at);
    if (e == OK && (at[1] == JSON_ABSENT) == (at[2] == JSON_ABSENT)) {
        e = schema_fail(c->s, node, "a rule has one of \"filtered\" and \"dead\", its sentence");
    }
    if (e == OK) {
        rule->filtered = at[1] != JSON_ABSENT;
        rule->text = schema_text(c->s, rule->filtered ? at[1] : at[2]);
        e = condition_compile(c, at[0], &rule->when);
    }
    return e;
}

static enum err read_rules(struct compiler *c, uint32_t node, struct definition *d) {
    const struct json_doc *doc = c->s->doc;
    d->rules = ARENA_ARRAY(c->s->arena, struct rule, json_count(doc, node) + 1);
    for (uint32_t item = json_first(doc, node); item != JSON_ABSENT; item = json_after(doc, node, item)) {
        size_t mark = schema_enter_index(c->s, d->rule_count);
        enum err e = read_rule(c, item, &d->rules[d->rule_count++]);
        if (e != OK) {
            return e;
        }
        schema_leave(c->s, mark);
    }
    return OK;
}

/* ---- the whole ---- */

/* In the order in which they are read: what is referred to comes first, and a wrong row is named in its table. */
enum part {
    PART_TYPE,
    PART_LABEL,
    PART_CATEGORY,
    PART_DOCS,
    PART_KIND,
    PART_MODES,
    PART_MESSAGE_TYPES,
    PART_SETTINGS,
    PART_VARIABLES,
    PART_TABLES,
    PART_RULES,
    PART_DELIVERY,
    PART_RESPONSES,
    PART_CODE,
    PART_WEBHOOK,
    PART_COUNT
};

static const struct schema_key parts[PART_COUNT] = {
    [PART_TYPE] = {"type", SCHEMA_TEXT, true},
    [PART_LABEL] = {"label", SCHEMA_TEXT, true},
    [PART_CATEGORY] = {"category", SCHEMA_TEXT, true},
    [PART_DOCS] = {"docs", SCHEMA_TEXT, false},
    [PART_KIND] = {"kind", SCHEMA_TEXT, false},
    [PART_MODES] = {"modes", SCHEMA_OBJECT, false},
    [PART_MESSAGE_TYPES] = {"message_types", SCHEMA_LIST, false},
    [PART_SETTINGS] = {"settings", SCHEMA_OBJECT, true},
    [PART_VARIABLES] = {"variables", SCHEMA_OBJECT, false},
    [PART_RULES] = {"rules", SCHEMA_LIST, false},
    [PART_DELIVERY] = {"delivery", SCHEMA_OBJECT, false},
    [PART_RESPONSES] = {"responses", SCHEMA_LIST, false},
    [PART_TABLES] = {"tables", SCHEMA_OBJECT, false},
    [PART_CODE] = {"code", SCHEMA_OBJECT, false},
    [PART_WEBHOOK] = {"webhook", SCHEMA_OBJECT, false},
};

static enum err read_part(struct compiler *c, enum part part, uint32_t node, struct definition *d) {
    switch (part) {
    case PART_TYPE:
        return read_type(c->s, node, &d->type);
    case PART_LABEL:
        d->type.label = schema_text(c->s, node);
        return d->type.label.len > 0 ? OK : schema_fail(c->s, node, "a label is not empty");
    case PART_CATEGORY:
        d->type.category = schema_text(c->s, node);
        return OK;
    case PART_DOCS:
        d->type.docs = schema_text(c->s, node);
        return OK;
    case PART_MODES:
        return read_modes(c->s, node, &d->type);
    case PART_MESSAGE_TYPES:
        return read_message_types(c->s, node, &d->type);
    case PART_SETTINGS:
        return definition_settings_shown(c, node, d);
    case PART_RULES:
        return read_rules(c, node, d);
    case PART_VARIABLES:
        return definition_variables(c, node, d);
    case PART_DELIVERY:
        return definition_delivery(c, node, d);
    case PART_RESPONSES:
        return definition_responses(c, node, d);
    case PART_TABLES:
        return plan_check_tables(c);
    case PART_CODE:
        return definition_code(c->s, node, d);
    case PART_WEBHOOK:
        return definition_webhook(c->s, node, d);
    default:
        return OK;
    }
}

static enum err read_kind(struct schema *s, const uint32_t *at, bool has_code, struct destination_type *type) {
    static const char *const words[] = {"tables", "native"};
    size_t index = 0;
    enum err e = at[PART_KIND] != JSON_ABSENT ? schema_word(s, at[PART_KIND], words, COUNT_OF(words), &index) : OK;
    if (e != OK) {
        return e;
    }
    type->kind = has_code ? DESTINATION_CODE : index == 1 ? DESTINATION_NATIVE : DESTINATION_TABLES;
    bool tables = at[PART_DELIVERY] != JSON_ABSENT;
    if (index == 1 && (has_code || tables)) {
        return schema_fail(s, at[PART_KIND], "\"native\" goes neither with \"delivery\" nor with a transform.js");
    }
    if (at[PART_CODE] != JSON_ABSENT && !has_code) {
        return schema_fail(s, at[PART_CODE], "\"code\" is for a folder with a transform.js");
    }
    if (at[PART_WEBHOOK] != JSON_ABSENT && (!has_code || tables)) {
        return schema_fail(
            s, at[PART_WEBHOOK], "\"webhook\" is for a source: a folder with a transform.js, without \"delivery\"");
    }
    if (type->kind == DESTINATION_TABLES && !tables) {
        return schema_fail(s, 0, "\"delivery\" is missing");
    }
    return OK;
}

static enum err read_all(struct compiler *c, bool has_code, struct definition *d) {
    uint32_t at[PART_COUNT];
    enum err e = schema_object(c->s, 0, parts, PART_COUNT, at);
    if (e == OK) {
        e = read_kind(c->s, at, has_code, &d->type);
    }
    c->tables = e == OK ? at[PART_TABLES] : JSON_ABSENT;
    /* the names first: conditions, templates and rows refer to settings and variables */
    if (e == OK) {
        size_t mark = schema_enter(c->s, SLICE("settings"));
        e = definition_settings(c, at[PART_SETTINGS], d);
        if (e == OK) {
            schema_leave(c->s, mark);
        }
    }
    for (size_t part = 0; part < PART_COUNT && e == OK; part++) {
        if (at[part] == JSON_ABSENT) {
            continue;
        }
        bool enters = part != PART_TABLES;
        size_t mark = enters ? schema_enter(c->s, slice_cstr(parts[part].name)) : c->s->path_len;
        e = read_part(c, (enum part)part, at[part], d);
        if (e == OK) {
            schema_leave(c->s, mark);
        }
    }
    return e;
}

static void begin(struct definition *d) {
    trie_init(&d->trie);
    trie_init(&d->response_trie);
    d->slot_type = trie_add(&d->trie, &d->arena, SLICE("type"));
    d->slot_event = trie_add(&d->trie, &d->arena, SLICE("event"));
    d->slot_user_id = trie_add(&d->trie, &d->arena, SLICE("userId"));
    d->slot_anonymous_id = trie_add(&d->trie, &d->arena, SLICE("anonymousId"));
}

static void finish(struct definition *d, const char *file) {
    d->type.settings = d->type.settings != NULL ? d->type.settings : ARENA_NEW(&d->arena, struct destination_setting);
    d->type.origin = arena_dup(&d->arena, slice_cstr(file));
    d->type.definition = d;
}

enum err definition_parse(
    struct slice text, const char *file, bool has_code, struct definition **ret_definition, struct errinfo *why) {
    struct errinfo unused = {.at = 0};
    struct definition *d = mem_alloc(sizeof *d);
    arena_init(&d->arena, ARENA_CHUNK, 0);
    begin(d);
    char *padded = arena_alloc(&d->arena, text.len + JSON_PADDING);
    memcpy(padded, text.ptr, text.len);
    struct json_parser *parser = json_parser_new(DEPTH_MAX);
    struct json_doc doc;
    struct schema s = {.file = file, .arena = &d->arena, .why = why != NULL ? why : &unused};
    enum err e = json_parse(parser, slice_of(padded, text.len), &doc, s.why);
    if (e == OK) {
        definition_doc_dup(&doc, &d->arena, &d->doc);
        s.doc = &d->doc;
        struct compiler c = {.s = &s, .trie = &d->trie, .patterns = &d->patterns, .tables = JSON_ABSENT};
        e = read_all(&c, has_code, d);
    } else {
        (void)err_why(e, s.why, file, "byte %lu: %s", s.why->at, s.why->text[0] != '\0' ? "no JSON" : err_text(e));
    }
    json_parser_free(parser);
    if (e != OK) {
        definition_free(d);
        return e;
    }
    finish(d, file);
    *ret_definition = d;
    return OK;
}
