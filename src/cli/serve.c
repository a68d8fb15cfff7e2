/* sluice serve: starts the stages in the order in which events pass them, waits for signals, stops them in that order
 * too.
 *
 * thread: main runs the main loop (control API, signals, file watcher). Reloads run on the helper thread, one at a
 * time. */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/signal.h"
#include "base/watch.h"
#include "cli/cli.h"
#include "cli/conf.h"
#include "cli/serve_demo.h"
#include "cli/serve_notify.h"
#include "cli/serve_watch.h"
#include "control/control.h"
#include "delivery/user_code_set.h"
#include "destination/code.h"
#include "source/source.h"
#include "json/json_write.h"

struct server {
    const struct args *args;
    uint64_t started_ns;
    int64_t started_ms;
    struct conf conf;
    struct demo *demo;
    struct loop *loop;
    struct work_queue *work;
    struct store *store;
    struct feed *feed;
    struct workspace_cell *cell;
    struct transform *transform;
    struct user_code_set *code; /* of the snapshot in use */
    struct processor *processor;
    struct delivery *delivery;
    struct gateway *gateway;
    struct control *control;
    struct signal_watch *on_term, *on_int, *on_hup;
    struct watch *watch;
    struct code_watches *code_watches;
    struct loop_msg loaded_msg; /* a snapshot is new: its code files are watched */
    atomic_bool loaded_posted;
    struct work reload_work;
    bool reloading, reload_again; /* thread: the loop's */
    uint16_t port;
    int exit; /* if a step fails */
};

static const struct workspace_types types = {.check = delivery_check, .label = delivery_label};

/* ---- reload ---- */

/* thread: the helper's. The stages that deliver know the new snapshot before the gateway takes events by it. */
static enum err reload(void *ctx, struct errinfo *why) {
    struct server *server = ctx;
    struct workspace *next = NULL;
    struct user_code_set *code = NULL;
    enum err e = workspace_load(server->conf.workspace.path.ptr, &types, &next, why);
    e = e == OK ? user_code_open(server->transform, next, &code, why) : e;
    e = e == OK ? delivery_apply(server->delivery, next, why) : e;
    if (e != OK) {
        user_code_close(code);
        workspace_release(next);
        LOG(ERROR, "serve", "workspace not loaded, the old one goes on", "place=\"%s\" text=\"%s\"", why->path,
            why->text);
        return e;
    }
    const struct workspace_info *info = workspace_info(next);
    LOG(INFO, "serve", "workspace loaded", "generation=%lu sources=%zu destinations=%zu connections=%zu",
        (unsigned long)info->generation, info->source_count, info->destination_count, info->connection_count);
    workspace_cell_swap(server->cell, next);
    user_code_close(server->code);
    server->code = code;
    control_workspace_changed(server->control);
    if (!atomic_exchange(&server->loaded_posted, true)) {
        loop_post(server->loop, &server->loaded_msg);
    }
    return OK;
}

static void on_reload_run(struct work *work) {
    struct server *server = CONTAINER_OF(work, struct server, reload_work);
    struct errinfo why = {.at = 0};
    (void)reload(server, &why); /* has logged what went wrong */
}

static void reload_soon(void *ctx) {
    struct server *server = ctx;
    if (server->reloading) {
        server->reload_again = true; /* the file may have changed after it was read */
        return;
    }
    server->reloading = true;
    work_put(server->work, &server->reload_work);
}

static void on_reload_done(struct work *work) {
    struct server *server = CONTAINER_OF(work, struct server, reload_work);
    server->reloading = false;
    if (server->reload_again) {
        server->reload_again = false;
        reload_soon(server);
    }
}

static void watch_code(struct server *server) {
    struct workspace *workspace = workspace_cell_get(server->cell);
    server->code_watches = code_watches_renew(server->code_watches, server->loop, workspace, reload_soon, server);
    workspace_release(workspace);
}

static void on_loaded(struct loop_msg *msg) {
    struct server *server = CONTAINER_OF(msg, struct server, loaded_msg);
    atomic_store(&server->loaded_posted, false);
    watch_code(server);
}

/* ---- signals ---- */

static void on_hup(void *ctx, int number) {
    (void)number; /* it is SIGHUP */
    reload_soon(ctx);
}

/* Freeing the watches gives both signals their default action back: a second one ends the process at once. */
static void on_stop(void *ctx, int number) {
    struct server *server = ctx;
    LOG(INFO, "serve", "stopping", "signal=%d", number);
    signal_watch_free(server->on_term);
    signal_watch_free(server->on_int);
    server->on_term = server->on_int = NULL;
    loop_stop(server->loop);
}

/* ---- starting: each step leaves in `server` what stop() takes down ---- */

