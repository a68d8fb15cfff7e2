/* Opened settings as a transform.js needs them: its config, and the headers that core puts on what it returns. */
#include "destination/request.h"

bool destination_code_gets(const struct destination_type *type, size_t setting) {
    return type->kind == DESTINATION_CODE && type->definition->code_secret[setting];
}

static struct slice config_of(const struct destination_settings *settings, struct arena *arena) {
    const struct definition *d = settings->definition;
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_write_object(&w);
    for (size_t i = 0; i < d->type.setting_count; i++) {
        const struct value *value = &settings->values[i];
        bool withheld = d->type.settings[i].secret && !d->code_secret[i];
        if (!withheld && value->kind != VALUE_ABSENT && value->kind != VALUE_NULL) {
            json_write_key(&w, d->setting_keys[i]);
            value_write(&w, value, arena);
        }
    }
    json_write_end(&w);
    return buf_keep(&out, arena);
}

void settings_prepare_code(struct destination_settings *settings, struct arena *arena) {
    struct errinfo why = {.at = 0};
    settings->code_config = config_of(settings, arena);
    enum err e = request_core_headers(settings, arena, &settings->headers, &settings->header_count, &why);
    if (e != OK) {
        settings->headers_why = arena_dup(arena, slice_cstr(why.text));
    }
}
