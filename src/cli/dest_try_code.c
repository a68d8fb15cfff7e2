/* sluice dest try of a destination with code: all requests of the event, in their order, and what the answers mean. */
#include <stdio.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/dest.h"
#include "cli/show.h"

/* What a person reads is not compressed. */
static struct kind_request wire_of(const struct destination_request *request, bool readable) {
    return (struct kind_request){.method = request->method,
        .url = request->url,
        .headers = request->headers,
        .header_count = request->header_count,
        .body = readable ? request->plain : request->body};
}

static void print_batch(const struct args *args, const struct destination_batch *batch) {
    struct buf out;
    struct json_writer w;
    if (!args_has(args, OPTION_JSON)) {
        for (size_t i = 0; i < batch->request_count; i++) {
            struct kind_request request = wire_of(&batch->requests[i], /* readable: */ true);
            printf("%s", i > 0 ? "\n" : "");
            dest_print_request(&request);
        }
        return;
    }
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_write_array(&w);
    for (size_t i = 0; i < batch->request_count; i++) {
        struct kind_request request = wire_of(&batch->requests[i], /* readable: */ true);
        dest_write_request(&request, &w);
    }
    json_write_end(&w);
    buf_append_byte(&out, '\n');
    (void)show_flush(&out); /* nobody reads: nothing to do about it */
    buf_fini(&out);
}

static enum err judge(struct dest_seat *seat, const struct destination_run *run,
    const struct destination_request *request, const struct dest_answer *answer,
    enum destination_outcome *ret_outcome) {
    struct errinfo why = {.at = 0};
    struct json_parser *parser = json_parser_new(DEST_DEPTH);
    struct destination_judging judging = {.transform = run->transform,
        .settings = run->settings,
        .request = request,
        .status = answer->status,
        .headers = answer->headers,
        .header_count = answer->header_count,
        .body = answer->body,
        .parser = parser,
        .arena = run->arena,
        .loop = seat->loop};
    enum err e = destination_judge_wait(&judging, &why);
    if (e == OK) {
        *ret_outcome = judging.verdicts[0].outcome;
        printf("outcome: %s%s%.*s\n", destination_outcome_name(*ret_outcome),
            judging.verdicts[0].text.len > 0 ? ": " : "", SLICE_ARG(judging.verdicts[0].text));
    } else {
        fprintf(stderr, "sluice: %s: %s\n", why.path, why.text);
    }
    json_parser_free(parser);
    return e;
}

/* One after the other; the next only when the one before was taken. */
static int send_all(const struct conf *conf, struct dest_seat *seat, const struct destination_run *run) {
    for (size_t i = 0; i < run->batch.request_count; i++) {
        const struct destination_request *request = &run->batch.requests[i];
        struct kind_request wire = wire_of(request, /* readable: */ false);
        struct dest_answer answer;
        enum destination_outcome outcome = OUTCOME_DEAD;
        printf("%s %.*s\n", http_method_name(request->method), SLICE_ARG(request->url));
        if (!dest_send(conf, &wire, run->arena, &answer) || judge(seat, run, request, &answer, &outcome) != OK ||
            (outcome != OUTCOME_DELIVERED && outcome != OUTCOME_FILTERED)) {
            return EXIT_NO;
        }
    }
    return EXIT_OK;
}

static int print_refusals(const struct destination_batch *batch) {
    for (size_t i = 0; i < batch->refusal_count; i++) {
        fprintf(stderr, "sluice: %s: %.*s\n", destination_refusal_name(batch->refusals[i].kind),
            SLICE_ARG(batch->refusals[i].text));
    }
    return batch->refusal_count > 0 ? EXIT_NO : EXIT_OK;
}

int dest_try_code(const struct args *args, const struct conf *conf, const struct dest_item *item,
    const struct destination_type *type) {
    struct dest_seat seat;
    struct errinfo why = {.at = 0};
    const struct destination_settings *settings = NULL;
    dest_seat_init(&seat, conf);
    const struct destination_event event = {.message = item->event};
    struct destination_run run = {.transform = dest_seat_transform(&seat),
        .events = &event,
        .count = 1,
        .now_ms = clock_ms(),
        .parser = item->parser,
        .arena = item->arena,
        .loop = seat.loop};
    enum err e = destination_open(type, item->config, item->parser, item->arena, &settings, &why);
    e = e == OK ? destination_code_check(run.transform, type, &why) : e;
    run.settings = settings;
    e = e == OK ? destination_run_wait(&run, &why) : e;
    int code = EXIT_NO;
    if (e != OK) {
        fprintf(stderr, "sluice: %s%s%s\n", why.path, why.path[0] != '\0' ? ": " : "", why.text);
        code = e == ERR_INVALID ? EXIT_NO : EXIT_CONFIG;
    } else if (args_has(args, OPTION_DRY_RUN)) {
        print_batch(args, &run.batch);
        code = print_refusals(&run.batch);
    } else {
        code = print_refusals(&run.batch);
        code = code == EXIT_OK ? send_all(conf, &seat, &run) : code;
    }
    dest_seat_fini(&seat);
    return code;
}
