/* An event to a draft of its request: which request of the definition, its URL, headers, and what it puts into the
 * body. */
#include "destination/request.h"

#include <ctype.h>

#include "http/client.h"

enum { BODY_MAX = 64 << 20 };

struct drafting {
    const struct definition *d;
    struct json_doc doc;
    struct run run;
    struct slice event;
    struct draft_request *draft;
};

/* ---- query and form ---- */

struct slice request_encode(const struct http_header *pairs, size_t count, struct arena *arena) {
    size_t room = 1;
    for (size_t i = 0; i < count; i++) {
        room += 3 * (pairs[i].name.len + pairs[i].value.len) + 2;
    }
    char *out = arena_alloc(arena, room);
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            out[len++] = '&';
        }
        len += http_url_encode(pairs[i].name, out + len);
        out[len++] = '=';
        len += http_url_encode(pairs[i].value, out + len);
    }
    return slice_of(out, len);
}

static enum err run_members(const struct drafting *x, const struct plan *plan, struct value *ret_members) {
    struct plan_result result;
    enum err e = plan_run(plan, &x->run, &result);
    if (e == OK) {
        *ret_members = plan_members(&result, x->run.arena);
    }
    return e;
}

static struct http_header *pairs_of(const struct drafting *x, const struct value *members, size_t room_before) {
    struct http_header *pairs = ARENA_ARRAY(x->run.arena, struct http_header, room_before + members->count + 1);
    for (size_t i = 0; i < members->count; i++) {
        pairs[room_before + i] =
            (struct http_header){members->pairs[i].key, value_text(&members->pairs[i].value, x->run.arena)};
    }
    return pairs;
}

/* Parameters whose hole has no value are left out. */
static enum err make_query(struct drafting *x) {
    const struct request_definition *definition = x->draft->definition;
    struct value members = {.kind = VALUE_PAIRS};
    enum err e = definition->has_query_plan ? run_members(x, &definition->query_plan, &members) : OK;
    if (e != OK) {
        return e;
    }
    struct http_header *query = pairs_of(x, &members, definition->query_count);
    size_t count = 0;
    for (size_t i = 0; i < definition->query_count; i++) {
        struct slice value;
        struct errinfo unused = {.at = 0};
        struct run quiet = x->run;
        quiet.why = &unused;
        if (template_fill(&definition->query[i].value, &quiet, TEMPLATE_TEXT, &value) == OK) {
            query[count++] = (struct http_header){definition->query[i].name, value};
        }
    }
    for (size_t i = 0; i < members.count; i++) {
        query[count++] = query[definition->query_count + i];
    }
    x->draft->request.query = query;
    x->draft->request.query_count = count;
    return OK;
}

/* "." and ".." are steps, not names: a sender's id must not lead to another resource. */
bool request_has_dot_segment(struct slice url) {
    struct slice rest = url;
    while (rest.ptr != NULL) {
        struct slice segment = slice_cut(rest, '/', &rest);
        size_t len = 0;
        while (len < segment.len && segment.ptr[len] != '?' && segment.ptr[len] != '#') {
            len++;
        }
        if ((len == 1 || len == 2) && memcmp(segment.ptr, "..", len) == 0) {
            return true;
        }
        if (len < segment.len) {
            return false;
        }
    }
    return false;
}

struct slice request_url(struct slice endpoint, const struct http_header *query, size_t count, struct arena *arena) {
    if (count == 0) {
        return endpoint;
    }
    bool more = memchr(endpoint.ptr, '?', endpoint.len) != NULL;
    struct slice text = request_encode(query, count, arena);
    return value_join((struct slice[]){endpoint, more ? SLICE("&") : SLICE("?"), text}, 3, arena);
}

