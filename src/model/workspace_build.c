/* The draft of a snapshot: identity, duplicates, connections, and the freeze at the end. */
#include "model/workspace_build.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/hash.h"

void draft_init(struct draft *draft, struct workspace *workspace) {
    *draft = (struct draft){.workspace = workspace, .arena = &workspace->arena};
    draft->sources_end = &draft->sources;
    draft->destinations_end = &draft->destinations;
    draft->connections_end = &draft->connections;
    draft->transformations_end = &draft->transformations;
}

enum err draft_fail(const struct draft *draft, enum err e, uint64_t mark, const char *path, const char *format, ...) {
    char text[sizeof(draft->why->text)];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args); /* a cut sentence is still a sentence */
    va_end(args);
    return place_fail(e, draft->why, draft->place(draft, mark), path, "%s", text);
}

/* place_fail at a member of the object at where->path. */
static enum err field_fail(const struct draft *draft, enum err e, uint64_t mark, const struct draft_where *where,
    const char *field, const char *text) {
    struct place_path path = place_path_join(where->path, field);
    return draft_fail(draft, e, mark, path.text, "%s", text);
}

/* Ids and write keys end up in URLs, labels and file names: visible bytes without blanks, of a bounded length. */
static enum err check_token(const struct draft *draft, struct slice token, uint64_t mark,
    const struct draft_where *where, const char *field, size_t max) {
    char text[160];
    if (token.len == 0) {
        return field_fail(draft, ERR_INVALID, mark, where, field, "must not be empty");
    }
    if (token.len > max) {
        (void)snprintf(text, sizeof(text), "has %zu bytes; the limit is %zu", token.len, max); /* fits */
        return field_fail(draft, ERR_RANGE, mark, where, field, text);
    }
    for (size_t i = 0; i < token.len; i++) {
        unsigned char c = (unsigned char)token.ptr[i];
        if (c <= 0x20 || c == 0x7F) {
            struct place_quote quote = place_quote(token);
            (void)snprintf(text, sizeof(text), "'%s' has a blank or a control character", quote.text); /* fits */
            return field_fail(draft, ERR_INVALID, mark, where, field, text);
        }
    }
    return OK;
}

/* `first` has the same 64-bit key: the same id, or a collision, which records could not tell apart. */
static enum err refuse_twin(const struct draft *draft, struct slice id, struct slice first_id, uint64_t first_at,
    const struct draft_where *where) {
    char text[200];
    struct place_quote quote = place_quote(id);
    struct place first = draft->place(draft, first_at);
    if (slice_eq(id, first_id)) {
        (void)snprintf(
            text, sizeof(text), "the id '%s' is used twice; first on line %u", quote.text, first.line); /* fits */
    } else {
        (void)snprintf(text, sizeof(text), "the id '%s' has the same hash as the id on line %u; change one of them",
            quote.text, first.line); /* fits */
    }
    return field_fail(draft, ERR_EXISTS, where->id_at, where, "id", text);
}

static enum err write_key_add(struct draft *draft, struct draft_source *added, const struct draft_where *where) {
    const char *name = draft->strict ? "write_key" : "writeKey"; /* as the file calls it */
    struct slice write_key = added->source.write_key;
    if (write_key.len == 0 && !draft->strict) {
        return OK; /* as the original has it for sources that nobody posts to */
    }
    enum err e = check_token(draft, write_key, where->write_key_at, where, name, WORKSPACE_WRITE_KEY_MAX);
    if (e != OK) {
        return e;
    }
    if (draft->strict && memchr(write_key.ptr, ':', write_key.len) != NULL) {
        return field_fail(
            draft, ERR_INVALID, where->write_key_at, where, name, "must not have a ':', where a Basic user name ends");
    }
    const struct draft_source *twin =
        key_table_put(&draft->workspace->sources_by_write_key, draft->arena, hash64(write_key), added);
    if (twin == NULL) {
        return OK;
    }
    char text[200];
    struct place_quote quote = place_quote(twin->source.id);
    (void)snprintf(text, sizeof(text), "is also the write key of the source '%s' on line %u", quote.text,
        draft->place(draft, twin->at).line); /* fits */
    return field_fail(draft, ERR_EXISTS, where->write_key_at, where, name, text);
}

enum err draft_source_add(struct draft *draft, const struct source *values, const struct draft_where *where,
    struct draft_source **ret_source) {
    enum err e = check_token(draft, values->id, where->id_at, where, "id", WORKSPACE_ID_MAX);
    if (e != OK) {
        return e;
    }
    struct draft_source *added = ARENA_NEW(draft->arena, struct draft_source);
    *added = (struct draft_source){.source = *values, .at = where->at};
    added->source.key = hash64(values->id);
    added->source.name = values->name.len > 0 ? values->name : values->id;
    const struct draft_source *twin =
        key_table_put(&draft->workspace->sources_by_key, draft->arena, added->source.key, added);
    if (twin != NULL) {
        return refuse_twin(draft, values->id, twin->source.id, twin->at, where);
    }
    e = write_key_add(draft, added, where);
    if (e != OK) {
        return e;
    }
    *draft->sources_end = added;
    draft->sources_end = &added->next;
    draft->workspace->info.source_count++;
    *ret_source = added;
    return OK;
}

