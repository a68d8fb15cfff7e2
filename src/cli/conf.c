/* Sections of the modules above and of our own, and where their values come from. */
#include "cli/conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "model/config.h"

#define DEFAULT_FILE "sluice.yaml"

static const struct knob log_knobs[] = {
#define K(...) KNOB_ROW_(struct log_conf, __VA_ARGS__)
#include "cli/log_conf.def"
#undef K
};

static const struct knob workspace_knobs[] = {
#define K(...) KNOB_ROW_(struct workspace_conf, __VA_ARGS__)
#include "cli/workspace_conf.def"
#undef K
};

static const struct knob serve_knobs[] = {
#define K(...) KNOB_ROW_(struct serve_conf, __VA_ARGS__)
#include "cli/serve_conf.def"
#undef K
};

void conf_init(struct conf *conf) {
    enum { TEXT_CHUNK = 1024 };
    *conf = (struct conf){.path = NULL};
    arena_init(&conf->arena, TEXT_CHUNK, 0);
    struct knob_section *section = conf->sections;
    *section++ = (struct knob_section){"serve", serve_knobs, COUNT_OF(serve_knobs), &conf->serve};
    *section++ = (struct knob_section){"workspace", workspace_knobs, COUNT_OF(workspace_knobs), &conf->workspace};
    *section++ = gateway_conf_section(&conf->gateway);
    *section++ = store_conf_section(&conf->store);
    *section++ = processor_conf_section(&conf->processor);
    *section++ = destination_conf_section(&conf->destination);
    *section++ = delivery_conf_section(&conf->delivery);
    *section++ = transform_conf_section(&conf->transform);
    *section++ = (struct knob_section){"log", log_knobs, COUNT_OF(log_knobs), &conf->log};
    ASSERT(section == conf->sections + CONF_SECTIONS);
    for (size_t i = 0; i < CONF_SECTIONS; i++) {
        knob_defaults(&conf->sections[i], &conf->arena);
    }
}

void conf_fini(struct conf *conf) {
    arena_fini(&conf->arena);
}

static const char *find_file(const struct args *args) {
    if (args_has(args, OPTION_CONFIG)) {
        return args->value[OPTION_CONFIG];
    }
    const char *named = getenv("SLUICE_CONFIG");
    if (named != NULL && named[0] != '\0') {
        return named;
    }
    return access(DEFAULT_FILE, F_OK) == 0 ? DEFAULT_FILE : NULL;
}

enum err conf_load(struct conf *conf, const struct args *args, struct errinfo *why) {
    conf_init(conf);
    conf->path = find_file(args);
    enum err e = config_load(conf->sections, CONF_SECTIONS, conf->path, environ, &conf->arena, why);
    if (e == OK && args_has(args, OPTION_DATA)) {
        conf->store.path = arena_dup(&conf->arena, slice_cstr(args->value[OPTION_DATA]));
    }
    if (e == OK && args_has(args, OPTION_WORKSPACE)) {
        conf->workspace.path = arena_dup(&conf->arena, slice_cstr(args->value[OPTION_WORKSPACE]));
    }
    return e;
}

enum err conf_data_path(const struct args *args, char *out, size_t size, struct errinfo *why) {
    struct conf conf;
    enum err e = OK;
    if (args_has(args, OPTION_DATA)) {
        conf_init(&conf);
        conf.store.path = slice_cstr(args->value[OPTION_DATA]);
    } else {
        e = conf_load(&conf, args, why);
    }
    if (e == OK && conf.store.path.len >= size) {
        e = err_why(ERR_RANGE, why, "store.path", "a path of %zu bytes is too long", conf.store.path.len);
    }
    if (e == OK) {
        snprintf(out, size, "%.*s", SLICE_ARG(conf.store.path));
    }
    conf_fini(&conf);
    return e;
}

struct http_client_conf conf_destination_client(const struct conf *conf) {
    enum { CONNECTIONS = 64, PER_HOST = 16 };
    return (struct http_client_conf){.connections = CONNECTIONS,
        .connections_per_host = PER_HOST,
        .connect_ms = conf->delivery.connect_timeout,
        .allow_private = conf->delivery.allow_private,
        .ca_file = conf->delivery.ca_file,
        .proxy = conf->delivery.proxy,
        .connect_to = conf->delivery.connect_to,
        .response_bytes = conf->transform.fetch_bytes};
}
