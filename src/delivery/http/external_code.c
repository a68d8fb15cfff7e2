/* Transformations that the workspace only names, run by the service that has their code (/customTransform).
 *
 *   [{message, metadata, destination: {Transformations: [{VersionID}]}, libraries, credentials}]
 *   -> [{output, metadata, statusCode, error}], 298 = dropped
 *
 * A row is of the input whose number is its metadata's jobId, else of all that its messageIds name, else of all. */
#include "delivery/http/external_internal.h"

#include "json/json_write.h"

enum { DEPTH = 192, STATUS_OK = 200, STATUS_DROPPED = 298 };

/* ---- the question ---- */

static struct slice padded(struct slice text, struct arena *arena) {
    char *copy = arena_alloc(arena, text.len + JSON_PADDING);
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    return slice_of(copy, text.len);
}

/* Members of an object behind each other, the last of a name counts. */
static void write_members(struct external_code *x, struct slice object, struct json_writer *w) {
    struct json_doc doc;
    if (object.len == 0 || json_parse(x->parser, padded(object, x->arena), &doc, NULL) != OK) {
        return;
    }
    for (uint32_t key = json_first(&doc, 0); key != JSON_ABSENT; key = json_after(&doc, 0, key)) {
        json_write_key(w, json_string(&doc, key, x->arena));
        json_write_raw(w, json_raw(&doc, key + 1));
    }
}

static void write_event(struct external_code *x, size_t number, struct json_writer *w) {
    const struct transform_input *input = &x->call->inputs[number];
    json_write_object(w);
    json_put_raw(w, "message", input->message);
    json_write_key(w, SLICE("metadata"));
    json_write_object(w);
    write_members(x, x->call->metadata, w);
    write_members(x, input->metadata, w);
    json_put_u64(w, "jobId", number);
    json_write_end(w);
    json_write_key(w, SLICE("destination"));
    json_write_object(w);
    json_write_key(w, SLICE("Transformations"));
    json_write_array(w);
    json_write_object(w);
    json_put_string(w, "VersionID", x->version_id);
    json_put_string(w, "ID", x->id);
    json_put_raw(w, "Config", SLICE("{}"));
    json_write_end(w);
    json_write_end(w);
    json_write_end(w);
    json_put_raw(w, "libraries", SLICE("[]"));
    json_put_raw(w, "credentials", x->call->credentials.len > 0 ? x->call->credentials : SLICE("[]"));
    json_write_end(w);
}

static struct slice question(struct external_code *x) {
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_write_array(&w);
    for (size_t i = 0; i < x->call->input_count; i++) {
        write_event(x, i, &w);
    }
    json_write_end(&w);
    return buf_keep(&out, x->arena);
}

/* ---- the answer ---- */

static void end(struct external_code *x, enum err e, const char *text) {
    const struct transform_answer answer = {.err = e,
        .text = text,
        .mode = SLICE(""),
        .results = x->results,
        .result_count = x->result_count,
        .fates = x->fates};
    json_parser_free(x->parser);
    x->parser = NULL;
    x->call->on_done(x->call, &answer);
}

static bool names(const struct json_doc *doc, uint32_t list, struct slice message_id, struct arena *arena) {
    bool several = json_is(doc, list, JSON_ARRAY);
    uint32_t item = several ? json_first(doc, list) : JSON_ABSENT;
    for (; item != JSON_ABSENT; item = json_after(doc, list, item)) {
        if (json_is(doc, item, JSON_STRING) && slice_eq(json_string(doc, item, arena), message_id)) {
            return true;
        }
    }
    return false;
}

struct row {
    uint64_t status;
    struct slice output, error;
    uint32_t input; /* TRANSFORM_NO_INPUT: of none that it names */
    uint32_t message_ids;
};

static bool read_row(const struct external_code *x, const struct json_doc *doc, uint32_t node, struct row *row) {
    static const struct slice keys[] = {SLICE("metadata"), SLICE("statusCode"), SLICE("output"), SLICE("error")};
    uint32_t at[COUNT_OF(keys)];
    uint64_t job = 0;
    json_find_many(doc, node, keys, COUNT_OF(keys), at);
    uint32_t job_at = json_find(doc, at[0], SLICE("jobId"));
    if (!json_is(doc, at[0], JSON_OBJECT) || !json_is(doc, at[1], JSON_NUMBER) ||
        json_u64(doc, at[1], &row->status) != OK || (row->status == STATUS_OK && !json_is(doc, at[2], JSON_OBJECT))) {
        return false;
    }
    bool named = json_is(doc, job_at, JSON_NUMBER) && json_u64(doc, job_at, &job) == OK && job < x->call->input_count;
    row->input = named ? (uint32_t)job : TRANSFORM_NO_INPUT;
    row->message_ids = json_find(doc, at[0], SLICE("messageIds"));
    row->output = row->status == STATUS_OK ? json_raw(doc, at[2]) : SLICE("");
    row->error = json_is(doc, at[3], JSON_STRING) ? json_string(doc, at[3], x->arena) : SLICE("it gave no reason");
    return true;
}

