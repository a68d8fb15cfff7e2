/* A version: the text of its LOAD frame, made once. Immutable, counted. */
#include <stdatomic.h>

#include "transform/transform_internal.h"
#include "json/json_write.h"

static _Atomic uint32_t last_id;

static const char *const kind_words[] = {[TRANSFORM_KIND_CODE] = "transformation",
    [TRANSFORM_KIND_LIBRARY] = "library",
    [TRANSFORM_KIND_IMPORTS] = "imports"};

static void write_load(const struct transform_code *code, struct buf *out) {
    struct json_writer json;
    json_writer_init(&json, out);
    json_write_object(&json);
    json_put_string(&json, "name", code->name.len > 0 ? code->name : SLICE("base transformation"));
    json_put_u64(&json, "version", code->language);
    json_put_cstr(&json, "as", kind_words[code->kind]);
    json_put_string(&json, "code", code->code);
    json_write_key(&json, SLICE("libraries"));
    json_write_array(&json);
    for (size_t i = 0; i < code->library_count; i++) {
        json_write_object(&json);
        json_put_string(&json, "name", code->libraries[i].name);
        json_put_string(&json, "code", code->libraries[i].code);
        json_write_end(&json);
    }
    json_write_end(&json);
    json_write_end(&json);
}

struct transform_version *transform_version_new(struct transform *transform, const struct transform_code *code) {
    (void)transform; /* versions are the same to all; a pool learns of one when it runs it */
    struct transform_version *version = mem_alloc(sizeof *version);
    atomic_init(&version->references, 1);
    version->id = atomic_fetch_add(&last_id, 1) + 1;
    buf_init(&version->load, 0);
    write_load(code, &version->load);
    version->hash = hash128(buf_slice(&version->load));
    return version;
}

struct transform_version *transform_version_hold(struct transform_version *version) {
    atomic_fetch_add(&version->references, 1);
    return version;
}

void transform_version_release(struct transform_version *version) {
    if (version != NULL && atomic_fetch_sub(&version->references, 1) == 1) {
        buf_fini(&version->load);
        mem_free(version);
    }
}

struct hash128 transform_version_hash(const struct transform_version *version) {
    return version->hash;
}
