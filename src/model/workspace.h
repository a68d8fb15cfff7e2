/* The workspace: an immutable snapshot, built in one arena, reference-counted, swapped whole. From workspace.yaml
 * (unknown keys are errors) or from an original workspaceConfig.json as it is (unknown keys are ignored, as there).
 *
 * thread: a snapshot is read by any thread that holds a reference; a cell is safe from any thread. */
#ifndef SLUICE_MODEL_WORKSPACE_H
#define SLUICE_MODEL_WORKSPACE_H

#include "base/arena.h"
#include "model/event.h"

struct workspace;
struct connection;

struct source {
    struct slice id, name, write_key;
    struct slice definition; /* sourceDefinition.name, e.g. "Javascript" */
    struct slice definition_id;
    struct slice category; /* "" = event stream, "webhook", "cloud", … */
    struct slice type;     /* sourceDefinition.type: web, android, …; "" when unknown */
    struct slice config;   /* raw JSON object, "{}" when absent; JSON_PADDING bytes behind it are readable */
    uint64_t key;          /* hash64(id): how records name it */
    bool enabled;
    const struct connection *const *connections; /* out of this source, enabled or not */
    size_t connection_count;
};

enum event_filter { EVENT_FILTER_OFF, EVENT_FILTER_ALLOW, EVENT_FILTER_DENY };

struct delivery_rules {   /* the `delivery:` block; 0 = the server's knob */
    uint32_t concurrency; /* requests in flight */
    double rate;          /* requests per second; 0 = unlimited */
    int64_t timeout_ms;
    int64_t window_ms; /* how long an event is retried */
    bool unordered;    /* opt out of per-user order */
    bool allow_private;
};

enum on_error { ON_ERROR_DEAD, ON_ERROR_PASS, ON_ERROR_STOP }; /* of a transformation: what becomes of the event */

/* Where code stands, for messages. */
struct code_place {
    struct slice text;     /* the path of a file of its own, or "workspace.yaml:12 transformations[0].code" */
    bool in_file;          /* the former */
    uint32_t line, indent; /* a block in the workspace file: its first line there, and blanks in front; 0 = none */
    struct slice path;     /* of such a block: "transformations[0].code" */
};

struct transformation_library {
    struct slice name; /* as imported */
    struct slice code;
    struct code_place place;
};

/* User code for events on their way to a destination. */
struct transformation {
    struct slice id, name;
    struct slice version_id; /* the original's; "" = none: the code's hash is its version */
    struct slice code;
    struct code_place place;
    unsigned language; /* 1: module, 0: script */
    const struct transformation_library *libraries;
    size_t library_count;
    struct slice credentials; /* JSON array of {key, value}; secret */
    const char *missing;      /* NULL, or why there is no code: the file only names it */
};

struct destination {
    struct slice id, name;
    struct slice type; /* "WEBHOOK": the original's definition name */
    struct slice definition_id;
    struct slice display_name; /* key of the `integrations` object: "Webhook" */
    struct slice config;       /* raw JSON object, "{}" when absent; JSON_PADDING bytes behind it are readable */
    uint64_t key;              /* hash64(id) */
    bool enabled;
    bool supported;           /* this build has a delivery for `type`; otherwise its events are kept and counted */
    enum event_filter filter; /* config.eventFilteringOption, whitelistedEvents, blacklistedEvents */
    const struct slice *filter_events; /* trimmed names */
    size_t filter_event_count;
    const struct slice *message_types; /* definition config.supportedMessageTypes, lower case; NULL = all */
    size_t message_type_count;
    struct delivery_rules rules;
    const struct transformation *transformation; /* NULL = none; connections have the last word */
    enum on_error on_error;
};

struct connection {
    const struct source *source;
    const struct destination *destination;
    bool enabled;
    bool cloud;                       /* false: device mode for this source, we must not deliver */
    const struct slice *hybrid_types; /* hybrid mode: of these event types only; NULL = all */
    size_t hybrid_type_count;
    const struct transformation *transformation; /* its own, else the destination's; NULL = none */
    enum on_error on_error;
};

struct workspace_info {
    struct slice id, name;
    struct slice path;   /* the file it came from */
    uint64_t generation; /* 1, 2, … per process */
    int64_t loaded_ms;
    const struct source *const *sources;
    size_t source_count;
    const struct destination *const *destinations;
    size_t destination_count;
    const struct connection *connections;
    size_t connection_count;
    const struct transformation *const *transformations;
    size_t transformation_count;
};

const char *on_error_word(enum on_error on_error); /* "dead" */

/* Types that this build can deliver; the caller (cli) passes delivery's table. */
struct workspace_types {
    /* Checks the settings of a destination (`config`, with JSON_PADDING); NULL why-> not wanted. ERR_UNSUPPORTED: no
     * such type. Other errors: why->path is the setting's path inside `config` ("webhookUrl", "headers[0].from"). */
    enum err (*check)(struct slice type, struct slice config, struct errinfo *why);
    /* NULL, or: the label of a type, for display_name where the file has none; SLICE_NONE when it is unknown. Lives as
     * long as the process. */
    struct slice (*label)(struct slice type);
};

/* Format by content: a JSON object with a "sources" array and without "version" is a workspaceConfig.json, anything
 * else workspace.yaml (which may be written as JSON too). `types` NULL: settings are not checked, every type counts as
 * supported. Blocks on the file. Errors: why->path "file:line:column sources[0].write_key", why->text with value, limit
 * and nearest known key. */
MUST enum err workspace_load(
    const char *path, const struct workspace_types *types, struct workspace **ret_workspace, struct errinfo *why);
MUST enum err workspace_parse(struct slice text, const char *path, const struct workspace_types *types,
    struct workspace **ret_workspace, struct errinfo *why);
struct workspace *workspace_hold(struct workspace *workspace);
void workspace_release(struct workspace *workspace); /* takes NULL */
const struct workspace_info *workspace_info(const struct workspace *workspace);

const struct source *workspace_source_by_write_key(const struct workspace *workspace, struct slice write_key);
const struct source *workspace_source_by_key(const struct workspace *workspace, uint64_t key);
const struct source *workspace_source_by_id(const struct workspace *workspace, struct slice id);
const struct destination *workspace_destination_by_key(const struct workspace *workspace, uint64_t key);
const struct transformation *workspace_transformation_by_id(const struct workspace *workspace, struct slice id);

/* The current snapshot of the process. */
struct workspace_cell;
struct workspace_cell *workspace_cell_new(struct workspace *first); /* takes the reference */
void workspace_cell_free(struct workspace_cell *cell);
struct workspace *workspace_cell_get(struct workspace_cell *cell);             /* a new reference */
void workspace_cell_swap(struct workspace_cell *cell, struct workspace *next); /* takes the reference */
/* Changes at every swap: a stage keeps its own reference and renews it when this differs from the one it holds. */
uint64_t workspace_cell_generation(const struct workspace_cell *cell);

#endif
