/* The original's workspaceConfig.json -> draft, read as its Go decoder does: field names in any case, unknown ones
 * ignored, missing ones and null are the zero value (so a missing "enabled" is false), a wrong type is an error.
 *
 * Destinations are nested copies per source. Copies with one id are one destination (the first copy speaks for it), and
 * each copy is a connection. */
#include "base/buf.h"
#include "model/workspace_build.h"
#include "json/json_write.h"

struct reader {
    struct draft *draft;
    const struct json_doc *doc;
    const struct transformation_library *libraries; /* of all transformations */
    size_t library_count;
    struct slice credentials; /* likewise */
};

struct entry {     /* an object of the file and its path */
    uint32_t node; /* JSON_ABSENT reads as an object without members */
    struct place_path path;
};

static uint64_t mark_of(const struct reader *reader, uint32_t node) {
    return reader->doc->nodes[node != JSON_ABSENT ? node : 0].start;
}

static struct place place_of_mark(const struct draft *draft, uint64_t mark) {
    return place_of_byte(draft->file, draft->text, mark);
}

/* The last member of this name in any case, as Go finds it; JSON_ABSENT also for null. */
static uint32_t find(const struct reader *reader, uint32_t object, const char *name) {
    const struct json_doc *doc = reader->doc;
    uint32_t found = JSON_ABSENT;
    uint32_t key = object != JSON_ABSENT ? json_first(doc, object) : JSON_ABSENT;
    for (; key != JSON_ABSENT; key = json_after(doc, object, key)) {
        if (slice_eq_nocase(json_string(doc, key, reader->draft->arena), slice_cstr(name))) {
            found = key + 1;
        }
    }
    return json_is(doc, found, JSON_NULL) ? JSON_ABSENT : found;
}

static enum err wrong_type(
    const struct reader *reader, uint32_t node, const struct entry *entry, const char *name, const char *wanted) {
    struct place_path path = place_path_join(entry->path.text, name);
    struct place_quote quote = place_quote(json_raw(reader->doc, node));
    return draft_fail(
        reader->draft, ERR_INVALID, mark_of(reader, node), path.text, "must be %s, not %s", wanted, quote.text);
}

static enum err check_object(const struct reader *reader, const struct entry *entry) {
    if (json_is(reader->doc, entry->node, JSON_OBJECT)) {
        return OK;
    }
    struct place_quote quote = place_quote(json_raw(reader->doc, entry->node));
    return draft_fail(reader->draft, ERR_INVALID, mark_of(reader, entry->node), entry->path.text,
        "must be an object, not %s", quote.text);
}

static enum err get_text(
    const struct reader *reader, const struct entry *entry, const char *name, struct slice *ret_text) {
    uint32_t node = find(reader, entry->node, name);
    if (node != JSON_ABSENT && !json_is(reader->doc, node, JSON_STRING)) {
        return wrong_type(reader, node, entry, name, "text");
    }
    struct slice text = node != JSON_ABSENT ? json_string(reader->doc, node, reader->draft->arena) : SLICE("");
    *ret_text = arena_dup(reader->draft->arena, text);
    return OK;
}

static enum err get_bool(
    const struct reader *reader, const struct entry *entry, const char *name, bool absent, bool *ret_value) {
    uint32_t node = find(reader, entry->node, name);
    if (node == JSON_ABSENT) {
        *ret_value = absent;
        return OK;
    }
    bool value = json_is(reader->doc, node, JSON_TRUE);
    if (!value && !json_is(reader->doc, node, JSON_FALSE)) {
        return wrong_type(reader, node, entry, name, "true or false");
    }
    *ret_value = value;
    return OK;
}

/* A member that is an object or array; JSON_ABSENT when it is not there. */
static enum err get_node(
    const struct reader *reader, const struct entry *entry, const char *name, enum json_kind kind, uint32_t *ret_node) {
    uint32_t node = find(reader, entry->node, name);
    if (node != JSON_ABSENT && !json_is(reader->doc, node, kind)) {
        return wrong_type(reader, node, entry, name, kind == JSON_OBJECT ? "an object" : "an array");
    }
    *ret_node = node;
    return OK;
}

static enum err get_entry(
    const struct reader *reader, const struct entry *parent, const char *name, struct entry *ret_entry) {
    ret_entry->path = place_path_join(parent->path.text, name);
    return get_node(reader, parent, name, JSON_OBJECT, &ret_entry->node);
}

