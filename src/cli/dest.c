/* sluice dest: list, show and test definitions of destinations. */
#include "cli/dest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/show.h"
#include "destination/case.h"

enum { ARENA_CHUNK = 65536 };

/* ---- files ---- */

enum err dest_read(const char *file, struct arena *arena, struct slice *ret_text, struct errinfo *why) {
    bool standard = strcmp(file, "-") == 0;
    FILE *in = standard ? stdin : fopen(file, "re");
    if (in == NULL) {
        return err_why(err_from_errno(errno), why, file, "%s", strerror(errno));
    }
    enum { STEP = 65536 };
    struct buf text;
    buf_init(&text, DEST_FILE_MAX);
    enum err e = OK;
    while (e == OK && !feof(in) && !ferror(in)) {
        e = buf_reserve(&text, STEP);
        text.len += e == OK ? fread(text.ptr + text.len, 1, STEP, in) : 0;
    }
    e = e == OK && ferror(in) ? ERR_IO : e;
    if (!standard) {
        fclose(in);
    }
    if (e == OK) {
        char *copy = arena_alloc(arena, text.len + JSON_PADDING);
        memcpy(copy, text.ptr, text.len);
        *ret_text = slice_of(copy, text.len);
    } else {
        e = err_why(e, why, file, "cannot be read: %s", err_text(e));
    }
    buf_fini(&text);
    return e;
}

/* ---- list ---- */

static void list_json(struct buf *out) {
    size_t count = 0;
    const struct destination_type *const *list = destination_list(&count);
    struct json_writer w;
    json_writer_init(&w, out);
    json_write_array(&w);
    for (size_t i = 0; i < count; i++) {
        json_write_object(&w);
        json_put_string(&w, "type", list[i]->type);
        json_put_string(&w, "label", list[i]->label);
        json_put_string(&w, "category", list[i]->category);
        json_put_cstr(&w, "kind", destination_kind_name(list[i]->kind));
        json_put_string(&w, "origin", list[i]->origin);
        json_write_end(&w);
    }
    json_write_end(&w);
    buf_append_byte(out, '\n');
}

static void list_table(struct buf *out) {
    size_t count = 0;
    const struct destination_type *const *list = destination_list(&count);
    struct show_table table;
    show_table_init(&table, 5);
    static const char *const heads[] = {"TYPE", "LABEL", "CATEGORY", "KIND", "FROM"};
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        show_table_cell(&table, slice_cstr(heads[i]), SHOW_DIM);
    }
    for (size_t i = 0; i < count; i++) {
        show_table_cell(&table, list[i]->type, SHOW_PLAIN);
        show_table_cell(&table, list[i]->label, SHOW_PLAIN);
        show_table_cell(&table, list[i]->category, SHOW_PLAIN);
        show_table_text(&table, destination_kind_name(list[i]->kind));
        show_table_cell(&table, list[i]->origin, SHOW_PLAIN);
    }
    show_table_print(&table, show_colour_wanted(), out);
    show_table_fini(&table);
}

/* ---- show ---- */

static void show_setting(struct json_writer *w, const struct destination_setting *setting) {
    json_write_key(w, setting->key);
    json_write_object(w);
    json_put_cstr(w, "type", destination_setting_type_name(setting->type));
    json_put_string(w, "label", setting->label);
    json_put_string(w, "help", setting->help);
    json_put_bool(w, "secret", setting->secret);
    if (setting->secret_member_count > 0) {
        json_write_key(w, SLICE("secret_members"));
        json_write_array(w);
        for (size_t i = 0; i < setting->secret_member_count; i++) {
            json_write_string(w, setting->secret_members[i]);
        }
        json_write_end(w);
    }
    json_put_bool(w, "required", setting->required);
    if (setting->fallback.len > 0) {
        json_put_raw(w, "default", setting->fallback);
    }
    if (setting->pattern.len > 0) {
        json_put_string(w, "pattern", setting->pattern);
    }
    if (setting->option_count > 0) {
        json_write_key(w, SLICE("options"));
        json_write_array(w);
        for (size_t i = 0; i < setting->option_count; i++) {
            json_write_object(w);
            json_put_string(w, "value", setting->options[i].value);
            json_put_string(w, "label", setting->options[i].label);
            json_write_end(w);
        }
        json_write_end(w);
    }
    json_write_end(w);
}

