/* Rows of the live view. What went well only while somebody follows; failures and pauses always. */
#include "base/clock.h"
#include "base/log.h"
#include "delivery/delivery_internal.h"

struct slice delivery_note_reason(const struct note *note) {
    bool by_text = note->reason == REASON_NONE || note->reason == REASON_RULE ||
        note->reason == REASON_TRANSFORMATION_DROPPED || note->reason == REASON_TRANSFORMATION_FAILED;
    return by_text && note->text.len > 0 ? note->text : slice_cstr(reason_text((enum reason)note->reason));
}

static const char *outcome_name(enum note_kind kind) {
    static const char *const names[] = {
        [NOTE_ATTEMPT] = "retry",
        [NOTE_DELIVERED] = "delivered",
        [NOTE_FILTERED] = "filtered",
        [NOTE_DEAD] = "dead",
        [NOTE_EXPIRED] = "expired",
    };
    return names[kind];
}

/* Message id and name, from the payload. */
static void set_from_payload(struct courier *courier, struct feed_row *row, struct slice payload) {
    buf_reset(&courier->row_text);
    struct json_doc doc;
    if (payload.len == 0 || buf_append(&courier->row_text, payload) != OK ||
        buf_reserve(&courier->row_text, JSON_PADDING) != OK ||
        json_parse(courier->parser, buf_slice(&courier->row_text), &doc, NULL) != OK) {
        return;
    }
    struct arena arena;
    arena_init(&arena, 1024, 0);
    uint32_t name = json_find(&doc, 0, SLICE("event"));
    if (name == JSON_ABSENT) {
        name = json_find(&doc, 0, SLICE("name"));
    }
    FEED_SET(row->message_id, json_string(&doc, json_find(&doc, 0, SLICE("messageId")), &arena));
    FEED_SET(row->event, json_string(&doc, name, &arena));
    arena_fini(&arena);
}

void rows_post_event(
    struct courier *courier, const struct sender *sender, const struct row_event *event, const struct note *note) {
    struct feed *feed = courier->delivery->deps.feed;
    bool went_well = note->kind == NOTE_DELIVERED || note->kind == NOTE_FILTERED;
    if (went_well && !feed_wanted(feed)) {
        return;
    }
    struct feed_row row = {.at_ms = note->at_ms,
        .offset = note->offset,
        .latency_us = note->duration_us,
        .status = note->status,
        .attempt = note->attempt};
    const struct source *source = workspace_source_by_key(sender->settings->workspace, event->source);
    FEED_SET(row.stage, SLICE("delivery"));
    FEED_SET(row.outcome, slice_cstr(outcome_name(note->kind)));
    FEED_SET(row.type, event_type_name(event->type));
    FEED_SET(row.source, source != NULL ? source->id : SLICE_NONE);
    FEED_SET(row.destination, slice_cstr(sender->id));
    FEED_SET(row.reason, delivery_note_reason(note));
    set_from_payload(courier, &row, event->payload);
    feed_post(feed, &row);
}

void rows_post_pause(const struct sender *sender, const char *outcome, enum reason reason) {
    struct feed_row row = {.at_ms = clock_ms(), .offset = UINT64_MAX};
    FEED_SET(row.stage, SLICE("delivery"));
    FEED_SET(row.outcome, slice_cstr(outcome));
    FEED_SET(row.destination, slice_cstr(sender->id));
    FEED_SET(row.reason, slice_cstr(reason_text(reason)));
    feed_post(sender->delivery->deps.feed, &row);
}
