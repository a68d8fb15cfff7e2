/* Shared parts of the benchmark program: histogram, payloads, arguments, results as one JSON line on stdout. */
#ifndef SLUICE_BENCH_BENCH_H
#define SLUICE_BENCH_BENCH_H

#include <stdint.h>

#include "base/slice.h"

/* Log-linear histogram of nanoseconds: 64 linear steps per power of two, so a quantile is off by less than 1.6 %. */
#define HIST_STEPS 64
#define HIST_POWERS 40
struct hist {
    uint64_t count, max;
    uint64_t slots[HIST_POWERS * HIST_STEPS];
};
void hist_add(struct hist *hist, uint64_t ns);
uint64_t hist_quantile(const struct hist *hist, double q);

/* One pre-built request: `head` bytes of HTTP, then the body. `ids` are where message ids stand in plain text, to be
 * made unique. */
struct request {
    char *bytes;
    size_t len;
    uint32_t *ids;
    uint32_t id_count;
};

struct payload_spec {
    const char *shape; /* minimal | event1400 | rudder (identify, page, track sizes of the field's load tool) */
    unsigned batch;    /* events per request; 1 = a single-event endpoint */
    bool gzip;
    const char *host, *path, *key;
    double duplicate_share;
};
/* Builds `count` requests. With gzip every request is distinct (ids cannot be patched in compressed text). */
struct request *payload_build(const struct payload_spec *spec, uint32_t count);
void payload_free(struct request *requests, uint32_t count);
/* Writes a fresh id (36 bytes, hex and dashes) at `at`. */
void payload_stamp(char *at, uint64_t number);

/* --name value; returns fallback when absent. */
const char *arg_text(int argc, char **argv, const char *name, const char *fallback);
uint64_t arg_u64(int argc, char **argv, const char *name, uint64_t fallback);
bool arg_flag(int argc, char **argv, const char *name);

uint64_t now_ns(void);
uint64_t cpu_ns(void); /* of this process, all threads */

int bench_load(int argc, char **argv);
int bench_responder(int argc, char **argv);
int bench_validator(int argc, char **argv);
int bench_relay(int argc, char **argv);
int bench_log(int argc, char **argv);
int bench_transform(int argc, char **argv);
int bench_fill(int argc, char **argv);
int bench_map(int argc, char **argv);
int bench_dest(int argc, char **argv);

#endif
