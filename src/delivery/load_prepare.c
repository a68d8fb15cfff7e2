/* A load's events become its requests, and what is said of an event instead. Requests that share a user's lane follow
 * each other; the others may go out side by side. */
#include "base/clock.h"
#include "delivery/delivery_internal.h"
#include "json/json_write.h"

static uint32_t item_of(const struct load *load, uint32_t event) {
    return load->item_of != NULL ? load->item_of[event] : event;
}

/* ---- requests ---- */

/* The items of a request, each once: several of its events may be of one. */
static void find_items(struct load *load, struct attempt *attempt) {
    const struct kind_request *request = attempt->request;
    attempt->items = request->events;
    attempt->item_count = request->event_count;
    if (load->item_of == NULL) {
        return;
    }
    uint32_t *items = ARENA_ARRAY(&load->arena, uint32_t, request->event_count + 1);
    uint32_t count = 0;
    for (uint32_t i = 0; i < request->event_count; i++) {
        uint32_t item = item_of(load, request->events[i]);
        if (count == 0 || items[count - 1] != item) {
            items[count++] = item;
        }
    }
    attempt->items = items;
    attempt->item_count = count;
}

static void init_attempt(struct load *load, struct attempt *attempt, const struct kind_request *request) {
    const struct sender_settings *settings = load->settings;
    attempt->load = load;
    attempt->request = request;
    attempt->call = (struct http_call){.method = request->method,
        .url = request->url,
        .headers = request->headers,
        .header_count = request->header_count,
        .body = request->body,
        .timeout_ms = settings->timeout_ms,
        .allow_private = settings->destination->rules.allow_private};
    find_items(load, attempt);
    for (uint32_t i = 0; i < attempt->item_count; i++) {
        load->items[attempt->items[i]].pending++;
    }
}

/* In each of its lanes it follows the lane's latest request. */
static void link_attempt(struct load *load, struct attempt *attempt) {
    attempt->edges = ARENA_ARRAY(&load->arena, struct lane_edge, attempt->item_count);
    for (uint32_t i = 0; i < attempt->item_count; i++) {
        struct load_item *lane = &load->items[load->items[attempt->items[i]].lane];
        struct lane_edge *last = lane->last_edge;
        if (last != NULL && last->attempt == attempt) {
            continue; /* an earlier item of this very request */
        }
        struct lane_edge *edge = &attempt->edges[attempt->edge_count++];
        edge->attempt = attempt;
        lane->last_edge = edge;
        if (last != NULL) {
            last->next = attempt;
            attempt->blocked++;
        }
    }
}

static void make_attempts(struct load *load) {
    const struct kind_run *run = &load->run;
    uint32_t count = (uint32_t)run->request_count;
    load->requests = count == 1 ? &load->unit : ARENA_ARRAY(&load->arena, struct attempt, count + 1);
    load->request_count = load->open = count;
    for (uint32_t i = 0; i < count; i++) {
        init_attempt(load, &load->requests[i], &run->requests[i]);
        if (count > 1) {
            link_attempt(load, &load->requests[i]);
        }
    }
}

/* ---- what makes none ---- */

static void refuse(struct load *load) {
    for (size_t i = 0; i < load->run.refusal_count; i++) {
        const struct kind_refusal *refusal = &load->run.refusals[i];
        uint32_t at = item_of(load, refusal->event);
        load->items[at].tried = load->items[at].tried || refusal->fate == KIND_RETRY;
        struct item_verdict verdict = verdict_of_refusal(load, load->items[at].item, refusal);
        load_worsen(load, at, &verdict);
    }
}

static void end_those_without_requests(struct load *load) {
    static const struct item_verdict nothing = {.fate = FATE_DEAD,
        .reason = REASON_BAD_REQUEST,
        .text = SLICE("nothing was made of it"),
        .sentence = SLICE("nothing was made of it")};
    for (uint32_t i = 0; i < load->count; i++) {
        struct load_item *entry = &load->items[i];
        if (entry->pending > 0 || entry->item == NULL) {
            continue;
        }
        if (entry->verdict.fate == FATE_NONE) {
            load_worsen(load, i, &nothing);
        }
        load_end_item(load, i);
    }
}

/* Those that may go out at once; a broken lane ends the others. The load may be gone then. */
static void start(struct load *load) {
    if (load->open == 0) {
        load_end(load);
        return;
    }
    load->open++; /* holds the load until all have been looked at */
    for (uint32_t i = 0; i < load->request_count; i++) {
        struct attempt *attempt = &load->requests[i];
        if (attempt->blocked > 0) {
            continue;
        }
        if (attempt_is_broken(attempt)) {
            attempt_drop(attempt);
        } else {
            attempt_queue(attempt);
        }
    }
    load->open--;
    if (load->open == 0 && load->outside == 0) {
        load_end(load);
    }
}

