/* sluice dest run: questions in JSON on standard input, answers on standard output, by the code that delivery uses. A
 * question is
 *   {type, config, event, now}                       -> {request} or {draft} (of a destination with code) or {refused}
 *   {type, config, events: [{message, metadata, connection}], now, batch, exchanges, limits, uuids, random}
 *                                                    -> {requests, refused}
 *   {type, config, judge: {request, events, response: {status, headers, body}}}    -> {verdicts}
 * or {error}, when the question is wrong. It is what conformance runs are made of (test/conformance/run). */
#include <stdio.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/dest.h"
#include "cli/show.h"
#include "destination/exchange.h"

enum { ARENA_CHUNK = 65536 };

struct asking {
    const struct json_doc *doc;
    struct json_parser *parser;
    struct dest_seat *seat;
    struct json_writer *w;
    struct arena *arena; /* of the question */
};

static struct slice padded(struct slice text, struct arena *arena) {
    char *copy = arena_alloc(arena, text.len + JSON_PADDING);
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    return slice_of(copy, text.len);
}

/* ---- the workers, started when the first destination with code is asked ---- */

void dest_seat_init(struct dest_seat *seat, const struct conf *conf) {
    *seat = (struct dest_seat){.conf = conf, .loop = loop_new("dest")};
}

struct transform *dest_seat_transform(struct dest_seat *seat) {
    if (seat->transform == NULL) {
        const struct transform_deps deps = {.requests = conf_destination_client(seat->conf)};
        seat->transform = transform_new(&seat->conf->transform, &deps);
    }
    return seat->transform;
}

void dest_seat_fini(struct dest_seat *seat) {
    transform_free(seat->transform);
    loop_free(seat->loop);
}

/* ---- one event ---- */

static void write_refused(struct json_writer *w, const char *word, const char *path, struct slice text) {
    json_put_cstr(w, "refused", word);
    json_put_cstr(w, "path", path);
    json_put_string(w, "text", text);
}

/* Of a destination with code: what its code will see. */
static enum err write_draft(struct asking *a, struct dest_item *item, const struct destination_type *type,
    int64_t now_ms, struct errinfo *why) {
    const struct destination_settings *settings = NULL;
    struct destination_refusal refusal = {.text = SLICE_NONE};
    struct slice draft = SLICE_NONE;
    enum err e = destination_open(type, item->config, item->parser, item->arena, &settings, why);
    if (e == OK) {
        e = destination_draft(settings, item->event, now_ms, item->parser, item->arena, &draft, &refusal, why);
    }
    if (e == OK && refusal.text.len > 0) {
        write_refused(a->w, destination_refusal_name(refusal.kind), refusal.kind == REFUSAL_TYPE ? "type" : "event",
            refusal.text);
    } else if (e == OK) {
        json_put_raw(a->w, "draft", draft);
    }
    return e;
}

static enum err ask_event(struct asking *a, uint32_t config, uint32_t event, struct slice type, int64_t now_ms) {
    struct errinfo why = {.at = 0};
    struct dest_item item = {.type = type,
        .config = padded(json_raw(a->doc, config), a->arena),
        .event = padded(json_raw(a->doc, event), a->arena),
        .parser = a->parser,
        .arena = a->arena};
    const struct destination_type *found = destination_find(type);
    enum err e;
    if (found != NULL && found->kind == DESTINATION_CODE) {
        e = write_draft(a, &item, found, now_ms, &why);
    } else {
        e = dest_make_request(&item, &why);
        if (e == OK) {
            json_write_key(a->w, SLICE("request"));
            dest_write_request(&item.request, a->w);
        }
    }
    if (e != OK) {
        write_refused(a->w, e == ERR_UNSUPPORTED ? "filtered" : "dead", why.path, slice_cstr(why.text));
    }
    return OK;
}

/* ---- events together ---- */

