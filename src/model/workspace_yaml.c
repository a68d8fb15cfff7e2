/* workspace.yaml -> draft. The schema is the tables of fields below; docs/workspace.md explains it. */
#include <stdlib.h>

#include "model/workspace_yaml_code.h"

#define VERSION 1
#define RATE_MAX 1000000.0 /* requests per second */

struct reader {
    struct draft *draft;
    struct ytree tree;
    struct json_parser *parser; /* of one config at a time */
    struct buf json;            /* that config */
    struct yaml_code code;      /* what workspace_yaml_code.c needs of these */
};

enum {
    ROOT_VERSION,
    ROOT_WORKSPACE,
    ROOT_TRANSFORMATIONS,
    ROOT_SOURCES,
    ROOT_DESTINATIONS,
    ROOT_CONNECTIONS,
    ROOT_COUNT
};
static const struct ytree_field root_fields[ROOT_COUNT] = {
    {"version", YTREE_WANT_SCALAR, true, 0},
    {"workspace", YTREE_WANT_MAP, true, 0},
    {"transformations", YTREE_WANT_LIST, false, 0},
    {"sources", YTREE_WANT_LIST, false, 0},
    {"destinations", YTREE_WANT_LIST, false, 0},
    {"connections", YTREE_WANT_LIST, false, 0},
};

enum { WORKSPACE_ID, WORKSPACE_NAME, WORKSPACE_COUNT };
static const struct ytree_field workspace_fields[WORKSPACE_COUNT] = {
    {"id", YTREE_WANT_TEXT, true, WORKSPACE_ID_MAX},
    {"name", YTREE_WANT_TEXT, false, WORKSPACE_NAME_MAX},
};

enum {
    SOURCE_ID,
    SOURCE_NAME,
    SOURCE_WRITE_KEY,
    SOURCE_ENABLED,
    SOURCE_TYPE,
    SOURCE_DEFINITION,
    SOURCE_CATEGORY,
    SOURCE_CONFIG,
    SOURCE_COUNT
};
static const struct ytree_field source_fields[SOURCE_COUNT] = {
    {"id", YTREE_WANT_TEXT, true, WORKSPACE_ID_MAX},
    {"name", YTREE_WANT_TEXT, false, WORKSPACE_NAME_MAX},
    {"write_key", YTREE_WANT_TEXT, true, WORKSPACE_WRITE_KEY_MAX},
    {"enabled", YTREE_WANT_BOOL, false, 0},
    {"type", YTREE_WANT_TEXT, false, WORKSPACE_NAME_MAX},
    {"definition", YTREE_WANT_TEXT, false, WORKSPACE_NAME_MAX},
    {"category", YTREE_WANT_TEXT, false, WORKSPACE_NAME_MAX},
    {"config", YTREE_WANT_MAP, false, 0},
};

enum {
    DESTINATION_ID,
    DESTINATION_NAME,
    DESTINATION_TYPE,
    DESTINATION_ENABLED,
    DESTINATION_CONFIG,
    DESTINATION_DELIVERY,
    DESTINATION_TRANSFORMATION,
    DESTINATION_ON_ERROR,
    DESTINATION_COUNT
};
static const struct ytree_field destination_fields[DESTINATION_COUNT] = {
    {"id", YTREE_WANT_TEXT, true, WORKSPACE_ID_MAX},
    {"name", YTREE_WANT_TEXT, false, WORKSPACE_NAME_MAX},
    {"type", YTREE_WANT_TEXT, true, WORKSPACE_NAME_MAX},
    {"enabled", YTREE_WANT_BOOL, false, 0},
    {"config", YTREE_WANT_MAP, false, 0},
    {"delivery", YTREE_WANT_MAP, false, 0},
    {"transformation", YTREE_WANT_TEXT, false, WORKSPACE_ID_MAX},
    {"on_error", YTREE_WANT_TEXT, false, WORKSPACE_ID_MAX},
};

