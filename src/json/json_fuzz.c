/* Any bytes into the parser. What is accepted must hold together: nodes nest, the same text parses to the same nodes,
 * look-ups and unescaping stay inside, and an edit of it is accepted again. The text sits at the end of a block of
 * exactly its size and padding, so that a sanitizer sees the first byte read beyond. */
#include <stddef.h>
#include <stdint.h>

#include "json/json_edit.h"
#include "json/json_write.h"

#define DEPTH 32
#define INPUT_MAX (64 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct json_parser *parser, *other;

static char *padded_copy(const void *bytes, size_t size, char behind) {
    char *copy = mem_alloc(size + JSON_PADDING);
    if (size > 0) {
        memcpy(copy, bytes, size);
    }
    memset(copy + size, behind, JSON_PADDING);
    return copy;
}

static void check_node(const struct json_doc *doc, uint32_t i) {
    const struct json_node *n = &doc->nodes[i];
    ASSERT(n->start < n->end && n->end <= doc->len);
    ASSERT(n->next > i && n->next <= doc->count);
    ASSERT(n->kind >= JSON_ARRAY || n->next == i + 1);
    ASSERT(n->kind != JSON_STRING ||
        (doc->text[n->start] == '"' && doc->text[n->end - 1] == '"' && n->end - n->start >= 2));
    ASSERT(n->depth <= DEPTH);
    uint32_t behind = n->start + 1; /* children follow each other inside their parent */
    for (uint32_t child = i + 1; child < n->next; child = doc->nodes[child].next) {
        ASSERT(doc->nodes[child].depth == n->depth + 1);
        ASSERT(doc->nodes[child].start >= behind && doc->nodes[child].end < n->end);
        ASSERT(doc->nodes[child].next <= n->next);
        behind = doc->nodes[child].end;
    }
}

static void check_values(const struct json_doc *doc, uint32_t i, struct arena *arena) {
    struct slice s = json_string(doc, i, arena);
    ASSERT(json_is(doc, i, JSON_STRING) == (s.ptr != NULL));
    ASSERT(s.ptr == NULL || s.len <= json_raw(doc, i).len - 2);
    int64_t signed_value;
    uint64_t unsigned_value;
    if (json_i64(doc, i, &signed_value) == OK && json_u64(doc, i, &unsigned_value) == OK) {
        ASSERT((uint64_t)signed_value == unsigned_value);
    }
}

/* Every member must be found by its own unescaped key, alone and together, and be the last of that name. */
static void check_members(const struct json_doc *doc, uint32_t object, struct arena *arena) {
    enum { TOGETHER = 40 };
    struct slice keys[TOGETHER];
    uint32_t values[TOGETHER];
    size_t count = 0;
    for (uint32_t key = json_first(doc, object); key != JSON_ABSENT && count < TOGETHER;) {
        keys[count++] = json_string(doc, key, arena);
        key = json_after(doc, object, key);
    }
    json_find_many(doc, object, keys, count, values);
    for (size_t i = 0; i < count; i++) {
        ASSERT(values[i] != JSON_ABSENT && values[i] == json_find(doc, object, keys[i]));
        ASSERT(slice_eq(json_string(doc, values[i] - 1, arena), keys[i]));
    }
}

static void check_edit(const struct json_doc *doc, uint32_t object, struct arena *arena) {
    struct json_edit edit;
    json_edit_init(&edit, doc, object);
    uint32_t first = json_first(doc, object);
    if (first != JSON_ABSENT) {
        json_edit_replace(&edit, first + 1, SLICE("[{}]"));
    }
    json_edit_append(&edit, SLICE("\"receivedAt\":1"));
    json_edit_append(&edit, SLICE("\"\":\"\""));
    size_t size = json_edit_size(&edit);
    char *text = padded_copy(NULL, 0, 0);
    text = mem_resize(text, size + JSON_PADDING);
    json_edit_write(&edit, text);
    struct json_doc edited;
    enum err e = json_parse(other, slice_of(text, size), &edited, NULL);
    ASSERT(e == OK || e == ERR_TOO_DEEP); /* the new value is two levels deep */
    if (e == OK) {
        ASSERT(json_count(&edited, 0) == json_count(doc, object) + 2);
        ASSERT(slice_eq(json_string(&edited, json_find(&edited, 0, SLICE("")), arena), SLICE("")));
    }
    mem_free(text);
}

static void check_reads_back(struct buf *out, struct slice s, struct arena *arena) {
    char *text = padded_copy(out->ptr, out->len, '"');
    struct json_doc again;
    ASSERT(json_parse(other, slice_of(text, out->len), &again, NULL) == OK);
    ASSERT(slice_eq(json_string(&again, 0, arena), s));
    mem_free(text);
    buf_reset(out);
}

/* Each string escaped anew, or written with escapes only, must read back as the same bytes. */
static void check_rewrite(const struct json_doc *doc, uint32_t node, struct arena *arena) {
    struct slice s = json_string(doc, node, arena);
    struct buf out;
    struct json_writer json;
    buf_init(&out, 0);
    json_escape(&out, s);
    check_reads_back(&out, s, arena);
    json_writer_init(&json, &out);
    json_write_ascii(&json, json_raw(doc, node));
    ASSERT(slice_ascii_len(buf_slice(&out)) == out.len);
    check_reads_back(&out, s, arena);
    buf_fini(&out);
}

static void check_same(const struct json_doc *doc, const char *text, size_t size) {
    struct json_doc again;
    ASSERT(json_parse(other, slice_of(text, size), &again, NULL) == OK);
    ASSERT(again.count == doc->count);
    ASSERT(memcmp(again.nodes, doc->nodes, doc->count * sizeof(doc->nodes[0])) == 0);
}

static void check_document(const struct json_doc *doc) {
    struct arena arena;
    arena_init(&arena, 4096, 0);
    ASSERT(doc->count > 0 && doc->nodes[0].next == doc->count && doc->nodes[0].depth == 0);
    for (uint32_t i = 0; i < doc->count; i++) {
        check_node(doc, i);
        check_values(doc, i, &arena);
        if (i < 64 && json_is(doc, i, JSON_OBJECT)) {
            check_members(doc, i, &arena);
            check_edit(doc, i, &arena);
        }
        if (i < 64 && json_is(doc, i, JSON_STRING)) {
            check_rewrite(doc, i, &arena);
        }
    }
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (parser == NULL) {
        parser = json_parser_new(DEPTH);
        other = json_parser_new(DEPTH);
    }
    if (size > INPUT_MAX) {
        return 0;
    }
    char *text = padded_copy(data, size, 0);
    char *text_again = padded_copy(data, size, '"');
    struct json_doc doc;
    struct errinfo why = {0};
    enum err e = json_parse(parser, slice_of(text, size), &doc, &why);
    if (e == OK) {
        check_same(&doc, text_again, size);
        check_document(&doc);
    } else {
        struct json_doc refused;
        ASSERT(json_parse(other, slice_of(text_again, size), &refused, NULL) == e);
        ASSERT((e == ERR_INVALID_JSON || e == ERR_TOO_DEEP) && why.at <= size && why.text[0] != '\0');
    }
    mem_free(text);
    mem_free(text_again);
    return 0;
}
