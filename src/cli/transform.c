/* sluice transform run | test | check: user transformations by hand, in the server's own workers. */
#include <stdio.h>

#include "base/log.h"
#include "cli/cli.h"
#include "cli/conf.h"
#include "cli/show.h"
#include "cli/transform_cli.h"

/* ---- a batch, waited for ---- */

void seat_init(struct transform_seat *seat, const struct transform_conf *conf, struct spec *spec, bool offline) {
    const struct transform_deps deps = {.on_ask = offline ? spec_on_ask : NULL, .ctx = spec};
    seat->loop = loop_new("transform-cli");
    seat->transform = transform_new(conf, &deps);
    seat->version = NULL;
}

void seat_fini(struct transform_seat *seat) {
    transform_free(seat->transform);
    transform_version_release(seat->version);
    loop_free(seat->loop);
}

struct waiting {
    struct transform_call call;
    void (*on_answer)(void *ctx, const struct transform_answer *answer);
    void *ctx;
};

static void on_done(struct transform_call *call, const struct transform_answer *answer) {
    struct waiting *waiting = CONTAINER_OF(call, struct waiting, call);
    waiting->on_answer(waiting->ctx, answer);
    loop_stop(call->loop);
}

void seat_run(struct transform_seat *seat, const struct spec *spec, size_t from, size_t count,
    void (*on_answer)(void *ctx, const struct transform_answer *answer), void *ctx) {
    struct waiting waiting = {.call = {.version = seat->version,
                                  .metadata = spec->metadata,
                                  .credentials = spec->credentials,
                                  .inputs = spec->inputs + from,
                                  .input_count = count,
                                  .want_logs = true,
                                  .loop = seat->loop,
                                  .on_done = on_done},
        .on_answer = on_answer,
        .ctx = ctx};
    transform_run(seat->transform, &waiting.call);
    loop_run(seat->loop);
}

/* ---- check ---- */

static enum err kind_of(const struct args *args, enum transform_kind *ret_kind) {
    static const char *const words[] = {"transformation", "library", "imports"};
    const char *word = args_has(args, OPTION_AS) ? args->value[OPTION_AS] : words[0];
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strcmp(word, words[i]) == 0) {
            *ret_kind = (enum transform_kind)i;
            return OK;
        }
    }
    return ERR_INVALID;
}

static int check(const struct args *args, const struct transform_conf *conf) {
    enum transform_kind kind = TRANSFORM_KIND_CODE;
    struct errinfo why = {.at = 0};
    struct spec spec;
    struct buf out;
    if (args->positional_count != 2 || kind_of(args, &kind) != OK) {
        fprintf(stderr, "sluice: transform check FILE [--as transformation|library|imports] [--with FILE] [--json]\n");
        return EXIT_USAGE;
    }
    spec_init(&spec);
    enum err e = spec_read(&spec, args->positional[1], &why);
    e = e == OK && args_has(args, OPTION_WITH) ? spec_read_with(&spec, args->value[OPTION_WITH], &why) : e;
    if (e != OK) {
        cli_print_error(&why);
        spec_fini(&spec);
        return EXIT_USAGE;
    }
    struct transform_seat seat;
    seat_init(&seat, conf, &spec, /* offline: */ true);
    seat.version = spec_version(&spec, seat.transform, kind);
    buf_init(&out, 0);
    e = transform_version_check(seat.transform, seat.version, &out, &why);
    if (e != OK) {
        cli_print_error(&why);
    }
    if (args_has(args, OPTION_JSON)) {
        buf_append_byte(&out, '\n');
    } else {
        buf_reset(&out);
        buf_append(&out, e == OK ? SLICE("ok\n") : SLICE(""));
    }
    (void)show_flush(&out); /* nobody reads: nothing to do about it */
    buf_fini(&out);
    seat_fini(&seat);
    spec_fini(&spec);
    return e == OK ? EXIT_OK : EXIT_NO;
}

int verb_transform(const struct args *args) {
    static const struct {
        const char *name;
        int (*run)(const struct args *args, const struct transform_conf *conf);
    } nouns[] = {{"run", transform_run_verb}, {"test", transform_test_verb}, {"check", check}};
    struct conf conf;
    struct errinfo why = {.at = 0};
    for (size_t i = 0; i < COUNT_OF(nouns) && args->positional_count > 0; i++) {
        if (strcmp(args->positional[0], nouns[i].name) != 0) {
            continue;
        }
        int code = EXIT_CONFIG;
        if (conf_load(&conf, args, &why) == OK && transform_conf_check(&conf.transform, &why) == OK) {
            log_setup((enum log_level)conf.log.level, /* as_json: */ conf.log.format != 0);
            code = nouns[i].run(args, &conf.transform);
        } else {
            cli_print_error(&why);
        }
        conf_fini(&conf);
        return code;
    }
    fprintf(stderr, "sluice: transform run FILE (--events FILE | --from-log N) | test FILE|DIR... | check FILE\n");
    return EXIT_USAGE;
}
