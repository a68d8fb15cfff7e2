/* Routes, jobs and their answers. */
#include "control/control.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "control/control_internal.h"

enum {
    ANSWER_MAX = 256 << 20,
    ARENA_CHUNK = 16 << 10,
    JSON_DEPTH = 1024,
};

enum route_thread { ROUTE_WORK, ROUTE_LOOP };

struct route {
    enum http_method method;
    enum route_thread thread;
    const char *path;
    enum err (*run)(struct control_job *job);
};

static const struct route routes[] = {
#define C(method, path, thread, handler, summary) {HTTP_METHOD_##method, ROUTE_##thread, path, route_##handler},
#include "control/control_route.def"
#undef C
};

static const struct control_route described[] = {
#define C(method, path, thread, handler, summary) {#method, path, summary},
#include "control/control_route.def"
#undef C
};

const struct control_route *control_routes(size_t *ret_count) {
    *ret_count = COUNT_OF(described);
    return described;
}

void control_metrics(struct buf *out) {
    stat_print_prometheus(out);
}

/* ---- parameters ---- */

static struct slice decode(struct arena *arena, struct slice text) {
    char *out = arena_alloc(arena, text.len + 1);
    return slice_of(out, http_url_decode(text, out));
}

bool job_param(struct control_job *job, const char *key, struct slice *ret_value) {
    struct slice query = job->query, name, value;
    while (http_query_next(&query, &name, &value)) {
        if (slice_eq(name, slice_cstr(key))) {
            *ret_value = decode(&job->arena, value);
            return true;
        }
    }
    return false;
}

bool job_flag(struct control_job *job, const char *key) {
    struct slice value;
    return job_param(job, key, &value) && !slice_eq(value, SLICE("0")) && !slice_eq(value, SLICE("false"));
}

enum err job_number(struct control_job *job, const char *key, uint64_t absent, uint64_t max, uint64_t *ret_value) {
    struct slice text;
    uint64_t value = absent;
    if (job_param(job, key, &text) && (slice_to_u64(text, &value) != OK || value > max)) {
        return err_why(ERR_RANGE, &job->why, key, "\"%.*s\" is not a number up to %lu",
            (int)(text.len < 32 ? text.len : 32), text.ptr, (unsigned long)max);
    }
    *ret_value = value;
    return OK;
}

/* ---- names ---- */

enum err job_parse(struct control_job *job, struct slice text, struct json_doc *ret_doc) {
    if (job->parser == NULL) {
        job->parser = json_parser_new(JSON_DEPTH);
    }
    char *copy = arena_alloc(&job->arena, text.len + JSON_PADDING);
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    return json_parse(job->parser, slice_of(copy, text.len), ret_doc, &job->why);
}

void job_event_names(struct control_job *job, struct slice payload, struct event_names *ret_names) {
    static const struct slice keys[] = {
        SLICE("event"), SLICE("name"), SLICE("messageId"), SLICE("anonymousId"), SLICE("userId")};
    enum { EVENT, NAME, MESSAGE_ID, ANONYMOUS_ID, USER_ID };
    struct json_doc doc;
    *ret_names = (struct event_names){.event = SLICE("")};
    if (job_parse(job, payload, &doc) != OK) {
        return; /* a rejected record may hold anything */
    }
    uint32_t found[COUNT_OF(keys)];
    json_find_many(&doc, 0, keys, COUNT_OF(keys), found);
    struct slice text[COUNT_OF(keys)];
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        bool is_text = json_is(&doc, found[i], JSON_STRING);
        text[i] = is_text ? json_string(&doc, found[i], &job->arena) : SLICE("");
    }
    ret_names->event = text[EVENT].len > 0 ? text[EVENT] : text[NAME];
    ret_names->message_id = text[MESSAGE_ID];
    ret_names->user = text[ANONYMOUS_ID].len > 0 ? text[ANONYMOUS_ID] : text[USER_ID];
}

