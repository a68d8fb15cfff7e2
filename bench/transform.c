/* A user transformation through a worker process, beside the same code in the engine with nothing around it, in turns.
 * Prints both rates in events per second of real time, of the round with the median ratio, and the CPU time per event
 * of the whole path. */
#include "transform/transform.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/arena.h"
#include "bench.h"
#include "transform/jsc.h"
#include "json/json_write.h"

enum { EVENTS = 1000, OPEN_EVENTS = 400, OPEN_MIN = 4, ROUNDS = 15, ROUNDS_MAX = 1000, NS_PER_MS = 1000000 };

/* rename, delete what is personal, a computed field, a regular expression */
static const char user_code[] = "function transformEvent(event) {\n"
                                "  const p = event.properties || {};\n"
                                "  event.event = event.event.toLowerCase().replace(/\\s+/g, '_');\n"
                                "  delete event.context.traits.phone;\n"
                                "  delete p.ssn;\n"
                                "  event.context.traits.email = event.context.traits.email.replace(/^[^@]+/, 'xxx');\n"
                                "  p.margin = (p.total || 0) - (p.revenue || 0);\n"
                                "  p.items = (p.products || []).length;\n"
                                "  event.properties = p;\n"
                                "  return event;\n"
                                "}\n";
static const char bare_code[] = "(function (text) {\n"
                                "  const events = JSON.parse(text);\n"
                                "  for (let i = 0; i < events.length; i++) { events[i] = transformEvent(events[i]); }\n"
                                "  return JSON.stringify(events);\n"
                                "})";
static const char event_format[] =
    "{\"messageId\":\"m-%08u\",\"type\":\"track\",\"event\":\"Order Completed\",\"userId\":\"u%u\",\"anonymousId\":"
    "\"a-%u-0123456789\",\"originalTimestamp\":\"2026-08-07T00:00:00.000Z\",\"sentAt\":\"2026-08-07T00:00:01.000Z\","
    "\"context\":{\"app\":{\"name\":\"shop\",\"version\":\"1.2.3\",\"build\":\"88\"},\"device\":{\"id\":\"d-%u\","
    "\"model\":\"iPhone 14\",\"manufacturer\":\"Apple\",\"adTrackingEnabled\":true},\"library\":{\"name\":"
    "\"analytics.js\",\"version\":\"3.1.0\"},\"locale\":\"en-US\",\"timezone\":\"Europe/Berlin\",\"ip\":\"203.0.113.7\","
    "\"os\":{\"name\":\"iOS\",\"version\":\"17.5.1\"},\"screen\":{\"width\":1170,\"height\":2532,\"density\":3},"
    "\"page\":{\"path\":\"/checkout\",\"referrer\":\"https://example.com/a?b=c\",\"title\":\"K\xc3\xa4ufe\",\"url\":"
    "\"https://example.com/checkout\"},\"traits\":{\"email\":\"user%u@example.com\",\"phone\":\"+4912345678\","
    "\"firstName\":\"Ada\",\"lastName\":\"Lovelace\"},\"userAgent\":\"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) "
    "AppleWebKit/605.1.15\",\"campaign\":{\"source\":\"newsletter\",\"medium\":\"email\",\"name\":\"summer\"}},"
    "\"properties\":{\"order_id\":\"o-%u\",\"total\":129.5,\"revenue\":99.5,\"currency\":\"EUR\",\"coupon\":\"SUMMER\","
    "\"ssn\":\"123-45-6789\",\"products\":[{\"product_id\":\"p1\",\"sku\":\"s1\",\"name\":\"Thing One\",\"price\":49.75,"
    "\"quantity\":2,\"category\":\"a\"},{\"product_id\":\"p2\",\"sku\":\"s2\",\"name\":\"Thing Two\",\"price\":30.0,"
    "\"quantity\":1,\"category\":\"b\"}]},\"integrations\":{\"All\":true}}";

struct sheet {
    struct arena arena;
    struct transform_input inputs[EVENTS];
    unsigned batch, workers;
    uint64_t run_ns; /* of one turn */
    const char *program;
};

/* ---- the engine alone ---- */

struct bare {
    JSGlobalContextRef context;
    JSObjectRef function;
    struct buf *texts; /* a JSON array per batch, NUL behind it */
    unsigned batches;
};