static void write_made(const struct destination_request *request, struct json_writer *w) {
    struct slice body = request->plain.ptr != NULL ? request->plain : request->body;
    json_write_object(w);
    json_put_cstr(w, "method", http_method_name(request->method));
    json_put_string(w, "url", request->endpoint);
    json_write_key(w, SLICE("query"));
    http_headers_write(w, request->query, request->query_count);
    json_write_key(w, SLICE("headers"));
    http_headers_write(w, request->headers, request->header_count);
    json_put_cstr(w, "kind", destination_body_name(request->body_kind));
    json_put_bool(w, "gzip", request->gzip);
    json_put_string(w, "body", body);
    json_write_key(w, SLICE("events"));
    json_write_array(w);
    for (size_t i = 0; i < request->event_count; i++) {
        json_write_u64(w, request->events[i]);
    }
    json_write_end(w);
    json_write_end(w);
}

static void write_batch(const struct destination_batch *batch, struct json_writer *w) {
    json_write_key(w, SLICE("requests"));
    json_write_array(w);
    for (size_t i = 0; i < batch->request_count; i++) {
        write_made(&batch->requests[i], w);
    }
    json_write_end(w);
    json_write_key(w, SLICE("refused"));
    json_write_array(w);
    for (size_t i = 0; i < batch->refusal_count; i++) {
        const struct destination_refusal *refusal = &batch->refusals[i];
        json_write_object(w);
        json_put_u64(w, "event", refusal->event);
        json_put_cstr(w, "outcome", destination_refusal_name(refusal->kind));
        json_put_bool(w, "type", refusal->kind == REFUSAL_TYPE);
        json_put_string(w, "text", refusal->text);
        json_write_end(w);
    }
    json_write_end(w);
}

static struct slice raw_of(const struct asking *a, uint32_t node) {
    return node != JSON_ABSENT ? padded(json_raw(a->doc, node), a->arena) : SLICE("");
}

static bool read_events(
    const struct asking *a, uint32_t list, struct destination_event **ret_events, size_t *ret_count) {
    struct destination_event *events = ARENA_ARRAY(a->arena, struct destination_event, json_count(a->doc, list) + 1);
    size_t count = 0;
    for (uint32_t item = json_first(a->doc, list); item != JSON_ABSENT; item = json_after(a->doc, list, item)) {
        static const struct slice keys[] = {SLICE("message"), SLICE("metadata"), SLICE("connection")};
        uint32_t at[COUNT_OF(keys)];
        json_find_many(a->doc, item, keys, COUNT_OF(keys), at);
        if (!json_is(a->doc, at[0], JSON_OBJECT)) {
            return false;
        }
        events[count++] = (struct destination_event){raw_of(a, at[0]), raw_of(a, at[1]), raw_of(a, at[2])};
    }
    *ret_events = events;
    *ret_count = count;
    return count > 0;
}

static enum err ask_events(struct asking *a, uint32_t node, uint32_t list, const struct destination_settings *settings,
    int64_t now_ms, struct errinfo *why) {
    static const struct slice keys[] = {
        SLICE("batch"), SLICE("exchanges"), SLICE("limits"), SLICE("uuids"), SLICE("random")};
    uint32_t at[COUNT_OF(keys)];
    struct destination_exchanges *exchanges = NULL;
    struct destination_event *events = NULL;
    size_t count = 0;
    json_find_many(a->doc, node, keys, COUNT_OF(keys), at);
    if (!read_events(a, list, &events, &count)) {
        return err_why(ERR_INVALID, why, "events", "a list of {message, metadata, connection}");
    }
    enum err e = destination_exchanges_read(a->doc, at[1], a->arena, &exchanges, why);
    if (e != OK) {
        return e;
    }
    const struct destination_stage stage = {.limits = raw_of(a, at[2]),
        .uuids = raw_of(a, at[3]),
        .random = raw_of(a, at[4]),
        .on_http = destination_exchanges_answer,
        .ctx = exchanges};
    struct destination_run run = {.transform = dest_seat_transform(a->seat),
        .settings = settings,
        .events = events,
        .count = count,
        .now_ms = now_ms,
        .no_batch = json_is(a->doc, at[0], JSON_FALSE),
        .stage = &stage,
        .parser = a->parser,
        .arena = a->arena,
        .loop = a->seat->loop};
    e = destination_run_wait(&run, why);
    if (e == OK) {
        write_batch(&run.batch, a->w);
    }
    return e;
}

