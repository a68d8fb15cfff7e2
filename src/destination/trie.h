/* All paths that a definition reads, as one trie: a single walk over an event's nodes finds them all. Private to
 * destination/.
 *
 * A path is names joined by dots; a name of digits also indexes an array. A key that holds dots itself ({"a.b": 1}) is
 * found by a.b where {"a": {"b": …}} is not there. Of a key given twice the last counts.
 *
 * thread: a built trie is read by any. */
#ifndef SLUICE_DESTINATION_TRIE_H
#define SLUICE_DESTINATION_TRIE_H

#include "json/json.h"

struct trie_node {
    struct slice key;
    struct trie_node *child, *next;
    uint64_t lengths;    /* bit n: a child's key has n bytes; bit 63: 63 or more */
    uint32_t slot;       /* of this path among all */
    uint32_t index;      /* the key as an index; UINT32_MAX = it is none */
    uint32_t last_index; /* the highest index among the children; UINT32_MAX = none has one */
};

struct trie {
    struct trie_node root; /* slot 0: where the walk begins */
    uint32_t slots;
};

void trie_init(struct trie *trie);
/* The slot of `path`; "" is the root's. */
uint32_t trie_add(struct trie *trie, struct arena *arena, struct slice path);
/* slots[0 … trie->slots): the node of each path, or JSON_ABSENT. `arena` for keys with escapes. */
void trie_walk(
    const struct trie *trie, const struct json_doc *doc, uint32_t node, struct arena *arena, uint32_t *slots);

#endif
