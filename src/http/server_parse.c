/* llhttp's callbacks: copy the head into the exchange, decide after the headers whether the body is wanted, collect the
 * body. llhttp in strict mode refuses duplicate and signed lengths, bare line feeds, spaces before the colon and
 * lengths beside chunks. Added here: folded header lines, unknown and repeated transfer codings, a missing or second
 * Host, caps of bytes and count. The parser stops (HPE_PAUSED) at the end of each request, so that the next one is
 * parsed after the answer. */
#include "http/server_internal.h"

#define CHUNK_OVERHEAD_FREE 65536u /* raw bytes of a chunked body beyond CHUNK_OVERHEAD times its content */
#define CHUNK_OVERHEAD 8u

static int stop(struct conn *conn, enum err why) {
    conn->refusal = why;
    return -1;
}

static int on_url(llhttp_t *parser, const char *at, size_t len) {
    struct conn *conn = parser->data;
    struct exchange *exchange = conn->exchange;
    if (!exchange_head_append(exchange, at, len)) {
        return stop(conn, ERR_HEADERS_TOO_LARGE);
    }
    exchange->target_len += len;
    return 0;
}

/* Trailers are read, counted and dropped. */
static int skip_trailer(struct conn *conn, size_t len) {
    conn->exchange->head_raw += len;
    return conn->exchange->head_raw > conn->server->limits.header_bytes ? stop(conn, ERR_HEADERS_TOO_LARGE) : 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t len) {
    struct conn *conn = parser->data;
    struct exchange *exchange = conn->exchange;
    if (exchange->state != EXCHANGE_HEADERS) {
        return skip_trailer(conn, len);
    }
    if (exchange->in_value || exchange->pub.header_count == 0) {
        if (exchange_header_add(exchange) == NULL) {
            return stop(conn, ERR_HEADERS_TOO_LARGE);
        }
        exchange->in_value = false;
    }
    if (!exchange_head_append(exchange, at, len)) {
        return stop(conn, ERR_HEADERS_TOO_LARGE);
    }
    exchange->headers[exchange->pub.header_count - 1].name.len += len;
    exchange->gap = at + len;
    exchange->gap_has_lf = false;
    return 0;
}

/* A line feed between a field and its value, or between two parts of a value, is a folded line. */
static int on_value(llhttp_t *parser, const char *at, size_t len) {
    struct conn *conn = parser->data;
    struct exchange *exchange = conn->exchange;
    if (exchange->state != EXCHANGE_HEADERS) {
        return skip_trailer(conn, len);
    }
    if (len == 0) {
        return 0; /* an empty value, told after its line feed */
    }
    if (exchange->gap_has_lf || memchr(exchange->gap, '\n', (size_t)(at - exchange->gap)) != NULL) {
        return stop(conn, ERR_BAD_REQUEST);
    }
    exchange->gap = at + len;
    struct slice *value = &exchange->headers[exchange->pub.header_count - 1].value;
    if (value->ptr == NULL) {
        *value = slice_of(exchange->head + exchange->head_len, 0);
    }
    if (!exchange_head_append(exchange, at, len)) {
        return stop(conn, ERR_HEADERS_TOO_LARGE);
    }
    value->len += len;
    return 0;
}

static int on_value_complete(llhttp_t *parser) {
    struct conn *conn = parser->data;
    conn->exchange->in_value = true; /* the next field is a new header, also when this value was empty */
    return 0;
}

struct head_facts {
    unsigned hosts, codings, lengths;
    bool coding_known;
};

static void note_header(struct exchange *exchange, struct slice name, struct slice value, struct head_facts *facts) {
    switch (name.len) {
    case sizeof("host") - 1:
        facts->hosts += slice_eq_nocase(name, SLICE("host"));
        break;
    case sizeof("expect") - 1:
        if (slice_eq_nocase(name, SLICE("expect")) && slice_eq_nocase(value, SLICE("100-continue"))) {
            exchange->expects_continue = !exchange->old_version;
        }
        break;
    case sizeof("content-length") - 1:
        facts->lengths += slice_eq_nocase(name, SLICE("content-length"));
        break;
    case sizeof("content-encoding") - 1:
        if (slice_eq_nocase(name, SLICE("content-encoding"))) {
            exchange->gzip = slice_eq_nocase(value, SLICE("gzip")) || slice_eq_nocase(value, SLICE("x-gzip"));
        }
        break;
    case sizeof("transfer-encoding") - 1:
        if (slice_eq_nocase(name, SLICE("transfer-encoding"))) {
            facts->codings++;
            facts->coding_known = slice_eq_nocase(value, SLICE("chunked"));
        }
        break;
    default:
        break;
    }
}

static enum err check_head(struct conn *conn, struct exchange *exchange) {
    const llhttp_t *parser = &conn->parser;
    if (parser->http_major != 1 || parser->http_minor > 1) {
        return ERR_BAD_REQUEST;
    }
    exchange->old_version = parser->http_minor == 0;
    struct head_facts facts = {0};
    for (size_t i = 0; i < exchange->pub.header_count; i++) {
        struct http_header *header = &exchange->headers[i];
        header->value = slice_trim(header->value);
        note_header(exchange, header->name, header->value, &facts);
    }
    if (facts.hosts > 1 || (facts.hosts == 0 && !exchange->old_version)) {
        return ERR_BAD_REQUEST;
    }
    if (facts.lengths > 1 || (facts.codings > 0 && (facts.lengths > 0 || exchange->old_version))) {
        return ERR_BAD_REQUEST;
    }
    if (facts.codings > 1) {
        return ERR_BAD_REQUEST;
    }
    if (facts.codings == 1 && !facts.coding_known) {
        return ERR_UNSUPPORTED;
    }
    return parser->method == HTTP_CONNECT ? ERR_METHOD_NOT_ALLOWED : OK;
}

