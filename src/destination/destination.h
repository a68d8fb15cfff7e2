/* Destinations as data: a definition says what a destination's settings are, which events it takes, and by which tables
 * an event becomes a request. Definitions of destinations/ are part of the binary; a folder given at run time adds to
 * them. Pure: settings, event and time decide; no I/O but the loading of definitions. docs/destinations.md is the
 * format's manual.
 *
 * thread: definitions are immutable once loaded and are read by any thread. destination_load_folder is called before
 * other threads begin. Settings are read by any thread; a build belongs to its caller's thread. */
#ifndef SLUICE_DESTINATION_DESTINATION_H
#define SLUICE_DESTINATION_DESTINATION_H

#include "destination/destination_conf.h"
#include "http/http.h"
#include "json/json.h"
#include "json/json_write.h"

enum destination_kind {
    DESTINATION_TABLES, /* its requests come from its tables, here */
    DESTINATION_NATIVE, /* delivery has a kind of that type in C; only the settings are read from the definition */
    DESTINATION_CODE,   /* its folder has a transform.js, which gets what the tables make */
};

enum destination_setting_type {
    SETTING_TEXT,
    SETTING_URL,
    SETTING_NUMBER,
    SETTING_BOOLEAN,
    SETTING_CHOICE,
    SETTING_LIST,
    SETTING_PAIRS,
    SETTING_ROWS, /* a list of objects, as it is configured */
    SETTING_ANY   /* whatever is configured, as it is: for what varies by source type */
};

struct destination_option {
    struct slice value, label;
};

struct destination_setting {
    struct slice key, label, help;
    enum destination_setting_type type;
    bool secret, required;
    struct slice fallback;                    /* default as JSON; empty = none */
    const struct destination_option *options; /* of SETTING_CHOICE */
    size_t option_count;
    struct slice pattern;               /* POSIX extended; empty = none */
    const struct slice *secret_members; /* of SETTING_ROWS: members of a row that are never shown */
    size_t secret_member_count;
};

struct destination_mode {
    struct slice source_type;  /* "all" or one of the source types */
    const struct slice *modes; /* cloud device hybrid */
    size_t mode_count;
};

struct destination_limits { /* 0 = the server's knob */
    uint32_t concurrency;
    int64_t timeout_ms;
};

struct destination_batching { /* events 0 = one event, one request */
    uint32_t events;
    uint64_t bytes; /* of a request's body */
    int64_t time_ms;
};

/* ---- definitions of sources/: what a vendor's webhook is ---- */

enum destination_webhook_body {
    WEBHOOK_BODY_JSON = 1,
    WEBHOOK_BODY_FORM = 2,
    WEBHOOK_BODY_QUERY = 4,
    WEBHOOK_BODY_LINES = 8
};
enum destination_algorithm { SIGNATURE_EQUAL, SIGNATURE_HMAC_SHA256, SIGNATURE_HMAC_SHA1, SIGNATURE_JWT_HS256 };

/* A header that proves who sent. */
struct destination_signature {
    struct slice header, prefix;
    struct slice content; /* what is signed, with ${body} and ${header.Name} */
    struct slice secret;  /* the key of its setting */
    enum destination_algorithm algorithm;
    bool is_base64;   /* else hex */
    bool has_hex_key; /* the secret is the key in hex */
};

struct destination_webhook {
    unsigned bodies;        /* enum destination_webhook_body, as bits */
    bool takes_get;         /* a GET carries an event; else it is only answered */
    struct slice challenge; /* the parameter of such a GET that is its answer; "" = none */
    const struct destination_signature *signatures;
    size_t signature_count;
};

struct definition; /* what it compiles to */

/* `struct destination` is a configured one (model/workspace.h); this is what it is configured from. */
struct destination_type {
    struct slice type, label, category, docs;
    struct slice origin; /* "built in", or the file */
    enum destination_kind kind;
    const struct destination_mode *modes;
    size_t mode_count;
    const struct slice *message_types; /* lower case; NULL = all */
    size_t message_type_count;
    const struct destination_setting *settings;
    size_t setting_count;
    struct destination_limits limits;
    struct destination_batching batching;
    const struct destination_webhook *webhook; /* NULL: a destination; else a source */
    const struct definition *definition;
};

const char *destination_kind_name(enum destination_kind kind);
const char *destination_setting_type_name(enum destination_setting_type type);

/* ---- which there are ---- */

/* Adds every <folder>/<name>/definition.json. A type that is there already is replaced: the folder wins over the
 * binary. `folder` "": nothing. Errors: why->path is "file:line:column path". Blocks on files. */
MUST enum err destination_load_folder(struct slice folder, struct errinfo *why);
/* One more: <folder>/definition.json. */
MUST enum err destination_load(const char *folder, const struct destination_type **ret_type, struct errinfo *why);
/* Sorted by type. The array is valid until the next load. */
const struct destination_type *const *destination_list(size_t *ret_count);
/* NULL: no such type. */
const struct destination_type *destination_find(struct slice type);
/* The same of sources. They are found by the name that a workspace has for their definition: case, blanks and
 * punctuation do not count ("Customer.io"). */
const struct destination_type *const *destination_source_list(size_t *ret_count);
const struct destination_type *destination_source_find(struct slice name);

/* A secret setting that the code of a DESTINATION_CODE gets; all other secrets stay in this process. */
bool destination_code_gets(const struct destination_type *type, size_t setting);

/* ---- settings ---- */