static JSValueRef evaluate(JSContextRef context, const char *code) {
    JSStringRef text = jsc.JSStringCreateWithUTF8CString(code);
    JSValueRef value = jsc.JSEvaluateScript(context, text, NULL, NULL, 1, NULL);
    jsc.JSStringRelease(text);
    return value;
}

static void bare_open(struct bare *bare, const struct sheet *sheet) {
    bare->context = jsc.JSGlobalContextCreateInGroup(jsc.JSContextGroupCreate(), NULL);
    (void)evaluate(bare->context, user_code); /* declares a function */
    bare->function = (JSObjectRef)(uintptr_t)evaluate(bare->context, bare_code);
    jsc.JSValueProtect(bare->context, bare->function);
    bare->batches = EVENTS / sheet->batch;
    bare->texts = mem_alloc(bare->batches * sizeof *bare->texts);
    for (unsigned i = 0; i < bare->batches; i++) {
        struct json_writer json;
        buf_init(&bare->texts[i], 0);
        json_writer_init(&json, &bare->texts[i]);
        json_write_array(&json);
        for (unsigned k = 0; k < sheet->batch; k++) {
            json_write_raw(&json, sheet->inputs[i * sheet->batch + k].message);
        }
        json_write_end(&json);
        buf_append_byte(&bare->texts[i], '\0');
    }
}

static void bare_batch(struct bare *bare, const struct buf *text, struct buf *out) {
    JSStringRef string = jsc.JSStringCreateWithUTF8CString(text->ptr);
    JSValueRef argument = jsc.JSValueMakeString(bare->context, string);
    jsc.JSStringRelease(string);
    JSValueRef result = jsc.JSObjectCallAsFunction(bare->context, bare->function, NULL, 1, &argument, NULL);
    JSStringRef answer = jsc.JSValueToStringCopy(bare->context, result, NULL);
    size_t room = jsc.JSStringGetMaximumUTF8CStringSize(answer);
    buf_reset(out);
    buf_reserve(out, room);
    out->len = jsc.JSStringGetUTF8CString(answer, out->ptr, room);
    jsc.JSStringRelease(answer);
}

static double bare_turn(struct bare *bare, const struct sheet *sheet) {
    struct buf out;
    uint64_t began = now_ns(), done = 0;
    buf_init(&out, 0);
    while (now_ns() - began < sheet->run_ns) {
        bare_batch(bare, &bare->texts[done / sheet->batch % bare->batches], &out);
        done += sheet->batch;
    }
    buf_fini(&out);
    return (double)done * 1e9 / (double)(now_ns() - began);
}

/* ---- through a worker ---- */

struct lane {
    struct transform_call call;
    struct pump *pump;
};

struct pump {
    struct loop *loop;
    struct transform *transform;
    struct transform_version *version;
    const struct sheet *sheet;
    struct lane lanes[OPEN_EVENTS];
    uint64_t until_ns, done, cpu_us;
    unsigned next, open;
};

static void on_done(struct transform_call *call, const struct transform_answer *answer);

static void send_batch(struct lane *lane) {
    struct pump *pump = lane->pump;
    unsigned batch = pump->sheet->batch;
    lane->call = (struct transform_call){.version = pump->version,
        .inputs = pump->sheet->inputs + pump->next % (EVENTS / batch) * batch,
        .input_count = batch,
        .loop = pump->loop,
        .on_done = on_done};
    pump->next++;
    pump->open++;
    transform_run(pump->transform, &lane->call);
}

static void on_done(struct transform_call *call, const struct transform_answer *answer) {
    struct lane *lane = CONTAINER_OF(call, struct lane, call);
    struct pump *pump = lane->pump;
    ASSERT(answer->err == OK && answer->result_count == call->input_count && !answer->results[0].failed);
    pump->done += call->input_count;
    pump->cpu_us += answer->cpu_us;
    pump->open--;
    if (now_ns() < pump->until_ns) {
        send_batch(lane);
    } else if (pump->open == 0) {
        loop_stop(pump->loop);
    }
}

static double pump_turn(struct pump *pump) {
    uint64_t began = now_ns();
    pump->until_ns = began + pump->sheet->run_ns;
    pump->done = pump->cpu_us = 0;
    unsigned open = OPEN_EVENTS / pump->sheet->batch;
    open = open < OPEN_MIN ? OPEN_MIN : open;
    for (unsigned i = 0; i < open; i++) {
        pump->lanes[i].pump = pump;
        send_batch(&pump->lanes[i]);
    }
    loop_run(pump->loop);
    return (double)pump->done * 1e9 / (double)(now_ns() - began);
}

