/* A plan over one event: a value for each row, then the tree as JSON. */
#include "base/hash.h"
#include "destination/mapping.h"

#define NONE UINT32_MAX

/* ---- values ---- */

/* The first source that is set. A lone source gives what it has, "" included: that is no reason for the default. */
static struct value find_value(const struct row *row, const struct run *run) {
    for (size_t i = 0; i < row->slot_count; i++) {
        uint32_t node = run->slots[row->slots[i]];
        if (node == JSON_ABSENT) {
            continue;
        }
        struct value value = value_of_node(run->doc, node);
        if (row->slot_count == 1 || value_is_set(&value)) {
            return value;
        }
    }
    return VALUE_NONE;
}

static enum err source_value(const struct row *row, const struct run *run, struct value *ret_value) {
    struct slice text;
    switch (row->source) {
    case SOURCE_PATHS:
        *ret_value = find_value(row, run);
        return OK;
    case SOURCE_CONSTANT:
        *ret_value = row->constant;
        return OK;
    case SOURCE_SETTING:
        *ret_value = run->settings[row->setting];
        return OK;
    case SOURCE_TEMPLATE:
        break;
    }
    struct errinfo unused = {.at = 0};
    struct run quiet = *run;
    quiet.why = &unused;
    /* a hole without value leaves the row without one: the default, or `required`, decides */
    *ret_value = template_fill(&row->template, &quiet, TEMPLATE_TEXT, &text) == OK ? value_of_text(text) : VALUE_NONE;
    return OK;
}

static enum err run_item(const struct plan *plan, const struct run *run, uint32_t item, struct json_writer *w) {
    uint32_t *slots = ARENA_ARRAY(run->arena, uint32_t, plan->trie->slots);
    struct run inner = *run;
    struct plan_result result;
    trie_walk(plan->trie, run->doc, item, run->arena, slots);
    inner.slots = slots;
    enum err e = plan_run(plan, &inner, &result);
    if (e == OK) {
        plan_write(&result, w, run->arena);
    }
    return e;
}

/* An array of what the plan makes of each object; what is no object is left out. A lone object is an array of one. */
static enum err run_each(const struct row *row, const struct run *run, struct value *value) {
    if (value->kind != VALUE_NODE || json_is(value->doc, value->node, JSON_STRING)) {
        *value = VALUE_NONE;
        return OK;
    }
    struct buf out;
    struct json_writer w;
    enum err e = OK;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_write_array(&w);
    bool list = json_is(value->doc, value->node, JSON_ARRAY);
    uint32_t item = list ? json_first(value->doc, value->node) : value->node;
    while (item != JSON_ABSENT && e == OK) {
        if (json_is(value->doc, item, JSON_OBJECT)) {
            e = run_item(row->each, run, item, &w);
        }
        item = list ? json_after(value->doc, value->node, item) : JSON_ABSENT;
    }
    if (e == OK) {
        json_write_end(&w);
        *value = (struct value){.kind = VALUE_JSON, .text = arena_dup(run->arena, buf_slice(&out))};
    }
    buf_fini(&out);
    return e;
}

static enum err row_value(const struct row *row, const struct run *run, struct value *ret_value) {
    enum err e = source_value(row, run, ret_value);
    if (e == OK && (ret_value->kind == VALUE_ABSENT || ret_value->kind == VALUE_NULL)) {
        *ret_value = row->fallback;
    }
    if (e == OK && row->each != NULL) {
        e = run_each(row, run, ret_value);
    }
    if (e == OK && row->step_count > 0) {
        struct convert_run conversion = {.arena = run->arena, .now_ms = run->now_ms, .what = row->to, .why = run->why};
        e = convert_apply(row->steps, row->step_count, &conversion, ret_value);
    }
    if (e == OK && row->required && !value_is_set(ret_value)) {
        return err_why(ERR_INVALID, run->why, "event", "%.*s is required and is missing (from %.*s)",
            SLICE_ARG(row->to), SLICE_ARG(row->from_text));
    }
    return e;
}

enum err plan_run(const struct plan *plan, const struct run *run, struct plan_result *ret_result) {
    struct value *values = ARENA_ARRAY(run->arena, struct value, plan->row_count + 1);
    bool *present = ARENA_ARRAY(run->arena, bool, plan->node_count);
    for (uint32_t i = 0; i < plan->row_count; i++) {
        const struct row *row = &plan->rows[i];
        if (row->when != NULL && !condition_holds(row->when, run)) {
            continue;
        }
        enum err e = row_value(row, run, &values[i]);
        if (e != OK) {
            return e;
        }
        if (!value_is_set(&values[i]) || (row->spread && !value_is_object(&values[i]))) {
            values[i] = VALUE_NONE;
            continue;
        }
        for (uint32_t node = row->node; node != NONE && !present[node]; node = plan->nodes[node].parent) {
            present[node] = true;
        }
    }
    *ret_result = (struct plan_result){.plan = plan, .values = values, .present = present};
    return OK;
}