static enum err get_config(const struct reader *reader, uint32_t node, const char *path, struct slice *ret_config) {
    struct slice json = node != JSON_ABSENT ? json_raw(reader->doc, node) : SLICE("{}");
    enum err e = draft_config_dup(reader->draft, json, ret_config);
    if (e != OK) {
        return draft_fail(reader->draft, e, mark_of(reader, node), path, "all configs together have more than %zu MiB",
            WORKSPACE_CONFIG_MAX >> 20);
    }
    return OK;
}

static struct draft_where where_of(const struct reader *reader, const struct entry *entry) {
    uint32_t id = find(reader, entry->node, "id");
    uint32_t write_key = find(reader, entry->node, "writeKey");
    return (struct draft_where){
        .path = entry->path.text,
        .at = mark_of(reader, entry->node),
        .id_at = mark_of(reader, id != JSON_ABSENT ? id : entry->node),
        .write_key_at = mark_of(reader, write_key != JSON_ABSENT ? write_key : entry->node),
    };
}

/* ---- destinations ---- */

/* The texts of a list, trimmed, in lower case, without `left_out`. Never NULL: none at all is not "all". */
static const struct slice *read_types(
    const struct reader *reader, uint32_t list, struct slice left_out, size_t *ret_count) {
    const struct json_doc *doc = reader->doc;
    struct slice *types = ARENA_ARRAY(reader->draft->arena, struct slice, json_count(doc, list) + 1);
    size_t count = 0;
    for (uint32_t node = json_first(doc, list); node != JSON_ABSENT; node = json_after(doc, list, node)) {
        struct slice name = slice_trim(json_string(doc, node, reader->draft->arena));
        if (name.len == 0 || slice_eq_nocase(name, left_out)) {
            continue;
        }
        char *lower = arena_alloc(reader->draft->arena, name.len + 1);
        for (size_t i = 0; i < name.len; i++) {
            lower[i] = (char)(name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? name.ptr[i] - 'A' + 'a' : name.ptr[i]);
        }
        types[count++] = slice_of(lower, name.len);
    }
    *ret_count = count;
    return types;
}

/* supportedMessageTypes: a list, or {"cloud": list}. Without "identify" when the destination's config turns that off.
 */
static void read_message_types(
    const struct reader *reader, struct destination *destination, uint32_t definition_config, uint32_t config) {
    const struct json_doc *doc = reader->doc;
    uint32_t list = find(reader, definition_config, "supportedMessageTypes");
    if (json_is(doc, list, JSON_OBJECT)) {
        list = find(reader, list, "cloud");
    }
    if (json_is(doc, list, JSON_ARRAY)) {
        bool no_identify = json_is(doc, json_find(doc, config, SLICE("enableServerSideIdentify")), JSON_FALSE);
        destination->message_types =
            read_types(reader, list, no_identify ? SLICE("identify") : SLICE(""), &destination->message_type_count);
    }
}

/* hybridModeCloudEventsFilter.<source type>.messageType: which types come through us when the client has the others
 * itself. */
static void read_hybrid_types(
    const struct reader *reader, const struct entry *entry, uint32_t config, struct draft_connection *connection) {
    const struct json_doc *doc = reader->doc;
    struct slice type = connection->source->source.type;
    uint32_t definition = find(reader, find(reader, entry->node, "destinationDefinition"), "config");
    uint32_t filter = json_find(doc, find(reader, definition, "hybridModeCloudEventsFilter"), type);
    uint32_t list = find(reader, filter, "messageType");
    if (draft_is_hybrid(doc, config, type) && json_is(doc, list, JSON_ARRAY)) {
        connection->hybrid_types = read_types(reader, list, SLICE(""), &connection->hybrid_type_count);
    }
}

