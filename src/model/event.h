/* The nouns of an event that every stage shares: its type, and what can become of it. */
#ifndef SLUICE_MODEL_EVENT_H
#define SLUICE_MODEL_EVENT_H

#include "base/slice.h"

enum event_type {
    EVENT_OTHER, /* any other `type`; stored and delivered as it is */
    EVENT_IDENTIFY,
    EVENT_TRACK,
    EVENT_PAGE,
    EVENT_SCREEN,
    EVENT_ALIAS,
    EVENT_GROUP,
    EVENT_MERGE,
    EVENT_TYPE_COUNT
};

struct slice event_type_name(enum event_type type);  /* "track" */
enum event_type event_type_parse(struct slice name); /* case-sensitive */

/* Why an event did not simply go out. One row per reason in reason.def: name, text. The code is stored in notes and
 * dead letters: append rows, never reorder. */
enum reason {
#define R(name, text) REASON_##name,
#include "model/reason.def"
#undef R
    REASON_COUNT
};
const char *reason_name(enum reason reason);
const char *reason_text(enum reason reason);

#endif
