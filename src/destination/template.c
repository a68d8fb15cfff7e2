/* Texts with holes: ${settings.key}, ${variables.name}, ${event.path}, each with conversions behind bars:
 * ${event.email|lower|sha256}. */
#include "destination/mapping.h"

static uint32_t name_index(const struct names *names, struct slice name) {
    for (size_t i = 0; i < names->count; i++) {
        if (slice_eq(names->list[i], name)) {
            return (uint32_t)i;
        }
    }
    return UINT32_MAX;
}

static enum err compile_steps(struct compiler *c, uint32_t node, struct slice steps, struct template_part *part) {
    enum { STEPS_MAX = 8 };
    part->steps = ARENA_ARRAY(c->s->arena, struct convert_step, STEPS_MAX);
    while (steps.ptr != NULL) {
        struct slice name = slice_cut(steps, '|', &steps);
        enum convert_id id = convert_find(name);
        bool plain = id == CONVERT_LOWER || id == CONVERT_UPPER || id == CONVERT_TRIM || id == CONVERT_STRIP ||
            id == CONVERT_SHA256 || id == CONVERT_BASE64 || id == CONVERT_URL_ENCODE || id == CONVERT_TIME_MS ||
            id == CONVERT_TIME_S;
        if (!plain || part->step_count == STEPS_MAX) {
            return schema_fail(c->s, node,
                "\"%.*s\" is no conversion for a hole: lower upper trim strip sha256 base64 url_encode"
                " time_ms time_s, eight at most",
                SLICE_ARG(name));
        }
        part->steps[part->step_count++].id = id;
    }
    return OK;
}

static enum err compile_hole(struct compiler *c, uint32_t node, struct slice hole, struct template_part *part) {
    struct slice steps;
    struct slice whole = slice_cut(hole, '|', &steps);
    struct slice name;
    struct slice kind = slice_cut(whole, '.', &name);
    part->name = arena_dup(c->s->arena, whole);
    if (slice_eq(kind, SLICE("settings"))) {
        part->hole = HOLE_SETTING;
        part->at = name_index(&c->settings, name);
    } else if (slice_eq(kind, SLICE("variables"))) {
        part->hole = HOLE_VARIABLE;
        part->at = name_index(&c->variables, name);
    } else if (slice_eq(kind, SLICE("event")) && name.len > 0) {
        part->hole = HOLE_EVENT;
        part->at = trie_add(c->trie, c->s->arena, name);
    } else {
        return schema_fail(
            c->s, node, "${%.*s}: a hole is settings.KEY, variables.NAME or event.PATH", SLICE_ARG(whole));
    }
    if (part->at == UINT32_MAX) {
        return schema_fail(c->s, node, "${%.*s}: there is none of that name", SLICE_ARG(whole));
    }
    return compile_steps(c, node, steps, part);
}

enum err template_compile(struct compiler *c, uint32_t node, struct template *ret_template) {
    if (!json_is(c->s->doc, node, JSON_STRING)) {
        return schema_fail(c->s, node, "must be a text");
    }
    struct slice text = schema_text(c->s, node);
    size_t room = 1;
    for (size_t i = 0; i + 1 < text.len; i++) {
        room += text.ptr[i] == '$' && text.ptr[i + 1] == '{';
    }
    struct template template = {.parts = ARENA_ARRAY(c->s->arena, struct template_part, room)};
    while (text.len > 0) {
        struct template_part *part = &template.parts[template.count++];
        const char *open = memmem(text.ptr, text.len, "${", 2);
        part->literal = slice_of(text.ptr, open == NULL ? text.len : (size_t)(open - text.ptr));
        if (open == NULL) {
            break;
        }
        const char *inside = open + 2;
        const char *close = memchr(inside, '}', text.len - (size_t)(inside - text.ptr));
        if (close == NULL) {
            return schema_fail(c->s, node, "a hole \"${\" is not closed");
        }
        enum err e = compile_hole(c, node, slice_of(inside, (size_t)(close - inside)), part);
        if (e != OK) {
            return e;
        }
        text = slice_of(close + 1, text.len - (size_t)(close + 1 - text.ptr));
    }
    *ret_template = template;
    return OK;
}

enum err template_map_compile(struct compiler *c, uint32_t node, struct named_template **ret_list, size_t *ret_count) {
    *ret_list = NULL;
    *ret_count = 0;
    if (node == JSON_ABSENT) {
        return OK;
    }
    const struct json_doc *doc = c->s->doc;
    struct named_template *list = ARENA_ARRAY(c->s->arena, struct named_template, json_count(doc, node) + 1);
    size_t count = 0;
    for (uint32_t key = json_first(doc, node); key != JSON_ABSENT; key = json_after(doc, node, key)) {
        list[count].name = schema_text(c->s, key);
        size_t mark = schema_enter(c->s, list[count].name);
        enum err e = template_compile(c, key + 1, &list[count++].value);
        if (e != OK) {
            return e;
        }
        schema_leave(c->s, mark);
    }
    *ret_list = list;
    *ret_count = count;
    return OK;
}

/* ---- filling ---- */

static enum err fill_hole(
    const struct template_part *part, const struct run *run, bool encode, struct slice *ret_text) {
    struct value value = part->hole == HOLE_SETTING ? run->settings[part->at]
        : part->hole == HOLE_VARIABLE               ? run->variables[part->at]
                                                    : value_of_node(run->doc, run->slots[part->at]);
    struct convert_run conversion = {.arena = run->arena, .now_ms = run->now_ms, .what = part->name, .why = run->why};
    enum err e = convert_apply(part->steps, part->step_count, &conversion, &value);
    if (e != OK) {
        return e;
    }
    if (!value_is_set(&value)) {
        return err_why(ERR_INVALID, run->why, "event", "%.*s is needed and is missing", SLICE_ARG(part->name));
    }
    static const struct convert_step url_encode = {.id = CONVERT_URL_ENCODE};
    if (encode) {
        e = convert_apply(&url_encode, 1, &conversion, &value);
    }
    *ret_text = value_text(&value, run->arena);
    return e;
}

enum err template_fill(
    const struct template *template, const struct run *run, enum template_use use, struct slice *ret_text) {
    if (template->count == 1 && template->parts[0].hole == HOLE_NONE) {
        *ret_text = template->parts[0].literal;
        return OK;
    }
    struct slice *pieces = ARENA_ARRAY(run->arena, struct slice, 2 * template->count + 1);
    for (size_t i = 0; i < template->count; i++) {
        const struct template_part *part = &template->parts[i];
        bool begins = i == 0 && part->literal.len == 0;
        pieces[2 * i] = part->literal;
        pieces[2 * i + 1] = SLICE("");
        if (part->hole != HOLE_NONE) {
            enum err e = fill_hole(part, run, use == TEMPLATE_URL && !begins, &pieces[2 * i + 1]);
            if (e != OK) {
                return e;
            }
        }
    }
    *ret_text = value_join(pieces, 2 * template->count, run->arena);
    return OK;
}
