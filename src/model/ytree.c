/* libyaml's events -> tree. The stack of open collections is an array, so no input can deepen our own stack. */
#include "model/ytree.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#include "base/buf.h"
#include "base/hash.h"
#include "model/ytree_scalar.h"

struct anchor {
    struct anchor *next;
    struct slice name;
    const struct ytree_node *node;
};

struct frame { /* an open collection */
    struct ytree_node *node;
    struct ytree_item *item; /* map: the key that waits for its value */
    struct slice anchor;     /* registered when the collection is complete, so that it cannot contain itself */
};

struct build {
    struct ytree *tree;
    struct frame stack[YTREE_DEPTH_MAX];
    uint32_t depth;
    uint32_t nodes; /* made or aliased so far, aliases written out */
    struct anchor *anchors;
    uint32_t anchor_count;
    bool seen_document;
};

enum err ytree_fail(
    const struct ytree *tree, const struct ytree_node *node, const char *path, const char *format, ...) {
    char text[sizeof(tree->why->text)];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args); /* a cut sentence is still a sentence */
    va_end(args);
    struct place at = {tree->file, node->line, node->column};
    return place_fail(ERR_INVALID, tree->why, at, path, "%s", text);
}

static struct place place_of_mark(const struct build *b, const yaml_mark_t *mark) {
    return (struct place){b->tree->file, (uint32_t)mark->line + 1, (uint32_t)mark->column + 1};
}

static struct slice slice_of_yaml(const yaml_char_t *text, size_t len) {
    return slice_of((const char *)text, len);
}

static struct ytree_node *node_new(struct build *b, const yaml_event_t *event, enum ytree_kind kind) {
    struct ytree_node *node = ARENA_NEW(b->tree->arena, struct ytree_node);
    *node = (struct ytree_node){.kind = kind, .weight = 1, .height = 1};
    node->line = (uint32_t)event->start_mark.line + 1;
    node->column = (uint32_t)event->start_mark.column + 1;
    node->text = node->written = SLICE("");
    return node;
}

static enum err count_nodes(struct build *b, const yaml_event_t *event, uint32_t weight, uint32_t height) {
    struct place at = place_of_mark(b, &event->start_mark);
    b->nodes += weight; /* both are at most YTREE_NODES_MAX: no overflow */
    if (b->nodes > YTREE_NODES_MAX) {
        return place_fail(
            ERR_TOO_LARGE, b->tree->why, at, "", "has more than %d values, aliases written out", YTREE_NODES_MAX);
    }
    if (b->depth + height > YTREE_DEPTH_MAX) {
        return place_fail(ERR_TOO_DEEP, b->tree->why, at, "", "is nested more than %d levels deep", YTREE_DEPTH_MAX);
    }
    return OK;
}

static enum err anchor_add(
    struct build *b, const yaml_event_t *event, struct slice name, const struct ytree_node *node) {
    if (name.len == 0) {
        return OK;
    }
    if (++b->anchor_count > YTREE_ANCHORS_MAX) {
        struct place at = place_of_mark(b, &event->start_mark);
        return place_fail(ERR_TOO_LARGE, b->tree->why, at, "", "has more than %d anchors", YTREE_ANCHORS_MAX);
    }
    struct anchor *anchor = ARENA_NEW(b->tree->arena, struct anchor);
    *anchor = (struct anchor){b->anchors, name, node};
    b->anchors = anchor;
    return OK;
}

/* The parent takes over what its new child weighs. */
static void parent_add(struct build *b, uint32_t weight, uint32_t height) {
    if (b->depth > 0) {
        struct ytree_node *parent = b->stack[b->depth - 1].node;
        parent->weight += weight;
        parent->height = parent->height > height + 1 ? parent->height : height + 1;
    }
}

