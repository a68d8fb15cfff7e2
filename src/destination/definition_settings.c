/* definition.json: settings and the variables that are chosen by them. */
#include "destination/definition.h"

enum part {
    PART_TYPE,
    PART_LABEL,
    PART_HELP,
    PART_SECRET,
    PART_SECRET_MEMBERS,
    PART_REQUIRED,
    PART_DEFAULT,
    PART_OPTIONS,
    PART_PATTERN,
    PART_SHOW_WHEN,
    PART_COUNT
};

static const struct schema_key setting_keys[PART_COUNT] = {
    [PART_TYPE] = {"type", SCHEMA_TEXT, true},
    [PART_LABEL] = {"label", SCHEMA_TEXT, true},
    [PART_HELP] = {"help", SCHEMA_TEXT, true},
    [PART_SECRET] = {"secret", SCHEMA_BOOL, false},
    [PART_SECRET_MEMBERS] = {"secret_members", SCHEMA_LIST, false},
    [PART_REQUIRED] = {"required", SCHEMA_BOOL, false},
    [PART_DEFAULT] = {"default", SCHEMA_ANY, false},
    [PART_OPTIONS] = {"options", SCHEMA_LIST, false},
    [PART_PATTERN] = {"pattern", SCHEMA_TEXT, false},
    [PART_SHOW_WHEN] = {"show_when", SCHEMA_OBJECT, false},
};

static const char *const types[] = {
    [SETTING_TEXT] = "text",
    [SETTING_URL] = "url",
    [SETTING_NUMBER] = "number",
    [SETTING_BOOLEAN] = "boolean",
    [SETTING_CHOICE] = "choice",
    [SETTING_LIST] = "list",
    [SETTING_PAIRS] = "pairs",
    [SETTING_ROWS] = "rows",
    [SETTING_ANY] = "any",
};

const char *destination_setting_type_name(enum destination_setting_type type) {
    return types[type];
}

static enum err read_options(struct compiler *c, uint32_t node, struct destination_setting *setting) {
    static const struct schema_key keys[] = {{"value", SCHEMA_TEXT, true}, {"label", SCHEMA_TEXT, true}};
    const struct json_doc *doc = c->s->doc;
    struct destination_option *options = ARENA_ARRAY(c->s->arena, struct destination_option, json_count(doc, node) + 1);
    for (uint32_t item = json_first(doc, node); item != JSON_ABSENT; item = json_after(doc, node, item)) {
        uint32_t at[COUNT_OF(keys)];
        enum err e = schema_object(c->s, item, keys, COUNT_OF(keys), at);
        if (e != OK) {
            return e;
        }
        options[setting->option_count++] =
            (struct destination_option){schema_text(c->s, at[0]), schema_text(c->s, at[1])};
    }
    setting->options = options;
    return OK;
}

static enum err read_secret_members(struct compiler *c, uint32_t node, struct destination_setting *setting) {
    struct slice *members = NULL;
    enum err e = schema_texts(c->s, node, &members, &setting->secret_member_count);
    setting->secret_members = members;
    return e;
}

static enum err read_setting(struct compiler *c, uint32_t key, struct destination_setting *setting,
    struct setting_check *check, struct pattern_list *patterns) {
    const struct json_doc *doc = c->s->doc;
    uint32_t at[PART_COUNT];
    size_t type = 0;
    enum err e = schema_object(c->s, key + 1, setting_keys, PART_COUNT, at);
    if (e == OK) {
        e = schema_word(c->s, at[PART_TYPE], types, COUNT_OF(types), &type);
    }
    if (e == OK && (type == SETTING_CHOICE) != (at[PART_OPTIONS] != JSON_ABSENT)) {
        e = schema_fail(c->s, key + 1, "\"options\" goes with the type choice, and only with it");
    }
    if (e == OK && at[PART_OPTIONS] != JSON_ABSENT) {
        e = read_options(c, at[PART_OPTIONS], setting);
    }
    if (e == OK && at[PART_SECRET_MEMBERS] != JSON_ABSENT) {
        e = type == SETTING_ROWS ? read_secret_members(c, at[PART_SECRET_MEMBERS], setting)
                                 : schema_fail(c->s, at[PART_SECRET_MEMBERS], "goes with the type rows");
    }
    if (e == OK && at[PART_PATTERN] != JSON_ABSENT) {
        setting->pattern = schema_text(c->s, at[PART_PATTERN]);
        e = pattern_compile(c->s, at[PART_PATTERN], patterns, &check->pattern);
    }
    if (e != OK) {
        return e;
    }
    setting->key = schema_text(c->s, key);
    setting->type = (enum destination_setting_type)type;
    setting->label = schema_text(c->s, at[PART_LABEL]);
    setting->help = schema_text(c->s, at[PART_HELP]);
    setting->secret = json_is(doc, at[PART_SECRET], JSON_TRUE);
    setting->required = json_is(doc, at[PART_REQUIRED], JSON_TRUE);
    setting->fallback = at[PART_DEFAULT] != JSON_ABSENT ? json_raw(doc, at[PART_DEFAULT]) : SLICE_NONE;
    check->fallback = value_of_node(doc, at[PART_DEFAULT]);
    return OK;
}

