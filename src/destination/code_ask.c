/* ctx.http: a request of the code, with the definition's headers and authorization unless it says `auth: false`, sent
 * by the server's client or answered from memory. thread: the transform's. */
#include "destination/code_internal.h"

enum { REQUEST_DEPTH = 128 };

/* ---- answers ---- */

static void answer_wrong(struct transform_ask *ask, struct slice text) {
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_write_object(&w);
    json_put_string(&w, "wrong", text);
    json_write_end(&w);
    transform_ask_answer(ask, buf_slice(&out));
    buf_fini(&out);
}

struct lookup {
    struct hash128 key;
    int64_t cache_ms;
};

static void on_answer(void *ctx, struct slice json) {
    static const struct slice good = SLICE("\"status\":2");
    enum { HEAD = 4096 };
    const struct lookup *lookup = ctx;
    /* our own writing, in front of the vendor's: url, status */
    if (memmem(json.ptr, json.len < HEAD ? json.len : HEAD, good.ptr, good.len) != NULL) {
        code_cache_put(lookup->key, json, lookup->cache_ms);
    }
}

/* ---- the request ---- */

static struct hash128 key_of(const struct destination_request *request, struct arena *arena) {
    enum { FIXED = 4 };
    struct slice *parts = ARENA_ARRAY(arena, struct slice, FIXED + 3 * request->header_count);
    size_t count = 0;
    parts[count++] = slice_cstr(http_method_name(request->method));
    parts[count++] = request->url;
    for (size_t i = 0; i < request->header_count; i++) {
        parts[count++] = SLICE("\0");
        parts[count++] = request->headers[i].name;
        parts[count++] = request->headers[i].value;
    }
    parts[count++] = SLICE("\1");
    parts[count++] = request->body;
    return hash128(value_join(parts, count, arena));
}

/* False: reader->why. *ret_cache_ms: 0 = not from memory. */
static bool read_lookup(struct code_reader *reader, uint32_t node, const struct definition *d, int64_t *ret_cache_ms) {
    *ret_cache_ms = 0;
    if (node == JSON_ABSENT) {
        return true;
    }
    struct slice name =
        json_is(reader->doc, node, JSON_STRING) ? json_string(reader->doc, node, reader->arena) : SLICE_NONE;
    for (size_t i = 0; i < d->lookup_count; i++) {
        if (slice_eq(d->lookups[i].name, name)) {
            *ret_cache_ms = d->lookups[i].cache_ms;
            return true;
        }
    }
    return code_complain(reader, "the lookup", node, "the names in code.lookups");
}

static void send(
    struct transform_ask *ask, const struct destination_request *request, int64_t timeout_ms, int64_t cache_ms) {
    struct arena *arena = transform_ask_arena(ask);
    struct transform_request sent = {.method = request->method,
        .url = request->url,
        .body = request->body,
        .headers = request->headers,
        .header_count = request->header_count,
        .timeout_ms = timeout_ms};
    if (cache_ms > 0) {
        struct lookup *lookup = ARENA_NEW(arena, struct lookup);
        *lookup = (struct lookup){key_of(request, arena), cache_ms};
        struct slice known = code_cache_get(lookup->key, arena);
        if (known.ptr != NULL) {
            transform_ask_answer(ask, known);
            return;
        }
        sent.on_answer = on_answer;
        sent.ctx = lookup;
    }
    transform_ask_send(ask, &sent);
}

bool code_on_ask(
    const struct destination_settings *settings, const struct destination_stage *stage, struct transform_ask *ask) {
    if (!slice_eq(ask->kind, SLICE("http"))) {
        return false;
    }
    struct arena *arena = transform_ask_arena(ask);
    struct json_parser *parser = json_parser_new(REQUEST_DEPTH);
    struct json_doc doc;
    char *copy = arena_alloc(arena, ask->parameters.len + JSON_PADDING);
    memcpy(copy, ask->parameters.ptr, ask->parameters.len);
    struct code_reader reader = {.doc = &doc, .arena = arena, .settings = settings};
    struct code_item item;
    int64_t cache_ms = 0;
    int64_t timeout_ms = settings->definition->type.limits.timeout_ms; /* 0 = the knob's */
    bool good = json_parse(parser, slice_of(copy, ask->parameters.len), &doc, NULL) == OK;
    uint32_t node = good ? json_first(&doc, 0) : JSON_ABSENT;
    if (node == JSON_ABSENT) {
        answer_wrong(ask, SLICE("ctx.http() was given what is no JSON"));
    } else {
        uint32_t timeout = json_find(&doc, node, SLICE("timeout"));
        if (json_is(&doc, timeout, JSON_NUMBER) && json_i64(&doc, timeout, &timeout_ms) != OK) {
            timeout_ms = settings->definition->type.limits.timeout_ms;
        }
        bool with_core = !json_is(&doc, json_find(&doc, node, SLICE("auth")), JSON_FALSE);
        good = code_request_read(&reader, node, &item) &&
            read_lookup(&reader, json_find(&doc, node, SLICE("lookup")), settings->definition, &cache_ms) &&
            code_request_finish(&reader, &item.request, with_core);
        if (!good) {
            answer_wrong(ask, reader.why);
        } else if (stage != NULL && stage->on_http != NULL) {
            transform_ask_answer(ask, stage->on_http(stage->ctx, &item.request, arena));
        } else {
            send(ask, &item.request, timeout_ms, cache_ms);
        }
    }
    json_parser_free(parser);
    return true;
}