static struct ytree_item *item_append(struct build *b, uint32_t line, uint32_t column) {
    struct ytree_node *parent = b->stack[b->depth - 1].node;
    struct ytree_item *item = ARENA_NEW(b->tree->arena, struct ytree_item);
    *item = (struct ytree_item){.line = line, .column = column};
    if (parent->last != NULL) {
        parent->last->next = item;
    } else {
        parent->first = item;
    }
    parent->last = item;
    parent->count++;
    return item;
}

/* Puts a value where the document is now: root, value of the waiting key, or next element. */
static void attach(struct build *b, const struct ytree_node *node) {
    if (b->depth == 0) {
        b->tree->root = node;
        return;
    }
    struct frame *top = &b->stack[b->depth - 1];
    struct ytree_item *item = top->item != NULL ? top->item : item_append(b, node->line, node->column);
    item->value = node;
    top->item = NULL;
}

static bool wants_key(const struct build *b) {
    return b->depth > 0 && b->stack[b->depth - 1].node->kind == YTREE_MAP && b->stack[b->depth - 1].item == NULL;
}

static enum err on_key(struct build *b, const yaml_event_t *event) {
    struct place at = place_of_mark(b, &event->start_mark);
    if (event->type != YAML_SCALAR_EVENT) {
        return place_fail(ERR_INVALID, b->tree->why, at, "", "a key must be plain text, not an alias, a list or a map");
    }
    struct slice text = slice_of_yaml(event->data.scalar.value, event->data.scalar.length);
    if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && slice_eq(text, SLICE("<<"))) {
        return place_fail(
            ERR_UNSUPPORTED, b->tree->why, at, "", "merge keys (<<) belong to YAML 1.1; alias a whole value");
    }
    enum err e = count_nodes(b, event, 1, 1);
    if (e != OK) {
        return e;
    }
    struct ytree_item *item = item_append(b, at.line, at.column); /* its value comes next */
    item->key = arena_dup(b->tree->arena, text);
    b->stack[b->depth - 1].item = item;
    parent_add(b, 1, 0);
    return OK;
}

static enum err expand_text(struct build *b, const yaml_event_t *event, struct ytree_node *node) {
    struct slice text = SLICE_NONE;
    enum err e = ytree_scalar_expand(node->written, b->tree->arena, &text);
    struct place at = place_of_mark(b, &event->start_mark);
    struct place_quote quote = place_quote(e == ERR_NOT_FOUND ? text : node->written);
    if (e == ERR_NOT_FOUND) {
        return place_fail(e, b->tree->why, at, "", "the environment variable %s is not set", quote.text);
    }
    if (e == ERR_INVALID) {
        return place_fail(e, b->tree->why, at, "",
            "'%s': \"${\" must be followed by NAME}; write \"$${\" for a literal \"${\"", quote.text);
    }
    if (e != OK) {
        return place_fail(e, b->tree->why, at, "", "'%s': %s after ${NAME} was replaced", quote.text, err_text(e));
    }
    node->text = text;
    return OK;
}

static enum err check_tag(struct build *b, const yaml_event_t *event, const yaml_char_t *tag, const char *allowed) {
    const char *name = (const char *)tag;
    if (name == NULL || strcmp(name, "!") == 0 || strcmp(name, allowed) == 0) {
        return OK;
    }
    struct place_quote quote = place_quote(slice_cstr(name));
    return place_fail(ERR_UNSUPPORTED, b->tree->why, place_of_mark(b, &event->start_mark), "",
        "the tag '%s' is not supported", quote.text);
}

static bool is_verbatim(const struct build *b) {
    const struct ytree *tree = b->tree;
    if (tree->verbatim_key == NULL || b->depth < 2 || b->stack[0].node->last == NULL) {
        return false;
    }
    const struct ytree_item *item = b->stack[b->depth - 1].item;
    return item != NULL && slice_eq(item->key, slice_cstr(tree->verbatim_key)) &&
        slice_eq(b->stack[0].node->last->key, slice_cstr(tree->verbatim_under));
}