/* ---- writing ---- */

struct writing {
    const struct plan_result *result;
    struct json_writer *w;
    struct arena *arena;
};

/* Objects whose members are spread into the one being written, the later ones first in line. */
struct spreads {
    struct value *list;
    size_t count;
};

static void write_node(const struct writing *x, uint32_t at, const struct value *under);

static struct value own_value(const struct writing *x, uint32_t at) {
    struct value own = VALUE_NONE;
    const struct plan *plan = x->result->plan;
    for (uint32_t row = plan->nodes[at].row; row != NONE; row = plan->rows[row].next_row) {
        if (!plan->rows[row].spread && x->result->values[row].kind != VALUE_ABSENT) {
            own = x->result->values[row];
        }
    }
    return own;
}

static bool has_children(const struct writing *x, uint32_t at) {
    const struct plan *plan = x->result->plan;
    for (uint32_t child = plan->nodes[at].child; child != NONE; child = plan->nodes[child].next) {
        if (x->result->present[child]) {
            return true;
        }
    }
    return false;
}

static struct spreads gather(const struct writing *x, uint32_t at, const struct value *own, const struct value *under) {
    const struct plan *plan = x->result->plan;
    size_t room = 2;
    for (uint32_t row = plan->nodes[at].row; row != NONE; row = plan->rows[row].next_row) {
        room++;
    }
    struct spreads spreads = {.list = ARENA_ARRAY(x->arena, struct value, room)};
    if (under != NULL && value_is_object(under)) {
        spreads.list[spreads.count++] = *under;
    }
    if (value_is_object(own)) {
        spreads.list[spreads.count++] = *own;
    }
    for (uint32_t row = plan->nodes[at].row; row != NONE; row = plan->rows[row].next_row) {
        if (plan->rows[row].spread && x->result->values[row].kind != VALUE_ABSENT) {
            spreads.list[spreads.count++] = x->result->values[row];
        }
    }
    return spreads;
}

static bool is_named(const struct writing *x, uint32_t at, struct slice key) {
    const struct plan *plan = x->result->plan;
    for (uint32_t child = plan->nodes[at].child; child != NONE; child = plan->nodes[child].next) {
        if (x->result->present[child] && slice_eq(plan->nodes[child].key, key)) {
            return true;
        }
    }
    return false;
}

static struct value last_member(const struct writing *x, const struct spreads *spreads, struct slice key) {
    struct value found = VALUE_NONE;
    for (size_t i = 0; i < spreads->count; i++) {
        struct value member = value_member(&spreads->list[i], key, x->arena);
        if (member.kind != VALUE_ABSENT) {
            found = member;
        }
    }
    return found;
}

struct members {
    struct value_pair *list;
    size_t count;
};

/* Of a key that several objects have, the last stays, where it stands. A table, for the objects are as large as a
 * sender likes. */
static void drop_earlier(struct members *members, struct arena *arena) {
    size_t places = 2;
    while (places < 2 * members->count) {
        places *= 2;
    }
    uint32_t *table = ARENA_ARRAY(arena, uint32_t, places); /* 1 + index */
    bool *dropped = ARENA_ARRAY(arena, bool, members->count + 1);
    for (size_t i = 0; i < members->count; i++) {
        size_t at = hash64(members->list[i].key) & (places - 1);
        while (table[at] != 0 && !slice_eq(members->list[table[at] - 1].key, members->list[i].key)) {
            at = (at + 1) & (places - 1);
        }
        if (table[at] != 0) {
            dropped[table[at] - 1] = true;
        }
        table[at] = (uint32_t)i + 1;
    }
    size_t kept = 0;
    for (size_t i = 0; i < members->count; i++) {
        if (!dropped[i]) {
            members->list[kept++] = members->list[i];
        }
    }
    members->count = kept;
}

