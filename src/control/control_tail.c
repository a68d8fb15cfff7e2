/* GET /v0/tail: what happens to events, as JSON lines. The last rows come from the log (accepted events) and from the
 * feed's ring (refusals and failures, which it always keeps), merged by time; with follow=1 the feed's rows go on as
 * they come.
 *
 * To leave no gap, following begins before the log is read; rows of events that the log part has shown are left out.
 * thread: history is gathered on the helper thread, all else on the loop. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "control/control_internal.h"

enum {
    COUNT_DEFAULT = 20,
    COUNT_MAX = 1000,
    LOOK_BACK = 2000, /* records of the log looked at for those that match */
    READ_BYTES = 1 << 20,
    STREAM_ROWS = 64,      /* rows taken from the feed at a time */
    BACKLOG_MAX = 1 << 20, /* bytes that a slow reader may hold; past it rows are missed, and that is said */
};

struct tail {
    struct control_job *job; /* until the history is written; then its parameters live on in it */
    struct control *control;
    struct tail *next;
    bool following;
    struct feed_follow *follow;
    struct http_stream *stream; /* NULL until the history is there */
    struct loop_defer end;      /* frees at the end of the iteration: not from inside a callback of what is freed */
    uint64_t count;
    struct slice source, destination, outcome, type; /* "" = any */
    uint64_t after;                                  /* sequence of the last row shown */
    uint64_t log_end;                                /* accepted rows below this offset were shown from the log */
    uint64_t missed;
    struct feed_row rows[STREAM_ROWS];
};

/* ---- rows ---- */

static bool wanted(struct slice filter, const char *value) {
    return filter.len == 0 || slice_eq(filter, slice_cstr(value));
}

static bool row_matches(const struct tail *tail, const struct feed_row *row) {
    return wanted(tail->source, row->source) && wanted(tail->destination, row->destination) &&
        wanted(tail->outcome, row->outcome) && wanted(tail->type, row->type);
}

static bool row_from_log(const struct tail *tail, const struct feed_row *row) {
    return row->offset < tail->log_end && strcmp(row->outcome, "accepted") == 0;
}

static void write_row(struct buf *out, const struct feed_row *row) {
    struct json_writer json;
    json_writer_init(&json, out);
    json_write_object(&json);
    json_put_time(&json, "time", row->at_ms);
    json_put_cstr(&json, "stage", row->stage);
    json_put_cstr(&json, "outcome", row->outcome);
    json_put_cstr(&json, "type", row->type);
    json_put_cstr(&json, "event", row->event);
    json_put_cstr(&json, "source", row->source);
    json_put_cstr(&json, "destination", row->destination);
    json_put_cstr(&json, "message_id", row->message_id);
    json_put_u64(&json, "status", row->status);
    json_put_u64(&json, "attempt", row->attempt);
    json_put_u64(&json, "latency_us", row->latency_us);
    if (row->offset != UINT64_MAX) {
        json_put_u64(&json, "offset", row->offset);
    }
    json_put_cstr(&json, "reason", row->reason);
    json_write_end(&json);
    buf_append_byte(out, '\n');
}

static void write_missed(struct buf *out, uint64_t missed) {
    struct json_writer json;
    json_writer_init(&json, out);
    json_write_object(&json);
    json_put_u64(&json, "missed", missed);
    json_write_end(&json);
    buf_append_byte(out, '\n');
}

/* ---- history, on the helper thread ---- */

struct history {
    struct feed_row *rows;
    size_t count, room;
};

static void history_add(struct history *history, const struct feed_row *row) {
    if (history->count == history->room) {
        history->room = history->room > 0 ? history->room * 2 : 64;
        history->rows = mem_resize(history->rows, history->room * sizeof *history->rows);
    }
    history->rows[history->count++] = *row;
}