static enum err on_scalar(struct build *b, const yaml_event_t *event) {
    enum err e = check_tag(b, event, event->data.scalar.tag, YAML_STR_TAG);
    if (e == OK) {
        e = count_nodes(b, event, 1, 1);
    }
    if (e != OK) {
        return e;
    }
    struct ytree_node *node = node_new(b, event, YTREE_STRING);
    node->written = arena_dup(b->tree->arena, slice_of_yaml(event->data.scalar.value, event->data.scalar.length));
    node->text = node->written;
    node->literal = event->data.scalar.style == YAML_LITERAL_SCALAR_STYLE;
    /* both: libyaml calls a quoted scalar with the tag "!" plain too */
    if (event->data.scalar.plain_implicit && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
        node->kind = ytree_scalar_kind(node->text);
    }
    if (node->kind == YTREE_STRING && b->tree->environment && !is_verbatim(b)) {
        e = expand_text(b, event, node);
    }
    if (e != OK) {
        return e;
    }
    attach(b, node);
    parent_add(b, 1, 1);
    struct slice anchor = slice_cstr((const char *)event->data.scalar.anchor);
    return anchor_add(b, event, arena_dup(b->tree->arena, anchor), node);
}

static enum err on_alias(struct build *b, const yaml_event_t *event) {
    struct slice name = slice_cstr((const char *)event->data.alias.anchor);
    struct anchor *anchor = b->anchors;
    while (anchor != NULL && !slice_eq(anchor->name, name)) {
        anchor = anchor->next;
    }
    if (anchor == NULL) {
        struct place_quote quote = place_quote(name);
        return place_fail(ERR_INVALID, b->tree->why, place_of_mark(b, &event->start_mark), "",
            "the alias *%s has no complete anchor before it", quote.text);
    }
    enum err e = count_nodes(b, event, anchor->node->weight, anchor->node->height);
    if (e != OK) {
        return e;
    }
    attach(b, anchor->node);
    parent_add(b, anchor->node->weight, anchor->node->height);
    return OK;
}

static enum err on_open(struct build *b, const yaml_event_t *event) {
    bool map = event->type == YAML_MAPPING_START_EVENT;
    const yaml_char_t *tag = map ? event->data.mapping_start.tag : event->data.sequence_start.tag;
    const yaml_char_t *anchor = map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    enum err e = check_tag(b, event, tag, map ? YAML_MAP_TAG : YAML_SEQ_TAG);
    if (e == OK) {
        e = count_nodes(b, event, 1, 1);
    }
    if (e != OK) {
        return e;
    }
    struct ytree_node *node = node_new(b, event, map ? YTREE_MAP : YTREE_LIST);
    attach(b, node);
    struct slice name = arena_dup(b->tree->arena, slice_cstr((const char *)anchor));
    b->stack[b->depth++] = (struct frame){.node = node, .anchor = name};
    return OK;
}

struct key_order {
    uint64_t hash;
    uint32_t at;
    const struct ytree_item *item;
};

static int compare_keys(const void *left, const void *right) {
    const struct key_order *a = left;
    const struct key_order *b = right;
    if (a->hash != b->hash) {
        return a->hash < b->hash ? -1 : 1;
    }
    size_t shorter = a->item->key.len < b->item->key.len ? a->item->key.len : b->item->key.len;
    int order = memcmp(a->item->key.ptr, b->item->key.ptr, shorter);
    if (order == 0 && a->item->key.len != b->item->key.len) {
        order = a->item->key.len < b->item->key.len ? -1 : 1;
    }
    return order != 0 ? order : (a->at < b->at ? -1 : 1);
}

