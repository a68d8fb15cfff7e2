/* What an answer means: outcome() of the code, else the definition's response rules, else the status. */
#include "destination/code_internal.h"

enum { OUTCOMES_FIRST = OUTCOME_DELIVERED, OUTCOMES_LAST = OUTCOME_AUTH };

struct judge {
    struct destination_judging *judging;
    struct transform_call call;
    struct transform_input input;
    struct destination_verdict otherwise; /* what the rules and the status say */
};

enum destination_outcome destination_outcome_by_status(int status) {
    if (status >= 200 && status < 300) {
        return status == 298 || status == 299 ? OUTCOME_FILTERED : OUTCOME_DELIVERED;
    }
    switch (status) {
    case 408:
    case 425:
        return OUTCOME_RETRY;
    case 429:
        return OUTCOME_THROTTLED;
    case 401:
    case 403:
        return OUTCOME_AUTH;
    default:
        return status >= 500 ? OUTCOME_RETRY : OUTCOME_DEAD;
    }
}

/* ---- what outcome() returned ---- */

struct verdict_reader {
    struct judge *judge;
    struct json_doc doc;
};

static bool read_word(struct slice word, enum destination_outcome *ret_outcome) {
    for (int outcome = OUTCOMES_FIRST; outcome <= OUTCOMES_LAST; outcome++) {
        if (slice_eq(word, slice_cstr(destination_outcome_name((enum destination_outcome)outcome)))) {
            *ret_outcome = (enum destination_outcome)outcome;
            return true;
        }
    }
    return false;
}

static void blame(const struct verdict_reader *r, uint32_t node, struct destination_verdict *verdict) {
    enum { SHOWN = 120 };
    struct slice raw = json_raw(&r->doc, node);
    *verdict = r->judge->otherwise;
    verdict->text = arena_printf(r->judge->judging->arena,
        "outcome() returned %.*s; allowed are delivered filtered retry throttled dead auth, {outcome, text}, a list of "
        "them for the events",
        (int)(raw.len < SHOWN ? raw.len : SHOWN), raw.ptr);
}

/* "retry", {outcome, text}, or null: as the rules say. */
static void read_one(const struct verdict_reader *r, uint32_t node, struct destination_verdict *verdict) {
    struct arena *arena = r->judge->judging->arena;
    bool object = json_is(&r->doc, node, JSON_OBJECT);
    uint32_t word = object ? json_find(&r->doc, node, SLICE("outcome")) : node;
    uint32_t text = object ? json_find(&r->doc, node, SLICE("text")) : JSON_ABSENT;
    if (json_is(&r->doc, word, JSON_STRING) && read_word(json_string(&r->doc, word, arena), &verdict->outcome)) {
        verdict->text =
            json_is(&r->doc, text, JSON_STRING) ? arena_dup(arena, json_string(&r->doc, text, arena)) : SLICE("");
    } else if (json_is(&r->doc, node, JSON_NULL)) {
        *verdict = r->judge->otherwise;
    } else {
        blame(r, node, verdict);
    }
}

static void read_verdict(const struct verdict_reader *r, uint32_t node) {
    struct destination_judging *judging = r->judge->judging;
    size_t count = judging->request->event_count;
    if (!json_is(&r->doc, node, JSON_ARRAY)) {
        read_one(r, node, &judging->verdicts[0]);
        for (size_t i = 1; i < count; i++) {
            judging->verdicts[i] = judging->verdicts[0];
        }
        return;
    }
    if (json_count(&r->doc, node) != count) {
        for (size_t i = 0; i < count; i++) {
            blame(r, node, &judging->verdicts[i]);
        }
        return;
    }
    size_t at = 0;
    for (uint32_t item = json_first(&r->doc, node); item != JSON_ABSENT; item = json_after(&r->doc, node, item)) {
        read_one(r, item, &judging->verdicts[at++]);
    }
}