enum {
    CONNECTION_FROM,
    CONNECTION_TO,
    CONNECTION_ENABLED,
    CONNECTION_TRANSFORMATION,
    CONNECTION_ON_ERROR,
    CONNECTION_COUNT
};
static const struct ytree_field connection_fields[CONNECTION_COUNT] = {
    {"from", YTREE_WANT_TEXT, true, WORKSPACE_ID_MAX},
    {"to", YTREE_WANT_TEXT, true, WORKSPACE_ID_MAX},
    {"enabled", YTREE_WANT_BOOL, false, 0},
    {"transformation", YTREE_WANT_TEXT, false, WORKSPACE_ID_MAX},
    {"on_error", YTREE_WANT_TEXT, false, WORKSPACE_ID_MAX},
};

/* The `delivery:` block, as knobs: the same forms, ranges and messages as in sluice.yaml. */
struct delivery_block {
    uint64_t concurrency;
    struct slice rate;
    int64_t timeout, window;
    bool ordered, allow_private;
};
static const struct knob delivery_knobs[] = {
#define K(type, key, def, min, max, unit, help) \
    KNOB_ROW_(struct delivery_block, type, key, def, min, max, unit, 0, help)
    K(U64, concurrency, "0", 1, 10000, "requests", "requests in flight") K(TEXT, rate, "", 1, 32, "",
        "requests per second, or 100/s, 6000/m, 100/h") K(DURATION, timeout, "0", 100, 3600000, "ms", "one request")
        K(DURATION, window, "0", 1000, 2592000000, "ms", "how long an event is retried")
            K(BOOL, ordered, "true", 0, 0, "", "keep each user's events in order")
                K(BOOL, allow_private, "false", 0, 0, "", "deliver to private addresses")
#undef K
};

static uint64_t mark_of(const struct ytree_node *node) {
    return (uint64_t)node->line << 32 | node->column;
}

static struct place place_of_mark(const struct draft *draft, uint64_t mark) {
    return (struct place){draft->file, (uint32_t)(mark >> 32), (uint32_t)mark};
}

/* Into the snapshot: the tree goes when the file is read. */
static struct slice keep(const struct reader *reader, const struct ytree_node *node) {
    return arena_dup(reader->draft->arena, node != NULL ? node->text : SLICE(""));
}

/* reader->json = the subtree as JSON; "{}" when absent. */
static enum err write_config(struct reader *reader, const struct ytree_node *node, struct slice *ret_config) {
    if (node == NULL) {
        return draft_config_dup(reader->draft, SLICE("{}"), ret_config);
    }
    buf_reset(&reader->json);
    struct json_writer writer;
    json_writer_init(&writer, &reader->json);
    enum err e = ytree_write_json(&reader->tree, node, &writer);
    if (e != OK) {
        return e;
    }
    e = reader->json.failed;
    e = e == OK ? draft_config_dup(reader->draft, buf_slice(&reader->json), ret_config) : e;
    if (e != OK) {
        (void)ytree_fail(&reader->tree, node, "", "%s: all configs together have more than %zu MiB", err_text(e),
            WORKSPACE_CONFIG_MAX >> 20);
    }
    return e;
}

static enum err read_source(struct reader *reader, const struct ytree_node *map, const char *path) {
    const struct ytree_node *field[SOURCE_COUNT];
    enum err e = ytree_fields(&reader->tree, map, path, source_fields, SOURCE_COUNT, field);
    if (e != OK) {
        return e;
    }
    struct source source = {
        .id = keep(reader, field[SOURCE_ID]),
        .name = keep(reader, field[SOURCE_NAME]),
        .write_key = keep(reader, field[SOURCE_WRITE_KEY]),
        .definition = keep(reader, field[SOURCE_DEFINITION]),
        .category = keep(reader, field[SOURCE_CATEGORY]),
        .type = keep(reader, field[SOURCE_TYPE]),
        .enabled = ytree_bool(field[SOURCE_ENABLED], true),
    };
    e = write_config(reader, field[SOURCE_CONFIG], &source.config);
    if (e != OK) {
        return e;
    }
    struct draft_where where = {path, mark_of(map), mark_of(field[SOURCE_ID]), mark_of(field[SOURCE_WRITE_KEY])};
    struct draft_source *added;
    return draft_source_add(reader->draft, &source, &where, &added);
}

