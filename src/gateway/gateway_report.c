/* What is told of requests: counters, rows of the live view. Refusals always, accepted events while somebody follows.
 */
#include "gateway/gateway_internal.h"

static const struct stat_info worker_infos[] = {
#define S(name, kind, unit, help) STAT_INFO_(struct gateway_stat, name, kind, unit, help)
#include "gateway/gateway_stat.def"
#undef S
};

static const struct stat_info source_infos[] = {
#define S(name, kind, unit, help) STAT_INFO_(struct source_state, name, kind, unit, help)
#include "gateway/gateway_source_stat.def"
#undef S
};

static const struct stat_info refused_infos[] = {
#define S(name, kind, unit, help) {#name, STAT_##kind, unit, help, 0},
#include "gateway/gateway_refused_stat.def"
#undef S
};

static const struct stat_info http_infos[] = {
#define S(name, kind, unit, help) {"http_" #name, STAT_##kind, unit, help, offsetof(struct http_server_stat, name)},
#include "gateway/gateway_http_stat.def"
#undef S
};

/* ---- registration ---- */

static void group_init(struct stat_group *group, const struct stat_info *infos, size_t count, const void *base) {
    *group = (struct stat_group){.module = "gateway", .info = infos, .info_count = count, .base = base};
}

void gateway_stat_register(struct worker *worker) {
    group_init(&worker->group, worker_infos, COUNT_OF(worker_infos), &worker->stat);
    group_init(&worker->http_group, http_infos, COUNT_OF(http_infos), http_server_stat(worker->server));
    (void)snprintf(worker->group.labels, sizeof(worker->group.labels), "thread=\"%u\"", worker->number);
    (void)snprintf(worker->http_group.labels, sizeof(worker->http_group.labels), "thread=\"%u\"", worker->number);
    stat_group_add(&worker->group);
    stat_group_add(&worker->http_group);
}

void gateway_stat_remove(struct worker *worker) {
    stat_group_remove(&worker->group);
    stat_group_remove(&worker->http_group);
}

void gateway_refusals_register(struct gateway *gateway) {
    for (unsigned e = OK + 1; e < ERR_COUNT; e++) {
        struct stat_group *group = &gateway->refused_groups[e];
        group_init(group, refused_infos, COUNT_OF(refused_infos), &gateway->refused[e]);
        (void)snprintf(group->labels, sizeof(group->labels), "error=\"%s\"", err_name((enum err)e));
        stat_group_add(group);
    }
}

void gateway_refusals_remove(struct gateway *gateway) {
    for (unsigned e = OK + 1; e < ERR_COUNT; e++) {
        stat_group_remove(&gateway->refused_groups[e]);
    }
}

void gateway_source_register(struct source_state *state) {
    group_init(&state->group, source_infos, COUNT_OF(source_infos), state);
    char *labels = state->group.labels;
    size_t room = sizeof(state->group.labels) - sizeof("source=\"\\\\\"");
    size_t len = (size_t)snprintf(labels, sizeof(state->group.labels), "source=\"");
    for (size_t i = 0; i < state->id.len && len < room; i++) {
        char c = state->id.ptr[i];
        if (c == '"' || c == '\\') {
            labels[len++] = '\\';
        }
        labels[len++] = c == '\n' ? ' ' : c;
    }
    labels[len] = '"';
    stat_group_add(&state->group);
}

/* ---- rows ---- */

