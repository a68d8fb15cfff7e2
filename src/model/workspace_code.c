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

static bool is_code(const char *name) {
    size_t len = strlen(name);
    return name[0] != '.' && len > 3 && strcmp(name + len - 3, ".js") == 0;
}

static int by_name(const void *left, const void *right) {
    const char *const *a = left;
    const char *const *b = right;
    return strcmp(*a, *b);
}

/* Names of the code files there, sorted: the order is part of a version. */
static size_t list_folder(struct draft *draft, const char *path, const char **out, size_t room) {
    DIR *folder = opendir(path);
    size_t count = 0;
    for (struct dirent *entry = NULL; folder != NULL && count < room && (entry = readdir(folder)) != NULL;) {
        if (is_code(entry->d_name)) {
            out[count++] = arena_dup(draft->arena, slice_cstr(entry->d_name)).ptr;
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    qsort(out, count, sizeof *out, by_name);
    return count;
}

static enum err read_library(struct draft *draft, const char *folder, const char *name,
    struct transformation_library *ret_library, struct errinfo *why) {
    char relative[PATH_SIZE];
    if (snprintf(relative, sizeof relative, "%s/%s", folder, name) >= PATH_SIZE) {
        return err_why(ERR_RANGE, why, folder, "a path is too long");
    }
    ret_library->place.in_file = true;
    ret_library->name = arena_dup(draft->arena, slice_of(name, strlen(name) - 3));
    return draft_code_file(draft, slice_cstr(relative), &ret_library->code, &ret_library->place.text, why);
}

enum err draft_code_folder(struct draft *draft, const char *relative,
    const struct transformation_library **ret_libraries, size_t *ret_count, struct errinfo *why) {
    char path[PATH_SIZE];
    const char *names[WORKSPACE_LIBRARIES_MAX + 1];
    *ret_count = 0;
    if (!join(draft, slice_cstr(relative), path)) {
        return OK;
    }
    size_t count = list_folder(draft, path, names, COUNT_OF(names));
    if (count > WORKSPACE_LIBRARIES_MAX) {
        return err_why(ERR_TOO_LARGE, why, path, "it has more than %d libraries", WORKSPACE_LIBRARIES_MAX);
    }
    struct transformation_library *libraries = ARENA_ARRAY(draft->arena, struct transformation_library, count + 1);
    enum err e = OK;
    for (size_t i = 0; i < count && e == OK; i++) {
        e = read_library(draft, relative, names[i], &libraries[i], why);
    }
    *ret_libraries = libraries;
    *ret_count = count;
    return e;
}