static void pump_open(struct pump *pump, const struct sheet *sheet) {
    static struct transform_conf conf; /* knob texts live with it */
    static struct arena texts;
    struct knob_section section = transform_conf_section(&conf);
    arena_init(&texts, 0, 0);
    knob_defaults(&section, &texts);
    conf.workers = sheet->workers;
    const struct transform_deps deps = {.program = sheet->program};
    struct buf code;
    buf_init(&code, 0);
    buf_printf(&code, "export %s", user_code);
    const struct transform_code module = {.code = buf_slice(&code), .language = 1};
    *pump = (struct pump){.loop = loop_new("bench"), .transform = transform_new(&conf, &deps), .sheet = sheet};
    pump->version = transform_version_new(pump->transform, &module);
    buf_fini(&code);
}

/* CPU time of this thread: as a worker counts its batches, without the engine's helper threads. */
static uint64_t thread_ns(void) {
    struct timespec spent;
    return clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent) == 0
        ? (uint64_t)spent.tv_sec * 1000 * NS_PER_MS + (uint64_t)spent.tv_nsec
        : 0;
}

static void fill(struct sheet *sheet, int argc, char **argv) {
    arena_init(&sheet->arena, 0, 0);
    sheet->batch = (unsigned)arg_u64(argc, argv, "--batch", 100);
    sheet->workers = (unsigned)arg_u64(argc, argv, "--workers", 1);
    sheet->run_ns = arg_u64(argc, argv, "--turn-ms", 150) * NS_PER_MS;
    sheet->program = arg_text(argc, argv, "--sluice", "build/sluice");
    for (unsigned i = 0; i < EVENTS; i++) {
        sheet->inputs[i].message = arena_printf(&sheet->arena, event_format, i, i, i, i, i, i);
    }
}

/* One turn of each, one behind the other: what else the machine does meets both, or spoils few of many. */
struct round {
    double bare, pump; /* events per second */
};

static int by_ratio(const void *a, const void *b) {
    const struct round *one = a, *other = b;
    double difference = one->pump / one->bare - other->pump / other->bare;
    return (difference > 0) - (difference < 0);
}

int bench_transform(int argc, char **argv) {
    static struct sheet sheet;
    struct errinfo why = {.at = 0};
    struct bare bare;
    struct pump pump;
    fill(&sheet, argc, argv);
    unsigned rounds = (unsigned)arg_u64(argc, argv, "--rounds", ROUNDS);
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    if (jsc_open(&why) != OK) {
        fprintf(stderr, "%s: %s\n", why.path, why.text);
        return 1;
    }
    bare_open(&bare, &sheet);
    pump_open(&pump, &sheet);
    (void)bare_turn(&bare, &sheet); /* warm */
    (void)pump_turn(&pump);
    struct round turns[ROUNDS_MAX];
    double server_ns = 0, bare_ns = 0, worker_ns = 0;
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t cpu = thread_ns();
        turns[i].bare = bare_turn(&bare, &sheet);
        bare_ns += (double)(thread_ns() - cpu) / (turns[i].bare * (double)sheet.run_ns / 1e9) / rounds;
        cpu = cpu_ns();
        turns[i].pump = pump_turn(&pump);
        server_ns += (double)(cpu_ns() - cpu) / (double)pump.done / rounds;
        worker_ns += (double)pump.cpu_us * 1000 / (double)pump.done / rounds;
    }
    transform_free(pump.transform);
    transform_version_release(pump.version);
    loop_free(pump.loop);
    qsort(turns, rounds, sizeof *turns, by_ratio);
    const struct round *median = &turns[rounds / 2];
    printf(
        "{\"batch\":%u,\"workers\":%u,\"event_bytes\":%zu,\"in_process_per_s\":%.0f,\"worker_per_s\":%.0f,\"ratio\":%.3f,"
        "\"in_process_cpu_us\":%.2f,\"worker_cpu_us\":%.2f,\"server_cpu_us\":%.2f}\n",
        sheet.batch, sheet.workers, sheet.inputs[0].message.len, median->bare, median->pump,
        median->pump / median->bare, bare_ns / 1000, worker_ns / 1000, server_ns / 1000);
    return 0;
}
