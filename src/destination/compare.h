/* Two JSON documents as structures. Of destination/ and of source/, whose cases are compared in the same way. */
#ifndef SLUICE_DESTINATION_COMPARE_H
#define SLUICE_DESTINATION_COMPARE_H

#include "json/json.h"

struct comparison {
    struct json_doc expected, actual;
    struct arena *arena;
    char path[160];
    size_t path_len;
    struct slice text; /* the first difference */
};

/* Numbers are equal by value, objects whatever their order. False: c->text says where they differ first. */
bool compare_nodes(struct comparison *c, uint32_t expected, uint32_t actual);

#endif
