/* sluice bench: hands over to sluice-bench, which is built next to this program. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/arena.h"
#include "cli/cli.h"

enum { PATH_SIZE = 4096 };

/* The folder of this program, with its last slash. */
static bool own_folder(char out[PATH_SIZE]) {
    ssize_t len = readlink("/proc/self/exe", out, PATH_SIZE - 1);
    if (len <= 0) {
        return false;
    }
    out[len] = '\0';
    char *slash = strrchr(out, '/');
    if (slash == NULL) {
        return false;
    }
    slash[1] = '\0';
    return true;
}

int verb_bench(const struct args *args) {
    char folder[PATH_SIZE], program[PATH_SIZE + 16];
    if (!own_folder(folder)) {
        fprintf(stderr, "sluice: cannot tell where this program is: %s\n", strerror(errno));
        return EXIT_NO;
    }
    snprintf(program, sizeof program, "%ssluice-bench", folder);
    char **argv = mem_alloc(((size_t)args->positional_count + 2) * sizeof *argv);
    argv[0] = program;
    for (int i = 0; i < args->positional_count; i++) {
        argv[i + 1] = args->positional[i];
    }
    execv(program, argv);
    fprintf(stderr, "sluice: cannot run %s: %s; `make bench` builds it\n", program, strerror(errno));
    mem_free(argv);
    return EXIT_NO;
}
