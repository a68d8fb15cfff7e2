/* A configured destination's settings: checked by its definition, then read by index. */
#include <stdio.h>

#include "destination/definition.h"
#include "destination/dynamic.h"
#include "http/client.h"

struct opening {
    const struct definition *d;
    const struct json_doc *doc; /* the config */
    struct arena *arena;
    struct errinfo *why;
    struct value *values;
    bool *given;
    bool filled; /* by an event: no text is dynamic */
};

static enum err fail(const struct opening *o, size_t at, const char *what) {
    const struct destination_setting *setting = &o->d->type.settings[at];
    return err_why(ERR_INVALID, o->why, setting->key.ptr, "%.*s %s: %.*s", SLICE_ARG(setting->label), what,
        SLICE_ARG(setting->help));
}

/* To be checked when an event has filled it. */
static bool is_dynamic(const struct opening *o, const struct value *value) {
    struct dynamic unused;
    return !o->filled && value_is_text(value) && dynamic_parse(value_text(value, o->arena), &unused);
}

/* ---- by type ---- */

static enum err check_choice(const struct opening *o, size_t at, struct slice text) {
    const struct destination_setting *setting = &o->d->type.settings[at];
    struct slice nearest = SLICE("");
    unsigned nearest_distance = UINT32_MAX;
    for (size_t i = 0; i < setting->option_count; i++) {
        unsigned distance = slice_distance(text, setting->options[i].value);
        if (distance == 0 && slice_eq(text, setting->options[i].value)) {
            return OK;
        }
        if (distance < nearest_distance) {
            nearest_distance = distance;
            nearest = setting->options[i].value;
        }
    }
    char what[128];
    snprintf(what, sizeof what, "is none of its choices, the nearest is \"%.*s\"",
        (int)(nearest.len < 64 ? nearest.len : 64), nearest.ptr);
    return fail(o, at, what);
}

static enum err check_text(const struct opening *o, size_t at) {
    const struct destination_setting *setting = &o->d->type.settings[at];
    struct value *value = &o->values[at];
    if (!value_is_text(value)) {
        return fail(o, at, "must be a text");
    }
    struct slice text = slice_trim(value_text(value, o->arena));
    *value = value_of_text(text);
    if (setting->type == SETTING_CHOICE) {
        return check_choice(o, at, text);
    }
    struct errinfo inner = {.at = 0};
    if (setting->type == SETTING_URL && http_url_check(text, &inner) != OK) {
        return fail(o, at, inner.text[0] != '\0' ? inner.text : "is no URL");
    }
    const regex_t *pattern = o->d->checks[at].pattern;
    if (pattern != NULL && !pattern_matches(pattern, text, o->arena)) {
        return fail(o, at, "is not of the form that it must have");
    }
    return OK;
}

static enum err check_pairs(const struct opening *o, size_t at) {
    struct value *value = &o->values[at];
    struct value_pair item;
    for (size_t position = 0; value_next(value, &position, o->arena, &item);) {
        struct value from = value_member(&item.value, SLICE("from"), o->arena);
        struct value to = value_member(&item.value, SLICE("to"), o->arena);
        if (!value_is_text(&from) || !value_is_text(&to)) {
            return fail(o, at, "must be a list of {from, to}");
        }
    }
    return OK;
}

static enum err check_rows(const struct opening *o, size_t at) {
    struct value *value = &o->values[at];
    struct value_pair item;
    for (size_t position = 0; value_next(value, &position, o->arena, &item);) {
        if (!value_is_object(&item.value)) {
            return fail(o, at, "must be a list of objects");
        }
    }
    return OK;
}

static enum err check_type(const struct opening *o, size_t at) {
    struct value *value = &o->values[at];
    double number = 0;
    if (is_dynamic(o, value)) {
        return OK;
    }
    switch (o->d->type.settings[at].type) {
    case SETTING_NUMBER:
        if (value->kind == VALUE_BOOL || !value_number(value, o->arena, &number)) {
            return fail(o, at, "must be a number");
        }
        *value = value_of_double(number, o->arena);
        return OK;
    case SETTING_BOOLEAN:
        return value->kind == VALUE_BOOL ? OK : fail(o, at, "must be true or false");
    case SETTING_LIST:
        return value_is_array(value) ? OK : fail(o, at, "must be a list");
    case SETTING_PAIRS:
        return value_is_array(value) ? check_pairs(o, at) : fail(o, at, "must be a list of {from, to}");
    case SETTING_ROWS:
        return value_is_array(value) ? check_rows(o, at) : fail(o, at, "must be a list of objects");
    case SETTING_ANY:
        return OK;
    default:
        return check_text(o, at);
    }
}

/* ---- all of them ---- */

