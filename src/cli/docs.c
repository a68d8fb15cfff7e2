/* sluice docs: the reference pages, printed from the tables that the program itself is built from. */
#include "cli/docs.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/stat.h"
#include "cli/cli.h"
#include "cli/conf.h"
#include "cli/show.h"
#include "control/control.h"
#include "gateway/gateway.h"
#include "model/event.h"

/* A table cell: '|' would end it. */
static void cell(struct buf *out, const char *text) {
    buf_append(out, SLICE(" "));
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '|') {
            buf_append_byte(out, '\\');
        }
        buf_append_byte(out, *c == '\n' ? ' ' : *c);
    }
    buf_append(out, SLICE(" |"));
}

static void code_cell(struct buf *out, const char *text) {
    if (text[0] == '\0') {
        buf_append(out, SLICE("  |"));
        return;
    }
    buf_append(out, SLICE(" `"));
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '|') {
            buf_append_byte(out, '\\');
        }
        buf_append_byte(out, *c);
    }
    buf_append(out, SLICE("` |"));
}

static void row(struct buf *out) {
    buf_append_byte(out, '|');
}

static void end_row(struct buf *out) {
    buf_append_byte(out, '\n');
}

/* ---- knobs ---- */

static const char *knob_type_name(enum knob_type type) {
    static const char *const names[] = {
        [KNOB_U64] = "number",
        [KNOB_I64] = "number",
        [KNOB_BOOL] = "true or false",
        [KNOB_TEXT] = "text",
        [KNOB_ENUM] = "word",
        [KNOB_DURATION] = "duration",
        [KNOB_BYTES] = "bytes",
    };
    return names[type];
}

static void knob_row(struct buf *out, const struct knob *knob) {
    row(out);
    code_cell(out, knob->key);
    cell(out, knob->type == KNOB_ENUM ? knob->unit : knob_type_name(knob->type));
    code_cell(out, knob->default_text);
    cell(out, knob->help);
    end_row(out);
}

static void page_knobs(struct buf *out) {
    struct conf conf;
    conf_init(&conf);
    buf_append(out,
        SLICE(
            "# Knobs\n\n"
            "`sluice.yaml` holds `section: {key: value}`; the environment variable `SLUICE_<SECTION>_<KEY>` overrides it.\n"
            "Durations need a unit (`250ms`, `1h30m`), bytes may have one (`64KiB`, `1GiB`). An unknown key is an error that\n"
            "names the nearest known one. `sluice check` validates without starting.\n"));
    for (size_t s = 0; s < CONF_SECTIONS; s++) {
        const struct knob_section *section = &conf.sections[s];
        buf_printf(out, "\n## %s\n\n| key | type | default | meaning |\n|---|---|---|---|\n", section->name);
        for (size_t i = 0; i < section->count; i++) {
            if ((section->knobs[i].flags & KNOB_TEST) == 0) {
                knob_row(out, &section->knobs[i]);
            }
        }
    }
    conf_fini(&conf);
}

/* ---- counters ---- */

struct counter {
    const char *module, *name;
    enum stat_kind kind;
    const char *unit, *help, *label;
};

static const struct counter counters[] = {
#define S(name, kind, unit, help) {"gateway", #name, STAT_##kind, unit, help, "thread"},
#include "gateway/gateway_stat.def"
#undef S
#define S(name, kind, unit, help) {"gateway", "http_" #name, STAT_##kind, unit, help, "thread"},
#include "gateway/gateway_http_stat.def"
#undef S
#define S(name, kind, unit, help) {"gateway", #name, STAT_##kind, unit, help, "source"},
#include "gateway/gateway_source_stat.def"
#undef S
#define S(name, kind, unit, help) {"gateway", #name, STAT_##kind, unit, help, "error"},
#include "gateway/gateway_refused_stat.def"
#undef S
#define S(name, kind, unit, help) {"store", #name, STAT_##kind, unit, help, ""},
#include "store/store_stat.def"
#undef S
#define S(name, kind, unit, help) {"processor", #name, STAT_##kind, unit, help, ""},
#include "processor/processor_stat.def"
#undef S
#define S(name, kind, unit, help) {"delivery", #name, STAT_##kind, unit, help, "destination"},
#include "delivery/delivery_stat.def"
#undef S
#define S(name, kind, unit, help) {"transformation", #name, STAT_##kind, unit, help, "transformation"},
#include "delivery/user_code_stat.def"
#undef S
#define S(name, kind, unit, help) {"transform", #name, STAT_##kind, unit, help, ""},
#include "transform/transform_stat.def"
#undef S
};

