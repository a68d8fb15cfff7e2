/* sluice check: reads what serve would read, and starts nothing. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/conf.h"
#include "cli/show.h"
#include "delivery/delivery.h"
#include "delivery/user_code_set.h"
#include "destination/code.h"
#include "model/workspace.h"
#include "json/json_write.h"

struct report {
    bool json;
    struct buf out;
    struct json_writer writer;
    size_t warnings;
};

static int fail(struct report *report, const struct errinfo *why) {
    cli_print_error(why);
    if (report->json) {
        buf_reset(&report->out);
        json_writer_init(&report->writer, &report->out);
        json_write_object(&report->writer);
        json_put_bool(&report->writer, "ok", false);
        json_put_cstr(&report->writer, "place", why->path);
        json_put_cstr(&report->writer, "text", why->text);
        json_write_end(&report->writer);
        buf_append_byte(&report->out, '\n');
    }
    return EXIT_CONFIG;
}

static void warn(struct report *report, struct slice what, struct slice id, const char *text) {
    report->warnings++;
    if (report->json) {
        json_write_object(&report->writer);
        json_put_string(&report->writer, "what", what);
        json_put_string(&report->writer, "id", id);
        json_put_cstr(&report->writer, "text", text);
        json_write_end(&report->writer);
    } else {
        buf_printf(&report->out, "warning: %.*s ", SLICE_ARG(what));
        show_text(&report->out, id, SHOW_PLAIN);
        buf_printf(&report->out, ": %s\n", text);
    }
}

static bool has_connection(const struct workspace_info *info, const struct destination *destination) {
    for (size_t i = 0; i < info->connection_count; i++) {
        if (info->connections[i].destination == destination) {
            return true;
        }
    }
    return false;
}

static void warn_transformation(struct report *report, const struct transformation *transformation) {
    char text[256];
    if (transformation->missing != NULL) {
        snprintf(text, sizeof text, "its code is missing, and events that need it wait: %s", transformation->missing);
        warn(report, SLICE("transformation"), transformation->id, text);
    }
}

static void warn_all(struct report *report, const struct workspace_info *info) {
    for (size_t i = 0; i < info->source_count; i++) {
        if (info->sources[i]->connection_count == 0) {
            warn(report, SLICE("source"), info->sources[i]->id,
                "it has no connection: its events are kept and go nowhere");
        }
    }
    for (size_t i = 0; i < info->destination_count; i++) {
        const struct destination *destination = info->destinations[i];
        char text[256];
        if (!destination->supported) {
            snprintf(text, sizeof text, "this build cannot deliver to type %.*s: its events are kept and counted",
                (int)(destination->type.len < 64 ? destination->type.len : 64), destination->type.ptr);
            warn(report, SLICE("destination"), destination->id, text);
        }
        if (!has_connection(info, destination)) {
            warn(report, SLICE("destination"), destination->id, "no source is connected to it");
        }
    }
    for (size_t i = 0; i < info->transformation_count; i++) {
        warn_transformation(report, info->transformations[i]);
    }
}

/* ---- transformations ---- */

static const char *state_of(const struct transformation *transformation) {
    return transformation->missing != NULL ? "missing" : "compiles";
}

static void list_transformations(struct report *report, const struct workspace_info *info) {
    for (size_t i = 0; i < info->transformation_count; i++) {
        const struct transformation *each = info->transformations[i];
        buf_append(&report->out, SLICE("transformation "));
        show_text(&report->out, each->id, SHOW_PLAIN);
        buf_printf(&report->out, " %s", state_of(each));
        for (size_t j = 0; j < info->connection_count; j++) {
            const struct connection *connection = &info->connections[j];
            if (connection->transformation == each) {
                buf_append(&report->out, SLICE(", "));
                show_text(&report->out, connection->source->id, SHOW_PLAIN);
                buf_append(&report->out, SLICE(" -> "));
                show_text(&report->out, connection->destination->id, SHOW_PLAIN);
                buf_printf(&report->out, " (on_error %s)", on_error_word(connection->on_error));
            }
        }
        buf_append_byte(&report->out, '\n');
    }
}