static enum err make_url(struct drafting *x) {
    struct destination_request *request = &x->draft->request;
    bool has_url = x->draft->definition->has_url;
    enum err e = has_url ? template_fill(&x->draft->definition->url, &x->run, TEMPLATE_URL, &request->endpoint) : OK;
    if (e == OK && request_has_dot_segment(request->endpoint)) {
        e = err_why(ERR_INVALID, x->run.why, "event", "the URL would have . or .. as a part of its path");
    }
    if (e == OK && has_url) {
        e = http_url_check(request->endpoint, x->run.why);
    }
    if (e == OK) {
        e = make_query(x);
    }
    if (e != OK) {
        return e;
    }
    request->url = request->endpoint;
    if (has_url) {
        request->url = request_url(request->endpoint, request->query, request->query_count, x->run.arena);
    }
    return OK;
}

/* ---- headers ---- */

static enum err put_header(
    struct drafting *x, struct http_header *list, size_t *count, struct slice name, struct slice value) {
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return err_why(
                ERR_INVALID, x->run.why, "event", "the header %.*s would have a control character", SLICE_ARG(name));
        }
    }
    size_t at = 0;
    while (at < *count && !slice_eq_nocase(list[at].name, name)) {
        at++;
    }
    list[at] = (struct http_header){name, value};
    *count += at == *count;
    return OK;
}

static enum err put_templates(struct drafting *x, struct http_header *list, size_t *count,
    const struct named_template *templates, size_t template_count) {
    for (size_t i = 0; i < template_count; i++) {
        struct slice value;
        enum err e = template_fill(&templates[i].value, &x->run, TEMPLATE_TEXT, &value);
        if (e == OK) {
            e = put_header(x, list, count, templates[i].name, value);
        }
        if (e != OK) {
            return e;
        }
    }
    return OK;
}

static enum err put_auth(struct drafting *x, struct http_header *list, size_t *count) {
    const struct auth_definition *auth = &x->d->auth;
    struct slice user = SLICE("");
    struct slice secret = SLICE("");
    enum err e = auth->kind == AUTH_BASIC ? template_fill(&auth->user, &x->run, TEMPLATE_TEXT, &user) : OK;
    if (e == OK) {
        e = template_fill(&auth->secret, &x->run, TEMPLATE_TEXT, &secret);
    }
    if (e != OK) {
        return e;
    }
    if (auth->kind == AUTH_BEARER) {
        struct slice value = value_join((struct slice[]){SLICE("Bearer "), secret}, 2, x->run.arena);
        return put_header(x, list, count, SLICE("Authorization"), value);
    }
    static const struct convert_step base64 = {.id = CONVERT_BASE64};
    struct convert_run run = {.arena = x->run.arena, .what = SLICE("Authorization"), .why = x->run.why};
    struct value coded = value_of_text(value_join((struct slice[]){user, SLICE(":"), secret}, 3, x->run.arena));
    e = convert_apply(&base64, 1, &run, &coded);
    if (e != OK) {
        return e;
    }
    struct slice value = value_join((struct slice[]){SLICE("Basic "), coded.text}, 2, x->run.arena);
    return put_header(x, list, count, SLICE("Authorization"), value);
}

static enum err make_headers(struct drafting *x) {
    const struct request_definition *definition = x->draft->definition;
    bool code = x->d->type.kind == DESTINATION_CODE; /* what the definition has for all is put on what it returns */
    size_t room = x->d->header_count + definition->header_count + 1;
    struct http_header *list = ARENA_ARRAY(x->run.arena, struct http_header, room);
    size_t count = 0;
    enum err e = code ? OK : put_templates(x, list, &count, x->d->headers, x->d->header_count);
    if (e == OK) {
        e = put_templates(x, list, &count, definition->headers, definition->header_count);
    }
    if (e == OK && !code && x->d->auth.kind != AUTH_NONE) {
        e = put_auth(x, list, &count);
    }
    x->draft->request.headers = list;
    x->draft->request.header_count = count;
    return e;
}

enum err request_core_headers(const struct destination_settings *settings, struct arena *arena,
    const struct http_header **ret_headers, size_t *ret_count, struct errinfo *why) {
    const struct definition *d = settings->definition;
    struct drafting x = {
        .d = d, .run = {.settings = settings->values, .variables = settings->variables, .arena = arena, .why = why}};
    struct http_header *list = ARENA_ARRAY(arena, struct http_header, d->header_count + 1);
    size_t count = 0;
    enum err e = put_templates(&x, list, &count, d->headers, d->header_count);
    if (e == OK && d->auth.kind != AUTH_NONE) {
        e = put_auth(&x, list, &count);
    }
    *ret_headers = list;
    *ret_count = count;
    return e;
}