static void read_output(struct judge *judge, struct json_parser *parser, struct slice output) {
    struct destination_judging *judging = judge->judging;
    struct verdict_reader r = {.judge = judge};
    char *copy = arena_alloc(judging->arena, output.len + JSON_PADDING);
    memcpy(copy, output.ptr, output.len);
    if (json_parse(parser, slice_of(copy, output.len), &r.doc, NULL) != OK) {
        return;
    }
    uint32_t verdict = json_find(&r.doc, 0, SLICE("verdict"));
    uint32_t odd = json_find(&r.doc, 0, SLICE("odd"));
    if (verdict != JSON_ABSENT) {
        read_verdict(&r, verdict);
    } else if (json_is(&r.doc, odd, JSON_STRING)) {
        struct slice text = arena_dup(judging->arena, json_string(&r.doc, odd, judging->arena));
        for (size_t i = 0; i < judging->request->event_count; i++) {
            judging->verdicts[i].text = text;
        }
    }
}

static void on_answer(struct transform_call *call, const struct transform_answer *answer) {
    struct judge *judge = CONTAINER_OF(call, struct judge, call);
    struct destination_judging *judging = judge->judging;
    struct errinfo why = {.at = 0};
    if (answer->err != OK) {
        judging->on_done(judging, err_why(answer->err, &why, "transform.js", "%s", answer->text), &why);
        return;
    }
    enum { VERDICT_DEPTH = 32 };
    struct json_parser *parser = json_parser_new(VERDICT_DEPTH);
    for (size_t i = 0; i < answer->result_count; i++) {
        if (!answer->results[i].failed) {
            read_output(judge, parser, answer->results[i].output);
        }
    }
    json_parser_free(parser);
    judging->on_done(judging, OK, &why);
}

/* ---- the question ---- */

static void write_request(const struct destination_request *request, struct json_writer *w) {
    json_write_object(w);
    json_put_cstr(w, "method", http_method_name(request->method));
    json_put_string(w, "url", request->endpoint);
    json_put_raw(w, "headers", request->own_headers.len > 0 ? request->own_headers : SLICE("{}"));
    json_write_key(w, SLICE("query"));
    http_headers_write(w, request->query, request->query_count);
    if (request->body_kind == BODY_JSON) {
        json_put_raw(w, "json", request->plain);
    } else if (request->body_kind != BODY_NONE) {
        json_put_string(w, destination_body_name(request->body_kind), request->plain);
    }
    json_put_u64(w, "events", request->event_count);
    if (request->keep.len > 0) {
        json_put_raw(w, "keep", request->keep);
    }
    json_write_end(w);
}

static struct slice question(const struct destination_judging *judging) {
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_write_object(&w);
    json_put_raw(&w, "config", judging->settings->code_config);
    json_write_key(&w, SLICE("judge"));
    json_write_object(&w);
    json_write_key(&w, SLICE("response"));
    json_write_object(&w);
    json_put_i64(&w, "status", judging->status);
    json_write_key(&w, SLICE("headers"));
    http_headers_write(&w, judging->headers, judging->header_count);
    json_put_string(&w, "body", judging->body);
    json_write_end(&w);
    json_write_key(&w, SLICE("request"));
    write_request(judging->request, &w);
    json_write_end(&w);
    json_write_end(&w);
    return buf_keep(&out, judging->arena);
}

void destination_judge(struct destination_judging *judging) {
    const struct definition *d = judging->settings->definition;
    struct errinfo why = {.at = 0};
    size_t count = judging->request->event_count;
    struct judge *judge = ARENA_NEW(judging->arena, struct judge);
    enum destination_outcome outcome =
        destination_answer(judging->settings, judging->status, judging->body, judging->parser, judging->arena);
    outcome = outcome == OUTCOME_BY_STATUS ? destination_outcome_by_status(judging->status) : outcome;
    *judge = (struct judge){.judging = judging, .otherwise = {outcome, SLICE("")}};
    judging->private = judge;
    judging->verdicts = ARENA_ARRAY(judging->arena, struct destination_verdict, count + 1);
    for (size_t i = 0; i < count; i++) {
        judging->verdicts[i] = judge->otherwise;
    }
    unsigned can = d->code != NULL ? atomic_load(&d->code->can) : CODE_KNOWN;
    if ((can & CODE_KNOWN) != 0 && (can & CODE_OUTCOME) == 0) {
        judging->on_done(judging, OK, &why);
        return;
    }
    judge->input = (struct transform_input){.message = SLICE("{}")};
    judge->call = (struct transform_call){.version = code_compiled(d->code, judging->transform),
        .metadata = question(judging),
        .inputs = &judge->input,
        .input_count = 1,
        .loop = judging->loop,
        .on_done = on_answer};
    transform_run(judging->transform, &judge->call);
}
