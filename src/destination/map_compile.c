/* Rows of tables to a plan: what each reads, and the tree of what they write. */
#include "destination/mapping.h"

enum {
    TREE_DEPTH_MAX = 16, /* names in one "to" */
    EACH_DEPTH_MAX = 3,  /* lists within lists */
    INDEX_MAX = 1000,    /* of an array that a "to" names */
    PATHS_MAX = 256      /* sources of one row, those of "@names" counted */
};

#define NONE UINT32_MAX

static const char *const generics[] = {
#define G(name, paths) "@" #name,
#include "destination/generic.def"
#undef G
};

static const char *const generic_path_lists[] = {
#define G(name, paths) paths,
#include "destination/generic.def"
#undef G
};

const char *const *generic_names(size_t *ret_count) {
    *ret_count = COUNT_OF(generics);
    return generics;
}

const char *generic_paths(size_t index) {
    return generic_path_lists[index];
}

/* ---- sources ---- */

struct slots {
    uint32_t list[PATHS_MAX];
    size_t count;
};

static enum err add_path(struct compiler *c, uint32_t node, struct slice path, struct slots *slots) {
    if (slots->count == PATHS_MAX) {
        return schema_fail(c->s, node, "more than %d sources", PATHS_MAX);
    }
    if (slice_eq(path, SLICE("."))) {
        path = SLICE("");
    }
    slots->list[slots->count++] = trie_add(c->trie, c->s->arena, path);
    return OK;
}

static enum err add_source(struct compiler *c, uint32_t node, struct slots *slots) {
    if (!json_is(c->s->doc, node, JSON_STRING)) {
        return schema_fail(c->s, node, "a source is a path, or @name");
    }
    struct slice path = schema_text(c->s, node);
    if (path.len == 0) {
        return schema_fail(c->s, node, "a source is not empty; \".\" is the whole event");
    }
    if (path.ptr[0] != '@') {
        return add_path(c, node, path, slots);
    }
    for (size_t i = 0; i < COUNT_OF(generics); i++) {
        if (!slice_eq(path, slice_cstr(generics[i]))) {
            continue;
        }
        struct slice rest = slice_cstr(generic_path_lists[i]);
        while (rest.ptr != NULL) {
            enum err e = add_path(c, node, slice_cut(rest, ' ', &rest), slots);
            if (e != OK) {
                return e;
            }
        }
        return OK;
    }
    return schema_fail_word(c->s, node, "name", path, generics, COUNT_OF(generics));
}

enum err sources_compile(struct compiler *c, uint32_t node, const uint32_t **ret_slots, size_t *ret_count) {
    const struct json_doc *doc = c->s->doc;
    struct slots slots = {.count = 0};
    bool list = json_is(doc, node, JSON_ARRAY);
    uint32_t item = list ? json_first(doc, node) : node;
    while (item != JSON_ABSENT) {
        enum err e = add_source(c, item, &slots);
        if (e != OK) {
            return e;
        }
        item = list ? json_after(doc, node, item) : JSON_ABSENT;
    }
    uint32_t *copy = ARENA_ARRAY(c->s->arena, uint32_t, slots.count + 1);
    memcpy(copy, slots.list, slots.count * sizeof *copy);
    *ret_slots = copy;
    *ret_count = slots.count;
    return OK;
}

/* ---- the tree ---- */

static uint32_t child_of(struct compiler *c, struct plan *plan, uint32_t parent, struct slice key) {
    uint32_t *end = &plan->nodes[parent].child;
    while (*end != NONE) {
        if (slice_eq(plan->nodes[*end].key, key)) {
            return *end;
        }
        end = &plan->nodes[*end].next;
    }
    uint64_t index = 0;
    bool number = slice_to_u64(key, &index) == OK && index <= INDEX_MAX;
    bool first = plan->nodes[parent].child == NONE;
    plan->nodes[parent].array = parent != 0 && number && (first || plan->nodes[parent].array);
    uint32_t at = plan->node_count++;
    *end = at;
    plan->nodes[at] = (struct plan_node){.key = arena_dup(c->s->arena, key),
        .parent = parent,
        .child = NONE,
        .next = NONE,
        .row = NONE,
        .index = number ? (uint32_t)index : NONE};
    return at;
}

static enum err place_row(struct compiler *c, struct plan *plan, uint32_t node, uint32_t row_at) {
    struct row *row = &plan->rows[row_at];
    struct slice rest = row->to;
    uint32_t at = 0;
    unsigned depth = 0;
    while (rest.ptr != NULL) {
        struct slice key = slice_cut(rest, '.', &rest);
        if (slice_eq(key, SLICE("*")) && rest.ptr == NULL) {
            row->spread = true;
            break;
        }
        if (key.len == 0 || ++depth > TREE_DEPTH_MAX) {
            return schema_fail(c->s, node, "\"to\" is names joined by dots, at most %d", TREE_DEPTH_MAX);
        }
        at = child_of(c, plan, at, key);
    }
    row->node = at;
    uint32_t *end = &plan->nodes[at].row;
    while (*end != NONE) {
        end = &plan->rows[*end].next_row;
    }
    *end = row_at;
    return OK;
}