static void write_texts(struct json_writer *w, const struct slice *texts, size_t count) {
    json_write_array(w);
    for (size_t i = 0; i < count; i++) {
        json_write_string(w, texts[i]);
    }
    json_write_end(w);
}

static void show_json(struct buf *out, const struct destination_type *type) {
    struct json_writer w;
    json_writer_init(&w, out);
    json_write_object(&w);
    json_put_string(&w, "type", type->type);
    json_put_string(&w, "label", type->label);
    json_put_string(&w, "category", type->category);
    json_put_string(&w, "docs", type->docs);
    json_put_cstr(&w, "kind", destination_kind_name(type->kind));
    json_put_string(&w, "origin", type->origin);
    json_write_key(&w, SLICE("modes"));
    json_write_object(&w);
    for (size_t i = 0; i < type->mode_count; i++) {
        json_write_key(&w, type->modes[i].source_type);
        write_texts(&w, type->modes[i].modes, type->modes[i].mode_count);
    }
    json_write_end(&w);
    json_write_key(&w, SLICE("message_types"));
    if (type->message_types != NULL) {
        write_texts(&w, type->message_types, type->message_type_count);
    } else {
        json_write_null(&w);
    }
    json_write_key(&w, SLICE("settings"));
    json_write_object(&w);
    for (size_t i = 0; i < type->setting_count; i++) {
        show_setting(&w, &type->settings[i]);
    }
    json_write_end(&w);
    json_put_u64(&w, "batch_events", type->batching.events);
    json_put_u64(&w, "batch_bytes", type->batching.bytes);
    json_put_i64(&w, "batch_time_ms", type->batching.time_ms);
    json_write_end(&w);
    buf_append_byte(out, '\n');
}

static void show_lines(struct buf *out, const struct destination_type *type) {
    buf_printf(out, "%.*s (%.*s): %.*s\n", SLICE_ARG(type->label), SLICE_ARG(type->type), SLICE_ARG(type->category));
    if (type->docs.len > 0) {
        buf_printf(out, "%.*s\n", SLICE_ARG(type->docs));
    }
    buf_printf(out, "events: %s", type->message_types == NULL ? "all" : "");
    for (size_t i = 0; i < type->message_type_count; i++) {
        buf_printf(out, "%s%.*s", i > 0 ? ", " : "", SLICE_ARG(type->message_types[i]));
    }
    buf_printf(out, "\nsettings:\n");
    for (size_t i = 0; i < type->setting_count; i++) {
        const struct destination_setting *setting = &type->settings[i];
        buf_printf(out, "  %-24.*s %s%s%s%s%.*s\n", SLICE_ARG(setting->key),
            destination_setting_type_name(setting->type), setting->required ? ", required" : "",
            setting->secret ? ", secret" : "", setting->fallback.len > 0 ? ", default " : "",
            SLICE_ARG(setting->fallback));
        buf_printf(out, "  %-24s %.*s: %.*s\n", "", SLICE_ARG(setting->label), SLICE_ARG(setting->help));
    }
}

void dest_show(const struct destination_type *type, bool as_json, struct buf *out) {
    (as_json ? show_json : show_lines)(out, type);
}

/* Its code compiles, or what is wrong with it has been said. */
static bool check_code(const struct destination_type *type, const struct conf *conf) {
    struct errinfo why = {.at = 0};
    struct dest_seat seat;
    if (type->kind != DESTINATION_CODE) {
        return true;
    }
    dest_seat_init(&seat, conf);
    enum err e = destination_code_check(dest_seat_transform(&seat), type, &why);
    dest_seat_fini(&seat);
    if (e != OK) {
        fprintf(stderr, "sluice: %s: %s\n", why.path, why.text);
    }
    return e == OK;
}