static void transformation_json(
    struct json_writer *json, const struct workspace_info *info, const struct transformation *transformation) {
    json_write_object(json);
    json_put_string(json, "id", transformation->id);
    json_put_string(json, "name", transformation->name);
    json_put_string(json, "place", transformation->place.text);
    json_put_cstr(json, "code", state_of(transformation));
    json_write_key(json, SLICE("connections"));
    json_write_array(json);
    for (size_t i = 0; i < info->connection_count; i++) {
        const struct connection *connection = &info->connections[i];
        if (connection->transformation == transformation) {
            json_write_object(json);
            json_put_string(json, "from", connection->source->id);
            json_put_string(json, "to", connection->destination->id);
            json_put_cstr(json, "on_error", on_error_word(connection->on_error));
            json_write_end(json);
        }
    }
    json_write_end(json);
    json_write_end(json);
}

static void report_workspace(struct report *report, const struct conf *conf, const struct workspace_info *info) {
    if (!report->json) {
        warn_all(report, info);
        list_transformations(report, info);
        buf_printf(&report->out, "ok: %s%.*s: %zu sources, %zu destinations, %zu connections\n",
            conf->path != NULL ? "configuration and " : "", SLICE_ARG(info->path), info->source_count,
            info->destination_count, info->connection_count);
        return;
    }
    struct json_writer *json = &report->writer;
    json_writer_init(json, &report->out);
    json_write_object(json);
    json_put_bool(json, "ok", true);
    json_put_cstr(json, "config", conf->path);
    json_put_string(json, "workspace", info->path);
    json_put_u64(json, "sources", info->source_count);
    json_put_u64(json, "destinations", info->destination_count);
    json_put_u64(json, "connections", info->connection_count);
    json_write_key(json, SLICE("transformations"));
    json_write_array(json);
    for (size_t i = 0; i < info->transformation_count; i++) {
        transformation_json(json, info, info->transformations[i]);
    }
    json_write_end(json);
    json_write_key(json, SLICE("warnings"));
    json_write_array(json);
    warn_all(report, info);
    json_write_end(json);
    json_write_end(json);
    buf_append_byte(&report->out, '\n');
}

/* In workers, as serve does. None starts when there is nothing to compile. */
static enum err compile(const struct conf *conf, const struct workspace *workspace, struct errinfo *why) {
    static const struct transform_deps deps = {.program = NULL};
    struct user_code_set *set = NULL;
    struct transform *transform = transform_new(&conf->transform, &deps);
    enum err e = destination_code_check_loaded(transform, why);
    if (e == OK && workspace_info(workspace)->transformation_count > 0) {
        e = user_code_open(transform, workspace, &set, why);
    }
    user_code_close(set);
    transform_free(transform);
    return e;
}

static int check(struct report *report, const struct args *args) {
    static const struct workspace_types types = {.check = delivery_check, .label = delivery_label};
    struct conf conf;
    struct errinfo why = {.at = 0};
    struct workspace *workspace = NULL;
    enum err e = conf_load(&conf, args, &why);
    e = e == OK ? transform_conf_check(&conf.transform, &why) : e;
    e = e == OK ? destination_load_folder(conf.destination.folder, &why) : e;
    e = e == OK ? delivery_configure(&conf.delivery, &why) : e;
    if (e == OK) {
        /* arena_dup leaves a NUL behind every text */
        e = workspace_load(conf.workspace.path.ptr, &types, &workspace, &why);
    }
    e = e == OK ? compile(&conf, workspace, &why) : e;
    int code = EXIT_OK;
    if (e == OK) {
        report_workspace(report, &conf, workspace_info(workspace));
    } else {
        code = fail(report, &why);
    }
    workspace_release(workspace);
    conf_fini(&conf);
    return code;
}

int verb_check(const struct args *args) {
    struct report report = {.json = args_has(args, OPTION_JSON)};
    buf_init(&report.out, 0);
    int code = check(&report, args);
    (void)show_flush(&report.out); /* nobody reads: nothing to do about it */
    buf_fini(&report.out);
    return code;
}
