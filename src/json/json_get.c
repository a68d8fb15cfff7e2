/* Looking things up in a parsed document, and turning a node's text into a value. Nothing here allocates but
 * json_string of a string with escapes. */
#include "json/json.h"

#include "json/json_text.h"

#define FIND_BUCKETS 64
#define FIND_AT_ONCE 32
#define FIND_NONE 0xff

/* The bytes between the quotes. */
static inline struct slice string_inside(const struct json_doc *doc, uint32_t node) {
    const struct json_node *n = &doc->nodes[node];
    return slice_of(doc->text + n->start + 1, n->end - n->start - 2);
}

static bool escaped_eq(struct slice inside, struct slice plain) {
    const char *at = inside.ptr;
    const char *end = inside.ptr + inside.len;
    size_t matched = 0;
    while (at < end) {
        char decoded[4] = {*at};
        size_t len = 1;
        at += *at == '\\' ? json_text_unescape(at, end, decoded, &len) : 1;
        if (plain.len - matched < len || memcmp(plain.ptr + matched, decoded, len) != 0) {
            return false;
        }
        matched += len;
    }
    return matched == plain.len;
}

static inline bool key_eq(const struct json_doc *doc, uint32_t node, struct slice key) {
    struct slice inside = string_inside(doc, node);
    if (UNLIKELY(doc->nodes[node].escaped)) {
        return escaped_eq(inside, key);
    }
    return slice_eq(inside, key);
}

uint32_t json_find(const struct json_doc *doc, uint32_t object, struct slice key) {
    if (!json_is(doc, object, JSON_OBJECT)) {
        return JSON_ABSENT;
    }
    uint32_t found = JSON_ABSENT;
    uint32_t end = doc->nodes[object].next;
    for (uint32_t node = object + 1; node < end; node = doc->nodes[node + 1].next) {
        if (key_eq(doc, node, key)) {
            found = node + 1;
        }
    }
    return found;
}

uint32_t json_find_path(const struct json_doc *doc, uint32_t object, struct slice path) {
    uint32_t node = object;
    struct slice rest = path;
    while (rest.ptr != NULL && node != JSON_ABSENT) {
        struct slice key = slice_cut(rest, '.', &rest);
        node = json_find(doc, node, key);
    }
    return node;
}

/* Keys by length and first byte: a member that nobody asked for mostly costs one look at an empty bucket. */
struct find_table {
    uint8_t bucket[FIND_BUCKETS];
    uint8_t next[FIND_AT_ONCE];
};

static inline unsigned find_bucket(struct slice key) {
    unsigned first = key.len > 0 ? (unsigned char)key.ptr[0] : 0;
    return (first + 5 * (unsigned)key.len) % FIND_BUCKETS;
}

static void find_table_init(struct find_table *table, const struct slice *keys, size_t count) {
    memset(table->bucket, FIND_NONE, sizeof(table->bucket));
    for (size_t i = 0; i < count; i++) {
        uint8_t *bucket = &table->bucket[find_bucket(keys[i])];
        table->next[i] = *bucket;
        *bucket = (uint8_t)i;
    }
}

static void find_escaped(
    const struct json_doc *doc, uint32_t node, const struct slice *keys, size_t count, uint32_t *ret_values) {
    for (size_t i = 0; i < count; i++) {
        if (key_eq(doc, node, keys[i])) {
            ret_values[i] = node + 1;
        }
    }
}

static void find_some(
    const struct json_doc *doc, uint32_t object, const struct slice *keys, size_t count, uint32_t *ret_values) {
    struct find_table table;
    find_table_init(&table, keys, count);
    uint32_t end = doc->nodes[object].next;
    for (uint32_t node = object + 1; node < end; node = doc->nodes[node + 1].next) {
        if (UNLIKELY(doc->nodes[node].escaped)) {
            find_escaped(doc, node, keys, count, ret_values);
            continue;
        }
        struct slice inside = string_inside(doc, node);
        uint8_t i = table.bucket[find_bucket(inside)];
        for (; i != FIND_NONE; i = table.next[i]) {
            if (slice_eq(inside, keys[i])) {
                ret_values[i] = node + 1;
            }
        }
    }
}

