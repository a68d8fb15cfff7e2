/* Events of realistic size and shape, built once; message ids are stamped when a request goes out.
 * Shapes: `event1400` is a track of about 1.4 KB; `rudder` mixes identify, page and track of about 1.2, 2.0 and 2.6 KB,
 * as the field's load tool does; `minimal` is the smallest event. Text is our own; values vary so that it neither
 * compresses nor caches too well. */
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "bench.h"

static const char *const WORDS[] = {"amber", "birch", "cobalt", "dune", "ember", "fjord", "grove", "harbor", "indigo",
    "juniper", "kelp", "lagoon", "meadow", "nectar", "opal", "prairie", "quartz", "ridge", "saffron", "tundra", "umber",
    "valley", "willow", "zephyr"};

static uint64_t dice_state = 88172645463325252ULL;
static uint64_t dice(void) {
    dice_state ^= dice_state << 13;
    dice_state ^= dice_state >> 7;
    dice_state ^= dice_state << 17;
    return dice_state;
}

static const char *word(void) {
    return WORDS[dice() % COUNT_OF(WORDS)];
}

void payload_stamp(char *at, uint64_t number) {
    static const char hex[] = "0123456789abcdef";
    for (int i = 35; i >= 20; i--) {
        if (i != 23) {
            at[i] = hex[number & 15];
            number >>= 4;
        }
    }
}

static void members(struct buf *out, size_t until) {
    for (unsigned n = 0; out->len < until; n++) {
        /* keys are the same in each event, as those of one call in one app; sticky failure, checked by the caller */
        (void)buf_printf(out, ",\"%s_%u\":", WORDS[n % COUNT_OF(WORDS)], n);
        switch (dice() % 4) {
        case 0:
            (void)buf_printf(out, "%llu.%02u", (unsigned long long)(dice() % 100000), (unsigned)(dice() % 100));
            break;
        case 1:
            (void)buf_printf(out, "%s", dice() % 2 ? "true" : "false");
            break;
        case 2:
            (void)buf_printf(out, "\"%s %s %s\"", word(), word(), word());
            break;
        default:
            (void)buf_printf(out, "{\"id\":%u,\"name\":\"%s\",\"tags\":[\"%s\",\"%s\"]}", (unsigned)(dice() % 100000),
                word(), word(), word());
        }
    }
}

struct event_kind {
    const char *type;
    size_t size;
};

static struct event_kind kind_of(const char *shape, uint64_t n) {
    static const struct event_kind mix[] = {{"identify", 1188}, {"page", 2005}, {"track", 2616}};
    if (strcmp(shape, "rudder") == 0) {
        return mix[n % COUNT_OF(mix)];
    }
    return (struct event_kind){"track", strcmp(shape, "minimal") == 0 ? 0 : 1400};
}

/* Appends one event; *ret_id is where its message id stands in `out`. */
static void event_append(struct buf *out, const char *shape, uint64_t n, size_t *ret_id) {
    struct event_kind kind = kind_of(shape, n);
    size_t start = out->len;
    (void)buf_printf(out, "{\"type\":\"%s\",\"messageId\":\"", kind.type);
    *ret_id = out->len;
    (void)buf_printf(out, "00000000-0000-4000-8000-%012llx\",\"anonymousId\":\"user-%06u\",\"event\":\"Order %s\"",
        (unsigned long long)n, (unsigned)(dice() % 100000), word());
    if (kind.size > 0) {
        (void)buf_printf(out,
            ",\"originalTimestamp\":\"2026-08-07T10:%02u:%02u.%03uZ\",\"context\":{\"library\":{\"name\":\"bench\",\"version\":\"1.0.0\"},"
            "\"locale\":\"de-DE\",\"ip\":\"203.0.113.%u\",\"page\":{\"path\":\"/%s/%s\",\"title\":\"Caf\xc3\xa9 %s\"}},\"properties\":{\"n\":%u",
            (unsigned)(dice() % 60), (unsigned)(dice() % 60), (unsigned)(dice() % 1000), (unsigned)(dice() % 250),
            word(), word(), word(), (unsigned)(dice() % 1000));
        members(out, start + kind.size - 2);
        (void)buf_printf(out, "}");
    }
    (void)buf_printf(out, "}");
}

