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

/* Of `dest` and `source`: runs what the words ask, with the configuration and the definitions of its folder, or of
 * --folder. EXIT_CONFIG where either is bad. */
typedef int dest_word(const struct args *args, const struct conf *conf);
int dest_with_conf(const struct args *args, dest_word *run);

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
/* As it goes over the wire, without what the client adds. */
void dest_print_request(const struct kind_request *request);

struct dest_answer { /* of a vendor; status 0: none came */
    int status;
    const struct http_header *headers;
    size_t header_count;
    struct slice body;
};
/* Sends it, prints the answer or why there is none (false). */
bool dest_send(
    const struct conf *conf, const struct kind_request *request, struct arena *arena, struct dest_answer *ret_answer);
int dest_try(const struct args *args, const struct conf *conf);
/* dest_try_code.c: of a destination whose code makes the requests */
int dest_try_code(const struct args *args, const struct conf *conf, const struct dest_item *item,
    const struct destination_type *type);

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

/* ---- dest_cases.c ---- */

struct dest_tests {
    struct dest_seat seat;
    struct json_parser *parser;
    unsigned passed, failed;
};

struct dest_verdict { /* of a case; why: which part of it, or what differs; text: how */
    bool passed;
    struct slice why, text;
};

struct dest_tester {
    const char *usage;
    /* The definition of a folder whose code compiles, or why not. */
    enum err (*load)(
        struct dest_tests *tests, const char *folder, const struct destination_type **ret_type, struct errinfo *why);
    enum err (*run)(struct dest_tests *tests, const struct destination_type *type, struct slice text,
        struct arena *arena, struct dest_verdict *ret_verdict, struct errinfo *why);
};

/* Tests the folders that `args` names. EXIT_NO where a case fails. */
int dest_test(const struct dest_tester *tester, const struct args *args, const struct conf *conf);

#endif