/* ---- an answer ---- */

static enum err ask_judge(
    struct asking *a, uint32_t node, const struct destination_settings *settings, struct errinfo *why) {
    struct destination_request request;
    uint32_t response = json_find(a->doc, node, SLICE("response"));
    uint32_t body = json_find(a->doc, response, SLICE("body"));
    uint32_t keep = json_find(a->doc, node, SLICE("keep"));
    uint64_t events = 0;
    int64_t status = 0;
    enum err e = destination_request_read(a->doc, json_find(a->doc, node, SLICE("request")), a->arena, &request, why);
    if (e == OK &&
        (json_u64(a->doc, json_find(a->doc, node, SLICE("events")), &events) != OK || events == 0 ||
            json_i64(a->doc, json_find(a->doc, response, SLICE("status")), &status) != OK)) {
        e = err_why(ERR_INVALID, why, "judge", "{request, events: their number, response: {status, headers, body}}");
    }
    if (e != OK) {
        return e;
    }
    request.event_count = (size_t)events;
    request.keep = keep != JSON_ABSENT ? json_raw(a->doc, keep) : SLICE_NONE;
    struct slice text = raw_of(a, body);
    struct destination_judging judging = {.transform = dest_seat_transform(a->seat),
        .settings = settings,
        .request = &request,
        .status = (int)status,
        .body = json_is(a->doc, body, JSON_STRING) ? json_string(a->doc, body, a->arena) : text,
        .parser = a->parser,
        .arena = a->arena,
        .loop = a->seat->loop};
    judging.headers = destination_headers_read(
        a->doc, json_find(a->doc, response, SLICE("headers")), a->arena, &judging.header_count);
    e = destination_judge_wait(&judging, why);
    if (e != OK) {
        return e;
    }
    json_write_key(a->w, SLICE("verdicts"));
    json_write_array(a->w);
    for (size_t i = 0; i < events; i++) {
        json_write_object(a->w);
        json_put_cstr(a->w, "outcome", destination_outcome_name(judging.verdicts[i].outcome));
        json_put_string(a->w, "text", judging.verdicts[i].text);
        json_write_end(a->w);
    }
    json_write_end(a->w);
    return OK;
}

/* ---- a question ---- */

/* Settings that are refused are an answer: every event is dead for it. */
static void refuse_all(struct asking *a, uint32_t list, const struct errinfo *why) {
    json_write_key(a->w, SLICE("requests"));
    json_write_array(a->w);
    json_write_end(a->w);
    json_write_key(a->w, SLICE("refused"));
    json_write_array(a->w);
    for (size_t i = 0; i < json_count(a->doc, list); i++) {
        json_write_object(a->w);
        json_put_u64(a->w, "event", i);
        json_put_cstr(a->w, "outcome", "dead");
        json_put_bool(a->w, "type", false);
        json_put_string(a->w, "text", arena_printf(a->arena, "%s: %s", why->path, why->text));
        json_write_end(a->w);
    }
    json_write_end(a->w);
}

enum part { PART_TYPE, PART_CONFIG, PART_EVENT, PART_EVENTS, PART_JUDGE, PART_NOW, PART_COUNT };

static enum err ask_code(struct asking *a, uint32_t node, const uint32_t *at, int64_t now_ms, struct errinfo *why) {
    struct slice name = json_string(a->doc, at[PART_TYPE], a->arena);
    const struct destination_type *type = destination_find(name);
    const struct destination_settings *settings = NULL;
    if (type == NULL || type->kind == DESTINATION_NATIVE) {
        return err_why(ERR_NOT_FOUND, why, "type", "no definition makes requests for %.*s", SLICE_ARG(name));
    }
    enum err e = destination_open(type, json_raw(a->doc, at[PART_CONFIG]), a->parser, a->arena, &settings, why);
    if (e == ERR_INVALID && at[PART_EVENTS] != JSON_ABSENT) {
        refuse_all(a, at[PART_EVENTS], why);
        return OK;
    }
    if (e == OK) {
        e = at[PART_EVENTS] != JSON_ABSENT ? ask_events(a, node, at[PART_EVENTS], settings, now_ms, why)
                                           : ask_judge(a, at[PART_JUDGE], settings, why);
    }
    if (e == ERR_INVALID) { /* what is wrong with this question is its answer */
        json_put_string(a->w, "error", arena_printf(a->arena, "%s: %s", why->path, why->text));
        return OK;
    }
    return e;
}

