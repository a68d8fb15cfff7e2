/* The engine of a worker: the compiler's context, and a context per version of a transformation.
 *
 * A version's context is made when it is first needed and lives on while its code leaves the globals alone; each batch
 * gets new instances of the version's modules in it. Texts that go in have a NUL behind them. */
#include "transform/engine.h"

#include <stdio.h>

#include "base/clock.h"
#include "transform/assets.h"
#include "transform/engine_internal.h"
#include "json/json.h"
#include "json/json_write.h"

enum { COMPILE_LIMIT_MS = 10000, COMPILED_DEPTH = 64, MS_PER_S = 1000, RUNTIME_LINE = 1 };

/* JavaScriptCore hands no pointer to callbacks of plain functions: there is one engine per process. */
static struct engine *the_engine;

/* ---- strings and calls ---- */

static JSStringRef js_text(struct slice text) {
    ASSERT(text.ptr[text.len] == '\0');
    return jsc.JSStringCreateWithUTF8CString(text.ptr);
}

/* Appends the UTF-8 of a value's string form; false when it has none. */
static bool append_value(JSContextRef context, JSValueRef value, struct buf *out) {
    JSStringRef text = value != NULL ? jsc.JSValueToStringCopy(context, value, NULL) : NULL;
    if (text == NULL) {
        return false;
    }
    size_t room = jsc.JSStringGetMaximumUTF8CStringSize(text);
    bool ok = buf_reserve(out, room) == OK;
    if (ok) {
        out->len += jsc.JSStringGetUTF8CString(text, out->ptr + out->len, room) - 1; /* counts its NUL */
    }
    jsc.JSStringRelease(text);
    return ok;
}

static JSValueRef property(JSContextRef context, JSValueRef object, const char *name) {
    if (object == NULL || !jsc.JSValueIsObject(context, object)) {
        return NULL;
    }
    JSStringRef key = js_text(slice_cstr(name));
    /* a JSValueRef that is an object is its JSObjectRef: the C API's own casting rule */
    JSValueRef value = jsc.JSObjectGetProperty(context, (JSObjectRef)(uintptr_t)object, key, NULL);
    jsc.JSStringRelease(key);
    return value;
}

static JSObjectRef method(JSContextRef context, JSValueRef object, const char *name) {
    JSValueRef found = property(context, object, name);
    ASSERT(found != NULL && jsc.JSValueIsObject(context, found));
    return (JSObjectRef)(uintptr_t)found;
}

static JSValueRef evaluate(JSContextRef context, struct slice source, struct slice file, JSValueRef *exception) {
    JSStringRef code = js_text(source);
    JSStringRef url = js_text(file);
    JSValueRef value = jsc.JSEvaluateScript(context, code, NULL, url, RUNTIME_LINE, exception);
    jsc.JSStringRelease(code);
    jsc.JSStringRelease(url);
    return value;
}

static JSValueRef text_value(JSContextRef context, struct slice text) {
    JSStringRef string = js_text(text);
    JSValueRef value = jsc.JSValueMakeString(context, string);
    jsc.JSStringRelease(string);
    return value;
}

static JSValueRef call_with_text(JSContextRef context, JSObjectRef function, struct slice text, JSValueRef *exception) {
    JSValueRef argument = text_value(context, text);
    return jsc.JSObjectCallAsFunction(context, function, NULL, 1, &argument, exception);
}

/* ---- limits ---- */

static bool on_limit(JSContextRef context, void *ctx) {
    (void)context; /* shape of jsc_should_stop */
    struct engine *engine = ctx;
    engine->stopped = true;
    return true;
}

static void limit(struct engine *engine, JSContextGroupRef group, uint32_t limit_ms) {
    engine->stopped = false;
    jsc.JSContextGroupSetExecutionTimeLimit(group, (double)limit_ms / MS_PER_S, on_limit, engine);
}

/* ---- what user code asks ---- */

