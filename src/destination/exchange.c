/* Which of the written exchanges answers a request. */
#include "destination/exchange.h"

#include <stdlib.h>

#include "destination/code_internal.h"
#include "destination/compare.h"

enum { EXCHANGE_DEPTH = 128, METHOD_MAX = 16 };

struct exchange {
    enum http_method method;
    struct slice endpoint;
    const struct http_header *pairs; /* of URL and query, decoded, sorted */
    size_t pair_count;
    struct slice body;   /* JSON, JSON_PADDING behind it; ptr NULL = any */
    struct slice answer; /* as on_http gives it */
    bool used;
};

struct destination_exchanges {
    struct exchange *list;
    size_t count;
};

/* ---- URLs ---- */

static struct slice decoded(struct slice text, struct arena *arena) {
    char *out = arena_alloc(arena, text.len + 1);
    return slice_of(out, http_url_decode(text, out));
}

static int by_name(const void *left, const void *right) {
    const struct http_header *a = left;
    const struct http_header *b = right;
    size_t common = a->name.len < b->name.len ? a->name.len : b->name.len;
    int order = memcmp(a->name.ptr, b->name.ptr, common);
    return order != 0 ? order : (a->name.len > b->name.len) - (a->name.len < b->name.len);
}

/* `room_for` pairs more fit behind those of the URL. */
static struct http_header *split_url(
    struct slice url, size_t room_for, struct arena *arena, struct slice *ret_endpoint, size_t *ret_count) {
    struct slice query;
    struct slice key;
    struct slice value;
    size_t room = room_for + 1;
    for (size_t i = 0; i < url.len; i++) {
        room += url.ptr[i] == '&' || url.ptr[i] == '?';
    }
    struct http_header *pairs = ARENA_ARRAY(arena, struct http_header, room);
    *ret_endpoint = decoded(slice_cut(url, '?', &query), arena);
    *ret_count = 0;
    while (query.ptr != NULL && http_query_next(&query, &key, &value)) {
        pairs[(*ret_count)++] = (struct http_header){decoded(key, arena), decoded(value, arena)};
    }
    return pairs;
}

static bool same_pairs(const struct http_header *a, const struct http_header *b, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!slice_eq(a[i].name, b[i].name) || !slice_eq(a[i].value, b[i].value)) {
            return false;
        }
    }
    return true;
}

/* ---- reading ---- */

static void read_answer(const struct json_doc *doc, uint32_t response, struct arena *arena, struct exchange *exchange) {
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_write_object(&w);
    uint32_t status = json_find(doc, response, SLICE("status"));
    uint32_t headers = json_find(doc, response, SLICE("headers"));
    uint32_t body = json_find(doc, response, SLICE("body"));
    if (!json_is(doc, response, JSON_OBJECT) || !json_is(doc, status, JSON_NUMBER)) {
        json_put_cstr(&w, "error", "the request failed");
    } else {
        json_put_raw(&w, "status", json_raw(doc, status));
        json_put_raw(&w, "headers", json_is(doc, headers, JSON_OBJECT) ? json_raw(doc, headers) : SLICE("{}"));
        bool text = json_is(doc, body, JSON_STRING);
        json_put_string(&w, "body",
            body == JSON_ABSENT ? SLICE("")
                : text          ? json_string(doc, body, arena)
                                : json_raw(doc, body));
    }
    json_write_end(&w);
    exchange->answer = buf_keep(&out, arena);
}

static struct slice padded(struct slice text, struct arena *arena) {
    char *copy = arena_alloc(arena, text.len + JSON_PADDING);
    memcpy(copy, text.ptr, text.len);
    return slice_of(copy, text.len);
}

static bool read_exchange(const struct json_doc *doc, uint32_t node, struct arena *arena, struct exchange *exchange) {
    uint32_t request = json_find(doc, node, SLICE("request"));
    uint32_t method = json_find(doc, request, SLICE("method"));
    uint32_t url = json_find(doc, request, SLICE("url"));
    uint32_t query = json_find(doc, request, SLICE("query"));
    uint32_t body = json_find(doc, request, SLICE("body"));
    if (!json_is(doc, url, JSON_STRING)) {
        return false;
    }
    exchange->method = HTTP_METHOD_POST;
    if (json_is(doc, method, JSON_STRING)) {
        exchange->method = http_method_parse(json_string(doc, method, arena));
    }
    bool has_query = json_is(doc, query, JSON_OBJECT);
    struct http_header *pairs = split_url(json_string(doc, url, arena), has_query ? json_count(doc, query) : 0, arena,
        &exchange->endpoint, &exchange->pair_count);
    for (uint32_t key = has_query ? json_first(doc, query) : JSON_ABSENT; key != JSON_ABSENT;
         key = json_after(doc, query, key)) {
        struct value value = value_of_node(doc, key + 1);
        pairs[exchange->pair_count++] = (struct http_header){json_string(doc, key, arena), value_text(&value, arena)};
    }
    qsort(pairs, exchange->pair_count, sizeof *pairs, by_name);
    exchange->pairs = pairs;
    bool any = body == JSON_ABSENT || json_is(doc, body, JSON_NULL);
    exchange->body = any ? SLICE_NONE : padded(json_raw(doc, body), arena);
    read_answer(doc, json_find(doc, node, SLICE("response")), arena, exchange);
    return true;
}