static void take_failure(struct external_code *x, const struct row *row, uint32_t input) {
    x->results[x->result_count++] =
        (struct transform_result){.input = input, .failed = true, .error = row->error, .cause = TRANSFORM_CAUSE_THROW};
    if (input != TRANSFORM_NO_INPUT) {
        x->fates[input] = TRANSFORM_FAILED;
    }
}

/* A failure of several: each that is named, or all. */
static void take_common_failure(
    struct external_code *x, const struct json_doc *doc, const struct row *row, const struct slice *message_ids) {
    bool listed = json_is(doc, row->message_ids, JSON_ARRAY) && json_count(doc, row->message_ids) > 0;
    take_failure(x, row, TRANSFORM_NO_INPUT);
    for (uint32_t i = 0; i < x->call->input_count; i++) {
        if (!listed || names(doc, row->message_ids, message_ids[i], x->arena)) {
            x->fates[i] = TRANSFORM_FAILED;
        }
    }
}

static void take_row(
    struct external_code *x, const struct json_doc *doc, const struct row *row, const struct slice *message_ids) {
    if (row->status == STATUS_DROPPED) {
        return; /* as those without a row */
    }
    if (row->status != STATUS_OK && row->input == TRANSFORM_NO_INPUT) {
        take_common_failure(x, doc, row, message_ids);
    } else if (row->status != STATUS_OK) {
        take_failure(x, row, row->input);
    } else {
        x->results[x->result_count++] = (struct transform_result){.input = row->input, .output = row->output};
        if (row->input != TRANSFORM_NO_INPUT && x->fates[row->input] != TRANSFORM_FAILED) {
            x->fates[row->input] = TRANSFORM_OUTPUT;
        }
    }
}

static struct slice *message_ids_of(struct external_code *x) {
    struct slice *ids = ARENA_ARRAY(x->arena, struct slice, x->call->input_count);
    for (size_t i = 0; i < x->call->input_count; i++) {
        struct json_doc doc;
        ids[i] = SLICE("");
        if (json_parse(x->parser, padded(x->call->inputs[i].message, x->arena), &doc, NULL) == OK) {
            uint32_t node = json_find(&doc, 0, SLICE("messageId"));
            ids[i] = json_is(&doc, node, JSON_STRING) ? arena_dup(x->arena, json_string(&doc, node, x->arena)) : ids[i];
        }
    }
    return ids;
}

static bool read_answer(struct external_code *x, struct slice text) {
    struct json_doc doc;
    const struct slice *message_ids = message_ids_of(x);
    if (json_parse(x->parser, text, &doc, NULL) != OK || !json_is(&doc, 0, JSON_ARRAY)) {
        return false;
    }
    x->results = ARENA_ARRAY(x->arena, struct transform_result, json_count(&doc, 0) + 1);
    x->fates = ARENA_ARRAY(x->arena, enum transform_fate, x->call->input_count);
    for (uint32_t node = json_first(&doc, 0); node != JSON_ABSENT; node = json_after(&doc, 0, node)) {
        struct row row;
        if (!read_row(x, &doc, node, &row)) {
            return false;
        }
        take_row(x, &doc, &row, message_ids);
    }
    return true;
}

static void on_answer(struct http_call *call, const struct http_result *result) {
    struct external_code *x = CONTAINER_OF(call, struct external_code, http);
    const char *fault = external_fault(result, /* versioned: */ false);
    if (fault == NULL && !read_answer(x, padded(result->body, x->arena))) {
        fault = "the transformer's answer to /customTransform is none";
    }
    end(x, fault == NULL ? OK : ERR_UNAVAILABLE, fault == NULL ? "" : fault);
}

void external_code_run(struct external_code *x) {
    struct errinfo why = {.at = 0};
    x->parser = json_parser_new(DEPTH);
    x->http = external_call(x->arena, HTTP_METHOD_POST, "/customTransform", SLICE(""), question(x));
    x->http.on_done = on_answer;
    if (http_client_send(x->client, &x->http, &why) != OK) {
        end(x, ERR_UNAVAILABLE, "the transformer cannot be asked");
    }
}

void external_code_give_up(struct external_code *x) {
    http_client_cancel(x->client, &x->http);
    end(x, ERR_CLOSED, "given up");
}
