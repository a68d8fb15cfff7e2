/* Code of definitions: the program's own, or transform.js and _lib/ of a folder given at run time. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "destination/code_internal.h"
#include "destination/code_load.h"
#include "destination/embedded.h"

enum { FILE_MAX = 4 << 20, PATH_SIZE = 4500 };

/* ---- files ---- */

static enum err read_whole(int fd, struct buf *out) {
    enum { STEP = 65536 };
    for (;;) {
        enum err e = buf_reserve(out, STEP);
        if (e != OK) {
            return e;
        }
        ssize_t n = read(fd, out->ptr + out->len, STEP);
        if (n == 0) {
            return OK;
        }
        if (n < 0 && errno != EINTR) {
            return err_from_errno(errno);
        }
        out->len += n > 0 ? (size_t)n : 0;
    }
}

enum err code_read_file(const char *file, struct arena *arena, struct slice *ret_text, struct errinfo *why) {
    struct buf text;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_why(err_from_errno(errno), why, file, "%s", strerror(errno));
    }
    buf_init(&text, FILE_MAX);
    enum err e = read_whole(fd, &text);
    close(fd);
    if (e == OK) {
        *ret_text = arena_dup(arena, buf_slice(&text));
    } else {
        e = err_why(e, why, file, "cannot be read: %s", err_text(e));
    }
    buf_fini(&text);
    return e;
}

/* ---- the program's ---- */

/* Those of the program, and room for `more`. */
static struct code_module *own_libraries(struct arena *arena, size_t more) {
    struct code_module *modules = ARENA_ARRAY(arena, struct code_module, destination_library_count + more + 1);
    for (size_t i = 0; i < destination_library_count; i++) {
        const struct destination_library *row = &destination_libraries[i];
        modules[i] = (struct code_module){
            slice_cstr(row->name), slice_of((const char *)row->text, row->len), slice_cstr(row->file)};
    }
    return modules;
}

void code_attach_embedded(struct definition *d, const char *name, struct slice text) {
    const struct code_module main = {SLICE("transform"), text, arena_printf(&d->arena, "%s/transform.js", name)};
    d->code = code_new(&main, own_libraries(&d->arena, 0), destination_library_count);
    d->code->is_webhook = d->type.webhook != NULL;
}

/* ---- a folder's ---- */

static int is_script(const struct dirent *entry) {
    size_t len = strlen(entry->d_name);
    return entry->d_name[0] != '.' && len > 3 && strcmp(entry->d_name + len - 3, ".js") == 0;
}

/* One of a name that is there already replaces it. */
static void put(struct code_module *modules, size_t *count, struct code_module module) {
    size_t at = 0;
    while (at < *count && !slice_eq(modules[at].name, module.name)) {
        at++;
    }
    modules[at] = module;
    *count += at == *count;
}

static enum err read_libraries(struct arena *arena, const char *folder, const struct code_module **ret_modules,
    size_t *ret_count, struct errinfo *why) {
    char path[PATH_SIZE];
    struct dirent **entries = NULL;
    snprintf(path, sizeof path, "%.4000s/../_lib", folder);
    int found = scandir(path, &entries, is_script, alphasort);
    struct code_module *modules = own_libraries(arena, found > 0 ? (size_t)found : 0);
    *ret_count = destination_library_count;
    *ret_modules = modules;
    enum err e = OK;
    for (int i = 0; i < found; i++) {
        struct code_module module;
        const char *name = entries[i]->d_name;
        snprintf(path, sizeof path, "%.4000s/../_lib/%.255s", folder, name);
        module.file = arena_dup(arena, slice_cstr(path));
        module.name = arena_printf(arena, "_lib/%.*s", (int)(strlen(name) - 3), name);
        e = e == OK ? code_read_file(path, arena, &module.text, why) : e;
        if (e == OK) {
            put(modules, ret_count, module);
        }
        mem_free(entries[i]);
    }
    mem_free(entries);
    return e;
}

enum err code_attach_folder(struct definition *d, const char *folder, struct errinfo *why) {
    char path[PATH_SIZE];
    struct code_module main = {.name = SLICE("transform")};
    const struct code_module *libraries = NULL;
    size_t count = 0;
    snprintf(path, sizeof path, "%.4000s/transform.js", folder);
    main.file = arena_dup(&d->arena, slice_cstr(path));
    enum err e = code_read_file(path, &d->arena, &main.text, why);
    if (e == OK) {
        e = read_libraries(&d->arena, folder, &libraries, &count, why);
    }
    if (e == OK) {
        d->code = code_new(&main, libraries, count);
        d->code->is_webhook = d->type.webhook != NULL;
    }
    return e;
}