void json_find_many(
    const struct json_doc *doc, uint32_t object, const struct slice *keys, size_t count, uint32_t *ret_values) {
    for (size_t i = 0; i < count; i++) {
        ret_values[i] = JSON_ABSENT;
    }
    if (!json_is(doc, object, JSON_OBJECT)) {
        return;
    }
    for (size_t i = 0; i < count; i += FIND_AT_ONCE) {
        size_t left = count - i;
        find_some(doc, object, keys + i, left < FIND_AT_ONCE ? left : FIND_AT_ONCE, ret_values + i);
    }
}

uint32_t json_first(const struct json_doc *doc, uint32_t parent) {
    if (!json_is(doc, parent, JSON_OBJECT) && !json_is(doc, parent, JSON_ARRAY)) {
        return JSON_ABSENT;
    }
    return doc->nodes[parent].next > parent + 1 ? parent + 1 : JSON_ABSENT;
}

uint32_t json_after(const struct json_doc *doc, uint32_t parent, uint32_t node) {
    bool keyed = doc->nodes[parent].kind == JSON_OBJECT;
    uint32_t after = doc->nodes[keyed ? node + 1 : node].next;
    return after < doc->nodes[parent].next ? after : JSON_ABSENT;
}

uint32_t json_count(const struct json_doc *doc, uint32_t parent) {
    uint32_t count = 0;
    for (uint32_t node = json_first(doc, parent); node != JSON_ABSENT; node = json_after(doc, parent, node)) {
        count++;
    }
    return count;
}

static struct slice unescape(struct slice inside, struct arena *arena) {
    char *out = arena_alloc(arena, inside.len + 1); /* an escape is never shorter than what it stands for */
    size_t len = 0;
    const char *at = inside.ptr;
    const char *end = inside.ptr + inside.len;
    while (at < end) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((escape != NULL ? escape : end) - at);
        memcpy(out + len, at, plain);
        len += plain;
        at += plain;
        if (at < end) {
            char decoded[4];
            size_t decoded_len = 0;
            at += json_text_unescape(at, end, decoded, &decoded_len);
            memcpy(out + len, decoded, decoded_len);
            len += decoded_len;
        }
    }
    return slice_of(out, len);
}

struct slice json_string(const struct json_doc *doc, uint32_t node, struct arena *arena) {
    if (!json_is(doc, node, JSON_STRING)) {
        return SLICE_NONE;
    }
    struct slice inside = string_inside(doc, node);
    return doc->nodes[node].escaped ? unescape(inside, arena) : inside;
}

enum err json_u64(const struct json_doc *doc, uint32_t node, uint64_t *ret_value) {
    if (!json_is(doc, node, JSON_NUMBER)) {
        return ERR_INVALID;
    }
    struct slice text = json_raw(doc, node);
    if (slice_eq(text, SLICE("-0"))) {
        *ret_value = 0;
        return OK;
    }
    if (text.ptr[0] == '-') {
        int64_t negative = 0;
        return slice_to_i64(text, &negative) == ERR_INVALID ? ERR_INVALID : ERR_RANGE;
    }
    return slice_to_u64(text, ret_value);
}

enum err json_i64(const struct json_doc *doc, uint32_t node, int64_t *ret_value) {
    return json_is(doc, node, JSON_NUMBER) ? slice_to_i64(json_raw(doc, node), ret_value) : ERR_INVALID;
}

struct slice json_compact(struct slice json, struct arena *arena) {
    char *out = arena_alloc(arena, json.len + 1);
    size_t len = 0;
    bool in_string = false;
    for (size_t i = 0; i < json.len; i++) {
        char c = json.ptr[i];
        if (in_string && c == '\\') {
            out[len++] = c;
            out[len++] = json.ptr[++i];
            continue;
        }
        in_string ^= c == '"';
        if (in_string || (c != ' ' && c != '\t' && c != '\r' && c != '\n')) {
            out[len++] = c;
        }
    }
    return slice_of(out, len);
}