static enum http_method method_of(uint8_t method) {
    switch (method) {
    case HTTP_GET:
        return HTTP_METHOD_GET;
    case HTTP_HEAD:
        return HTTP_METHOD_HEAD;
    case HTTP_POST:
        return HTTP_METHOD_POST;
    case HTTP_PUT:
        return HTTP_METHOD_PUT;
    case HTTP_PATCH:
        return HTTP_METHOD_PATCH;
    case HTTP_DELETE:
        return HTTP_METHOD_DELETE;
    case HTTP_OPTIONS:
        return HTTP_METHOD_OPTIONS;
    default:
        return HTTP_METHOD_OTHER;
    }
}

/* The server's load and the handler's opinion. */
static enum err check_wanted(struct http_server *server, struct exchange *exchange) {
    if ((uint64_t)stat_get(&server->stat.inflight) >= server->limits.requests ||
        (uint64_t)stat_get(&server->stat.buffered) + exchange->body_length > server->limits.buffered_bytes) {
        return ERR_BUSY;
    }
    if (server->handlers.on_headers != NULL) {
        return server->handlers.on_headers(server->handlers.ctx, &exchange->pub);
    }
    return OK;
}

static int on_headers_complete(llhttp_t *parser) {
    struct conn *conn = parser->data;
    struct http_server *server = conn->server;
    struct exchange *exchange = conn->exchange;
    exchange->pub.method = method_of(parser->method);
    exchange_publish(exchange);
    enum err err = check_head(conn, exchange);
    if (err != OK) {
        return stop(conn, err);
    }
    parser->upgrade = 0; /* no other protocol is spoken here: an offer to upgrade is ignored */
    exchange->pub.keep_alive = llhttp_should_keep_alive(parser) != 0;
    exchange->chunked = (parser->flags & F_CHUNKED) != 0;
    exchange->body_length = parser->flags & F_CONTENT_LENGTH ? parser->content_length : 0;
    exchange->head_raw = 0;
    exchange->state = EXCHANGE_BODY;
    if (exchange->body_length > server->limits.body_bytes) {
        return stop(conn, ERR_TOO_LARGE);
    }
    err = check_wanted(server, exchange);
    if (err == OK) {
        return 0;
    }
    if (exchange->chunked || exchange->body_length > SERVER_SKIP_BODY || exchange->expects_continue) {
        return stop(conn, err);
    }
    exchange->refused = err; /* the short rest is dropped, and the connection lives on */
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len) {
    struct conn *conn = parser->data;
    struct exchange *exchange = conn->exchange;
    exchange->pub.wire_bytes += len;
    if (exchange->refused != OK) {
        return 0;
    }
    enum err err = exchange_body_append(exchange, at, len);
    return err == OK ? 0 : stop(conn, err);
}

static int on_message_complete(llhttp_t *parser) {
    struct conn *conn = parser->data;
    conn->exchange->state = EXCHANGE_COMPLETE;
    return HPE_PAUSED;
}

void parse_init(struct http_server *server) {
    llhttp_settings_init(&server->settings);
    server->settings.on_url = on_url;
    server->settings.on_header_field = on_field;
    server->settings.on_header_value = on_value;
    server->settings.on_header_value_complete = on_value_complete;
    server->settings.on_headers_complete = on_headers_complete;
    server->settings.on_body = on_body;
    server->settings.on_message_complete = on_message_complete;
}

void parse_start(struct conn *conn) {
    llhttp_init(&conn->parser, HTTP_REQUEST, &conn->server->settings);
    conn->parser.data = conn;
}

/* What the callbacks do not see: bytes that the parser skips, and line feeds at the end of this input. */
static enum err check_skipped(struct conn *conn, size_t len) {
    struct exchange *exchange = conn->exchange;
    exchange->head_raw += len;
    if (exchange->state == EXCHANGE_HEADERS) {
        if (exchange->pub.header_count > 0 &&
            memchr(exchange->gap, '\n', (size_t)(exchange->chunk_end - exchange->gap)) != NULL) {
            exchange->gap_has_lf = true;
        }
        return exchange->head_raw > conn->server->limits.header_bytes ? ERR_HEADERS_TOO_LARGE : OK;
    }
    if (exchange->chunked && exchange->head_raw > CHUNK_OVERHEAD_FREE + CHUNK_OVERHEAD * exchange->pub.wire_bytes) {
        return ERR_BAD_REQUEST;
    }
    return OK;
}

enum err parse_execute(struct conn *conn, const char *data, size_t len, size_t *ret_used) {
    struct exchange *exchange = conn->exchange;
    exchange->gap = data;
    exchange->chunk_end = data + len;
    conn->refusal = OK;
    enum llhttp_errno error = llhttp_execute(&conn->parser, data, len);
    if (error == HPE_OK) {
        *ret_used = len;
        return check_skipped(conn, len);
    }
    if (error == HPE_PAUSED && exchange->state == EXCHANGE_COMPLETE) {
        *ret_used = (size_t)(llhttp_get_error_pos(&conn->parser) - data);
        llhttp_resume(&conn->parser);
        return OK;
    }
    return conn->refusal != OK ? conn->refusal : ERR_BAD_REQUEST;
}
