/* One event: who it is of, what its ids are, and the splices that turn the bytes as they came into the record that is
 * stored. Only what the gateway sets changes; key order, number text and unknown fields stay (json/json_edit.h).
 *
 * Members of fixed form are put together here: their values are hex digits, which need no escaping. */
#include "gateway/gateway_internal.h"

#include "base/hash.h"
#include "json/json_edit.h"
#include "json/json_write.h"

enum field {
    FIELD_TYPE,
    FIELD_ANONYMOUS_ID,
    FIELD_USER_ID,
    FIELD_MESSAGE_ID,
    FIELD_RECEIVED_AT,
    FIELD_REQUEST_IP,
    FIELD_RUDDER_ID,
    FIELD_TIMESTAMP,
    FIELD_ORIGINAL_TIMESTAMP,
    FIELD_SENT_AT,
    FIELD_COUNT
};

static const struct slice field_names[FIELD_COUNT] = {
    [FIELD_TYPE] = {"type", 4},
    [FIELD_ANONYMOUS_ID] = {"anonymousId", 11},
    [FIELD_USER_ID] = {"userId", 6},
    [FIELD_MESSAGE_ID] = {"messageId", 9},
    [FIELD_RECEIVED_AT] = {"receivedAt", 10},
    [FIELD_REQUEST_IP] = {"request_ip", 10},
    [FIELD_RUDDER_ID] = {"rudderId", 8},
    [FIELD_TIMESTAMP] = {"timestamp", 9},
    [FIELD_ORIGINAL_TIMESTAMP] = {"originalTimestamp", 17},
    [FIELD_SENT_AT] = {"sentAt", 6},
};

/* `"name":"<uuid>"`, the value with its quotes at the end. */
struct uuid_member {
    char text[sizeof("\"anonymousId\":\"\"") + UUID_LEN];
    size_t len;
};

static char *uuid_member_init(struct uuid_member *member, struct slice name) {
    char *at = member->text;
    *at++ = '"';
    memcpy(at, name.ptr, name.len);
    at += name.len;
    memcpy(at, "\":\"", 3);
    at += 3;
    at[UUID_LEN] = '"';
    member->len = (size_t)(at - member->text) + UUID_LEN + 1;
    return at;
}

static void uuid_member_set(struct json_edit *edit, const struct uuid_member *member, uint32_t node) {
    if (node == JSON_ABSENT) {
        json_edit_append(edit, slice_of(member->text, member->len));
        return;
    }
    json_edit_replace(edit, node, slice_of(member->text + member->len - UUID_LEN - 2, UUID_LEN + 2));
}

/* An id as the original reads it: null is "", a string is itself, anything else its JSON text. */
static struct slice identity(const struct json_doc *doc, uint32_t node, struct arena *arena) {
    if (node == JSON_ABSENT || json_kind(doc, node) == JSON_NULL) {
        return SLICE("");
    }
    struct slice text = json_kind(doc, node) == JSON_STRING ? json_string(doc, node, arena) : json_raw(doc, node);
    return gateway_clean(text, arena);
}

/* An anonymousId for an event of which it is not known who it was. */
static struct slice identity_make(struct json_edit *edit, struct uuid_member *made, uint32_t node) {
    char *uuid = uuid_member_init(made, field_names[FIELD_ANONYMOUS_ID]);
    uuid_v4(uuid);
    uuid_member_set(edit, made, node);
    return slice_of(uuid, UUID_LEN);
}

/* The event's type may do without a user. */
static bool needs_no_identity(struct slice type) {
    return slice_eq(type, SLICE("extract")) || slice_eq(type, SLICE("record"));
}