static void counter_row(struct buf *out, const struct counter *counter) {
    static const char *const kinds[] = {
        [STAT_COUNTER] = "counter", [STAT_GAUGE] = "gauge", [STAT_HISTOGRAM] = "histogram"};
    char name[128];
    const char *suffix = counter->kind == STAT_COUNTER ? "_total"
        : counter->kind == STAT_HISTOGRAM              ? "_seconds"
        : counter->unit[0] != '\0'                     ? "_"
                                                       : "";
    snprintf(name, sizeof name, "sluice_%s_%s%s%s", counter->module, counter->name, suffix,
        suffix[0] == '_' && suffix[1] == '\0' ? counter->unit : "");
    row(out);
    code_cell(out, name);
    cell(out, kinds[counter->kind]);
    code_cell(out, counter->label);
    cell(out, counter->help);
    end_row(out);
}

static void page_counters(struct buf *out) {
    buf_append(out,
        SLICE(
            "# Counters\n\n"
            "Served as Prometheus text on `/metrics` of the gateway's port (`gateway.metrics`) and of the control socket.\n\n"
            "| name | kind | label | meaning |\n|---|---|---|---|\n"));
    for (size_t i = 0; i < COUNT_OF(counters); i++) {
        counter_row(out, &counters[i]);
    }
}

/* ---- errors, reasons, faults ---- */

static void page_errors(struct buf *out) {
    static const char *const classes[] = {[ERR_CLASS_OK] = "ok",
        [ERR_CLASS_RETRY] = "retry: the machine or the peer may recover",
        [ERR_CLASS_ABORT] = "abort: this input never works",
        [ERR_CLASS_BUG] = "bug: ours"};
    buf_append(out,
        SLICE("# Errors\n\nThe text is what a client of the gateway reads, behind the status.\n\n"
              "| name | status | text | class |\n|---|---|---|---|\n"));
    for (unsigned i = 1; i < ERR_COUNT; i++) {
        char status[16];
        snprintf(status, sizeof status, "%d", err_http_status((enum err)i));
        row(out);
        code_cell(out, err_name((enum err)i));
        cell(out, status);
        cell(out, err_text((enum err)i));
        cell(out, classes[err_class((enum err)i)]);
        end_row(out);
    }
}

static void page_reasons(struct buf *out) {
    buf_append(out,
        SLICE(
            "# Reasons\n\nWhy an event was filtered, died, expired or waits; as `trace`, `tail` and `dead` show it.\n\n"
            "| name | text |\n|---|---|\n"));
    for (unsigned i = 1; i < REASON_COUNT; i++) {
        row(out);
        code_cell(out, reason_name((enum reason)i));
        cell(out, reason_text((enum reason)i));
        end_row(out);
    }
}

static void page_faults(struct buf *out) {
    static const struct {
        const char *name, *text;
    } faults[] = {
#define F(name, text) {#name, text},
#include "base/fault.def"
#undef F
    };
    buf_append(out,
        SLICE(
            "# Fault points\n\n"
            "For tests. `SLUICE_FAULTS=\"NAME=action[@hit]\"`: action is `kill` (SIGKILL to itself), `fail` (as below), `stop`\n"
            "or `off`; `@n` is the n-th pass, `@n+` from the n-th on.\n\n"
            "| name | on `fail` |\n|---|---|\n"));
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        row(out);
        code_cell(out, faults[i].name);
        cell(out, faults[i].text);
        end_row(out);
    }
}

/* ---- routes ---- */

static void route_row(struct buf *out, const char *method, const char *path, const char *summary) {
    row(out);
    cell(out, method);
    code_cell(out, path);
    cell(out, summary);
    end_row(out);
}

static void page_routes(struct buf *out) {
    size_t count = 0;
    buf_append(
        out, SLICE("# Routes\n\n## Gateway\n\nOn `gateway.listen`.\n\n| method | path | summary |\n|---|---|---|\n"));
    const struct gateway_route *gateway = gateway_routes(&count);
    for (size_t i = 0; i < count; i++) {
        route_row(out, gateway[i].method, gateway[i].path, gateway[i].summary);
    }
    buf_append(out,
        SLICE("\n## Control\n\nOn the unix socket `sluice.sock` in the data directory, mode 0600. Answers are JSON.\n\n"
              "| method | path | summary |\n|---|---|---|\n"));
    const struct control_route *control = control_routes(&count);
    for (size_t i = 0; i < count; i++) {
        route_row(out, control[i].method, control[i].path, control[i].summary);
    }
}

