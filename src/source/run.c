/* One webhook through the code: a call with one input, whose result says events, an answer, or why not. */
#include "source/source.h"

#include "base/hash.h"
#include "destination/code.h"
#include "source/source_internal.h"

struct running {
    struct transform_call call; /* first */
    struct transform_input input;
    struct source_run *run;
};

static void end(struct source_run *run, enum err err, struct slice detail) {
    run->err = err;
    run->detail = detail;
    run->on_done(run);
}

/* ---- what the code said ---- */

static struct slice padded(struct slice text, struct arena *arena) {
    char *copy = arena_alloc(arena, text.len + JSON_PADDING);
    memcpy(copy, text.ptr, text.len);
    return slice_of(copy, text.len);
}

/* {"batch": […], "answer": {"type", "body"}} or {"refused": text}: the prelude's, checked there. */
static enum err read_result(struct source_run *run, struct slice output, struct slice *ret_detail) {
    struct json_doc doc;
    struct slice text = padded(output, run->arena);
    if (json_parse(run->parser, text, &doc, NULL) != OK) {
        *ret_detail = SLICE("the code's result cannot be read");
        return ERR_PAYLOAD;
    }
    uint32_t refused = json_find(&doc, 0, SLICE("refused"));
    if (refused != JSON_ABSENT) {
        *ret_detail = json_string(&doc, refused, run->arena);
        return ERR_PAYLOAD;
    }
    uint32_t batch = json_find(&doc, 0, SLICE("batch"));
    if (json_is(&doc, batch, JSON_ARRAY) && json_count(&doc, batch) > 0) {
        run->events = text;
    }
    uint32_t answer = json_find(&doc, 0, SLICE("answer"));
    if (json_is(&doc, answer, JSON_OBJECT)) {
        run->answer_type = json_string(&doc, json_find(&doc, answer, SLICE("type")), run->arena);
        run->answer = json_string(&doc, json_find(&doc, answer, SLICE("body")), run->arena);
    }
    return OK;
}

static void on_done(struct transform_call *call, const struct transform_answer *answer) {
    struct source_run *run = CONTAINER_OF(call, struct running, call)->run;
    if (answer->err != OK) {
        end(run, ERR_UNAVAILABLE, arena_dup(run->arena, slice_cstr(answer->text)));
        return;
    }
    struct slice detail = SLICE("the code said nothing");
    enum err e = ERR_PAYLOAD;
    for (size_t i = 0; i < answer->result_count; i++) {
        const struct transform_result *result = &answer->results[i];
        if (result->failed) {
            detail = arena_dup(run->arena, result->error);
        } else if (result->input == 0) {
            e = read_result(run, result->output, &detail);
        }
    }
    end(run, e, e == OK ? SLICE_NONE : detail);
}

/* ---- what it is asked ---- */

static struct slice common_text(const struct source_run *run, const struct destination_settings *settings) {
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_write_object(&w);
    json_put_raw(&w, "config", destination_settings_config(settings));
    json_put_i64(&w, "now", run->now_ms);
    json_put_string(&w, "source", run->id);
    if (run->uuids.len > 0) {
        json_put_raw(&w, "uuids", run->uuids);
    }
    char seed[UUID_LEN];
    uuid_v4(seed);
    json_put_string(&w, "seed", slice_of(seed, UUID_LEN));
    json_write_end(&w);
    return buf_keep(&out, run->arena);
}

static enum err request_text(struct source_run *run, struct slice *ret_text, struct slice *ret_detail) {
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    enum err e = source_body_write(run->type, &run->request, run->parser, run->arena, &w, ret_detail);
    if (e == OK) {
        *ret_text = padded(buf_slice(&out), run->arena);
    }
    buf_fini(&out);
    return e;
}

static enum err prepare(struct source_run *run, struct running *running, struct slice *ret_detail) {
    const struct destination_settings *settings = NULL;
    struct errinfo why = {.at = 0};
    enum err e = destination_open(run->type, run->config, run->parser, run->arena, &settings, &why);
    if (e != OK) {
        *ret_detail = arena_printf(run->arena, "the source's settings: %s: %s", why.path, why.text);
        return ERR_NOT_WEBHOOK;
    }
    e = source_verify(run, settings, ret_detail);
    if (e == OK) {
        e = request_text(run, &running->input.message, ret_detail);
    }
    if (e == OK) {
        running->call.metadata = common_text(run, settings);
    }
    return e;
}

/* What a vendor asks in a GET to see whether the URL is ours. */
static struct slice challenge_of(const struct source_run *run) {
    struct slice query = run->request.query, key, value;
    while (run->type->webhook->challenge.len > 0 && http_query_next(&query, &key, &value)) {
        if (slice_eq(key, run->type->webhook->challenge)) {
            char *text = arena_alloc(run->arena, value.len + 1);
            return slice_of(text, http_url_decode(value, text));
        }
    }
    return SLICE("");
}

void source_run(struct source_run *run) {
    bool is_probe = run->request.method == HTTP_METHOD_HEAD ||
        (run->request.method == HTTP_METHOD_GET && !run->type->webhook->takes_get);
    if (is_probe) { /* somebody looks whether there is anybody */
        run->answer = challenge_of(run);
        run->answer_type = run->answer.len > 0 ? SLICE("text/plain") : SLICE_NONE;
        end(run, OK, SLICE_NONE);
        return;
    }
    struct running *running = ARENA_NEW(run->arena, struct running);
    struct slice detail = SLICE_NONE;
    running->run = run;
    enum err e = prepare(run, running, &detail);
    if (e != OK) {
        end(run, e, detail);
        return;
    }
    running->call.version = destination_code_version(run->type, run->transform);
    running->call.inputs = &running->input;
    running->call.input_count = 1;
    running->call.loop = run->loop;
    running->call.on_done = on_done;
    transform_run(run->transform, &running->call);
}