/* ---- rows ---- */

enum part {
    PART_TO,
    PART_FROM,
    PART_VALUE,
    PART_SETTING,
    PART_TEXT,
    PART_DEFAULT,
    PART_REQUIRED,
    PART_AS,
    PART_WHEN,
    PART_EACH,
    PART_WHY,
    PART_COUNT
};

static const struct schema_key row_keys[PART_COUNT] = {
    [PART_TO] = {"to", SCHEMA_TEXT, true},
    [PART_FROM] = {"from", SCHEMA_TEXT | SCHEMA_LIST, false},
    [PART_VALUE] = {"value", SCHEMA_ANY, false},
    [PART_SETTING] = {"setting", SCHEMA_TEXT, false},
    [PART_TEXT] = {"text", SCHEMA_TEXT, false},
    [PART_DEFAULT] = {"default", SCHEMA_ANY, false},
    [PART_REQUIRED] = {"required", SCHEMA_BOOL, false},
    [PART_AS] = {"as", SCHEMA_TEXT | SCHEMA_LIST | SCHEMA_OBJECT, false},
    [PART_WHEN] = {"when", SCHEMA_OBJECT, false},
    [PART_EACH] = {"each", SCHEMA_LIST, false},
    [PART_WHY] = {"why", SCHEMA_TEXT, false},
};

static enum err compile_setting(struct compiler *c, uint32_t node, struct row *row) {
    struct slice name = schema_text(c->s, node);
    for (size_t i = 0; i < c->settings.count; i++) {
        if (slice_eq(c->settings.list[i], name)) {
            row->setting = (uint32_t)i;
            return OK;
        }
    }
    return schema_fail(c->s, node, "there is no setting \"%.*s\"", SLICE_ARG(name));
}

static enum err compile_source(struct compiler *c, const uint32_t *at, uint32_t node, struct row *row) {
    unsigned given = 0;
    for (size_t part = PART_FROM; part <= PART_TEXT; part++) {
        given += at[part] != JSON_ABSENT;
    }
    if (given != 1) {
        return schema_fail(c->s, node, "a row has one of \"from\", \"value\", \"setting\", \"text\"");
    }
    if (at[PART_FROM] != JSON_ABSENT) {
        row->source = SOURCE_PATHS;
        row->from_text = json_raw(c->s->doc, at[PART_FROM]);
        return sources_compile(c, at[PART_FROM], &row->slots, &row->slot_count);
    }
    if (at[PART_VALUE] != JSON_ABSENT) {
        row->source = SOURCE_CONSTANT;
        row->constant = value_of_node(c->s->doc, at[PART_VALUE]);
        return OK;
    }
    if (at[PART_SETTING] != JSON_ABSENT) {
        row->source = SOURCE_SETTING;
        row->from_text = json_raw(c->s->doc, at[PART_SETTING]);
        return compile_setting(c, at[PART_SETTING], row);
    }
    row->source = SOURCE_TEMPLATE;
    return template_compile(c, at[PART_TEXT], &row->template);
}

static enum err compile_rows(struct compiler *c, const uint32_t *lists, size_t count, struct plan *plan);

static enum err compile_each(struct compiler *c, uint32_t node, struct row *row) {
    if (row->source != SOURCE_PATHS) {
        return schema_fail(c->s, node, "\"each\" goes with \"from\"");
    }
    if (c->depth == EACH_DEPTH_MAX) {
        return schema_fail(c->s, node, "\"each\" within \"each\" more than %d deep", EACH_DEPTH_MAX);
    }
    struct plan *plan = ARENA_NEW(c->s->arena, struct plan);
    struct compiler inner = *c;
    inner.depth++;
    inner.trie = ARENA_NEW(c->s->arena, struct trie);
    trie_init(inner.trie);
    row->each = plan;
    return compile_rows(&inner, &node, 1, plan);
}

static enum err compile_row(struct compiler *c, uint32_t node, struct row *row) {
    uint32_t at[PART_COUNT];
    enum err e = schema_object(c->s, node, row_keys, PART_COUNT, at);
    if (e != OK) {
        return e;
    }
    row->to = schema_text(c->s, at[PART_TO]);
    row->next_row = NONE;
    row->required = json_is(c->s->doc, at[PART_REQUIRED], JSON_TRUE);
    row->fallback = value_of_node(c->s->doc, at[PART_DEFAULT]);
    e = compile_source(c, at, node, row);
    if (e == OK && at[PART_AS] != JSON_ABSENT) {
        e = convert_compile(c->s, at[PART_AS], c->patterns, &row->steps, &row->step_count);
    }
    if (e == OK && at[PART_WHEN] != JSON_ABSENT) {
        e = condition_compile(c, at[PART_WHEN], &row->when);
    }
    if (e == OK && at[PART_EACH] != JSON_ABSENT) {
        e = compile_each(c, at[PART_EACH], row);
    }
    return e;
}