/* ---- body ---- */

static enum err make_json(struct drafting *x) {
    struct plan_result result;
    enum err e = plan_run(&x->draft->definition->body, &x->run, &result);
    if (e != OK) {
        return e;
    }
    struct buf out;
    struct json_writer w;
    buf_init(&out, BODY_MAX);
    json_writer_init(&w, &out);
    plan_write(&result, &w, x->run.arena);
    if (out.failed == OK) {
        x->draft->item = arena_dup(x->run.arena, buf_slice(&out));
    } else {
        e = err_why(ERR_INVALID, x->run.why, "event", "the body would have more than %d bytes", BODY_MAX);
    }
    buf_fini(&out);
    return e;
}

static enum err make_form(struct drafting *x) {
    struct value members;
    enum err e = run_members(x, &x->draft->definition->body, &members);
    if (e == OK && x->d->type.kind == DESTINATION_CODE) {
        x->draft->item = value_json(&members, x->run.arena);
    } else if (e == OK) {
        x->draft->item = request_encode(pairs_of(x, &members, 0), members.count, x->run.arena);
    }
    return e;
}

static enum err make_item(struct drafting *x) {
    switch (x->draft->definition->body_kind) {
    case BODY_JSON:
        return make_json(x);
    case BODY_FORM:
        return make_form(x);
    case BODY_EVENT:
        x->draft->item = x->event;
        return OK;
    default: /* none */
        return OK;
    }
}

static enum err make_envelope(struct drafting *x) {
    struct value members;
    enum err e = run_members(x, &x->d->envelope, &members);
    if (e != OK) {
        return e;
    }
    struct value_pair *pairs = ARENA_ARRAY(x->run.arena, struct value_pair, members.count + 1);
    for (size_t i = 0; i < members.count; i++) {
        struct slice json = value_json(&members.pairs[i].value, x->run.arena);
        pairs[i] = (struct value_pair){members.pairs[i].key, {.kind = VALUE_JSON, .text = json}};
        x->draft->envelope_bytes += members.pairs[i].key.len + json.len + 4; /* quotes, colon, comma */
    }
    x->draft->envelope = (struct value){.kind = VALUE_PAIRS, .pairs = pairs, .count = members.count};
    return OK;
}

/* What must be equal for two events to share a request. */
static struct hash128 agreement(const struct drafting *x) {
    const struct destination_request *request = &x->draft->request;
    const struct value *envelope = &x->draft->envelope;
    size_t room = 2 + 2 * request->header_count + 2 * envelope->count;
    struct slice *parts = ARENA_ARRAY(x->run.arena, struct slice, 2 * room);
    size_t count = 0;
    parts[count++] = slice_of((const char *)&x->draft->definition, sizeof x->draft->definition);
    parts[count++] = request->url;
    for (size_t i = 0; i < request->header_count; i++) {
        parts[count++] = SLICE("\0");
        parts[count++] = request->headers[i].value;
    }
    for (size_t i = 0; i < envelope->count; i++) {
        parts[count++] = SLICE("\0");
        parts[count++] = envelope->pairs[i].value.text;
    }
    return hash128(value_join(parts, count, x->run.arena));
}

/* ---- the event ---- */

static struct slice lower(struct slice text, struct arena *arena) {
    char *out = arena_alloc(arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++) {
        out[i] = (char)tolower((unsigned char)text.ptr[i]);
    }
    return slice_of(out, text.len);
}

static struct slice text_at(const struct drafting *x, uint32_t slot) {
    struct value value = value_of_node(&x->doc, x->run.slots[slot]);
    return value_text(&value, x->run.arena);
}

static struct destination_refusal refuse(enum destination_refusal_kind kind, struct slice text) {
    return (struct destination_refusal){.kind = kind, .text = text};
}

