/* Snapshots: loading, reference counts, look-ups, and the cell that holds the current one.
 *
 * The count of references is atomic. The cell's pointer is under a mutex, because taking a reference is "read, then
 * count", and a swap between the two would free what was read; its generation is atomic, so that a stage asks for it at
 * no cost. */
#include "model/workspace.h"

#include <pthread.h>

#include "base/buf.h"
#include "base/hash.h"
#include "model/workspace_build.h"

#define ARENA_CHUNK 16384

/* Generations of this process; only loading takes one. */
static _Atomic uint64_t last_generation;

static struct workspace *workspace_new(const char *path) {
    struct workspace *workspace = mem_alloc(sizeof(*workspace));
    atomic_init(&workspace->references, 1);
    arena_init(&workspace->arena, ARENA_CHUNK, 0);
    workspace->info.path = arena_dup(&workspace->arena, slice_cstr(path));
    return workspace;
}

static void workspace_free(struct workspace *workspace) {
    arena_fini(&workspace->arena);
    mem_free(workspace);
}

/* White space and a byte order mark, which JSON does not know. */
static struct slice without_mark(struct slice text) {
    bool mark = slice_starts(text, SLICE("\xEF\xBB\xBF"));
    return mark ? slice_of(text.ptr + 3, text.len - 3) : text;
}

static bool names_json(const char *path) {
    size_t len = strlen(path);
    return len >= 5 && slice_eq_nocase(slice_of(path + len - 5, 5), SLICE(".json"));
}

/* A JSON object with a "sources" array is the original's, unless it has a "version": then it is a workspace.yaml in
 * JSON's clothes. A file that is called .json counts as the original's too, so that a broken one is told what JSON, and
 * not YAML, thinks of it. */
static bool is_original(const struct json_doc *doc, const char *file) {
    if (json_find(doc, 0, SLICE("version")) != JSON_ABSENT) {
        return false;
    }
    return json_is(doc, json_find(doc, 0, SLICE("sources")), JSON_ARRAY) || names_json(file);
}

static enum err read_text(struct draft *draft, struct json_parser *parser) {
    struct slice text = draft->text;
    struct slice trimmed = slice_trim(text);
    if (trimmed.len == 0 || trimmed.ptr[0] != '{') {
        return workspace_yaml_read(draft);
    }
    struct json_doc doc;
    struct errinfo inner = {.at = 0};
    enum err e = json_parse(parser, text, &doc, &inner);
    if (e == OK) {
        return is_original(&doc, draft->file) ? workspace_json_read(draft, &doc) : workspace_yaml_read(draft);
    }
    if (!names_json(draft->file)) {
        return workspace_yaml_read(draft);
    }
    draft->why->at = inner.at;
    return place_fail(e, draft->why, place_of_byte(draft->file, text, inner.at), "", "not JSON: %s", inner.text);
}

/* `text` has JSON_PADDING bytes behind it. */
static enum err parse_padded(
    struct slice text, struct workspace *workspace, const struct workspace_types *types, struct errinfo *why) {
    struct draft draft;
    draft_init(&draft, workspace);
    draft.file = workspace->info.path.ptr;
    draft.why = why;
    draft.types = types;
    draft.text = without_mark(text);
    struct json_parser *parser = json_parser_new(WORKSPACE_DEPTH_MAX);
    enum err e = read_text(&draft, parser);
    json_parser_free(parser);
    if (e == OK) {
        draft_finish(&draft);
    }
    return e;
}

static enum err parse_new(struct slice padded, const char *path, const struct workspace_types *types,
    struct workspace **ret_workspace, struct errinfo *why) {
    struct errinfo unwanted = {.at = 0};
    struct workspace *workspace = workspace_new(path);
    enum err e = parse_padded(padded, workspace, types, why != NULL ? why : &unwanted);
    if (e != OK) {
        workspace_free(workspace);
        return e;
    }
    workspace->info.generation = atomic_fetch_add_explicit(&last_generation, 1, memory_order_relaxed) + 1;
    *ret_workspace = workspace;
    return OK;
}

enum err workspace_load(
    const char *path, const struct workspace_types *types, struct workspace **ret_workspace, struct errinfo *why) {
    struct buf buf;
    buf_init(&buf, WORKSPACE_FILE_MAX * 2);
    enum err e = place_read_file(path, WORKSPACE_FILE_MAX, JSON_PADDING, &buf, why);
    if (e == OK) {
        e = parse_new(buf_slice(&buf), path, types, ret_workspace, why);
    }
    buf_fini(&buf);
    return e;
}

