/* The first difference of two JSON documents. */
#include "destination/compare.h"

#include <stdio.h>

#include "destination/value.h"

static bool differ(struct comparison *c, uint32_t expected, uint32_t actual) {
    enum { SHOWN = 300 };
    struct slice left = expected != JSON_ABSENT ? json_raw(&c->expected, expected) : SLICE("nothing");
    struct slice right = actual != JSON_ABSENT ? json_raw(&c->actual, actual) : SLICE("nothing");
    left.len = left.len < SHOWN ? left.len : SHOWN;
    right.len = right.len < SHOWN ? right.len : SHOWN;
    c->text = arena_printf(
        c->arena, "%.*s: expected %.*s, got %.*s", (int)c->path_len, c->path, SLICE_ARG(left), SLICE_ARG(right));
    return false;
}

static bool compare_below(struct comparison *c, struct slice name, uint32_t expected, uint32_t actual) {
    size_t mark = c->path_len;
    int n = snprintf(c->path + mark, sizeof c->path - mark, "%s%.*s", mark > 0 ? "." : "", SLICE_ARG(name));
    c->path_len += n > 0 && (size_t)n < sizeof c->path - mark ? (size_t)n : 0;
    bool same = expected != JSON_ABSENT && actual != JSON_ABSENT ? compare_nodes(c, expected, actual)
                                                                 : differ(c, expected, actual);
    c->path_len = mark;
    return same;
}

static bool compare_objects(struct comparison *c, uint32_t expected, uint32_t actual) {
    for (uint32_t k = json_first(&c->expected, expected); k != JSON_ABSENT; k = json_after(&c->expected, expected, k)) {
        struct slice name = json_string(&c->expected, k, c->arena);
        if (!compare_below(c, name, k + 1, json_find(&c->actual, actual, name))) {
            return false;
        }
    }
    for (uint32_t k = json_first(&c->actual, actual); k != JSON_ABSENT; k = json_after(&c->actual, actual, k)) {
        struct slice name = json_string(&c->actual, k, c->arena);
        if (json_find(&c->expected, expected, name) == JSON_ABSENT) {
            return compare_below(c, name, JSON_ABSENT, k + 1);
        }
    }
    return true;
}

static bool compare_arrays(struct comparison *c, uint32_t expected, uint32_t actual) {
    uint32_t left = json_first(&c->expected, expected);
    uint32_t right = json_first(&c->actual, actual);
    for (size_t index = 0; left != JSON_ABSENT || right != JSON_ABSENT; index++) {
        char name[24];
        snprintf(name, sizeof name, "%zu", index);
        if (!compare_below(c, slice_cstr(name), left, right)) {
            return false;
        }
        left = left != JSON_ABSENT ? json_after(&c->expected, expected, left) : left;
        right = right != JSON_ABSENT ? json_after(&c->actual, actual, right) : right;
    }
    return true;
}

static bool same_number(struct slice left, struct slice right, struct arena *arena) {
    struct value a = {.kind = VALUE_NUMBER, .text = left};
    struct value b = {.kind = VALUE_NUMBER, .text = right};
    double x = 0;
    double y = 0;
    return slice_eq(left, right) || (value_number(&a, arena, &x) && value_number(&b, arena, &y) && x == y);
}

bool compare_nodes(struct comparison *c, uint32_t expected, uint32_t actual) {
    enum json_kind kind = json_kind(&c->expected, expected);
    bool same = kind == json_kind(&c->actual, actual);
    if (same && kind == JSON_OBJECT) {
        return compare_objects(c, expected, actual);
    }
    if (same && kind == JSON_ARRAY) {
        return compare_arrays(c, expected, actual);
    }
    if (same && kind == JSON_STRING) {
        same = slice_eq(json_string(&c->expected, expected, c->arena), json_string(&c->actual, actual, c->arena));
    } else if (same && kind == JSON_NUMBER) {
        same = same_number(json_raw(&c->expected, expected), json_raw(&c->actual, actual), c->arena);
    }
    return same ? true : differ(c, expected, actual);
}