static int show(const struct args *args, const struct conf *conf) {
    if (args->positional_count != 2) {
        fprintf(stderr, "sluice: dest show TYPE\n");
        return EXIT_USAGE;
    }
    const struct destination_type *type = destination_find(slice_cstr(args->positional[1]));
    if (type == NULL) {
        fprintf(stderr, "sluice: there is no destination \"%s\"; `sluice dest list` names them\n", args->positional[1]);
        return EXIT_NO;
    }
    struct buf out;
    buf_init(&out, 0);
    dest_show(type, args_has(args, OPTION_JSON), &out);
    (void)show_flush(&out); /* nobody reads: nothing to do about it */
    buf_fini(&out);
    return check_code(type, conf) ? EXIT_OK : EXIT_NO;
}

static int list(const struct args *args) {
    struct buf out;
    buf_init(&out, 0);
    (args_has(args, OPTION_JSON) ? list_json : list_table)(&out);
    (void)show_flush(&out); /* nobody reads: nothing to do about it */
    buf_fini(&out);
    return EXIT_OK;
}

/* ---- test ---- */

/* Its code compiles; a definition without code has none that does not. */
static enum err load_folder(
    struct dest_tests *tests, const char *folder, const struct destination_type **ret_type, struct errinfo *why) {
    enum err e = destination_load(folder, ret_type, why);
    if (e == OK && (*ret_type)->kind == DESTINATION_CODE) {
        e = destination_code_check(dest_seat_transform(&tests->seat), *ret_type, why);
    }
    return e;
}

static enum err run_case(struct dest_tests *tests, const struct destination_type *type, struct slice text,
    struct arena *arena, struct dest_verdict *ret_verdict, struct errinfo *why) {
    struct destination_case result = {.passed = false};
    const struct destination_case_seat seat = {.parser = tests->parser,
        .transform = type->kind == DESTINATION_CODE ? dest_seat_transform(&tests->seat) : NULL,
        .loop = tests->seat.loop};
    enum err e = destination_case_run(type, text, &seat, arena, &result, why);
    *ret_verdict = (struct dest_verdict){result.passed, result.why, result.text};
    return e;
}

static int test(const struct args *args, const struct conf *conf) {
    static const struct dest_tester tester = {
        "dest test DIR...: folders with a definition.json and cases/", load_folder, run_case};
    return dest_test(&tester, args, conf);
}

/* ---- the verb ---- */

int dest_with_conf(const struct args *args, dest_word *run) {
    struct conf conf;
    struct errinfo why = {.at = 0};
    enum err e = conf_load(&conf, args, &why);
    if (e == OK) {
        const char *folder = args->value[OPTION_FOLDER];
        e = destination_load_folder(folder != NULL ? slice_cstr(folder) : conf.destination.folder, &why);
    }
    int code = EXIT_CONFIG;
    if (e == OK) {
        code = run(args, &conf);
    } else {
        cli_print_error(&why);
    }
    conf_fini(&conf);
    return code;
}

static int with_conf(const struct args *args, const struct conf *conf) {
    struct slice word = slice_cstr(args->positional[0]);
    if (slice_eq(word, SLICE("list"))) {
        return list(args);
    }
    if (slice_eq(word, SLICE("show"))) {
        return show(args, conf);
    }
    if (slice_eq(word, SLICE("test"))) {
        return test(args, conf);
    }
    if (slice_eq(word, SLICE("try"))) {
        return dest_try(args, conf);
    }
    if (slice_eq(word, SLICE("run"))) {
        return dest_run(conf);
    }
    fprintf(stderr, "sluice: dest list, show, test, try or run, not \"%s\"\n", args->positional[0]);
    return EXIT_USAGE;
}

int verb_dest(const struct args *args) {
    if (args->positional_count == 0) {
        fprintf(stderr, "sluice: dest list, show, test, try or run; `sluice dest -h` explains them\n");
        return EXIT_USAGE;
    }
    return dest_with_conf(args, with_conf);
}