static JSValueRef on_ask(JSContextRef context, JSObjectRef function, JSObjectRef self, size_t count,
    const JSValueRef arguments[], JSValueRef *exception) {
    (void)function; /* shape of a callback, as are the next two */
    (void)self;
    (void)exception;
    struct engine *engine = the_engine;
    struct buf *text = &engine->ask_text;
    buf_reset(text);
    size_t kind_len = 0;
    if (count >= 2 && append_value(context, arguments[0], text)) {
        kind_len = text->len;
        (void)append_value(context, arguments[1], text); /* too large: what is there is no JSON, and is refused */
    }
    uint32_t question = ++engine->last_question;
    engine->host.on_ask(engine->host.ctx, question, slice_of(text->ptr, kind_len),
        slice_of(text->ptr + kind_len, text->len - kind_len));
    return jsc.JSValueMakeNumber(context, question);
}

/* (algorithm, text, key): what destinations hash and encode, by base/hash.h. */
static JSValueRef on_digest(JSContextRef context, JSObjectRef function, JSObjectRef self, size_t count,
    const JSValueRef arguments[], JSValueRef *exception) {
    (void)function; /* shape of a callback, as is the next */
    (void)self;
    struct buf texts[3];
    struct buf out;
    buf_init(&out, 0);
    bool good = true;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        buf_init(&texts[i], 0);
        good = good && (i >= count || append_value(context, arguments[i], &texts[i]));
    }
    if (good && engine_digest(buf_slice(&texts[0]), buf_slice(&texts[1]), buf_slice(&texts[2]), &out)) {
        buf_append_byte(&out, '\0');
    }
    bool done = out.len > 0 && out.failed == OK;
    JSValueRef value = done ? text_value(context, slice_of(out.ptr, out.len - 1))
                            : text_value(context, SLICE("what is to be hashed has no text"));
    if (!done) {
        *exception = value;
    }
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        buf_fini(&texts[i]);
    }
    buf_fini(&out);
    return value;
}

/* ---- contexts ---- */

static void version_close(struct engine_version *version) {
    if (version->context != NULL) {
        jsc.JSGlobalContextRelease(version->context);
        version->context = NULL;
    }
    if (version->group != NULL) {
        jsc.JSContextGroupRelease(version->group);
        version->group = NULL;
    }
}

static void keep(JSContextRef context, JSObjectRef *slot, JSValueRef runtime, const char *name) {
    *slot = method(context, runtime, name);
    jsc.JSValueProtect(context, *slot);
}

/* Our own code failed where only ours has run: a bug. */
static JSValueRef must(JSContextRef context, JSValueRef value, JSValueRef exception) {
    if (exception != NULL) {
        struct buf text;
        buf_init(&text, 0);
        (void)append_value(context, exception, &text); /* it is for a crash report only */
        fprintf(stderr, "runtime: %.*s\n", SLICE_ARG(buf_slice(&text)));
    }
    ASSERT(exception == NULL && value != NULL);
    return value;
}

static void put_function(
    JSContextRef context, JSObjectRef object, const char *name, JSObjectCallAsFunctionCallback function) {
    JSValueRef exception = NULL;
    JSStringRef key = js_text(slice_cstr(name));
    JSObjectRef value = jsc.JSObjectMakeFunctionWithCallback(context, key, function);
    jsc.JSObjectSetProperty(context, object, key, value, kJSPropertyAttributeReadOnly, &exception);
    jsc.JSStringRelease(key);
    ASSERT(exception == NULL);
}

static JSValueRef make_runtime(JSContextRef context) {
    JSValueRef exception = NULL;
    JSValueRef factory = evaluate(context, slice_cstr(asset_runtime_js), SLICE("sluice:runtime"), &exception);
    must(context, factory, exception);
    JSObjectRef host = jsc.JSObjectMake(context, NULL, NULL);
    put_function(context, host, "ask", on_ask);
    put_function(context, host, "digest", on_digest);
    JSValueRef argument = host;
    JSObjectRef function = (JSObjectRef)(uintptr_t)factory;
    JSValueRef runtime = jsc.JSObjectCallAsFunction(context, function, NULL, 1, &argument, &exception);
    return must(context, runtime, exception);
}