static void rudder_id(struct enrich *enrich, struct slice user_id, struct slice anonymous_id, char out[UUID_LEN]) {
    struct identity_memo *memo = enrich->memo;
    char small[IDENTITY_KEY_MAX];
    size_t len = user_id.len + 1 + anonymous_id.len;
    char *key = len <= sizeof(small) ? small : arena_alloc(enrich->arena, len);
    memcpy(key, user_id.ptr, user_id.len);
    key[user_id.len] = ':';
    memcpy(key + user_id.len + 1, anonymous_id.ptr, anonymous_id.len);
    if (memo->len == len && memcmp(memo->key, key, len) == 0) {
        memcpy(out, memo->rudder_id, UUID_LEN);
        return;
    }
    gateway_rudder_id(slice_of(key, len), out);
    if (len <= sizeof(memo->key)) {
        memcpy(memo->key, key, len);
        memo->len = len;
        memcpy(memo->rudder_id, out, UUID_LEN);
    }
}

static void live_row_set(
    struct enrich *enrich, uint32_t record, uint32_t node, struct slice type, struct slice message_id) {
    const struct json_doc *doc = enrich->doc;
    uint32_t name = json_find(doc, node, SLICE("event"));
    if (name == JSON_ABSENT) {
        name = json_find(doc, node, SLICE("name"));
    }
    enrich->live[record] = (struct live_row){.record = record,
        .type = type,
        .message_id = arena_dup(enrich->arena, message_id),
        .event = json_string(doc, name, enrich->arena)};
}

/* The messageId as it is to be, and what of the event has to change for it. Made by us when there is none. */
static struct slice message_id_set(struct enrich *enrich, struct json_edit *edit, uint32_t node,
    struct uuid_member *made, struct buf *escaped, bool *ret_made) {
    const struct json_doc *doc = enrich->doc;
    struct slice given = json_string(doc, node, enrich->arena); /* node may be absent */
    struct slice cleaned = given.len > 0 ? gateway_clean(given, enrich->arena) : SLICE_NONE;
    *ret_made = cleaned.len == 0;
    if (*ret_made) {
        char *uuid = uuid_member_init(made, field_names[FIELD_MESSAGE_ID]);
        uuid_v4(uuid);
        uuid_member_set(edit, made, node);
        return slice_of(uuid, UUID_LEN);
    }
    if (cleaned.len != given.len) {
        json_escape(escaped, cleaned);
        json_edit_replace(edit, node, buf_slice(escaped));
    }
    return cleaned;
}

static void type_set(const struct enrich *enrich, struct json_edit *edit, uint32_t node) {
    struct slice member = enrich->type_member;
    if (node == JSON_ABSENT) {
        json_edit_append(edit, member);
        return;
    }
    struct slice value = slice_of(member.ptr + member.len - enrich->type.len - 2, enrich->type.len + 2);
    if (!slice_eq(json_raw(edit->doc, node), value)) {
        json_edit_replace(edit, node, value);
    }
}

/* ---- times ---- */

#define SKEW_MAX_MS (INT64_C(20) * 365 * 86400000) /* more is no clock that goes wrong, it is no clock */

/* `"name":"<time>"` of those that the sender left out. */
struct times {
    char original[sizeof("\"originalTimestamp\":\"\"") + CLOCK_RFC3339_SIZE];
    char sent[sizeof("\"sentAt\":\"\"") + CLOCK_RFC3339_SIZE];
    char own[sizeof("\"timestamp\":\"\"") + CLOCK_RFC3339_SIZE];
};

static int64_t time_at(const struct enrich *enrich, uint32_t node) {
    int64_t ms = 0;
    bool text = json_is(enrich->doc, node, JSON_STRING);
    return text && clock_parse(json_string(enrich->doc, node, enrich->arena), &ms) == OK ? ms : enrich->received_ms;
}

static void time_set(struct json_edit *edit, char *room, size_t size, const char *name, int64_t ms) {
    char time[CLOCK_RFC3339_SIZE];
    clock_format(ms, time);
    int len = snprintf(room, size, "\"%s\":\"%s\"", name, time); /* digits and punctuation: nothing to escape */
    json_edit_append(edit, slice_of(room, (size_t)len));
}