static void row_from_record(
    struct control_job *job, const struct workspace *workspace, const struct record *record, struct feed_row *row) {
    struct event_names names;
    bool rejected = (record->head.flags & RECORD_REJECTED) != 0;
    *row =
        (struct feed_row){.at_ms = record->head.received_ms, .offset = record->offset, .status = rejected ? 400 : 200};
    job_event_names(job, record->payload, &names);
    FEED_SET(row->stage, SLICE("gateway"));
    FEED_SET(row->outcome, rejected ? SLICE("rejected") : SLICE("accepted"));
    FEED_SET(row->type, event_type_name((enum event_type)record->head.type));
    FEED_SET(row->source, control_source_id(workspace, record->head.source, &job->arena));
    FEED_SET(row->event, names.event);
    FEED_SET(row->message_id, names.message_id);
    FEED_SET(row->reason, record->why);
}

/* Records from the last LOOK_BACK on that match. Rejected ones are in the feed's ring too, with more to say: they are
 * taken from there. */
static enum err read_log(struct tail *tail, struct history *history) {
    struct control_job *job = tail->job;
    struct store *store = tail->control->deps.store;
    uint64_t head = store_head(store), first = store_tail(store);
    uint64_t from = head - first > LOOK_BACK ? head - LOOK_BACK : first;
    struct store_reader *reader;
    struct feed_row row;
    tail->log_end = head;
    enum err e = store_reader_open(store, from, &reader);
    if (e != OK) {
        return e;
    }
    struct store_filter filter = {.sources = NULL};
    struct workspace *workspace = workspace_cell_get(tail->control->deps.cell);
    while (e == OK && store_reader_offset(reader) < head) {
        struct store_block *block;
        e = store_read(reader, &filter, READ_BYTES, &block);
        if (e != OK) {
            break;
        }
        for (uint32_t i = 0; i < block->count; i++) {
            const struct record *record = &block->records[i];
            if (record->offset >= head || (record->head.flags & RECORD_REJECTED) != 0) {
                continue;
            }
            row_from_record(job, workspace, record, &row);
            if (row_matches(tail, &row)) {
                history_add(history, &row);
            }
        }
        store_block_release(block);
    }
    workspace_release(workspace);
    store_reader_close(reader);
    return e == ERR_END ? OK : e;
}

static void read_ring(struct tail *tail, struct history *history) {
    struct feed_row *rows = mem_alloc(FEED_ROWS * sizeof *rows);
    uint64_t missed = 0; /* before our time */
    size_t count = feed_read(tail->control->deps.feed, 0, rows, FEED_ROWS, &missed);
    for (size_t i = 0; i < count; i++) {
        tail->after = rows[i].sequence;
        if (!row_from_log(tail, &rows[i]) && row_matches(tail, &rows[i])) {
            history_add(history, &rows[i]);
        }
    }
    mem_free(rows);
}

static int by_time(const void *a, const void *b) {
    const struct feed_row *left = a, *right = b;
    if (left->at_ms != right->at_ms) {
        return left->at_ms < right->at_ms ? -1 : 1;
    }
    return left->offset < right->offset ? -1 : left->offset > right->offset;
}

static enum err gather(struct tail *tail) {
    struct history history = {.rows = NULL};
    enum err e = read_log(tail, &history);
    read_ring(tail, &history);
    if (history.count > 0) {
        qsort(history.rows, history.count, sizeof *history.rows, by_time);
    }
    size_t skip = history.count > tail->count ? history.count - (size_t)tail->count : 0;
    for (size_t i = skip; i < history.count; i++) {
        write_row(&tail->job->out, &history.rows[i]);
    }
    mem_free(history.rows);
    return e;
}

static void on_run(struct work *work) {
    struct control_job *job = CONTAINER_OF(work, struct control_job, work);
    struct tail *tail = job->request->user;
    job->result = gather(tail);
}

/* ---- following, on the loop ---- */

static void tail_free(struct tail *tail) {
    for (struct tail **link = &tail->control->tails; *link != NULL; link = &(*link)->next) {
        if (*link == tail) {
            *link = tail->next;
            break;
        }
    }
    if (tail->follow != NULL) {
        feed_unfollow(tail->follow);
    }
    if (tail->stream != NULL) {
        http_stream_end(tail->stream);
    }
    mem_free((char *)(uintptr_t)tail->source.ptr); /* all four texts are one block */
    mem_free(tail);
}