/* What draft_settings found wrong, at the deepest value on the way to what it is about. */
static enum err settings_fail(
    const struct reader *reader, enum err e, const struct entry *config, const struct errinfo *inner) {
    const struct json_doc *doc = reader->doc;
    struct slice rest = slice_cstr(inner->path);
    if (slice_starts(rest, SLICE("config."))) {
        rest = slice_of(rest.ptr + 7, rest.len - 7);
    }
    struct place_path path =
        place_path("%s%s%s", config->path.text, rest.len > 0 && rest.ptr[0] != '[' ? "." : "", rest.ptr);
    uint32_t node = config->node;
    while (rest.len > 0 && node != JSON_ABSENT) {
        bool indexed = false;
        uint64_t index = 0;
        struct slice segment = place_segment(&rest, &indexed, &index);
        uint32_t next = indexed ? json_first(doc, node) : json_find(doc, node, segment);
        for (uint64_t i = 0; indexed && i < index && next != JSON_ABSENT; i++) {
            next = json_after(doc, node, next);
        }
        if (next == JSON_ABSENT) {
            break;
        }
        node = next;
    }
    return draft_fail(reader->draft, e, mark_of(reader, node), path.text, "%s", inner->text);
}

static enum err read_definition(
    const struct reader *reader, const struct entry *entry, struct destination *destination, uint32_t config) {
    struct entry definition = {JSON_ABSENT, {""}};
    uint32_t definition_config = JSON_ABSENT;
    enum err e = get_entry(reader, entry, "destinationDefinition", &definition);
    e = e == OK ? get_text(reader, &definition, "id", &destination->definition_id) : e;
    e = e == OK ? get_text(reader, &definition, "name", &destination->type) : e;
    e = e == OK ? get_text(reader, &definition, "displayName", &destination->display_name) : e;
    e = e == OK ? get_node(reader, &definition, "config", JSON_OBJECT, &definition_config) : e;
    if (e != OK) {
        return e;
    }
    if (destination->display_name.len == 0) {
        destination->display_name = workspace_display_name(reader->draft->types, destination->type);
    }
    read_message_types(reader, destination, definition_config, config);
    return OK;
}

/* ---- transformations ---- */

/* `transformations/<versionId>.js` beside the workspace file, else `transformations/<id>.js`. */
static enum err find_code(
    const struct reader *reader, const struct entry *entry, struct slice id, struct transformation *transformation) {
    const struct slice names[] = {transformation->version_id, id};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (names[i].len == 0 || memchr(names[i].ptr, '/', names[i].len) != NULL) {
            continue;
        }
        struct errinfo why = {.text = ""};
        struct slice file = arena_printf(reader->draft->arena, "transformations/%.*s.js", SLICE_ARG(names[i]));
        enum err e = draft_code_file(reader->draft, file, &transformation->code, &transformation->place.text, &why);
        transformation->place.in_file = e == OK;
        if (e != ERR_NOT_FOUND) {
            return e == OK ? OK
                           : draft_fail(reader->draft, e, mark_of(reader, entry->node), entry->path.text, "%s: %s",
                                 why.path, why.text);
        }
    }
    transformation->missing = arena_printf(reader->draft->arena,
        "the file only names it; give its code as transformations/%.*s.js beside the file, or as the key 'code'",
        SLICE_ARG(transformation->version_id.len > 0 ? transformation->version_id : id))
                                  .ptr;
    return OK;
}

static enum err read_code(
    const struct reader *reader, const struct entry *entry, struct slice id, struct transformation *transformation) {
    struct slice language = SLICE_NONE, version = SLICE_NONE;
    enum err e = get_text(reader, entry, "code", &transformation->code);
    e = e == OK ? get_text(reader, entry, "language", &language) : e;
    e = e == OK ? get_text(reader, entry, "codeVersion", &version) : e;
    if (e != OK) {
        return e;
    }
    transformation->language = slice_eq(version, SLICE("0")) ? 0 : 1;
    if (language.len > 0 && !slice_eq_nocase(language, SLICE("javascript"))) {
        struct place_quote quote = place_quote(language);
        transformation->missing =
            arena_printf(reader->draft->arena, "it is written in %s; only javascript runs here", quote.text).ptr;
        return OK;
    }
    if (transformation->code.len == 0) {
        return find_code(reader, entry, id, transformation);
    }
    transformation->place.text =
        arena_printf(reader->draft->arena, "%s %s.code", reader->draft->file, entry->path.text);
    return OK;
}

/* The first of a destination's list: the original looks at no other. A version is one transformation, whoever names it.
 */
