/* sluice.yaml -> knobs: a map of sections, each a map of keys to single values, handed to base/knob as text. */
#include "model/config.h"

#include "base/buf.h"
#include "model/ytree.h"

#define CONFIG_FILE_MAX ((size_t)1 << 20)
#define SECTIONS_MAX 32

struct load {
    const struct knob_section *sections;
    size_t count;
    struct arena *arena; /* texts of knobs */
    struct ytree tree;
};

static struct place place_of_item(const struct load *load, const struct ytree_item *item) {
    return (struct place){load->tree.file, item->line, item->column};
}

static const struct knob_section *section_find(const struct load *load, struct slice name) {
    for (size_t i = 0; i < load->count; i++) {
        if (slice_eq(name, slice_cstr(load->sections[i].name))) {
            return &load->sections[i];
        }
    }
    return NULL;
}

static enum err unknown_section(const struct load *load, const struct ytree_item *item) {
    const char *names[SECTIONS_MAX];
    ASSERT(load->count > 0 && load->count <= SECTIONS_MAX);
    for (size_t i = 0; i < load->count; i++) {
        names[i] = load->sections[i].name;
    }
    struct place_quote quote = place_quote(item->key);
    return place_fail(ERR_UNKNOWN_KEY, load->tree.why, place_of_item(load, item), "",
        "unknown section '%s'; the nearest known section is '%s'", quote.text,
        place_nearest(item->key, names, load->count));
}

static enum err set_section(const struct load *load, const struct ytree_item *item) {
    const struct knob_section *section = section_find(load, item->key);
    if (section == NULL) {
        return unknown_section(load, item);
    }
    if (item->value->kind == YTREE_NULL) {
        return OK; /* all of its keys are commented out */
    }
    if (item->value->kind != YTREE_MAP) {
        return ytree_fail(&load->tree, item->value, section->name, "must be a map of keys and values");
    }
    for (const struct ytree_item *knob = item->value->first; knob != NULL; knob = knob->next) {
        enum err e = ytree_knob(&load->tree, section, load->arena, knob);
        if (e != OK) {
            return e;
        }
    }
    return OK;
}

static enum err set_all(struct load *load, struct slice text) {
    enum err e = ytree_parse(&load->tree, text);
    if (e != OK) {
        return e;
    }
    const struct ytree_node *root = load->tree.root;
    if (root->kind == YTREE_NULL) {
        return OK; /* an empty file */
    }
    if (root->kind != YTREE_MAP) {
        return ytree_fail(&load->tree, root, "", "must be a map of sections");
    }
    for (const struct ytree_item *item = root->first; item != NULL && e == OK; item = item->next) {
        e = set_section(load, item);
    }
    return e;
}

enum err config_parse(const struct knob_section *sections, size_t count, const struct config_text *text,
    struct arena *arena, struct errinfo *why) {
    struct errinfo unwanted;
    struct arena scratch;
    arena_init(&scratch, 16384, 0);
    struct load load = {.sections = sections, .count = count, .arena = arena};
    load.tree = (struct ytree){.arena = &scratch, .file = text->file, .why = why != NULL ? why : &unwanted};
    enum err e = set_all(&load, text->text);
    arena_fini(&scratch);
    return e;
}

static enum err config_load_file(
    const struct knob_section *sections, size_t count, const char *path, struct arena *arena, struct errinfo *why) {
    struct buf buf;
    buf_init(&buf, CONFIG_FILE_MAX * 2);
    enum err e = place_read_file(path, CONFIG_FILE_MAX, 0, &buf, why);
    if (e == OK) {
        struct config_text text = {.file = path, .text = buf_slice(&buf)};
        e = config_parse(sections, count, &text, arena, why);
    }
    buf_fini(&buf);
    return e;
}

enum err config_load(const struct knob_section *sections, size_t count, const char *path, char **environment,
    struct arena *arena, struct errinfo *why) {
    for (size_t i = 0; i < count; i++) {
        knob_defaults(&sections[i], arena);
    }
    enum err e = path != NULL ? config_load_file(sections, count, path, arena, why) : OK;
    return e == OK ? knob_set_from_env(sections, count, arena, environment, why) : e;
}
