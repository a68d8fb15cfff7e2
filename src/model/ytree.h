/* A YAML file as a bounded tree with places: YAML 1.2 core schema scalars, anchors and aliases (shared, not copied),
 * one document, no merge keys, no duplicate keys. Everything lives in the caller's arena. Private to model/.
 *
 * Bounds against "billion laughs": nodes counted as if every alias were written out, depth, anchors. */
#ifndef SLUICE_MODEL_YTREE_H
#define SLUICE_MODEL_YTREE_H

#include "base/arena.h"
#include "base/knob.h"
#include "model/place.h"
#include "json/json_write.h"

#define YTREE_NODES_MAX 500000 /* nodes, aliases written out */
#define YTREE_DEPTH_MAX 24     /* below JSON_WRITE_DEPTH, so that any subtree can be written as JSON */
#define YTREE_ANCHORS_MAX 256

enum ytree_kind { YTREE_NULL, YTREE_BOOL, YTREE_NUMBER, YTREE_STRING, YTREE_LIST, YTREE_MAP };

struct ytree_node;

struct ytree_item { /* an element of a list, or a member of a map */
    struct ytree_item *next;
    struct slice key;
    uint32_t line, column; /* of the key */
    const struct ytree_node *value;
};

struct ytree_node {
    enum ytree_kind kind;
    bool literal; /* a block after "|": its lines are the file's */
    uint32_t line, column;
    struct slice text;    /* scalars: the value, ${NAME} replaced */
    struct slice written; /* scalars: as in the file; for messages, which must not show secrets */
    struct ytree_item *first, *last;
    uint32_t count;  /* items */
    uint32_t weight; /* nodes of the subtree, aliases written out */
    uint32_t height; /* 1 = scalar or empty */
};

struct ytree {
    struct arena *arena;
    const char *file;
    struct errinfo *why;
    bool environment; /* replace ${NAME} in string values; $${ stands for ${ */
    /* Values of this key anywhere below that key of the document are left as they are: code. NULL = none. */
    const char *verbatim_under, *verbatim_key;
    const struct ytree_node *root; /* NULL kind for an empty document */
};

/* Fills tree->root; the other members are the caller's. */
MUST enum err ytree_parse(struct ytree *tree, struct slice text);

enum err ytree_fail(const struct ytree *tree, const struct ytree_node *node, const char *path, const char *format, ...)
    PRINTF_LIKE(4, 5);

enum ytree_want { YTREE_WANT_TEXT, YTREE_WANT_BOOL, YTREE_WANT_LIST, YTREE_WANT_MAP, YTREE_WANT_SCALAR };
struct ytree_field {
    const char *name;
    enum ytree_want want;
    bool required;
    uint32_t max; /* bytes of a text; 0 = none. A text is never empty when it is required */
};
/* Reads a map by its table of fields: ret_nodes[i] is the value of fields[i], or NULL when absent or null. Unknown
 * keys, missing ones, wrong types and long texts are errors. */
MUST enum err ytree_fields(const struct ytree *tree, const struct ytree_node *map, const char *path,
    const struct ytree_field *fields, size_t count, const struct ytree_node **ret_nodes);

/* Sets the knob that a member of a map names; texts go to `arena`. Errors have the place and "section.key". */
MUST enum err ytree_knob(
    const struct ytree *tree, const struct knob_section *section, struct arena *arena, const struct ytree_item *item);

/* The node at "headers[0].from" below `node`, or the deepest one on the way that exists. */
const struct ytree_node *ytree_find(const struct ytree_node *node, const char *path);
static inline bool ytree_bool(const struct ytree_node *node, bool absent) {
    return node == NULL ? absent : node->text.ptr[0] == 't' || node->text.ptr[0] == 'T';
}
/* Number text is kept where JSON has the same form. ERR_INVALID for .inf and .nan, which JSON does not have. */
MUST enum err ytree_write_json(const struct ytree *tree, const struct ytree_node *node, struct json_writer *writer);

#endif
