/* Tables of a definition, compiled, and what runs them. Private to destination/.
 *
 * A definition compiles to one trie (every path that any of its tables, conditions and templates reads) and a plan per
 * use of tables: rows in order, and the tree of what they write. A run walks the event once, gives each row its value,
 * and writes the tree. Rules of writing: only values that are set (not absent, null or "") are written; of two rows
 * with one target the later wins; named members win over members spread by "*", later spreads over earlier ones.
 *
 * thread: compiled forms are read by any; a run belongs to its thread and allocates in its arena alone. */
#ifndef SLUICE_DESTINATION_MAPPING_H
#define SLUICE_DESTINATION_MAPPING_H

#include "destination/convert.h"
#include "destination/trie.h"

/* ---- compiled ---- */

enum condition_kind {
    CONDITION_ALL,
    CONDITION_ANY,
    CONDITION_NOT,     /* none of the children */
    CONDITION_TYPE,    /* the event's type is one of texts */
    CONDITION_EVENT,   /* its name is */
    CONDITION_HAS,     /* all slots hold something set */
    CONDITION_LACKS,   /* none does */
    CONDITION_IS,      /* slots[0], as text, is one of texts */
    CONDITION_SETTING, /* setting, as text, is one of texts */
};

struct condition {
    enum condition_kind kind;
    const struct condition *children;
    size_t child_count;
    const uint32_t *slots;
    size_t slot_count;
    struct slice *texts;
    size_t text_count;
    uint32_t setting;
};

enum hole_kind { HOLE_NONE, HOLE_SETTING, HOLE_VARIABLE, HOLE_EVENT };

struct template_part {
    struct slice literal; /* before the hole */
    enum hole_kind hole;
    uint32_t at; /* setting, variable or slot */
    struct slice name;
    struct convert_step *steps;
    size_t step_count;
};

struct template {
    struct template_part *parts;
    size_t count;
};

enum source { SOURCE_PATHS, SOURCE_CONSTANT, SOURCE_SETTING, SOURCE_TEMPLATE };

struct plan;

struct row {
    struct slice to;
    struct slice from_text; /* for messages */
    enum source source;
    const uint32_t *slots;
    size_t slot_count;
    uint32_t setting;
    struct value constant, fallback;
    struct template template;
    bool required, spread;
    struct convert_step *steps;
    size_t step_count;
    const struct condition *when; /* NULL = always */
    const struct plan *each;      /* the value is an array: this plan for each of its objects */
    uint32_t node;                /* of the plan's tree */
    uint32_t next_row;            /* of the same node; UINT32_MAX = none */
};

struct plan_node {
    struct slice key;
    uint32_t parent, child, next; /* UINT32_MAX = none */
    uint32_t row;                 /* first that writes here */
    uint32_t index;               /* the key as an index */
    bool array;                   /* its children are indices */
};

struct plan {
    struct trie *trie; /* of its scope: the definition's, or its own for `each` */
    struct row *rows;
    uint32_t row_count;
    struct plan_node *nodes; /* [0] is the root */
    uint32_t node_count;
};

/* What compiling needs from the definition. */
struct names {
    const struct slice *list;
    size_t count;
};

struct compiler {
    struct schema *s;
    struct trie *trie;
    struct pattern_list *patterns;
    struct names settings, variables;
    uint32_t tables; /* node of the definition's "tables", or JSON_ABSENT */
    unsigned depth;  /* of each within each */
};

/* ---- condition.c ---- */
/* An object of conditions that must all hold. */
MUST enum err condition_compile(struct compiler *c, uint32_t node, const struct condition **ret_condition);

/* ---- template.c ---- */
MUST enum err template_compile(struct compiler *c, uint32_t node, struct template *ret_template);
/* {"name": "template", …} */
struct named_template {
    struct slice name;
    struct template value;
};
MUST enum err template_map_compile(
    struct compiler *c, uint32_t node, struct named_template **ret_list, size_t *ret_count);

/* ---- map_compile.c ---- */
/* `node`: a table's name or a list of names; the rows of all, one after the other. */
MUST enum err plan_compile(struct compiler *c, uint32_t node, struct plan *ret_plan);
/* Compiles each of "tables", so that unused ones are checked too. */
MUST enum err plan_check_tables(struct compiler *c);
/* Adds a path or an "@name" to the trie; paths of "@name" are several. */
MUST enum err sources_compile(struct compiler *c, uint32_t node, const uint32_t **ret_slots, size_t *ret_count);
const char *const *generic_names(size_t *ret_count);
/* The paths of "@name", with spaces between; NULL when there is none. */
const char *generic_paths(size_t index);

/* ---- running ---- */

struct run {
    const struct value *settings, *variables; /* of the destination, by index */
    const struct json_doc *doc;
    const uint32_t *slots; /* of doc, by the trie of the plan or condition that runs */
    struct slice type, name;
    int64_t now_ms;
    struct arena *arena;
    struct errinfo *why; /* never NULL */
};

bool condition_holds(const struct condition *condition, const struct run *run); /* NULL holds */

enum template_use { TEMPLATE_TEXT, TEMPLATE_URL /* holes are percent-encoded, but for one that begins the text */ };
/* ERR_INVALID when a hole has no value. */
MUST enum err template_fill(
    const struct template *template, const struct run *run, enum template_use use, struct slice *ret_text);

/* Values of the rows by index, and which nodes of the tree have something. Both live in run->arena. */
struct plan_result {
    const struct plan *plan;
    struct value *values;
    bool *present;
};
/* ERR_INVALID: the event is refused; run->why->text is the rule. */
MUST enum err plan_run(const struct plan *plan, const struct run *run, struct plan_result *ret_result);
/* An object, always: {} when there is nothing. */
void plan_write(const struct plan_result *result, struct json_writer *w, struct arena *arena);
/* The same object as VALUE_PAIRS, its members one level deep: what is deeper is JSON already. */
struct value plan_members(const struct plan_result *result, struct arena *arena);

#endif
