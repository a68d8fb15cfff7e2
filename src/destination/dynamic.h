/* {{ event.path || default }} in settings. Private to destination/. */
#ifndef SLUICE_DESTINATION_DYNAMIC_H
#define SLUICE_DESTINATION_DYNAMIC_H

#include "json/json.h"
#include "json/json_write.h"

struct dynamic {
    struct slice path, fallback;
};

/* False: the text is an ordinary one. */
bool dynamic_parse(struct slice text, struct dynamic *ret_dynamic);
/* Any text of the config has the form. */
bool dynamic_is_any(const struct json_doc *config, struct arena *arena);
/* The config for one event, and the event without what went into it; both in `arena`, JSON_PADDING behind them. */
void dynamic_fill(const struct json_doc *config, const struct json_doc *event, struct arena *arena,
    struct slice *ret_config, struct slice *ret_event);

#endif