/* A number property of an exception; 0 = it has none. */
static uint64_t exception_number(JSContextRef context, JSValueRef exception, const char *name) {
    JSValueRef value = property(context, exception, name);
    double number = value != NULL ? jsc.JSValueToNumber(context, value, NULL) : 0;
    return number >= 1 && number < 1e9 ? (uint64_t)number : 0;
}

/* What JavaScriptCore refuses although acorn took it. */
static void write_refusal(JSContextRef context, JSValueRef exception, struct slice file, struct buf *out) {
    struct json_writer json;
    struct buf text;
    buf_init(&text, 0);
    (void)append_value(context, exception, &text); /* an empty text then */
    uint64_t line = exception_number(context, exception, "line");
    json_writer_init(&json, out);
    json_write_object(&json);
    json_write_key(&json, SLICE("refused"));
    json_write_object(&json);
    json_put_cstr(&json, "kind", "syntax");
    json_put_string(&json, "file", file);
    if (line > 1) {
        json_put_u64(&json, "line", line - 1);
        json_put_u64(&json, "column", exception_number(context, exception, "column"));
    }
    json_put_string(&json, "text", buf_slice(&text));
    json_write_end(&json);
    json_write_end(&json);
    buf_fini(&text);
}

/* Makes the context with the runtime and all modules in it. False: `out` has the refusal. */
static bool version_open(struct engine *engine, struct engine_version *version, struct buf *out) {
    version->group = jsc.JSContextGroupCreate();
    version->context = jsc.JSGlobalContextCreateInGroup(version->group, NULL);
    JSContextRef context = version->context;
    limit(engine, version->group, COMPILE_LIMIT_MS);
    JSValueRef runtime = make_runtime(context);
    JSObjectRef define = method(context, runtime, "define");
    for (size_t i = 0; i < version->module_count; i++) {
        const struct engine_module *module = &version->modules[i];
        JSValueRef exception = NULL;
        JSValueRef factory = evaluate(context, module->source, module->file, &exception);
        if (exception != NULL) {
            write_refusal(context, exception, module->file, out);
            version_close(version);
            return false;
        }
        JSValueRef arguments[] = {
            factory, text_value(context, module->imports), text_value(context, slice_cstr(version->kind))};
        JSValueRef done = jsc.JSObjectCallAsFunction(context, define, NULL, COUNT_OF(arguments), arguments, &exception);
        must(context, done, exception);
    }
    JSValueRef exception = NULL;
    JSValueRef done = jsc.JSObjectCallAsFunction(context, method(context, runtime, "guard"), NULL, 0, NULL, &exception);
    must(context, done, exception);
    keep(context, &version->run, runtime, "run");
    keep(context, &version->reply, runtime, "reply");
    keep(context, &version->hold, runtime, "hold");
    keep(context, &version->settle, runtime, "settle");
    keep(context, &version->take, runtime, "take");
    keep(context, &version->stopped, runtime, "stopped");
    return true;
}

/* ---- loading ---- */

static struct engine_version *find(struct engine *engine, uint32_t id) {
    for (struct engine_version *version = engine->versions; version != NULL; version = version->next) {
        if (version->id == id) {
            return version;
        }
    }
    return NULL;
}

void engine_drop(struct engine *engine, uint32_t id) {
    for (struct engine_version **at = &engine->versions; *at != NULL; at = &(*at)->next) {
        if ((*at)->id == id) {
            struct engine_version *version = *at;
            *at = version->next;
            version_close(version);
            arena_fini(&version->arena);
            mem_free(version);
            return;
        }
    }
}