static enum err check_duplicate_keys(struct build *b, const struct ytree_node *map) {
    struct key_order *keys = ARENA_ARRAY(b->tree->arena, struct key_order, map->count);
    uint32_t count = 0;
    for (const struct ytree_item *item = map->first; item != NULL; item = item->next) {
        keys[count] = (struct key_order){hash64(item->key), count, item};
        count++;
    }
    qsort(keys, count, sizeof(*keys), compare_keys);
    for (uint32_t i = 1; i < count; i++) {
        const struct ytree_item *first = keys[i - 1].item;
        const struct ytree_item *second = keys[i].item;
        if (slice_eq(first->key, second->key)) {
            struct place_quote quote = place_quote(second->key);
            return place_fail(ERR_EXISTS, b->tree->why, (struct place){b->tree->file, second->line, second->column}, "",
                "the key '%s' is here twice; first on line %u", quote.text, first->line);
        }
    }
    return OK;
}

static enum err on_close(struct build *b, const yaml_event_t *event) {
    ASSERT(b->depth > 0); /* libyaml's grammar: every end has its start */
    struct frame *top = &b->stack[--b->depth];
    ASSERT(top->node != NULL);
    if (top->node->kind == YTREE_MAP && top->node->count > 1) {
        enum err e = check_duplicate_keys(b, top->node);
        if (e != OK) {
            return e;
        }
    }
    parent_add(b, top->node->weight, top->node->height);
    return anchor_add(b, event, top->anchor, top->node);
}

static enum err on_event(struct build *b, const yaml_event_t *event) {
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (b->seen_document) {
            return place_fail(ERR_INVALID, b->tree->why, place_of_mark(b, &event->start_mark), "",
                "only one YAML document is allowed in a file");
        }
        b->seen_document = true;
        return OK;
    case YAML_SCALAR_EVENT:
        return wants_key(b) ? on_key(b, event) : on_scalar(b, event);
    case YAML_ALIAS_EVENT:
        return wants_key(b) ? on_key(b, event) : on_alias(b, event);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return wants_key(b) ? on_key(b, event) : on_open(b, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return on_close(b, event);
    default: /* stream and document borders */
        return OK;
    }
}

/* libyaml's own complaint, in our form. */
static enum err parser_fail(const struct build *b, const yaml_parser_t *parser, struct slice text) {
    if (parser->error == YAML_MEMORY_ERROR) {
        return place_fail(ERR_NOMEM, b->tree->why, (struct place){b->tree->file, 0, 0}, "", "%s", err_text(ERR_NOMEM));
    }
    const char *problem = parser->problem != NULL ? parser->problem : "not YAML";
    if (parser->error == YAML_READER_ERROR) {
        struct place at = place_of_byte(b->tree->file, text, parser->problem_offset);
        return place_fail(ERR_INVALID, b->tree->why, at, "", "not YAML: %s", problem);
    }
    struct place at = place_of_mark(b, &parser->problem_mark);
    if (parser->context != NULL) {
        return place_fail(ERR_INVALID, b->tree->why, at, "", "not YAML: %s %s", problem, parser->context);
    }
    return place_fail(ERR_INVALID, b->tree->why, at, "", "not YAML: %s", problem);
}

static enum err run_parser(struct build *b, yaml_parser_t *parser, struct slice text) {
    bool more = true;
    while (more) {
        yaml_event_t event;
        if (yaml_parser_parse(parser, &event) == 0) {
            return parser_fail(b, parser, text);
        }
        enum err e = on_event(b, &event);
        more = event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
        if (e != OK) {
            return e;
        }
    }
    return OK;
}

enum err ytree_parse(struct ytree *tree, struct slice text) {
    static const struct ytree_node empty = {.kind = YTREE_NULL, .line = 1, .column = 1, .weight = 1, .height = 1};
    struct build b = {.tree = tree};
    yaml_parser_t parser;
    tree->root = &empty;
    if (yaml_parser_initialize(&parser) == 0) {
        return place_fail(ERR_NOMEM, tree->why, (struct place){tree->file, 0, 0}, "", "%s", err_text(ERR_NOMEM));
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.ptr, text.len);
    enum err e = run_parser(&b, &parser, text);
    yaml_parser_delete(&parser);
    return e;
}
