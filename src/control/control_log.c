/* GET /v0/log: the last events of the log, whole, with what metadata() says of their source. For trying a
 * transformation on what really comes. */
#include "base/hash.h"
#include "control/control_internal.h"

enum {
    COUNT_DEFAULT = 20,
    COUNT_MAX = 1000,
    READ_BYTES = 1 << 20,
    OUT_BYTES = 64 << 20,   /* of one answer; later events are left out */
    FIRST_WINDOW = 1 << 10, /* offsets looked at first */
    WINDOW_FACTOR = 8,
};

struct excerpt {
    struct control_job *job;
    struct workspace *workspace;
    struct store_filter filter;
    uint64_t source;
    uint64_t from, head;
    uint64_t skip; /* matching events from `from` on that are too many */
};

/* An offset behind which there are `count` matching events, or the oldest. From the indexes. */
static enum err find_start(struct excerpt *excerpt, uint64_t count) {
    struct store *store = excerpt->job->control->deps.store;
    uint64_t tail = store_tail(store), found = 0;
    excerpt->head = store_head(store);
    for (uint64_t window = FIRST_WINDOW;; window *= WINDOW_FACTOR) {
        bool all = excerpt->head - tail <= window;
        excerpt->from = all ? tail : excerpt->head - window;
        enum err e = store_count(store, &excerpt->filter, excerpt->from, excerpt->head, &found);
        if (e != OK || all || found >= count) {
            excerpt->skip = found > count ? found - count : 0;
            return e;
        }
    }
}

static void put_text(struct json_writer *json, const char *key, struct slice text) {
    if (text.len > 0) {
        json_put_string(json, key, text);
    }
}

static void write_event(const struct excerpt *excerpt, const struct record *record) {
    struct control_job *job = excerpt->job;
    struct json_writer *json = &job->json;
    struct json_doc doc;
    const struct source *source = workspace_source_by_key(excerpt->workspace, record->head.source);
    if (job_parse(job, record->payload, &doc) != OK) {
        return;
    }
    json_write_object(json);
    json_put_raw(json, "message", record->payload);
    json_write_key(json, SLICE("metadata"));
    json_write_object(json);
    put_text(json, "workspaceId", workspace_info(excerpt->workspace)->id);
    put_text(json, "sourceId", control_source_id(excerpt->workspace, record->head.source, &job->arena));
    if (source != NULL) {
        put_text(json, "sourceName", source->name);
        put_text(json, "sourceType", source->definition.len > 0 ? source->definition : source->type);
        json_put_string(json, "sourceCategory", source->category);
    }
    json_write_end(json);
    json_write_end(json);
}

static void write_block(struct excerpt *excerpt, const struct store_block *block) {
    for (uint32_t i = 0; i < block->count; i++) {
        const struct record *record = &block->records[i];
        if (record->offset >= excerpt->head || (record->head.flags & RECORD_REJECTED) != 0) {
            continue;
        }
        if (excerpt->skip > 0) {
            excerpt->skip--;
        } else if (excerpt->job->out.len < OUT_BYTES) {
            write_event(excerpt, record);
        }
    }
}

static enum err write_events(struct excerpt *excerpt) {
    struct store_reader *reader;
    enum err e = store_reader_open(excerpt->job->control->deps.store, excerpt->from, &reader);
    if (e != OK) {
        return e;
    }
    while (e == OK && store_reader_offset(reader) < excerpt->head) {
        struct store_block *block;
        e = store_read(reader, &excerpt->filter, READ_BYTES, &block);
        if (e == OK) {
            write_block(excerpt, block);
            store_block_release(block);
        }
    }
    store_reader_close(reader);
    return e == ERR_END ? OK : e;
}

enum err route_log(struct control_job *job) {
    uint64_t count = 0;
    struct slice name;
    struct excerpt excerpt = {.job = job};
    enum err e = job_number(job, "count", COUNT_DEFAULT, COUNT_MAX, &count);
    if (e == OK && job_param(job, "source", &name)) {
        excerpt.source = hash64(name);
        excerpt.filter.sources = &excerpt.source;
        excerpt.filter.source_count = 1;
    }
    e = e == OK ? find_start(&excerpt, count) : e;
    if (e != OK) {
        return e;
    }
    excerpt.workspace = workspace_cell_get(job->control->deps.cell);
    json_write_object(&job->json);
    json_write_key(&job->json, SLICE("events"));
    json_write_array(&job->json);
    e = write_events(&excerpt);
    if (e == OK) {
        json_write_end(&job->json);
        json_write_end(&job->json);
    }
    workspace_release(excerpt.workspace);
    return e;
}
