/* Exchanges: the pool, the head's bytes and header slices, the body's buffers and their share of the server's budget,
 * gzip. Slices of the head point into exchange->head from the start; when that grows they are moved along, once or
 * twice in a life. */
#include <libdeflate.h>

#include "base/clock.h"
#include "http/server_internal.h"

#define EXCHANGE_MAGIC 0x68747470u
#define EXCHANGE_ARENA_CHUNK 4096u
#define BODY_LEAST 4096u
#define INFLATE_FIRST 16384u
#define INFLATE_RATIO_MAX 1032u /* of deflate: more than that per byte cannot come out */
#define GZIP_TRAILER 8u

struct exchange *exchange_of(const struct http_request *request) {
    struct exchange *exchange = CONTAINER_OF(request, struct exchange, pub);
    ASSERT(exchange->magic == EXCHANGE_MAGIC);
    return exchange;
}

static struct exchange *take(struct http_server *server) {
    struct exchange *exchange = server->pool;
    if (exchange != NULL) {
        server->pool = exchange->next;
        server->pool_count--;
        server->pool_bytes -= exchange->body.cap + exchange->inflated.cap;
        return exchange;
    }
    exchange = mem_try_alloc(sizeof(*exchange));
    if (exchange != NULL) {
        exchange->magic = EXCHANGE_MAGIC;
        exchange->server = server;
        arena_init(&exchange->pub.arena, EXCHANGE_ARENA_CHUNK, /* ceiling: */ 0);
    }
    return exchange;
}

/* Everything but the memory that is kept: arena, buffers, inline arrays. */
static void clear(struct exchange *exchange) {
    struct arena arena = exchange->pub.arena;
    exchange->pub = (struct http_request){.method = HTTP_METHOD_OTHER, .arena = arena};
    exchange->state = EXCHANGE_HEADERS;
    exchange->stream = (struct http_stream){0};
    exchange->next = NULL;
    exchange->body.len = 0;
    exchange->inflated.len = 0;
    exchange->charged = 0;
    exchange->body_length = 0;
    exchange->refused = OK;
    exchange->chunked = exchange->gzip = exchange->expects_continue = exchange->old_version = false;
    exchange->headers = exchange->headers_inline;
    exchange->header_room = SERVER_HEADERS_INLINE;
    exchange->head = exchange->head_inline;
    exchange->head_len = 0;
    exchange->head_cap = SERVER_HEAD_INLINE;
    exchange->target_len = 0;
    exchange->head_raw = 0;
    exchange->in_value = exchange->gap_has_lf = false;
}

struct exchange *exchange_new(struct conn *conn) {
    struct exchange *exchange = take(conn->server);
    if (exchange == NULL) {
        return NULL;
    }
    clear(exchange);
    exchange->conn = conn;
    conn->exchange = exchange;
    conn->server->exchanges++;
    memcpy(exchange->peer, conn->peer, conn->peer_len);
    exchange->pub.peer = slice_of(exchange->peer, conn->peer_len);
    exchange->pub.started_ns = clock_mono_ns();
    return exchange;
}

void exchange_free(struct exchange *exchange) {
    mem_free(exchange->body.ptr);
    mem_free(exchange->inflated.ptr);
    arena_fini(&exchange->pub.arena);
    exchange->magic = 0;
    mem_free(exchange);
}

static void drop_bytes(struct bytes *bytes) {
    mem_free(bytes->ptr);
    *bytes = (struct bytes){0};
}

void exchange_release(struct exchange *exchange) {
    struct http_server *server = exchange->server;
    server_count(&server->stat.buffered, -(int64_t)exchange->charged);
    server->exchanges--;
    if (server->freed || server->pool_count >= SERVER_POOL_EXCHANGES) {
        exchange_free(exchange);
        server_release(server);
        return;
    }
    if (server->pool_bytes + exchange->body.cap + exchange->inflated.cap > SERVER_POOL_BYTES) {
        drop_bytes(&exchange->body);
        drop_bytes(&exchange->inflated);
    }
    arena_reset(&exchange->pub.arena);
    exchange->conn = NULL;
    exchange->next = server->pool;
    server->pool = exchange;
    server->pool_count++;
    server->pool_bytes += exchange->body.cap + exchange->inflated.cap;
    server_check_drained(server);
}

