/* Transformations of a draft, and the files that hold their code. Paths are relative to the workspace file's folder. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "model/workspace_build.h"

enum { PATH_SIZE = 4096 };

struct transformation *draft_transformation_find(const struct draft *draft, struct slice id) {
    for (struct draft_transformation *each = draft->transformations; each != NULL; each = each->next) {
        if (slice_eq(each->transformation.id, id)) {
            return &each->transformation;
        }
    }
    return NULL;
}

struct transformation *draft_transformation_add(struct draft *draft, const struct transformation *values) {
    struct draft_transformation *added = ARENA_NEW(draft->arena, struct draft_transformation);
    added->transformation = *values;
    *draft->transformations_end = added;
    draft->transformations_end = &added->next;
    draft->workspace->info.transformation_count++;
    return &added->transformation;
}

/* ---- files ---- */

static bool join(const struct draft *draft, struct slice relative, char *out) {
    const char *slash = strrchr(draft->file, '/');
    bool absolute = relative.len > 0 && relative.ptr[0] == '/';
    int folder = absolute || slash == NULL ? 0 : (int)(slash - draft->file) + 1;
    int len = snprintf(out, PATH_SIZE, "%.*s%.*s", folder, draft->file, SLICE_ARG(relative));
    return len < PATH_SIZE && memchr(relative.ptr, '\0', relative.len) == NULL;
}

enum err draft_code_file(
    struct draft *draft, struct slice relative, struct slice *ret_code, struct slice *ret_place, struct errinfo *why) {
    char path[PATH_SIZE];
    struct stat status;
    if (!join(draft, relative, path)) {
        return err_why(ERR_INVALID, why, "", "is no path of a file");
    }
    if (stat(path, &status) != 0) {
        return err_why(ERR_NOT_FOUND, why, path, "there is no such file");
    }
    if (!S_ISREG(status.st_mode)) {
        return err_why(ERR_INVALID, why, path, "it is not a plain file");
    }
    struct buf text;
    buf_init(&text, WORKSPACE_CODE_MAX * 2);
    enum err e = place_read_file(path, WORKSPACE_CODE_MAX, /* padding */ 0, &text, why);
    if (e == OK) {
        *ret_code = arena_dup(draft->arena, buf_slice(&text));
        *ret_place = arena_dup(draft->arena, slice_cstr(path));
    }
    buf_fini(&text);
    return e;
}

static int is_code(const struct dirent *entry) {
    size_t len = strlen(entry->d_name);
    return entry->d_name[0] != '.' && len > 3 && strcmp(entry->d_name + len - 3, ".js") == 0;
}

static enum err read_library(struct draft *draft, const char *folder, const char *name,
    struct transformation_library *ret_library, struct errinfo *why) {
    char relative[PATH_SIZE];
    if (snprintf(relative, sizeof relative, "%s/%s", folder, name) >= PATH_SIZE) {
        return err_why(ERR_RANGE, why, folder, "a path is too long");
    }
    ret_library->name = arena_dup(draft->arena, slice_of(name, strlen(name) - 3));
    return draft_code_file(draft, slice_cstr(relative), &ret_library->code, &ret_library->place, why);
}

enum err draft_code_folder(struct draft *draft, const char *relative,
    const struct transformation_library **ret_libraries, size_t *ret_count, struct errinfo *why) {
    char path[PATH_SIZE];
    struct dirent **entries = NULL;
    *ret_count = 0;
    int count = join(draft, slice_cstr(relative), path) ? scandir(path, &entries, is_code, alphasort) : -1;
    if (count < 0) {
        return OK;
    }
    struct transformation_library *libraries =
        ARENA_ARRAY(draft->arena, struct transformation_library, (size_t)count + 1);
    enum err e = OK;
    for (int i = 0; i < count; i++) {
        e = e == OK ? read_library(draft, relative, entries[i]->d_name, &libraries[i], why) : e;
        free(entries[i]); /* scandir's own memory */
    }
    free(entries);
    *ret_libraries = libraries;
    *ret_count = (size_t)count;
    return e;
}