static bool is_blank(const struct opening *o, const struct value *value) {
    return !value_is_set(value) || (value_is_text(value) && slice_trim(value_text(value, o->arena)).len == 0);
}

static bool is_known(const struct definition *d, struct slice key) {
    for (size_t i = 0; i < d->type.setting_count; i++) {
        if (slice_eq(d->setting_keys[i], key)) {
            return true;
        }
    }
    return false;
}

/* A key that nobody knows and that looks like the missing one. */
static struct slice lookalike(const struct opening *o, struct slice key) {
    enum { CLOSE = 3 };
    for (uint32_t k = json_first(o->doc, 0); k != JSON_ABSENT; k = json_after(o->doc, 0, k)) {
        struct slice name = json_string(o->doc, k, o->arena);
        bool close = slice_distance(name, key) < CLOSE || slice_eq_nocase(name, key);
        if (close && !is_known(o->d, name)) {
            return name;
        }
    }
    return SLICE_NONE;
}

static enum err missing(const struct opening *o, size_t at) {
    struct slice other = lookalike(o, o->d->setting_keys[at]);
    if (other.len == 0) {
        return fail(o, at, "is required and missing");
    }
    char what[128];
    snprintf(what, sizeof what, "is required and missing (there is \"%.*s\": is \"%s\" meant?)",
        (int)(other.len < 40 ? other.len : 40), other.ptr, o->d->setting_keys[at].ptr);
    return fail(o, at, what);
}

static enum err check_shown(const struct opening *o, const struct run *run) {
    for (size_t i = 0; i < o->d->type.setting_count; i++) {
        bool shown = condition_holds(o->d->checks[i].show_when, run);
        if (!shown) {
            continue; /* what is not asked for is not checked either */
        }
        if (!o->given[i] && o->d->type.settings[i].required) {
            return missing(o, i);
        }
        enum err e = o->given[i] ? check_type(o, i) : OK;
        if (e != OK) {
            return e;
        }
    }
    return OK;
}

static enum err choose_variables(const struct definition *d, struct run *run, struct value *variables) {
    for (size_t i = 0; i < d->variable_count; i++) {
        const struct variable *variable = &d->variables[i];
        for (size_t c = 0; c < variable->choice_count; c++) {
            if (!condition_holds(variable->choices[c].when, run)) {
                continue;
            }
            struct slice text;
            /* a choice whose setting is absent leaves the variable without value: the template that needs it says so */
            if (template_fill(&variable->choices[c].text, run, TEMPLATE_TEXT, &text) == OK) {
                variables[i] = value_of_text(text);
            }
            break;
        }
    }
    return OK;
}

/* Exports and people write 12 for "12" and "true" for true: where the type leaves no doubt, what is meant is taken. */
static struct value read_value(const struct opening *o, size_t at) {
    uint32_t node = json_find(o->doc, 0, o->d->setting_keys[at]);
    struct value value = value_of_node(o->doc, node);
    enum destination_setting_type type = o->d->type.settings[at].type;
    if ((type == SETTING_TEXT || type == SETTING_CHOICE) && json_is(o->doc, node, JSON_NUMBER)) {
        return value_of_text(value_text(&value, o->arena));
    }
    struct slice text = value_is_text(&value) ? slice_trim(value_text(&value, o->arena)) : SLICE_NONE;
    if (type == SETTING_BOOLEAN && (slice_eq(text, SLICE("true")) || slice_eq(text, SLICE("false")))) {
        return value_of_bool(slice_eq(text, SLICE("true")));
    }
    return value;
}

static void read_values(const struct opening *o) {
    for (size_t i = 0; i < o->d->type.setting_count; i++) {
        o->values[i] = read_value(o, i);
        o->given[i] = !is_blank(o, &o->values[i]);
        if (!o->given[i]) {
            o->values[i] = o->d->checks[i].fallback;
        }
    }
}

