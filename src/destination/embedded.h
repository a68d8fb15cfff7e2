/* The definitions that are part of the binary: written by tools/embed from destinations/, one row each. Private to
 * destination/. */
#ifndef SLUICE_DESTINATION_EMBEDDED_H
#define SLUICE_DESTINATION_EMBEDDED_H

#include <stdbool.h>
#include <stddef.h>

struct destination_embedded {
    const char *name; /* of the folder */
    const unsigned char *text;
    size_t len;
    bool has_code;
};

extern const struct destination_embedded destination_embedded[];
extern const size_t destination_embedded_count;

#endif
