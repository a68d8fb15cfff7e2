/* A request as code returns it: {method, url, headers, query, json | form | xml | text, gzip}. Nothing of it is
 * believed. */
#include <stdarg.h>
#include <stdio.h>

#include "destination/code_internal.h"
#include "http/client.h"
#include "http/gzip.h"

enum { SHOWN = 120 };

bool code_complain(struct code_reader *reader, const char *what, uint32_t node, const char *allowed) {
    struct slice raw = node != JSON_ABSENT ? json_raw(reader->doc, node) : SLICE("nothing");
    bool cut = raw.len > SHOWN;
    while (cut && (raw.ptr[SHOWN] & 0xc0) == 0x80) {
        raw.ptr--; /* not inside a character */
        raw.len++;
    }
    reader->why = arena_printf(reader->arena, "the code returned %s %.*s%s; allowed are %s", what,
        cut ? SHOWN : (int)raw.len, raw.ptr, cut ? "…" : "", allowed);
    return false;
}

/* ---- pairs: query, form, headers ---- */

static bool is_absent(const struct json_doc *doc, uint32_t node) {
    return node == JSON_ABSENT || json_is(doc, node, JSON_NULL);
}

static struct slice text_of(struct code_reader *reader, uint32_t node) {
    struct value value = value_of_node(reader->doc, node);
    return value_text(&value, reader->arena);
}

/* Values as texts, lists and objects as JSON; null is left out. */
static bool read_pairs(struct code_reader *reader, uint32_t node, const char *what, const struct http_header **ret_list,
    size_t *ret_count) {
    const struct json_doc *doc = reader->doc;
    *ret_list = NULL;
    *ret_count = 0;
    if (is_absent(doc, node)) {
        return true;
    }
    if (!json_is(doc, node, JSON_OBJECT)) {
        return code_complain(reader, what, node, "objects");
    }
    struct http_header *list = ARENA_ARRAY(reader->arena, struct http_header, json_count(doc, node) + 1);
    size_t count = 0;
    for (uint32_t key = json_first(doc, node); key != JSON_ABSENT; key = json_after(doc, node, key)) {
        if (!json_is(doc, key + 1, JSON_NULL)) {
            list[count++] = (struct http_header){json_string(doc, key, reader->arena), text_of(reader, key + 1)};
        }
    }
    *ret_list = list;
    *ret_count = count;
    return true;
}

static bool is_name(struct slice name) {
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (c <= 0x20 || c >= 0x7f || c == ':') {
            return false;
        }
    }
    return name.len > 0;
}

static bool check_headers(struct code_reader *reader, uint32_t node, const struct destination_request *request) {
    for (size_t i = 0; i < request->header_count; i++) {
        struct slice value = request->headers[i].value;
        bool good = is_name(request->headers[i].name);
        for (size_t k = 0; k < value.len; k++) {
            unsigned char c = (unsigned char)value.ptr[k];
            good = good && (c >= 0x20 || c == '\t') && c != 0x7f;
        }
        if (!good) {
            return code_complain(reader, "headers", node, "names and texts without control characters");
        }
    }
    return true;
}

/* ---- method and URL ---- */

static bool read_method(struct code_reader *reader, uint32_t node, struct destination_request *request) {
    request->method = HTTP_METHOD_POST;
    if (is_absent(reader->doc, node)) {
        return true;
    }
    enum http_method method = HTTP_METHOD_OTHER;
    if (json_is(reader->doc, node, JSON_STRING)) {
        method = http_method_parse(json_string(reader->doc, node, reader->arena));
    }
    if (method == HTTP_METHOD_OTHER) {
        return code_complain(reader, "the method", node, "GET POST PUT PATCH DELETE");
    }
    request->method = method;
    return true;
}

