/* sluice-bench: the load generator and the ceilings that Sluice is measured against. bench/run.py drives it. */
#include <stdio.h>

#include "bench.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} COMMANDS[] = {
    {"load", bench_load,
        "--port N [--batch N] [--gzip] [--rate R] [--requests N] [--connections N] [--shape S]: send events, print latencies"},
    {"responder", bench_responder,
        "[--port N] [--latency]: ceiling and sink: bare libuv + llhttp, reads a body, answers ok"},
    {"validator", bench_validator,
        "[--port N] --file F: ceiling: inflates, validates, writes raw with the same syncs, answers ok"},
    {"relay", bench_relay, "[--port N] --to URL: ceiling: our server parts, our client, no store"},
    {"log", bench_log,
        "--dir D [--group N] [--events N]: store append and read-back against raw write + fdatasync and read"},
    {"transform", bench_transform,
        "[--sluice PATH] [--workers N] [--batch N] [--rounds N] [--turn-ms N]: a user transformation through a worker against in-process"},
    {"fill", bench_fill, "--dir D --events N: writes a log of that many events, for recovery and lag measurements"},
    {"map", bench_map,
        "--definition DIR --event FILE [--events N]: events to requests by a definition's tables, in process"},
    {"dest", bench_dest,
        "[--sluice PATH] [--events N] [--batch N]: one mapping as tables and as JavaScript in a worker"},
};

int main(int argc, char **argv) {
    for (size_t i = 0; argc > 1 && i < COUNT_OF(COMMANDS); i++) {
        if (strcmp(argv[1], COMMANDS[i].name) == 0) {
            return COMMANDS[i].run(argc - 2, argv + 2);
        }
    }
    fprintf(stderr, "usage: sluice-bench COMMAND [options]\n");
    for (size_t i = 0; i < COUNT_OF(COMMANDS); i++) {
        fprintf(stderr, "  %-10s %s\n", COMMANDS[i].name, COMMANDS[i].help);
    }
    return 2;
}
