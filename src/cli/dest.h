/* The verb `dest`, whose words are in two files. */
#ifndef SLUICE_CLI_DEST_H
#define SLUICE_CLI_DEST_H

#include "cli/args.h"
#include "cli/conf.h"
#include "destination/destination.h"

#define DEST_DEPTH 128
#define DEST_FILE_MAX ((size_t)64 << 20)

/* A whole file ("-" is standard input) with JSON_PADDING bytes behind it, in `arena`. */
MUST enum err dest_read(const char *file, struct arena *arena, struct slice *ret_text, struct errinfo *why);

/* dest_try.c */
int dest_try(const struct args *args, const struct conf *conf);
int dest_run(void);

#endif
