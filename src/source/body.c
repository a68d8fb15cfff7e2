/* A request as the code sees it. A JSON body is handed on as it is; forms and queries become lists by name, because a
 * name may come twice. */
#include "source/source_internal.h"

enum { FIELDS_MAX = 2000, MULTIPART_NAME_MAX = 1024 };

struct field {
    struct slice name, value;
};

struct fields {
    struct field *list;
    size_t count;
    struct arena *arena;
};

static void add(struct fields *fields, struct slice name, struct slice value) {
    if (fields->count < FIELDS_MAX) {
        fields->list[fields->count++] = (struct field){name, value};
    }
}

static struct fields fields_new(struct arena *arena) {
    return (struct fields){.list = ARENA_ARRAY(arena, struct field, FIELDS_MAX), .arena = arena};
}

/* ---- reading ---- */

static struct slice decoded(struct slice s, struct arena *arena) {
    char *out = arena_alloc(arena, s.len + 1);
    return slice_of(out, http_url_decode(s, out));
}

static void read_query(struct fields *fields, struct slice query) {
    struct slice name, value;
    while (http_query_next(&query, &name, &value)) {
        add(fields, decoded(name, fields->arena), decoded(value, fields->arena));
    }
}

/* The value of `name="…"` in a header line. */
static struct slice parameter(struct slice line, struct slice name) {
    const char *at = memmem(line.ptr, line.len, name.ptr, name.len);
    if (at == NULL) {
        return SLICE_NONE;
    }
    struct slice rest = slice_of(at + name.len, line.len - (size_t)(at - line.ptr) - name.len);
    if (rest.len > 0 && rest.ptr[0] == '"') {
        return slice_cut(slice_of(rest.ptr + 1, rest.len - 1), '"', &rest);
    }
    return slice_trim(slice_cut(rest, ';', &rest));
}

static bool find(struct slice text, struct slice what, size_t *ret_at) {
    const char *at = text.len > 0 ? memmem(text.ptr, text.len, what.ptr, what.len) : NULL;
    *ret_at = at != NULL ? (size_t)(at - text.ptr) : text.len;
    return at != NULL;
}

static struct slice behind(struct slice text, size_t at) {
    return slice_of(text.ptr + at, text.len - at);
}

/* One part: headers, an empty line, the value. Of a file its name is the value. */
static void read_part(struct fields *fields, struct slice part) {
    size_t head = 0;
    if (!find(part, SLICE("\r\n\r\n"), &head)) {
        return;
    }
    struct slice headers = slice_of(part.ptr, head);
    struct slice name = parameter(headers, SLICE(" name="));
    struct slice file = parameter(headers, SLICE(" filename="));
    if (name.ptr != NULL && name.len <= MULTIPART_NAME_MAX) {
        add(fields, name, file.ptr != NULL ? file : behind(part, head + 4));
    }
}

/* RFC 7578: parts between lines of two hyphens and the boundary. */
static void read_multipart(struct fields *fields, struct slice body, struct slice boundary) {
    struct slice mark = arena_printf(fields->arena, "--%.*s", SLICE_ARG(boundary));
    struct slice end = arena_printf(fields->arena, "\r\n--%.*s", SLICE_ARG(boundary));
    size_t at = 0;
    if (!find(body, mark, &at)) {
        return;
    }
    struct slice rest = behind(body, at + mark.len);
    while (slice_starts(rest, SLICE("\r\n"))) {
        size_t len = 0;
        bool more = find(behind(rest, 2), end, &len);
        read_part(fields, slice_of(rest.ptr + 2, len));
        rest = more ? behind(rest, 2 + len + end.len) : SLICE("");
    }
}

/* ---- writing ---- */

/* {"name": ["value", …]} in the order of first sight. */
static void write_fields(struct json_writer *w, const struct fields *fields) {
    json_write_object(w);
    for (size_t i = 0; i < fields->count; i++) {
        bool seen = false;
        for (size_t k = 0; k < i && !seen; k++) {
            seen = slice_eq(fields->list[k].name, fields->list[i].name);
        }
        if (seen) {
            continue;
        }
        json_write_key(w, fields->list[i].name);
        json_write_array(w);
        for (size_t k = i; k < fields->count; k++) {
            if (slice_eq(fields->list[k].name, fields->list[i].name)) {
                json_write_string(w, fields->list[k].value);
            }
        }
        json_write_end(w);
    }
    json_write_end(w);
}

