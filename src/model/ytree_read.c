/* Reading a tree: maps by tables of fields, nodes by path, subtrees as JSON. */
#include "model/ytree.h"

#include "model/ytree_scalar.h"

#define FIELDS_MAX 16
#define KNOBS_MAX 256

static const char *kind_word(enum ytree_kind kind) {
    static const char *const words[] = {"null", "the boolean", "the number", "the text", "a list", "a map"};
    return words[kind];
}

/* "must be a list, not the number 5" */
static enum err wrong_type(
    const struct ytree *tree, const struct ytree_node *node, const char *path, const char *wanted) {
    struct place_quote quote = place_quote(node->written);
    bool scalar = node->kind == YTREE_BOOL || node->kind == YTREE_NUMBER;
    bool text = node->kind == YTREE_STRING;
    return ytree_fail(tree, node, path, "must be %s, not %s%s%s%s", wanted, kind_word(node->kind),
        text         ? " '"
            : scalar ? " "
                     : "",
        text || scalar ? quote.text : "", text ? "'" : "");
}

static enum err check_field(
    const struct ytree *tree, const struct ytree_node *node, const char *path, const struct ytree_field *field) {
    switch (field->want) {
    case YTREE_WANT_BOOL:
        return node->kind == YTREE_BOOL ? OK : wrong_type(tree, node, path, "true or false");
    case YTREE_WANT_LIST:
        return node->kind == YTREE_LIST ? OK : wrong_type(tree, node, path, "a list");
    case YTREE_WANT_MAP:
        return node->kind == YTREE_MAP ? OK : wrong_type(tree, node, path, "a map");
    case YTREE_WANT_SCALAR:
        return node->kind < YTREE_LIST ? OK : wrong_type(tree, node, path, "a single value");
    case YTREE_WANT_TEXT:
        break;
    }
    if (node->kind != YTREE_STRING) {
        return wrong_type(tree, node, path, "text (put it in quotes)");
    }
    if (field->max != 0 && node->text.len > field->max) {
        return ytree_fail(tree, node, path, "has %zu bytes; the limit is %u", node->text.len, field->max);
    }
    return field->required && node->text.len == 0 ? ytree_fail(tree, node, path, "must not be empty") : OK;
}

static enum err unknown_key(const struct ytree *tree, const struct ytree_item *item, const char *path,
    const struct ytree_field *fields, size_t count) {
    const char *names[FIELDS_MAX];
    ASSERT(count <= FIELDS_MAX);
    for (size_t i = 0; i < count; i++) {
        names[i] = fields[i].name;
    }
    struct place_quote quote = place_quote(item->key);
    return place_fail(ERR_UNKNOWN_KEY, tree->why, (struct place){tree->file, item->line, item->column}, path,
        "unknown key '%s'; the nearest known key is '%s'", quote.text, place_nearest(item->key, names, count));
}

enum err ytree_fields(const struct ytree *tree, const struct ytree_node *map, const char *path,
    const struct ytree_field *fields, size_t count, const struct ytree_node **ret_nodes) {
    if (map->kind != YTREE_MAP) {
        return wrong_type(tree, map, path, "a map");
    }
    for (size_t i = 0; i < count; i++) {
        ret_nodes[i] = NULL;
    }
    for (const struct ytree_item *item = map->first; item != NULL; item = item->next) {
        size_t i = 0;
        while (i < count && !slice_eq(item->key, slice_cstr(fields[i].name))) {
            i++;
        }
        if (i == count) {
            return unknown_key(tree, item, path, fields, count);
        }
        if (item->value->kind == YTREE_NULL) {
            continue; /* "key:" without a value is absent */
        }
        struct place_path inner = place_path_join(path, fields[i].name);
        enum err e = check_field(tree, item->value, inner.text, &fields[i]);
        if (e != OK) {
            return e;
        }
        ret_nodes[i] = item->value;
    }
    for (size_t i = 0; i < count; i++) {
        if (fields[i].required && ret_nodes[i] == NULL) {
            return ytree_fail(tree, map, path, "the key '%s' is missing", fields[i].name);
        }
    }
    return OK;
}

static const struct knob *knob_find(const struct knob_section *section, struct slice key) {
    for (size_t i = 0; i < section->count; i++) {
        if (slice_eq(key, slice_cstr(section->knobs[i].key))) {
            return &section->knobs[i];
        }
    }
    return NULL;
}

