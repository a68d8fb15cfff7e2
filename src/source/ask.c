/* Questions in JSON: what a webhook becomes. The same run as the gateway's, waited for. */
#include "base/clock.h"
#include "source/source_internal.h"

static const int64_t default_now_ms = 1786060800000; /* 2026-08-07T00:00:00Z */

static struct slice padded(struct slice text, struct arena *arena) {
    char *copy = arena_alloc(arena, text.len + JSON_PADDING);
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    return slice_of(copy, text.len);
}

/* ---- the request ---- */

static void add_header(
    struct source_request *request, struct http_header *list, struct slice name, struct slice value) {
    list[request->header_count++] = (struct http_header){name, value};
}

/* {"Name": "value"} or {"Name": ["value", …]} */
static void read_headers(
    const struct json_doc *doc, uint32_t node, struct arena *arena, struct source_request *request) {
    size_t room = 1;
    for (uint32_t key = json_first(doc, node); key != JSON_ABSENT; key = json_after(doc, node, key)) {
        room += json_is(doc, key + 1, JSON_ARRAY) ? json_count(doc, key + 1) : 1;
    }
    struct http_header *list = ARENA_ARRAY(arena, struct http_header, room);
    for (uint32_t key = json_first(doc, node); key != JSON_ABSENT; key = json_after(doc, node, key)) {
        struct slice name = json_string(doc, key, arena);
        if (json_is(doc, key + 1, JSON_STRING)) {
            add_header(request, list, name, json_string(doc, key + 1, arena));
        }
        bool several = json_is(doc, key + 1, JSON_ARRAY);
        uint32_t item = several ? json_first(doc, key + 1) : JSON_ABSENT;
        for (; item != JSON_ABSENT; item = json_after(doc, key + 1, item)) {
            add_header(request, list, name, json_string(doc, item, arena));
        }
    }
    request->headers = list;
}

enum part { METHOD, URL, HEADERS, BODY, JSON, COUNT };

static enum err read_request(const struct json_doc *doc, uint32_t node, struct arena *arena,
    struct source_request *request, struct errinfo *why) {
    static const struct slice keys[COUNT] = {[METHOD] = SLICE("method"),
        [URL] = SLICE("url"),
        [HEADERS] = SLICE("headers"),
        [BODY] = SLICE("body"),
        [JSON] = SLICE("json")};
    uint32_t at[COUNT];
    if (!json_is(doc, node, JSON_OBJECT)) {
        return err_why(ERR_INVALID, why, "request", "{method, url, headers, body or json} is wanted");
    }
    json_find_many(doc, node, keys, COUNT, at);
    struct slice rest = SLICE_NONE;
    request->method = HTTP_METHOD_POST;
    if (json_is(doc, at[METHOD], JSON_STRING)) {
        request->method = http_method_parse(json_string(doc, at[METHOD], arena));
    }
    request->target = json_is(doc, at[URL], JSON_STRING) ? json_string(doc, at[URL], arena) : SLICE("/v1/webhook");
    (void)slice_cut(request->target, '?', &rest); /* what is before it does not matter */
    request->query = rest.ptr != NULL ? rest : SLICE("");
    if (json_is(doc, at[HEADERS], JSON_OBJECT)) {
        read_headers(doc, at[HEADERS], arena, request);
    }
    if (at[JSON] != JSON_ABSENT) {
        request->body = padded(json_raw(doc, at[JSON]), arena);
    } else {
        request->body =
            padded(json_is(doc, at[BODY], JSON_STRING) ? json_string(doc, at[BODY], arena) : SLICE(""), arena);
    }
    return OK;
}

/* ---- waiting ---- */

struct waiting {
    struct source_run run; /* first */
    bool done, waits;
};

static void on_done(struct source_run *run) {
    struct waiting *waiting = CONTAINER_OF(run, struct waiting, run);
    waiting->done = true;
    if (waiting->waits) {
        loop_stop(run->loop);
    }
}

static void wait_for(struct waiting *waiting) {
    waiting->run.on_done = on_done;
    source_run(&waiting->run);
    if (!waiting->done) {
        waiting->waits = true;
        loop_run(waiting->run.loop);
    }
}

/* ---- the answer ---- */

static enum err write_events(const struct source_run *run, struct json_writer *w, struct errinfo *why) {
    struct json_doc doc;
    enum err e = json_parse(run->parser, run->events, &doc, why);
    if (e == OK) {
        json_write_key(w, SLICE("events"));
        json_write_raw(w, json_raw(&doc, json_find(&doc, 0, SLICE("batch"))));
    }
    return e;
}

static enum err write_answer(const struct source_run *run, struct json_writer *w, struct errinfo *why) {
    enum err e = OK;
    json_write_object(w);
    if (run->err != OK) {
        json_put_string(w, "refused", run->detail);
    } else if (run->events.len > 0) {
        e = write_events(run, w, why);
    }
    if (run->answer.ptr != NULL) {
        json_write_key(w, SLICE("answer"));
        json_write_object(w);
        json_put_string(w, "type", run->answer_type.ptr != NULL ? run->answer_type : SLICE(""));
        json_put_string(w, "body", run->answer);
        json_write_end(w);
    }
    json_write_end(w);
    return e;
}

enum err source_ask(const struct source_seat *seat, const struct destination_type *type, const struct json_doc *doc,
    uint32_t node, struct json_writer *w, struct errinfo *why) {
    static const struct slice keys[] = {
        SLICE("config"), SLICE("request"), SLICE("now"), SLICE("uuids"), SLICE("source")};
    uint32_t at[COUNT_OF(keys)];
    struct waiting waiting = {.run = {.transform = seat->transform,
                                  .type = type,
                                  .now_ms = default_now_ms,
                                  .parser = seat->parser,
                                  .arena = seat->arena,
                                  .loop = seat->loop}};
    struct source_run *run = &waiting.run;
    json_find_many(doc, node, keys, COUNT_OF(keys), at);
    enum err e = read_request(doc, at[1], seat->arena, &run->request, why);
    if (e == OK && at[2] != JSON_ABSENT && json_i64(doc, at[2], &run->now_ms) != OK) {
        e = err_why(ERR_INVALID, why, "now", "ms since 1970");
    }
    if (e != OK) {
        return e;
    }
    run->config = padded(at[0] != JSON_ABSENT ? json_raw(doc, at[0]) : SLICE("{}"), seat->arena);
    run->uuids = json_is(doc, at[3], JSON_ARRAY) ? json_raw(doc, at[3]) : SLICE("");
    run->id = json_is(doc, at[4], JSON_STRING) ? json_string(doc, at[4], seat->arena) : SLICE("");
    wait_for(&waiting);
    if (err_class(run->err) == ERR_CLASS_RETRY) {
        return err_why(run->err, why, "", "%.*s", SLICE_ARG(run->detail));
    }
    return write_answer(run, w, why);
}