/* The compiler's answer as modules. False: a refusal, which is the answer already. */
static bool read_modules(struct engine *engine, struct slice compiled, struct engine_version *version) {
    struct json_doc doc;
    enum err e = json_parse(engine->parser, compiled, &doc, NULL);
    ASSERT(e == OK); /* JSON.stringify's, in our own context */
    if (json_find(&doc, 0, SLICE("refused")) != JSON_ABSENT) {
        return false;
    }
    uint32_t modules = json_find(&doc, 0, SLICE("modules"));
    version->module_count = json_count(&doc, modules);
    version->modules = ARENA_ARRAY(&version->arena, struct engine_module, version->module_count + 1);
    size_t i = 0;
    for (uint32_t at = json_first(&doc, modules); at != JSON_ABSENT; at = json_after(&doc, modules, at), i++) {
        struct engine_module *module = &version->modules[i];
        module->file =
            arena_dup(&version->arena, json_string(&doc, json_find(&doc, at, SLICE("file")), &version->arena));
        module->source =
            arena_dup(&version->arena, json_string(&doc, json_find(&doc, at, SLICE("source")), &version->arena));
        module->imports = arena_dup(&version->arena, json_raw(&doc, json_find(&doc, at, SLICE("imports"))));
    }
    return true;
}

static const char *kind_of(struct engine *engine, struct slice text) {
    struct json_doc doc;
    int64_t version = 1;
    if (json_parse(engine->parser, text, &doc, NULL) != OK) {
        return "transformation"; /* the compiler has refused it */
    }
    uint32_t as = json_find(&doc, 0, SLICE("as"));
    if (json_is(&doc, as, JSON_STRING) && slice_eq(json_raw(&doc, as), SLICE("\"destination\""))) {
        return "destination";
    }
    bool script = json_i64(&doc, json_find(&doc, 0, SLICE("version")), &version) == OK && version == 0;
    return script ? "script" : "transformation";
}

void engine_load(struct engine *engine, uint32_t id, struct slice text, struct buf *out) {
    enum { MODULE_CHUNK = 4096 };
    engine_drop(engine, id);
    size_t start = out->len;
    JSValueRef exception = NULL;
    limit(engine, engine->compiler_group, COMPILE_LIMIT_MS);
    JSValueRef compiled = call_with_text(engine->compiler, engine->compile, text, &exception);
    if (exception != NULL || !append_value(engine->compiler, compiled, out) || buf_reserve(out, JSON_PADDING) != OK) {
        out->len = start;
        write_refusal(engine->compiler, exception, SLICE(""), out);
        return;
    }
    struct engine_version *version = mem_alloc(sizeof *version);
    version->id = id;
    arena_init(&version->arena, MODULE_CHUNK, 0);
    version->kind = kind_of(engine, text);
    version->next = engine->versions;
    engine->versions = version;
    if (!read_modules(engine, slice_of(out->ptr + start, out->len - start), version)) {
        engine_drop(engine, id);
        return;
    }
    struct buf refusal;
    buf_init(&refusal, 0);
    if (version->module_count > 0 && !version_open(engine, version, &refusal)) {
        out->len = start;
        buf_append(out, buf_slice(&refusal));
        engine_drop(engine, id);
    }
    buf_fini(&refusal);
}

/* ---- running ---- */

/* An answer for a batch of which nothing is known but why. */
static void write_failure(struct slice text, const char *cause, bool single, struct buf *out) {
    struct json_writer json;
    json_writer_init(&json, out);
    json_write_object(&json);
    json_put_cstr(&json, "mode", "");
    json_put_bool(&json, "polluted", false);
    json_put_bool(&json, "fresh", true);
    json_put_bool(&json, "single", single);
    json_write_key(&json, SLICE("rows"));
    json_write_array(&json);
    json_write_array(&json);
    json_write_i64(&json, -1);
    json_write_i64(&json, 1);
    json_write_string(&json, text);
    json_write_string(&json, slice_cstr(cause));
    json_write_end(&json);
    json_write_end(&json);
    json_write_key(&json, SLICE("logs"));
    json_write_array(&json);
    json_write_end(&json);
    json_write_end(&json);
}

/* The head of an answer is the runtime's own; user text comes behind it. */
static bool wants_fresh(struct slice answer) {
    enum { HEAD_BYTES = 100 };
    struct slice head = slice_of(answer.ptr, answer.len < HEAD_BYTES ? answer.len : HEAD_BYTES);
    return memmem(head.ptr, head.len, "\"fresh\":true", strlen("\"fresh\":true")) != NULL;
}