/* No fewer than the names in all "to" of a table. */
static size_t count_tree_nodes(struct compiler *c, uint32_t list) {
    const struct json_doc *doc = c->s->doc;
    size_t count = 0;
    for (uint32_t row = json_first(doc, list); row != JSON_ABSENT; row = json_after(doc, list, row)) {
        uint32_t to = json_find(doc, row, SLICE("to"));
        struct slice text = to != JSON_ABSENT ? json_string(doc, to, c->s->arena) : SLICE_NONE;
        count++;
        for (size_t i = 0; i < text.len; i++) {
            count += text.ptr[i] == '.';
        }
    }
    return count;
}

static enum err compile_rows(struct compiler *c, const uint32_t *lists, size_t count, struct plan *plan) {
    const struct json_doc *doc = c->s->doc;
    size_t rows = 0;
    size_t nodes = 1;
    for (size_t i = 0; i < count; i++) {
        rows += json_count(doc, lists[i]);
        nodes += count_tree_nodes(c, lists[i]);
    }
    plan->trie = c->trie;
    plan->rows = ARENA_ARRAY(c->s->arena, struct row, rows + 1);
    plan->nodes = ARENA_ARRAY(c->s->arena, struct plan_node, nodes);
    plan->nodes[0] = (struct plan_node){.parent = NONE, .child = NONE, .next = NONE, .row = NONE, .index = NONE};
    plan->node_count = 1;
    for (size_t i = 0; i < count; i++) {
        size_t index = 0;
        for (uint32_t row = json_first(doc, lists[i]); row != JSON_ABSENT; row = json_after(doc, lists[i], row)) {
            size_t mark = schema_enter_index(c->s, index++);
            enum err e = compile_row(c, row, &plan->rows[plan->row_count]);
            if (e == OK) {
                e = place_row(c, plan, row, plan->row_count++);
            }
            if (e != OK) {
                return e;
            }
            schema_leave(c->s, mark);
        }
    }
    return OK;
}

/* ---- tables ---- */

enum { TABLES_MAX = 16 };

static enum err find_table(struct compiler *c, uint32_t node, uint32_t *ret_table) {
    struct slice name = json_string(c->s->doc, node, c->s->arena);
    uint32_t table = c->tables == JSON_ABSENT ? JSON_ABSENT : json_find(c->s->doc, c->tables, name);
    if (table == JSON_ABSENT) {
        return schema_fail(c->s, node, "there is no table \"%.*s\"", SLICE_ARG(name));
    }
    if (!json_is(c->s->doc, table, JSON_ARRAY)) {
        return schema_fail(c->s, table, "a table is a list of rows");
    }
    *ret_table = table;
    return OK;
}

enum err plan_compile(struct compiler *c, uint32_t node, struct plan *ret_plan) {
    const struct json_doc *doc = c->s->doc;
    uint32_t lists[TABLES_MAX];
    size_t count = 0;
    bool list = json_is(doc, node, JSON_ARRAY);
    uint32_t item = list ? json_first(doc, node) : node;
    while (item != JSON_ABSENT) {
        if (count == TABLES_MAX || !json_is(doc, item, JSON_STRING)) {
            return schema_fail(c->s, item, "must be a table's name, or a list of at most %d", TABLES_MAX);
        }
        enum err e = find_table(c, item, &lists[count++]);
        if (e != OK) {
            return e;
        }
        item = list ? json_after(doc, node, item) : JSON_ABSENT;
    }
    *ret_plan = (struct plan){0};
    return compile_rows(c, lists, count, ret_plan);
}

enum err plan_check_tables(struct compiler *c) {
    if (c->tables == JSON_ABSENT) {
        return OK;
    }
    size_t outer = schema_enter(c->s, SLICE("tables"));
    struct compiler scratch = *c;
    struct trie trie;
    trie_init(&trie);
    scratch.trie = &trie;
    for (uint32_t key = json_first(c->s->doc, c->tables); key != JSON_ABSENT;
         key = json_after(c->s->doc, c->tables, key)) {
        struct plan plan;
        size_t mark = schema_enter(c->s, json_string(c->s->doc, key, c->s->arena));
        enum err e = plan_compile(&scratch, key, &plan);
        if (e != OK) {
            return e;
        }
        schema_leave(c->s, mark);
    }
    schema_leave(c->s, outer);
    return OK;
}