static void on_end(struct loop_defer *defer) {
    tail_free(CONTAINER_OF(defer, struct tail, end));
}

static void on_gone(void *ctx) {
    struct tail *tail = ctx;
    loop_defer(tail->control->deps.loop, &tail->end);
}

/* Rows from tail->rows to the client; what a slow reader cannot take is counted. */
static void send_rows(struct tail *tail, size_t count) {
    struct buf out;
    buf_init(&out, 0);
    bool slow = http_stream_backlog(tail->stream) > BACKLOG_MAX;
    if (!slow && tail->missed > 0) {
        write_missed(&out, tail->missed);
        tail->missed = 0;
    }
    for (size_t i = 0; i < count; i++) {
        const struct feed_row *row = &tail->rows[i];
        tail->after = row->sequence;
        if (row_from_log(tail, row) || !row_matches(tail, row)) {
            continue;
        }
        if (slow) {
            tail->missed++;
        } else {
            write_row(&out, row);
        }
    }
    if (out.len > 0 && !http_stream_write(tail->stream, buf_slice(&out))) {
        loop_defer(tail->control->deps.loop, &tail->end);
    }
    buf_fini(&out);
}

static void on_rows(void *ctx) {
    struct tail *tail = ctx;
    if (tail->stream == NULL || tail->end.pending) {
        return;
    }
    size_t count = STREAM_ROWS;
    while (count == STREAM_ROWS && !tail->end.pending) {
        uint64_t missed = 0;
        count = feed_read(tail->control->deps.feed, tail->after, tail->rows, STREAM_ROWS, &missed);
        tail->missed += missed;
        send_rows(tail, count);
    }
}

static void on_done(struct work *work) {
    struct control_job *job = CONTAINER_OF(work, struct control_job, work);
    struct tail *tail = job->request->user;
    tail->job = NULL;
    if (job->result != OK || !tail->following) {
        tail_free(tail);
        job_answer(job);
        return;
    }
    tail->stream = http_stream_begin(job->request, 200, slice_cstr(job->content_type), on_gone, tail);
    bool there = http_stream_write(tail->stream, buf_slice(&job->out)); /* false also when the client left before */
    job_free(job);
    if (!there) {
        loop_defer(tail->control->deps.loop, &tail->end);
        return;
    }
    on_rows(tail); /* what came while the log was read */
}

/* ---- beginning ---- */

/* The four filters in one block of the heap: they outlive the job. */
static void take_filters(struct tail *tail, struct control_job *job) {
    static const char *const names[] = {"source", "destination", "outcome", "type"};
    struct slice *const places[] = {&tail->source, &tail->destination, &tail->outcome, &tail->type};
    struct slice values[COUNT_OF(names)];
    size_t size = 1;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (!job_param(job, names[i], &values[i])) {
            values[i] = SLICE("");
        }
        size += values[i].len;
    }
    char *at = mem_alloc(size);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        *places[i] = slice_of(at, values[i].len);
        memcpy(at, values[i].ptr, values[i].len);
        at += values[i].len;
    }
}

enum err route_tail(struct control_job *job) {
    uint64_t count = 0;
    job->result = job_number(job, "count", COUNT_DEFAULT, COUNT_MAX, &count);
    if (job->result != OK) {
        job_answer(job);
        return OK;
    }
    struct control *control = job->control;
    struct tail *tail = mem_alloc(sizeof *tail);
    tail->job = job;
    tail->control = control;
    tail->count = count;
    tail->following = job_flag(job, "follow");
    tail->end.on_defer = on_end;
    tail->next = control->tails;
    control->tails = tail;
    take_filters(tail, job);
    if (tail->following) {
        tail->follow = feed_follow(control->deps.feed, control->deps.loop, on_rows, tail);
    }
    job->content_type = "application/x-ndjson";
    job->request->user = tail;
    job->work.run = on_run;
    job->work.on_done = on_done;
    work_put(control->deps.work, &job->work);
    return OK;
}

void tails_free(struct control *control) {
    while (control->tails != NULL) {
        tail_free(control->tails);
    }
}