/* When it happened by our clock: what the sender's clock says, less what it is ahead of ours. What the sender said of
 * times is kept as it is. */
static void times_set(
    const struct enrich *enrich, struct json_edit *edit, const uint32_t at[FIELD_COUNT], struct times *times) {
    if (at[FIELD_ORIGINAL_TIMESTAMP] == JSON_ABSENT) {
        time_set(edit, times->original, sizeof times->original, "originalTimestamp", enrich->received_ms);
    }
    if (at[FIELD_SENT_AT] == JSON_ABSENT) {
        time_set(edit, times->sent, sizeof times->sent, "sentAt", enrich->received_ms);
    }
    if (at[FIELD_TIMESTAMP] == JSON_ABSENT) {
        int64_t since = time_at(enrich, at[FIELD_SENT_AT]) - time_at(enrich, at[FIELD_ORIGINAL_TIMESTAMP]);
        bool sane = since > -SKEW_MAX_MS && since < SKEW_MAX_MS;
        time_set(edit, times->own, sizeof times->own, "timestamp", enrich->received_ms - (sane ? since : 0));
    }
}

static struct record_head head_of(const struct enrich *enrich) {
    return (struct record_head){.received_ms = enrich->received_ms, .source = enrich->source};
}

static bool frame(const struct json_edit *edit, const struct record_head *head, struct store_batch *batch) {
    char *room = store_batch_add(batch, head, SLICE_NONE, json_edit_size(edit));
    if (room == NULL) {
        return false;
    }
    json_edit_write(edit, room);
    return true;
}

enum err gateway_event_add(struct enrich *enrich, uint32_t record, uint32_t node, struct store_batch *batch) {
    const struct json_doc *doc = enrich->doc;
    if (!json_is(doc, node, JSON_OBJECT)) {
        return ERR_NOT_EVENT;
    }
    uint32_t at[FIELD_COUNT];
    json_find_many(doc, node, field_names, FIELD_COUNT, at);
    struct slice anonymous_id = identity(doc, at[FIELD_ANONYMOUS_ID], enrich->arena);
    struct slice user_id = identity(doc, at[FIELD_USER_ID], enrich->arena);
    struct slice type = enrich->type.len > 0 ? enrich->type : json_string(doc, at[FIELD_TYPE], enrich->arena);
    bool nobody = anonymous_id.len + user_id.len == 0 && !needs_no_identity(type);
    if (nobody && !enrich->allow_no_identity && !enrich->makes_identity) {
        return ERR_NO_IDENTITY;
    }
    struct json_edit edit;
    json_edit_init(&edit, doc, node);
    struct uuid_member somebody;
    if (nobody && enrich->makes_identity) {
        anonymous_id = identity_make(&edit, &somebody, at[FIELD_ANONYMOUS_ID]);
    }
    if (enrich->type.len > 0) {
        type_set(enrich, &edit, at[FIELD_TYPE]);
    }
    struct uuid_member rudder, message;
    rudder_id(enrich, user_id, anonymous_id, uuid_member_init(&rudder, field_names[FIELD_RUDDER_ID]));
    uuid_member_set(&edit, &rudder, at[FIELD_RUDDER_ID]);
    if (at[FIELD_RECEIVED_AT] == JSON_ABSENT) {
        json_edit_append(&edit, enrich->received_member);
    }
    if (at[FIELD_REQUEST_IP] == JSON_ABSENT) {
        json_edit_append(&edit, enrich->address_member);
    }
    struct times times;
    times_set(enrich, &edit, at, &times);
    struct buf escaped;
    buf_init(&escaped, /* ceiling: */ 0);
    bool made = false;
    struct slice message_id = message_id_set(enrich, &edit, at[FIELD_MESSAGE_ID], &message, &escaped, &made);
    struct slice user = anonymous_id.len > 0 ? anonymous_id : user_id;
    struct record_head head = head_of(enrich);
    head.user = user.len > 0 ? hash64(user) : 0;
    head.message = hash128(message_id);
    head.type = (uint8_t)(enrich->type.len > 0 ? enrich->forced : event_type_parse(type));
    head.flags = made ? RECORD_NO_DEDUP : 0;
    bool framed = frame(&edit, &head, batch);
    buf_fini(&escaped);
    if (framed && enrich->live != NULL && record < GATEWAY_LIVE_ROWS) {
        live_row_set(enrich, record, node, type, message_id);
    }
    return framed ? OK : ERR_TOO_LARGE;
}

