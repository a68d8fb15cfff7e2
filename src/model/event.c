/* Names of event types and of reasons: tables only. */
#include "model/event.h"

static const struct slice type_names[EVENT_TYPE_COUNT] = {
    [EVENT_OTHER] = {"other", 5},
    [EVENT_IDENTIFY] = {"identify", 8},
    [EVENT_TRACK] = {"track", 5},
    [EVENT_PAGE] = {"page", 4},
    [EVENT_SCREEN] = {"screen", 6},
    [EVENT_ALIAS] = {"alias", 5},
    [EVENT_GROUP] = {"group", 5},
    [EVENT_MERGE] = {"merge", 5},
};

static const char *const reason_names[REASON_COUNT] = {
#define R(name, text) #name,
#include "model/reason.def"
#undef R
};

static const char *const reason_texts[REASON_COUNT] = {
#define R(name, text) text,
#include "model/reason.def"
#undef R
};

struct slice event_type_name(enum event_type type) {
    ASSERT((unsigned)type < EVENT_TYPE_COUNT);
    return type_names[type];
}

enum event_type event_type_parse(struct slice name) {
    for (unsigned type = EVENT_OTHER + 1; type < EVENT_TYPE_COUNT; type++) {
        if (slice_eq(name, type_names[type])) {
            return (enum event_type)type;
        }
    }
    return EVENT_OTHER;
}

const char *reason_name(enum reason reason) {
    return (unsigned)reason < REASON_COUNT ? reason_names[reason] : "UNKNOWN";
}

const char *reason_text(enum reason reason) {
    return (unsigned)reason < REASON_COUNT ? reason_texts[reason] : "a reason that this version does not know";
}
