/* WEBHOOK as the original configures it: webhookUrl, webhookMethod, headers [{from, to}].
 *
 * POST, PUT and PATCH send the event; GET and DELETE send its flattened traits or properties as parameters. What the
 * event's own keys change: `header` {name: value} adds headers, `fullPath` replaces the URL, `appendPath` is added to
 * it (all three leave the body), and `request_ip` fills in a missing context.ip. An event without them goes out byte
 * for byte, but where it fills the settings ({{ event.path || default }}). */
#include "delivery/http/webhook.h"

#include "base/buf.h"
#include "delivery/http/fields.h"
#include "destination/destination.h"
#include "http/client.h"
#include "json/json_edit.h"
#include "json/json_write.h"

struct webhook {
    struct slice url;
    enum http_method method;
    bool has_body;
    struct fields fields;            /* of every request */
    const struct json_doc *template; /* of the settings, when each event fills them; then nothing else is there */
};

/* ---- settings ---- */

static enum err read_method(
    const struct json_doc *doc, struct webhook *webhook, struct arena *arena, struct errinfo *why) {
    uint32_t node = json_find(doc, 0, SLICE("webhookMethod"));
    struct slice name = slice_trim(json_string(doc, node, arena));
    webhook->method = name.len == 0 ? HTTP_METHOD_POST : http_method_parse(name);
    switch (webhook->method) {
    case HTTP_METHOD_POST:
    case HTTP_METHOD_PUT:
    case HTTP_METHOD_PATCH:
        webhook->has_body = true;
        return OK;
    case HTTP_METHOD_GET:
    case HTTP_METHOD_DELETE:
        return OK;
    default:
        return err_why(
            ERR_INVALID, why, "webhookMethod", "\"%.*s\" is none of POST, PUT, PATCH, GET, DELETE", SLICE_ARG(name));
    }
}

static enum err read_headers(
    const struct json_doc *doc, struct webhook *webhook, struct arena *arena, struct errinfo *why) {
    enum err defaults = fields_set(&webhook->fields, SLICE("User-Agent"), SLICE("Sluice"), why);
    if (defaults == OK && webhook->has_body) {
        defaults = fields_set(&webhook->fields, SLICE("content-type"), SLICE("application/json"), why);
    }
    ASSERT(defaults == OK);
    uint32_t list = json_find(doc, 0, SLICE("headers"));
    if (list == JSON_ABSENT || json_is(doc, list, JSON_NULL)) {
        return OK;
    }
    if (!json_is(doc, list, JSON_ARRAY)) {
        return err_why(ERR_INVALID, why, "headers", "not a list of {from, to}");
    }
    for (uint32_t node = json_first(doc, list); node != JSON_ABSENT; node = json_after(doc, list, node)) {
        struct slice name = slice_trim(json_string(doc, json_find(doc, node, SLICE("from")), arena));
        struct slice value = slice_trim(json_string(doc, json_find(doc, node, SLICE("to")), arena));
        if (name.len == 0 || value.len == 0) {
            continue;
        }
        enum err e = fields_set(&webhook->fields, arena_dup(arena, name), arena_dup(arena, value), why);
        if (e != OK) {
            return e;
        }
    }
    return OK;
}

static enum err read_settings(
    const struct json_doc *doc, struct arena *arena, const struct webhook **ret_webhook, struct errinfo *why) {
    struct webhook *webhook = ARENA_NEW(arena, struct webhook);
    webhook->url = slice_trim(json_string(doc, json_find(doc, 0, SLICE("webhookUrl")), arena));
    if (webhook->url.len == 0) {
        return err_why(ERR_INVALID, why, "webhookUrl", "missing: the URL to send events to");
    }
    webhook->url = arena_dup(arena, webhook->url);
    enum err e = http_url_check(webhook->url, why);
    if (e != OK) {
        return e;
    }
    e = read_method(doc, webhook, arena, why);
    if (e != OK) {
        return e;
    }
    e = read_headers(doc, webhook, arena, why);
    if (e != OK) {
        return e;
    }
    *ret_webhook = webhook;
    return OK;
}

static enum err webhook_open(struct slice type, struct slice config, struct json_parser *parser, struct arena *arena,
    const void **ret_settings, struct errinfo *why) {
    (void)type; /* one kind, one type */
    char *padded = arena_alloc(arena, config.len + JSON_PADDING);
    memcpy(padded, config.ptr, config.len);
    struct json_doc doc;
    enum err e = json_parse(parser, slice_of(padded, config.len), &doc, why);
    if (e != OK) {
        return e;
    }
    const struct webhook *webhook = NULL;
    const struct json_doc *template = destination_template(&doc, arena);
    if (template == NULL) {
        e = read_settings(&doc, arena, &webhook, why);
    } else {
        struct webhook *filled = ARENA_NEW(arena, struct webhook);
        filled->template = template;
        webhook = filled;
    }
    *ret_settings = webhook;
    return e;
}

/* ---- an event ---- */

