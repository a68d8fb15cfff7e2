/* What the core itself reads from a destination's config, with the original's keys: event lists and connection mode.
 * The rest belongs to the delivery of its type, which is asked through workspace_types. */
#include "model/workspace_build.h"

struct slice workspace_display_name(const struct workspace_types *types, struct slice type) {
    struct slice label = types != NULL && types->label != NULL ? types->label(type) : SLICE_NONE;
    if (label.len > 0) {
        return label;
    }
    return slice_eq(type, SLICE("WEBHOOK")) ? SLICE("Webhook") : type;
}

static enum err list_fail(const char *list, struct errinfo *inner) {
    return err_why(ERR_INVALID, inner, list, "must be a list of {eventName: text}");
}

/* Empty names are rows that the original's form leaves behind. */
static enum err read_events(struct draft *draft, struct destination *destination, const struct json_doc *doc,
    uint32_t config, const char *key, struct errinfo *inner) {
    uint32_t list = json_find(doc, config, slice_cstr(key));
    if (!json_is(doc, list, JSON_ARRAY)) {
        bool absent = list == JSON_ABSENT || json_is(doc, list, JSON_NULL);
        return draft->strict && !absent ? list_fail(key, inner) : OK;
    }
    struct slice *names = ARENA_ARRAY(draft->arena, struct slice, json_count(doc, list));
    size_t count = 0;
    for (uint32_t row = json_first(doc, list); row != JSON_ABSENT; row = json_after(doc, list, row)) {
        uint32_t name = json_find(doc, row, SLICE("eventName"));
        if (!json_is(doc, name, JSON_STRING)) {
            if (draft->strict) {
                return list_fail(key, inner);
            }
            continue;
        }
        struct slice text = slice_trim(json_string(doc, name, draft->arena));
        if (text.len > 0) {
            names[count++] = arena_dup(draft->arena, text);
        }
    }
    destination->filter_events = names;
    destination->filter_event_count = count;
    return OK;
}

static enum err read_filter(struct draft *draft, struct destination *destination, const struct json_doc *doc,
    uint32_t config, struct errinfo *inner) {
    static const char option_key[] = "eventFilteringOption";
    uint32_t node = json_find(doc, config, slice_cstr(option_key));
    struct slice option = json_is(doc, node, JSON_STRING) ? json_string(doc, node, draft->arena) : SLICE_NONE;
    if (slice_eq(option, SLICE("whitelistedEvents"))) {
        destination->filter = EVENT_FILTER_ALLOW;
        return read_events(draft, destination, doc, config, "whitelistedEvents", inner);
    }
    if (slice_eq(option, SLICE("blacklistedEvents"))) {
        destination->filter = EVENT_FILTER_DENY;
        return read_events(draft, destination, doc, config, "blacklistedEvents", inner);
    }
    bool absent = node == JSON_ABSENT || json_is(doc, node, JSON_NULL);
    bool off = absent || (json_is(doc, node, JSON_STRING) && (option.len == 0 || slice_eq(option, SLICE("disable"))));
    if (draft->strict && !off) {
        struct place_quote quote = place_quote(json_raw(doc, node));
        return err_why(ERR_INVALID, inner, option_key,
            "must be 'disable', 'whitelistedEvents' or 'blacklistedEvents', not %s", quote.text);
    }
    return OK;
}

enum mode { MODE_ABSENT, MODE_CLOUD, MODE_DEVICE, MODE_OTHER };

static enum mode mode_of(const struct json_doc *doc, uint32_t node) {
    if (node == JSON_ABSENT || json_is(doc, node, JSON_NULL)) {
        return MODE_ABSENT;
    }
    if (!json_is(doc, node, JSON_STRING)) {
        return MODE_OTHER;
    }
    struct slice raw = json_raw(doc, node); /* no escapes in these words */
    if (slice_eq(raw, SLICE("\"device\""))) {
        return MODE_DEVICE;
    }
    bool known = slice_eq(raw, SLICE("\"cloud\"")) || slice_eq(raw, SLICE("\"hybrid\""));
    return known ? MODE_CLOUD : MODE_OTHER;
}

static enum err mode_fail(const struct json_doc *doc, uint32_t node, struct errinfo *inner) {
    struct place_quote quote = place_quote(json_raw(doc, node));
    return err_why(ERR_INVALID, inner, "connectionMode",
        "must be 'cloud', 'device' or 'hybrid', or one of these per source type, not %s", quote.text);
}

static enum err check_mode(const struct json_doc *doc, uint32_t config, struct errinfo *inner) {
    uint32_t node = json_find(doc, config, SLICE("connectionMode"));
    if (!json_is(doc, node, JSON_OBJECT)) {
        return mode_of(doc, node) == MODE_OTHER ? mode_fail(doc, node, inner) : OK;
    }
    for (uint32_t key = json_first(doc, node); key != JSON_ABSENT; key = json_after(doc, node, key)) {
        if (mode_of(doc, key + 1) == MODE_OTHER) {
            return mode_fail(doc, key + 1, inner);
        }
    }
    return OK;
}

/* The value of a setting for sources of this type: itself, or the member of that name. */
static uint32_t for_source_type(const struct json_doc *doc, uint32_t node, struct slice source_type) {
    return json_is(doc, node, JSON_OBJECT) ? json_find(doc, node, source_type) : node;
}

bool draft_is_hybrid(const struct json_doc *doc, uint32_t config, struct slice source_type) {
    uint32_t node = for_source_type(doc, json_find(doc, config, SLICE("connectionMode")), source_type);
    return json_is(doc, node, JSON_STRING) && slice_eq(json_raw(doc, node), SLICE("\"hybrid\""));
}

bool draft_is_cloud(const struct json_doc *doc, uint32_t config, struct slice source_type) {
    enum mode mode = mode_of(doc, for_source_type(doc, json_find(doc, config, SLICE("connectionMode")), source_type));
    if (mode == MODE_CLOUD || mode == MODE_DEVICE) {
        return mode == MODE_CLOUD;
    }
    return !json_is(doc, for_source_type(doc, json_find(doc, config, SLICE("useNativeSDK")), source_type), JSON_TRUE);
}

enum err draft_settings(struct draft *draft, struct destination *destination, const struct json_doc *doc, uint32_t node,
    struct errinfo *inner) {
    enum err e = read_filter(draft, destination, doc, node, inner);
    if (e == OK && draft->strict) {
        e = check_mode(doc, node, inner);
    }
    if (e != OK) {
        return e;
    }
    destination->supported = true;
    if (draft->types == NULL || draft->types->check == NULL) {
        return OK;
    }
    e = draft->types->check(destination->type, destination->config, inner);
    if (e == ERR_UNSUPPORTED) {
        destination->supported = false;
        return OK;
    }
    bool matters = draft->strict || destination->enabled; /* the original loads disabled ones whatever they hold */
    return matters ? e : OK;
}
