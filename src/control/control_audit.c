/* GET /v0/audit: the conservation law, on a running server.
 *
 *   gateway:      everything acknowledged is in the log
 *   destination:  in = delivered + filtered + dead + expired + pending     (a row taken on the destination's own
 * thread) events that the log holds for it between the baseline and `scanned` = events handed over since the baseline
 *
 * The baseline is (offset, in) at a moment when the destination had the set of sources that it has now: a source that
 * is connected later brings events in the log that were never meant for the destination. It is kept in audit.json, so
 * that the audit reaches back over restarts and crashes; it moves forward when the log behind it is trimmed.
 *
 * thread: the helper's, but for audit_new and audit_free (the loop's, while the helper is idle). */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "control/audit_file.h"
#include "control/control_internal.h"

enum { PATH_SIZE = 4096, ARENA_CHUNK = 4096 };

struct audit {
    const struct control_deps *deps;
    struct baselines baselines;
    char path[PATH_SIZE];
};

/* ---- sources of a destination ---- */

static int by_key(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

/* Keys of all sources connected to `destination`, also by disabled connections: their events are handed over as
 * filtered. */
static uint64_t *connected_sources(
    const struct workspace *workspace, uint64_t destination, struct arena *arena, size_t *ret_count) {
    const struct workspace_info *info = workspace_info(workspace);
    uint64_t *keys = ARENA_ARRAY(arena, uint64_t, info->connection_count + 1);
    size_t count = 0;
    for (size_t i = 0; i < info->connection_count; i++) {
        if (info->connections[i].destination->key == destination) {
            keys[count++] = info->connections[i].source->key;
        }
    }
    if (count > 0) {
        qsort(keys, count, sizeof *keys, by_key);
    }
    *ret_count = count;
    return keys;
}

static uint64_t hash_sources(const uint64_t *keys, size_t count) {
    return hash64(slice_of((const char *)keys, count * sizeof *keys));
}

/* ---- baselines ---- */

static void save(struct audit *audit) {
    struct errinfo why = {.at = 0};
    if (baselines_save(&audit->baselines, audit->path, &why) != OK) {
        LOG(WARN, "control", "audit baseline not saved", "path=%s text=%s", why.path, why.text);
    }
}

/* Events handed over that lie below `scanned`: after a crash some above it are known to have ended. */
static uint64_t handed_over(const struct destination_info *info) {
    return info->counts.in - info->ahead;
}

static void set_baseline(struct baseline *row, const struct destination_info *info) {
    row->offset = info->scanned;
    row->in = handed_over(info);
    row->ready = true;
}

static void drop_unknown(struct audit *audit, const struct destination_info *list, size_t count, bool *changed) {
    size_t at = 0;
    while (at < audit->baselines.count) {
        uint64_t key = audit->baselines.rows[at].destination;
        size_t found = 0;
        while (found < count && (list[found].key != key || list[found].state == DESTINATION_RETIRED)) {
            found++;
        }
        if (found < count) {
            at++;
        } else {
            baselines_remove(&audit->baselines, key);
            *changed = true;
        }
    }
}

/* Compares every destination's set of sources with its baseline's. quiet: nothing is being handed over now, so that a
 * new baseline holds from this moment; otherwise it is taken once all that the log holds by now has been scanned. */
static void refresh(struct audit *audit, bool quiet) {
    struct arena arena;
    struct destination_info *list;
    size_t count = 0;
    bool changed = false;
    arena_init(&arena, ARENA_CHUNK, 0);
    enum err e = delivery_list(audit->deps->delivery, &arena, &list, &count);
    struct workspace *workspace = workspace_cell_get(audit->deps->cell);
    uint64_t head = store_head(audit->deps->store);
    if (e == OK) {
        drop_unknown(audit, list, count, &changed);
    }
    for (size_t i = 0; e == OK && i < count; i++) {
        size_t source_count = 0;
        const uint64_t *keys = connected_sources(workspace, list[i].key, &arena, &source_count);
        uint64_t sources = hash_sources(keys, source_count);
        const struct baseline *old = baselines_find(&audit->baselines, list[i].key);
        if (list[i].state == DESTINATION_RETIRED || (old != NULL && old->sources == sources)) {
            continue;
        }
        struct baseline *row = baselines_put(&audit->baselines, list[i].key);
        *row = (struct baseline){.destination = list[i].key, .sources = sources, .ready_at = head};
        if (quiet) {
            set_baseline(row, &list[i]);
        }
        changed = true;
    }
    workspace_release(workspace);
    arena_fini(&arena);
    if (changed) {
        save(audit);
    }
}

struct audit *audit_new(const struct control_deps *deps) {
    struct audit *audit = mem_alloc(sizeof *audit);
    struct errinfo why = {.at = 0};
    audit->deps = deps;
    snprintf(audit->path, sizeof audit->path, "%s/audit.json", deps->data_path);
    enum err e = baselines_load(&audit->baselines, audit->path, &why);
    if (e != OK && e != ERR_NOT_FOUND) {
        LOG(WARN, "control", "audit begins anew", "path=%s text=%s", why.path, why.text);
    }
    refresh(audit, /* quiet: */ true);
    return audit;
}

void audit_free(struct audit *audit) {
    if (audit != NULL) {
        baselines_fini(&audit->baselines);
        mem_free(audit);
    }
}

void audit_workspace_changed(struct audit *audit) {
    refresh(audit, /* quiet: */ false);
}

/* ---- checks ---- */

struct log_check {
    bool checked, ok;
    uint64_t from, to, events, handed_over;
};

/* Brings the baseline up to date; false while there is none to compare with. */
static bool advance_baseline(struct audit *audit, struct baseline *row, const struct destination_info *info) {
    uint64_t tail = store_tail(audit->deps->store);
    if (row == NULL) {
        return false;
    }
    bool taken = !row->ready && info->scanned >= row->ready_at;
    bool trimmed = row->ready && row->offset < tail && info->scanned >= tail && info->scanned > row->offset;
    if (taken || trimmed) {
        set_baseline(row, info);
        save(audit);
    }
    return row->ready && row->offset >= tail && info->scanned >= tail;
}

static enum err check_log(struct control_job *job, const struct workspace *workspace,
    const struct destination_info *info, struct log_check *ret_check) {
    struct audit *audit = job->control->audit;
    struct baseline *row = baselines_find(&audit->baselines, info->key);
    *ret_check = (struct log_check){.ok = true};
    if (info->state == DESTINATION_RETIRED || !advance_baseline(audit, row, info)) {
        return OK;
    }
    size_t count = 0;
    const uint64_t *keys = connected_sources(workspace, info->key, &job->arena, &count);
    struct store_filter filter = {.sources = keys, .source_count = count, .target = info->key};
    /* after a crash the cursor may stand before the baseline: then the events between are still to come */
    bool ahead = info->scanned >= row->offset;
    ret_check->checked = true;
    ret_check->from = ahead ? row->offset : info->scanned;
    ret_check->to = ahead ? info->scanned : row->offset;
    ret_check->handed_over = ahead ? handed_over(info) - row->in : row->in - handed_over(info);
    enum err e =
        count == 0 ? OK : store_count(audit->deps->store, &filter, ret_check->from, ret_check->to, &ret_check->events);
    ret_check->ok = e == OK && ret_check->events == ret_check->handed_over;
    return e;
}

static bool write_destination(
    struct control_job *job, const struct destination_info *info, const struct log_check *check) {
    struct json_writer *json = &job->json;
    const struct cursor_counts *counts = &info->counts;
    bool balanced = counts->in == counts->delivered + counts->filtered + counts->dead + counts->expired + info->open;
    json_write_object(json);
    json_put_cstr(json, "id", info->id);
    json_put_cstr(json, "state", destination_state_name(info->state));
    json_put_u64(json, "in", counts->in);
    json_put_u64(json, "delivered", counts->delivered);
    json_put_u64(json, "filtered", counts->filtered);
    json_put_u64(json, "dead", counts->dead);
    json_put_u64(json, "expired", counts->expired);
    json_put_u64(json, "pending", info->open);
    json_put_u64(json, "behind", info->behind);
    json_put_bool(json, "balanced", balanced);
    json_write_key(json, SLICE("log"));
    if (check->checked) {
        json_write_object(json);
        json_put_u64(json, "from", check->from);
        json_put_u64(json, "to", check->to);
        json_put_u64(json, "events", check->events);
        json_put_u64(json, "handed_over", check->handed_over);
        json_put_bool(json, "ok", check->ok);
        json_write_end(json);
    } else {
        json_write_null(json); /* its sources have just changed, or it is not fed */
    }
    json_put_bool(json, "ok", balanced && check->ok);
    json_write_end(json);
    return balanced && check->ok;
}

/* Counts are read before the head: what is acknowledged meanwhile can only make the log longer. */
static bool write_gateway(struct control_job *job) {
    struct gateway_counts counts;
    gateway_counts(job->control->deps.gateway, &counts);
    uint64_t acknowledged = counts.events_stored + counts.events_rejected;
    uint64_t in_log = store_head(job->control->deps.store) - job->control->deps.first_head;
    json_write_key(&job->json, SLICE("gateway"));
    json_write_object(&job->json);
    json_put_u64(&job->json, "acknowledged", acknowledged);
    json_put_u64(&job->json, "log", in_log);
    json_put_bool(&job->json, "ok", acknowledged <= in_log);
    json_write_end(&job->json);
    return acknowledged <= in_log;
}

static enum err write_destinations(struct control_job *job, const struct workspace *workspace, bool *ok) {
    struct destination_info *list;
    size_t count = 0;
    enum err e = delivery_list(job->control->deps.delivery, &job->arena, &list, &count);
    if (e != OK) {
        return e;
    }
    json_write_key(&job->json, SLICE("destinations"));
    json_write_array(&job->json);
    for (size_t i = 0; e == OK && i < count; i++) {
        struct log_check check;
        e = check_log(job, workspace, &list[i], &check);
        *ok = write_destination(job, &list[i], &check) && *ok;
    }
    json_write_end(&job->json);
    return e;
}

enum err route_audit(struct control_job *job) {
    struct workspace *workspace = workspace_cell_get(job->control->deps.cell);
    json_write_object(&job->json);
    bool ok = write_gateway(job);
    enum err e = write_destinations(job, workspace, &ok);
    workspace_release(workspace);
    if (e == OK) {
        json_put_bool(&job->json, "ok", ok);
        json_write_end(&job->json);
    }
    return e;
}
