/* Reads code, cases and events from files. */
#include "cli/transform_spec.h"

#include <stdio.h>

#include "model/place.h"
#include "json/json_write.h"

enum { SPEC_DEPTH = 192, SPEC_CHUNK = 65536, FILE_BYTES = 256 << 20, PATH_SIZE = 4096 };

void spec_init(struct spec *spec) {
    *spec = (struct spec){.language = 1};
    arena_init(&spec->arena, SPEC_CHUNK, 0);
}

void spec_fini(struct spec *spec) {
    json_parser_free(spec->parser);
    arena_fini(&spec->arena);
}

/* The whole file in the arena, JSON_PADDING behind it. */
static enum err read_file(struct arena *arena, const char *path, struct slice *ret_text, struct errinfo *why) {
    struct buf text;
    buf_init(&text, FILE_BYTES);
    enum err e = place_read_file(path, FILE_BYTES, JSON_PADDING, &text, why);
    if (e == OK) {
        char *copy = arena_alloc(arena, text.len + JSON_PADDING);
        memcpy(copy, text.len > 0 ? text.ptr : "", text.len);
        *ret_text = slice_of(copy, text.len);
    }
    buf_fini(&text);
    return e;
}

static bool ends_with(const char *path, struct slice end) {
    struct slice text = slice_cstr(path);
    return text.len >= end.len && slice_eq(slice_of(text.ptr + text.len - end.len, end.len), end);
}

static enum err bad_json(enum err e, struct errinfo *why, const char *path, struct slice text) {
    size_t line = 1, column = 1;
    char reason[sizeof why->text];
    for (size_t i = 0; i < why->at && i < text.len; i++) {
        column = text.ptr[i] == '\n' ? 1 : column + 1;
        line += text.ptr[i] == '\n';
    }
    snprintf(reason, sizeof reason, "%s", why->text);
    char place[sizeof why->path];
    snprintf(place, sizeof place, "%.120s:%zu:%zu", path, line, column);
    return err_why(e, why, place, "%s", reason);
}

static enum err wrong(struct errinfo *why, const struct spec *spec, const char *text) {
    return err_why(ERR_INVALID, why, spec->path, "%s", text);
}

/* ---- the parts of a case ---- */

static struct slice text_of(struct spec *spec, uint32_t object, const char *key) {
    uint32_t at = json_find(&spec->doc, object, slice_cstr(key));
    return json_is(&spec->doc, at, JSON_STRING) ? arena_dup(&spec->arena, json_string(&spec->doc, at, &spec->arena))
                                                : SLICE_NONE;
}

/* "code", or what "file" names beside the case. */
static enum err code_of(struct spec *spec, uint32_t object, struct slice *ret_code, struct errinfo *why) {
    struct slice code = text_of(spec, object, "code"), file = text_of(spec, object, "file");
    if (code.ptr != NULL || file.ptr == NULL) {
        *ret_code = code;
        return OK;
    }
    const char *slash = strrchr(spec->path, '/');
    size_t folder = slash != NULL ? (size_t)(slash - spec->path) + 1 : 0;
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%.*s%.*s", (int)folder, spec->path, SLICE_ARG(file));
    return read_file(&spec->arena, path, ret_code, why);
}

static enum err read_libraries(struct spec *spec, struct errinfo *why) {
    uint32_t list = json_find(&spec->doc, 0, SLICE("libraries"));
    if (!json_is(&spec->doc, list, JSON_ARRAY)) {
        return list == JSON_ABSENT ? OK : wrong(why, spec, "libraries is not a list");
    }
    spec->libraries = ARENA_ARRAY(&spec->arena, struct transform_library, json_count(&spec->doc, list) + 1);
    enum err e = OK;
    for (uint32_t at = json_first(&spec->doc, list); at != JSON_ABSENT && e == OK;
         at = json_after(&spec->doc, list, at)) {
        struct transform_library *library = &spec->libraries[spec->library_count++];
        library->name = text_of(spec, at, "name");
        e = code_of(spec, at, &library->code, why);
        if (e == OK && (library->name.len == 0 || library->code.ptr == NULL)) {
            e = wrong(why, spec, "a library needs a name, and code or file");
        }
    }
    return e;
}

