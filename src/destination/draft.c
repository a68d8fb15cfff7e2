/* What the tables make of an event, as the JSON that a transform.js reads. */
#include "destination/request.h"

static void write_draft(const struct draft_request *draft, struct json_writer *w) {
    const struct request_definition *definition = draft->definition;
    if (definition == NULL) {
        json_write_null(w);
        return;
    }
    json_write_object(w);
    json_put_string(w, "name", definition->name);
    if (definition->has_method) {
        json_put_cstr(w, "method", http_method_name(definition->method));
    }
    if (definition->has_url) {
        json_put_string(w, "url", draft->request.endpoint);
    }
    if (definition->header_count > 0) {
        json_write_key(w, SLICE("headers"));
        http_headers_write(w, draft->request.headers, draft->request.header_count);
    }
    if (definition->query_count > 0 || definition->has_query_plan) {
        json_write_key(w, SLICE("query"));
        http_headers_write(w, draft->request.query, draft->request.query_count);
    }
    if (definition->body_kind != BODY_NONE) {
        json_put_raw(w, "body", draft->item);
    }
    json_write_end(w);
}

static const struct http_header *keep_pairs(const struct http_header *pairs, size_t count, struct arena *arena) {
    struct http_header *kept = ARENA_ARRAY(arena, struct http_header, count + 1);
    for (size_t i = 0; i < count; i++) {
        kept[i] = (struct http_header){arena_dup(arena, pairs[i].name), arena_dup(arena, pairs[i].value)};
    }
    return kept;
}

void draft_keep(struct draft_request *draft, struct arena *arena) {
    struct destination_request *request = &draft->request;
    request->url = arena_dup(arena, request->url);
    request->endpoint = arena_dup(arena, request->endpoint);
    request->query = keep_pairs(request->query, request->query_count, arena);
    request->headers = keep_pairs(request->headers, request->header_count, arena);
    if (draft->definition != NULL && draft->definition->body_kind != BODY_EVENT) {
        draft->item = arena_dup(arena, draft->item);
    }
    struct value_pair *pairs = ARENA_ARRAY(arena, struct value_pair, draft->envelope.count + 1);
    for (size_t i = 0; i < draft->envelope.count; i++) {
        const struct value_pair *pair = &draft->envelope.pairs[i];
        pairs[i] = (struct value_pair){
            arena_dup(arena, pair->key), {.kind = VALUE_JSON, .text = arena_dup(arena, pair->value.text)}};
    }
    draft->envelope.pairs = pairs;
}

struct slice draft_json(const struct draft_request *draft, struct arena *arena) {
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    write_draft(draft, &w);
    return buf_keep(&out, arena);
}

enum err destination_draft(const struct destination_settings *settings, struct slice event, int64_t now_ms,
    struct json_parser *parser, struct arena *arena, struct slice *ret_json, struct destination_refusal *ret_refusal,
    struct errinfo *why) {
    struct draft_request draft;
    *ret_refusal = (struct destination_refusal){.text = SLICE_NONE};
    enum err e = draft_request(settings, event, now_ms, parser, arena, &draft, ret_refusal, why);
    if (e != OK || draft.refused) {
        return e;
    }
    *ret_json = draft_json(&draft, arena);
    return OK;
}
