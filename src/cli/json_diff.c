/* A walk over two documents side by side. */
#include "cli/json_diff.h"

#include <stdlib.h>

#include "base/buf.h"

struct walk {
    const struct json_doc *a, *b;
    struct buf path;
    struct arena arena; /* unescaped keys and strings */
    void (*each)(void *ctx, const struct json_change *change);
    void *ctx;
};

static void report(struct walk *walk, uint32_t at_a, uint32_t at_b) {
    const struct json_change change = {.path = buf_slice(&walk->path),
        .from = at_a != JSON_ABSENT ? json_raw(walk->a, at_a) : SLICE_NONE,
        .to = at_b != JSON_ABSENT ? json_raw(walk->b, at_b) : SLICE_NONE};
    walk->each(walk->ctx, &change);
}

static double number_of(struct slice text) {
    enum { NUMBER_SIZE = 400 };
    char copy[NUMBER_SIZE];
    size_t len = text.len < sizeof copy - 1 ? text.len : sizeof copy - 1;
    memcpy(copy, text.ptr, len);
    copy[len] = '\0';
    return strtod(copy, NULL);
}

static bool scalars_equal(struct walk *walk, uint32_t at_a, uint32_t at_b) {
    switch (json_kind(walk->a, at_a)) {
    case JSON_NUMBER:
        return slice_eq(json_raw(walk->a, at_a), json_raw(walk->b, at_b)) ||
            number_of(json_raw(walk->a, at_a)) == number_of(json_raw(walk->b, at_b));
    case JSON_STRING:
        return slice_eq(json_string(walk->a, at_a, &walk->arena), json_string(walk->b, at_b, &walk->arena));
    default:
        return true;
    }
}

static void values(struct walk *walk, uint32_t at_a, uint32_t at_b);

/* Goes into a member or an element and comes back. */
static void step(struct walk *walk, uint32_t at_a, uint32_t at_b, size_t path_len) {
    if (at_a == JSON_ABSENT || at_b == JSON_ABSENT) {
        report(walk, at_a, at_b);
    } else {
        values(walk, at_a, at_b);
    }
    walk->path.len = path_len;
}

static void push_key(struct walk *walk, struct slice key) {
    if (walk->path.len > 0) {
        buf_append_byte(&walk->path, '.');
    }
    buf_append(&walk->path, key);
}

static void objects(struct walk *walk, uint32_t at_a, uint32_t at_b) {
    size_t len = walk->path.len;
    for (uint32_t key = json_first(walk->a, at_a); key != JSON_ABSENT; key = json_after(walk->a, at_a, key)) {
        struct slice name = json_string(walk->a, key, &walk->arena);
        push_key(walk, name);
        step(walk, key + 1, json_find(walk->b, at_b, name), len);
    }
    for (uint32_t key = json_first(walk->b, at_b); key != JSON_ABSENT; key = json_after(walk->b, at_b, key)) {
        struct slice name = json_string(walk->b, key, &walk->arena);
        if (json_find(walk->a, at_a, name) == JSON_ABSENT) {
            push_key(walk, name);
            step(walk, JSON_ABSENT, key + 1, len);
        }
    }
}

static void arrays(struct walk *walk, uint32_t at_a, uint32_t at_b) {
    size_t len = walk->path.len;
    uint32_t a = json_first(walk->a, at_a), b = json_first(walk->b, at_b);
    for (size_t i = 0; a != JSON_ABSENT || b != JSON_ABSENT; i++) {
        buf_printf(&walk->path, "[%zu]", i);
        step(walk, a, b, len);
        a = a != JSON_ABSENT ? json_after(walk->a, at_a, a) : a;
        b = b != JSON_ABSENT ? json_after(walk->b, at_b, b) : b;
    }
}

static void values(struct walk *walk, uint32_t at_a, uint32_t at_b) {
    enum json_kind kind = json_kind(walk->a, at_a);
    bool alike = kind == json_kind(walk->b, at_b);
    if (alike && kind == JSON_OBJECT) {
        objects(walk, at_a, at_b);
    } else if (alike && kind == JSON_ARRAY) {
        arrays(walk, at_a, at_b);
    } else if (!alike || !scalars_equal(walk, at_a, at_b)) {
        report(walk, at_a, at_b);
    }
}

void json_diff(const struct json_doc *a, uint32_t at_a, const struct json_doc *b, uint32_t at_b,
    void (*each)(void *ctx, const struct json_change *change), void *ctx) {
    struct walk walk = {.a = a, .b = b, .each = each, .ctx = ctx};
    buf_init(&walk.path, 0);
    arena_init(&walk.arena, 0, 0);
    values(&walk, at_a, at_b);
    arena_fini(&walk.arena);
    buf_fini(&walk.path);
}

static void on_change(void *ctx, const struct json_change *change) {
    (void)change; /* one is enough */
    *(bool *)ctx = false;
}

bool json_equal(const struct json_doc *a, uint32_t at_a, const struct json_doc *b, uint32_t at_b) {
    bool equal = true;
    json_diff(a, at_a, b, at_b, on_change, &equal);
    return equal;
}
