/* Conversions of a value, one row each in convert.def. Compiled from a definition's "as", applied from left to right.
 * An absent or null value passes every step as it is, but for is_boolean. Private to destination/.
 *
 * thread: compiled steps are read by any; applying touches the arena alone. */
#ifndef SLUICE_DESTINATION_CONVERT_H
#define SLUICE_DESTINATION_CONVERT_H

#include <regex.h>

#include "destination/schema.h"
#include "destination/value.h"

enum convert_id {
#define C(id, name, argument, help) CONVERT_##id,
#include "destination/convert.def"
#undef C
    CONVERT_COUNT
};

#define CONVERT_STEPS_MAX 8 /* of one row; what is nested by "list" must fit JSON_WRITE_DEPTH */

struct convert_row {
    const char *name, *help;
};
const struct convert_row *convert_row(enum convert_id id);
/* CONVERT_COUNT when there is none. */
enum convert_id convert_find(struct slice name);

struct convert_lookup {
    const struct slice *from;
    size_t from_count;
    struct value to;
};

struct convert_step {
    enum convert_id id;
    struct slice text;
    const struct slice *texts;
    size_t text_count;
    uint64_t number;
    int64_t past_ms, future_ms; /* -1 = no bound */
    const struct convert_lookup *lookup;
    size_t lookup_count;
    regex_t *pattern; /* the definition's */
};

struct convert_run {
    struct arena *arena;
    int64_t now_ms;
    struct slice what; /* for messages: where the value goes */
    struct errinfo *why;
};

/* Patterns, to be freed with the definition. */
struct pattern_list {
    regex_t **list;
    size_t count, room;
};
MUST enum err pattern_compile(struct schema *s, uint32_t node, struct pattern_list *patterns, regex_t **ret_pattern);
void pattern_list_free(struct pattern_list *patterns);
/* Whether `text` (any bytes) matches. */
bool pattern_matches(const regex_t *pattern, struct slice text, struct arena *arena);

/* "name", {"name": argument}, or a list of these. */
MUST enum err convert_compile(
    struct schema *s, uint32_t node, struct pattern_list *patterns, struct convert_step **ret_steps, size_t *ret_count);
/* ERR_INVALID: the event is refused, run->why says by which rule. */
MUST enum err convert_apply(
    const struct convert_step *steps, size_t count, const struct convert_run *run, struct value *value);

/* ---- convert_time.c ---- */
/* ISO 8601, a date alone, or milliseconds (number or text of digits). */
bool convert_read_time(const struct value *v, struct arena *arena, int64_t *ret_ms);
struct slice convert_time_format(int64_t ms, struct slice format, struct arena *arena);

/* ---- convert_object.c ---- */
struct value convert_flatten(const struct value *v, bool strict, struct arena *arena);
struct value convert_members(const struct value *v, const struct convert_step *step, struct arena *arena);

#endif