static bool serve_metrics(void *ctx, struct slice path, struct buf *ret_body, struct slice *ret_content_type) {
    (void)ctx; /* counters are registered by all stages */
    if (!slice_eq(path, SLICE("/metrics"))) {
        return false;
    }
    *ret_content_type = SLICE("text/plain; version=0.0.4; charset=utf-8");
    control_metrics(ret_body);
    return true;
}

static enum err start_clock(struct server *server, struct errinfo *why) {
    const char *text = server->args->value[OPTION_TEST_CLOCK];
    int64_t ms = 0;
    if (text == NULL) {
        return OK;
    }
    if (strcmp(text, "now") == 0) {
        ms = clock_ms();
    } else if (slice_to_i64(slice_cstr(text), &ms) != OK) {
        server->exit = EXIT_USAGE;
        return err_why(
            ERR_INVALID, why, "--test-clock", "\"%s\" is neither a number of milliseconds nor \"now\"", text);
    }
    clock_test_start(ms);
    return OK;
}

static enum err start_process(struct server *server, struct errinfo *why) {
    struct rlimit files;
    const char *faults = getenv("SLUICE_FAULTS");
    /* every connection is a descriptor; a refusal leaves the soft limit, which is then the limit */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    server->exit = EXIT_CONFIG;
    enum err e = conf_load(&server->conf, server->args, why);
    e = e == OK ? transform_conf_check(&server->conf.transform, why) : e;
    e = e == OK && faults != NULL ? fault_arm(slice_cstr(faults), why) : e;
    e = e == OK ? start_clock(server, why) : e;
    if (e != OK) {
        return e;
    }
    log_setup((enum log_level)server->conf.log.level, /* as_json: */ server->conf.log.format != 0);
    server->started_ms = clock_ms();
    server->exit = EXIT_START;
    return args_has(server->args, OPTION_DEMO) ? demo_start(&server->conf, &server->demo, why) : OK;
}

static enum err start_workspace(struct server *server, struct errinfo *why) {
    const struct transform_deps transform_deps = {.requests = conf_destination_client(&server->conf)};
    struct workspace *first;
    server->exit = EXIT_CONFIG;
    enum err e = destination_load_folder(server->conf.destination.folder, why);
    e = e == OK ? delivery_configure(&server->conf.delivery, why) : e;
    e = e == OK ? workspace_load(server->conf.workspace.path.ptr, &types, &first, why) : e;
    if (e != OK) {
        return e;
    }
    server->cell = workspace_cell_new(first);
    server->transform = transform_new(&server->conf.transform, &transform_deps);
    e = destination_code_check_loaded(server->transform, why);
    e = e == OK ? user_code_open(server->transform, first, &server->code, why) : e;
    if (e == OK) {
        server->exit = EXIT_START;
    }
    return e;
}

static enum err start_stages(struct server *server, struct errinfo *why) {
    server->feed = feed_new();
    struct processor_deps processor_deps = {.store = server->store,
        .feed = server->feed,
        .cell = server->cell,
        .retention_ms = server->conf.store.retention_age};
    enum err e = processor_new(&server->conf.processor, &processor_deps, &server->processor, why);
    if (e != OK) {
        return e;
    }
    struct delivery_deps delivery_deps = {.store = server->store,
        .processor = server->processor,
        .feed = server->feed,
        .cell = server->cell,
        .transform = server->transform,
        .retention_ms = server->conf.store.retention_age};
    e = delivery_new(&server->conf.delivery, &delivery_deps, &server->delivery, why);
    if (e != OK) {
        return e;
    }
    struct workspace *workspace = workspace_cell_get(server->cell);
    e = delivery_apply(server->delivery, workspace, why);
    workspace_release(workspace);
    if (e != OK) {
        return e;
    }
    struct gateway_deps gateway_deps = {.store = server->store,
        .feed = server->feed,
        .cell = server->cell,
        .extra = serve_metrics,
        .webhook = source_on_webhook,
        .webhook_ctx = server->transform,
        .version = CLI_VERSION};
    return gateway_new(&server->conf.gateway, &gateway_deps, &server->gateway, why);
}

static enum err start_control(struct server *server, struct errinfo *why) {
    const char *data_path = server->conf.store.path.ptr;
    struct slice socket = arena_printf(&server->conf.arena, "%s/sluice.sock", data_path);
    server->loop = loop_new("main");
    server->work = work_queue_new(server->loop, "helper");
    server->loaded_msg.on_msg = on_loaded;
    server->reload_work = (struct work){.run = on_reload_run, .on_done = on_reload_done};
    struct control_deps deps = {.loop = server->loop,
        .work = server->work,
        .store = server->store,
        .gateway = server->gateway,
        .processor = server->processor,
        .delivery = server->delivery,
        .feed = server->feed,
        .cell = server->cell,
        .version = CLI_VERSION,
        .data_path = data_path,
        .started_ms = server->started_ms,
        .first_head = store_head(server->store),
        .reload = reload,
        .ctx = server};
    return control_new(&deps, socket.ptr, &server->control, why);
}

