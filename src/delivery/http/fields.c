/* See fields.h. */
#include "delivery/http/fields.h"

#include <stdlib.h>

#include "base/buf.h"

enum {
    QUERY_MAX_BYTES = 256 * 1024, /* of all keys and values before encoding */
    KEY_MAX_BYTES = 4096
};

/* ---- header fields ---- */

static bool is_token_byte(char c) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) {
        return true;
    }
    return c != '\0' && memchr("!#$%&'*+-.^_`|~", c, 15) != NULL;
}

enum err fields_check_name(struct slice name, struct errinfo *why) {
    static const struct slice connection_fields[] = {SLICE("content-length"), SLICE("transfer-encoding"),
        SLICE("connection"), SLICE("keep-alive"), SLICE("upgrade"), SLICE("te"), SLICE("trailer"), SLICE("expect"),
        SLICE("proxy-connection")};
    for (size_t i = 0; i < name.len; i++) {
        if (!is_token_byte(name.ptr[i])) {
            return err_why(ERR_INVALID, why, "headers", "\"%.*s\" is no header name", SLICE_ARG(name));
        }
    }
    if (name.len == 0) {
        return err_why(ERR_INVALID, why, "headers", "a header has no name");
    }
    for (size_t i = 0; i < COUNT_OF(connection_fields); i++) {
        if (slice_eq_nocase(name, connection_fields[i])) {
            return err_why(
                ERR_INVALID, why, "headers", "%.*s belongs to the connection and cannot be set", SLICE_ARG(name));
        }
    }
    return OK;
}

enum err fields_check_value(struct slice name, struct slice value, struct errinfo *why) {
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return err_why(ERR_INVALID, why, "headers", "the value of %.*s has a control character", SLICE_ARG(name));
        }
    }
    return OK;
}

enum err fields_set(struct fields *fields, struct slice name, struct slice value, struct errinfo *why) {
    enum err e = fields_check_name(name, why);
    if (e == OK) {
        e = fields_check_value(name, value, why);
    }
    if (e != OK) {
        return e;
    }
    size_t at = 0;
    while (at < fields->count && !slice_eq_nocase(fields->list[at].name, name)) {
        at++;
    }
    if (at == FIELDS_MAX) {
        return err_why(ERR_TOO_LARGE, why, "headers", "more than %d headers", FIELDS_MAX);
    }
    fields->list[at] = (struct http_header){name, value};
    if (at == fields->count) {
        fields->count++;
    }
    return OK;
}

/* ---- values ---- */

struct slice fields_text(const struct json_doc *doc, uint32_t node, struct arena *arena) {
    switch (json_kind(doc, node)) {
    case JSON_STRING:
        return json_string(doc, node, arena);
    case JSON_ARRAY:
    case JSON_OBJECT:
        return json_compact(json_raw(doc, node), arena);
    default:
        return json_raw(doc, node);
    }
}

/* ---- query ---- */

struct pair {
    struct slice key, value;
};

struct flattener {
    const struct json_doc *doc;
    struct arena *arena;
    struct pair *pairs;
    size_t count, room;
    size_t bytes;
    char key[KEY_MAX_BYTES]; /* of where it stands */
};

static enum err add_pair(struct flattener *f, uint32_t node, size_t key_len) {
    struct slice value = fields_text(f->doc, node, f->arena);
    f->bytes += key_len + value.len;
    if (f->bytes > QUERY_MAX_BYTES) {
        return ERR_TOO_LARGE;
    }
    ASSERT(f->count < f->room);
    f->pairs[f->count++] = (struct pair){arena_dup(f->arena, slice_of(f->key, key_len)), value};
    return OK;
}

static enum err put_key(struct flattener *f, size_t *len, struct slice part) {
    if (part.len > sizeof f->key - *len) {
        return ERR_TOO_LARGE;
    }
    memcpy(f->key + *len, part.ptr, part.len);
    *len += part.len;
    return OK;
}

static enum err flatten(struct flattener *f, uint32_t node, size_t key_len);

static enum err flatten_child(struct flattener *f, uint32_t child, size_t index, bool named, size_t key_len) {
    size_t len = key_len;
    enum err e = OK;
    if (named) {
        if (len > 0) {
            e = put_key(f, &len, SLICE("."));
        }
        if (e == OK) {
            e = put_key(f, &len, json_string(f->doc, child, f->arena));
        }
    } else {
        e = put_key(f, &len, arena_printf(f->arena, "[%zu]", index));
    }
    return e == OK ? flatten(f, named ? child + 1 : child, len) : e;
}

/* Recursion is as deep as the document, which the gateway bounds. */
static enum err flatten(struct flattener *f, uint32_t node, size_t key_len) {
    bool object = json_is(f->doc, node, JSON_OBJECT);
    uint32_t child = json_first(f->doc, node);
    if ((!object && !json_is(f->doc, node, JSON_ARRAY)) || child == JSON_ABSENT) {
        return key_len > 0 ? add_pair(f, node, key_len) : OK;
    }
    for (size_t index = 0; child != JSON_ABSENT; child = json_after(f->doc, node, child), index++) {
        enum err e = flatten_child(f, child, index, object, key_len);
        if (e != OK) {
            return e;
        }
    }
    return OK;
}

static int by_key(const void *a, const void *b) {
    struct slice left = ((const struct pair *)a)->key;
    struct slice right = ((const struct pair *)b)->key;
    size_t common = left.len < right.len ? left.len : right.len;
    int order = common > 0 ? memcmp(left.ptr, right.ptr, common) : 0;
    if (order != 0) {
        return order;
    }
    return left.len < right.len ? -1 : left.len > right.len;
}

enum err fields_query(
    const struct json_doc *doc, uint32_t object, struct arena *arena, struct slice *ret_query, struct errinfo *why) {
    struct flattener *f = ARENA_NEW(arena, struct flattener);
    f->doc = doc;
    f->arena = arena;
    f->room = doc->nodes[object].next - object;
    f->pairs = ARENA_ARRAY(arena, struct pair, f->room);
    enum err e = flatten(f, object, 0);
    if (e != OK) {
        return err_why(e, why, "query", "the event has more than %d bytes of parameters, or a key longer than %d bytes",
            QUERY_MAX_BYTES, KEY_MAX_BYTES);
    }
    qsort(f->pairs, f->count, sizeof *f->pairs, by_key);
    char *out = arena_alloc(arena, 3 * f->bytes + 2 * f->count + 1);
    size_t len = 0;
    for (size_t i = 0; i < f->count; i++) {
        if (i > 0) {
            out[len++] = '&';
        }
        len += http_url_encode(f->pairs[i].key, out + len);
        out[len++] = '=';
        len += http_url_encode(f->pairs[i].value, out + len);
    }
    *ret_query = slice_of(out, len);
    return OK;
}
