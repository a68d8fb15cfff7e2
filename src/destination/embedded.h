/* The definitions that are part of the binary, and their code: written by tools/embed from destinations/ and sources/,
 * one row each. Private to destination/. */
#ifndef SLUICE_DESTINATION_EMBEDDED_H
#define SLUICE_DESTINATION_EMBEDDED_H

#include <stddef.h>

struct destination_embedded {
    const char *name; /* of the folder: "destinations/slack" */
    const unsigned char *text;
    size_t len;
    const unsigned char *code; /* transform.js; NULL = there is none */
    size_t code_len;
};

struct destination_library { /* destinations/_lib/<name>.js */
    const char *name;        /* as it is imported */
    const char *file;
    const unsigned char *text;
    size_t len;
};

extern const struct destination_embedded destination_embedded[];
extern const size_t destination_embedded_count;
extern const struct destination_library destination_libraries[];
extern const size_t destination_library_count;

#endif
