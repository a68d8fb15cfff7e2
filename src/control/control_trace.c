/* GET /v0/trace/{id}: the passport of a message: where it is in the log, and what its notes say for each destination.
 */
#include "base/hash.h"
#include "control/control_internal.h"

enum { SIGHTINGS_MAX = 100 };

struct trace {
    struct control_job *job;
    struct workspace *workspace;
    struct destination_info *destinations;
    size_t destination_count;
    const struct record *record;
    const struct note *notes;
    size_t note_count;
};

/* ---- one destination ---- */

static const char *end_name(enum note_kind kind) {
    switch (kind) {
    case NOTE_DELIVERED:
        return "delivered";
    case NOTE_FILTERED:
        return "filtered";
    case NOTE_DEAD:
        return "dead";
    case NOTE_EXPIRED:
        return "expired";
    case NOTE_ATTEMPT:
        break;
    }
    return NULL;
}

/* A note that ends an event after a request stands for that request too. */
static bool is_attempt(const struct note *note) {
    return note->kind == NOTE_ATTEMPT || (note->kind != NOTE_EXPIRED && (note->status != 0 || note->duration_us > 0));
}

static void write_attempt(struct json_writer *json, const struct note *note) {
    json_write_object(json);
    json_put_u64(json, "attempt", note->attempt);
    json_put_time(json, "at", note->at_ms);
    json_put_u64(json, "status", note->status);
    json_put_u64(json, "duration_us", note->duration_us);
    json_put_cstr(json, "outcome", note->kind == NOTE_ATTEMPT ? "retry" : end_name((enum note_kind)note->kind));
    json_put_cstr(json, "reason", reason_text((enum reason)note->reason));
    json_put_string(json, "text", note->text);
    json_put_time(json, "next", note->kind == NOTE_ATTEMPT ? note->due_ms : 0);
    json_write_end(json);
}

static const struct destination_info *find_row(const struct trace *trace, uint64_t key) {
    for (size_t i = 0; i < trace->destination_count; i++) {
        if (trace->destinations[i].key == key) {
            return &trace->destinations[i];
        }
    }
    return NULL;
}

/* Where an event is that has not ended. */
static const char *pending_text(const struct trace *trace, const struct destination_info *row, bool tried) {
    if (row == NULL) {
        return "";
    }
    if (row->state != DESTINATION_RUNNING && row->reason != REASON_NONE) {
        return reason_text((enum reason)row->reason);
    }
    if (tried) {
        return "waits for its next attempt";
    }
    return trace->record->offset >= row->scanned ? "waits in the log"
                                                 : "in flight, or behind an earlier event of its user";
}

static void write_destination(const struct trace *trace, uint64_t key) {
    struct json_writer *json = &trace->job->json;
    const struct note *end = NULL, *last = NULL;
    const struct destination_info *row = find_row(trace, key);
    json_write_object(json);
    json_put_string(json, "id", control_destination_id(trace->job->control, trace->workspace, key, &trace->job->arena));
    json_write_key(json, SLICE("attempts"));
    json_write_array(json);
    for (size_t i = 0; i < trace->note_count; i++) {
        const struct note *note = &trace->notes[i];
        if (note->destination != key) {
            continue;
        }
        last = note;
        end = note->kind != NOTE_ATTEMPT ? note : end;
        if (is_attempt(note)) {
            write_attempt(json, note);
        }
    }
    json_write_end(json);
    json_put_cstr(json, "end", end != NULL ? end_name((enum note_kind)end->kind) : "pending");
    json_put_time(json, "ended", end != NULL ? end->at_ms : 0);
    json_put_string(json, "reason",
        end == NULL                      ? slice_cstr(pending_text(trace, row, /* tried: */ last != NULL))
            : end->reason != REASON_NONE ? delivery_note_reason(end)
                                         : SLICE(""));
    json_put_string(json, "text", end != NULL && !is_attempt(end) ? end->text : SLICE(""));
    json_put_time(json, "next", end == NULL && last != NULL ? last->due_ms : 0);
    json_put_cstr(json, "state", row != NULL ? destination_state_name(row->state) : "removed");
    json_write_end(json);
}

/* ---- one sighting ---- */

static bool noted(const struct trace *trace, size_t before, uint64_t key) {
    for (size_t i = 0; i < before; i++) {
        if (trace->notes[i].destination == key) {
            return true;
        }
    }
    return false;
}