static enum err ask(struct asking *a, uint32_t node, struct errinfo *why) {
    static const struct slice keys[PART_COUNT] = {[PART_TYPE] = SLICE("type"),
        [PART_CONFIG] = SLICE("config"),
        [PART_EVENT] = SLICE("event"),
        [PART_EVENTS] = SLICE("events"),
        [PART_JUDGE] = SLICE("judge"),
        [PART_NOW] = SLICE("now")};
    static const char form[] = "a question is {type, config, now} and event, events or judge";
    uint32_t at[PART_COUNT];
    int64_t now_ms = clock_ms();
    json_find_many(a->doc, node, keys, PART_COUNT, at);
    bool now = at[PART_NOW] != JSON_ABSENT;
    if (!json_is(a->doc, at[PART_TYPE], JSON_STRING) || !json_is(a->doc, at[PART_CONFIG], JSON_OBJECT) ||
        (now && json_i64(a->doc, at[PART_NOW], &now_ms) != OK)) {
        return err_why(ERR_INVALID, why, "-", "%s", form);
    }
    enum err e = OK;
    json_write_object(a->w);
    if (json_is(a->doc, at[PART_EVENT], JSON_OBJECT)) {
        if (now) {
            clock_test_start(now_ms);
        }
        e = ask_event(a, at[PART_CONFIG], at[PART_EVENT], json_string(a->doc, at[PART_TYPE], a->arena), now_ms);
    } else if (json_is(a->doc, at[PART_EVENTS], JSON_ARRAY) || json_is(a->doc, at[PART_JUDGE], JSON_OBJECT)) {
        e = ask_code(a, node, at, now_ms, why);
    } else {
        e = err_why(ERR_INVALID, why, "-", "%s", form);
    }
    json_write_end(a->w);
    return e;
}

/* ---- all of them ---- */

static enum err ask_all(struct dest_seat *seat, struct slice text, struct buf *out, struct errinfo *why) {
    struct json_doc doc;
    struct json_writer w;
    struct json_parser *reader = json_parser_new(DEST_DEPTH);
    struct json_parser *parser = json_parser_new(DEST_DEPTH);
    json_writer_init(&w, out);
    enum err e = json_parse(reader, text, &doc, why);
    if (e != OK || !json_is(&doc, 0, JSON_ARRAY)) {
        e = err_why(ERR_INVALID, why, "-", "standard input is no list of questions");
    } else {
        json_write_array(&w);
        for (uint32_t node = json_first(&doc, 0); node != JSON_ABSENT && e == OK; node = json_after(&doc, 0, node)) {
            struct arena arena;
            arena_init(&arena, ARENA_CHUNK, 0);
            struct asking asking = {.doc = &doc, .parser = parser, .seat = seat, .w = &w, .arena = &arena};
            e = ask(&asking, node, why);
            arena_fini(&arena);
        }
    }
    if (e == OK) {
        json_write_end(&w);
        buf_append_byte(out, '\n');
    }
    json_parser_free(parser);
    json_parser_free(reader);
    return e;
}

int dest_run(const struct conf *conf) {
    struct arena arena;
    struct buf out;
    struct slice text;
    struct dest_seat seat;
    struct errinfo why = {.at = 0};
    arena_init(&arena, ARENA_CHUNK, 0);
    buf_init(&out, 0);
    dest_seat_init(&seat, conf);
    enum err e = dest_read("-", &arena, &text, &why);
    e = e == OK ? ask_all(&seat, text, &out, &why) : e;
    if (e == OK) {
        (void)show_flush(&out); /* nobody reads: nothing to do about it */
    } else {
        fprintf(stderr, "sluice: %s: %s\n", why.path, why.text);
    }
    dest_seat_fini(&seat);
    buf_fini(&out);
    arena_fini(&arena);
    return e == OK ? EXIT_OK : EXIT_USAGE;
}
