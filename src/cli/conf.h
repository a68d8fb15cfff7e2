/* The whole configuration of the program: every module's section, in one place. */
#ifndef SLUICE_CLI_CONF_H
#define SLUICE_CLI_CONF_H

#include "cli/args.h"
#include "delivery/delivery_conf.h"
#include "destination/destination.h"
#include "gateway/gateway_conf.h"
#include "http/client.h"
#include "processor/processor_conf.h"
#include "store/store_conf.h"
#include "transform/transform_conf.h"

struct log_conf {
#define K(type, key, def, min, max, unit, flags, help) KNOB_FIELD_##type(key)
#include "cli/log_conf.def"
#undef K
};

struct workspace_conf {
#define K(type, key, def, min, max, unit, flags, help) KNOB_FIELD_##type(key)
#include "cli/workspace_conf.def"
#undef K
};

struct serve_conf {
#define K(type, key, def, min, max, unit, flags, help) KNOB_FIELD_##type(key)
#include "cli/serve_conf.def"
#undef K
};

enum { CONF_SECTIONS = 9 };

struct conf {
    struct arena arena; /* texts of knobs */
    const char *path;   /* of sluice.yaml; NULL = none */
    struct serve_conf serve;
    struct workspace_conf workspace;
    struct gateway_conf gateway;
    struct store_conf store;
    struct processor_conf processor;
    struct destination_conf destination;
    struct delivery_conf delivery;
    struct transform_conf transform;
    struct log_conf log;
    struct knob_section sections[CONF_SECTIONS];
};

/* Defaults only; for the reference page. conf_fini frees. */
void conf_init(struct conf *conf);
void conf_fini(struct conf *conf);
/* conf_init, then the file, the environment and the options --data and --workspace. Call conf_fini in any case. */
MUST enum err conf_load(struct conf *conf, const struct args *args, struct errinfo *why);

/* How code of destinations reaches vendors (ctx.http): as deliveries do. Points into `conf`. */
struct http_client_conf conf_destination_client(const struct conf *conf);

/* "store.path" as a C string: from --data when it is there (then no file is read), else as conf_load finds it. */
MUST enum err conf_data_path(const struct args *args, char *out, size_t size, struct errinfo *why);

#endif