static enum err unknown_knob(
    const struct ytree *tree, const struct knob_section *section, const struct ytree_item *item) {
    const char *names[KNOBS_MAX];
    ASSERT(section->count > 0 && section->count <= KNOBS_MAX);
    for (size_t i = 0; i < section->count; i++) {
        names[i] = section->knobs[i].key;
    }
    struct place_quote quote = place_quote(item->key);
    return place_fail(ERR_UNKNOWN_KEY, tree->why, (struct place){tree->file, item->line, item->column}, section->name,
        "unknown key '%s'; the nearest known key is '%s'", quote.text, place_nearest(item->key, names, section->count));
}

enum err ytree_knob(
    const struct ytree *tree, const struct knob_section *section, struct arena *arena, const struct ytree_item *item) {
    const struct knob *knob = knob_find(section, item->key);
    if (knob == NULL) {
        return unknown_knob(tree, section, item);
    }
    struct place_path whole = place_path_join(section->name, knob->key);
    const char *path = whole.text;
    const struct ytree_node *value = item->value;
    if (value->kind == YTREE_NULL) {
        return ytree_fail(tree, value, path, "has no value; leave the key out for the default");
    }
    if (value->kind == YTREE_LIST || value->kind == YTREE_MAP) {
        return wrong_type(tree, value, path, "a single value");
    }
    struct errinfo inner = {.text = ""};
    enum err e = knob_set(section, arena, item->key, value->text, &inner);
    if (e == OK) {
        return OK;
    }
    const char *text = inner.text; /* "section.key: what": the path has said the first half */
    size_t path_len = strlen(path);
    if (strncmp(text, path, path_len) == 0 && text[path_len] == ':') {
        text += path_len + 2;
    }
    return place_fail(e, tree->why, (struct place){tree->file, value->line, value->column}, path, "%s", text);
}

static const struct ytree_node *member(const struct ytree_node *map, struct slice key) {
    for (const struct ytree_item *item = map->first; item != NULL; item = item->next) {
        if (slice_eq(item->key, key)) {
            return item->value;
        }
    }
    return NULL;
}

static const struct ytree_node *element(const struct ytree_node *list, uint64_t index) {
    const struct ytree_item *item = list->first;
    for (uint64_t i = 0; i < index && item != NULL; i++) {
        item = item->next;
    }
    return item != NULL ? item->value : NULL;
}

const struct ytree_node *ytree_find(const struct ytree_node *node, const char *path) {
    struct slice rest = slice_cstr(path);
    while (rest.len > 0) {
        bool indexed = false;
        uint64_t index = 0;
        struct slice segment = place_segment(&rest, &indexed, &index);
        const struct ytree_node *next = NULL;
        if (node->kind == YTREE_LIST && indexed) {
            next = element(node, index);
        } else if (node->kind == YTREE_MAP && !indexed) {
            next = member(node, segment);
        }
        if (next == NULL) {
            return node;
        }
        node = next;
    }
    return node;
}

static enum err write_number(const struct ytree *tree, const struct ytree_node *node, struct json_writer *writer) {
    struct slice json;
    enum err e = ytree_scalar_number(node->text, tree->arena, &json);
    struct place_quote quote = place_quote(node->written);
    if (e == ERR_RANGE) {
        return ytree_fail(tree, node, "", "the number %s does not fit in 64 bits", quote.text);
    }
    if (e != OK) {
        return ytree_fail(tree, node, "", "%s has no form in JSON", quote.text);
    }
    json_write_raw(writer, json);
    return OK;
}

static enum err write_collection(const struct ytree *tree, const struct ytree_node *node, struct json_writer *writer) {
    if (node->kind == YTREE_MAP) {
        json_write_object(writer);
    } else {
        json_write_array(writer);
    }
    for (const struct ytree_item *item = node->first; item != NULL; item = item->next) {
        if (node->kind == YTREE_MAP) {
            json_write_key(writer, item->key);
        }
        enum err e = ytree_write_json(tree, item->value, writer);
        if (e != OK) {
            return e;
        }
    }
    json_write_end(writer);
    return OK;
}

enum err ytree_write_json(const struct ytree *tree, const struct ytree_node *node, struct json_writer *writer) {
    switch (node->kind) {
    case YTREE_NULL:
        json_write_null(writer);
        return OK;
    case YTREE_BOOL:
        json_write_bool(writer, ytree_bool(node, false));
        return OK;
    case YTREE_NUMBER:
        return write_number(tree, node, writer);
    case YTREE_STRING:
        json_write_string(writer, node->text);
        return OK;
    case YTREE_LIST:
    case YTREE_MAP:
        break;
    }
    return write_collection(tree, node, writer); /* recursion is at most YTREE_DEPTH_MAX deep */
}
