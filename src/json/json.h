/* JSON as bytes: one pass validates the whole text (RFC 8259, UTF-8, depth) and leaves a flat array of nodes that point
 * into it. Nothing is converted: numbers keep their text, strings their escapes, until somebody asks for a field. Edits
 * are splices into the original bytes (json_edit.h). The only folder that sees the JSON library.
 *
 * thread: a parser belongs to one thread; a document is readable by any while its bytes and its parser's next parse are
 * held off. */
#ifndef SLUICE_JSON_JSON_H
#define SLUICE_JSON_JSON_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/slice.h"

/* Bytes that must be readable (any value) behind the text given to json_parse. */
#define JSON_PADDING 64

enum json_kind { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* Children of an array follow it in order; of an object: key (a JSON_STRING), value, key, value…
 * `next` is the index behind the whole subtree, so siblings are reached without walking it. */
struct json_node {
    uint32_t start, end; /* bytes [start, end) of the text; strings with their quotes */
    uint32_t next;
    uint16_t depth;
    uint8_t kind;    /* enum json_kind */
    uint8_t escaped; /* string that holds a backslash */
};

struct json_doc {
    const char *text;
    size_t len;
    const struct json_node *nodes; /* nodes[0] is the root; owned by the parser, valid until its next parse */
    uint32_t count;
};

struct json_parser;

struct json_parser *json_parser_new(uint32_t max_depth);
void json_parser_free(struct json_parser *parser);
/* ERR_INVALID_JSON (why->at = byte position), ERR_TOO_DEEP, ERR_TOO_LARGE (4 GiB), ERR_NOMEM. `text` needs JSON_PADDING
 * bytes behind it. Duplicate keys are kept as they are (json_find answers the last one, as JavaScript and Go do). Lone
 * surrogate escapes are kept. */
MUST enum err json_parse(struct json_parser *parser, struct slice text, struct json_doc *ret_doc, struct errinfo *why);

/* The root, or a child: node indices; JSON_ABSENT when there is none. */
#define JSON_ABSENT UINT32_MAX
/* Value of `key` in the object at `object` (JSON_ABSENT also when that is not an object). Keys are compared unescaped.
 */
uint32_t json_find(const struct json_doc *doc, uint32_t object, struct slice key);
/* "context.library.name": json_find along dots. */
uint32_t json_find_path(const struct json_doc *doc, uint32_t object, struct slice path);
/* Several keys of one object in one walk: ret_values[i] = node of keys[i], or JSON_ABSENT. */
void json_find_many(
    const struct json_doc *doc, uint32_t object, const struct slice *keys, size_t count, uint32_t *ret_values);
/* First child of an array or object, and the one after `node`; JSON_ABSENT at the end. For objects these are keys; the
 * value is key + 1. */
uint32_t json_first(const struct json_doc *doc, uint32_t parent);
uint32_t json_after(const struct json_doc *doc, uint32_t parent, uint32_t node);
uint32_t json_count(const struct json_doc *doc, uint32_t parent); /* elements or members */

static inline enum json_kind json_kind(const struct json_doc *doc, uint32_t node) {
    return (enum json_kind)doc->nodes[node].kind;
}
static inline bool json_is(const struct json_doc *doc, uint32_t node, enum json_kind kind) {
    return node != JSON_ABSENT && doc->nodes[node].kind == kind;
}
/* The text of a node as it stands (strings with quotes). */
static inline struct slice json_raw(const struct json_doc *doc, uint32_t node) {
    return slice_of(doc->text + doc->nodes[node].start, doc->nodes[node].end - doc->nodes[node].start);
}
/* A string without quotes, unescaped (into `arena` only when it holds escapes; lone surrogates become U+FFFD).
 * Non-strings: SLICE_NONE. */
struct slice json_string(const struct json_doc *doc, uint32_t node, struct arena *arena);
/* Valid JSON without the white space between its tokens. */
struct slice json_compact(struct slice json, struct arena *arena);
/* Integers only, of any size that fits: ERR_INVALID for fractions and exponents, ERR_RANGE. */
MUST enum err json_i64(const struct json_doc *doc, uint32_t node, int64_t *ret_value);
MUST enum err json_u64(const struct json_doc *doc, uint32_t node, uint64_t *ret_value);

#endif
