/* The reference page of destinations, from their definitions. */
#include "cli/docs.h"
#include "destination/destination.h"

static void cell(struct buf *out, struct slice text) {
    buf_append_byte(out, ' ');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '|') {
            buf_append_byte(out, '\\');
        }
        buf_append_byte(out, text.ptr[i] == '\n' ? ' ' : text.ptr[i]);
    }
    buf_append(out, SLICE(" |"));
}

static void setting_row(struct buf *out, const struct destination_type *type, size_t at) {
    const struct destination_setting *setting = &type->settings[at];
    const char *secret = destination_code_gets(type, at) ? ", secret, given to its code" : ", secret";
    buf_printf(out, "| `%.*s` | %s%s%s |", SLICE_ARG(setting->key), destination_setting_type_name(setting->type),
        setting->required ? ", required" : "", setting->secret ? secret : "");
    cell(out, setting->fallback);
    buf_printf(out, " %.*s:", SLICE_ARG(setting->label));
    cell(out, setting->help);
    buf_append_byte(out, '\n');
}

static void texts(struct buf *out, const struct slice *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "%s%.*s", i > 0 ? ", " : "", SLICE_ARG(list[i]));
    }
}

static void section(struct buf *out, const struct destination_type *type) {
    buf_printf(out, "\n## %.*s\n\nType `%.*s`, %.*s.", SLICE_ARG(type->label), SLICE_ARG(type->type),
        SLICE_ARG(type->category));
    if (type->docs.len > 0) {
        buf_printf(out, " [Of the vendor](%.*s).", SLICE_ARG(type->docs));
    }
    buf_append(out, SLICE(" Events: "));
    if (type->message_types == NULL) {
        buf_append(out, SLICE("all"));
    }
    texts(out, type->message_types, type->message_type_count);
    buf_append(out, SLICE(". Modes: "));
    for (size_t i = 0; i < type->mode_count; i++) {
        buf_printf(out, "%s%.*s ", i > 0 ? "; " : "", SLICE_ARG(type->modes[i].source_type));
        texts(out, type->modes[i].modes, type->modes[i].mode_count);
    }
    buf_append(out, SLICE(".\n\n| setting | type | default | meaning |\n|---|---|---|---|\n"));
    for (size_t i = 0; i < type->setting_count; i++) {
        setting_row(out, type, i);
    }
}

void docs_page_destinations(struct buf *out) {
    size_t count = 0;
    const struct destination_type *const *list = destination_list(&count);
    buf_append(out,
        SLICE("# Destinations\n\nThose of the program; [destinations.md](../destinations.md) says how to add one.\n"));
    for (size_t i = 0; i < count; i++) {
        section(out, list[i]);
    }
}