/* A string member of what may not even be an object; "" when there is none. */
static struct slice text_of(const struct enrich *enrich, uint32_t node, enum field field) {
    struct slice text = json_string(enrich->doc, json_find(enrich->doc, node, field_names[field]), enrich->arena);
    return gateway_clean(text.len > 0 ? text : SLICE(""), enrich->arena);
}

enum err gateway_event_reject(const struct enrich *enrich, uint32_t node, enum err reason, struct store_batch *batch) {
    struct slice raw = json_raw(enrich->doc, node);
    struct slice message_id = text_of(enrich, node, FIELD_MESSAGE_ID);
    struct record_head head = head_of(enrich);
    head.message = message_id.len > 0 ? hash128(message_id) : (struct hash128){0};
    head.type = (uint8_t)event_type_parse(enrich->type.len > 0 ? enrich->type : text_of(enrich, node, FIELD_TYPE));
    head.flags = RECORD_REJECTED | RECORD_NO_DEDUP; /* the same messageId may come again, put right */
    char *room = store_batch_add(batch, &head, slice_cstr(err_text(reason)), raw.len);
    if (room == NULL) {
        return ERR_TOO_LARGE;
    }
    memcpy(room, raw.ptr, raw.len);
    return OK;
}

struct events gateway_events_single(void) {
    return (struct events){.list = JSON_ABSENT, .first = 0, .count = 1};
}

struct events gateway_events_batch(const struct json_doc *doc) {
    struct events none = {.list = JSON_ABSENT, .first = JSON_ABSENT, .count = 0};
    uint32_t list = json_find(doc, 0, SLICE("batch"));
    if (list == JSON_ABSENT || json_kind(doc, list) == JSON_NULL) {
        return none;
    }
    if (json_kind(doc, list) != JSON_ARRAY) {
        return (struct events){.list = JSON_ABSENT, .first = list, .count = 1};
    }
    return (struct events){.list = list, .first = json_first(doc, list), .count = json_count(doc, list)};
}

uint32_t gateway_events_next(const struct events *events, const struct json_doc *doc, uint32_t node) {
    return events->list == JSON_ABSENT ? JSON_ABSENT : json_after(doc, events->list, node);
}

static enum err add_or_reject(
    struct enrich *enrich, uint32_t node, bool strict, struct store_batch *batch, struct intake_result *result) {
    enum err err = gateway_event_add(enrich, result->records, node, batch);
    if (err == OK) {
        result->records++;
        return OK;
    }
    if (result->first_error == OK) {
        result->first_error = err;
    }
    if (strict || err == ERR_TOO_LARGE) {
        return err;
    }
    err = gateway_event_reject(enrich, node, err, batch);
    result->records += err == OK;
    result->rejected += err == OK;
    return err;
}

enum err gateway_events_add(struct enrich *enrich, const struct events *events, bool strict, struct store_batch *batch,
    struct intake_result *ret_result) {
    struct intake_result result = {0};
    enum err err = OK;
    for (uint32_t node = events->first; node != JSON_ABSENT && err == OK;
         node = gateway_events_next(events, enrich->doc, node)) {
        err = add_or_reject(enrich, node, strict, batch, &result);
    }
    if (err == OK && result.rejected == result.records) {
        err = result.first_error;
    }
    for (uint32_t i = 0; err != OK && i < result.records; i++) {
        store_batch_drop_last(batch);
    }
    if (err == OK) {
        *ret_result = result;
    }
    return err;
}
