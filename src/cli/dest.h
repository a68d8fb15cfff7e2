/* The verb `dest`, whose words are in several files. */
#ifndef SLUICE_CLI_DEST_H
#define SLUICE_CLI_DEST_H

#include "cli/args.h"
#include "cli/conf.h"
#include "delivery/kind.h"
#include "destination/code.h"

#define DEST_DEPTH 128
#define DEST_FILE_MAX ((size_t)64 << 20)

/* A whole file ("-" is standard input) with JSON_PADDING bytes behind it, in `arena`. */
MUST enum err dest_read(const char *file, struct arena *arena, struct slice *ret_text, struct errinfo *why);

/* ---- dest.c ---- */

/* What a definition says of its settings, for people or as JSON. */
void dest_show(const struct destination_type *type, bool as_json, struct buf *out);

/* ---- dest_try.c ---- */

struct dest_item {
    struct slice type, config, event; /* JSON_PADDING behind config and event */
    const struct delivery_kind *kind;
    struct kind_request request;
    struct json_parser *parser;
    struct arena *arena;
};

/* By a kind that asks no worker. */
MUST enum err dest_make_request(struct dest_item *item, struct errinfo *why);
void dest_write_request(const struct kind_request *request, struct json_writer *w);
int dest_try(const struct args *args, const struct conf *conf);

/* ---- dest_run.c ---- */

/* A loop to wait on, and workers that are started when they are first wanted. */
struct dest_seat {
    const struct conf *conf;
    struct loop *loop;
    struct transform *transform;
};

void dest_seat_init(struct dest_seat *seat, const struct conf *conf);
struct transform *dest_seat_transform(struct dest_seat *seat);
void dest_seat_fini(struct dest_seat *seat);
int dest_run(const struct conf *conf);

#endif
