/* The rules, in the order in which they are asked. Facts: the integrations object is keyed by the display name of the
 * destination's type; consent has three notations in the destination's settings; event lists apply to track events
 * alone. */
#include "processor/filter.h"

#include "base/buf.h"

enum { DEPTH_MAX = 1024, ARENA_CHUNK = 16 * 1024 };

enum known { UNKNOWN, NO, YES };

struct filter {
    struct json_parser *event_parser, *config_parser;
    struct arena arena; /* of one event */
    struct buf padded, config_padded;
    const struct record *record;
    struct json_doc event;
    enum known parsed; /* NO: it is no JSON object */
    enum known names_integrations, names_denied;
};

struct filter *filter_new(void) {
    struct filter *filter = mem_alloc(sizeof *filter);
    filter->event_parser = json_parser_new(DEPTH_MAX);
    filter->config_parser = json_parser_new(DEPTH_MAX);
    arena_init(&filter->arena, ARENA_CHUNK, 0);
    buf_init(&filter->padded, 0);
    buf_init(&filter->config_padded, 0);
    return filter;
}

void filter_free(struct filter *filter) {
    if (filter == NULL) {
        return;
    }
    json_parser_free(filter->event_parser);
    json_parser_free(filter->config_parser);
    arena_fini(&filter->arena);
    buf_fini(&filter->padded);
    buf_fini(&filter->config_padded);
    mem_free(filter);
}

void filter_begin(struct filter *filter, const struct record *record) {
    if (filter->arena.used > 0) {
        arena_reset(&filter->arena);
    }
    filter->record = record;
    filter->parsed = UNKNOWN;
    filter->names_integrations = UNKNOWN;
    filter->names_denied = UNKNOWN;
}

struct arena *filter_arena(struct filter *filter) {
    return &filter->arena;
}

/* Parses a copy with the parser's padding behind it; an object, or false. */
static bool parse_object(struct json_parser *parser, struct buf *padded, struct slice text, struct json_doc *ret_doc) {
    buf_reset(padded);
    if (buf_append(padded, text) != OK || buf_reserve(padded, JSON_PADDING) != OK) {
        return false;
    }
    struct json_doc doc;
    if (json_parse(parser, buf_slice(padded), &doc, NULL) != OK || !json_is(&doc, 0, JSON_OBJECT)) {
        return false;
    }
    *ret_doc = doc;
    return true;
}

const struct json_doc *filter_event(struct filter *filter) {
    if (filter->parsed == UNKNOWN) {
        bool object = parse_object(filter->event_parser, &filter->padded, filter->record->payload, &filter->event);
        filter->parsed = object ? YES : NO;
    }
    return filter->parsed == YES ? &filter->event : NULL;
}

static bool mentions(struct slice text, struct slice word) {
    return text.len >= word.len && memmem(text.ptr, text.len, word.ptr, word.len) != NULL;
}

static bool event_mentions(const struct filter *filter, enum known *cache, struct slice word) {
    if (*cache == UNKNOWN) {
        *cache = mentions(filter->record->payload, word) ? YES : NO;
    }
    return *cache == YES;
}

/* The settings as a document, valid until the next call; false when they have no key of that name. */
static bool settings_with(
    struct filter *filter, const struct destination *destination, struct slice quoted_key, struct json_doc *ret_doc) {
    return mentions(destination->config, quoted_key) &&
        parse_object(filter->config_parser, &filter->config_padded, destination->config, ret_doc);
}

/* ---- message types ---- */

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* The event's type as the lists have it: lower case, trimmed; SLICE_NONE when it has none. */
static struct slice message_type(struct filter *filter) {
    if (filter->record->head.type != EVENT_OTHER) {
        return event_type_name(filter->record->head.type);
    }
    const struct json_doc *event = filter_event(filter);
    if (event == NULL) {
        return SLICE_NONE;
    }
    struct slice type = slice_trim(json_string(event, json_find(event, 0, SLICE("type")), &filter->arena));
    char *copy = arena_alloc(&filter->arena, type.len + 1);
    for (size_t i = 0; i < type.len; i++) {
        copy[i] = lower(type.ptr[i]);
    }
    return slice_of(copy, type.len);
}

static bool identify_is_off(struct filter *filter, const struct destination *destination) {
    struct json_doc config;
    return settings_with(filter, destination, SLICE("\"enableServerSideIdentify\""), &config) &&
        json_is(&config, json_find(&config, 0, SLICE("enableServerSideIdentify")), JSON_FALSE);
}

static bool is_among(struct slice type, const struct slice *types, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (slice_eq(type, types[i])) {
            return true;
        }
    }
    return false;
}

