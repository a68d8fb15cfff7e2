/* sluice dest try and run: one event to its request, by the kinds that delivery uses. */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "cli/cli.h"
#include "cli/dest.h"
#include "cli/show.h"
#include "delivery/delivery.h"
#include "delivery/kind.h"

enum { ARENA_CHUNK = 65536 };

/* ---- one item ---- */

struct item {
    struct slice type, config, event; /* JSON_PADDING behind config and event */
    const struct delivery_kind *kind;
    struct kind_request request;
    struct slice draft; /* of a destination with code */
    struct json_parser *parser;
    struct arena *arena;
};

static enum err make_request(struct item *item, struct errinfo *why) {
    const void *settings = NULL;
    item->kind = delivery_kind_find(item->type);
    if (item->kind == NULL) {
        return err_why(ERR_NOT_FOUND, why, "type", "there is no destination %.*s that this build can deliver to",
            SLICE_ARG(item->type));
    }
    enum err e = delivery_check(item->type, item->config, why);
    if (e == OK) {
        e = item->kind->open(item->type, item->config, item->parser, item->arena, &settings, why);
    }
    if (e == OK) {
        struct destination_event event = {.message = item->event};
        struct kind_run run = {.settings = settings,
            .events = &event,
            .count = 1,
            .now_ms = clock_ms(),
            .parser = item->parser,
            .arena = item->arena};
        e = delivery_kind_run_now(item->kind, &run, why);
        if (e == OK) {
            item->request = run.requests[0];
        }
    }
    return e;
}

static void write_request(const struct kind_request *request, struct json_writer *w) {
    json_write_object(w);
    json_put_cstr(w, "method", http_method_name(request->method));
    json_put_string(w, "url", request->url);
    json_write_key(w, SLICE("headers"));
    json_write_object(w);
    for (size_t i = 0; i < request->header_count; i++) {
        json_write_key(w, request->headers[i].name);
        json_write_string(w, request->headers[i].value);
    }
    json_write_end(w);
    json_put_string(w, "body", request->body);
    json_write_end(w);
}

/* ---- try ---- */

/* As it goes over the wire, without what the client adds. */
static void print_request(const struct kind_request *request) {
    printf("%s %.*s\n", http_method_name(request->method), SLICE_ARG(request->url));
    for (size_t i = 0; i < request->header_count; i++) {
        printf("%.*s: %.*s\n", SLICE_ARG(request->headers[i].name), SLICE_ARG(request->headers[i].value));
    }
    printf("\n");
    fwrite(request->body.ptr, 1, request->body.len, stdout);
    printf("\n");
}

struct trial {
    struct http_call call;
    struct loop *loop;
    bool taken;
};

static void on_done(struct http_call *call, const struct http_result *result) {
    struct trial *trial = CONTAINER_OF(call, struct trial, call);
    if (result->err == OK) {
        printf("HTTP %d %s\n\n", result->status, http_status_text(result->status));
        fwrite(result->body.ptr, 1, result->body.len, stdout);
        printf("\n");
        trial->taken = result->status >= 200 && result->status < 300;
    } else {
        fprintf(stderr, "sluice: %s: %s\n", err_text(result->err), result->text);
    }
    loop_stop(trial->loop);
}

static int send_request(const struct conf *conf, const struct kind_request *request) {
    struct trial trial = {.loop = loop_new("dest"),
        .call = {.method = request->method,
            .url = request->url,
            .headers = request->headers,
            .header_count = request->header_count,
            .body = request->body,
            .timeout_ms = conf->delivery.timeout,
            .on_done = on_done}};
    struct http_client_conf client_conf = {.connections = 1,
        .connections_per_host = 1,
        .connect_ms = conf->delivery.connect_timeout,
        .allow_private = conf->delivery.allow_private,
        .ca_file = conf->delivery.ca_file,
        .proxy = conf->delivery.proxy,
        .response_bytes = conf->delivery.response_bytes};
    struct http_client *client = http_client_new(trial.loop, &client_conf);
    struct errinfo why = {.at = 0};
    enum err e = http_client_send(client, &trial.call, &why);
    if (e == OK) {
        loop_run(trial.loop);
    } else {
        fprintf(stderr, "sluice: %s\n", why.text);
    }
    http_client_free(client);
    loop_free(trial.loop);
    return trial.taken ? EXIT_OK : EXIT_NO;
}

static int try_item(const struct args *args, const struct conf *conf, struct item *item) {
    struct errinfo why = {.at = 0};
    enum err e = dest_read(args->value[OPTION_SETTINGS], item->arena, &item->config, &why);
    if (e == OK) {
        e = dest_read(args->value[OPTION_EVENT], item->arena, &item->event, &why);
    }
    if (e == OK) {
        e = make_request(item, &why);
    }
    if (e != OK) {
        fprintf(stderr, "sluice: %s%s%s\n", why.path, why.path[0] != '\0' ? ": " : "", why.text);
        return e == ERR_INVALID || e == ERR_UNSUPPORTED ? EXIT_NO : EXIT_CONFIG;
    }
    if (!args_has(args, OPTION_DRY_RUN)) {
        return send_request(conf, &item->request);
    }
    if (args_has(args, OPTION_JSON)) {
        struct buf out;
        struct json_writer w;
        buf_init(&out, 0);
        json_writer_init(&w, &out);
        write_request(&item->request, &w);
        buf_append_byte(&out, '\n');
        (void)show_flush(&out); /* nobody reads: nothing to do about it */
        buf_fini(&out);
    } else {
        print_request(&item->request);
    }
    return EXIT_OK;
}

