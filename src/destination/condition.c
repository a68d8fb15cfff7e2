/* Conditions of rows, requests and rules. */
#include "destination/mapping.h"

/* The order of the table in condition_compile. */
enum part { PART_TYPE, PART_EVENT, PART_HAS, PART_LACKS, PART_IS, PART_SETTINGS, PART_NOT, PART_ANY, PART_COUNT };

static uint32_t name_index(const struct names *names, struct slice name) {
    for (size_t i = 0; i < names->count; i++) {
        if (slice_eq(names->list[i], name)) {
            return (uint32_t)i;
        }
    }
    return UINT32_MAX;
}

/* A value or a list of values, as texts. */
static enum err compile_values(struct compiler *c, uint32_t node, struct condition *condition) {
    const struct json_doc *doc = c->s->doc;
    bool list = json_is(doc, node, JSON_ARRAY);
    condition->texts = ARENA_ARRAY(c->s->arena, struct slice, list ? json_count(doc, node) + 1 : 1);
    uint32_t item = list ? json_first(doc, node) : node;
    while (item != JSON_ABSENT) {
        if (json_is(doc, item, JSON_OBJECT) || json_is(doc, item, JSON_ARRAY)) {
            return schema_fail(c->s, item, "must be a text, a number, true or false");
        }
        struct value value = value_of_node(doc, item);
        condition->texts[condition->text_count++] = arena_dup(c->s->arena, value_text(&value, c->s->arena));
        item = list ? json_after(doc, node, item) : JSON_ABSENT;
    }
    return OK;
}

/* {"name": value, …}: one condition per member. */
static enum err compile_members(
    struct compiler *c, uint32_t node, enum condition_kind kind, struct condition *out, size_t *count) {
    const struct json_doc *doc = c->s->doc;
    for (uint32_t key = json_first(doc, node); key != JSON_ABSENT; key = json_after(doc, node, key)) {
        struct condition *condition = &out[(*count)++];
        condition->kind = kind;
        enum err e = OK;
        if (kind == CONDITION_IS) {
            e = sources_compile(c, key, &condition->slots, &condition->slot_count);
        } else {
            struct slice name = json_string(doc, key, c->s->arena);
            condition->setting = name_index(&c->settings, name);
            if (condition->setting == UINT32_MAX) {
                e = schema_fail(c->s, key, "there is no setting \"%.*s\"", SLICE_ARG(name));
            }
        }
        if (e == OK) {
            e = compile_values(c, key + 1, condition);
        }
        if (e != OK) {
            return e;
        }
    }
    return OK;
}

static enum err compile_children(struct compiler *c, uint32_t node, struct condition *condition) {
    const struct json_doc *doc = c->s->doc;
    bool list = json_is(doc, node, JSON_ARRAY);
    size_t room = list ? json_count(doc, node) : 1;
    struct condition *children = ARENA_ARRAY(c->s->arena, struct condition, room + 1);
    uint32_t item = list ? json_first(doc, node) : node;
    while (item != JSON_ABSENT) {
        const struct condition *child = NULL;
        enum err e = condition_compile(c, item, &child);
        if (e != OK) {
            return e;
        }
        children[condition->child_count++] = *child;
        item = list ? json_after(doc, node, item) : JSON_ABSENT;
    }
    condition->children = children;
    return OK;
}

static enum err compile_part(struct compiler *c, enum part part, uint32_t node, struct condition *out, size_t *count) {
    static const enum condition_kind kinds[PART_COUNT] = {
        [PART_TYPE] = CONDITION_TYPE,
        [PART_EVENT] = CONDITION_EVENT,
        [PART_HAS] = CONDITION_HAS,
        [PART_LACKS] = CONDITION_LACKS,
        [PART_IS] = CONDITION_IS,
        [PART_SETTINGS] = CONDITION_SETTING,
        [PART_NOT] = CONDITION_NOT,
        [PART_ANY] = CONDITION_ANY,
    };
    if (part == PART_IS || part == PART_SETTINGS) {
        return compile_members(c, node, kinds[part], out, count);
    }
    struct condition *condition = &out[(*count)++];
    condition->kind = kinds[part];
    switch (part) {
    case PART_TYPE:
    case PART_EVENT:
        return schema_texts(c->s, node, &condition->texts, &condition->text_count);
    case PART_HAS:
    case PART_LACKS:
        return sources_compile(c, node, &condition->slots, &condition->slot_count);
    default:
        return compile_children(c, node, condition);
    }
}