/* "100", "0.5", "100/s", "6000/m", "100/h" -> requests per second */
static enum err parse_rate(struct slice text, double *ret_rate) {
    struct slice unit;
    struct slice number = slice_trim(slice_cut(text, '/', &unit));
    double seconds = 1;
    if (unit.ptr != NULL) {
        unit = slice_trim(unit);
        seconds = slice_eq(unit, SLICE("s")) ? 1
            : slice_eq(unit, SLICE("m"))     ? 60
            : slice_eq(unit, SLICE("h"))     ? 3600
                                             : 0;
    }
    char digits[40] = "";
    if (number.len == 0 || number.len >= sizeof(digits) || seconds == 0) {
        return ERR_INVALID;
    }
    memcpy(digits, number.ptr, number.len);
    if (strspn(digits, "0123456789.") != number.len) {
        return ERR_INVALID;
    }
    char *end = NULL;
    double rate = strtod(digits, &end) / seconds;
    if (*end != '\0') {
        return ERR_INVALID;
    }
    *ret_rate = rate;
    return rate > 0 && rate <= RATE_MAX ? OK : ERR_RANGE;
}

static enum err read_delivery(
    struct reader *reader, const struct ytree_node *map, const char *path, struct delivery_rules *ret_rules) {
    struct place_path name = place_path_join(path, "delivery");
    struct delivery_block block;
    struct knob_section section = {name.text, delivery_knobs, COUNT_OF(delivery_knobs), &block};
    knob_defaults(&section, reader->tree.arena);
    for (const struct ytree_item *item = map != NULL ? map->first : NULL; item != NULL; item = item->next) {
        enum err e = ytree_knob(&reader->tree, &section, reader->tree.arena, item);
        if (e != OK) {
            return e;
        }
    }
    struct delivery_rules rules = {
        .concurrency = (uint32_t)block.concurrency,
        .timeout_ms = block.timeout,
        .window_ms = block.window,
        .unordered = !block.ordered,
        .allow_private = block.allow_private,
    };
    enum err e = block.rate.len > 0 ? parse_rate(block.rate, &rules.rate) : OK;
    if (e != OK) {
        struct place_quote quote = place_quote(block.rate);
        struct place_path rate_path = place_path_join(name.text, "rate");
        return ytree_fail(&reader->tree, ytree_find(map, "rate"), rate_path.text,
            "\"%s\" is not a rate: requests per second or with a unit (100/s, 6000/m, 100/h), at most %.0f/s",
            quote.text, RATE_MAX);
    }
    *ret_rules = rules;
    return OK;
}

/* What draft_settings found wrong, at the value that it is about. */
static enum err settings_fail(const struct reader *reader, enum err e, const struct ytree_node *node, const char *path,
    const struct errinfo *inner) {
    struct slice field = slice_cstr(inner->path);
    if (slice_starts(field, SLICE("config."))) {
        field = slice_of(field.ptr + 7, field.len - 7);
    }
    struct place_path whole =
        place_path("%s.config%s%s", path, field.len > 0 && field.ptr[0] != '[' ? "." : "", field.ptr);
    const struct ytree_node *at = ytree_find(node, field.ptr);
    struct place place = {reader->tree.file, at->line, at->column};
    return place_fail(e, reader->tree.why, place, whole.text, "%s", inner->text);
}

/* Types are upper case, as in the original; "webhook" is meant as WEBHOOK. */
static struct slice upper(struct arena *arena, struct slice text) {
    char *copy = arena_alloc(arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++) {
        copy[i] = text.ptr[i] >= 'a' && text.ptr[i] <= 'z' ? (char)(text.ptr[i] - 'a' + 'A') : text.ptr[i];
    }
    return slice_of(copy, text.len);
}

static enum err read_settings(struct reader *reader, struct destination *destination, const struct ytree_node *map,
    const struct ytree_node *config, const char *path) {
    struct json_doc doc;
    struct errinfo inner = {.text = ""};
    enum err e = json_parse(reader->parser, destination->config, &doc, &inner);
    e = e == OK ? draft_settings(reader->draft, destination, &doc, 0, &inner) : e;
    return e == OK ? OK : settings_fail(reader, e, config != NULL ? config : map, path, &inner);
}

