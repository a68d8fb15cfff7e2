/* See json_edit.h. Splices are kept ascending as they come, so that writing is one pass. A member to append is a splice
 * of an empty range in front of the closing brace; a value is never empty, which tells the two apart. */
#include "json/json_edit.h"

static inline const struct json_node *edited(const struct json_edit *edit) {
    return &edit->doc->nodes[edit->object];
}

static inline bool is_append(const struct json_splice *splice) {
    return splice->start == splice->end;
}

static void splice_add(struct json_edit *edit, struct json_splice splice) {
    ASSERT(edit->count < JSON_EDIT_MAX);
    uint32_t place = edit->count;
    while (place > 0 && edit->splices[place - 1].start > splice.start) {
        edit->splices[place] = edit->splices[place - 1];
        place--;
    }
    ASSERT(place == 0 || edit->splices[place - 1].end <= splice.start);
    ASSERT(place == edit->count || splice.end <= edit->splices[place + 1].start);
    edit->splices[place] = splice;
    edit->count++;
}

void json_edit_init(struct json_edit *edit, const struct json_doc *doc, uint32_t object) {
    ASSERT(json_is(doc, object, JSON_OBJECT));
    edit->doc = doc;
    edit->object = object;
    edit->count = 0;
    edit->appended = 0;
}

void json_edit_replace(struct json_edit *edit, uint32_t node, struct slice json) {
    ASSERT(node > edit->object && node < edited(edit)->next);
    const struct json_node *value = &edit->doc->nodes[node];
    splice_add(edit, (struct json_splice){value->start, value->end, json});
}

void json_edit_append(struct json_edit *edit, struct slice member) {
    uint32_t brace = edited(edit)->end - 1;
    splice_add(edit, (struct json_splice){brace, brace, member});
    edit->appended++;
}

/* Whether the first appended member needs no comma in front of it. */
static inline bool starts_empty(const struct json_edit *edit) {
    return edited(edit)->next == edit->object + 1;
}

size_t json_edit_size(const struct json_edit *edit) {
    size_t size = edited(edit)->end - edited(edit)->start;
    for (uint32_t i = 0; i < edit->count; i++) {
        const struct json_splice *splice = &edit->splices[i];
        size += splice->text.len - (splice->end - splice->start);
    }
    size_t commas = edit->appended;
    return size + commas - (commas > 0 && starts_empty(edit));
}

static inline char *put(char *out, const char *from, size_t len) {
    if (len > 0) {
        memcpy(out, from, len);
    }
    return out + len;
}

void json_edit_write(const struct json_edit *edit, char *out) {
    const char *text = edit->doc->text;
    uint32_t at = edited(edit)->start;
    bool comma = !starts_empty(edit);
    for (uint32_t i = 0; i < edit->count; i++) {
        const struct json_splice *splice = &edit->splices[i];
        out = put(out, text + at, splice->start - at);
        if (is_append(splice)) {
            out = put(out, ",", comma);
            comma = true;
        }
        out = put(out, splice->text.ptr, splice->text.len);
        at = splice->end;
    }
    put(out, text + at, edited(edit)->end - at);
}