int dest_try(const struct args *args, const struct conf *conf) {
    if (args->positional_count != 2 || !args_has(args, OPTION_SETTINGS) || !args_has(args, OPTION_EVENT)) {
        fprintf(stderr, "sluice: dest try TYPE --settings FILE --event FILE [--dry-run]\n");
        return EXIT_USAGE;
    }
    struct arena arena;
    arena_init(&arena, ARENA_CHUNK, 0);
    struct item item = {
        .type = slice_cstr(args->positional[1]), .parser = json_parser_new(DEST_DEPTH), .arena = &arena};
    int code = try_item(args, conf, &item);
    json_parser_free(item.parser);
    arena_fini(&arena);
    return code;
}

/* ---- run ---- */

static struct slice padded(struct slice text, struct arena *arena) {
    char *copy = arena_alloc(arena, text.len + JSON_PADDING);
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    return slice_of(copy, text.len);
}

/* Of a destination with code: what its code will see. */
static enum err make_draft(struct item *item, const struct destination_type *type, int64_t now_ms,
    struct destination_refusal *ret_refusal, struct errinfo *why) {
    const struct destination_settings *settings = NULL;
    enum err e = destination_open(type, item->config, item->parser, item->arena, &settings, why);
    return e == OK
        ? destination_draft(settings, item->event, now_ms, item->parser, item->arena, &item->draft, ret_refusal, why)
        : e;
}

static void write_refused(struct json_writer *w, const char *word, const char *path, struct slice text) {
    json_put_cstr(w, "refused", word);
    json_put_cstr(w, "path", path);
    json_put_string(w, "text", text);
}

static void write_answer(struct item *item, int64_t now_ms, struct json_writer *w) {
    struct errinfo why = {.at = 0};
    struct destination_refusal refusal = {.text = SLICE_NONE};
    const struct destination_type *type = destination_find(item->type);
    bool code = type != NULL && type->kind == DESTINATION_CODE;
    enum err e = code ? make_draft(item, type, now_ms, &refusal, &why) : make_request(item, &why);
    json_write_object(w);
    if (e != OK) {
        write_refused(w, e == ERR_UNSUPPORTED ? "filtered" : "dead", why.path, slice_cstr(why.text));
    } else if (refusal.text.len > 0) {
        write_refused(
            w, destination_refusal_name(refusal.kind), refusal.kind == REFUSAL_TYPE ? "type" : "event", refusal.text);
    } else if (code) {
        json_put_raw(w, "draft", item->draft);
    } else {
        json_write_key(w, SLICE("request"));
        write_request(&item->request, w);
    }
    json_write_end(w);
}

/* {type, config, event, now} -> {"request": …}, {"draft": …} or {"refused": "filtered" | "dead", "text": …}. The clock
 * stands at `now`. */
static enum err run_item(const struct json_doc *doc, uint32_t node, struct json_parser *parser, struct json_writer *w) {
    struct arena arena;
    int64_t now_ms = 0;
    static const struct slice keys[] = {SLICE("type"), SLICE("config"), SLICE("event"), SLICE("now")};
    uint32_t at[COUNT_OF(keys)];
    json_find_many(doc, node, keys, COUNT_OF(keys), at);
    if (!json_is(doc, at[0], JSON_STRING) || !json_is(doc, at[1], JSON_OBJECT) || !json_is(doc, at[2], JSON_OBJECT) ||
        (at[3] != JSON_ABSENT && json_i64(doc, at[3], &now_ms) != OK)) {
        return ERR_INVALID;
    }
    arena_init(&arena, ARENA_CHUNK, 0);
    struct item item = {.type = json_string(doc, at[0], &arena),
        .config = padded(json_raw(doc, at[1]), &arena),
        .event = padded(json_raw(doc, at[2]), &arena),
        .parser = parser,
        .arena = &arena};
    if (at[3] != JSON_ABSENT) {
        clock_test_start(now_ms);
    }
    write_answer(&item, now_ms, w);
    arena_fini(&arena);
    return OK;
}

static enum err run_items(struct arena *arena, struct buf *out, struct errinfo *why) {
    struct slice text;
    struct json_doc doc;
    enum err e = dest_read("-", arena, &text, why);
    if (e != OK) {
        return e;
    }
    struct json_parser *reader = json_parser_new(DEST_DEPTH);
    struct json_parser *parser = json_parser_new(DEST_DEPTH);
    struct json_writer w;
    json_writer_init(&w, out);
    e = json_parse(reader, text, &doc, why);
    e = e == OK && !json_is(&doc, 0, JSON_ARRAY) ? ERR_INVALID : e;
    if (e == OK) {
        json_write_array(&w);
        for (uint32_t node = json_first(&doc, 0); node != JSON_ABSENT && e == OK; node = json_after(&doc, 0, node)) {
            e = run_item(&doc, node, parser, &w);
        }
    }
    if (e == OK) {
        json_write_end(&w);
        buf_append_byte(out, '\n');
    } else {
        e = err_why(e, why, "-", "standard input is no list of {type, config, event, now}");
    }
    json_parser_free(parser);
    json_parser_free(reader);
    return e;
}

int dest_run(void) {
    struct arena arena;
    struct buf out;
    struct errinfo why = {.at = 0};
    arena_init(&arena, ARENA_CHUNK, 0);
    buf_init(&out, 0);
    enum err e = run_items(&arena, &out, &why);
    if (e == OK) {
        (void)show_flush(&out); /* nobody reads: nothing to do about it */
    } else {
        fprintf(stderr, "sluice: %s\n", why.text);
    }
    buf_fini(&out);
    arena_fini(&arena);
    return e == OK ? EXIT_OK : EXIT_USAGE;
}