static enum err add_input(struct spec *spec, const struct json_doc *doc, uint32_t node, struct errinfo *why) {
    uint32_t message = json_find(doc, node, SLICE("message"));
    uint32_t metadata = json_find(doc, node, SLICE("metadata"));
    bool wrapped = json_is(doc, message, JSON_OBJECT);
    if (!json_is(doc, node, JSON_OBJECT)) {
        return wrong(why, spec, "an event is not a JSON object");
    }
    spec->inputs[spec->input_count++] = (struct transform_input){.message = json_raw(doc, wrapped ? message : node),
        .metadata = wrapped && json_is(doc, metadata, JSON_OBJECT) ? json_raw(doc, metadata) : SLICE_NONE};
    return OK;
}

static enum err add_inputs(struct spec *spec, const struct json_doc *doc, uint32_t list, struct errinfo *why) {
    spec->input_count = 0;
    spec->inputs = ARENA_ARRAY(&spec->arena, struct transform_input, json_count(doc, list) + 1);
    enum err e = OK;
    for (uint32_t at = json_first(doc, list); at != JSON_ABSENT && e == OK; at = json_after(doc, list, at)) {
        e = add_input(spec, doc, at, why);
    }
    return e;
}

static struct slice raw_or(struct spec *spec, const char *key, enum json_kind kind, struct slice otherwise) {
    uint32_t at = json_find(&spec->doc, 0, slice_cstr(key));
    return json_is(&spec->doc, at, kind) ? json_raw(&spec->doc, at) : otherwise;
}

/* A response as transform_ask_answer takes it: a body that is no text is JSON. */
static struct slice answer_of(struct spec *spec, uint32_t exchange, struct slice url) {
    const struct json_doc *doc = &spec->doc;
    struct slice error = text_of(spec, exchange, "error");
    uint32_t response = json_find(doc, exchange, SLICE("response"));
    uint32_t body = json_find(doc, response, SLICE("body"));
    uint32_t headers = json_find(doc, response, SLICE("headers"));
    int64_t status = 200;
    struct buf out;
    struct json_writer json;
    if (json_i64(doc, json_find(doc, response, SLICE("status")), &status) != OK) {
        status = 200;
    }
    buf_init(&out, 0);
    json_writer_init(&json, &out);
    json_write_object(&json);
    if (error.ptr != NULL) {
        json_put_string(&json, "error", error);
    } else {
        json_put_string(&json, "url", url);
        json_put_i64(&json, "status", status);
        json_put_raw(&json, "headers", json_is(doc, headers, JSON_OBJECT) ? json_raw(doc, headers) : SLICE("{}"));
        json_put_string(&json, "body",
            json_is(doc, body, JSON_STRING) ? json_string(doc, body, &spec->arena)
                : body != JSON_ABSENT       ? json_raw(doc, body)
                                            : SLICE(""));
        if (body != JSON_ABSENT) {
            json_put_raw(&json, "value", json_raw(doc, body)); /* geolocation's */
        }
    }
    json_write_end(&json);
    return buf_keep(&out, &spec->arena);
}

static enum err read_exchanges(struct spec *spec, struct errinfo *why) {
    uint32_t list = json_find(&spec->doc, 0, SLICE("http"));
    if (!json_is(&spec->doc, list, JSON_ARRAY)) {
        return list == JSON_ABSENT ? OK : wrong(why, spec, "http is not a list");
    }
    spec->exchanges = ARENA_ARRAY(&spec->arena, struct exchange, json_count(&spec->doc, list) + 1);
    for (uint32_t at = json_first(&spec->doc, list); at != JSON_ABSENT; at = json_after(&spec->doc, list, at)) {
        struct exchange *exchange = &spec->exchanges[spec->exchange_count++];
        uint32_t request = json_find(&spec->doc, at, SLICE("request"));
        exchange->url = text_of(spec, request, "url");
        exchange->method = text_of(spec, request, "method");
        exchange->method = exchange->method.len > 0 ? exchange->method : SLICE("GET");
        exchange->body = text_of(spec, request, "body");
        if (exchange->url.len == 0) {
            return wrong(why, spec, "an exchange of http has no request.url");
        }
        exchange->answer = answer_of(spec, at, exchange->url);
    }
    return OK;
}