enum key {
    KEY_HEADER,
    KEY_APPEND_PATH,
    KEY_FULL_PATH,
    KEY_REQUEST_IP,
    KEY_CONTEXT,
    KEY_TYPE,
    KEY_TRAITS,
    KEY_PROPERTIES,
    KEY_COUNT
};

static const struct slice keys[KEY_COUNT] = {
    [KEY_HEADER] = SLICE("header"),
    [KEY_APPEND_PATH] = SLICE("appendPath"),
    [KEY_FULL_PATH] = SLICE("fullPath"),
    [KEY_REQUEST_IP] = SLICE("request_ip"),
    [KEY_CONTEXT] = SLICE("context"),
    [KEY_TYPE] = SLICE("type"),
    [KEY_TRAITS] = SLICE("traits"),
    [KEY_PROPERTIES] = SLICE("properties"),
};

struct build {
    const struct webhook *webhook;
    struct slice event;
    struct json_doc doc;
    uint32_t at[KEY_COUNT];
    struct arena *arena;
};

/* `{"ip":…}` */
static struct slice ip_object(const struct build *b) {
    struct buf out;
    buf_init(&out, 0);
    struct json_writer w;
    json_writer_init(&w, &out);
    json_write_object(&w);
    json_write_key(&w, SLICE("ip"));
    json_write_raw(&w, json_raw(&b->doc, b->at[KEY_REQUEST_IP]));
    json_write_end(&w);
    return buf_keep(&out, b->arena);
}

/* The context that the body gets instead of the event's; SLICE_NONE = the event's own stays. */
static struct slice context_with_ip(const struct build *b) {
    uint32_t ip = b->at[KEY_REQUEST_IP];
    uint32_t context = b->at[KEY_CONTEXT];
    if (!json_is(&b->doc, ip, JSON_STRING) || b->doc.nodes[ip].end - b->doc.nodes[ip].start <= 2) {
        return SLICE_NONE;
    }
    if (context == JSON_ABSENT) {
        return ip_object(b);
    }
    if (!json_is(&b->doc, context, JSON_OBJECT) || json_find(&b->doc, context, SLICE("ip")) != JSON_ABSENT) {
        return SLICE_NONE;
    }
    struct slice object = ip_object(b);
    struct json_edit edit;
    json_edit_init(&edit, &b->doc, context);
    json_edit_append(&edit, slice_of(object.ptr + 1, object.len - 2));
    size_t size = json_edit_size(&edit);
    char *out = arena_alloc(b->arena, size + 1);
    json_edit_write(&edit, out);
    return slice_of(out, size);
}

static bool is_left_out(const struct build *b, uint32_t value) {
    return value == b->at[KEY_HEADER] || value == b->at[KEY_APPEND_PATH] || value == b->at[KEY_FULL_PATH];
}

/* The event written again without the keys that only steer the request. */
static struct slice body_without_overrides(const struct build *b, struct slice context) {
    struct buf out;
    buf_init(&out, 0);
    struct json_writer w;
    json_writer_init(&w, &out);
    json_write_object(&w);
    for (uint32_t key = json_first(&b->doc, 0); key != JSON_ABSENT; key = json_after(&b->doc, 0, key)) {
        uint32_t value = key + 1;
        if (is_left_out(b, value)) {
            continue;
        }
        json_write_key(&w, json_string(&b->doc, key, b->arena));
        json_write_raw(&w, value == b->at[KEY_CONTEXT] && context.ptr != NULL ? context : json_raw(&b->doc, value));
    }
    if (b->at[KEY_CONTEXT] == JSON_ABSENT && context.ptr != NULL) {
        json_write_key(&w, SLICE("context"));
        json_write_raw(&w, context);
    }
    json_write_end(&w);
    return buf_keep(&out, b->arena);
}

/* The event's bytes with the context spliced in. */
static struct slice body_with_context(const struct build *b, struct slice context) {
    struct json_edit edit;
    json_edit_init(&edit, &b->doc, 0);
    if (b->at[KEY_CONTEXT] != JSON_ABSENT) {
        json_edit_replace(&edit, b->at[KEY_CONTEXT], context);
    } else {
        struct buf out;
        buf_init(&out, 0);
        struct json_writer w;
        json_writer_init(&w, &out);
        json_write_object(&w);
        json_write_key(&w, SLICE("context"));
        json_write_raw(&w, context);
        json_write_end(&w);
        struct slice object = buf_keep(&out, b->arena);
        json_edit_append(&edit, slice_of(object.ptr + 1, object.len - 2));
    }
    size_t size = json_edit_size(&edit);
    char *copy = arena_alloc(b->arena, size + 1);
    json_edit_write(&edit, copy);
    return slice_of(copy, size);
}

static bool has_overrides(const struct build *b) {
    return b->at[KEY_HEADER] != JSON_ABSENT || b->at[KEY_APPEND_PATH] != JSON_ABSENT ||
        b->at[KEY_FULL_PATH] != JSON_ABSENT;
}

