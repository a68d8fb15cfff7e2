/* A value on its way from an event to a request: what a row has found and what conversions made of it. Nothing is
 * unescaped or converted before somebody needs it. Private to destination/.
 *
 * A value borrows: from the document it points into, from the definition, or from the arena of the build. */
#ifndef SLUICE_DESTINATION_VALUE_H
#define SLUICE_DESTINATION_VALUE_H

#include "json/json.h"
#include "json/json_write.h"

enum value_kind {
    VALUE_ABSENT, /* also what is not a number: it is never written */
    VALUE_NULL,
    VALUE_BOOL,   /* `count` 0 or 1 */
    VALUE_NUMBER, /* `text`: as JSON writes it */
    VALUE_TEXT,   /* `text`: unescaped */
    VALUE_NODE,   /* array, object, or a string still to be unescaped: `node` of `doc` */
    VALUE_PAIRS,  /* an object made here: `count` pairs */
    VALUE_LIST,   /* an array made here: `count` items */
    VALUE_JSON    /* JSON made here: `text` */
};

struct value_pair;

struct value {
    enum value_kind kind;
    uint32_t node;
    const struct json_doc *doc;
    struct slice text;
    const struct value_pair *pairs;
    const struct value *items;
    size_t count;
};

struct value_pair {
    struct slice key;
    struct value value;
};

#define VALUE_NONE ((struct value){.kind = VALUE_ABSENT})

struct value value_of_node(const struct json_doc *doc, uint32_t node); /* JSON_ABSENT gives VALUE_ABSENT */
struct value value_of_text(struct slice text);
struct value value_of_bool(bool b);
/* As JavaScript writes it: shortest digits that read back, exponents from 1e21 and below 1e-6. Not finite:
 * VALUE_ABSENT. */
struct value value_of_double(double v, struct arena *arena);
/* The same for a short plain decimal ("12", "-3.50"), without rounding through a double; false for anything else. */
bool value_of_decimal(struct slice text, struct arena *arena, struct value *ret_value);

bool value_is_text(const struct value *v);
bool value_is_array(const struct value *v);
bool value_is_object(const struct value *v);
/* Would be written: all but absent, null and the empty text. */
bool value_is_set(const struct value *v);
/* Strings unescaped, numbers and booleans as JavaScript's String(), arrays and objects as JSON; "" for null and absent.
 */
struct slice value_text(const struct value *v, struct arena *arena);
/* JavaScript's Number(): false when it is not one. */
bool value_number(const struct value *v, struct arena *arena, double *ret_number);
/* Reads the longest number at the start, as parseFloat. */
bool value_leading_number(struct slice text, double *ret_number);

/* The pieces in one text, with a NUL behind it. */
struct slice value_join(const struct slice *pieces, size_t count, struct arena *arena);

/* Absent is written as null. */
void value_write(struct json_writer *w, const struct value *v, struct arena *arena);
/* The value as compact JSON, in `arena`. */
struct slice value_json(const struct value *v, struct arena *arena);

/* Members of an object in order: `*at` begins as 0; false at the end. Arrays: items, with empty keys. */
bool value_next(const struct value *v, size_t *at, struct arena *arena, struct value_pair *ret_pair);
/* VALUE_ABSENT when there is none. */
struct value value_member(const struct value *object, struct slice key, struct arena *arena);

#endif