/* All that is spread into a node, but for what rows name themselves. */
static struct members merge(const struct writing *x, uint32_t at, const struct spreads *spreads, size_t room_behind) {
    struct members members = {.count = 0};
    struct value_pair member;
    for (size_t i = 0; i < spreads->count; i++) {
        for (size_t position = 0; value_next(&spreads->list[i], &position, x->arena, &member);) {
            room_behind++;
        }
    }
    members.list = ARENA_ARRAY(x->arena, struct value_pair, room_behind + 1);
    for (size_t i = 0; i < spreads->count; i++) {
        for (size_t position = 0; value_next(&spreads->list[i], &position, x->arena, &member);) {
            if (!is_named(x, at, member.key)) {
                members.list[members.count++] = member;
            }
        }
    }
    if (spreads->count > 1) {
        drop_earlier(&members, x->arena);
    }
    return members;
}

static void write_spreads(const struct writing *x, uint32_t at, const struct spreads *spreads) {
    if (spreads->count == 0) {
        return;
    }
    struct members members = merge(x, at, spreads, 0);
    for (size_t i = 0; i < members.count; i++) {
        json_write_key(x->w, members.list[i].key);
        value_write(x->w, &members.list[i].value, x->arena);
    }
}

static void write_object(const struct writing *x, uint32_t at, const struct value *own, const struct value *under) {
    const struct plan *plan = x->result->plan;
    struct spreads spreads = gather(x, at, own, under);
    json_write_object(x->w);
    write_spreads(x, at, &spreads);
    for (uint32_t child = plan->nodes[at].child; child != NONE; child = plan->nodes[child].next) {
        if (!x->result->present[child]) {
            continue;
        }
        struct value inherited = last_member(x, &spreads, plan->nodes[child].key);
        json_write_key(x->w, plan->nodes[child].key);
        write_node(x, child, &inherited);
    }
    json_write_end(x->w);
}

/* Indices in order, null where none was named. */
static void write_array(const struct writing *x, uint32_t at) {
    const struct plan *plan = x->result->plan;
    uint32_t last = 0;
    for (uint32_t child = plan->nodes[at].child; child != NONE; child = plan->nodes[child].next) {
        bool higher = x->result->present[child] && plan->nodes[child].index > last;
        last = higher ? plan->nodes[child].index : last;
    }
    json_write_array(x->w);
    for (uint32_t index = 0; index <= last; index++) {
        uint32_t child = plan->nodes[at].child;
        while (child != NONE && (plan->nodes[child].index != index || !x->result->present[child])) {
            child = plan->nodes[child].next;
        }
        if (child != NONE) {
            write_node(x, child, NULL);
        } else {
            json_write_null(x->w);
        }
    }
    json_write_end(x->w);
}

static bool has_spreads(const struct writing *x, uint32_t at) {
    const struct plan *plan = x->result->plan;
    for (uint32_t row = plan->nodes[at].row; row != NONE; row = plan->rows[row].next_row) {
        if (plan->rows[row].spread && x->result->values[row].kind != VALUE_ABSENT) {
            return true;
        }
    }
    return false;
}

static void write_node(const struct writing *x, uint32_t at, const struct value *under) {
    struct value own = own_value(x, at);
    bool children = has_children(x, at);
    if (!children && !has_spreads(x, at) && own.kind != VALUE_ABSENT) {
        value_write(x->w, &own, x->arena);
    } else if (children && x->result->plan->nodes[at].array) {
        write_array(x, at);
    } else {
        write_object(x, at, &own, under);
    }
}

void plan_write(const struct plan_result *result, struct json_writer *w, struct arena *arena) {
    struct writing x = {.result = result, .w = w, .arena = arena};
    write_object(&x, 0, &VALUE_NONE, NULL);
}

/* ---- one level ---- */

static struct value as_json(const struct writing *x, uint32_t at) {
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    struct writing inner = {.result = x->result, .w = &w, .arena = x->arena};
    write_node(&inner, at, NULL);
    struct value value = {.kind = VALUE_JSON, .text = arena_dup(x->arena, buf_slice(&out))};
    buf_fini(&out);
    return value;
}

struct value plan_members(const struct plan_result *result, struct arena *arena) {
    struct writing x = {.result = result, .arena = arena};
    const struct plan *plan = result->plan;
    struct value none = VALUE_NONE;
    struct spreads spreads = gather(&x, 0, &none, NULL);
    struct members members = merge(&x, 0, &spreads, plan->node_count);
    for (uint32_t child = plan->nodes[0].child; child != NONE; child = plan->nodes[child].next) {
        if (result->present[child]) {
            bool deep = has_children(&x, child) || has_spreads(&x, child);
            members.list[members.count++] =
                (struct value_pair){plan->nodes[child].key, deep ? as_json(&x, child) : own_value(&x, child)};
        }
    }
    return (struct value){.kind = VALUE_PAIRS, .pairs = members.list, .count = members.count};
}