static bool read_url(struct code_reader *reader, uint32_t node, struct destination_request *request) {
    struct errinfo why = {.at = 0};
    if (!json_is(reader->doc, node, JSON_STRING)) {
        return code_complain(reader, "the url", node, "http and https URLs");
    }
    request->endpoint = json_string(reader->doc, node, reader->arena);
    if (http_url_check(request->endpoint, &why) != OK) {
        return code_complain(reader, "the url", node, "http and https URLs");
    }
    if (request_has_dot_segment(request->endpoint)) {
        return code_complain(reader, "the url", node, "URLs without . and .. in their path");
    }
    request->url = request_url(request->endpoint, request->query, request->query_count, reader->arena);
    return true;
}

/* ---- body ---- */

static bool read_body(struct code_reader *reader, const uint32_t *at, struct destination_request *request) {
    static const char *const names[] = {"json", "form", "xml", "text"};
    static const enum destination_body kinds[] = {BODY_JSON, BODY_FORM, BODY_XML, BODY_TEXT};
    size_t found = COUNT_OF(names);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (is_absent(reader->doc, at[i])) {
            continue;
        }
        if (found < COUNT_OF(names)) {
            return code_complain(reader, "a second body", at[i], "one of json form xml text");
        }
        found = i;
    }
    request->body_kind = found < COUNT_OF(names) ? kinds[found] : BODY_NONE;
    const struct http_header *form = NULL;
    size_t form_count = 0;
    switch (request->body_kind) {
    case BODY_NONE:
        return true;
    case BODY_JSON:
        request->plain = json_raw(reader->doc, at[found]);
        return json_is(reader->doc, at[found], JSON_OBJECT) || json_is(reader->doc, at[found], JSON_ARRAY) ||
            code_complain(reader, "the body json", at[found], "objects and arrays");
    case BODY_FORM:
        if (!read_pairs(reader, at[found], "the body form", &form, &form_count)) {
            return false;
        }
        request->plain = request_encode(form, form_count, reader->arena);
        return true;
    default:
        request->plain = json_string(reader->doc, at[found], reader->arena);
        return json_is(reader->doc, at[found], JSON_STRING) || code_complain(reader, names[found], at[found], "texts");
    }
}

/* ---- the whole ---- */

enum part { PART_JSON, PART_FORM, PART_XML, PART_TEXT, PART_METHOD, PART_URL, PART_HEADERS, PART_QUERY, PART_GZIP };

static bool read_parts(struct code_reader *reader, uint32_t node, uint32_t *at) {
    static const struct slice names[] = {[PART_JSON] = SLICE("json"),
        [PART_FORM] = SLICE("form"),
        [PART_XML] = SLICE("xml"),
        [PART_TEXT] = SLICE("text"),
        [PART_METHOD] = SLICE("method"),
        [PART_URL] = SLICE("url"),
        [PART_HEADERS] = SLICE("headers"),
        [PART_QUERY] = SLICE("query"),
        [PART_GZIP] = SLICE("gzip")};
    /* of ctx.http, whose reader takes them */
    static const struct slice others[] = {SLICE("lookup"), SLICE("auth"), SLICE("timeout")};
    if (!json_is(reader->doc, node, JSON_OBJECT)) {
        return code_complain(reader, "the request", node, "objects");
    }
    json_find_many(reader->doc, node, names, COUNT_OF(names), at);
    for (uint32_t key = json_first(reader->doc, node); key != JSON_ABSENT; key = json_after(reader->doc, node, key)) {
        struct slice name = json_string(reader->doc, key, reader->arena);
        bool known = false;
        for (size_t i = 0; i < COUNT_OF(names); i++) {
            known = known || slice_eq(name, names[i]);
        }
        for (size_t i = 0; i < COUNT_OF(others); i++) {
            known = known || slice_eq(name, others[i]);
        }
        if (!known) {
            return code_complain(reader, "a request with", key, "method url headers query json form xml text gzip");
        }
    }
    return true;
}