enum err definition_settings(struct compiler *c, uint32_t node, struct definition *d) {
    const struct json_doc *doc = c->s->doc;
    size_t room = json_count(doc, node) + 1;
    struct destination_setting *settings = ARENA_ARRAY(c->s->arena, struct destination_setting, room);
    d->setting_keys = ARENA_ARRAY(c->s->arena, struct slice, room);
    d->checks = ARENA_ARRAY(c->s->arena, struct setting_check, room);
    d->setting_words = ARENA_ARRAY(c->s->arena, const char *, room);
    d->code_secret = ARENA_ARRAY(c->s->arena, bool, room);
    size_t count = 0;
    for (uint32_t key = json_first(doc, node); key != JSON_ABSENT; key = json_after(doc, node, key)) {
        struct slice name = schema_text(c->s, key);
        for (size_t i = 0; i < count; i++) {
            if (slice_eq(settings[i].key, name)) {
                return schema_fail(c->s, key, "\"%.*s\" is given twice", SLICE_ARG(name));
            }
        }
        size_t mark = schema_enter(c->s, name);
        enum err e = read_setting(c, key, &settings[count], &d->checks[count], &d->patterns);
        if (e != OK) {
            return e;
        }
        schema_leave(c->s, mark);
        d->setting_keys[count] = settings[count].key;
        d->setting_words[count] = settings[count].key.ptr; /* schema_text ends it with NUL */
        count++;
    }
    d->type.settings = settings;
    d->type.setting_count = count;
    c->settings = (struct names){d->setting_keys, count};
    return OK;
}

/* A condition that reads the event cannot be answered when settings are opened. */
static bool reads_settings_alone(const struct condition *condition) {
    switch (condition->kind) {
    case CONDITION_ALL:
    case CONDITION_ANY:
    case CONDITION_NOT:
        for (size_t i = 0; i < condition->child_count; i++) {
            if (!reads_settings_alone(&condition->children[i])) {
                return false;
            }
        }
        return true;
    default:
        return condition->kind == CONDITION_SETTING;
    }
}

static enum err compile_static(struct compiler *c, uint32_t node, const struct condition **ret_condition) {
    enum err e = condition_compile(c, node, ret_condition);
    if (e == OK && !reads_settings_alone(*ret_condition)) {
        e = schema_fail(c->s, node, "only \"settings\", \"not\" and \"any\" of them can be asked for here");
    }
    return e;
}

enum err definition_settings_shown(struct compiler *c, uint32_t node, struct definition *d) {
    const struct json_doc *doc = c->s->doc;
    size_t at = 0;
    for (uint32_t key = json_first(doc, node); key != JSON_ABSENT; key = json_after(doc, node, key), at++) {
        uint32_t when = json_find(doc, key + 1, SLICE("show_when"));
        size_t mark = schema_enter(c->s, d->setting_keys[at]);
        enum err e = when != JSON_ABSENT ? compile_static(c, when, &d->checks[at].show_when) : OK;
        if (e != OK) {
            return e;
        }
        schema_leave(c->s, mark);
    }
    return OK;
}

static enum err read_choice(struct compiler *c, uint32_t node, struct variable_choice *choice) {
    static const struct schema_key keys[] = {{"when", SCHEMA_OBJECT, false}, {"text", SCHEMA_TEXT, true}};
    uint32_t at[COUNT_OF(keys)];
    enum err e = schema_object(c->s, node, keys, COUNT_OF(keys), at);
    if (e == OK && at[0] != JSON_ABSENT) {
        e = compile_static(c, at[0], &choice->when);
    }
    if (e == OK) {
        e = template_compile(c, at[1], &choice->text);
    }
    for (size_t i = 0; e == OK && i < choice->text.count; i++) {
        enum hole_kind hole = choice->text.parts[i].hole;
        if (hole != HOLE_NONE && hole != HOLE_SETTING) {
            e = schema_fail(c->s, at[1], "a variable has holes for settings only");
        }
    }
    return e;
}

static enum err read_variable(struct compiler *c, uint32_t node, struct variable *variable) {
    const struct json_doc *doc = c->s->doc;
    if (!json_is(doc, node, JSON_ARRAY)) {
        return schema_fail(c->s, node, "a variable is a list of {when, text}");
    }
    variable->choices = ARENA_ARRAY(c->s->arena, struct variable_choice, json_count(doc, node) + 1);
    for (uint32_t item = json_first(doc, node); item != JSON_ABSENT; item = json_after(doc, node, item)) {
        size_t mark = schema_enter_index(c->s, variable->choice_count);
        enum err e = read_choice(c, item, &variable->choices[variable->choice_count++]);
        if (e != OK) {
            return e;
        }
        schema_leave(c->s, mark);
    }
    return OK;
}

enum err definition_variables(struct compiler *c, uint32_t node, struct definition *d) {
    const struct json_doc *doc = c->s->doc;
    size_t room = json_count(doc, node) + 1;
    d->variables = ARENA_ARRAY(c->s->arena, struct variable, room);
    d->variable_names = ARENA_ARRAY(c->s->arena, struct slice, room);
    for (uint32_t key = json_first(doc, node); key != JSON_ABSENT; key = json_after(doc, node, key)) {
        struct slice name = schema_text(c->s, key);
        size_t mark = schema_enter(c->s, name);
        enum err e = read_variable(c, key + 1, &d->variables[d->variable_count]);
        if (e != OK) {
            return e;
        }
        schema_leave(c->s, mark);
        d->variable_names[d->variable_count++] = name;
    }
    c->variables = (struct names){d->variable_names, d->variable_count};
    return OK;
}