static struct slice moved(struct slice s, const char *from, const char *to) {
    return s.ptr == NULL ? s : slice_of(to + (s.ptr - from), s.len);
}

static bool head_grow(struct exchange *exchange, size_t need) {
    size_t limit = exchange->server->limits.header_bytes;
    size_t cap = exchange->head_cap * 4 > need ? exchange->head_cap * 4 : need;
    cap = cap < limit ? cap : limit;
    char *head = arena_try_alloc(&exchange->pub.arena, cap);
    if (head == NULL) {
        return false;
    }
    memcpy(head, exchange->head, exchange->head_len);
    for (size_t i = 0; i < exchange->pub.header_count; i++) {
        struct http_header *header = &exchange->headers[i];
        header->name = moved(header->name, exchange->head, head);
        header->value = moved(header->value, exchange->head, head);
    }
    exchange->head = head;
    exchange->head_cap = cap;
    return true;
}

bool exchange_head_append(struct exchange *exchange, const char *at, size_t len) {
    size_t need = exchange->head_len + len;
    if (need > exchange->server->limits.header_bytes) {
        return false;
    }
    if (UNLIKELY(need > exchange->head_cap) && !head_grow(exchange, need)) {
        return false;
    }
    memcpy(exchange->head + exchange->head_len, at, len);
    exchange->head_len = need;
    return true;
}

struct http_header *exchange_header_add(struct exchange *exchange) {
    size_t count = exchange->pub.header_count;
    if (count == SERVER_HEADERS_MAX) {
        return NULL;
    }
    if (count == exchange->header_room) {
        struct http_header *more = arena_try_alloc(&exchange->pub.arena, SERVER_HEADERS_MAX * sizeof(*more));
        if (more == NULL) {
            return NULL;
        }
        memcpy(more, exchange->headers, count * sizeof(*more));
        exchange->headers = more;
        exchange->header_room = SERVER_HEADERS_MAX;
    }
    exchange->pub.header_count = count + 1;
    struct http_header *header = &exchange->headers[count];
    header->name = slice_of(exchange->head + exchange->head_len, 0);
    header->value = SLICE_NONE;
    return header;
}

void exchange_publish(struct exchange *exchange) {
    struct http_request *pub = &exchange->pub;
    pub->target = slice_of(exchange->head, exchange->target_len);
    pub->path = slice_cut(pub->target, '?', &pub->query);
    pub->headers = exchange->headers;
}

/* Grows to exactly `cap` bytes and the padding, within the server's budget. */
static enum err bytes_grow(struct exchange *exchange, struct bytes *bytes, size_t cap) {
    struct http_server *server = exchange->server;
    uint64_t held = (uint64_t)stat_get(&server->stat.buffered);
    uint64_t counted = bytes->len > 0 ? bytes->cap : 0;
    if (held - counted + cap > server->limits.buffered_bytes) {
        return ERR_BUSY;
    }
    char *ptr = mem_try_resize(bytes->ptr, cap + SERVER_BODY_PADDING);
    if (ptr == NULL) {
        return ERR_NOMEM;
    }
    bytes->ptr = ptr;
    bytes->cap = cap;
    return OK;
}

/* A buffer kept from an earlier request counts from the moment at which this request uses it. */
static void charge(struct exchange *exchange) {
    uint64_t total =
        (exchange->body.len > 0 ? exchange->body.cap : 0) + (exchange->inflated.len > 0 ? exchange->inflated.cap : 0);
    if (total != exchange->charged) {
        server_count(&exchange->server->stat.buffered, (int64_t)(total - exchange->charged));
        exchange->charged = total;
    }
}