static enum err read_language(struct spec *spec, struct errinfo *why) {
    uint32_t at = json_find(&spec->doc, 0, SLICE("version"));
    if (at == JSON_ABSENT) {
        return OK;
    }
    struct slice text =
        json_is(&spec->doc, at, JSON_STRING) ? json_string(&spec->doc, at, &spec->arena) : json_raw(&spec->doc, at);
    if (!slice_eq(text, SLICE("0")) && !slice_eq(text, SLICE("1"))) {
        return wrong(why, spec, "version is neither 0 nor 1");
    }
    spec->language = text.ptr[0] == '0' ? 0 : 1;
    return OK;
}

static enum err read_settings(struct spec *spec, const char *path, struct errinfo *why) {
    struct slice text;
    spec->path = path;
    enum err e = read_file(&spec->arena, path, &text, why);
    if (e != OK) {
        return e;
    }
    json_parser_free(spec->parser);
    spec->parser = json_parser_new(SPEC_DEPTH);
    e = json_parse(spec->parser, text, &spec->doc, why);
    if (e != OK) {
        return bad_json(e, why, path, text);
    }
    if (!json_is(&spec->doc, 0, JSON_OBJECT)) {
        return wrong(why, spec, "it is not a JSON object");
    }
    struct slice name = text_of(spec, 0, "name");
    spec->name = name.ptr != NULL ? name : spec->name;
    spec->credentials = raw_or(spec, "credentials", JSON_ARRAY, spec->credentials);
    spec->metadata = raw_or(spec, "metadata", JSON_OBJECT, spec->metadata);
    e = read_language(spec, why);
    e = e == OK ? read_libraries(spec, why) : e;
    return e == OK ? read_exchanges(spec, why) : e;
}

enum err spec_read_with(struct spec *spec, const char *path, struct errinfo *why) {
    return read_settings(spec, path, why);
}

enum err spec_read(struct spec *spec, const char *path, struct errinfo *why) {
    if (ends_with(path, SLICE(".js")) || ends_with(path, SLICE(".mjs"))) {
        spec->path = path;
        spec->name = slice_cstr(path);
        return read_file(&spec->arena, path, &spec->code, why);
    }
    enum err e = read_settings(spec, path, why);
    if (e != OK) {
        return e;
    }
    spec->why = text_of(spec, 0, "why");
    e = code_of(spec, 0, &spec->code, why);
    if (e == OK && spec->code.ptr == NULL) {
        return wrong(why, spec, "a case needs code or file");
    }
    uint32_t events = json_find(&spec->doc, 0, SLICE("events"));
    if (e == OK && json_is(&spec->doc, events, JSON_ARRAY)) {
        e = add_inputs(spec, &spec->doc, events, why);
    }
    return e;
}

/* One event a line. */
static enum err read_lines(struct spec *spec, struct json_parser *parser, struct slice text, struct errinfo *why) {
    size_t lines = 1;
    for (size_t i = 0; i < text.len; i++) {
        lines += text.ptr[i] == '\n';
    }
    spec->input_count = 0;
    spec->inputs = ARENA_ARRAY(&spec->arena, struct transform_input, lines);
    enum err e = OK;
    for (struct slice rest = text; rest.ptr != NULL && e == OK;) {
        struct slice line = slice_trim(slice_cut(rest, '\n', &rest));
        struct json_doc doc;
        if (line.len > 0) {
            /* what follows the line is the next one, or the padding of the file: both can be read */
            e = json_parse(parser, line, &doc, why);
            e = e == OK ? add_input(spec, &doc, 0, why) : bad_json(e, why, spec->path, text);
        }
    }
    return e;
}