/* Struck in a microtask, the limit leaves no exception, and JavaScriptCore aborts when it is called after that. */
static bool struck_aside(const struct engine *engine, JSValueRef exception) {
    return engine->stopped && exception == NULL;
}

static void write_loss(struct engine *engine, JSValueRef exception, struct buf *out) {
    struct engine_version *version = engine->running;
    bool late = struck_aside(engine, exception);
    struct buf text;
    buf_init(&text, 0);
    if (late) {
        buf_append(&text, SLICE("Error: Script execution timed out."));
    } else if (exception == NULL || !append_value(version->context, exception, &text)) {
        buf_append(&text, SLICE("Error: the batch gave no answer"));
    }
    write_failure(buf_slice(&text), late ? "cpu" : "engine", version->held > 0, out);
    buf_fini(&text);
}

static JSValueRef call_bare(struct engine_version *version, JSObjectRef function, JSValueRef *exception) {
    *exception = NULL;
    return jsc.JSObjectCallAsFunction(version->context, function, NULL, 0, NULL, exception);
}

static bool call_says(struct engine_version *version, JSObjectRef function, JSValueRef *exception) {
    JSValueRef value = call_bare(version, function, exception);
    return *exception == NULL && value != NULL && jsc.JSValueToBoolean(version->context, value);
}

/* The oldest batch's text. The limit may strike while its results are written, which may call user code too. */
static bool take_text(struct engine *engine, struct buf *out, JSValueRef *exception) {
    struct engine_version *version = engine->running;
    engine->stopped = false;
    JSValueRef text = call_bare(version, version->take, exception);
    if (struck_aside(engine, *exception)) {
        return false;
    }
    if (engine->stopped) {
        (void)call_bare(version, version->stopped, exception); /* gives nothing back */
        text = *exception == NULL ? call_bare(version, version->take, exception) : NULL;
    }
    return *exception == NULL && append_value(version->context, text, out);
}

/* The texts of what was held and of the batch that has ended. lost: the runtime cannot be asked for them. */
static void take_texts(struct engine *engine, JSValueRef exception, bool lost, struct engine_answers *out) {
    struct engine_version *version = engine->running;
    bool fresh = engine->stopped;
    for (size_t i = 0; i <= version->held; i++) {
        size_t start = out->text.len;
        lost = lost || !take_text(engine, &out->text, &exception);
        if (lost) { /* nobody knows in which state it is */
            out->text.len = start;
            out->text.failed = OK;
            write_loss(engine, exception, &out->text);
        }
        out->ends[out->count++] = out->text.len;
        fresh = fresh || lost || wants_fresh(slice_of(out->text.ptr + start, out->text.len - start));
    }
    version->held = 0;
    engine->running = NULL;
    if (fresh) {
        version_close(version);
    }
}

/* After a call into the runtime has returned and its microtasks have run. The limit may have struck in it, and in each
 * of those that follow. */
static enum engine_state collect(struct engine *engine, JSValueRef exception, struct engine_answers *out) {
    struct engine_version *version = engine->running;
    bool ran = exception == NULL && !engine->stopped;
    if (ran && version->held < ENGINE_HELD_MAX && engine->host.may_hold(engine->host.ctx)) {
        if (call_says(version, version->hold, &exception)) {
            version->held++;
            engine->running = NULL;
            return ENGINE_HELD;
        }
        ran = exception == NULL && !engine->stopped;
    }
    if (ran && !call_says(version, version->settle, &exception) && exception == NULL) {
        return ENGINE_WAITS;
    }
    bool lost = struck_aside(engine, exception);
    if (engine->stopped && !lost) {
        (void)call_bare(version, version->stopped, &exception); /* gives nothing back */
    }
    take_texts(engine, exception, lost || exception != NULL, out);
    return ENGINE_DONE;
}

static enum engine_state fail_run(const char *text, struct engine_answers *out) {
    write_failure(slice_cstr(text), "engine", false, &out->text);
    out->ends[out->count++] = out->text.len;
    return ENGINE_DONE;
}

