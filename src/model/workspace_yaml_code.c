/* `transformations:` of workspace.yaml: code inline or in a file beside it, libraries, credentials. */
#include "model/workspace_yaml_code.h"

#include <stdio.h>

#include "json/json_write.h"

enum { NAME, FILE_, CODE, ID, LANGUAGE, LIBRARIES, CREDENTIALS, FIELD_COUNT };
static const struct ytree_field fields[FIELD_COUNT] = {
    [ID] = {"id", YTREE_WANT_TEXT, true, WORKSPACE_ID_MAX},
    [NAME] = {"name", YTREE_WANT_TEXT, false, WORKSPACE_NAME_MAX},
    [CODE] = {"code", YTREE_WANT_TEXT, false, WORKSPACE_CODE_MAX},
    [FILE_] = {"file", YTREE_WANT_TEXT, false, WORKSPACE_NAME_MAX},
    [LANGUAGE] = {"version", YTREE_WANT_SCALAR, false, 0},
    [LIBRARIES] = {"libraries", YTREE_WANT_MAP, false, 0},
    [CREDENTIALS] = {"credentials", YTREE_WANT_LIST, false, 0},
};

enum { LIBRARY_CODE, LIBRARY_FILE, LIBRARY_COUNT };
static const struct ytree_field library_fields[LIBRARY_COUNT] = {
    {"code", YTREE_WANT_TEXT, false, WORKSPACE_CODE_MAX},
    {"file", YTREE_WANT_TEXT, false, WORKSPACE_NAME_MAX},
};

enum { CREDENTIAL_KEY, CREDENTIAL_VALUE, CREDENTIAL_COUNT };
static const struct ytree_field credential_fields[CREDENTIAL_COUNT] = {
    {"key", YTREE_WANT_TEXT, true, WORKSPACE_NAME_MAX},
    {"value", YTREE_WANT_TEXT, true, 0},
};

static struct slice keep(const struct yaml_code *code, const struct ytree_node *node) {
    return arena_dup(code->draft->arena, node != NULL ? node->text : SLICE(""));
}

/* Exactly one of `code` and `file`. */
struct origin {
    const struct ytree_node *map, *code, *file;
    const char *path;
};

/* A block's text begins on the line behind its "|", at the blanks of the first line that has any text. */
static void find_block(const struct yaml_code *code, const struct ytree_node *node, struct code_place *place) {
    struct slice rest = code->draft->text;
    for (uint32_t line = 0; line < node->line && rest.ptr != NULL; line++) {
        (void)slice_cut(rest, '\n', &rest);
    }
    place->line = node->line + 1;
    while (rest.ptr != NULL) {
        struct slice line = slice_cut(rest, '\n', &rest);
        uint32_t blanks = 0;
        while (blanks < line.len && line.ptr[blanks] == ' ') {
            blanks++;
        }
        if (blanks < line.len && line.ptr[blanks] != '\r') {
            place->indent = blanks;
            return;
        }
    }
}

static enum err read_code(
    const struct yaml_code *code, const struct origin *origin, struct slice *ret_code, struct code_place *ret_place) {
    struct errinfo why = {.text = ""};
    struct arena *arena = code->draft->arena;
    if ((origin->code != NULL) == (origin->file != NULL)) {
        return ytree_fail(code->tree, origin->map, origin->path, "needs exactly one of 'code' and 'file'");
    }
    if (origin->code != NULL) {
        *ret_code = keep(code, origin->code);
        ret_place->path = arena_printf(arena, "%s.code", origin->path);
        ret_place->text = arena_printf(arena, "%s:%u %s.code", code->tree->file, origin->code->line, origin->path);
        if (origin->code->literal) {
            find_block(code, origin->code, ret_place);
        }
        return OK;
    }
    ret_place->in_file = true;
    enum err e = draft_code_file(code->draft, origin->file->text, ret_code, &ret_place->text, &why);
    if (e != OK) {
        struct place_path path = place_path_join(origin->path, "file");
        struct place_quote quote = place_quote(origin->file->written);
        return ytree_fail(code->tree, origin->file, path.text, "'%s': %s", quote.text, why.text);
    }
    return OK;
}

static enum err read_libraries(const struct yaml_code *code, const struct ytree_node *map, const char *path,
    struct transformation *transformation) {
    if (map == NULL) {
        return OK;
    }
    if (map->count > WORKSPACE_LIBRARIES_MAX) {
        return ytree_fail(
            code->tree, map, path, "has %u libraries; the limit is %d", map->count, WORKSPACE_LIBRARIES_MAX);
    }
    struct transformation_library *libraries =
        ARENA_ARRAY(code->draft->arena, struct transformation_library, map->count + 1);
    transformation->libraries = libraries;
    for (const struct ytree_item *item = map->first; item != NULL; item = item->next) {
        struct transformation_library *library = &libraries[transformation->library_count++];
        const struct ytree_node *field[LIBRARY_COUNT];
        struct place_quote quote = place_quote(item->key);
        struct place_path inner = place_path("%s.libraries.%s", path, quote.text);
        library->name = arena_dup(code->draft->arena, item->key);
        enum err e = ytree_fields(code->tree, item->value, inner.text, library_fields, LIBRARY_COUNT, field);
        const struct origin origin = {item->value, field[LIBRARY_CODE], field[LIBRARY_FILE], inner.text};
        e = e == OK ? read_code(code, &origin, &library->code, &library->place) : e;
        if (e != OK) {
            return e;
        }
    }
    return OK;
}