struct slice control_destination_id(
    const struct control *control, const struct workspace *workspace, uint64_t key, struct arena *arena) {
    const struct destination *destination = workspace_destination_by_key(workspace, key);
    if (destination != NULL) {
        return arena_dup(arena, destination->id);
    }
    struct cursor_info *list;
    size_t count = 0;
    if (store_cursor_list(control->deps.store, arena, &list, &count) == OK) {
        for (size_t i = 0; i < count; i++) {
            if (list[i].destination == key) {
                return list[i].id;
            }
        }
    }
    return arena_printf(arena, "%016lx", (unsigned long)key);
}

struct slice control_source_id(const struct workspace *workspace, uint64_t key, struct arena *arena) {
    const struct source *source = workspace_source_by_key(workspace, key);
    return source != NULL ? arena_dup(arena, source->id) : arena_printf(arena, "%016lx", (unsigned long)key);
}

/* ---- jobs ---- */

void job_free(struct control_job *job) {
    json_parser_free(job->parser);
    buf_fini(&job->out);
    arena_fini(&job->arena);
    mem_free(job);
}

static void write_error(struct control_job *job) {
    buf_reset(&job->out);
    json_writer_init(&job->json, &job->out);
    json_write_object(&job->json);
    json_put_cstr(&job->json, "error", err_name(job->result));
    json_put_cstr(&job->json, "place", job->why.path);
    json_put_cstr(&job->json, "text", job->why.text[0] != '\0' ? job->why.text : err_text(job->result));
    json_write_end(&job->json);
}

void job_answer(struct control_job *job) {
    if (job->result == OK && job->out.failed != OK) {
        job->result = job->out.failed;
    }
    if (job->result != OK) {
        job->content_type = "application/json";
        write_error(job);
    }
    struct http_response response = {.status = err_http_status(job->result),
        .content_type = slice_cstr(job->content_type),
        .body = buf_slice(&job->out)};
    http_respond(job->request, &response);
    job_free(job);
}

static void on_run(struct work *work) {
    struct control_job *job = CONTAINER_OF(work, struct control_job, work);
    job->result = job->route->run(job);
}

static void on_done(struct work *work) {
    job_answer(CONTAINER_OF(work, struct control_job, work));
}

static struct control_job *job_new(struct control *control, struct http_request *request, const struct route *route) {
    struct control_job *job = mem_alloc(sizeof *job);
    job->control = control;
    job->request = request;
    job->route = route;
    job->content_type = "application/json";
    job->work.run = on_run;
    job->work.on_done = on_done;
    arena_init(&job->arena, ARENA_CHUNK, 0);
    buf_init(&job->out, ANSWER_MAX);
    json_writer_init(&job->json, &job->out);
    job->query = arena_dup(&job->arena, request->query);
    return job;
}

/* Matches segment by segment; *ret_id is what stands at `{id}`, undecoded. */
static bool path_matches(const char *pattern, struct slice path, struct slice *ret_id) {
    struct slice want = slice_cstr(pattern), have = path;
    while (want.ptr != NULL && have.ptr != NULL) {
        struct slice want_segment = slice_cut(want, '/', &want);
        struct slice have_segment = slice_cut(have, '/', &have);
        if (slice_eq(want_segment, SLICE("{id}")) && have_segment.len > 0) {
            *ret_id = have_segment;
        } else if (!slice_eq(want_segment, have_segment)) {
            return false;
        }
    }
    return want.ptr == NULL && have.ptr == NULL;
}

static void on_request(void *ctx, struct http_request *request) {
    struct control *control = ctx;
    bool known_path = false;
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        struct slice id = SLICE("");
        if (!path_matches(routes[i].path, request->path, &id)) {
            continue;
        }
        known_path = true;
        if (routes[i].method != request->method) {
            continue;
        }
        struct control_job *job = job_new(control, request, &routes[i]);
        job->id = decode(&job->arena, id);
        if (routes[i].thread == ROUTE_WORK) {
            work_put(control->deps.work, &job->work);
        } else {
            (void)routes[i].run(job); /* answers by itself, now or later: the job may be gone */
        }
        return;
    }
    http_respond_err(request, known_path ? ERR_METHOD_NOT_ALLOWED : ERR_NOT_HERE);
}

