/* A destination's code as a version for the workers: our module that runs it, what it imports, and itself. */
#include "destination/assets.h"
#include "destination/code_internal.h"

struct code *code_new(const struct code_module *main, const struct code_module *libraries, size_t count) {
    struct code *code = mem_alloc(sizeof *code);
    code->main = *main;
    code->libraries = libraries;
    code->library_count = count;
    return code;
}

void code_free(struct code *code) {
    if (code != NULL) {
        transform_version_release(atomic_load(&code->version));
        mem_free(code);
    }
}

/* ---- 'sluice' ---- */

/* export const generic = {"email": ["traits.email", …], …} */
static void write_generic(struct buf *out) {
    struct json_writer w;
    size_t count = 0;
    const char *const *names = generic_names(&count);
    buf_append(out, SLICE("export const generic = "));
    json_writer_init(&w, out);
    json_write_object(&w);
    for (size_t i = 0; i < count; i++) {
        json_write_key(&w, slice_cstr(names[i] + 1)); /* without its @ */
        json_write_array(&w);
        struct slice rest = slice_cstr(generic_paths(i));
        while (rest.ptr != NULL) {
            json_write_string(&w, slice_cut(rest, ' ', &rest));
        }
        json_write_end(&w);
    }
    json_write_end(&w);
    buf_append(out, SLICE(";\n"));
}

/* ---- what is reached ---- */

static bool mentions(struct slice text, struct slice name) {
    return memmem(text.ptr, text.len, name.ptr, name.len) != NULL;
}

/* Libraries whose names stand somewhere in what is taken already: more than what is imported at most, never less. */
static size_t reached(const struct code *code, bool *taken) {
    size_t count = 0;
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < code->library_count; i++) {
            bool wanted = !taken[i] && mentions(code->main.text, code->libraries[i].name);
            for (size_t k = 0; k < code->library_count && !taken[i] && !wanted; k++) {
                wanted = taken[k] && mentions(code->libraries[k].text, code->libraries[i].name);
            }
            taken[i] = taken[i] || wanted;
            more = more || wanted;
            count += wanted;
        }
    }
    return count;
}

static struct transform_library library_of(const struct code_module *module) {
    return (struct transform_library){.name = module->name, .code = module->text, .file = module->file};
}

static struct transform_version *make(const struct code *code, struct transform *transform) {
    struct arena arena;
    struct buf own;
    arena_init(&arena, 0, 0);
    buf_init(&own, 0);
    buf_append(&own, slice_cstr(asset_sluice_js));
    write_generic(&own);
    bool *taken = ARENA_ARRAY(&arena, bool, code->library_count + 1);
    enum { OWN = 2 };
    struct transform_library *libraries = ARENA_ARRAY(&arena, struct transform_library, reached(code, taken) + OWN);
    size_t count = 0;
    libraries[count++] =
        (struct transform_library){.name = SLICE("sluice"), .code = buf_slice(&own), .file = SLICE("sluice:sluice")};
    libraries[count++] = library_of(&code->main);
    for (size_t i = 0; i < code->library_count; i++) {
        if (taken[i]) {
            libraries[count++] = library_of(&code->libraries[i]);
        }
    }
    const struct transform_code whole = {.kind = TRANSFORM_KIND_DESTINATION,
        .name = SLICE("sluice:prelude"),
        .code = slice_cstr(code->is_webhook ? asset_prelude_webhook_js : asset_prelude_js),
        .language = 1,
        .libraries = libraries,
        .library_count = count};
    struct transform_version *version = transform_version_new(transform, &whole);
    buf_fini(&own);
    arena_fini(&arena);
    return version;
}

struct transform_version *code_compiled(struct code *code, struct transform *transform) {
    struct transform_version *version = atomic_load(&code->version);
    if (version != NULL) {
        return version;
    }
    struct transform_version *made = make(code, transform);
    if (atomic_compare_exchange_strong(&code->version, &version, made)) {
        return made;
    }
    transform_version_release(made); /* another thread was first */
    return version;
}

struct transform_version *destination_code_version(const struct destination_type *type, struct transform *transform) {
    return code_compiled(type->definition->code, transform);
}

enum err destination_code_check(struct transform *transform, const struct destination_type *type, struct errinfo *why) {
    if (type->kind != DESTINATION_CODE) {
        return OK;
    }
    return transform_version_check(transform, code_compiled(type->definition->code, transform), NULL, why);
}

enum err destination_code_check_loaded(struct transform *transform, struct errinfo *why) {
    size_t count = 0;
    const struct destination_type *const *list = destination_list(&count);
    enum err e = OK;
    for (size_t i = 0; i < count && e == OK; i++) {
        bool ours = slice_eq(list[i]->origin, SLICE("built in")); /* compiled by the tests of each build */
        e = ours ? OK : destination_code_check(transform, list[i], why);
    }
    return e;
}