/* Destinations with notes, then connected ones that have none yet. */
static void write_destinations(const struct trace *trace) {
    struct json_writer *json = &trace->job->json;
    const struct record_head *head = &trace->record->head;
    json_write_key(json, SLICE("destinations"));
    json_write_array(json);
    for (size_t i = 0; i < trace->note_count; i++) {
        if (!noted(trace, i, trace->notes[i].destination)) {
            write_destination(trace, trace->notes[i].destination);
        }
    }
    const struct source *source = workspace_source_by_key(trace->workspace, head->source);
    for (size_t i = 0; source != NULL && i < source->connection_count; i++) {
        uint64_t key = source->connections[i]->destination->key;
        const struct destination_info *row = find_row(trace, key);
        bool concerns = (head->target == 0 || head->target == key) && (head->flags & RECORD_REJECTED) == 0 &&
            (row == NULL || trace->record->offset >= row->start);
        if (concerns && !noted(trace, trace->note_count, key)) {
            write_destination(trace, key);
        }
    }
    json_write_end(json);
}

static void write_sighting(const struct trace *trace, bool payload) {
    struct control_job *job = trace->job;
    struct json_writer *json = &job->json;
    const struct record *record = trace->record;
    struct event_names names;
    struct json_doc doc;
    job_event_names(job, record->payload, &names);
    json_write_object(json);
    json_put_u64(json, "offset", record->offset);
    json_put_time(json, "received", record->head.received_ms);
    json_put_string(json, "source", control_source_id(trace->workspace, record->head.source, &job->arena));
    json_put_string(json, "type", event_type_name((enum event_type)record->head.type));
    json_put_string(json, "event", names.event);
    json_put_string(json, "user", names.user);
    json_put_u64(json, "bytes", record->payload.len);
    if ((record->head.flags & RECORD_REJECTED) != 0) {
        json_put_string(json, "rejected", record->why);
    }
    if (record->head.target != 0) {
        json_put_string(json, "redriven_to",
            control_destination_id(job->control, trace->workspace, record->head.target, &job->arena));
    }
    write_destinations(trace);
    if (payload && job_parse(job, record->payload, &doc) == OK) {
        json_put_raw(json, "payload", record->payload);
    }
    json_write_end(json);
}

static enum err write_sightings(struct trace *trace, const uint64_t *offsets, size_t count) {
    struct control_job *job = trace->job;
    struct store *store = job->control->deps.store;
    bool payload = job_flag(job, "payload");
    for (size_t i = 0; i < count; i++) {
        struct store_block *block;
        struct note *notes;
        enum err e = store_get(store, offsets[i], &block);
        if (e == ERR_NOT_FOUND || e == ERR_CORRUPT) {
            continue; /* trimmed meanwhile, or reported by the store */
        }
        if (e != OK) {
            return e;
        }
        e = store_notes_of(store, offsets[i], &job->arena, &notes, &trace->note_count);
        if (e == OK) {
            trace->record = &block->records[0];
            trace->notes = notes;
            write_sighting(trace, payload);
        }
        store_block_release(block);
        if (e != OK) {
            return e;
        }
    }
    return OK;
}

/* ---- the route ---- */

enum err route_trace(struct control_job *job) {
    const struct control_deps *deps = &job->control->deps;
    uint64_t offsets[SIGHTINGS_MAX];
    size_t count = 0;
    struct trace trace = {.job = job};
    enum err e = store_find_message(deps->store, hash128(job->id), offsets, SIGHTINGS_MAX, &count);
    if (e == OK && count == 0) {
        return err_why(ERR_NOT_FOUND, &job->why, "",
            "no event with messageId \"%.*s\" is in the log, which begins at offset %lu; events that every destination has "
            "ended are kept for store.keep; of requests that were refused `sluice tail --outcome rejected` says why",
            (int)(job->id.len < 128 ? job->id.len : 128), job->id.ptr, (unsigned long)store_tail(deps->store));
    }
    e = e == OK ? delivery_list(deps->delivery, &job->arena, &trace.destinations, &trace.destination_count) : e;
    if (e != OK) {
        return e;
    }
    trace.workspace = workspace_cell_get(deps->cell);
    json_write_object(&job->json);
    json_put_string(&job->json, "message_id", job->id);
    json_write_key(&job->json, SLICE("events"));
    json_write_array(&job->json);
    e = write_sightings(&trace, offsets, count);
    if (e == OK) {
        json_write_end(&job->json);
        json_write_end(&job->json);
    }
    workspace_release(trace.workspace);
    return e;
}