enum engine_state engine_run(
    struct engine *engine, uint32_t version_id, uint32_t limit_ms, struct slice text, struct engine_answers *out) {
    struct engine_version *version = find(engine, version_id);
    if (version == NULL || version->module_count == 0) {
        return fail_run("Error: the version is not loaded", out);
    }
    struct buf refusal;
    buf_init(&refusal, 0);
    bool open = version->context != NULL || version_open(engine, version, &refusal);
    buf_fini(&refusal);
    if (!open) {
        return fail_run("Error: the version does not compile", out);
    }
    JSValueRef exception = NULL;
    engine->running = version;
    engine->limit_ms = limit_ms;
    limit(engine, version->group, limit_ms);
    (void)call_with_text(version->context, version->run, text, &exception); /* gives nothing back */
    return collect(engine, exception, out);
}

enum engine_state engine_reply(
    struct engine *engine, uint32_t question, struct slice text, struct engine_answers *out) {
    struct engine_version *version = engine->running;
    if (version == NULL) {
        return ENGINE_WAITS; /* the batch ended without it */
    }
    JSValueRef exception = NULL;
    JSStringRef string = js_text(text);
    JSValueRef arguments[] = {
        jsc.JSValueMakeNumber(version->context, question), jsc.JSValueMakeString(version->context, string)};
    jsc.JSStringRelease(string);
    limit(engine, version->group, engine->limit_ms);
    (void)jsc.JSObjectCallAsFunction(
        version->context, version->reply, NULL, COUNT_OF(arguments), arguments, &exception); /* nothing back */
    return collect(engine, exception, out);
}

/* ---- start ---- */

static void open_compiler(struct engine *engine) {
    engine->compiler_group = jsc.JSContextGroupCreate();
    engine->compiler = jsc.JSGlobalContextCreateInGroup(engine->compiler_group, NULL);
    JSContextRef context = engine->compiler;
    JSValueRef exception = NULL;
    JSValueRef value = evaluate(context, slice_cstr(asset_acorn_js), SLICE("sluice:acorn"), &exception);
    must(context, value, exception);
    JSValueRef acorn = property(context, jsc.JSContextGetGlobalObject(context), "acorn");
    value = evaluate(context, slice_cstr(asset_compiler_js), SLICE("sluice:compiler"), &exception);
    must(context, value, exception);
    value = jsc.JSObjectCallAsFunction(context, (JSObjectRef)(uintptr_t)value, NULL, 1, &acorn, &exception);
    engine->compile = (JSObjectRef)(uintptr_t)must(context, value, exception);
    jsc.JSValueProtect(context, engine->compile);
    /* what opens files the first time it is used: time zone, locale */
    value =
        evaluate(context, SLICE("new Date(0).toString()+new Date(0).toLocaleString('en-US')+'b'.localeCompare('a')"),
            SLICE("sluice:warm"), &exception);
    must(context, value, exception);
    struct buf unused;
    buf_init(&unused, 0);
    (void)engine_digest(SLICE("sha256"), SLICE(""), SLICE(""), &unused); /* OpenSSL reads its configuration */
    buf_fini(&unused);
}

enum err engine_open(const struct engine_host *host, struct engine **ret_engine, struct errinfo *why) {
    enum err e = jsc_open(why);
    if (e != OK) {
        return e;
    }
    ASSERT(the_engine == NULL);
    struct engine *engine = mem_alloc(sizeof *engine);
    engine->host = *host;
    engine->parser = json_parser_new(COMPILED_DEPTH);
    buf_init(&engine->ask_text, 0);
    the_engine = engine;
    open_compiler(engine);
    *ret_engine = engine;
    return OK;
}

void engine_close(struct engine *engine) {
    if (engine == NULL) {
        return;
    }
    while (engine->versions != NULL) {
        engine_drop(engine, engine->versions->id);
    }
    jsc.JSGlobalContextRelease(engine->compiler);
    jsc.JSContextGroupRelease(engine->compiler_group);
    json_parser_free(engine->parser);
    buf_fini(&engine->ask_text);
    the_engine = NULL;
    mem_free(engine);
}