static enum err read_transformation(
    const struct reader *reader, const struct entry *owner, const struct transformation **ret_transformation) {
    uint32_t list = JSON_ABSENT;
    enum err e = get_node(reader, owner, "transformations", JSON_ARRAY, &list);
    uint32_t first = e == OK && list != JSON_ABSENT ? json_first(reader->doc, list) : JSON_ABSENT;
    if (first == JSON_ABSENT) {
        return e;
    }
    struct entry entry = {first, place_path("%s.transformations[0]", owner->path.text)};
    struct transformation read = {
        .libraries = reader->libraries, .library_count = reader->library_count, .credentials = reader->credentials};
    struct slice id = SLICE_NONE;
    e = check_object(reader, &entry);
    e = e == OK ? get_text(reader, &entry, "id", &id) : e;
    e = e == OK ? get_text(reader, &entry, "versionId", &read.version_id) : e;
    e = e == OK ? get_text(reader, &entry, "name", &read.name) : e;
    if (e != OK) {
        return e;
    }
    read.id = id.len > 0 ? id : read.version_id;
    if (read.id.len == 0 || read.id.len > WORKSPACE_ID_MAX) {
        return draft_fail(reader->draft, ERR_INVALID, mark_of(reader, first), entry.path.text,
            "needs an id or versionId of at most %d bytes", WORKSPACE_ID_MAX);
    }
    read.name = read.name.len > 0 ? read.name : read.id;
    *ret_transformation = draft_transformation_find(reader->draft, read.id);
    if (*ret_transformation != NULL && slice_eq((*ret_transformation)->version_id, read.version_id)) {
        return OK;
    }
    if (*ret_transformation != NULL) { /* another version of it, elsewhere */
        read.id = read.version_id;
        *ret_transformation = draft_transformation_find(reader->draft, read.id);
    }
    if (*ret_transformation != NULL) {
        return OK;
    }
    e = read_code(reader, &entry, id, &read);
    *ret_transformation = e == OK ? draft_transformation_add(reader->draft, &read) : NULL;
    return e;
}

/* ---- destinations ---- */

/* The first copy with this id makes the destination, a later one is only a connection. */
static enum err read_destination(const struct reader *reader, const struct entry *entry, const struct entry *config,
    struct draft_destination **ret_destination) {
    struct destination destination = {.rules = {.concurrency = 0}};
    enum err e = get_text(reader, entry, "id", &destination.id);
    if (e != OK) {
        return e;
    }
    struct draft_destination *known = draft_destination_find(reader->draft, destination.id);
    if (known != NULL) {
        *ret_destination = known;
        return OK;
    }
    e = get_text(reader, entry, "name", &destination.name);
    e = e == OK ? get_bool(reader, entry, "enabled", /* absent */ false, &destination.enabled) : e;
    e = e == OK ? read_definition(reader, entry, &destination, config->node) : e;
    e = e == OK ? get_config(reader, config->node, config->path.text, &destination.config) : e;
    e = e == OK ? read_transformation(reader, entry, &destination.transformation) : e;
    if (e != OK) {
        return e;
    }
    struct errinfo inner = {.text = ""};
    e = draft_settings(reader->draft, &destination, reader->doc, config->node, &inner);
    if (e != OK) {
        return settings_fail(reader, e, config->node != JSON_ABSENT ? config : entry, &inner);
    }
    struct draft_where where = where_of(reader, entry);
    return draft_destination_add(reader->draft, &destination, &where, ret_destination);
}

/* A nested copy: its destination, and the connection with what this copy says of it. */
static enum err read_copy(const struct reader *reader, const struct entry *entry, struct draft_source *source) {
    struct entry config = {JSON_ABSENT, {""}};
    struct draft_destination *destination = NULL;
    bool connected = true;
    bool processed = false;
    enum err e = get_entry(reader, entry, "config", &config);
    e = e == OK ? read_destination(reader, entry, &config, &destination) : e;
    e = e == OK ? get_bool(reader, entry, "isConnectionEnabled", /* absent */ true, &connected) : e;
    e = e == OK ? get_bool(reader, entry, "isProcessorEnabled", /* absent */ false, &processed) : e;
    if (e != OK || draft_connection_find(reader->draft, source, destination) != NULL) {
        return e; /* the same copy twice in one source is one connection */
    }
    struct draft_connection *connection = draft_connection_add(reader->draft, source, destination);
    connection->enabled = connected;
    connection->cloud = processed && draft_is_cloud(reader->doc, config.node, source->source.type);
    read_hybrid_types(reader, entry, config.node, connection);
    connection->transformation = NULL; /* each copy speaks for itself */
    return read_transformation(reader, entry, &connection->transformation);
}

/* ---- sources ---- */