/* Nothing before the first byte has come, then the declared length up to SERVER_BODY_FIRST, then fourfold as bytes
 * really come. */
enum err exchange_body_reserve(struct exchange *exchange, size_t size) {
    struct bytes *body = &exchange->body;
    if (body->ptr != NULL && size <= body->cap) {
        return OK;
    }
    uint64_t most = exchange->chunked ? exchange->server->limits.body_bytes : exchange->body_length;
    uint64_t cap = body->len == 0 ? SERVER_BODY_FIRST : (uint64_t)body->cap * 4;
    cap = cap < most ? cap : most;
    cap = cap > BODY_LEAST ? cap : BODY_LEAST;
    return bytes_grow(exchange, body, cap > size ? (size_t)cap : size);
}

enum err exchange_body_append(struct exchange *exchange, const char *at, size_t len) {
    struct bytes *body = &exchange->body;
    if (len > exchange->server->limits.body_bytes - body->len) {
        return ERR_TOO_LARGE;
    }
    if (body->ptr == NULL || at != body->ptr + body->len) { /* else it was read into its place */
        enum err err = exchange_body_reserve(exchange, body->len + len);
        if (err != OK) {
            return err;
        }
        memcpy(body->ptr + body->len, at, len);
    }
    body->len += len;
    charge(exchange);
    return OK;
}

/* What the last member says that it holds: exact for one member, a hint for more, and nothing to trust. */
static size_t inflate_guess(const struct exchange *exchange) {
    const struct bytes *in = &exchange->body;
    uint64_t limit = exchange->server->limits.inflated_bytes;
    uint64_t most = (uint64_t)in->len * INFLATE_RATIO_MAX;
    uint64_t guess = INFLATE_FIRST;
    if (in->len > GZIP_TRAILER) {
        const unsigned char *end = (const unsigned char *)in->ptr + in->len;
        uint64_t said = (uint64_t)end[-4] | (uint64_t)end[-3] << 8 | (uint64_t)end[-2] << 16 | (uint64_t)end[-1] << 24;
        guess = said > guess ? said : guess;
    }
    guess = guess < most ? guess : most;
    return (size_t)(guess < limit ? guess : limit);
}

static enum err inflate_grow(struct exchange *exchange) {
    struct bytes *out = &exchange->inflated;
    uint64_t limit = exchange->server->limits.inflated_bytes;
    if (out->cap >= limit) {
        return ERR_TOO_LARGE;
    }
    uint64_t cap = out->cap < limit / 4 ? out->cap * 4 : limit;
    return bytes_grow(exchange, out, (size_t)cap);
}

/* One member after the other; a member that does not fit is begun again in a larger buffer. */
static enum err inflate_members(struct exchange *exchange) {
    struct bytes *out = &exchange->inflated;
    const char *in = exchange->body.ptr;
    size_t in_len = exchange->body.len;
    while (in_len > 0) {
        size_t used = 0;
        size_t made = 0;
        enum libdeflate_result result = libdeflate_gzip_decompress_ex(
            exchange->server->inflater, in, in_len, out->ptr + out->len, out->cap - out->len, &used, &made);
        if (result == LIBDEFLATE_INSUFFICIENT_SPACE) {
            enum err err = inflate_grow(exchange);
            if (err != OK) {
                return err;
            }
            continue;
        }
        if (result != LIBDEFLATE_SUCCESS) {
            return ERR_BODY_READ;
        }
        in += used;
        in_len -= used;
        out->len += made;
    }
    return OK;
}

enum err exchange_inflate(struct exchange *exchange) {
    struct bytes *out = &exchange->inflated;
    size_t guess = inflate_guess(exchange);
    if (out->ptr == NULL || out->cap < guess || out->cap > exchange->server->limits.inflated_bytes) {
        enum err err = bytes_grow(exchange, out, guess);
        if (err != OK) {
            return err;
        }
    }
    enum err err = inflate_members(exchange);
    charge(exchange);
    return err;
}