static enum err write_credentials(
    const struct yaml_code *code, const struct ytree_node *list, const char *path, struct json_writer *json) {
    size_t index = 0;
    for (const struct ytree_item *item = list != NULL ? list->first : NULL; item != NULL; item = item->next) {
        const struct ytree_node *field[CREDENTIAL_COUNT];
        struct place_path inner = place_path("%s.credentials[%zu]", path, index++);
        enum err e = ytree_fields(code->tree, item->value, inner.text, credential_fields, CREDENTIAL_COUNT, field);
        if (e != OK) {
            return e;
        }
        json_write_object(json);
        json_put_string(json, "key", field[CREDENTIAL_KEY]->text);
        json_put_string(json, "value", field[CREDENTIAL_VALUE]->text);
        json_write_end(json);
    }
    return OK;
}

static enum err read_credentials(
    const struct yaml_code *code, const struct ytree_node *list, const char *path, struct slice *ret_credentials) {
    struct buf text;
    struct json_writer json;
    buf_init(&text, 0);
    json_writer_init(&json, &text);
    json_write_array(&json);
    enum err e = write_credentials(code, list, path, &json);
    if (e == OK) {
        json_write_end(&json);
        *ret_credentials = arena_dup(code->draft->arena, buf_slice(&text));
    }
    buf_fini(&text);
    return e;
}

static enum err read_language(
    const struct yaml_code *code, const struct ytree_node *node, const char *path, unsigned *ret_language) {
    uint64_t language = 1;
    if (node != NULL && (slice_to_u64(node->text, &language) != OK || language > 1)) {
        struct place_path inner = place_path_join(path, "version");
        struct place_quote quote = place_quote(node->written);
        return ytree_fail(code->tree, node, inner.text,
            "must be 1 (a module with transformEvent or transformBatch) or 0 (a script with transform), not '%s'",
            quote.text);
    }
    *ret_language = (unsigned)language;
    return OK;
}

enum err yaml_code_read(const struct yaml_code *code, const struct ytree_node *map, const char *path) {
    const struct ytree_node *field[FIELD_COUNT];
    enum err e = ytree_fields(code->tree, map, path, fields, FIELD_COUNT, field);
    if (e != OK) {
        return e;
    }
    struct transformation read = {.id = keep(code, field[ID]), .name = keep(code, field[NAME])};
    read.name = read.name.len > 0 ? read.name : read.id;
    struct place_path id_path = place_path_join(path, "id");
    struct place_quote quote = place_quote(read.id);
    if (slice_eq(read.id, SLICE("none")) || draft_transformation_find(code->draft, read.id) != NULL) {
        return ytree_fail(code->tree, field[ID], id_path.text, "the id '%s' %s", quote.text,
            slice_eq(read.id, SLICE("none")) ? "means no transformation" : "is used twice");
    }
    const struct origin origin = {map, field[CODE], field[FILE_], path};
    e = read_code(code, &origin, &read.code, &read.place);
    e = e == OK ? read_language(code, field[LANGUAGE], path, &read.language) : e;
    e = e == OK ? read_libraries(code, field[LIBRARIES], path, &read) : e;
    e = e == OK ? read_credentials(code, field[CREDENTIALS], path, &read.credentials) : e;
    if (e == OK) {
        (void)draft_transformation_add(code->draft, &read); /* connections find it by its id */
    }
    return e;
}

/* ---- references ---- */

static enum err dangling(const struct yaml_code *code, const struct ytree_node *node, const char *path) {
    const char *best = NULL;
    unsigned best_distance = UINT32_MAX;
    for (const struct draft_transformation *each = code->draft->transformations; each != NULL; each = each->next) {
        unsigned distance = slice_distance(node->text, each->transformation.id);
        best = distance < best_distance ? each->transformation.id.ptr : best; /* from arena_dup: a C string */
        best_distance = distance < best_distance ? distance : best_distance;
    }
    struct place_path whole = place_path_join(path, "transformation");
    struct place_quote quote = place_quote(node->text);
    return ytree_fail(code->tree, node, whole.text, "there is no transformation '%s'; %s%s%s", quote.text,
        best != NULL ? "the nearest is '" : "the workspace has none", best != NULL ? best : "",
        best != NULL ? "'" : "");
}

enum err yaml_code_choose(const struct yaml_code *code, const struct yaml_code_choice *choice,
    const struct transformation **transformation, enum on_error *on_error) {
    if (choice->transformation != NULL) {
        bool none = slice_eq(choice->transformation->text, SLICE("none"));
        *transformation = none ? NULL : draft_transformation_find(code->draft, choice->transformation->text);
        if (!none && *transformation == NULL) {
            return dangling(code, choice->transformation, choice->path);
        }
    }
    if (choice->on_error == NULL) {
        return OK;
    }
    for (enum on_error each = ON_ERROR_DEAD; each <= ON_ERROR_STOP; each++) {
        if (slice_eq(choice->on_error->text, slice_cstr(on_error_word(each)))) {
            *on_error = each;
            return OK;
        }
    }
    struct place_path path = place_path_join(choice->path, "on_error");
    struct place_quote quote = place_quote(choice->on_error->written);
    return ytree_fail(
        code->tree, choice->on_error, path.text, "must be 'dead', 'pass' or 'stop', not '%s'", quote.text);
}
