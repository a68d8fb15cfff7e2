/* Pixels: an event out of query parameters, or out of base64 in one of them, goes the way of a body; the answer is
 * always the image.
 *
 * Parameters are set by dotted path into a small tree: `context.page.url=…` is {"context":{"page":{"url":"…"}}}. Their
 * number and depth are bounded, because adding one walks its siblings. */
#include "base/encode.h"
#include "gateway/gateway_internal.h"

#include "json/json_write.h"

#define PIXEL_PARAMETERS 256u  /* past it the event is refused */
#define PIXEL_DEPTH 16u        /* past it the rest of the path is one key */
#define PIXEL_BYTES (4u << 20) /* of the event: the query's own bytes, escaped, are far below */

struct pixel_node {
    struct slice key;
    struct slice value; /* ptr NULL: an object */
    bool asked;         /* by a parameter, not one of the defaults */
    bool raw;           /* the value is JSON */
    struct pixel_node *first, *next;
};

/* ---- the tree ---- */

static struct pixel_node *child_of(struct pixel_node *parent, struct slice key, struct arena *arena) {
    struct pixel_node **link = &parent->first;
    while (*link != NULL && !slice_eq((*link)->key, key)) {
        link = &(*link)->next;
    }
    if (*link == NULL) {
        *link = ARENA_NEW(arena, struct pixel_node);
        (*link)->key = key;
    }
    return *link;
}

/* The first of several values of a path stays; a value that is in the way of a longer path goes. */
static void set(struct pixel_node *root, struct slice path, struct slice value, bool asked, struct arena *arena) {
    struct pixel_node *node = root;
    struct slice rest = path;
    for (unsigned depth = 0; rest.ptr != NULL; depth++) {
        struct slice key = rest;
        if (depth < PIXEL_DEPTH) {
            key = slice_cut(rest, '.', &rest);
        } else {
            rest = SLICE_NONE;
        }
        node->value = SLICE_NONE;
        node = child_of(node, key, arena);
    }
    if (node->asked || (asked && node->first != NULL)) {
        return;
    }
    node->asked = asked;
    node->raw = !asked && slice_eq(value, SLICE("true"));
    node->value = value.ptr != NULL ? value : SLICE("");
}

static void write_node(struct json_writer *w, const struct pixel_node *node) {
    if (node->raw) {
        json_write_raw(w, node->value);
        return;
    }
    if (node->value.ptr != NULL) {
        json_write_string(w, node->value);
        return;
    }
    json_write_object(w);
    for (const struct pixel_node *child = node->first; child != NULL; child = child->next) {
        json_write_key(w, child->key);
        write_node(w, child);
    }
    json_write_end(w);
}

/* ---- the event ---- */

static struct slice decoded(struct slice s, struct arena *arena) {
    char *out = arena_alloc(arena, s.len + 1);
    return slice_of(out, http_url_decode(s, out));
}

static struct slice without_quotes(struct slice s) {
    bool quoted = s.len >= 2 && s.ptr[0] == '"' && s.ptr[s.len - 1] == '"';
    return quoted ? slice_of(s.ptr + 1, s.len - 2) : s;
}

struct pixel {
    struct pixel_node root;
    struct slice write_key;
    bool no_event_name; /* `event=` */
    unsigned parameters;
};

static void take_parameter(
    struct pixel *pixel, struct slice name, struct slice value, struct slice type, struct arena *arena) {
    if (slice_eq(name, SLICE("writeKey"))) {
        pixel->write_key = pixel->write_key.len == 0 ? value : pixel->write_key;
        return;
    }
    if (slice_eq(name, SLICE("anonymousId"))) {
        value = without_quotes(value);
    }
    if (value.len == 0 && slice_eq(type, SLICE("page")) && slice_eq(name, SLICE("name"))) {
        value = SLICE("Unknown Page");
    }
    if (value.len == 0 && slice_eq(type, SLICE("track")) && slice_eq(name, SLICE("event"))) {
        pixel->no_event_name = true;
    }
    set(&pixel->root, name, value, /* asked: */ true, arena);
}