static struct slice body_of(const struct build *b) {
    struct slice context = context_with_ip(b);
    if (has_overrides(b)) {
        return body_without_overrides(b, context);
    }
    return context.ptr != NULL ? body_with_context(b, context) : b->event;
}

/* What GET and DELETE send: identify and group have traits, all else properties. */
static uint32_t parameters_of(const struct build *b) {
    struct slice type = json_string(&b->doc, b->at[KEY_TYPE], b->arena);
    uint32_t traits = b->at[KEY_TRAITS];
    if (!json_is(&b->doc, traits, JSON_OBJECT) && b->at[KEY_CONTEXT] != JSON_ABSENT) {
        traits = json_find(&b->doc, b->at[KEY_CONTEXT], SLICE("traits"));
    }
    bool prefers_traits = slice_eq_nocase(type, SLICE("identify")) || slice_eq_nocase(type, SLICE("group"));
    uint32_t first = prefers_traits ? traits : b->at[KEY_PROPERTIES];
    uint32_t second = prefers_traits ? b->at[KEY_PROPERTIES] : JSON_ABSENT;
    return json_is(&b->doc, first, JSON_OBJECT) ? first : second;
}

static enum err add_parameters(const struct build *b, struct slice *url, struct errinfo *why) {
    uint32_t object = parameters_of(b);
    if (!json_is(&b->doc, object, JSON_OBJECT)) {
        return OK;
    }
    struct slice query;
    enum err e = fields_query(&b->doc, object, b->arena, &query, why);
    if (e != OK || query.len == 0) {
        return e;
    }
    const char *joint = memchr(url->ptr, '?', url->len) == NULL ? "?" : url->ptr[url->len - 1] == '?' ? "" : "&";
    *url = arena_printf(b->arena, "%.*s%s%.*s", SLICE_ARG(*url), joint, SLICE_ARG(query));
    return OK;
}

static enum err url_of(const struct build *b, struct kind_request *request, struct errinfo *why) {
    struct slice full = json_string(&b->doc, b->at[KEY_FULL_PATH], b->arena);
    struct slice append = json_string(&b->doc, b->at[KEY_APPEND_PATH], b->arena);
    request->url = full.len > 0 ? full : b->webhook->url;
    request->own_url = full.len > 0 || append.len > 0;
    if (append.len > 0) {
        request->url = arena_printf(b->arena, "%.*s%.*s", SLICE_ARG(request->url), SLICE_ARG(append));
    }
    return request->own_url ? http_url_check(request->url, why) : OK;
}

static enum err headers_of(const struct build *b, struct kind_request *request, struct errinfo *why) {
    request->headers = b->webhook->fields.list;
    request->header_count = b->webhook->fields.count;
    uint32_t object = b->at[KEY_HEADER];
    if (!json_is(&b->doc, object, JSON_OBJECT)) {
        return OK;
    }
    struct fields *fields = ARENA_NEW(b->arena, struct fields);
    *fields = b->webhook->fields;
    for (uint32_t key = json_first(&b->doc, object); key != JSON_ABSENT; key = json_after(&b->doc, object, key)) {
        if (json_is(&b->doc, key + 1, JSON_NULL)) {
            continue;
        }
        struct slice name = json_string(&b->doc, key, b->arena);
        enum err e = fields_set(fields, name, fields_text(&b->doc, key + 1, b->arena), why);
        if (e != OK) {
            return e;
        }
    }
    request->headers = fields->list;
    request->header_count = fields->count;
    return OK;
}

/* The settings for this event, and the event without what went into them. */
static enum err fill(struct build *b, struct json_parser *parser, struct errinfo *why) {
    struct slice config;
    enum err e = json_parse(parser, b->event, &b->doc, why);
    if (e != OK) {
        return e;
    }
    destination_fill(b->webhook->template, &b->doc, b->arena, &config, &b->event);
    e = json_parse(parser, config, &b->doc, why);
    return e == OK ? read_settings(&b->doc, b->arena, &b->webhook, why) : e;
}

static enum err webhook_build(const void *settings, struct slice event, struct json_parser *parser, struct arena *arena,
    struct kind_request *ret_request, struct errinfo *why) {
    struct build b = {.webhook = settings, .event = event, .arena = arena};
    bool filled = b.webhook->template != NULL;
    enum err e = filled ? fill(&b, parser, why) : OK;
    if (e == OK) {
        e = json_parse(parser, b.event, &b.doc, why);
    }
    if (e != OK) {
        return e;
    }
    json_find_many(&b.doc, 0, keys, KEY_COUNT, b.at);
    struct kind_request request = {.method = b.webhook->method};
    e = url_of(&b, &request, why);
    request.own_url = request.own_url || filled;
    if (e == OK) {
        e = headers_of(&b, &request, why);
    }
    if (e == OK && b.webhook->has_body) {
        request.body = body_of(&b);
    } else if (e == OK) {
        e = add_parameters(&b, &request.url, why);
    }
    if (e == OK) {
        *ret_request = request;
    }
    return e;
}

const struct delivery_kind delivery_webhook = {.type = "WEBHOOK", .open = webhook_open, .build = webhook_build};
