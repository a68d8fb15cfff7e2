/* Strict reading of a definition: a table of allowed keys per object, errors that name file, line, column, path and the
 * nearest known word. Private to destination/.
 *
 * thread: the caller's. */
#ifndef SLUICE_DESTINATION_SCHEMA_H
#define SLUICE_DESTINATION_SCHEMA_H

#include "json/json.h"

/* Which JSON kinds a key takes. */
enum schema_kind {
    SCHEMA_TEXT = 1u << JSON_STRING,
    SCHEMA_NUMBER = 1u << JSON_NUMBER,
    SCHEMA_BOOL = 1u << JSON_TRUE | 1u << JSON_FALSE,
    SCHEMA_LIST = 1u << JSON_ARRAY,
    SCHEMA_OBJECT = 1u << JSON_OBJECT,
    SCHEMA_ANY = 0xff
};

struct schema_key {
    const char *name;
    unsigned kinds;
    bool required;
};

struct schema {
    const char *file;
    const struct json_doc *doc; /* the definition's own copy: values point to it */
    struct arena *arena;
    struct errinfo *why; /* never NULL */
    char path[112];      /* of where the reader stands */
    size_t path_len;
};

/* One step down: "tables", "[3]". Returns what schema_leave wants. */
size_t schema_enter(struct schema *s, struct slice key);
size_t schema_enter_index(struct schema *s, size_t index);
void schema_leave(struct schema *s, size_t mark);

/* ERR_INVALID with the place of `node`. */
enum err schema_fail(struct schema *s, uint32_t node, const char *format, ...) PRINTF_LIKE(3, 4);
/* "…; the nearest is \"word\"", for a word that is none of `names`. */
enum err schema_fail_word(
    struct schema *s, uint32_t node, const char *what, struct slice word, const char *const *names, size_t count);

/* ret_values[i] = node of keys[i], or JSON_ABSENT. Errors: an unknown key, a key given twice, a required one missing, a
 * wrong kind. */
MUST enum err schema_object(
    struct schema *s, uint32_t node, const struct schema_key *keys, size_t count, uint32_t *ret_values);
/* A string of the definition, living as long as its arena; SLICE_NONE for JSON_ABSENT. */
struct slice schema_text(struct schema *s, uint32_t node);
/* A string or a list of strings. */
MUST enum err schema_texts(struct schema *s, uint32_t node, struct slice **ret_list, size_t *ret_count);
/* Whole number in [min, max]. */
MUST enum err schema_number(struct schema *s, uint32_t node, uint64_t min, uint64_t max, uint64_t *ret_value);
/* "250ms" "10s" "5m" "4h" as milliseconds. */
MUST enum err schema_duration(struct schema *s, uint32_t node, int64_t *ret_ms);
/* The index of a word, or an error with the nearest. */
MUST enum err schema_word(struct schema *s, uint32_t node, const char *const *names, size_t count, size_t *ret_index);

#endif