static enum err read_source_fields(const struct reader *reader, const struct entry *entry, struct source *source) {
    struct entry definition = {JSON_ABSENT, {""}};
    uint32_t config = JSON_ABSENT;
    enum err e = get_text(reader, entry, "id", &source->id);
    e = e == OK ? get_text(reader, entry, "name", &source->name) : e;
    e = e == OK ? get_text(reader, entry, "writeKey", &source->write_key) : e;
    e = e == OK ? get_bool(reader, entry, "enabled", /* absent */ false, &source->enabled) : e;
    e = e == OK ? get_entry(reader, entry, "sourceDefinition", &definition) : e;
    e = e == OK ? get_text(reader, &definition, "id", &source->definition_id) : e;
    e = e == OK ? get_text(reader, &definition, "name", &source->definition) : e;
    e = e == OK ? get_text(reader, &definition, "category", &source->category) : e;
    e = e == OK ? get_text(reader, &definition, "type", &source->type) : e;
    e = e == OK ? get_node(reader, entry, "config", JSON_OBJECT, &config) : e;
    return e == OK ? get_config(reader, config, entry->path.text, &source->config) : e;
}

static enum err read_source(const struct reader *reader, const struct entry *entry) {
    struct source values = {.enabled = false};
    uint32_t list = JSON_ABSENT;
    enum err e = check_object(reader, entry);
    e = e == OK ? read_source_fields(reader, entry, &values) : e;
    e = e == OK ? get_node(reader, entry, "destinations", JSON_ARRAY, &list) : e;
    if (e != OK) {
        return e;
    }
    struct draft_where where = where_of(reader, entry);
    struct draft_source *source;
    e = draft_source_add(reader->draft, &values, &where, &source);
    size_t index = 0;
    uint32_t node = list != JSON_ABSENT ? json_first(reader->doc, list) : JSON_ABSENT;
    for (; node != JSON_ABSENT && e == OK; node = json_after(reader->doc, list, node)) {
        struct entry copy = {node, place_path("%s.destinations[%zu]", entry->path.text, index)};
        e = check_object(reader, &copy);
        e = e == OK ? read_copy(reader, &copy, source) : e;
        index++;
    }
    return e;
}

/* ---- connections ---- */

/* An entry of the `connections` map can only take away from what the nested copies say. */
static enum err read_connection(const struct reader *reader, const struct entry *entry) {
    struct slice source_id = SLICE_NONE;
    struct slice destination_id = SLICE_NONE;
    bool enabled = true;
    bool processed = true;
    enum err e = check_object(reader, entry);
    e = e == OK ? get_text(reader, entry, "sourceId", &source_id) : e;
    e = e == OK ? get_text(reader, entry, "destinationId", &destination_id) : e;
    e = e == OK ? get_bool(reader, entry, "enabled", /* absent */ true, &enabled) : e;
    e = e == OK ? get_bool(reader, entry, "processorEnabled", /* absent */ true, &processed) : e;
    if (e != OK) {
        return e;
    }
    struct draft_source *source = draft_source_find(reader->draft, source_id);
    struct draft_destination *destination = draft_destination_find(reader->draft, destination_id);
    struct draft_connection *connection =
        source != NULL && destination != NULL ? draft_connection_find(reader->draft, source, destination) : NULL;
    if (connection !=
        NULL) { /* the original keeps entries for what is not nested any more, and delivers nothing for them */
        connection->enabled = connection->enabled && enabled;
        connection->cloud = connection->cloud && processed;
    }
    return OK;
}

static enum err read_connections(const struct reader *reader, const struct entry *root) {
    uint32_t map = JSON_ABSENT;
    enum err e = get_node(reader, root, "connections", JSON_OBJECT, &map);
    uint32_t key = e == OK && map != JSON_ABSENT ? json_first(reader->doc, map) : JSON_ABSENT;
    for (; key != JSON_ABSENT && e == OK; key = json_after(reader->doc, map, key)) {
        struct place_quote quote = place_quote(json_string(reader->doc, key, reader->draft->arena));
        struct entry entry = {key + 1, place_path("connections.%s", quote.text)};
        e = read_connection(reader, &entry);
    }
    return e;
}

/* ---- what all transformations share ---- */