enum err workspace_parse(struct slice text, const char *path, const struct workspace_types *types,
    struct workspace **ret_workspace, struct errinfo *why) {
    if (text.len > WORKSPACE_FILE_MAX) {
        return place_fail(ERR_TOO_LARGE, why, (struct place){path, 0, 0}, "", "is larger than the limit of %zu MiB",
            WORKSPACE_FILE_MAX >> 20);
    }
    char *padded = mem_alloc(text.len + JSON_PADDING);
    if (text.len > 0) {
        memcpy(padded, text.ptr, text.len);
    }
    enum err e = parse_new(slice_of(padded, text.len), path, types, ret_workspace, why);
    mem_free(padded);
    return e;
}

struct workspace *workspace_hold(struct workspace *workspace) {
    uint32_t before = atomic_fetch_add_explicit(&workspace->references, 1, memory_order_relaxed);
    ASSERT(before > 0);
    return workspace;
}

void workspace_release(struct workspace *workspace) {
    if (workspace == NULL) {
        return;
    }
    uint32_t before = atomic_fetch_sub_explicit(&workspace->references, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before == 1) {
        workspace_free(workspace);
    }
}

const struct workspace_info *workspace_info(const struct workspace *workspace) {
    return &workspace->info;
}

const struct source *workspace_source_by_write_key(const struct workspace *workspace, struct slice write_key) {
    const struct draft_source *found = key_table_find(&workspace->sources_by_write_key, hash64(write_key));
    return found != NULL && slice_eq(found->source.write_key, write_key) ? &found->source : NULL;
}

const struct source *workspace_source_by_key(const struct workspace *workspace, uint64_t key) {
    const struct draft_source *found = key_table_find(&workspace->sources_by_key, key);
    return found != NULL ? &found->source : NULL;
}

const struct source *workspace_source_by_id(const struct workspace *workspace, struct slice id) {
    const struct source *found = workspace_source_by_key(workspace, hash64(id));
    return found != NULL && slice_eq(found->id, id) ? found : NULL;
}

const struct destination *workspace_destination_by_key(const struct workspace *workspace, uint64_t key) {
    const struct draft_destination *found = key_table_find(&workspace->destinations_by_key, key);
    return found != NULL ? &found->destination : NULL;
}

const struct transformation *workspace_transformation_by_id(const struct workspace *workspace, struct slice id) {
    const struct workspace_info *info = &workspace->info;
    for (size_t i = 0; i < info->transformation_count; i++) { /* they are few */
        if (slice_eq(info->transformations[i]->id, id)) {
            return info->transformations[i];
        }
    }
    return NULL;
}

const char *on_error_word(enum on_error on_error) {
    static const char *const words[] = {[ON_ERROR_DEAD] = "dead", [ON_ERROR_PASS] = "pass", [ON_ERROR_STOP] = "stop"};
    return words[on_error];
}

/* ---- the cell ---- */

struct workspace_cell {
    pthread_mutex_t lock;
    struct workspace *current; /* under lock */
    _Atomic uint64_t generation;
};

struct workspace_cell *workspace_cell_new(struct workspace *first) {
    struct workspace_cell *cell = mem_alloc(sizeof(*cell));
    int failed = pthread_mutex_init(&cell->lock, NULL);
    ASSERT(failed == 0);
    cell->current = first;
    atomic_init(&cell->generation, first->info.generation);
    return cell;
}

void workspace_cell_free(struct workspace_cell *cell) {
    if (cell == NULL) {
        return;
    }
    workspace_release(cell->current);
    (void)pthread_mutex_destroy(&cell->lock); /* nobody holds it: the cell is the caller's alone */
    mem_free(cell);
}

static void cell_lock(struct workspace_cell *cell) {
    int failed = pthread_mutex_lock(&cell->lock);
    ASSERT(failed == 0);
}

static void cell_unlock(struct workspace_cell *cell) {
    int failed = pthread_mutex_unlock(&cell->lock);
    ASSERT(failed == 0);
}

struct workspace *workspace_cell_get(struct workspace_cell *cell) {
    cell_lock(cell);
    struct workspace *current = workspace_hold(cell->current);
    cell_unlock(cell);
    return current;
}

void workspace_cell_swap(struct workspace_cell *cell, struct workspace *next) {
    cell_lock(cell);
    struct workspace *old = cell->current;
    cell->current = next;
    atomic_store_explicit(&cell->generation, next->info.generation, memory_order_release);
    cell_unlock(cell);
    workspace_release(old); /* outside the lock: freeing a large snapshot takes time */
}

uint64_t workspace_cell_generation(const struct workspace_cell *cell) {
    return atomic_load_explicit(&cell->generation, memory_order_acquire);
}