/* ---- the command line ---- */

static void page_cli(struct buf *out) {
    static const struct {
        const char *name, *meaning;
        int code;
    } exits[] = {
#define X(name, code, meaning) {#name, meaning, code},
#include "cli/exits.def"
#undef X
    };
    size_t count = 0;
    const struct cli_verb *verbs = cli_verbs(&count);
    buf_append(out, SLICE("# Command line\n\nData goes to stdout, talk to stderr; every reading verb has `--json`.\n"));
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "\n## %s\n\n```\n", verbs[i].name);
        cli_verb_describe(&verbs[i], out);
        buf_append(out, SLICE("```\n"));
    }
    buf_append(out, SLICE("\n## Exit codes\n\n| code | meaning |\n|---|---|\n"));
    for (size_t i = 0; i < COUNT_OF(exits); i++) {
        char code[16];
        snprintf(code, sizeof code, "%d", exits[i].code);
        row(out);
        cell(out, code);
        cell(out, exits[i].meaning);
        end_row(out);
    }
}

/* ---- pages ---- */

static const struct docs_page pages[] = {
    {"knobs", "settings of sluice.yaml and the environment", page_knobs},
    {"counters", "what /metrics shows", page_counters},
    {"routes", "HTTP routes of the gateway and the control socket", page_routes},
    {"destinations", "destinations and their settings", docs_page_destinations},
    {"sources", "webhook sources and their settings", docs_page_sources},
    {"cli", "verbs, options and exit codes", page_cli},
    {"errors", "errors, their status and text", page_errors},
    {"reasons", "why an event did not simply go out", page_reasons},
    {"faults", "fault points for tests", page_faults},
};

const struct docs_page *docs_pages(size_t *ret_count) {
    *ret_count = COUNT_OF(pages);
    return pages;
}

static bool write_page(const char *folder, const struct docs_page *page) {
    enum { PATH_SIZE = 4096 };
    char path[PATH_SIZE];
    struct buf out;
    snprintf(path, sizeof path, "%s/%s.md", folder, page->name);
    FILE *file = fopen(path, "we");
    if (file == NULL) {
        fprintf(stderr, "sluice: %s: %s\n", path, strerror(errno));
        return false;
    }
    buf_init(&out, 0);
    buf_append(&out, SLICE("<!-- printed by `sluice docs`; tools/docs --write renews it -->\n"));
    page->print(&out);
    bool ok = fwrite(out.ptr, 1, out.len, file) == out.len;
    buf_fini(&out);
    if (fclose(file) != 0 || !ok) {
        fprintf(stderr, "sluice: %s: %s\n", path, strerror(errno));
        return false;
    }
    return true;
}

static int write_all(const char *folder) {
    if (mkdir(folder, 0755) != 0 && errno != EEXIST) {
        fprintf(stderr, "sluice: %s: %s\n", folder, strerror(errno));
        return EXIT_NO;
    }
    for (size_t i = 0; i < COUNT_OF(pages); i++) {
        if (!write_page(folder, &pages[i])) {
            return EXIT_NO;
        }
    }
    return EXIT_OK;
}

static int print_page(const char *name) {
    for (size_t i = 0; i < COUNT_OF(pages); i++) {
        if (strcmp(pages[i].name, name) == 0) {
            struct buf out;
            buf_init(&out, 0);
            pages[i].print(&out);
            (void)show_flush(&out); /* nobody reads: nothing to do about it */
            buf_fini(&out);
            return EXIT_OK;
        }
    }
    fprintf(stderr, "sluice: there is no page \"%s\"; `sluice docs` lists them\n", name);
    return EXIT_NO;
}

int verb_docs(const struct args *args) {
    if (args_has(args, OPTION_DIR)) {
        return write_all(args->value[OPTION_DIR]);
    }
    if (args->positional_count > 0) {
        return print_page(args->positional[0]);
    }
    for (size_t i = 0; i < COUNT_OF(pages); i++) {
        printf("%-12s %s\n", pages[i].name, pages[i].summary);
    }
    return EXIT_OK;
}