bool code_request_read(struct code_reader *reader, uint32_t node, struct code_item *ret_item) {
    uint32_t at[PART_GZIP + 1];
    struct destination_request request = {.method = HTTP_METHOD_POST};
    if (!read_parts(reader, node, at) || !read_method(reader, at[PART_METHOD], &request) ||
        !read_pairs(reader, at[PART_QUERY], "the query", &request.query, &request.query_count) ||
        !read_url(reader, at[PART_URL], &request) ||
        !read_pairs(reader, at[PART_HEADERS], "headers", &request.headers, &request.header_count) ||
        !check_headers(reader, at[PART_HEADERS], &request) || !read_body(reader, at, &request)) {
        return false;
    }
    if (request.header_count > 0) {
        request.own_headers = json_raw(reader->doc, at[PART_HEADERS]);
    }
    request.gzip = json_is(reader->doc, at[PART_GZIP], JSON_TRUE);
    if (!request.gzip && !is_absent(reader->doc, at[PART_GZIP]) && !json_is(reader->doc, at[PART_GZIP], JSON_FALSE)) {
        return code_complain(reader, "gzip", at[PART_GZIP], "true and false");
    }
    *ret_item = (struct code_item){.request = request};
    return true;
}

/* ---- completing it ---- */

static const struct http_header *find_header(const struct http_header *list, size_t count, struct slice name) {
    for (size_t i = 0; i < count; i++) {
        if (slice_eq_nocase(list[i].name, name)) {
            return &list[i];
        }
    }
    return NULL;
}

static const char *const content_types[] = {
    [BODY_JSON] = "application/json",
    [BODY_FORM] = "application/x-www-form-urlencoded",
    [BODY_EVENT] = "application/json",
    [BODY_XML] = "application/xml",
    [BODY_TEXT] = "text/plain; charset=utf-8",
};

static struct slice compress(struct slice plain, struct arena *arena) {
    struct buf out;
    buf_init(&out, 0);
    http_gzip(plain, &out);
    return buf_keep(&out, arena);
}

bool code_request_finish(struct code_reader *reader, struct destination_request *request, bool with_core) {
    enum { ADDED = 2 };
    const struct destination_settings *settings = reader->settings;
    if (with_core && settings->headers_why.len > 0) {
        reader->why = settings->headers_why;
        return false;
    }
    size_t core = with_core ? settings->header_count : 0;
    struct http_header *list = ARENA_ARRAY(reader->arena, struct http_header, core + request->header_count + ADDED);
    size_t count = 0;
    for (size_t i = 0; i < core; i++) {
        if (find_header(request->headers, request->header_count, settings->headers[i].name) == NULL) {
            list[count++] = settings->headers[i];
        }
    }
    for (size_t i = 0; i < request->header_count; i++) {
        list[count++] = request->headers[i];
    }
    if (request->body_kind != BODY_NONE && find_header(list, count, SLICE("Content-Type")) == NULL) {
        list[count++] = (struct http_header){SLICE("Content-Type"), slice_cstr(content_types[request->body_kind])};
    }
    request->body = request->plain;
    if (request->gzip && request->body_kind != BODY_NONE) {
        request->body = compress(request->plain, reader->arena);
        list[count++] = (struct http_header){SLICE("Content-Encoding"), SLICE("gzip")};
    }
    request->headers = list;
    request->header_count = count;
    return true;
}

enum err destination_request_read(const struct json_doc *doc, uint32_t node, struct arena *arena,
    struct destination_request *ret_request, struct errinfo *why) {
    struct code_reader reader = {.doc = doc, .arena = arena};
    struct code_item item;
    if (!code_request_read(&reader, node, &item) ||
        !code_request_finish(&reader, &item.request, /* with_core: */ false)) {
        return err_why(ERR_INVALID, why, "request", "%.*s", SLICE_ARG(reader.why));
    }
    *ret_request = item.request;
    return OK;
}

const struct http_header *destination_headers_read(
    const struct json_doc *doc, uint32_t node, struct arena *arena, size_t *ret_count) {
    struct code_reader reader = {.doc = doc, .arena = arena};
    const struct http_header *list = NULL;
    bool object = json_is(doc, node, JSON_OBJECT);
    (void)read_pairs(&reader, object ? node : JSON_ABSENT, "headers", &list, ret_count); /* an object always is read */
    return list;
}
