/* Transformations of a workspace: counters by id, compiled versions, and which of them a destination uses. */
#include "delivery/user_code_set.h"

#include <pthread.h>
#include <stdio.h>

#include "delivery/http/external.h"
#include "delivery/user_code_internal.h"
#include "json/json_write.h"

enum { DEPTH_MAX = 192 };

static const struct stat_info infos[] = {
#define S(name, kind, unit, help) STAT_INFO_(struct user_code_stat, name, kind, unit, help)
#include "delivery/user_code_stat.def"
#undef S
};

/* ---- units ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct code_unit *units; /* under lock */

static struct code_unit *unit_new(struct slice id) {
    struct code_unit *unit = mem_alloc(sizeof *unit + id.len + 1);
    char *text = (char *)(unit + 1);
    memcpy(text, id.ptr, id.len);
    unit->id = slice_of(text, id.len);
    unit->stat_group = (struct stat_group){
        .module = "transformation", .info = infos, .info_count = COUNT_OF(infos), .base = &unit->stat};
    struct buf label;
    buf_init(&label, sizeof unit->stat_group.labels);
    json_escape(&label, unit->id); /* Prometheus escapes quotes and backslashes alike; ids have no control characters */
    snprintf(
        unit->stat_group.labels, sizeof unit->stat_group.labels, "transformation=%.*s", SLICE_ARG(buf_slice(&label)));
    buf_fini(&label);
    stat_group_add(&unit->stat_group);
    return unit;
}

struct code_unit *code_unit_hold(struct slice id) {
    pthread_mutex_lock(&lock);
    struct code_unit *unit = units;
    while (unit != NULL && !slice_eq(unit->id, id)) {
        unit = unit->next;
    }
    if (unit == NULL) {
        unit = unit_new(id);
        unit->next = units;
        units = unit;
    }
    unit->references++;
    pthread_mutex_unlock(&lock);
    return unit;
}

void code_unit_release(struct code_unit *unit) {
    if (unit == NULL) {
        return;
    }
    pthread_mutex_lock(&lock);
    bool last = --unit->references == 0;
    if (last) {
        struct code_unit **at = &units;
        while (*at != unit) {
            at = &(*at)->next;
        }
        *at = unit->next;
    }
    pthread_mutex_unlock(&lock);
    if (last) {
        stat_group_remove(&unit->stat_group);
        mem_free(unit);
    }
}

/* ---- versions ---- */

struct transform_version *code_version(struct transform *transform, const struct transformation *transformation) {
    struct arena arena;
    arena_init(&arena, 0, 0);
    struct transform_library *libraries =
        ARENA_ARRAY(&arena, struct transform_library, transformation->library_count + 1);
    for (size_t i = 0; i < transformation->library_count; i++) {
        libraries[i] = (struct transform_library){
            .name = transformation->libraries[i].name, .code = transformation->libraries[i].code};
    }
    const struct transform_code code = {.kind = TRANSFORM_KIND_CODE,
        .name = transformation->name,
        .code = transformation->code,
        .language = transformation->language,
        .libraries = libraries,
        .library_count = transformation->library_count};
    struct transform_version *version = transform_version_new(transform, &code);
    arena_fini(&arena);
    return version;
}

struct code_entry {
    struct transform_version *version;
    struct code_unit *unit;
};

struct user_code_set {
    struct code_entry *entries;
    size_t count;
};

/* "NAME:3:5" or "library HANDLE:3:5", as the compiler has it: whose code that is, and ":3:5". */
static const struct code_place *place_of(
    const struct transformation *transformation, struct slice path, struct slice *ret_rest) {
    struct slice library = SLICE("library ");
    struct slice name = transformation->name;
    *ret_rest = SLICE("");
    if (path.len > name.len && slice_starts(path, name) && path.ptr[name.len] == ':') {
        *ret_rest = slice_of(path.ptr + name.len, path.len - name.len);
        return &transformation->place;
    }
    for (size_t i = 0; slice_starts(path, library) && i < transformation->library_count; i++) {
        struct slice handle = transformation->libraries[i].name;
        struct slice rest = slice_of(path.ptr + library.len, path.len - library.len);
        if (slice_starts(rest, handle) && (rest.len == handle.len || rest.ptr[handle.len] == ':')) {
            *ret_rest = slice_of(rest.ptr + handle.len, rest.len - handle.len);
            return &transformation->libraries[i].place;
        }
    }
    return &transformation->place;
}

/* file:line:column where that can be said: of a file of its own, or of a block in the workspace file. */
static void say_place(
    const struct workspace_info *info, const struct code_place *place, struct slice rest, char *out, size_t size) {
    enum { SPARE = 64 };
    struct slice column_text;
    uint64_t line = 0, column = 0;
    struct slice file = place->line > 0 ? info->path : place->text;
    size_t cut = file.len > size - SPARE ? file.len - (size - SPARE) : 0; /* a long one loses its beginning */
    file = slice_of(file.ptr + cut, file.len - cut);
    struct slice numbers = rest.len > 0 ? slice_of(rest.ptr + 1, rest.len - 1) : SLICE("");
    struct slice line_text = slice_cut(numbers, ':', &column_text);
    if (place->line > 0 && slice_to_u64(line_text, &line) == OK && slice_to_u64(column_text, &column) == OK) {
        snprintf(out, size, "%.*s:%lu:%lu %.*s", SLICE_ARG(file), (unsigned long)(place->line + line - 1),
            (unsigned long)(place->indent + column), SLICE_ARG(place->path));
    } else {
        snprintf(out, size, "%.*s%.*s", SLICE_ARG(place->line > 0 ? place->text : file), SLICE_ARG(rest));
    }
}