enum err condition_compile(struct compiler *c, uint32_t node, const struct condition **ret_condition) {
    static const struct schema_key keys[PART_COUNT] = {
        [PART_TYPE] = {"type", SCHEMA_TEXT | SCHEMA_LIST, false},
        [PART_EVENT] = {"event", SCHEMA_TEXT | SCHEMA_LIST, false},
        [PART_HAS] = {"has", SCHEMA_TEXT | SCHEMA_LIST, false},
        [PART_LACKS] = {"lacks", SCHEMA_TEXT | SCHEMA_LIST, false},
        [PART_IS] = {"is", SCHEMA_OBJECT, false},
        [PART_SETTINGS] = {"settings", SCHEMA_OBJECT, false},
        [PART_NOT] = {"not", SCHEMA_OBJECT | SCHEMA_LIST, false},
        [PART_ANY] = {"any", SCHEMA_LIST, false},
    };
    uint32_t at[PART_COUNT];
    enum err e = schema_object(c->s, node, keys, PART_COUNT, at);
    if (e != OK) {
        return e;
    }
    size_t room = PART_COUNT + json_count(c->s->doc, node);
    room += at[PART_IS] != JSON_ABSENT ? json_count(c->s->doc, at[PART_IS]) : 0;
    room += at[PART_SETTINGS] != JSON_ABSENT ? json_count(c->s->doc, at[PART_SETTINGS]) : 0;
    struct condition *children = ARENA_ARRAY(c->s->arena, struct condition, room);
    size_t count = 0;
    for (size_t part = 0; part < PART_COUNT; part++) {
        if (at[part] == JSON_ABSENT) {
            continue;
        }
        e = compile_part(c, (enum part)part, at[part], children, &count);
        if (e != OK) {
            return e;
        }
    }
    struct condition *all = ARENA_NEW(c->s->arena, struct condition);
    *all = (struct condition){.kind = CONDITION_ALL, .children = children, .child_count = count};
    *ret_condition = all;
    return OK;
}

/* ---- running ---- */

static bool is_one_of(const struct condition *condition, struct slice text) {
    for (size_t i = 0; i < condition->text_count; i++) {
        if (slice_eq(condition->texts[i], text)) {
            return true;
        }
    }
    return false;
}

/* The first of several sources that holds something set. */
static struct value first_set(const struct condition *condition, const struct run *run) {
    struct value value = VALUE_NONE;
    for (size_t i = 0; i < condition->slot_count; i++) {
        value = value_of_node(run->doc, run->slots[condition->slots[i]]);
        if (value_is_set(&value)) {
            break;
        }
    }
    return value;
}

static size_t count_set(const struct condition *condition, const struct run *run) {
    size_t count = 0;
    for (size_t i = 0; i < condition->slot_count; i++) {
        struct value value = value_of_node(run->doc, run->slots[condition->slots[i]]);
        count += value_is_set(&value);
    }
    return count;
}

static size_t count_children(const struct condition *condition, const struct run *run, bool wanted) {
    for (size_t i = 0; i < condition->child_count; i++) {
        if (condition_holds(&condition->children[i], run) == wanted) {
            return 1;
        }
    }
    return 0;
}

/* Recursion is as deep as the definition writes it. */
bool condition_holds(const struct condition *condition, const struct run *run) {
    if (condition == NULL) {
        return true;
    }
    struct value value;
    switch (condition->kind) {
    case CONDITION_ALL:
        return count_children(condition, run, false) == 0;
    case CONDITION_ANY:
        return count_children(condition, run, true) > 0;
    case CONDITION_NOT:
        return count_children(condition, run, true) == 0;
    case CONDITION_TYPE:
        return is_one_of(condition, run->type);
    case CONDITION_EVENT:
        return is_one_of(condition, run->name);
    case CONDITION_HAS:
        return count_set(condition, run) == condition->slot_count;
    case CONDITION_LACKS:
        return count_set(condition, run) == 0;
    case CONDITION_IS:
        value = first_set(condition, run);
        return is_one_of(condition, value_text(&value, run->arena));
    case CONDITION_SETTING:
        return is_one_of(condition, value_text(&run->settings[condition->setting], run->arena));
    }
    return false;
}