struct destination_settings;

/* `config` is the configured destination's raw JSON. *ret_settings lives in `arena`, keeps no reference to `config`.
 * Errors: ERR_INVALID, why->path the setting's key, why->text with its label and help. Keys that no setting has are
 * left alone: core has settings of its own, and configs carry settings of SDKs. */
MUST enum err destination_open(const struct destination_type *type, struct slice config, struct json_parser *parser,
    struct arena *arena, const struct destination_settings **ret_settings, struct errinfo *why);

/* For kinds in C. The config in `arena` when an event fills any text of it ({{ event.path || default }}), else NULL. */
const struct json_doc *destination_template(const struct json_doc *config, struct arena *arena);
/* The config for one event, and the event without what went into it; both in `arena`, JSON_PADDING behind them. */
void destination_fill(const struct json_doc *template, const struct json_doc *event, struct arena *arena,
    struct slice *ret_config, struct slice *ret_event);

/* The text of a setting; "" when it has none. */
struct slice destination_setting_text(
    const struct destination_settings *settings, struct slice key, struct arena *arena);
/* As JSON for the code: without the secrets that it does not need. Only for DESTINATION_CODE. */
struct slice destination_settings_config(const struct destination_settings *settings);
/* What nobody may be shown: the texts of secret settings and secret members of rows; of a URL what follows its host.
 * The list is in `arena`. */
const struct slice *destination_settings_secrets(
    const struct destination_settings *settings, struct arena *arena, size_t *ret_count);

/* ---- requests ---- */

enum destination_body {
    BODY_NONE,
    BODY_JSON,
    BODY_FORM,
    BODY_EVENT, /* the event's own bytes */
    BODY_XML,   /* from here on: of a transform.js only */
    BODY_TEXT
};
const char *destination_body_name(enum destination_body body);

struct destination_request {
    enum http_method method;
    struct slice url;                /* with the query */
    struct slice endpoint;           /* without it */
    const struct http_header *query; /* unencoded */
    size_t query_count;
    const struct http_header *headers;
    size_t header_count;
    enum destination_body body_kind;
    struct slice body;      /* as it goes over the wire */
    bool gzip;              /* it is compressed, and the headers say so */
    const uint32_t *events; /* which of the input, ascending */
    size_t event_count;
    /* of a transform.js, for its outcome(): */
    struct slice plain;       /* the body before compression */
    struct slice own_headers; /* JSON object: those that the code gave, no secret of core among them; "" = {} */
    struct slice keep;        /* JSON that the code wants back; "" = none */
};

enum destination_refusal_kind {
    REFUSAL_DEAD,     /* the event is at fault */
    REFUSAL_FILTERED, /* a rule of the destination leaves such events out */
    REFUSAL_TYPE,     /* it does not take events of this type: filtered, too */
    /* of a transform.js that asked the vendor something: */
    REFUSAL_RETRY,     /* try again later */
    REFUSAL_THROTTLED, /* the same, and the vendor said so: spare it */
    REFUSAL_AUTH,      /* the same, and it refused our credentials */
};
/* "dead" "filtered" "retry" "throttled" "auth" */
const char *destination_refusal_name(enum destination_refusal_kind kind);

/* An event that makes no request, and the rule in one sentence. */
struct destination_refusal {
    uint32_t event;
    enum destination_refusal_kind kind;
    struct slice text;
};

struct destination_batch {
    struct destination_request *requests;
    size_t request_count;
    struct destination_refusal *refusals;
    size_t refusal_count;
};

struct destination_input {
    const struct slice *events; /* raw JSON, JSON_PADDING bytes behind each; in order */
    size_t count;
    int64_t now_ms;
};

/* Every event is in exactly one request or refusal. Requests that share a user are to be sent in their order. The
 * result lives in `arena`, points into the events and the settings. ERR_INVALID_JSON, ERR_TOO_DEEP: an event is no
 * JSON. Only for DESTINATION_TABLES. */
MUST enum err destination_build(const struct destination_settings *settings, const struct destination_input *input,
    struct json_parser *parser, struct arena *arena, struct destination_batch *ret_batch, struct errinfo *why);

/* What the tables of a DESTINATION_CODE make of one event before its code sees it: the JSON of
 * {name, method, url, headers, query, body}, those that the request says; "null" when no request's `when` holds.
 * Without the definition's own headers and authorization. ret_refusal->text.len > 0: refused, there is no draft. */
MUST enum err destination_draft(const struct destination_settings *settings, struct slice event, int64_t now_ms,
    struct json_parser *parser, struct arena *arena, struct slice *ret_json, struct destination_refusal *ret_refusal,
    struct errinfo *why);

/* ---- answers ---- */

enum destination_outcome {
    OUTCOME_BY_STATUS /* no rule: the status alone decides */,
    OUTCOME_DELIVERED,
    OUTCOME_FILTERED,
    OUTCOME_RETRY,
    OUTCOME_THROTTLED,
    OUTCOME_DEAD,
    OUTCOME_AUTH
};
const char *destination_outcome_name(enum destination_outcome outcome);
/* By the definition's response rules, in order. `body` may be cut short or no JSON: rules about it then do not match.
 */
enum destination_outcome destination_answer(const struct destination_settings *settings, int status, struct slice body,
    struct json_parser *parser, struct arena *arena);

/* {"requests": […], "refused": […]}, as cases expect it. */
void destination_batch_write(const struct destination_batch *batch, struct json_writer *w);

#endif