static enum err read_library(
    const struct reader *reader, const struct entry *entry, struct transformation_library *ret_library) {
    enum err e = check_object(reader, entry);
    e = e == OK ? get_text(reader, entry, "name", &ret_library->name) : e;
    e = e == OK ? get_text(reader, entry, "code", &ret_library->code) : e;
    ret_library->place.text = arena_printf(reader->draft->arena, "%s %s.code", reader->draft->file, entry->path.text);
    return e;
}

/* Those of `libraries` that have code here, and those of the folder. The code imports them by name. */
static enum err read_libraries(struct reader *reader, const struct entry *root) {
    const struct transformation_library *files = NULL;
    size_t file_count = 0, index = 0;
    uint32_t list = JSON_ABSENT;
    struct errinfo why = {.text = ""};
    enum err e = get_node(reader, root, "libraries", JSON_ARRAY, &list);
    if (e != OK) {
        return e;
    }
    e = draft_code_folder(reader->draft, "transformations/libraries", &files, &file_count, &why);
    if (e != OK) {
        return draft_fail(reader->draft, e, 0, "libraries", "%s: %s", why.path, why.text);
    }
    size_t room = file_count + (list != JSON_ABSENT ? json_count(reader->doc, list) : 0);
    struct transformation_library *all = ARENA_ARRAY(reader->draft->arena, struct transformation_library, room + 1);
    uint32_t node = list != JSON_ABSENT ? json_first(reader->doc, list) : JSON_ABSENT;
    for (; node != JSON_ABSENT && e == OK; node = json_after(reader->doc, list, node)) {
        struct entry entry = {node, place_path("libraries[%zu]", index++)};
        struct transformation_library *library = &all[reader->library_count];
        e = read_library(reader, &entry, library);
        reader->library_count += e == OK && library->name.len > 0 && library->code.len > 0;
    }
    for (size_t i = 0; i < file_count; i++) {
        all[reader->library_count++] = files[i];
    }
    reader->libraries = all;
    return e;
}

/* A map of {key, value, isSecret} by id -> a list of {key, value}. */
static enum err read_credentials(struct reader *reader, const struct entry *root) {
    uint32_t map = JSON_ABSENT;
    struct buf text;
    struct json_writer json;
    enum err e = get_node(reader, root, "credentials", JSON_OBJECT, &map);
    if (e != OK || map == JSON_ABSENT) {
        return e;
    }
    buf_init(&text, WORKSPACE_CONFIG_MAX);
    json_writer_init(&json, &text);
    json_write_array(&json);
    for (uint32_t key = json_first(reader->doc, map); key != JSON_ABSENT && e == OK;
         key = json_after(reader->doc, map, key)) {
        struct place_quote quote = place_quote(json_string(reader->doc, key, reader->draft->arena));
        struct entry entry = {key + 1, place_path("credentials.%s", quote.text)};
        struct slice name = SLICE_NONE, value = SLICE_NONE;
        e = check_object(reader, &entry);
        e = e == OK ? get_text(reader, &entry, "key", &name) : e;
        e = e == OK ? get_text(reader, &entry, "value", &value) : e;
        json_write_object(&json);
        json_put_string(&json, "key", name);
        json_put_string(&json, "value", value);
        json_write_end(&json);
    }
    json_write_end(&json);
    reader->credentials = buf_keep(&text, reader->draft->arena);
    return e;
}

enum err workspace_json_read(struct draft *draft, const struct json_doc *doc) {
    draft->place = place_of_mark;
    draft->strict = false;
    struct reader reader = {.draft = draft, .doc = doc};
    struct entry root = {0, {""}};
    uint32_t list = JSON_ABSENT;
    enum err e = check_object(&reader, &root);
    e = e == OK ? get_text(&reader, &root, "workspaceId", &draft->workspace->info.id) : e;
    e = e == OK ? read_libraries(&reader, &root) : e;
    e = e == OK ? read_credentials(&reader, &root) : e;
    e = e == OK ? get_node(&reader, &root, "sources", JSON_ARRAY, &list) : e;
    draft->workspace->info.name = draft->workspace->info.id;
    size_t index = 0;
    uint32_t node = e == OK && list != JSON_ABSENT ? json_first(doc, list) : JSON_ABSENT;
    for (; node != JSON_ABSENT && e == OK; node = json_after(doc, list, node)) {
        struct entry entry = {node, place_path("sources[%zu]", index)};
        e = read_source(&reader, &entry);
        index++;
    }
    return e == OK ? read_connections(&reader, &root) : e;
}
