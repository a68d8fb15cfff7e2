/* Steps of a row's "as", from the definition's JSON. */
#include "destination/convert.h"

enum argument { NONE, TEXT, TEXTS, NUMBER, WINDOW, LOOKUP, OPTIONAL };

static const struct convert_row rows[] = {
#define C(id, name, argument, help) {name, help},
#include "destination/convert.def"
#undef C
};

static const char *const names[] = {
#define C(id, name, argument, help) name,
#include "destination/convert.def"
#undef C
};

static const enum argument arguments[] = {
#define C(id, name, argument, help) argument,
#include "destination/convert.def"
#undef C
};

const struct convert_row *convert_row(enum convert_id id) {
    return &rows[id];
}

enum convert_id convert_find(struct slice name) {
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (slice_eq(name, slice_cstr(names[i]))) {
            return (enum convert_id)i;
        }
    }
    return CONVERT_COUNT;
}

/* ---- patterns ---- */

enum err pattern_compile(struct schema *s, uint32_t node, struct pattern_list *patterns, regex_t **ret_pattern) {
    struct slice text = schema_text(s, node);
    if (memchr(text.ptr, '\0', text.len) != NULL) {
        return schema_fail(s, node, "a pattern has no NUL");
    }
    regex_t *pattern = mem_alloc(sizeof *pattern);
    int code = regcomp(pattern, text.ptr, REG_EXTENDED | REG_NOSUB);
    if (code != 0) {
        char message[128];
        regerror(code, pattern, message, sizeof message);
        mem_free(pattern);
        return schema_fail(s, node, "is no POSIX extended regular expression: %s", message);
    }
    if (patterns->count == patterns->room) {
        patterns->room = patterns->room == 0 ? 8 : 2 * patterns->room;
        patterns->list = mem_resize(patterns->list, patterns->room * sizeof *patterns->list);
    }
    patterns->list[patterns->count++] = pattern;
    *ret_pattern = pattern;
    return OK;
}

void pattern_list_free(struct pattern_list *patterns) {
    for (size_t i = 0; i < patterns->count; i++) {
        regfree(patterns->list[i]);
        mem_free(patterns->list[i]);
    }
    mem_free(patterns->list);
    *patterns = (struct pattern_list){0};
}

bool pattern_matches(const regex_t *pattern, struct slice text, struct arena *arena) {
    struct slice copy = arena_dup(arena, text); /* with a NUL behind it */
    return memchr(copy.ptr, '\0', copy.len) == NULL && regexec(pattern, copy.ptr, 0, NULL, 0) == 0;
}

/* ---- arguments ---- */

static enum err compile_window(struct schema *s, uint32_t node, struct convert_step *step) {
    static const struct schema_key keys[] = {{"past", SCHEMA_TEXT, false}, {"future", SCHEMA_TEXT, false}};
    uint32_t at[COUNT_OF(keys)];
    enum err e = schema_object(s, node, keys, COUNT_OF(keys), at);
    step->past_ms = step->future_ms = -1;
    if (e == OK && at[0] != JSON_ABSENT) {
        e = schema_duration(s, at[0], &step->past_ms);
    }
    if (e == OK && at[1] != JSON_ABSENT) {
        e = schema_duration(s, at[1], &step->future_ms);
    }
    return e;
}

static enum err compile_lookup(struct schema *s, uint32_t node, struct convert_step *step) {
    static const struct schema_key keys[] = {{"from", SCHEMA_TEXT | SCHEMA_LIST, true}, {"to", SCHEMA_ANY, true}};
    if (!json_is(s->doc, node, JSON_ARRAY)) {
        return schema_fail(s, node, "must be a list of {from, to}");
    }
    struct convert_lookup *list = ARENA_ARRAY(s->arena, struct convert_lookup, json_count(s->doc, node) + 1);
    size_t count = 0;
    for (uint32_t item = json_first(s->doc, node); item != JSON_ABSENT; item = json_after(s->doc, node, item)) {
        uint32_t at[COUNT_OF(keys)];
        struct slice *from = NULL;
        enum err e = schema_object(s, item, keys, COUNT_OF(keys), at);
        if (e == OK) {
            e = schema_texts(s, at[0], &from, &list[count].from_count);
        }
        if (e != OK) {
            return e;
        }
        list[count].from = from;
        list[count++].to = value_of_node(s->doc, at[1]);
    }
    step->lookup = list;
    step->lookup_count = count;
    return OK;
}

