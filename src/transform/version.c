/* A version: the text of its LOAD frame, made once. Immutable, counted. All that live are in a list, so that one
 * content is one version: workers that have it loaded have it still after a reload of what names it. */
#include <pthread.h>

#include "transform/transform_internal.h"
#include "json/json_write.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct transform_version *living; /* under lock, as their references are */
static uint32_t last_id;                 /* likewise */

static const char *const kind_words[] = {[TRANSFORM_KIND_CODE] = "transformation",
    [TRANSFORM_KIND_LIBRARY] = "library",
    [TRANSFORM_KIND_IMPORTS] = "imports",
    [TRANSFORM_KIND_DESTINATION] = "destination"};

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
        if (code->libraries[i].file.len > 0) {
            json_put_string(&json, "file", code->libraries[i].file);
        }
        json_write_end(&json);
    }
    json_write_end(&json);
    json_write_end(&json);
}

static struct transform_version *find(struct hash128 hash) {
    for (struct transform_version *version = living; version != NULL; version = version->next) {
        if (hash128_eq(version->hash, hash)) {
            return version;
        }
    }
    return NULL;
}

static void forget(struct transform_version *version) {
    struct transform_version **at = &living;
    while (*at != version) {
        at = &(*at)->next;
    }
    *at = version->next;
}

struct transform_version *transform_version_new(struct transform *transform, const struct transform_code *code) {
    (void)transform; /* versions are the same to all; a pool learns of one when it runs it */
    struct buf load;
    buf_init(&load, 0);
    write_load(code, &load);
    struct hash128 hash = hash128(buf_slice(&load));
    pthread_mutex_lock(&lock);
    struct transform_version *version = find(hash);
    if (version == NULL) {
        version = mem_alloc(sizeof *version);
        version->id = ++last_id;
        version->load = load;
        version->hash = hash;
        version->next = living;
        living = version;
    } else {
        buf_fini(&load);
    }
    version->references++;
    pthread_mutex_unlock(&lock);
    return version;
}

struct transform_version *transform_version_hold(struct transform_version *version) {
    pthread_mutex_lock(&lock);
    version->references++;
    pthread_mutex_unlock(&lock);
    return version;
}

void transform_version_release(struct transform_version *version) {
    if (version == NULL) {
        return;
    }
    pthread_mutex_lock(&lock);
    bool last = --version->references == 0;
    if (last) {
        forget(version);
    }
    pthread_mutex_unlock(&lock);
    if (last) {
        buf_fini(&version->load);
        mem_free(version);
    }
}

struct hash128 transform_version_hash(const struct transform_version *version) {
    return version->hash;
}