static enum err read_destination(struct reader *reader, const struct ytree_node *map, const char *path) {
    const struct ytree_node *field[DESTINATION_COUNT];
    enum err e = ytree_fields(&reader->tree, map, path, destination_fields, DESTINATION_COUNT, field);
    if (e != OK) {
        return e;
    }
    struct slice type = upper(reader->draft->arena, field[DESTINATION_TYPE]->text);
    struct destination destination = {
        .id = keep(reader, field[DESTINATION_ID]),
        .name = keep(reader, field[DESTINATION_NAME]),
        .type = type,
        .display_name = workspace_display_name(reader->draft->types, type),
        .enabled = ytree_bool(field[DESTINATION_ENABLED], true),
    };
    e = write_config(reader, field[DESTINATION_CONFIG], &destination.config);
    e = e == OK ? read_delivery(reader, field[DESTINATION_DELIVERY], path, &destination.rules) : e;
    e = e == OK ? read_settings(reader, &destination, map, field[DESTINATION_CONFIG], path) : e;
    const struct yaml_code_choice choice = {field[DESTINATION_TRANSFORMATION], field[DESTINATION_ON_ERROR], path};
    e = e == OK ? yaml_code_choose(&reader->code, &choice, &destination.transformation, &destination.on_error) : e;
    if (e != OK) {
        return e;
    }
    struct draft_where where = {path, mark_of(map), mark_of(field[DESTINATION_ID]), 0};
    struct draft_destination *added;
    return draft_destination_add(reader->draft, &destination, &where, &added);
}

/* A name that a person may have meant. */
static const char *nearest_id(const struct draft *draft, struct slice id, bool source) {
    const char *best = NULL;
    unsigned best_distance = UINT32_MAX;
    const struct draft_source *from = source ? draft->sources : NULL;
    const struct draft_destination *to = source ? NULL : draft->destinations;
    while (from != NULL || to != NULL) {
        struct slice name = source ? from->source.id : to->destination.id; /* from arena_dup: a C string */
        unsigned distance = slice_distance(id, name);
        best = distance < best_distance ? name.ptr : best;
        best_distance = distance < best_distance ? distance : best_distance;
        from = from != NULL ? from->next : NULL;
        to = to != NULL ? to->next : NULL;
    }
    return best;
}

static enum err dangling(const struct reader *reader, const struct ytree_node *node, const char *path, bool source) {
    struct place_quote quote = place_quote(node->text);
    const char *noun = source ? "source" : "destination";
    struct place_path whole = place_path_join(path, source ? "from" : "to");
    const char *nearest = nearest_id(reader->draft, node->text, source);
    if (nearest == NULL) {
        return ytree_fail(
            &reader->tree, node, whole.text, "there is no %s '%s'; the workspace has no %ss", noun, quote.text, noun);
    }
    return ytree_fail(
        &reader->tree, node, whole.text, "there is no %s '%s'; the nearest is '%s'", noun, quote.text, nearest);
}

static enum err read_connection(struct reader *reader, const struct ytree_node *map, const char *path) {
    const struct ytree_node *field[CONNECTION_COUNT];
    enum err e = ytree_fields(&reader->tree, map, path, connection_fields, CONNECTION_COUNT, field);
    if (e != OK) {
        return e;
    }
    struct draft_source *source = draft_source_find(reader->draft, field[CONNECTION_FROM]->text);
    struct draft_destination *destination = draft_destination_find(reader->draft, field[CONNECTION_TO]->text);
    if (source == NULL) {
        return dangling(reader, field[CONNECTION_FROM], path, true);
    }
    if (destination == NULL) {
        return dangling(reader, field[CONNECTION_TO], path, false);
    }
    if (draft_connection_find(reader->draft, source, destination) != NULL) {
        struct place_quote from = place_quote(source->source.id);
        struct place_quote to = place_quote(destination->destination.id);
        return ytree_fail(
            &reader->tree, map, path, "the connection from '%s' to '%s' is here twice", from.text, to.text);
    }
    struct json_doc doc;
    e = json_parse(reader->parser, destination->destination.config, &doc, NULL);
    ASSERT(e == OK); /* it was parsed when the destination was read */
    struct draft_connection *added = draft_connection_add(reader->draft, source, destination);
    added->enabled = ytree_bool(field[CONNECTION_ENABLED], true);
    added->cloud = draft_is_cloud(&doc, 0, source->source.type);
    const struct yaml_code_choice choice = {field[CONNECTION_TRANSFORMATION], field[CONNECTION_ON_ERROR], path};
    return yaml_code_choose(&reader->code, &choice, &added->transformation, &added->on_error);
}