static struct slice content_type(const struct source_request *request) {
    for (size_t i = 0; i < request->header_count; i++) {
        if (slice_eq_nocase(request->headers[i].name, SLICE("content-type"))) {
            return request->headers[i].value;
        }
    }
    return SLICE("");
}

static bool starts_nocase(struct slice text, struct slice start) {
    return text.len >= start.len && slice_eq_nocase(slice_of(text.ptr, start.len), start);
}

static bool write_form(struct json_writer *w, const struct source_request *request, struct arena *arena) {
    struct slice type = slice_trim(content_type(request));
    struct fields fields = fields_new(arena);
    if (starts_nocase(type, SLICE("application/x-www-form-urlencoded"))) {
        read_query(&fields, request->body);
    } else if (starts_nocase(type, SLICE("multipart/form-data"))) {
        read_multipart(&fields, request->body, parameter(type, SLICE("boundary=")));
    } else {
        return false;
    }
    json_write_key(w, SLICE("form"));
    write_fields(w, &fields);
    return true;
}

/* A JSON text on each line, as a list; false when a line is none. */
static bool write_lines(struct json_writer *w, struct slice body, struct json_parser *parser, struct arena *arena) {
    struct json_doc doc;
    struct buf list;
    struct json_writer items;
    bool good = true;
    buf_init(&list, 0);
    json_writer_init(&items, &list);
    json_write_array(&items);
    while (good && body.len > 0) {
        struct slice line = slice_trim(slice_cut(body, '\n', &body));
        good = line.len == 0 || json_parse(parser, line, &doc, NULL) == OK;
        if (good && line.len > 0) {
            json_write_raw(&items, json_raw(&doc, 0));
        }
    }
    json_write_end(&items);
    struct slice text = buf_keep(&list, arena);
    if (good) {
        json_write_key(w, SLICE("json"));
        json_write_raw(w, text);
    }
    return good;
}

/* Controls in text bodies that are no UTF-8 would make no JSON of ours. */
static enum err write_payload(const struct destination_type *type, const struct source_request *request,
    struct json_parser *parser, struct arena *arena, struct json_writer *w, struct slice *ret_detail) {
    struct json_doc doc;
    struct errinfo why = {.at = 0};
    if (request->method == HTTP_METHOD_GET ||
        (request->body.len == 0 && (type->webhook->bodies & WEBHOOK_BODY_QUERY) != 0)) {
        return OK; /* the query is all there is */
    }
    if ((type->webhook->bodies & WEBHOOK_BODY_FORM) != 0 && write_form(w, request, arena)) {
        return OK;
    }
    if (json_parse(parser, request->body, &doc, &why) != OK) {
        if ((type->webhook->bodies & WEBHOOK_BODY_LINES) != 0 && request->body.len > 0 &&
            write_lines(w, request->body, parser, arena)) {
            return OK;
        }
        *ret_detail = request->body.len == 0
            ? SLICE("the body is empty")
            : arena_printf(arena, "the body is no JSON: byte %lu: %s", (unsigned long)why.at, why.text);
        return ERR_PAYLOAD;
    }
    json_write_key(w, SLICE("json"));
    json_write_raw(w, json_raw(&doc, 0));
    return OK;
}

static void write_headers(struct json_writer *w, const struct source_request *request, struct arena *arena) {
    struct fields fields = fields_new(arena);
    for (size_t i = 0; i < request->header_count; i++) {
        /* credentials are the server's business */
        if (!slice_eq_nocase(request->headers[i].name, SLICE("authorization"))) {
            add(&fields, request->headers[i].name, request->headers[i].value);
        }
    }
    json_write_key(w, SLICE("headers"));
    write_fields(w, &fields);
}

enum err source_body_write(const struct destination_type *type, const struct source_request *request,
    struct json_parser *parser, struct arena *arena, struct json_writer *w, struct slice *ret_detail) {
    struct fields query = fields_new(arena);
    read_query(&query, request->query);
    json_write_object(w);
    json_put_cstr(w, "method", http_method_name(request->method));
    json_put_string(w, "url", request->target);
    json_put_cstr(w, "proto", "HTTP/1.1");
    write_headers(w, request, arena);
    json_write_key(w, SLICE("query"));
    write_fields(w, &query);
    enum err e = write_payload(type, request, parser, arena, w, ret_detail);
    if (e == OK) {
        json_write_end(w);
    }
    return e;
}
