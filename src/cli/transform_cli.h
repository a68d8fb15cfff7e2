/* Private to `sluice transform`'s files. */
#ifndef SLUICE_CLI_TRANSFORM_CLI_H
#define SLUICE_CLI_TRANSFORM_CLI_H

#include "cli/args.h"
#include "cli/transform_spec.h"

/* A transform with a spec in it, and the loop on which its batches end. */
struct transform_seat {
    struct loop *loop;
    struct transform *transform;
    struct transform_version *version;
};

/* `offline`: fetch is answered from the spec only. */
void seat_init(struct transform_seat *seat, const struct transform_conf *conf, struct spec *spec, bool offline);
void seat_fini(struct transform_seat *seat);
/* Runs inputs [from, from + count) as one batch; `on_answer` sees the answer on this thread before it returns. */
void seat_run(struct transform_seat *seat, const struct spec *spec, size_t from, size_t count,
    void (*on_answer)(void *ctx, const struct transform_answer *answer), void *ctx);

int transform_run_verb(const struct args *args, const struct transform_conf *conf);
int transform_test_verb(const struct args *args, const struct transform_conf *conf);

#endif