/* ---- small routes ---- */

enum err route_metrics(struct control_job *job) {
    job->content_type = "text/plain; version=0.0.4; charset=utf-8";
    control_metrics(&job->out);
    return OK;
}

enum err route_reload(struct control_job *job) {
    struct control_deps *deps = &job->control->deps;
    enum err e = deps->reload(deps->ctx, &job->why);
    if (e != OK) {
        return e;
    }
    json_write_object(&job->json);
    json_put_bool(&job->json, "ok", true);
    json_put_u64(&job->json, "generation", workspace_cell_generation(deps->cell));
    json_write_end(&job->json);
    return OK;
}

static enum err refuse_without_test_clock(struct control_job *job) {
    return err_why(ERR_DENIED, &job->why, "", "only a server that was started with --test-clock does that");
}

static enum err advance(struct control_job *job) {
    uint64_t ms = 0;
    if (!clock_test_active()) {
        return refuse_without_test_clock(job);
    }
    enum err e = job_number(job, "ms", 0, INT32_MAX, &ms);
    if (e != OK) {
        return e;
    }
    clock_test_advance((int64_t)ms);
    loop_test_poke_all(job->control->deps.loop);
    json_write_object(&job->json);
    json_put_i64(&job->json, "now_ms", clock_ms());
    json_write_end(&job->json);
    return OK;
}

enum err route_clock_advance(struct control_job *job) {
    job->result = advance(job);
    job_answer(job);
    return OK;
}

static enum err arm(struct control_job *job) {
    struct slice spec = SLICE("");
    if (!clock_test_active()) {
        return refuse_without_test_clock(job);
    }
    if (!job_param(job, "spec", &spec)) {
        return err_why(ERR_INVALID, &job->why, "spec", "missing: NAME=action");
    }
    enum err e = fault_arm(spec, &job->why);
    if (e == OK) {
        json_write_object(&job->json);
        json_put_bool(&job->json, "ok", true);
        json_write_end(&job->json);
    }
    return e;
}

enum err route_fault(struct control_job *job) {
    job->result = arm(job);
    job_answer(job);
    return OK;
}

/* ---- life ---- */

enum err control_new(
    const struct control_deps *deps, const char *socket_path, struct control **ret_control, struct errinfo *why) {
    static const struct http_limits limits = {
        .header_bytes = 64 << 10,
        .body_bytes = 1 << 20,
        .inflated_bytes = 1 << 20,
        .connections = 256,
        .requests = 256,
        .buffered_bytes = 16 << 20,
        .header_ms = 10 * 1000,
        .body_ms = 10 * 1000,
        .idle_ms = 60 * 60 * 1000,
        .write_ms = 60 * 1000,
    };
    struct control *control = mem_alloc(sizeof *control);
    control->deps = *deps;
    struct http_handlers handlers = {.on_request = on_request, .ctx = control};
    control->server = http_server_new(deps->loop, &limits, &handlers);
    enum err e = http_server_listen_unix(control->server, socket_path, why);
    if (e != OK) {
        http_server_free(control->server);
        mem_free(control);
        return e;
    }
    control->audit = audit_new(&control->deps);
    *ret_control = control;
    return OK;
}

void control_set_port(struct control *control, uint16_t port) {
    control->deps.port = port;
}

void control_workspace_changed(struct control *control) {
    audit_workspace_changed(control->audit);
}

void control_free(struct control *control) {
    if (control == NULL) {
        return;
    }
    tails_free(control);
    http_server_free(control->server);
    audit_free(control->audit);
    mem_free(control);
}