enum err spec_read_events(struct spec *spec, const char *path, struct errinfo *why) {
    struct slice text;
    enum err e = read_file(&spec->arena, path, &text, why);
    if (e != OK) {
        return e;
    }
    struct json_parser *parser = json_parser_new(SPEC_DEPTH);
    struct json_doc doc;
    const char *code_path = spec->path;
    spec->path = path;
    struct slice trimmed = slice_trim(text);
    if (trimmed.len > 0 && trimmed.ptr[0] == '[') {
        e = json_parse(parser, text, &doc, why);
        e = e == OK ? add_inputs(spec, &doc, 0, why) : bad_json(e, why, path, text);
    } else if (json_parse(parser, text, &doc, NULL) == OK) {
        spec->inputs = ARENA_NEW(&spec->arena, struct transform_input);
        spec->input_count = 0;
        e = add_input(spec, &doc, 0, why);
    } else {
        e = read_lines(spec, parser, text, why);
    }
    json_parser_free(parser);
    spec->path = code_path;
    return e;
}

enum err spec_take_events(struct spec *spec, struct slice list, struct errinfo *why) {
    struct json_parser *parser = json_parser_new(SPEC_DEPTH);
    struct json_doc doc;
    char *copy = arena_alloc(&spec->arena, list.len + JSON_PADDING);
    memcpy(copy, list.ptr, list.len);
    enum err e = json_parse(parser, slice_of(copy, list.len), &doc, why);
    e = e == OK ? add_inputs(spec, &doc, 0, why) : e;
    json_parser_free(parser);
    return e;
}

struct transform_version *spec_version(const struct spec *spec, struct transform *transform, enum transform_kind kind) {
    const struct transform_code code = {.kind = kind,
        .name = spec->name,
        .code = spec->code,
        .language = spec->language,
        .libraries = spec->libraries,
        .library_count = spec->library_count};
    return transform_version_new(transform, &code);
}

/* ---- answers from a case ---- */

static bool matches(const struct exchange *exchange, struct slice method, struct slice url, struct slice body) {
    return !exchange->used && slice_eq_nocase(exchange->method, method) && slice_eq(exchange->url, url) &&
        (exchange->body.ptr == NULL || slice_eq(exchange->body, body));
}

static void answer_unknown(struct transform_ask *ask, struct slice method, struct slice url) {
    struct buf text, out;
    struct json_writer json;
    buf_init(&text, 0);
    buf_init(&out, 0);
    buf_printf(&text, "the case has no answer for %.*s %.*s", SLICE_ARG(method), SLICE_ARG(url));
    json_writer_init(&json, &out);
    json_write_object(&json);
    json_put_string(&json, "error", buf_slice(&text));
    json_write_end(&json);
    transform_ask_answer(ask, buf_slice(&out));
    buf_fini(&out);
    buf_fini(&text);
}

/* thread: the transform's; between the call and its on_done nobody else looks at the exchanges. */
void spec_on_ask(void *ctx, struct transform_ask *ask) {
    struct spec *spec = ctx;
    struct arena arena;
    struct json_doc doc;
    arena_init(&arena, 0, 0);
    struct json_parser *parser = json_parser_new(SPEC_DEPTH);
    char *copy = arena_alloc(&arena, ask->parameters.len + JSON_PADDING);
    memcpy(copy, ask->parameters.ptr, ask->parameters.len);
    struct slice url = SLICE_NONE, method = SLICE("GET"), body = SLICE_NONE;
    if (json_parse(parser, slice_of(copy, ask->parameters.len), &doc, NULL) == OK) {
        uint32_t first = json_first(&doc, 0);
        uint32_t options = first != JSON_ABSENT ? json_after(&doc, 0, first) : JSON_ABSENT;
        uint32_t named = json_find(&doc, options, SLICE("method"));
        url = json_is(&doc, first, JSON_STRING) ? slice_trim(json_string(&doc, first, &arena)) : url;
        method = json_is(&doc, named, JSON_STRING) ? json_string(&doc, named, &arena) : method;
        body = json_string(&doc, json_find(&doc, options, SLICE("body")), &arena);
    }
    struct exchange *found = NULL;
    for (size_t i = 0; i < spec->exchange_count && found == NULL; i++) {
        found = matches(&spec->exchanges[i], method, url, body) ? &spec->exchanges[i] : NULL;
    }
    if (found != NULL) {
        found->used = true;
        transform_ask_answer(ask, found->answer);
    } else {
        answer_unknown(ask, method, url);
    }
    json_parser_free(parser);
    arena_fini(&arena);
}