enum err destination_exchanges_read(const struct json_doc *doc, uint32_t list, struct arena *arena,
    struct destination_exchanges **ret_exchanges, struct errinfo *why) {
    struct destination_exchanges *exchanges = ARENA_NEW(arena, struct destination_exchanges);
    bool any = json_is(doc, list, JSON_ARRAY);
    exchanges->list = ARENA_ARRAY(arena, struct exchange, any ? json_count(doc, list) + 1 : 1);
    for (uint32_t item = any ? json_first(doc, list) : JSON_ABSENT; item != JSON_ABSENT;
         item = json_after(doc, list, item)) {
        if (!read_exchange(doc, item, arena, &exchanges->list[exchanges->count++])) {
            return err_why(ERR_INVALID, why, "exchanges", "an exchange is {request: {method, url, …}, response}");
        }
    }
    *ret_exchanges = exchanges;
    return OK;
}

/* ---- asking ---- */

static bool same_json(struct slice expected, struct slice actual, struct arena *arena) {
    struct json_parser *parser = json_parser_new(EXCHANGE_DEPTH);
    struct comparison c = {.arena = arena};
    struct json_doc first;
    bool same = json_parse(parser, expected, &first, NULL) == OK;
    if (same) {
        definition_doc_dup(&first, arena, &c.expected);
        same = json_parse(parser, padded(actual, arena), &c.actual, NULL) == OK && compare_nodes(&c, 0, 0);
    }
    json_parser_free(parser);
    return same;
}

/* A form as the object of its texts. */
static struct slice form_json(struct slice form, struct arena *arena) {
    struct slice key;
    struct slice value;
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_write_object(&w);
    while (form.len > 0 && http_query_next(&form, &key, &value)) {
        json_write_key(&w, decoded(key, arena));
        json_write_string(&w, decoded(value, arena));
    }
    json_write_end(&w);
    return buf_keep(&out, arena);
}

static struct slice quoted(struct slice text, struct arena *arena) {
    struct buf out;
    buf_init(&out, 0);
    json_escape(&out, text);
    return buf_keep(&out, arena);
}

static bool same_body(const struct exchange *exchange, const struct destination_request *request, struct arena *arena) {
    if (exchange->body.ptr == NULL) {
        return true;
    }
    bool text = exchange->body.ptr[0] == '"';
    switch (request->body_kind) {
    case BODY_NONE:
        return slice_eq(exchange->body, SLICE("{}")) || slice_eq(exchange->body, SLICE("\"\""));
    case BODY_JSON:
        return same_json(exchange->body, request->plain, arena);
    case BODY_FORM:
        return same_json(
            exchange->body, text ? quoted(request->plain, arena) : form_json(request->plain, arena), arena);
    default:
        return same_json(exchange->body, quoted(request->plain, arena), arena);
    }
}

static bool fits(const struct exchange *exchange, const struct destination_request *request,
    const struct http_header *pairs, size_t pair_count, struct slice endpoint) {
    return exchange->method == request->method && exchange->pair_count == pair_count &&
        slice_eq(exchange->endpoint, endpoint) && same_pairs(exchange->pairs, pairs, pair_count);
}

struct slice destination_exchanges_answer(void *ctx, const struct destination_request *request, struct arena *arena) {
    struct destination_exchanges *exchanges = ctx;
    struct slice endpoint;
    size_t pair_count = 0;
    struct http_header *pairs = split_url(request->url, 0, arena, &endpoint, &pair_count);
    qsort(pairs, pair_count, sizeof *pairs, by_name);
    struct exchange *taken = NULL;
    for (size_t i = 0; i < exchanges->count; i++) {
        struct exchange *exchange = &exchanges->list[i];
        if (!fits(exchange, request, pairs, pair_count, endpoint) || !same_body(exchange, request, arena)) {
            continue;
        }
        if (!exchange->used) {
            exchange->used = true;
            return exchange->answer;
        }
        taken = taken != NULL ? taken : exchange;
    }
    if (taken != NULL) {
        return taken->answer;
    }
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_write_object(&w);
    json_put_string(&w, "wrong",
        arena_printf(arena, "no exchange of the case answers %s %.*s %.*s", http_method_name(request->method),
            SLICE_ARG(request->url), SLICE_ARG(request->plain)));
    json_write_end(&w);
    return buf_keep(&out, arena);
}