static bool takes_type(const struct definition *d, struct slice type) {
    for (size_t i = 0; i < d->type.message_type_count; i++) {
        if (slice_eq(d->type.message_types[i], type)) {
            return true;
        }
    }
    return d->type.message_types == NULL;
}

/* False: *ret_refusal says why nothing is to be sent. */
static bool choose(struct drafting *x, struct destination_refusal *ret_refusal) {
    if (x->run.type.len == 0) {
        *ret_refusal = refuse(REFUSAL_DEAD, SLICE("the event has no type"));
        return false;
    }
    if (!takes_type(x->d, x->run.type)) {
        struct slice text = arena_printf(x->run.arena, "%.*s takes no %.*s events", SLICE_ARG(x->d->type.label),
            (int)(x->run.type.len < 64 ? x->run.type.len : 64), x->run.type.ptr);
        *ret_refusal = refuse(REFUSAL_TYPE, text);
        return false;
    }
    for (size_t i = 0; i < x->d->rule_count; i++) {
        const struct rule *rule = &x->d->rules[i];
        if (condition_holds(rule->when, &x->run)) {
            *ret_refusal = refuse(rule->filtered ? REFUSAL_FILTERED : REFUSAL_DEAD, rule->text);
            return false;
        }
    }
    for (size_t i = 0; i < x->d->request_count; i++) {
        if (condition_holds(x->d->requests[i].when, &x->run)) {
            x->draft->definition = &x->d->requests[i];
            return true;
        }
    }
    if (x->d->type.kind == DESTINATION_CODE) {
        return true;
    }
    *ret_refusal = refuse(REFUSAL_FILTERED, SLICE("the definition has no request for such an event"));
    return false;
}

static enum err make(struct drafting *x) {
    x->draft->request.method = x->draft->definition->method;
    x->draft->request.body_kind = x->draft->definition->body_kind;
    enum err e = make_url(x);
    if (e == OK) {
        e = make_headers(x);
    }
    if (e == OK) {
        e = make_item(x);
    }
    if (e == OK && x->d->has_envelope) {
        e = make_envelope(x);
    }
    return e;
}

static uint64_t user_of(const struct drafting *x) {
    struct slice id = text_at(x, x->d->slot_anonymous_id);
    id = id.len > 0 ? id : text_at(x, x->d->slot_user_id);
    return id.len > 0 ? hash64(id) | 1 : 0;
}

enum err draft_request(const struct destination_settings *settings, struct slice event, int64_t now_ms,
    struct json_parser *parser, struct arena *arena, struct draft_request *ret_draft,
    struct destination_refusal *ret_refusal, struct errinfo *why) {
    const struct definition *d = settings->definition;
    struct errinfo inner = {.at = 0};
    struct drafting x = {.d = d, .event = event, .draft = ret_draft};
    *ret_draft = (struct draft_request){.definition = NULL};
    enum err e = json_parse(parser, event, &x.doc, why);
    if (e != OK) {
        return e;
    }
    uint32_t *slots = ARENA_ARRAY(arena, uint32_t, d->trie.slots);
    trie_walk(&d->trie, &x.doc, 0, arena, slots);
    x.run = (struct run){.settings = settings->values,
        .variables = settings->variables,
        .doc = &x.doc,
        .slots = slots,
        .now_ms = now_ms,
        .arena = arena,
        .why = &inner};
    x.run.type = lower(text_at(&x, d->slot_type), arena);
    x.run.name = text_at(&x, d->slot_event);
    if (!choose(&x, ret_refusal)) {
        ret_draft->refused = true;
        return OK;
    }
    e = ret_draft->definition != NULL ? make(&x) : OK;
    if (e != OK) {
        ret_draft->refused = true;
        ret_draft->definition = NULL;
        *ret_refusal = refuse(REFUSAL_DEAD, arena_dup(arena, slice_cstr(inner.text)));
        return OK;
    }
    ret_draft->user = user_of(&x);
    if (d->type.kind != DESTINATION_CODE) {
        ret_draft->agrees = agreement(&x);
    }
    return OK;
}