static bool type_passes(struct filter *filter, const struct destination *destination) {
    if (destination->message_types == NULL) {
        return true;
    }
    struct slice type = message_type(filter);
    return is_among(type, destination->message_types, destination->message_type_count) &&
        (!slice_eq(type, SLICE("identify")) || !identify_is_off(filter, destination));
}

static bool hybrid_passes(struct filter *filter, const struct connection *connection) {
    return connection->hybrid_types == NULL ||
        is_among(message_type(filter), connection->hybrid_types, connection->hybrid_type_count);
}

/* ---- the integrations object ---- */

static bool integrations_pass(struct filter *filter, const struct destination *destination) {
    if (!event_mentions(filter, &filter->names_integrations, SLICE("\"integrations\""))) {
        return true;
    }
    const struct json_doc *event = filter_event(filter);
    uint32_t integrations = event != NULL ? json_find(event, 0, SLICE("integrations")) : JSON_ABSENT;
    if (integrations == JSON_ABSENT) {
        return true;
    }
    if (!json_is(event, integrations, JSON_OBJECT)) {
        return false;
    }
    uint32_t all = json_find(event, integrations, SLICE("All"));
    if (all != JSON_ABSENT && !json_is(event, all, JSON_TRUE) && !json_is(event, all, JSON_FALSE)) {
        return false;
    }
    uint32_t own = json_find(event, integrations, destination->display_name);
    if (json_is(event, own, JSON_TRUE) || json_is(event, own, JSON_OBJECT)) {
        return true;
    }
    return !json_is(event, own, JSON_FALSE) && !json_is(event, all, JSON_FALSE);
}

/* ---- consent ---- */

struct consent { /* of the event: context.consentManagement */
    const struct json_doc *event;
    uint32_t denied; /* a non-empty array */
    struct slice provider, strategy;
};

static bool is_denied(struct filter *filter, const struct consent *consent, struct slice id) {
    const struct json_doc *event = consent->event;
    for (uint32_t node = json_first(event, consent->denied); node != JSON_ABSENT;
         node = json_after(event, consent->denied, node)) {
        if (json_is(event, node, JSON_STRING) && slice_eq(json_string(event, node, &filter->arena), id)) {
            return true;
        }
    }
    return false;
}

/* How many of the ids `list[].key` in the settings are denied, and of how many. */
static void count_denied(struct filter *filter, const struct consent *consent, const struct json_doc *config,
    uint32_t list, struct slice key, size_t ret_counts[2]) {
    ret_counts[0] = ret_counts[1] = 0;
    if (!json_is(config, list, JSON_ARRAY)) {
        return;
    }
    for (uint32_t node = json_first(config, list); node != JSON_ABSENT; node = json_after(config, list, node)) {
        struct slice id = slice_trim(json_string(config, json_find(config, node, key), &filter->arena));
        if (id.len > 0) {
            ret_counts[0] += is_denied(filter, consent, id) ? 1 : 0;
            ret_counts[1]++;
        }
    }
}

/* The settings' entry for the event's provider that names consents. True: found, and *ret_passes decides. */
static bool generic_consent(
    struct filter *filter, const struct consent *consent, const struct json_doc *config, bool *ret_passes) {
    uint32_t list = json_find(config, 0, SLICE("consentManagement"));
    if (!json_is(config, list, JSON_ARRAY)) {
        return false;
    }
    for (uint32_t node = json_first(config, list); node != JSON_ABSENT; node = json_after(config, list, node)) {
        struct slice provider = json_string(config, json_find(config, node, SLICE("provider")), &filter->arena);
        size_t counts[2];
        count_denied(filter, consent, config, json_find(config, node, SLICE("consents")), SLICE("consent"), counts);
        if (!slice_eq(provider, consent->provider) || counts[1] == 0) {
            continue;
        }
        struct slice strategy = consent->strategy;
        if (slice_eq(provider, SLICE("custom"))) {
            strategy = json_string(config, json_find(config, node, SLICE("resolutionStrategy")), &filter->arena);
        }
        *ret_passes = slice_eq(strategy, SLICE("or")) ? counts[0] < counts[1] : counts[0] == 0;
        return true;
    }
    return false;
}

static bool settings_consent(struct filter *filter, const struct consent *consent, const struct json_doc *config) {
    bool passes = true;
    if (generic_consent(filter, consent, config, &passes)) {
        return passes;
    }
    size_t counts[2];
    if (consent->provider.len == 0 || slice_eq(consent->provider, SLICE("oneTrust"))) {
        uint32_t categories = json_find(config, 0, SLICE("oneTrustCookieCategories"));
        count_denied(filter, consent, config, categories, SLICE("oneTrustCookieCategory"), counts);
        if (counts[0] > 0) {
            return false;
        }
    }
    if (consent->provider.len == 0 || slice_eq(consent->provider, SLICE("ketch"))) {
        uint32_t purposes = json_find(config, 0, SLICE("ketchConsentPurposes"));
        count_denied(filter, consent, config, purposes, SLICE("purpose"), counts);
        if (counts[1] > 0 && counts[0] == counts[1]) {
            return false;
        }
    }
    return true;
}