enum err draft_destination_add(struct draft *draft, const struct destination *values, const struct draft_where *where,
    struct draft_destination **ret_destination) {
    enum err e = check_token(draft, values->id, where->id_at, where, "id", WORKSPACE_ID_MAX);
    if (e != OK) {
        return e;
    }
    struct draft_destination *added = ARENA_NEW(draft->arena, struct draft_destination);
    *added = (struct draft_destination){.destination = *values, .at = where->at};
    added->destination.key = hash64(values->id);
    added->destination.name = values->name.len > 0 ? values->name : values->id;
    const struct draft_destination *twin =
        key_table_put(&draft->workspace->destinations_by_key, draft->arena, added->destination.key, added);
    if (twin != NULL) {
        return refuse_twin(draft, values->id, twin->destination.id, twin->at, where);
    }
    *draft->destinations_end = added;
    draft->destinations_end = &added->next;
    draft->workspace->info.destination_count++;
    *ret_destination = added;
    return OK;
}

struct draft_source *draft_source_find(const struct draft *draft, struct slice id) {
    struct draft_source *found = key_table_find(&draft->workspace->sources_by_key, hash64(id));
    return found != NULL && slice_eq(found->source.id, id) ? found : NULL;
}

struct draft_destination *draft_destination_find(const struct draft *draft, struct slice id) {
    struct draft_destination *found = key_table_find(&draft->workspace->destinations_by_key, hash64(id));
    return found != NULL && slice_eq(found->destination.id, id) ? found : NULL;
}

/* The draft's own objects are the identity of a pair, so two pairs cannot share a key. */
static uint64_t pair_key(const struct draft_source *source, const struct draft_destination *destination) {
    const void *const pair[2] = {source, destination};
    return hash64(slice_of((const char *)pair, sizeof(pair)));
}

struct draft_connection *draft_connection_find(
    const struct draft *draft, const struct draft_source *source, const struct draft_destination *destination) {
    return key_table_find(&draft->connections_by_pair, pair_key(source, destination));
}

struct draft_connection *draft_connection_add(
    struct draft *draft, struct draft_source *source, struct draft_destination *destination) {
    struct draft_connection *added = ARENA_NEW(draft->arena, struct draft_connection);
    *added = (struct draft_connection){.source = source,
        .destination = destination,
        .enabled = true,
        .cloud = true,
        .transformation = destination->destination.transformation,
        .on_error = destination->destination.on_error};
    void *twin = key_table_put(&draft->connections_by_pair, draft->arena, pair_key(source, destination), added);
    ASSERT(twin == NULL);
    *draft->connections_end = added;
    draft->connections_end = &added->next;
    draft->workspace->info.connection_count++;
    source->expected++;
    return added;
}

enum err draft_config_dup(struct draft *draft, struct slice json, struct slice *ret_config) {
    draft->config_bytes += json.len; /* each is at most a file, and so is the sum before: no overflow */
    if (draft->config_bytes > WORKSPACE_CONFIG_MAX) {
        return ERR_TOO_LARGE;
    }
    char *copy = arena_alloc(draft->arena, json.len + JSON_PADDING);
    memcpy(copy, json.ptr, json.len);
    *ret_config = slice_of(copy, json.len);
    return OK;
}

static void freeze_connections(struct draft *draft) {
    struct workspace_info *info = &draft->workspace->info;
    struct connection *connections = ARENA_ARRAY(draft->arena, struct connection, info->connection_count);
    for (struct draft_source *source = draft->sources; source != NULL; source = source->next) {
        source->connections = ARENA_ARRAY(draft->arena, const struct connection *, source->expected);
        source->source.connections = source->connections;
    }
    size_t count = 0;
    for (const struct draft_connection *from = draft->connections; from != NULL; from = from->next) {
        struct connection *to = &connections[count++];
        struct draft_source *source = from->source;
        *to = (struct connection){.source = &source->source,
            .destination = &from->destination->destination,
            .enabled = from->enabled,
            .cloud = from->cloud,
            .hybrid_types = from->hybrid_types,
            .hybrid_type_count = from->hybrid_type_count,
            .transformation = from->transformation,
            .on_error = from->on_error};
        source->connections[source->source.connection_count++] = to;
    }
    info->connections = connections;
}

static void freeze_transformations(struct draft *draft) {
    struct workspace_info *info = &draft->workspace->info;
    const struct transformation **transformations =
        ARENA_ARRAY(draft->arena, const struct transformation *, info->transformation_count);
    size_t count = 0;
    for (const struct draft_transformation *each = draft->transformations; each != NULL; each = each->next) {
        transformations[count++] = &each->transformation;
    }
    info->transformations = transformations;
}

void draft_finish(struct draft *draft) {
    struct workspace_info *info = &draft->workspace->info;
    freeze_connections(draft);
    freeze_transformations(draft);
    const struct source **sources = ARENA_ARRAY(draft->arena, const struct source *, info->source_count);
    const struct destination **destinations =
        ARENA_ARRAY(draft->arena, const struct destination *, info->destination_count);
    size_t count = 0;
    for (const struct draft_source *source = draft->sources; source != NULL; source = source->next) {
        sources[count++] = &source->source;
    }
    count = 0;
    for (const struct draft_destination *to = draft->destinations; to != NULL; to = to->next) {
        destinations[count++] = &to->destination;
    }
    info->sources = sources;
    info->destinations = destinations;
    info->loaded_ms = clock_ms();
}