static enum err read_transformation(struct reader *reader, const struct ytree_node *map, const char *path) {
    return yaml_code_read(&reader->code, map, path);
}

static enum err read_list(struct reader *reader, const struct ytree_node *list, const char *name,
    enum err (*read_one)(struct reader *reader, const struct ytree_node *map, const char *path)) {
    size_t index = 0;
    for (const struct ytree_item *item = list != NULL ? list->first : NULL; item != NULL; item = item->next) {
        struct place_path path = place_path("%s[%zu]", name, index);
        enum err e = read_one(reader, item->value, path.text);
        if (e != OK) {
            return e;
        }
        index++;
    }
    return OK;
}

static enum err read_head(struct reader *reader, const struct ytree_node *const *root) {
    const struct ytree_node *version = root[ROOT_VERSION];
    uint64_t number = 0;
    if (slice_to_u64(version->text, &number) != OK || number != VERSION) {
        struct place_quote quote = place_quote(version->written);
        return ytree_fail(&reader->tree, version, "version", "must be %d, not '%s'", VERSION, quote.text);
    }
    const struct ytree_node *field[WORKSPACE_COUNT];
    enum err e =
        ytree_fields(&reader->tree, root[ROOT_WORKSPACE], "workspace", workspace_fields, WORKSPACE_COUNT, field);
    if (e != OK) {
        return e;
    }
    struct workspace_info *info = &reader->draft->workspace->info;
    info->id = keep(reader, field[WORKSPACE_ID]);
    info->name = keep(reader, field[WORKSPACE_NAME] != NULL ? field[WORKSPACE_NAME] : field[WORKSPACE_ID]);
    return OK;
}

static enum err read_root(struct reader *reader) {
    enum err e = ytree_parse(&reader->tree, reader->draft->text);
    if (e != OK) {
        return e;
    }
    if (reader->tree.root->kind == YTREE_NULL) {
        return ytree_fail(
            &reader->tree, reader->tree.root, "", "is empty: a workspace needs 'version' and 'workspace'");
    }
    const struct ytree_node *root[ROOT_COUNT];
    e = ytree_fields(&reader->tree, reader->tree.root, "", root_fields, ROOT_COUNT, root);
    e = e == OK ? read_head(reader, root) : e;
    e = e == OK ? read_list(reader, root[ROOT_TRANSFORMATIONS], "transformations", read_transformation) : e;
    e = e == OK ? read_list(reader, root[ROOT_SOURCES], "sources", read_source) : e;
    e = e == OK ? read_list(reader, root[ROOT_DESTINATIONS], "destinations", read_destination) : e;
    return e == OK ? read_list(reader, root[ROOT_CONNECTIONS], "connections", read_connection) : e;
}

enum err workspace_yaml_read(struct draft *draft) {
    draft->place = place_of_mark;
    draft->strict = true;
    struct arena scratch;
    arena_init(&scratch, 16384, 0);
    struct reader reader = {.draft = draft, .parser = json_parser_new(YTREE_DEPTH_MAX)};
    reader.tree = (struct ytree){.arena = &scratch,
        .file = draft->file,
        .why = draft->why,
        .environment = true,
        .verbatim_under = "transformations",
        .verbatim_key = "code"};
    reader.code = (struct yaml_code){draft, &reader.tree};
    buf_init(&reader.json, WORKSPACE_CONFIG_MAX);
    enum err e = read_root(&reader);
    buf_fini(&reader.json);
    json_parser_free(reader.parser);
    arena_fini(&scratch);
    return e;
}
