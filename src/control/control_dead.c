/* Dead letters: list, show, redrive. All on the helper thread. */
#include <stdio.h>

#include "control/control_internal.h"

enum { LIST_DEFAULT = 100, LIST_MAX = 10000 };

static const char *hex_hash(struct hash128 hash, struct arena *arena) {
    return arena_printf(arena, "%016lx%016lx", (unsigned long)hash.hi, (unsigned long)hash.lo).ptr;
}

static void put_text_or_null(struct json_writer *json, const char *key, struct slice text) {
    if (text.len > 0) {
        json_put_string(json, key, text);
    } else {
        json_put_cstr(json, key, NULL);
    }
}

/* What list and show have in common. */
static void write_letter(struct control_job *job, const struct dead_letter *letter) {
    struct json_writer *json = &job->json;
    json_put_u64(json, "id", letter->id);
    json_put_time(json, "at", letter->at_ms);
    json_put_time(json, "received", letter->received_ms);
    if (letter->offset != UINT64_MAX) {
        json_put_u64(json, "offset", letter->offset);
    } else {
        json_put_cstr(json, "offset", NULL);
    }
    /* null: the gateway refused it */
    put_text_or_null(json, "destination", letter->destination == 0 ? SLICE_NONE : letter->destination_id);
    put_text_or_null(json, "source", letter->source_id);
    put_text_or_null(json, "message_id", letter->message_id);
    json_put_cstr(json, "message_hash", hex_hash(letter->message, &job->arena));
    json_put_string(json, "type", event_type_name((enum event_type)letter->type));
    json_put_u64(json, "attempts", letter->attempts);
    json_put_u64(json, "status", letter->status);
    json_put_cstr(json, "reason", reason_name((enum reason)letter->reason));
    json_put_string(json, "text", letter->text);
    json_put_bool(json, "taken", letter->taken);
}

/* By its id, as the snapshot names it: a removed destination has letters too. */
static uint64_t wanted_destination(struct control_job *job) {
    struct slice name;
    return job_param(job, "destination", &name) ? hash64(name) : 0;
}

enum err route_dead_list(struct control_job *job) {
    uint64_t after = 0, max = 0;
    struct dead_filter filter = {.destination = wanted_destination(job), .include_taken = job_flag(job, "all")};
    struct dead_letter *letters;
    size_t count = 0;
    enum err e = job_number(job, "after", 0, UINT64_MAX, &after);
    e = e == OK ? job_number(job, "count", LIST_DEFAULT, LIST_MAX, &max) : e;
    if (e != OK) {
        return e;
    }
    filter.after = after;
    filter.max = (size_t)max;
    e = store_dead_list(job->control->deps.store, &filter, &job->arena, &letters, &count);
    if (e != OK) {
        return e;
    }
    json_write_object(&job->json);
    json_write_key(&job->json, SLICE("letters"));
    json_write_array(&job->json);
    for (size_t i = 0; i < count; i++) {
        json_write_object(&job->json);
        write_letter(job, &letters[i]);
        json_write_end(&job->json);
    }
    json_write_end(&job->json);
    /* where to go on; null: this was all */
    if (count > 0 && count == filter.max) {
        json_put_u64(&job->json, "next", letters[count - 1].id);
    } else {
        json_put_cstr(&job->json, "next", NULL);
    }
    json_write_end(&job->json);
    return OK;
}

static enum err letter_id(struct control_job *job, uint64_t *ret_id) {
    if (slice_to_u64(job->id, ret_id) != OK) {
        return err_why(ERR_INVALID, &job->why, "", "\"%.*s\" is not the number of a dead letter",
            (int)(job->id.len < 32 ? job->id.len : 32), job->id.ptr);
    }
    return OK;
}

enum err route_dead_get(struct control_job *job) {
    uint64_t id = 0;
    struct dead_letter letter;
    struct json_doc doc;
    enum err e = letter_id(job, &id);
    if (e != OK) {
        return e;
    }
    e = store_dead_get(job->control->deps.store, id, &job->arena, &letter);
    if (e != OK) {
        return err_why(e, &job->why, "", "there is no dead letter %lu", (unsigned long)id);
    }
    json_write_object(&job->json);
    write_letter(job, &letter);
    json_put_string(&job->json, "request", letter.request);
    json_put_string(&job->json, "response", letter.response);
    if (job_parse(job, letter.payload, &doc) == OK) {
        json_put_raw(&job->json, "payload", letter.payload);
    } else {
        json_put_string(&job->json, "payload", letter.payload); /* the gateway refused it for that */
    }
    json_write_end(&job->json);
    return OK;
}

enum err route_dead_redrive(struct control_job *job) {
    uint64_t id = 0;
    enum err e = letter_id(job, &id);
    if (e != OK) {
        return e;
    }
    e = delivery_redrive(job->control->deps.delivery, id, &job->why);
    if (e != OK) {
        return e;
    }
    json_write_object(&job->json);
    json_put_u64(&job->json, "id", id);
    json_put_bool(&job->json, "redriven", true);
    json_write_end(&job->json);
    return OK;
}