static bool consent_passes(struct filter *filter, const struct destination *destination) {
    if (!event_mentions(filter, &filter->names_denied, SLICE("\"deniedConsentIds\""))) {
        return true;
    }
    const struct json_doc *event = filter_event(filter);
    uint32_t management = event != NULL ? json_find_path(event, 0, SLICE("context.consentManagement")) : JSON_ABSENT;
    if (management == JSON_ABSENT) {
        return true;
    }
    struct consent consent = {.event = event, .denied = json_find(event, management, SLICE("deniedConsentIds"))};
    if (!json_is(event, consent.denied, JSON_ARRAY) || json_first(event, consent.denied) == JSON_ABSENT) {
        return true;
    }
    consent.provider = json_string(event, json_find(event, management, SLICE("provider")), &filter->arena);
    consent.strategy = json_string(event, json_find(event, management, SLICE("resolutionStrategy")), &filter->arena);
    struct json_doc config;
    if (!parse_object(filter->config_parser, &filter->config_padded, destination->config, &config)) {
        return true;
    }
    return settings_consent(filter, &consent, &config);
}

/* ---- event lists ---- */

static struct slice event_name(struct filter *filter) {
    const struct json_doc *event = filter_event(filter);
    if (event == NULL) {
        return SLICE_NONE;
    }
    return slice_trim(json_string(event, json_find(event, 0, SLICE("event")), &filter->arena));
}

static bool is_listed(const struct destination *destination, struct slice name) {
    for (size_t i = 0; i < destination->filter_event_count; i++) {
        if (slice_eq(destination->filter_events[i], name)) {
            return true;
        }
    }
    return false;
}

/* listOfConversions: [{conversions: "name"}] in the settings: only those events. A malformed list decides nothing. */
static bool conversions_pass(struct filter *filter, const struct destination *destination) {
    struct json_doc config;
    if (!settings_with(filter, destination, SLICE("\"listOfConversions\""), &config)) {
        return true;
    }
    uint32_t list = json_find(&config, 0, SLICE("listOfConversions"));
    if (!json_is(&config, list, JSON_ARRAY) || json_first(&config, list) == JSON_ABSENT) {
        return true;
    }
    struct slice name = event_name(filter);
    for (uint32_t node = json_first(&config, list); node != JSON_ABSENT; node = json_after(&config, list, node)) {
        uint32_t value = json_find(&config, node, SLICE("conversions"));
        if (!json_is(&config, value, JSON_STRING)) {
            return true;
        }
        if (name.len > 0 && slice_eq(slice_trim(json_string(&config, value, &filter->arena)), name)) {
            return true;
        }
    }
    return false;
}

static enum reason list_reason(struct filter *filter, const struct destination *destination) {
    if (!conversions_pass(filter, destination)) {
        return REASON_EVENT_NOT_ALLOWED;
    }
    if (destination->filter == EVENT_FILTER_OFF || filter->record->head.type != EVENT_TRACK) {
        return REASON_NONE;
    }
    struct slice name = event_name(filter);
    bool listed = name.len > 0 && is_listed(destination, name);
    if (destination->filter == EVENT_FILTER_ALLOW) {
        return listed ? REASON_NONE : REASON_EVENT_NOT_ALLOWED;
    }
    return listed ? REASON_EVENT_DENIED : REASON_NONE;
}

/* ---- all of them ---- */

static enum reason first_reason(struct filter *filter, const struct connection *connection) {
    const struct destination *destination = connection->destination;
    if (!connection->enabled) {
        return REASON_CONNECTION_DISABLED;
    }
    if (!destination->enabled) {
        return REASON_DESTINATION_DISABLED;
    }
    if (!connection->cloud) {
        return REASON_DEVICE_MODE;
    }
    if (!integrations_pass(filter, destination)) {
        return REASON_INTEGRATIONS;
    }
    if (!consent_passes(filter, destination)) {
        return REASON_CONSENT;
    }
    if (!type_passes(filter, destination)) {
        return REASON_MESSAGE_TYPE;
    }
    if (!hybrid_passes(filter, connection)) {
        return REASON_HYBRID_MODE;
    }
    return list_reason(filter, destination);
}

enum verdict filter_verdict(struct filter *filter, const struct connection *connection, enum reason *ret_reason) {
    enum reason reason = first_reason(filter, connection);
    *ret_reason = reason;
    return reason == REASON_NONE ? VERDICT_DELIVER : VERDICT_FILTER;
}
