/* sluice dest try: one event to its requests, by the kinds that delivery uses; of a destination with code also what its
 * answers mean. */
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

enum err dest_make_request(struct dest_item *item, struct errinfo *why) {
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

void dest_write_request(const struct kind_request *request, struct json_writer *w) {
    json_write_object(w);
    json_put_cstr(w, "method", http_method_name(request->method));
    json_put_string(w, "url", request->url);
    json_write_key(w, SLICE("headers"));
    http_headers_write(w, request->headers, request->header_count);
    json_put_string(w, "body", request->body);
    json_write_end(w);
}

/* ---- try ---- */

/* As it goes over the wire, without what the client adds. */
void dest_print_request(const struct kind_request *request) {
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
    struct arena *arena;
    struct dest_answer *answer;
};

static void keep_answer(const struct http_result *result, struct arena *arena, struct dest_answer *answer) {
    struct http_header *headers = ARENA_ARRAY(arena, struct http_header, result->header_count + 1);
    for (size_t i = 0; i < result->header_count; i++) {
        headers[i] =
            (struct http_header){arena_dup(arena, result->headers[i].name), arena_dup(arena, result->headers[i].value)};
    }
    *answer = (struct dest_answer){.status = result->status,
        .headers = headers,
        .header_count = result->header_count,
        .body = arena_dup(arena, result->body)};
}

static void on_done(struct http_call *call, const struct http_result *result) {
    struct trial *trial = CONTAINER_OF(call, struct trial, call);
    if (result->err == OK) {
        printf("HTTP %d %s\n\n", result->status, http_status_text(result->status));
        fwrite(result->body.ptr, 1, result->body.len, stdout);
        printf("\n");
        keep_answer(result, trial->arena, trial->answer);
    } else {
        fprintf(stderr, "sluice: %s: %s\n", err_text(result->err), result->text);
    }
    loop_stop(trial->loop);
}

bool dest_send(
    const struct conf *conf, const struct kind_request *request, struct arena *arena, struct dest_answer *ret_answer) {
    struct trial trial = {.loop = loop_new("dest"),
        .arena = arena,
        .answer = ret_answer,
        .call = {.method = request->method,
            .url = request->url,
            .headers = request->headers,
            .header_count = request->header_count,
            .body = request->body,
            .timeout_ms = conf->delivery.timeout,
            .want_headers = true,
            .on_done = on_done}};
    struct http_client_conf client_conf = {.connections = 1,
        .connections_per_host = 1,
        .connect_ms = conf->delivery.connect_timeout,
        .allow_private = conf->delivery.allow_private,
        .ca_file = conf->delivery.ca_file,
        .proxy = conf->delivery.proxy,
        .connect_to = conf->delivery.connect_to,
        .response_bytes = conf->delivery.response_bytes};
    struct http_client *client = http_client_new(trial.loop, &client_conf);
    struct errinfo why = {.at = 0};
    *ret_answer = (struct dest_answer){.status = 0};
    enum err e = http_client_send(client, &trial.call, &why);
    if (e == OK) {
        loop_run(trial.loop);
    } else {
        fprintf(stderr, "sluice: %s\n", why.text);
    }
    http_client_free(client);
    loop_free(trial.loop);
    return ret_answer->status != 0;
}

static int try_made(const struct args *args, const struct conf *conf, const struct dest_item *item) {
    struct dest_answer answer;
    if (!args_has(args, OPTION_DRY_RUN)) {
        bool taken =
            dest_send(conf, &item->request, item->arena, &answer) && answer.status >= 200 && answer.status < 300;
        return taken ? EXIT_OK : EXIT_NO;
    }
    if (args_has(args, OPTION_JSON)) {
        struct buf out;
        struct json_writer w;
        buf_init(&out, 0);
        json_writer_init(&w, &out);
        dest_write_request(&item->request, &w);
        buf_append_byte(&out, '\n');
        (void)show_flush(&out); /* nobody reads: nothing to do about it */
        buf_fini(&out);
    } else {
        dest_print_request(&item->request);
    }
    return EXIT_OK;
}

static int try_item(const struct args *args, const struct conf *conf, struct dest_item *item) {
    struct errinfo why = {.at = 0};
    enum err e = dest_read(args->value[OPTION_SETTINGS], item->arena, &item->config, &why);
    if (e == OK) {
        e = dest_read(args->value[OPTION_EVENT], item->arena, &item->event, &why);
    }
    const struct destination_type *type = destination_find(item->type);
    if (e == OK && type != NULL && type->kind == DESTINATION_CODE) {
        return dest_try_code(args, conf, item, type);
    }
    if (e == OK) {
        e = dest_make_request(item, &why);
    }
    if (e != OK) {
        fprintf(stderr, "sluice: %s%s%s\n", why.path, why.path[0] != '\0' ? ": " : "", why.text);
        return e == ERR_INVALID || e == ERR_UNSUPPORTED ? EXIT_NO : EXIT_CONFIG;
    }
    return try_made(args, conf, item);
}

int dest_try(const struct args *args, const struct conf *conf) {
    if (args->positional_count != 2 || !args_has(args, OPTION_SETTINGS) || !args_has(args, OPTION_EVENT)) {
        fprintf(stderr, "sluice: dest try TYPE --settings FILE --event FILE [--dry-run]\n");
        return EXIT_USAGE;
    }
    struct arena arena;
    arena_init(&arena, ARENA_CHUNK, 0);
    struct dest_item item = {
        .type = slice_cstr(args->positional[1]), .parser = json_parser_new(DEST_DEPTH), .arena = &arena};
    int code = try_item(args, conf, &item);
    json_parser_free(item.parser);
    arena_fini(&arena);
    return code;
}