static enum err need_text(struct schema *s, uint32_t node, struct convert_step *step) {
    if (!json_is(s->doc, node, JSON_STRING)) {
        return schema_fail(s, node, "\"%s\" wants a text", names[step->id]);
    }
    step->text = schema_text(s, node);
    return OK;
}

static enum err compile_argument(
    struct schema *s, uint32_t node, struct pattern_list *patterns, struct convert_step *step) {
    enum { CUT_MAX = 1 << 20 };
    struct slice *texts = NULL;
    enum err e = OK;
    switch (arguments[step->id]) {
    case NONE:
        return schema_fail(s, node, "\"%s\" takes no argument", names[step->id]);
    case TEXT:
    case OPTIONAL:
        e = need_text(s, node, step);
        if (e == OK && step->id == CONVERT_PATTERN) {
            e = pattern_compile(s, node, patterns, &step->pattern);
        }
        if (e == OK && step->id == CONVERT_FLATTEN && !slice_eq(step->text, SLICE("strict"))) {
            e = schema_fail(s, node, "\"flatten\" takes \"strict\" or nothing");
        }
        return e;
    case TEXTS:
        e = schema_texts(s, node, &texts, &step->text_count);
        step->texts = texts;
        return e;
    case NUMBER:
        return schema_number(s, node, 1, CUT_MAX, &step->number);
    case WINDOW:
        return compile_window(s, node, step);
    case LOOKUP:
        return compile_lookup(s, node, step);
    }
    return OK;
}

static enum err compile_step(
    struct schema *s, uint32_t node, struct pattern_list *patterns, struct convert_step *step) {
    uint32_t name = node;
    if (json_is(s->doc, node, JSON_OBJECT) && json_count(s->doc, node) == 1) {
        name = json_first(s->doc, node);
    } else if (!json_is(s->doc, node, JSON_STRING)) {
        return schema_fail(s, node, "a conversion is \"name\" or {\"name\": argument}");
    }
    struct slice word = json_string(s->doc, name, s->arena);
    step->id = convert_find(word);
    if (step->id == CONVERT_COUNT) {
        return schema_fail_word(s, name, "conversion", word, names, COUNT_OF(names));
    }
    if (name != node) {
        return compile_argument(s, name + 1, patterns, step);
    }
    if (arguments[step->id] != NONE && arguments[step->id] != OPTIONAL) {
        return schema_fail(s, node, "\"%s\" wants an argument: {\"%s\": …}", names[step->id], names[step->id]);
    }
    return OK;
}

enum err convert_compile(struct schema *s, uint32_t node, struct pattern_list *patterns,
    struct convert_step **ret_steps, size_t *ret_count) {
    bool list = json_is(s->doc, node, JSON_ARRAY);
    size_t room = list ? json_count(s->doc, node) : 1;
    if (room > CONVERT_STEPS_MAX) {
        return schema_fail(s, node, "more than %d conversions", CONVERT_STEPS_MAX);
    }
    struct convert_step *steps = ARENA_ARRAY(s->arena, struct convert_step, room + 1);
    size_t count = 0;
    uint32_t item = list ? json_first(s->doc, node) : node;
    while (item != JSON_ABSENT) {
        enum err e = compile_step(s, item, patterns, &steps[count++]);
        if (e != OK) {
            return e;
        }
        item = list ? json_after(s->doc, node, item) : JSON_ABSENT;
    }
    *ret_steps = steps;
    *ret_count = count;
    return OK;
}