/* Signals before the port opens: whoever sees us ready may send one. */
static enum err start_serving(struct server *server, struct errinfo *why) {
    server->on_term = signal_watch_new(server->loop, SIGTERM, on_stop, server);
    server->on_int = signal_watch_new(server->loop, SIGINT, on_stop, server);
    server->on_hup = signal_watch_new(server->loop, SIGHUP, on_hup, server);
    enum err e = watch_new(server->loop, server->conf.workspace.path.ptr, reload_soon, server, &server->watch, why);
    if (e != OK) {
        return e;
    }
    watch_code(server);
    processor_start(server->processor);
    e = gateway_start(server->gateway, &server->port, why);
    if (e == OK) {
        control_set_port(server->control, server->port);
    }
    return e;
}

static enum err start(struct server *server, struct errinfo *why) {
    enum err e = start_process(server, why);
    e = e == OK ? start_workspace(server, why) : e;
    e = e == OK ? store_open(&server->conf.store, &server->store, why) : e;
    e = e == OK ? start_stages(server, why) : e;
    e = e == OK ? start_control(server, why) : e;
    return e == OK ? start_serving(server, why) : e;
}

/* ---- ready, stop ---- */

static void print_ready_json(const struct server *server) {
    struct buf out;
    struct json_writer json;
    buf_init(&out, 0);
    json_writer_init(&json, &out);
    json_write_object(&json);
    json_put_u64(&json, "port", server->port);
    json_put_i64(&json, "pid", getpid());
    json_put_string(&json, "data", server->conf.store.path);
    json_write_end(&json);
    printf("%.*s\n", SLICE_ARG(buf_slice(&out)));
    (void)fflush(stdout); /* a closed stdout is no reason to stop serving */
    buf_fini(&out);
}

static void tell_ready(const struct server *server) {
    enum { NS_PER_MS = 1000000 };
    LOG(INFO, "serve", "ready", "version=%s port=%u data=%.*s workspace=%.*s ms=%lu", CLI_VERSION, server->port,
        SLICE_ARG(server->conf.store.path), SLICE_ARG(server->conf.workspace.path),
        (unsigned long)((clock_mono_ns() - server->started_ns) / NS_PER_MS));
    notify_systemd("READY=1");
    if (args_has(server->args, OPTION_JSON)) {
        print_ready_json(server);
    } else if (server->demo != NULL) {
        struct workspace *workspace = workspace_cell_get(server->cell);
        const struct workspace_info *info = workspace_info(workspace);
        demo_print(&server->conf, server->port, info->source_count > 0 ? info->sources[0]->write_key : SLICE("?"));
        workspace_release(workspace);
    }
}

/* Also after a start that failed halfway. */
static void stop(struct server *server) {
    int64_t grace = server->conf.serve.grace;
    if (server->gateway != NULL) {
        gateway_stop(server->gateway, grace);
    }
    work_queue_free(server->work);
    control_free(server->control);
    watch_free(server->watch);
    code_watches_free(server->code_watches);
    signal_watch_free(server->on_hup);
    signal_watch_free(server->on_term);
    signal_watch_free(server->on_int);
    if (server->processor != NULL) {
        processor_stop(server->processor);
    }
    if (server->delivery != NULL) {
        delivery_stop(server->delivery, grace);
    }
    transform_free(server->transform); /* ends what delivery still waits for */
    delivery_free(server->delivery);
    if (server->processor != NULL) {
        processor_free(server->processor);
    }
    gateway_free(server->gateway);
    user_code_close(server->code);
    if (server->cell != NULL) {
        workspace_cell_free(server->cell);
    }
    if (server->feed != NULL) {
        feed_free(server->feed);
    }
    if (server->store != NULL) {
        store_close(server->store);
    }
    if (server->loop != NULL) {
        loop_free(server->loop);
    }
    demo_free(server->demo);
    conf_fini(&server->conf);
}

int verb_serve(const struct args *args) {
    struct server server = {.args = args, .started_ns = clock_mono_ns(), .exit = EXIT_START};
    struct errinfo why = {.at = 0};
    enum err e = start(&server, &why);
    if (e == OK) {
        tell_ready(&server);
        loop_run(server.loop);
        notify_systemd("STOPPING=1");
    } else {
        cli_print_error(&why);
    }
    stop(&server);
    if (e == OK) {
        LOG(INFO, "serve", "stopped", "port=%u", server.port);
    }
    return e == OK ? EXIT_OK : server.exit;
}