static enum err check(struct transform *transform, const struct workspace_info *info,
    const struct transformation *transformation, struct code_entry *entry, struct errinfo *why) {
    struct errinfo inner = {.text = ""};
    entry->unit = code_unit_hold(transformation->id);
    entry->version = code_version(transform, transformation);
    enum err e = transform_version_check(transform, entry->version, /* not wanted */ NULL, &inner);
    if (e == OK) {
        return OK;
    }
    struct slice rest;
    char path[sizeof why->path];
    const struct code_place *place = place_of(transformation, slice_cstr(inner.path), &rest);
    say_place(info, place, rest, path, sizeof path);
    return err_why(e, why, path, "transformation '%.*s': %s", SLICE_ARG(transformation->id), inner.text);
}

enum err user_code_open(struct transform *transform, const struct workspace *workspace, struct user_code_set **ret_set,
    struct errinfo *why) {
    const struct workspace_info *info = workspace_info(workspace);
    struct user_code_set *set = mem_alloc(sizeof *set);
    set->entries = mem_alloc((info->transformation_count + 1) * sizeof *set->entries);
    for (size_t i = 0; i < info->transformation_count; i++) {
        const struct transformation *transformation = info->transformations[i];
        struct code_entry *entry = &set->entries[set->count++];
        enum err e = transformation->missing != NULL ? OK : check(transform, info, transformation, entry, why);
        if (e != OK) {
            user_code_close(set);
            return e;
        }
    }
    *ret_set = set;
    return OK;
}

void user_code_close(struct user_code_set *set) {
    if (set == NULL) {
        return;
    }
    for (size_t i = 0; i < set->count; i++) {
        transform_version_release(set->entries[i].version);
        code_unit_release(set->entries[i].unit);
    }
    mem_free(set->entries);
    mem_free(set);
}

/* ---- a destination's settings ---- */

static void put_text(struct json_writer *json, const char *key, struct slice text) {
    if (text.len > 0) {
        json_put_string(json, key, text);
    }
}

/* What metadata() says of every event of a connection, by the original's keys. */
static struct slice common_of(const struct workspace *workspace, const struct connection *connection,
    const struct transform_version *version, struct arena *arena) {
    const struct source *source = connection->source;
    const struct destination *destination = connection->destination;
    const struct transformation *transformation = connection->transformation;
    struct buf text;
    struct json_writer json;
    buf_init(&text, 0);
    json_writer_init(&json, &text);
    json_write_object(&json);
    put_text(&json, "sourceId", source->id);
    put_text(&json, "sourceName", source->name);
    put_text(&json, "workspaceId", workspace_info(workspace)->id);
    put_text(&json, "sourceType", source->definition.len > 0 ? source->definition : source->type);
    json_put_string(&json, "sourceCategory", source->category);
    put_text(&json, "sourceDefinitionId", source->definition_id);
    put_text(&json, "destinationId", destination->id);
    put_text(&json, "destinationType", destination->type);
    put_text(&json, "destinationName", destination->name);
    put_text(&json, "destinationDefinitionId", destination->definition_id);
    put_text(&json, "transformationId", transformation->id);
    struct hash128 hash = transform_version_hash(version);
    put_text(&json, "transformationVersionId",
        transformation->version_id.len > 0
            ? transformation->version_id
            : arena_printf(arena, "%016lx%016lx", (unsigned long)hash.hi, (unsigned long)hash.lo));
    json_write_end(&json);
    return buf_keep(&text, arena);
}

static void add_connection(struct user_code_settings *settings, const struct workspace *workspace,
    const struct connection *connection, struct arena *arena) {
    const struct transformation *transformation = connection->transformation;
    if (transformation->missing != NULL && !external_takes_code()) {
        settings->missing =
            arena_printf(arena, "transformation %.*s: %s", SLICE_ARG(transformation->name), transformation->missing)
                .ptr;
    }
    struct code_connection *added = &settings->connections[settings->connection_count++];
    *added = (struct code_connection){.source = connection->source->key,
        .transformation = transformation,
        .on_error = connection->on_error,
        .version = code_version(NULL, transformation),
        .unit = code_unit_hold(transformation->id)};
    added->common = common_of(workspace, connection, added->version, arena);
}

struct user_code_settings *user_code_settings_new(
    const struct workspace *workspace, const struct destination *destination, struct arena *arena) {
    const struct workspace_info *info = workspace_info(workspace);
    size_t count = 0;
    for (size_t i = 0; i < info->connection_count; i++) {
        const struct connection *connection = &info->connections[i];
        count += connection->destination == destination && connection->transformation != NULL;
    }
    if (count == 0) {
        return NULL;
    }
    struct user_code_settings *settings = ARENA_NEW(arena, struct user_code_settings);
    settings->connections = ARENA_ARRAY(arena, struct code_connection, count);
    settings->parser = json_parser_new(DEPTH_MAX);
    for (size_t i = 0; i < info->connection_count; i++) {
        const struct connection *connection = &info->connections[i];
        if (connection->destination == destination && connection->transformation != NULL) {
            add_connection(settings, workspace, connection, arena);
        }
    }
    return settings;
}

void user_code_settings_fini(struct user_code_settings *settings) {
    if (settings == NULL) {
        return;
    }
    for (size_t i = 0; i < settings->connection_count; i++) {
        transform_version_release(settings->connections[i].version);
        code_unit_release(settings->connections[i].unit);
    }
    json_parser_free(settings->parser);
}