static void body_build(const struct payload_spec *spec, uint64_t number, struct buf *body, uint32_t *ids) {
    uint64_t first = number * spec->batch;
    if (spec->batch > 1) {
        (void)buf_printf(body, "{\"batch\":[");
    }
    for (unsigned i = 0; i < spec->batch; i++) {
        size_t at;
        if (i > 0) {
            (void)buf_printf(body, ",");
        }
        event_append(body, spec->shape, first + i, &at);
        payload_stamp(body->ptr + at, (first + i) * 0x9E3779B97F4A7C15ULL);
        ids[i] = (uint32_t)at;
    }
    if (spec->batch > 1) {
        (void)buf_printf(body, "]}");
    }
}

static void base64(const char *text, char *out) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i += 3) {
        unsigned v = (unsigned)(unsigned char)text[i] << 16;
        v |= i + 1 < len ? (unsigned)(unsigned char)text[i + 1] << 8 : 0;
        v |= i + 2 < len ? (unsigned char)text[i + 2] : 0;
        *out++ = alphabet[v >> 18];
        *out++ = alphabet[v >> 12 & 63];
        *out++ = i + 1 < len ? alphabet[v >> 6 & 63] : '=';
        *out++ = i + 2 < len ? alphabet[v & 63] : '=';
    }
    *out = '\0';
}

static void compress_body(struct libdeflate_compressor *compressor, struct buf *body) {
    struct buf packed;
    buf_init(&packed, 0);
    size_t bound = libdeflate_gzip_compress_bound(compressor, body->len);
    ASSERT(buf_reserve(&packed, bound) == OK);
    packed.len = libdeflate_gzip_compress(compressor, body->ptr, body->len, packed.ptr, bound);
    buf_reset(body);
    ASSERT(buf_append(body, buf_slice(&packed)) == OK);
    buf_fini(&packed);
}

static void request_build(
    const struct payload_spec *spec, const char *auth, struct buf *body, struct request *request) {
    struct buf all;
    buf_init(&all, 0);
    (void)buf_printf(&all,
        "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: sluice-bench\r\nAuthorization: Basic %s\r\nContent-Type: application/json\r\n%s"
        "Content-Length: %zu\r\n\r\n",
        spec->path, spec->host, auth, spec->gzip ? "Content-Encoding: gzip\r\n" : "", body->len);
    for (uint32_t i = 0; i < request->id_count; i++) {
        request->ids[i] += (uint32_t)all.len;
    }
    ASSERT(buf_append(&all, buf_slice(body)) == OK);
    request->bytes = all.ptr; /* moves: payload_free gives it back */
    request->len = all.len;
}

struct request *payload_build(const struct payload_spec *spec, uint32_t count) {
    struct request *requests = mem_alloc(sizeof *requests * count);
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(1);
    char key[256], auth[400];
    (void)snprintf(key, sizeof key, "%s:", spec->key);
    base64(key, auth);
    struct buf body;
    buf_init(&body, 0);
    for (uint32_t n = 0; n < count; n++) {
        struct request *request = &requests[n];
        request->ids = mem_alloc(sizeof *request->ids * spec->batch);
        request->id_count = spec->batch;
        buf_reset(&body);
        body_build(spec, n, &body, request->ids);
        if (spec->gzip) {
            compress_body(compressor, &body);
            request->id_count = 0;
        }
        request_build(spec, auth, &body, request);
    }
    buf_fini(&body);
    libdeflate_free_compressor(compressor);
    return requests;
}

void payload_free(struct request *requests, uint32_t count) {
    for (uint32_t n = 0; n < count; n++) {
        mem_free(requests[n].bytes);
        mem_free(requests[n].ids);
    }
    mem_free(requests);
}