static void add_defaults(struct pixel *pixel, struct arena *arena) {
    char now[CLOCK_RFC3339_SIZE];
    clock_format(clock_ms(), now);
    struct slice time = arena_dup(arena, slice_cstr(now));
    set(&pixel->root, SLICE("channel"), SLICE("web"), /* asked: */ false, arena);
    set(&pixel->root, SLICE("integrations.All"), SLICE("true"), /* asked: */ false, arena);
    set(&pixel->root, SLICE("originalTimestamp"), time, /* asked: */ false, arena);
    set(&pixel->root, SLICE("sentAt"), time, /* asked: */ false, arena);
}

static enum err read_query(struct pixel *pixel, struct slice query, struct slice type, struct arena *arena) {
    add_defaults(pixel, arena);
    struct slice name;
    struct slice value;
    while (http_query_next(&query, &name, &value)) {
        if (pixel->parameters++ == PIXEL_PARAMETERS) {
            return ERR_TOO_LARGE;
        }
        take_parameter(pixel, decoded(name, arena), decoded(value, arena), type, arena);
    }
    return pixel->no_event_name ? ERR_NOT_EVENT : OK;
}

static void event_text(const struct pixel *pixel, struct buf *out) {
    struct json_writer w;
    json_writer_init(&w, out);
    write_node(&w, &pixel->root);
}

enum err gateway_pixel_event(
    struct slice query, struct slice type, struct arena *arena, struct slice *ret_text, struct slice *ret_write_key) {
    struct pixel pixel = {0};
    enum err err = read_query(&pixel, query, type, arena);
    *ret_write_key = pixel.write_key;
    if (err != OK) {
        return err;
    }
    struct buf out;
    buf_init(&out, PIXEL_BYTES);
    event_text(&pixel, &out);
    err = out.failed;
    if (err == OK) {
        char *text = arena_alloc(arena, out.len + JSON_PADDING);
        memcpy(text, out.ptr, out.len);
        *ret_text = slice_of(text, out.len);
    }
    buf_fini(&out);
    return err;
}

/* ---- the routes ---- */

static enum err admit(struct worker *worker, struct intake *intake, struct slice write_key) {
    if (write_key.len == 0) {
        return ERR_NO_WRITE_KEY_QUERY;
    }
    enum err err = gateway_authenticate(worker, intake, write_key);
    return err == OK ? store_pressure(worker->gateway->deps.store) : err;
}

void gateway_handle_pixel(struct worker *worker, struct http_request *request, struct intake *intake) {
    struct slice text = SLICE_NONE;
    struct slice write_key = SLICE_NONE;
    enum err err = gateway_pixel_event(request->query, intake->route->type, &request->arena, &text, &write_key);
    enum err admitted = admit(worker, intake, write_key);
    err = admitted != OK ? admitted : err;
    if (err != OK) {
        gateway_refuse(worker, intake, err, SLICE_NONE, /* wait_ms: */ 0);
        return;
    }
    gateway_take(worker, intake, &(struct intake_want){.body = text});
}

/* ?data= holds the whole event with its write key. */
void gateway_handle_data_pixel(struct worker *worker, struct http_request *request, struct intake *intake) {
    struct slice data;
    if (!http_request_query(request, SLICE("data"), &data)) {
        gateway_handle_pixel(worker, request, intake);
        return;
    }
    char *coded = arena_alloc(&request->arena, data.len + 1);
    for (size_t i = 0; i < data.len; i++) {
        coded[i] = data.ptr[i] == ' ' ? '+' : data.ptr[i]; /* a '+' that was not escaped */
    }
    char *text = arena_alloc(&request->arena, data.len + JSON_PADDING);
    size_t len = 0;
    enum err err = decode_base64(slice_of(coded, data.len), text, &len) ? store_pressure(worker->gateway->deps.store)
                                                                        : ERR_INVALID_JSON;
    if (err != OK) {
        gateway_refuse(worker, intake, err, SLICE_NONE, /* wait_ms: */ 0);
        return;
    }
    struct slice key;
    intake->body_key = !http_request_query(request, SLICE("writeKey"), &key);
    err = intake->body_key ? OK : admit(worker, intake, key);
    if (err != OK) {
        gateway_refuse(worker, intake, err, SLICE_NONE, /* wait_ms: */ 0);
        return;
    }
    gateway_take(worker, intake, &(struct intake_want){.body = slice_of(text, len)});
}