static uint32_t latency_us(const struct http_request *request) {
    uint64_t us = (clock_mono_ns() - request->started_ns) / 1000;
    return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

static void row_init(struct feed_row *row, const char *outcome, const struct intake *intake) {
    memset(row, 0, sizeof(*row));
    row->at_ms = clock_ms();
    row->offset = UINT64_MAX;
    FEED_SET(row->stage, SLICE("gateway"));
    FEED_SET(row->outcome, slice_cstr(outcome));
    if (intake == NULL) {
        return;
    }
    if (intake->source != NULL) {
        FEED_SET(row->source, intake->source->id);
    } else if (intake->key_hint[0] != '\0') {
        (void)snprintf(row->source, sizeof(row->source), "%s…", intake->key_hint);
    }
    if (intake->route != NULL) {
        FEED_SET(row->type, intake->route->type);
    }
}

void gateway_report_refusal(
    struct worker *worker, const struct http_request *request, enum err why, int status, struct slice detail) {
    struct gateway *gateway = worker->gateway;
    const struct intake *intake = gateway_intake_of(request);
    gateway_count(&worker->stat.requests_refused, 1);
    stat_add(&gateway->refused[why], 1);
    if (intake != NULL && intake->source != NULL) {
        stat_add(&intake->source->source_requests_refused, 1);
    }
    struct feed_row row;
    row_init(&row, "rejected", intake);
    row.status = (uint16_t)status;
    row.latency_us = latency_us(request);
    bool known = intake != NULL && intake->route != NULL && intake->route->row.path[0] == '/';
    FEED_SET(row.event, known ? slice_cstr(intake->route->row.path) : request->path); /* a path may hold a write key */
    const char *text = err_text(why)[0] != '\0' ? err_text(why) : err_name(why);
    (void)snprintf(row.reason, sizeof(row.reason), "%s%s%.*s", text, detail.len > 0 ? ": " : "",
        detail.len < sizeof(row.reason) ? (int)detail.len : (int)sizeof(row.reason), detail.len > 0 ? detail.ptr : "");
    feed_post(gateway->deps.feed, &row);
}

static void report_rejected(struct worker *worker, const struct intake *intake) {
    struct feed_row row;
    row_init(&row, "rejected", intake);
    row.status = 200;
    row.latency_us = latency_us(intake->request);
    (void)snprintf(row.reason, sizeof(row.reason), "%u of %u events kept as dead letters: %s",
        (unsigned)intake->rejected, (unsigned)intake->records, err_text(intake->first_error));
    feed_post(worker->gateway->deps.feed, &row);
}

static void report_live(struct worker *worker, const struct intake *intake, const struct store_batch *batch) {
    struct feed_row row;
    row_init(&row, "accepted", intake);
    row.status = 200;
    row.latency_us = latency_us(intake->request);
    for (uint32_t i = 0; i < intake->live_count; i++) {
        const struct live_row *live = &intake->live[i];
        if (live->message_id.len == 0) {
            continue; /* rejected */
        }
        bool again = store_batch_outcome(batch, intake->first + live->record, &row.offset) == APPEND_DUPLICATE;
        FEED_SET(row.outcome, again ? SLICE("duplicate") : SLICE("accepted"));
        FEED_SET(row.type, live->type);
        FEED_SET(row.message_id, live->message_id);
        FEED_SET(row.event, live->event);
        feed_post(worker->gateway->deps.feed, &row);
    }
}

static uint32_t duplicates_of(const struct intake *intake, const struct store_batch *batch) {
    uint32_t duplicates = 0;
    for (uint32_t i = 0; batch->duplicates > 0 && i < intake->records; i++) {
        uint64_t offset = 0;
        duplicates += store_batch_outcome(batch, intake->first + i, &offset) == APPEND_DUPLICATE;
    }
    return duplicates;
}

void gateway_report_events(struct worker *worker, const struct intake *intake, const struct store_batch *batch) {
    uint32_t duplicates = duplicates_of(intake, batch);
    uint32_t stored = intake->records - intake->rejected - duplicates;
    gateway_count(&worker->stat.events_stored, stored);
    stat_add(&intake->source->source_events_stored, stored);
    if (UNLIKELY(duplicates > 0)) {
        gateway_count(&worker->stat.events_duplicate, duplicates);
        stat_add(&intake->source->source_events_duplicate, duplicates);
    }
    if (UNLIKELY(intake->rejected > 0)) {
        gateway_count(&worker->stat.events_rejected, intake->rejected);
        stat_add(&intake->source->source_events_rejected, intake->rejected);
        report_rejected(worker, intake);
    }
    if (UNLIKELY(intake->live_count > 0)) {
        report_live(worker, intake, batch);
    }
    stat_observe(&worker->stat.ack, latency_us(intake->request));
}
