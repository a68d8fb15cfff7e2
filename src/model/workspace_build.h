/* Building a snapshot: what both file formats share. A reader fills a draft (sources, destinations, connections), the
 * draft refuses what cannot be (duplicates, bad ids, bad settings), draft_finish freezes it. Private to model/. */
#ifndef SLUICE_MODEL_WORKSPACE_BUILD_H
#define SLUICE_MODEL_WORKSPACE_BUILD_H

#include <stdatomic.h>

#include "model/key_table.h"
#include "model/place.h"
#include "model/workspace.h"
#include "json/json.h"

#define WORKSPACE_FILE_MAX ((size_t)64 << 20)
#define WORKSPACE_CONFIG_MAX ((size_t)64 << 20) /* all `config` objects together, as JSON */
#define WORKSPACE_ID_MAX 63                     /* bytes; delivery and the feed name things in fixed fields */
#define WORKSPACE_NAME_MAX 255
#define WORKSPACE_WRITE_KEY_MAX 255
#define WORKSPACE_DEPTH_MAX 64       /* nesting of a workspaceConfig.json */
#define WORKSPACE_CODE_MAX (1 << 20) /* of one transformation or library */
#define WORKSPACE_LIBRARIES_MAX 100  /* of one transformation */

struct workspace {
    _Atomic uint32_t references; /* an atomic outside base/: a snapshot is shared by every thread */
    struct arena arena;          /* all of it, but this struct */
    struct workspace_info info;
    struct key_table sources_by_write_key, sources_by_key, destinations_by_key;
};

struct draft_source {
    struct draft_source *next;
    struct source source;
    uint64_t at;
    const struct connection **connections;
    size_t expected; /* connections that will be put there */
};

struct draft_destination {
    struct draft_destination *next;
    struct destination destination;
    uint64_t at;
};

struct draft_connection {
    struct draft_connection *next;
    struct draft_source *source;
    struct draft_destination *destination;
    bool enabled, cloud;
    const struct slice *hybrid_types; /* as connection's */
    size_t hybrid_type_count;
    const struct transformation *transformation;
    enum on_error on_error;
};

struct draft_transformation {
    struct draft_transformation *next;
    struct transformation transformation;
};

/* A `mark` is a place that is cheap to keep and is looked up only for a message: YAML packs line and column into it,
 * JSON the number of a byte. */
struct draft {
    struct workspace *workspace;
    struct arena *arena; /* the workspace's */
    const char *file;
    struct errinfo *why; /* never NULL */
    const struct workspace_types *types;
    struct place (*place)(const struct draft *draft, uint64_t mark);
    struct slice text; /* the file, for `place` */
    bool strict;       /* workspace.yaml: what has no meaning in a config is an error */
    size_t config_bytes;
    struct draft_source *sources, **sources_end;
    struct draft_destination *destinations, **destinations_end;
    struct draft_connection *connections, **connections_end;
    struct draft_transformation *transformations, **transformations_end;
    struct key_table connections_by_pair;
};

/* Where an object and its identifying fields are. */
struct draft_where {
    const char *path; /* "sources[0]" */
    uint64_t at, id_at, write_key_at;
};

void draft_init(struct draft *draft, struct workspace *workspace);
/* place_fail at a mark. */
enum err draft_fail(const struct draft *draft, enum err e, uint64_t mark, const char *path, const char *format, ...)
    PRINTF_LIKE(5, 6);
MUST enum err draft_source_add(struct draft *draft, const struct source *values, const struct draft_where *where,
    struct draft_source **ret_source);
MUST enum err draft_destination_add(struct draft *draft, const struct destination *values,
    const struct draft_where *where, struct draft_destination **ret_destination);
struct draft_source *draft_source_find(const struct draft *draft, struct slice id);
struct draft_destination *draft_destination_find(const struct draft *draft, struct slice id);
struct draft_connection *draft_connection_find(
    const struct draft *draft, const struct draft_source *source, const struct draft_destination *destination);
/* Not there yet. Its transformation is the destination's. */
struct draft_connection *draft_connection_add(
    struct draft *draft, struct draft_source *source, struct draft_destination *destination);

struct transformation *draft_transformation_find(const struct draft *draft, struct slice id);
/* Not there yet. */
struct transformation *draft_transformation_add(struct draft *draft, const struct transformation *values);

/* Code that stands in a file, by its path from the workspace file's folder. *ret_place is that path, for messages.
 * ERR_NOT_FOUND when there is none; other errors (no plain file, too large) with `why`. */
MUST enum err draft_code_file(
    struct draft *draft, struct slice relative, struct slice *ret_code, struct slice *ret_place, struct errinfo *why);
/* The libraries of a folder there: its .js files, by the names without that, sorted. None when there is no such folder.
 */
MUST enum err draft_code_folder(struct draft *draft, const char *relative,
    const struct transformation_library **ret_libraries, size_t *ret_count, struct errinfo *why);

/* Copies JSON into the snapshot with JSON_PADDING behind it. ERR_TOO_LARGE past WORKSPACE_CONFIG_MAX. */
MUST enum err draft_config_dup(struct draft *draft, struct slice json, struct slice *ret_config);
/* Reads event lists from destination->config, whose parsed form is `node` of `doc`, and asks types->check. Errors in
 * `inner`: path relative to the config. */
MUST enum err draft_settings(struct draft *draft, struct destination *destination, const struct json_doc *doc,
    uint32_t node, struct errinfo *inner);
/* connectionMode says hybrid mode for sources of this type. */
bool draft_is_hybrid(const struct json_doc *doc, uint32_t config, struct slice source_type);
/* False when connectionMode (or the legacy useNativeSDK) says device mode for sources of this type. */
bool draft_is_cloud(const struct json_doc *doc, uint32_t config, struct slice source_type);

/* Key of the `integrations` object for a destination type, where the file does not say it. */
struct slice workspace_display_name(const struct workspace_types *types, struct slice type);

/* Arrays, tables, time of loading. */
void draft_finish(struct draft *draft);

/* The two readers of draft->text. They fill info.id, info.name and the draft. */
MUST enum err workspace_yaml_read(struct draft *draft);
MUST enum err workspace_json_read(struct draft *draft, const struct json_doc *doc);

#endif