/* The rest of `o` is made here. */
static enum err open_settings(struct opening *o, struct slice config, struct json_parser *parser,
    const struct destination_settings **ret_settings) {
    struct arena *arena = o->arena;
    char *padded = arena_alloc(arena, config.len + JSON_PADDING);
    memcpy(padded, config.ptr, config.len);
    struct json_doc parsed;
    enum err e = json_parse(parser, slice_of(padded, config.len), &parsed, o->why);
    if (e == OK && !json_is(&parsed, 0, JSON_OBJECT)) {
        e = err_why(ERR_INVALID, o->why, "config", "must be an object");
    }
    if (e != OK) {
        return e;
    }
    const struct definition *d = o->d;
    struct json_doc *doc = ARENA_NEW(arena, struct json_doc);
    definition_doc_dup(&parsed, arena, doc);
    o->doc = doc;
    o->values = ARENA_ARRAY(arena, struct value, d->type.setting_count + 1);
    o->given = ARENA_ARRAY(arena, bool, d->type.setting_count + 1);
    read_values(o);
    struct errinfo unused = {.at = 0};
    struct value *variables = ARENA_ARRAY(arena, struct value, d->variable_count + 1);
    struct run run = {.settings = o->values, .variables = variables, .arena = arena, .why = &unused};
    e = check_shown(o, &run);
    if (e == OK) {
        e = choose_variables(d, &run, variables);
    }
    if (e != OK) {
        return e;
    }
    struct destination_settings *settings = ARENA_NEW(arena, struct destination_settings);
    *settings = (struct destination_settings){.definition = d, .values = o->values, .variables = variables};
    settings->dynamic = !o->filled && dynamic_is_any(doc, arena) ? doc : NULL;
    if (d->type.kind == DESTINATION_CODE) {
        settings_prepare_code(settings, arena);
    }
    *ret_settings = settings;
    return OK;
}

enum err destination_open(const struct destination_type *type, struct slice config, struct json_parser *parser,
    struct arena *arena, const struct destination_settings **ret_settings, struct errinfo *why) {
    struct errinfo unused = {.at = 0};
    struct opening o = {.d = type->definition, .arena = arena, .why = why != NULL ? why : &unused};
    return open_settings(&o, config, parser, ret_settings);
}

enum err settings_open_filled(const struct destination_type *type, struct slice config, struct json_parser *parser,
    struct arena *arena, const struct destination_settings **ret_settings, struct errinfo *why) {
    struct opening o = {.d = type->definition, .arena = arena, .why = why, .filled = true};
    return open_settings(&o, config, parser, ret_settings);
}

struct slice destination_setting_text(
    const struct destination_settings *settings, struct slice key, struct arena *arena) {
    const struct destination_type *type = &settings->definition->type;
    for (size_t i = 0; i < type->setting_count; i++) {
        if (slice_eq(type->settings[i].key, key) && value_is_text(&settings->values[i])) {
            return value_text(&settings->values[i], arena);
        }
    }
    return SLICE("");
}

struct slice destination_settings_config(const struct destination_settings *settings) {
    return settings->code_config;
}

/* A webhook's address is secret for its path; its host is what a person wants to see. */
static struct slice behind_host(struct slice url) {
    const char *authority = memmem(url.ptr, url.len, "//", 2);
    size_t head = authority != NULL ? (size_t)(authority - url.ptr) + 2 : 0;
    const char *slash = memchr(url.ptr + head, '/', url.len - head);
    return slash != NULL ? slice_of(slash + 1, url.len - (size_t)(slash + 1 - url.ptr)) : SLICE_NONE;
}

struct secrets {
    struct arena *arena;
    struct slice *list;
    size_t count, room;
};

static void add_secret(struct secrets *secrets, const struct value *value) {
    enum { SHORTEST = 6 /* bytes: less would be found in what is none */ };
    struct slice text = value_is_text(value) ? value_text(value, secrets->arena) : SLICE("");
    text = memmem(text.ptr, text.len, "://", 3) != NULL ? behind_host(text) : text;
    if (text.len < SHORTEST) {
        return;
    }
    if (secrets->count == secrets->room) {
        size_t room = 2 * secrets->room + 8;
        struct slice *larger = ARENA_ARRAY(secrets->arena, struct slice, room);
        for (size_t i = 0; i < secrets->count; i++) {
            larger[i] = secrets->list[i];
        }
        secrets->list = larger;
        secrets->room = room;
    }
    secrets->list[secrets->count++] = text;
}

static void add_members(struct secrets *secrets, const struct destination_setting *setting, struct value *rows) {
    struct value_pair row;
    for (size_t position = 0; value_next(rows, &position, secrets->arena, &row);) {
        for (size_t i = 0; i < setting->secret_member_count; i++) {
            struct value member = value_member(&row.value, setting->secret_members[i], secrets->arena);
            add_secret(secrets, &member);
        }
    }
}

const struct slice *destination_settings_secrets(
    const struct destination_settings *settings, struct arena *arena, size_t *ret_count) {
    const struct destination_type *type = &settings->definition->type;
    struct secrets secrets = {.arena = arena};
    for (size_t i = 0; i < type->setting_count; i++) {
        if (type->settings[i].secret) {
            add_secret(&secrets, &settings->values[i]);
        } else if (type->settings[i].secret_member_count > 0) {
            add_members(&secrets, &type->settings[i], &settings->values[i]);
        }
    }
    *ret_count = secrets.count;
    return secrets.list;
}
