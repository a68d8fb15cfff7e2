/* Conversions of objects: flattening, members left out, members as text. */
#include "destination/convert.h"

enum { DEPTH_MAX = 128 };

struct pairs {
    struct value_pair *list;
    size_t count, room;
    struct arena *arena;
};

static void add(struct pairs *pairs, struct slice key, struct value value) {
    if (pairs->count == pairs->room) {
        size_t room = pairs->room == 0 ? 16 : 2 * pairs->room;
        struct value_pair *list = ARENA_ARRAY(pairs->arena, struct value_pair, room);
        if (pairs->count > 0) {
            memcpy(list, pairs->list, pairs->count * sizeof *list);
        }
        pairs->list = list;
        pairs->room = room;
    }
    pairs->list[pairs->count++] = (struct value_pair){key, value};
}

static struct value done(const struct pairs *pairs) {
    return (struct value){.kind = VALUE_PAIRS, .pairs = pairs->list, .count = pairs->count};
}

struct flattener {
    struct pairs pairs;
    bool strict;
};

static struct slice joined(
    const struct flattener *f, struct slice prefix, const struct value_pair *child, size_t index, bool named) {
    struct slice name = child->key;
    if (!named) {
        name = arena_printf(f->pairs.arena, f->strict ? "%zu" : "[%zu]", index);
    }
    struct slice dot = prefix.len > 0 && (named || f->strict) ? SLICE(".") : SLICE("");
    return value_join((struct slice[]){prefix, dot, name}, 3, f->pairs.arena);
}

/* Empty objects and arrays are kept as they are. */
static void flatten(struct flattener *f, const struct value *v, struct slice prefix, unsigned depth) {
    struct value_pair child;
    size_t at = 0;
    bool deep = (value_is_object(v) || value_is_array(v)) && depth < DEPTH_MAX;
    if (!deep || !value_next(v, &at, f->pairs.arena, &child)) {
        if (depth > 0) {
            add(&f->pairs, prefix, *v);
        }
        return;
    }
    bool named = value_is_object(v);
    size_t index = 0;
    do {
        flatten(f, &child.value, joined(f, prefix, &child, index++, named), depth + 1);
    } while (value_next(v, &at, f->pairs.arena, &child));
}

struct value convert_flatten(const struct value *v, bool strict, struct arena *arena) {
    if (!value_is_object(v) && !value_is_array(v)) {
        return *v;
    }
    struct flattener f = {.pairs = {.arena = arena}, .strict = strict};
    flatten(&f, v, SLICE(""), 0);
    return done(&f.pairs);
}

static bool names(const struct convert_step *step, struct slice key) {
    for (size_t i = 0; i < step->text_count; i++) {
        if (slice_eq(step->texts[i], key)) {
            return true;
        }
    }
    return false;
}

struct value convert_members(const struct value *v, const struct convert_step *step, struct arena *arena) {
    if (!value_is_object(v)) {
        return *v;
    }
    struct pairs pairs = {.arena = arena};
    struct value_pair member;
    for (size_t at = 0; value_next(v, &at, arena, &member);) {
        bool left_out = (step->id == CONVERT_WITHOUT && names(step, member.key)) ||
            (step->id == CONVERT_ONLY && !names(step, member.key)) ||
            (step->id == CONVERT_COMPACT && member.value.kind == VALUE_NULL);
        if (left_out) {
            continue;
        }
        if (step->id == CONVERT_JSON_MEMBERS && (value_is_object(&member.value) || value_is_array(&member.value))) {
            member.value = value_of_text(value_json(&member.value, arena));
        }
        add(&pairs, member.key, member.value);
    }
    return done(&pairs);
}