/* ---- the steps ---- */

/* The load may be gone then. */
static void end_preparing(struct load *load) {
    struct sender *sender = load->sender;
    bool late = !sender->preparing_now;
    load->preparing = false;
    sender->preparing--;
    end_those_without_requests(load);
    start(load);
    if (late) {
        courier_touch(sender->courier, sender);
    }
}

void load_cannot_prepare(struct load *load, enum err e, const struct errinfo *why) {
    for (uint32_t i = 0; i < load->count; i++) {
        struct item_verdict verdict = {.fate = FATE_BACK};
        if (err_class(e) == ERR_CLASS_RETRY) {
            verdict.due_ms = clock_ms() + OUR_FAULT_PAUSE_MS;
        } else if (load->count > 1) {
            load->items[i].item->load_max = 1; /* by themselves the others may */
        } else {
            struct slice text = slice_cstr(why->text[0] != '\0' ? why->text : err_text(e));
            text = arena_dup(&load->arena, text);
            verdict =
                (struct item_verdict){.fate = FATE_DEAD, .reason = REASON_BAD_REQUEST, .text = text, .sentence = text};
        }
        load_worsen(load, i, &verdict);
    }
    stat_add(&load->sender->stat.unprepared, 1);
    end_preparing(load);
}

static void on_made(struct kind_run *run, enum err e, const struct errinfo *why) {
    struct load *load = CONTAINER_OF(run, struct load, run);
    if (!load_is_back(load)) {
        return;
    }
    if (e != OK) {
        load_cannot_prepare(load, e, why);
        return;
    }
    make_attempts(load);
    refuse(load);
    end_preparing(load);
}

void load_make_requests(struct load *load) {
    if (load->event_count == 0) {
        end_preparing(load);
        return;
    }
    load->run = (struct kind_run){.settings = load->settings->kind_settings,
        .events = load->events,
        .count = load->event_count,
        .now_ms = load->started_ms,
        .parser = load->courier->parser,
        .arena = &load->arena,
        .loop = load->courier->loop,
        .transform = load->courier->delivery->deps.transform,
        .client = load->courier->services,
        .on_done = on_made};
    load_goes_out(load);
    delivery_kind_run(load->settings->kind, &load->run);
}

/* What code is told of an event's way. The same for all of a source. */
static struct slice metadata_of(const struct load *load, const struct source *source, struct arena *arena) {
    const struct destination *destination = load->settings->destination;
    struct buf text;
    struct json_writer w;
    buf_init(&text, 0);
    json_writer_init(&w, &text);
    json_write_object(&w);
    json_put_string(&w, "workspaceId", workspace_info(load->settings->workspace)->id);
    if (source != NULL) {
        json_put_string(&w, "sourceId", source->id);
        json_put_string(&w, "sourceName", source->name);
        json_put_string(&w, "sourceType", source->definition.len > 0 ? source->definition : source->type);
        json_put_string(&w, "sourceCategory", source->category);
    }
    json_put_string(&w, "destinationId", destination->id);
    json_put_string(&w, "destinationType", destination->type);
    json_put_string(&w, "destinationName", destination->name);
    json_write_end(&w);
    return buf_keep(&text, arena);
}

static void tell_metadata(struct load *load) {
    uint64_t source = 0;
    struct slice metadata = SLICE_NONE;
    for (uint32_t i = 0; i < load->count; i++) {
        uint64_t own = load->items[i].item->source;
        if (metadata.ptr == NULL || own != source) {
            source = own;
            metadata = metadata_of(load, workspace_source_by_key(load->settings->workspace, own), &load->arena);
        }
        load->events[i].metadata = metadata;
    }
}

void load_prepare(struct load *load) {
    struct sender *sender = load->sender;
    load->event_count = load->count;
    load->events = load->count == 1 ? &load->event : ARENA_ARRAY(&load->arena, struct destination_event, load->count);
    for (uint32_t i = 0; i < load->count; i++) {
        const struct item *item = load->items[i].item;
        load->events[i].message = slice_of(item->payload, item->payload_len);
    }
    load->preparing = true;
    sender->preparing++;
    if (load->settings->is_late) {
        tell_metadata(load);
    }
    if (load_wants_code(load)) {
        load_run_code(load);
    } else {
        load_make_requests(load);
    }
}
