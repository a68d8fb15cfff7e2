/* Which destinations and sources there are: those of the binary, parsed at first use, and those loaded at run time. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "destination/code_load.h"
#include "destination/embedded.h"

enum { FOLDER_SIZE = 4100, PATH_SIZE = FOLDER_SIZE + 300 };

struct catalog {
    const struct destination_type **list; /* sorted by type; each inside its struct definition */
    size_t count, room;
};

static pthread_once_t catalog_once = PTHREAD_ONCE_INIT;
static struct catalog destinations, sources;

static size_t place_of(const struct catalog *catalog, struct slice type) {
    size_t at = 0;
    while (at < catalog->count) {
        struct slice other = catalog->list[at]->type;
        size_t common = other.len < type.len ? other.len : type.len;
        int order = memcmp(other.ptr, type.ptr, common);
        if (order > 0 || (order == 0 && other.len >= type.len)) {
            break;
        }
        at++;
    }
    return at;
}

/* Takes the definition. */
static void add(struct definition *definition) {
    struct catalog *catalog = definition->type.webhook != NULL ? &sources : &destinations;
    size_t at = place_of(catalog, definition->type.type);
    if (at < catalog->count && slice_eq(catalog->list[at]->type, definition->type.type)) {
        const struct definition *old = catalog->list[at]->definition;
        catalog->list[at] = &definition->type;
        definition_free((struct definition *)old);
        return;
    }
    if (catalog->count == catalog->room) {
        catalog->room = catalog->room == 0 ? 64 : 2 * catalog->room;
        catalog->list = mem_resize(catalog->list, catalog->room * sizeof *catalog->list);
    }
    memmove(catalog->list + at + 1, catalog->list + at, (catalog->count - at) * sizeof *catalog->list);
    catalog->list[at] = &definition->type;
    catalog->count++;
}

static void load_embedded(void) {
    for (size_t i = 0; i < destination_embedded_count; i++) {
        const struct destination_embedded *row = &destination_embedded[i];
        struct errinfo why = {.at = 0};
        struct definition *definition = NULL;
        enum err e = definition_parse(
            slice_of((const char *)row->text, row->len), "built in", row->code != NULL, &definition, &why);
        if (e != OK) {
            fprintf(stderr, "%s: %s: %s\n", row->name, why.path, why.text);
        }
        ASSERT(e == OK);
        if (row->code != NULL) {
            code_attach_embedded(definition, row->name, slice_of((const char *)row->code, row->code_len));
        }
        add(definition);
    }
}

const struct destination_type *const *destination_list(size_t *ret_count) {
    pthread_once(&catalog_once, load_embedded);
    *ret_count = destinations.count;
    return destinations.list;
}

const struct destination_type *destination_find(struct slice type) {
    pthread_once(&catalog_once, load_embedded);
    size_t at = place_of(&destinations, type);
    return at < destinations.count && slice_eq(destinations.list[at]->type, type) ? destinations.list[at] : NULL;
}

const struct destination_type *const *destination_source_list(size_t *ret_count) {
    pthread_once(&catalog_once, load_embedded);
    *ret_count = sources.count;
    return sources.list;
}

/* Letters and digits alone count. */
static bool same_name(struct slice a, struct slice b) {
    size_t i = 0, k = 0;
    for (;;) {
        while (i < a.len && !isalnum((unsigned char)a.ptr[i])) {
            i++;
        }
        while (k < b.len && !isalnum((unsigned char)b.ptr[k])) {
            k++;
        }
        if (i == a.len || k == b.len) {
            return i == a.len && k == b.len;
        }
        if (tolower((unsigned char)a.ptr[i++]) != tolower((unsigned char)b.ptr[k++])) {
            return false;
        }
    }
}

const struct destination_type *destination_source_find(struct slice name) {
    pthread_once(&catalog_once, load_embedded);
    for (size_t i = 0; i < sources.count; i++) {
        if (same_name(sources.list[i]->type, name) || same_name(sources.list[i]->label, name)) {
            return sources.list[i];
        }
    }
    return NULL;
}

const char *destination_kind_name(enum destination_kind kind) {
    static const char *const names[] = {
        [DESTINATION_TABLES] = "tables", [DESTINATION_NATIVE] = "native", [DESTINATION_CODE] = "code"};
    return names[kind];
}

/* ---- files ---- */

enum err destination_load(const char *folder, const struct destination_type **ret_type, struct errinfo *why) {
    char file[PATH_SIZE];
    char code[PATH_SIZE];
    int len = snprintf(file, sizeof file, "%s/definition.json", folder);
    if (len < 0 || (size_t)len >= sizeof file) {
        return err_why(ERR_RANGE, why, folder, "the path is too long");
    }
    snprintf(code, sizeof code, "%s/transform.js", folder);
    pthread_once(&catalog_once, load_embedded);
    struct arena arena;
    struct slice text;
    struct definition *definition = NULL;
    arena_init(&arena, 0, 0);
    bool has_code = access(code, F_OK) == 0;
    enum err e = code_read_file(file, &arena, &text, why);
    if (e == OK) {
        e = definition_parse(text, file, has_code, &definition, why);
    }
    if (e == OK && has_code) {
        e = code_attach_folder(definition, folder, why);
    }
    arena_fini(&arena);
    if (e == OK) {
        add(definition);
        *ret_type = &definition->type;
    } else {
        definition_free(definition);
    }
    return e;
}

static enum err load_one(const char *parent, const char *name, struct errinfo *why) {
    char folder[PATH_SIZE];
    char file[PATH_SIZE + 32];
    const struct destination_type *loaded = NULL;
    snprintf(folder, sizeof folder, "%s/%s", parent, name);
    snprintf(file, sizeof file, "%s/definition.json", folder);
    /* other things may lie there: a folder without definition is none of ours */
    return access(file, F_OK) == 0 ? destination_load(folder, &loaded, why) : OK;
}

enum err destination_load_folder(struct slice folder, struct errinfo *why) {
    char path[FOLDER_SIZE];
    struct dirent **entries = NULL;
    if (folder.len == 0) {
        return OK;
    }
    if (folder.len >= sizeof path) {
        return err_why(ERR_RANGE, why, "destination.folder", "the path is too long");
    }
    snprintf(path, sizeof path, "%.*s", SLICE_ARG(folder));
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0) {
        return err_why(err_from_errno(errno), why, path, "destination.folder: %s", strerror(errno));
    }
    enum err e = OK;
    for (int i = 0; i < count; i++) {
        bool hidden = entries[i]->d_name[0] == '.';
        if (e == OK && !hidden && entries[i]->d_name[0] != '_') {
            e = load_one(path, entries[i]->d_name, why);
        }
        mem_free(entries[i]);
    }
    mem_free(entries);
    return e;
}
