/* GET /v0/stat and /v0/workspace: how things are. */
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/control_internal.h"

/* ---- stat ---- */

static int64_t resident_bytes(void) {
    unsigned long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL) {
        return 0;
    }
    int fields = fscanf(file, "%lu %lu", &pages, &resident); /* NOLINT(cert-err34-c): the kernel's own file */
    (void)fclose(file);                                      /* was only read */
    return fields == 2 ? (int64_t)resident * sysconf(_SC_PAGESIZE) : 0;
}

static void write_process(struct control_job *job) {
    const struct control_deps *deps = &job->control->deps;
    struct rusage usage = {.ru_maxrss = 0};
    (void)getrusage(RUSAGE_SELF, &usage); /* cannot fail with these arguments */
    enum { MS_PER_S = 1000, US_PER_MS = 1000 };
    json_put_cstr(&job->json, "version", deps->version);
    json_put_i64(&job->json, "pid", getpid());
    json_put_u64(&job->json, "port", deps->port);
    json_put_time(&job->json, "now", clock_ms());
    json_put_time(&job->json, "started", deps->started_ms);
    json_put_i64(&job->json, "uptime_ms", clock_ms() - deps->started_ms);
    json_put_bool(&job->json, "test_clock", clock_test_active());
    json_put_i64(&job->json, "resident_bytes", resident_bytes());
    json_put_i64(&job->json, "cpu_ms",
        (int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * MS_PER_S +
            (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / US_PER_MS);
}

/* The gateway's threads each have a histogram; a person wants one. */
static void add_ack(void *ctx, const struct stat_group *group, const struct stat_info *info) {
    struct stat_histogram *sum = ctx;
    bool is_ack =
        info->kind == STAT_HISTOGRAM && strcmp(group->module, "gateway") == 0 && strcmp(info->name, "ack") == 0;
    if (!is_ack) {
        return;
    }
    const struct stat_histogram *one = (const void *)((const char *)group->base + info->offset);
    for (size_t i = 0; i < STAT_BUCKETS; i++) {
        stat_add(&sum->bucket[i], stat_get(&one->bucket[i]));
    }
    stat_add(&sum->count, stat_get(&one->count));
}

static void write_gateway(struct control_job *job) {
    struct gateway_counts counts;
    struct stat_histogram ack = {.count = 0};
    gateway_counts(job->control->deps.gateway, &counts);
    stat_each(add_ack, &ack);
    json_write_key(&job->json, SLICE("gateway"));
    json_write_object(&job->json);
    json_put_u64(&job->json, "requests", counts.requests);
    json_put_u64(&job->json, "requests_refused", counts.requests_refused);
    json_put_u64(&job->json, "events_stored", counts.events_stored);
    json_put_u64(&job->json, "events_duplicate", counts.events_duplicate);
    json_put_u64(&job->json, "events_rejected", counts.events_rejected);
    json_put_u64(&job->json, "ack_p50_us", stat_quantile(&ack, 0.5));
    json_put_u64(&job->json, "ack_p99_us", stat_quantile(&ack, 0.99));
    json_write_end(&job->json);
}

static void write_store(struct control_job *job) {
    struct store_info info;
    store_info(job->control->deps.store, &info);
    json_write_key(&job->json, SLICE("store"));
    json_write_object(&job->json);
    json_put_cstr(&job->json, "pressure", store_pressure(job->control->deps.store) == OK ? "none" : "full");
    json_put_u64(&job->json, "head", info.head);
    json_put_u64(&job->json, "tail", info.tail);
    json_put_u64(&job->json, "segments", info.segments);
    json_put_u64(&job->json, "bytes", info.bytes);
    json_put_u64(&job->json, "free_bytes", info.free_bytes);
    json_put_time(&job->json, "oldest", info.oldest_ms);
    json_put_u64(&job->json, "dedup_entries", info.dedup_entries);
    json_put_time(&job->json, "dedup_oldest", info.dedup_oldest_ms);
    json_put_u64(&job->json, "rejected_letters", store_dead_count(job->control->deps.store, 0));
    json_write_end(&job->json);
}

static void write_workspace_head(struct control_job *job, const struct workspace_info *info) {
    json_put_string(&job->json, "id", info->id);
    json_put_string(&job->json, "name", info->name);
    json_put_string(&job->json, "path", info->path);
    json_put_u64(&job->json, "generation", info->generation);
    json_put_time(&job->json, "loaded", info->loaded_ms);
}

static void write_destination(
    struct control_job *job, const struct workspace *workspace, const struct destination_info *row) {
    const struct destination *known = workspace_destination_by_key(workspace, row->key);
    struct json_writer *json = &job->json;
    json_write_object(json);
    json_put_cstr(json, "id", row->id);
    json_put_string(json, "name", known != NULL ? known->name : SLICE(""));
    json_put_string(json, "type", known != NULL ? known->type : SLICE(""));
    json_put_cstr(json, "state", destination_state_name(row->state));
    json_put_cstr(json, "reason", reason_text((enum reason)row->reason));
    json_put_time(json, "next_probe", row->next_probe_ms);
    json_put_u64(json, "in", row->counts.in);
    json_put_u64(json, "delivered", row->counts.delivered);
    json_put_u64(json, "filtered", row->counts.filtered);
    json_put_u64(json, "dead", row->counts.dead);
    json_put_u64(json, "expired", row->counts.expired);
    json_put_u64(json, "open", row->open);
    json_put_u64(json, "inflight", row->inflight);
    json_put_u64(json, "waiting", row->waiting);
    json_put_u64(json, "queued", row->queued);
    json_put_u64(json, "behind", row->behind);
    json_put_u64(json, "start", row->start);
    json_put_u64(json, "low", row->low);
    json_put_u64(json, "scanned", row->scanned);
    json_put_u64(json, "p50_us", row->p50_us);
    json_put_u64(json, "p99_us", row->p99_us);
    json_put_time(json, "oldest", row->oldest_ms);
    json_put_i64(json, "lag_ms", row->oldest_ms == 0 ? 0 : clock_ms() - row->oldest_ms);
    json_put_u64(json, "letters", store_dead_count(job->control->deps.store, row->key));
    json_write_end(json);
}

enum err route_stat(struct control_job *job) {
    const struct control_deps *deps = &job->control->deps;
    struct destination_info *list;
    size_t count = 0;
    enum err e = delivery_list(deps->delivery, &job->arena, &list, &count);
    if (e != OK) {
        return e;
    }
    struct workspace *workspace = workspace_cell_get(deps->cell);
    json_write_object(&job->json);
    write_process(job);
    json_write_key(&job->json, SLICE("workspace"));
    json_write_object(&job->json);
    write_workspace_head(job, workspace_info(workspace));
    json_write_end(&job->json);
    write_gateway(job);
    write_store(job);
    json_write_key(&job->json, SLICE("destinations"));
    json_write_array(&job->json);
    for (size_t i = 0; i < count; i++) {
        write_destination(job, workspace, &list[i]);
    }
    json_write_end(&job->json);
    json_write_end(&job->json);
    workspace_release(workspace);
    return OK;
}

/* ---- workspace ---- */

static void write_workspace_source(struct json_writer *json, const struct source *source) {
    json_write_object(json);
    json_put_string(json, "id", source->id);
    json_put_string(json, "name", source->name);
    json_put_string(json, "type", source->type);
    json_put_bool(json, "enabled", source->enabled);
    json_write_end(json);
}

static void write_workspace_destination(struct json_writer *json, const struct destination *destination) {
    json_write_object(json);
    json_put_string(json, "id", destination->id);
    json_put_string(json, "name", destination->name);
    json_put_string(json, "type", destination->type);
    json_put_bool(json, "enabled", destination->enabled);
    json_put_bool(json, "supported", destination->supported);
    json_write_end(json);
}

static void write_workspace_connection(struct json_writer *json, const struct connection *connection) {
    json_write_object(json);
    json_put_string(json, "from", connection->source->id);
    json_put_string(json, "to", connection->destination->id);
    json_put_bool(json, "enabled", connection->enabled);
    json_put_cstr(json, "mode", connection->cloud ? "cloud" : "device");
    json_write_end(json);
}

enum err route_workspace(struct control_job *job) {
    struct workspace *workspace = workspace_cell_get(job->control->deps.cell);
    const struct workspace_info *info = workspace_info(workspace);
    struct json_writer *json = &job->json;
    json_write_object(json);
    write_workspace_head(job, info);
    json_write_key(json, SLICE("sources"));
    json_write_array(json);
    for (size_t i = 0; i < info->source_count; i++) {
        write_workspace_source(json, info->sources[i]);
    }
    json_write_end(json);
    json_write_key(json, SLICE("destinations"));
    json_write_array(json);
    for (size_t i = 0; i < info->destination_count; i++) {
        write_workspace_destination(json, info->destinations[i]);
    }
    json_write_end(json);
    json_write_key(json, SLICE("connections"));
    json_write_array(json);
    for (size_t i = 0; i < info->connection_count; i++) {
        write_workspace_connection(json, &info->connections[i]);
    }
    json_write_end(json);
    json_write_end(json);
    workspace_release(workspace);
    return OK;
}
