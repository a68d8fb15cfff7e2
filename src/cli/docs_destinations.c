/* The reference pages of destinations and of webhook sources, from their definitions. */
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

static void head(struct buf *out, const struct destination_type *type) {
    buf_printf(out, "\n## %.*s\n\nType `%.*s`", SLICE_ARG(type->label), SLICE_ARG(type->type));
    if (type->webhook == NULL) {
        buf_printf(out, ", %.*s", SLICE_ARG(type->category));
    }
    buf_append_byte(out, '.');
    if (type->docs.len > 0) {
        buf_printf(out, " [Of the vendor](%.*s).", SLICE_ARG(type->docs));
    }
}

static void settings(struct buf *out, const struct destination_type *type) {
    if (type->setting_count > 0) {
        buf_append(out, SLICE("\n| setting | type | default | meaning |\n|---|---|---|---|\n"));
    }
    for (size_t i = 0; i < type->setting_count; i++) {
        setting_row(out, type, i);
    }
}

static void section(struct buf *out, const struct destination_type *type) {
    head(out, type);
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
    buf_append(out, SLICE(".\n"));
    settings(out, type);
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

/* ---- sources ---- */

static void bodies(struct buf *out, unsigned wanted) {
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {{WEBHOOK_BODY_JSON, "JSON"}, {WEBHOOK_BODY_FORM, "a form"}, {WEBHOOK_BODY_QUERY, "the query alone"},
        {WEBHOOK_BODY_LINES, "JSON lines"}};
    const char *between = "";
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if ((wanted & names[i].bit) != 0) {
            buf_printf(out, "%s%s", between, names[i].name);
            between = ", ";
        }
    }
}

static void source_section(struct buf *out, const struct destination_type *type) {
    const struct destination_webhook *webhook = type->webhook;
    head(out, type);
    buf_append(out, SLICE(" Takes "));
    bodies(out, webhook->bodies);
    buf_append_byte(out, '.');
    for (size_t i = 0; i < webhook->signature_count; i++) {
        const struct destination_signature *signature = &webhook->signatures[i];
        bool again = i > 0 && slice_eq(signature[-1].header, signature->header); /* the same with another prefix */
        if (!again) {
            buf_printf(
                out, " `%.*s` is checked with `%.*s`.", SLICE_ARG(signature->header), SLICE_ARG(signature->secret));
        }
    }
    buf_append_byte(out, '\n');
    settings(out, type);
}

void docs_page_sources(struct buf *out) {
    size_t count = 0;
    const struct destination_type *const *list = destination_source_list(&count);
    buf_append(out,
        SLICE("# Webhook sources\n\nThose of the program; [webhook-sources.md](../webhook-sources.md) says how to add "
              "one.\n"));
    for (size_t i = 0; i < count; i++) {
        source_section(out, list[i]);
    }
}
