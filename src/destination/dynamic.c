/* Settings that each event fills: a text of the form {{ event.path || default }}, anywhere in the config. What is found
 * replaces the text and is taken out of the event, as in the original; else the default without its quotes. */
#include "destination/dynamic.h"

#include <ctype.h>

#include "destination/definition.h"

enum { STEPS_MAX = 16, TAKEN_MAX = 32 };

/* ---- the form ---- */

/* Letters, digits and _ in steps joined by dots; a step begins with no digit. */
static bool is_path(struct slice text) {
    bool begins = true;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '.' ? begins : !(c == '_' || (c < 0x80 && (begins ? isalpha(c) : isalnum(c))))) {
            return false;
        }
        begins = c == '.';
    }
    return !begins;
}

bool dynamic_parse(struct slice text, struct dynamic *ret_dynamic) {
    text = slice_trim(text);
    if (text.len < 4 || memcmp(text.ptr, "{{", 2) != 0 || memcmp(text.ptr + text.len - 2, "}}", 2) != 0) {
        return false;
    }
    struct slice inside = slice_of(text.ptr + 2, text.len - 4);
    const char *bars = memmem(inside.ptr, inside.len, "||", 2);
    if (bars == NULL) {
        return false;
    }
    struct slice path = slice_trim(slice_of(inside.ptr, (size_t)(bars - inside.ptr)));
    struct slice fallback = slice_trim(slice_of(bars + 2, inside.len - (size_t)(bars + 2 - inside.ptr)));
    if (!is_path(path)) {
        return false;
    }
    if (fallback.len >= 2 && fallback.ptr[0] == '"' && fallback.ptr[fallback.len - 1] == '"') {
        fallback = slice_of(fallback.ptr + 1, fallback.len - 2);
    }
    *ret_dynamic = (struct dynamic){.path = path, .fallback = fallback};
    return true;
}

/* ---- the walk over the config ---- */

struct filling {
    const struct json_doc *config, *event;
    struct arena *arena;
    struct buf out;
    uint32_t at; /* of the config's text: what is before it has been written */
    uint32_t taken[TAKEN_MAX];
    size_t taken_count;
    bool found; /* any such text */
};

static uint32_t look_up(const struct filling *f, struct slice path) {
    struct slice rest = path;
    struct slice head = slice_cut(path, '.', &rest);
    if (rest.ptr == NULL || !(slice_eq(head, SLICE("event")) || slice_eq(head, SLICE("message")))) {
        return JSON_ABSENT; /* what is around an event is no business of settings */
    }
    uint32_t node = 0;
    for (size_t i = 0; i < STEPS_MAX && rest.ptr != NULL && node != JSON_ABSENT; i++) {
        struct slice step = slice_cut(rest, '.', &rest);
        node = json_find(f->event, node, step);
    }
    bool good = rest.ptr == NULL && node != JSON_ABSENT && !json_is(f->event, node, JSON_NULL);
    return good ? node : JSON_ABSENT;
}

static void fill_text(struct filling *f, uint32_t node) {
    struct dynamic dynamic;
    if (!dynamic_parse(json_string(f->config, node, f->arena), &dynamic)) {
        return;
    }
    f->found = true;
    if (f->event == NULL) {
        return;
    }
    const struct json_node *place = &f->config->nodes[node];
    uint32_t value = look_up(f, dynamic.path);
    buf_append(&f->out, slice_of(f->config->text + f->at, place->start - f->at));
    f->at = place->end;
    if (value == JSON_ABSENT) {
        json_escape(&f->out, dynamic.fallback);
        return;
    }
    buf_append(&f->out, json_raw(f->event, value));
    if (f->taken_count < TAKEN_MAX) {
        f->taken[f->taken_count++] = value;
    }
}

static void walk(struct filling *f, uint32_t node) {
    bool object = json_is(f->config, node, JSON_OBJECT);
    if (json_is(f->config, node, JSON_STRING)) {
        fill_text(f, node);
    }
    if (!object && !json_is(f->config, node, JSON_ARRAY)) {
        return;
    }
    for (uint32_t at = json_first(f->config, node); at != JSON_ABSENT; at = json_after(f->config, node, at)) {
        walk(f, object ? at + 1 : at);
    }
}

bool dynamic_is_any(const struct json_doc *config, struct arena *arena) {
    struct filling f = {.config = config, .arena = arena};
    walk(&f, 0);
    return f.found;
}

/* ---- the event without what was taken ---- */

static bool is_taken(const struct filling *f, uint32_t node) {
    for (size_t i = 0; i < f->taken_count; i++) {
        if (f->taken[i] == node) {
            return true;
        }
    }
    return false;
}

static bool holds_taken(const struct filling *f, uint32_t node) {
    for (size_t i = 0; i < f->taken_count; i++) {
        if (f->taken[i] > node && f->taken[i] < f->event->nodes[node].next) {
            return true;
        }
    }
    return false;
}

/* At most STEPS_MAX deep: what holds nothing taken is copied. */
static void write_rest(const struct filling *f, uint32_t node, struct json_writer *w) {
    if (!json_is(f->event, node, JSON_OBJECT) || !holds_taken(f, node)) {
        json_write_raw(w, json_raw(f->event, node));
        return;
    }
    json_write_object(w);
    for (uint32_t key = json_first(f->event, node); key != JSON_ABSENT; key = json_after(f->event, node, key)) {
        if (!is_taken(f, key + 1)) {
            json_write_key(w, json_string(f->event, key, f->arena));
            write_rest(f, key + 1, w);
        }
    }
    json_write_end(w);
}

static struct slice padded(struct slice text, struct arena *arena) {
    char *copy = arena_alloc(arena, text.len + JSON_PADDING);
    memcpy(copy, text.ptr, text.len);
    return slice_of(copy, text.len);
}

void dynamic_fill(const struct json_doc *config, const struct json_doc *event, struct arena *arena,
    struct slice *ret_config, struct slice *ret_event) {
    struct filling f = {.config = config, .event = event, .arena = arena};
    buf_init(&f.out, 0);
    walk(&f, 0);
    buf_append(&f.out, slice_of(config->text + f.at, config->len - f.at));
    *ret_config = padded(buf_slice(&f.out), arena);
    buf_reset(&f.out);
    struct json_writer w;
    json_writer_init(&w, &f.out);
    write_rest(&f, 0, &w);
    *ret_event = padded(buf_slice(&f.out), arena);
    buf_fini(&f.out);
}

const struct json_doc *destination_template(const struct json_doc *config, struct arena *arena) {
    if (!dynamic_is_any(config, arena)) {
        return NULL;
    }
    struct json_doc *template = ARENA_NEW(arena, struct json_doc);
    definition_doc_dup(config, arena, template);
    return template;
}

void destination_fill(const struct json_doc *template, const struct json_doc *event, struct arena *arena,
    struct slice *ret_config, struct slice *ret_event) {
    dynamic_fill(template, event, arena, ret_config, ret_event);
}
