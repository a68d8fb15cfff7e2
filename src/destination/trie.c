/* See trie.h. */
#include "destination/trie.h"

#define LENGTH_BITS 63
#define NO_INDEX UINT32_MAX

struct walk {
    const struct json_doc *doc;
    struct arena *arena;
    uint32_t *slots;
};

static uint64_t length_bit(size_t len) {
    return (uint64_t)1 << (len < LENGTH_BITS ? len : LENGTH_BITS);
}

static struct trie_node *find_child(const struct trie_node *node, struct slice key) {
    if ((node->lengths & length_bit(key.len)) == 0) {
        return NULL;
    }
    for (struct trie_node *child = node->child; child != NULL; child = child->next) {
        if (child->key.len == key.len && memcmp(child->key.ptr, key.ptr, key.len) == 0) {
            return child;
        }
    }
    return NULL;
}

void trie_init(struct trie *trie) {
    *trie = (struct trie){.root = {.index = NO_INDEX, .last_index = NO_INDEX}, .slots = 1};
}

static uint32_t index_of(struct slice key) {
    enum { INDEX_MAX = 100000 };
    uint64_t index = 0;
    return slice_to_u64(key, &index) == OK && index <= INDEX_MAX ? (uint32_t)index : NO_INDEX;
}

static struct trie_node *add_child(struct trie *trie, struct arena *arena, struct trie_node *node, struct slice key) {
    struct trie_node *child = ARENA_NEW(arena, struct trie_node);
    struct trie_node **end = &node->child;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = child;
    child->key = arena_dup(arena, key);
    child->slot = trie->slots++;
    child->index = index_of(key);
    child->last_index = NO_INDEX;
    node->lengths |= length_bit(key.len);
    if (child->index != NO_INDEX && (node->last_index == NO_INDEX || child->index > node->last_index)) {
        node->last_index = child->index;
    }
    return child;
}

uint32_t trie_add(struct trie *trie, struct arena *arena, struct slice path) {
    struct trie_node *node = &trie->root;
    while (path.ptr != NULL && path.len > 0) {
        struct slice rest;
        struct slice key = slice_cut(path, '.', &rest);
        struct trie_node *child = find_child(node, key);
        node = child != NULL ? child : add_child(trie, arena, node, key);
        path = rest;
    }
    return node->slot;
}

/* ---- the walk ---- */

static void enter(struct walk *w, const struct trie_node *at, uint32_t value);

static void forget(struct walk *w, const struct trie_node *at) {
    w->slots[at->slot] = JSON_ABSENT;
    for (const struct trie_node *child = at->child; child != NULL; child = child->next) {
        forget(w, child);
    }
}

static struct slice key_text(const struct walk *w, uint32_t key) {
    const struct json_node *node = &w->doc->nodes[key];
    if (node->escaped) {
        return json_string(w->doc, key, w->arena);
    }
    return slice_of(w->doc->text + node->start + 1, node->end - node->start - 2);
}

/* A key with dots leads several steps down at once. */
static void enter_dotted(struct walk *w, const struct trie_node *at, uint32_t key) {
    struct slice rest = key_text(w, key);
    if (memchr(rest.ptr, '.', rest.len) == NULL) {
        return;
    }
    while (at != NULL && rest.ptr != NULL) {
        at = find_child(at, slice_cut(rest, '.', &rest));
    }
    if (at != NULL && w->slots[at->slot] == JSON_ABSENT) {
        enter(w, at, key + 1);
    }
}

static void walk_object(struct walk *w, const struct trie_node *at, uint32_t object) {
    const struct json_node *nodes = w->doc->nodes;
    uint32_t end = nodes[object].next;
    bool dotted = false;
    for (uint32_t key = object + 1; key < end; key = nodes[key + 1].next) {
        struct slice name = key_text(w, key);
        const struct trie_node *child = find_child(at, name);
        if (child != NULL) {
            enter(w, child, key + 1);
        } else {
            dotted = dotted || memchr(name.ptr, '.', name.len) != NULL;
        }
    }
    for (uint32_t key = object + 1; dotted && key < end; key = nodes[key + 1].next) {
        enter_dotted(w, at, key);
    }
}

static void walk_array(struct walk *w, const struct trie_node *at, uint32_t array) {
    if (at->last_index == NO_INDEX) {
        return;
    }
    uint32_t end = w->doc->nodes[array].next;
    uint32_t index = 0;
    for (uint32_t item = array + 1; item < end && index <= at->last_index; item = w->doc->nodes[item].next, index++) {
        for (const struct trie_node *child = at->child; child != NULL; child = child->next) {
            if (child->index == index) {
                enter(w, child, item);
            }
        }
    }
}

/* Recursion is as deep as the longest path. */
static void enter(struct walk *w, const struct trie_node *at, uint32_t value) {
    if (UNLIKELY(w->slots[at->slot] != JSON_ABSENT)) {
        forget(w, at); /* the key was there before */
    }
    w->slots[at->slot] = value;
    if (at->child == NULL) {
        return;
    }
    if (w->doc->nodes[value].kind == JSON_OBJECT) {
        walk_object(w, at, value);
    } else if (w->doc->nodes[value].kind == JSON_ARRAY) {
        walk_array(w, at, value);
    }
}

void trie_walk(
    const struct trie *trie, const struct json_doc *doc, uint32_t node, struct arena *arena, uint32_t *slots) {
    struct walk w = {.doc = doc, .arena = arena, .slots = slots};
    for (uint32_t i = 0; i < trie->slots; i++) {
        slots[i] = JSON_ABSENT;
    }
    enter(&w, &trie->root, node);
}
