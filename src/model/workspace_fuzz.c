/* Any bytes as a workspace, in both formats (the first byte chooses the file's name). What is accepted must hold
 * together: everything is found by its names, connections are those of their sources, configs are JSON objects. */
#include <stddef.h>
#include <stdint.h>

#include "model/workspace.h"
#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CONFIG_DEPTH 128 /* deeper than any file that is accepted */

static struct json_parser *parser;

static enum err check(struct slice type, struct slice config, struct errinfo *why) {
    struct json_doc doc;
    ASSERT(json_parse(parser, config, &doc, NULL) == OK && json_is(&doc, 0, JSON_OBJECT));
    if (type.len % 2 == 1) {
        return ERR_UNSUPPORTED;
    }
    /* wrong settings at paths that the file chooses, so that looking for the place is fuzzed too */
    uint32_t key = json_first(&doc, 0);
    struct slice name = key != JSON_ABSENT ? json_raw(&doc, key) : SLICE_NONE;
    return name.len > 2 && name.ptr[1] == '!' ? err_why(ERR_INVALID, why, "a[1].b[0]", "wrong") : OK;
}

static void check_workspace(const struct workspace *workspace) {
    const struct workspace_info *info = workspace_info(workspace);
    size_t connections = 0;
    for (size_t i = 0; i < info->source_count; i++) {
        const struct source *source = info->sources[i];
        ASSERT(source->id.len > 0 && source->name.len > 0);
        ASSERT(workspace_source_by_key(workspace, source->key) == source);
        ASSERT(workspace_source_by_id(workspace, source->id) == source);
        ASSERT(source->write_key.len == 0 || workspace_source_by_write_key(workspace, source->write_key) == source);
        for (size_t c = 0; c < source->connection_count; c++) {
            ASSERT(source->connections[c]->source == source);
        }
        connections += source->connection_count;
        struct json_doc doc;
        ASSERT(json_parse(parser, source->config, &doc, NULL) == OK && json_is(&doc, 0, JSON_OBJECT));
    }
    ASSERT(connections == info->connection_count);
    for (size_t i = 0; i < info->destination_count; i++) {
        const struct destination *destination = info->destinations[i];
        ASSERT(workspace_destination_by_key(workspace, destination->key) == destination);
        ASSERT(destination->rules.rate >= 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (parser == NULL) {
        parser = json_parser_new(CONFIG_DEPTH);
    }
    if (size == 0) {
        return 0;
    }
    static const struct workspace_types types = {.check = check};
    struct workspace *workspace = NULL;
    struct errinfo why = {.text = ""};
    struct slice text = slice_of((const char *)data + 1, size - 1);
    enum err e = workspace_parse(text, data[0] % 2 == 0 ? "f.yaml" : "f.json", &types, &workspace, &why);
    if (e == OK) {
        check_workspace(workspace);
    } else {
        ASSERT(workspace == NULL && why.path[0] != '\0' && why.text[0] != '\0');
    }
    workspace_release(workspace);
    return 0;
}
