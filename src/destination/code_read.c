/* What a worker answered to a part: each output is one result of the code, checked member by member. An event's first
 * refusal counts; what is wrong with a result makes its events dead, with what was returned and what is allowed. */
#include <stdlib.h>

#include "destination/code_internal.h"

/* ---- refusals ---- */

static void refuse(struct code_result *result, uint32_t event, enum destination_refusal_kind kind, struct slice text) {
    struct destination_refusal *refusal = &result->refusals[event];
    result->named[event] = true;
    if (refusal->text.ptr == NULL) {
        text = text.len > 0 ? text : SLICE("without a reason");
        *refusal = (struct destination_refusal){event, kind, arena_dup(result->run->arena, text)};
    }
}

static void refuse_all(struct code_result *result, const uint32_t *events, size_t count,
    enum destination_refusal_kind kind, struct slice text) {
    for (size_t i = 0; i < count; i++) {
        refuse(result, events[i], kind, text);
    }
}

/* ---- one result ---- */

struct reading {
    struct code_reader reader;
    struct code_result *result;
    uint32_t *events; /* of this result, ascending */
    size_t event_count;
};

static int by_number(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

/* Indexes of the run. False: they are none. */
static bool read_events(struct reading *r, uint32_t node) {
    const struct json_doc *doc = r->reader.doc;
    if (!json_is(doc, node, JSON_ARRAY)) {
        return false;
    }
    r->events = ARENA_ARRAY(r->reader.arena, uint32_t, json_count(doc, node) + 1);
    for (uint32_t item = json_first(doc, node); item != JSON_ABSENT; item = json_after(doc, node, item)) {
        uint64_t index = 0;
        if (!json_is(doc, item, JSON_NUMBER) || json_u64(doc, item, &index) != OK || index >= r->result->run->count) {
            return false;
        }
        r->events[r->event_count++] = (uint32_t)index;
    }
    qsort(r->events, r->event_count, sizeof *r->events, by_number);
    size_t kept = 0;
    for (size_t i = 0; i < r->event_count; i++) {
        if (i == 0 || r->events[i] != r->events[kept - 1]) {
            r->events[kept++] = r->events[i];
        }
    }
    r->event_count = kept;
    return kept > 0;
}

static struct code_item *add_item(struct code_result *result) {
    if (result->item_count == result->item_room) {
        size_t room = result->item_room > 0 ? 2 * result->item_room : result->part->count + 4;
        struct code_item *items = ARENA_ARRAY(result->run->arena, struct code_item, room);
        if (result->item_count > 0) {
            memcpy(items, result->items, result->item_count * sizeof *items);
        }
        result->items = items;
        result->item_room = room;
    }
    return &result->items[result->item_count++];
}

/* What the answer's text holds goes away with it. */
static void keep_texts(struct code_item *item, struct arena *arena) {
    struct destination_request *request = &item->request;
    request->plain = arena_dup(arena, request->plain);
    request->url = arena_dup(arena, request->url);
    request->endpoint = slice_of(request->url.ptr, request->endpoint.len);
    request->own_headers = arena_dup(arena, request->own_headers);
    request->keep = arena_dup(arena, request->keep);
    struct http_header *lists[] = {
        (struct http_header *)(uintptr_t)request->query, (struct http_header *)(uintptr_t)request->headers};
    size_t counts[] = {request->query_count, request->header_count}; /* both lists were made by the reader */
    for (size_t k = 0; k < COUNT_OF(lists); k++) {
        for (size_t i = 0; i < counts[k]; i++) {
            lists[k][i].name = arena_dup(arena, lists[k][i].name);
            lists[k][i].value = arena_dup(arena, lists[k][i].value);
        }
    }
}

/* ---- what of it may be merged ---- */

/* Elements and what is beside them, as slices of the kept body. */
static bool find_elements(const struct definition *d, const struct json_doc *doc, uint32_t json, struct arena *arena,
    struct code_item *item) {
    const char *from = doc->text + doc->nodes[json].start;
    const char *to = item->request.plain.ptr;
    uint32_t array = d->batch_into.len == 0 ? json : json_find(doc, json, d->batch_into);
    if (!json_is(doc, array, JSON_ARRAY)) {
        return false;
    }
    struct slice *elements = ARENA_ARRAY(arena, struct slice, json_count(doc, array) + 1);
    for (uint32_t at = json_first(doc, array); at != JSON_ABSENT; at = json_after(doc, array, at)) {
        struct slice raw = json_raw(doc, at);
        elements[item->element_count++] = slice_of(to + (raw.ptr - from), raw.len);
        item->bytes += raw.len + 1;
    }
    item->elements = elements;
    struct http_header *beside = ARENA_ARRAY(arena, struct http_header, json_count(doc, json) + 1);
    for (uint32_t key = array != json ? json_first(doc, json) : JSON_ABSENT; key != JSON_ABSENT;
         key = json_after(doc, json, key)) {
        struct slice value = json_raw(doc, key + 1);
        if (key + 1 != array) {
            beside[item->beside_count++] = (struct http_header){
                arena_dup(arena, json_string(doc, key, arena)), slice_of(to + (value.ptr - from), value.len)};
        }
    }
    item->beside = beside;
    return true;
}

/* What must be equal to share a request. */
static struct hash128 agreement(const struct code_item *item, struct arena *arena) {
    enum { FIXED = 2 };
    const struct destination_request *request = &item->request;
    struct slice *parts = ARENA_ARRAY(arena, struct slice, FIXED + 3 * (request->header_count + item->beside_count));
    size_t count = 0;
    parts[count++] = slice_cstr(http_method_name(request->method));
    parts[count++] = request->url;
    for (size_t i = 0; i < request->header_count; i++) {
        parts[count++] = SLICE("\0");
        parts[count++] = request->headers[i].name;
        parts[count++] = request->headers[i].value;
    }
    for (size_t i = 0; i < item->beside_count; i++) {
        parts[count++] = SLICE("\1");
        parts[count++] = item->beside[i].name;
        parts[count++] = item->beside[i].value;
    }
    return hash128(value_join(parts, count, arena));
}

static void prepare_merge(struct reading *r, uint32_t request, struct code_item *item) {
    const struct definition *d = r->result->part->settings->definition;
    uint32_t json = json_find(r->reader.doc, request, SLICE("json"));
    bool wanted = d->has_batch && !r->result->run->no_batch && item->request.body_kind == BODY_JSON &&
        (atomic_load(&d->code->can) & CODE_BATCH) == 0;
    if (wanted && find_elements(d, r->reader.doc, json, r->result->run->arena, item)) {
        item->agrees = agreement(item, r->reader.arena);
        item->merges = true;
    }
}

/* ---- a result ---- */

enum part {
    PART_REQUEST,
    PART_DEAD,
    PART_FILTERED,
    PART_RETRY,
    PART_THROTTLED,
    PART_AUTH,
    PART_EVENTS,
    PART_KEEP,
    PART_ALONE,
    PART_COUNT
};

static const struct slice part_names[PART_COUNT] = {
    [PART_REQUEST] = SLICE("request"),
    [PART_DEAD] = SLICE("dead"),
    [PART_FILTERED] = SLICE("filtered"),
    [PART_RETRY] = SLICE("retry"),
    [PART_THROTTLED] = SLICE("throttled"),
    [PART_AUTH] = SLICE("auth"),
    [PART_EVENTS] = SLICE("events"),
    [PART_KEEP] = SLICE("keep"),
    [PART_ALONE] = SLICE("alone"),
};

#define OUTCOMES "request dead filtered retry throttled auth"

static const enum destination_refusal_kind refusal_kinds[] = {
    [PART_DEAD] = REFUSAL_DEAD,
    [PART_FILTERED] = REFUSAL_FILTERED,
    [PART_RETRY] = REFUSAL_RETRY,
    [PART_THROTTLED] = REFUSAL_THROTTLED,
    [PART_AUTH] = REFUSAL_AUTH,
};

static bool read_request(struct reading *r, const uint32_t *at) {
    struct code_item item;
    if (!code_request_read(&r->reader, at[PART_REQUEST], &item)) {
        return false;
    }
    if (at[PART_KEEP] != JSON_ABSENT) {
        item.request.keep = json_raw(r->reader.doc, at[PART_KEEP]);
    }
    keep_texts(&item, r->result->run->arena);
    item.request.events = r->events;
    item.request.event_count = r->event_count;
    if (!json_is(r->reader.doc, at[PART_ALONE], JSON_TRUE)) {
        prepare_merge(r, at[PART_REQUEST], &item);
    }
    for (size_t i = 0; i < r->event_count; i++) {
        r->result->named[r->events[i]] = true;
    }
    *add_item(r->result) = item;
    return true;
}

static bool read_members(struct reading *r) {
    const struct json_doc *doc = r->reader.doc;
    uint32_t at[PART_COUNT];
    json_find_many(doc, 0, part_names, PART_COUNT, at);
    size_t outcome = PART_EVENTS;
    for (size_t i = 0; i < PART_EVENTS; i++) {
        if (at[i] == JSON_ABSENT || json_is(doc, at[i], JSON_NULL)) {
            continue;
        }
        if (outcome != PART_EVENTS) {
            return code_complain(&r->reader, "two outcomes in", 0, "one of " OUTCOMES);
        }
        outcome = i;
    }
    for (uint32_t key = json_first(doc, 0); key != JSON_ABSENT; key = json_after(doc, 0, key)) {
        struct slice name = json_string(doc, key, r->reader.arena);
        bool known = false;
        for (size_t i = 0; i < PART_COUNT; i++) {
            known = known || slice_eq(name, part_names[i]);
        }
        if (!known) {
            return code_complain(&r->reader, "a result with", key, "events keep alone " OUTCOMES);
        }
    }
    if (outcome == PART_EVENTS) {
        return code_complain(&r->reader, "a result without outcome:", 0, OUTCOMES);
    }
    if (outcome == PART_REQUEST) {
        return read_request(r, at);
    }
    if (!json_is(doc, at[outcome], JSON_STRING)) {
        return code_complain(&r->reader, part_names[outcome].ptr, at[outcome], "sentences");
    }
    refuse_all(
        r->result, r->events, r->event_count, refusal_kinds[outcome], json_string(doc, at[outcome], r->reader.arena));
    return true;
}

/* {"can": ["batch", "outcome"]} */
static void read_can(const struct json_doc *doc, uint32_t list, struct code *code) {
    unsigned can = CODE_KNOWN;
    for (uint32_t item = json_first(doc, list); item != JSON_ABSENT; item = json_after(doc, list, item)) {
        can |= slice_eq(json_raw(doc, item), SLICE("\"batch\"")) ? CODE_BATCH : 0;
        can |= slice_eq(json_raw(doc, item), SLICE("\"outcome\"")) ? CODE_OUTCOME : 0;
    }
    atomic_store(&code->can, can);
}

static void read_output(struct code_result *result, struct slice output) {
    struct json_doc doc;
    struct arena arena;
    arena_init(&arena, 0, 0);
    struct reading r = {
        .result = result, .reader = {.doc = &doc, .arena = result->run->arena, .settings = result->part->settings}};
    char *copy = arena_alloc(&arena, output.len + JSON_PADDING);
    memcpy(copy, output.ptr, output.len);
    enum err e = json_parse(result->run->parser, slice_of(copy, output.len), &doc, NULL);
    uint32_t can = e == OK ? json_find(&doc, 0, SLICE("can")) : JSON_ABSENT;
    uint32_t odd = e == OK ? json_find(&doc, 0, SLICE("odd")) : JSON_ABSENT;
    if (e != OK) {
        result->odd = SLICE("the code returned what is no JSON, or nested too deeply");
    } else if (json_is(&doc, can, JSON_ARRAY)) {
        read_can(&doc, can, result->part->settings->definition->code);
    } else if (json_is(&doc, odd, JSON_STRING)) {
        result->odd = arena_dup(result->run->arena, json_string(&doc, odd, result->run->arena));
    } else if (!read_events(&r, json_find(&doc, 0, SLICE("events")))) {
        result->odd = SLICE("the code returned a result whose events are no indexes of the batch");
    } else if (!read_members(&r)) {
        refuse_all(result, r.events, r.event_count, REFUSAL_DEAD, r.reader.why);
    }
    arena_fini(&arena);
}

/* ---- failures ---- */

/* The original's wording begins with the error's name, which a person does not need. */
static struct slice first_line(struct slice text) {
    struct slice rest;
    struct slice line = slice_cut(text, '\n', &rest);
    return slice_starts(line, SLICE("Error: ")) ? slice_of(line.ptr + 7, line.len - 7) : line;
}

/* What the code did not say itself is told by its cause. */
static struct slice failure_text(const struct transform_result *row) {
    switch (row->cause) {
    case TRANSFORM_CAUSE_CPU:
    case TRANSFORM_CAUSE_PENDING:
    case TRANSFORM_CAUSE_KILLED_CPU:
    case TRANSFORM_CAUSE_MEMORY:
    case TRANSFORM_CAUSE_WAIT:
    case TRANSFORM_CAUSE_DIED:
        return slice_cstr(transform_cause_text(row->cause));
    default:
        return first_line(row->error);
    }
}

static void read_failure(
    struct code_result *result, const struct transform_result *row, const uint32_t *sent, size_t sent_count) {
    bool again = row->cause == TRANSFORM_CAUSE_WAIT;
    struct slice text = failure_text(row);
    enum destination_refusal_kind kind = again ? REFUSAL_RETRY : REFUSAL_DEAD;
    if (row->input != TRANSFORM_NO_INPUT) {
        refuse(result, sent[row->input], kind, text);
        return;
    }
    refuse_all(result, sent, sent_count, kind, text);
}

void code_answer_read(
    struct code_result *result, const struct transform_answer *answer, const uint32_t *sent, size_t sent_count) {
    for (size_t i = 0; i < answer->result_count; i++) {
        const struct transform_result *row = &answer->results[i];
        if (row->failed) {
            read_failure(result, row, sent, sent_count);
        } else {
            read_output(result, row->output);
        }
    }
    for (size_t i = 0; i < sent_count; i++) {
        if (!result->named[sent[i]]) {
            refuse(result, sent[i], REFUSAL_DEAD,
                result->odd.len > 0 ? result->odd : SLICE("the code returned nothing for it"));
        }
    }
}
