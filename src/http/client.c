/* Calls: easy handles that are kept with what never changes set once, and only what differs set per request. */
#include "http/client.h"

#include <pthread.h>

#include "base/clock.h"
#include "http/client_internal.h"

#define URL_MAX 16384u
#define DROP_MAX \
    (1u << 20) /* of a response's body beyond what is kept; then the connection is closed instead of read */
#define TRANSFER_ARENA_CHUNK 2048u

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_start(void) {
    CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    ASSERT(code == CURLE_OK);
}

/* libcurl's list, in the client's arena; NULL = none. */
static struct curl_slist *read_connect_to(struct http_client *client) {
    struct curl_slist *first = NULL;
    struct slice rest = client->conf.connect_to;
    while (rest.len > 0) {
        struct slice entry = slice_trim(slice_cut(rest, ',', &rest));
        if (entry.len > 0) {
            struct curl_slist *line = ARENA_NEW(&client->arena, struct curl_slist);
            line->data = (char *)(uintptr_t)arena_dup(&client->arena, entry).ptr; /* libcurl reads it only */
            line->next = first;
            first = line;
        }
    }
    return first;
}

struct http_client *http_client_new(struct loop *loop, const struct http_client_conf *conf) {
    pthread_once(&curl_once, curl_start);
    struct http_client *client = mem_alloc(sizeof(*client));
    client->loop = loop;
    client->conf = *conf;
    arena_init(&client->arena, /* chunk_size: */ 0, /* ceiling: */ 0);
    client->conf.ca_file = arena_dup(&client->arena, conf->ca_file);
    client->conf.proxy = arena_dup(&client->arena, conf->proxy);
    client->elsewhere = read_connect_to(client);
    for (unsigned i = 0; i < COUNT_OF(client->pools); i++) {
        client->pools[i].client = client;
        client->pools[i].allow_private = i == 1;
    }
    return client;
}

static void transfer_free(struct transfer *transfer) {
    curl_easy_cleanup(transfer->easy);
    arena_fini(&transfer->arena);
    buf_fini(&transfer->url);
    buf_fini(&transfer->body);
    mem_free(transfer);
}

static size_t on_body(char *data, size_t size, size_t count, void *user) {
    struct transfer *transfer = user;
    size_t len = size * count;
    uint64_t room = transfer->client->conf.response_bytes - transfer->body.len;
    size_t keep = len < room ? len : (size_t)room;
    if (buf_append(&transfer->body, slice_of(data, keep)) != OK) {
        return 0;
    }
    transfer->dropped += len - keep;
    return transfer->dropped > DROP_MAX ? 0 : len;
}

/* A failed option leaves a default in force that we do not want: then the handle is no good. */
static bool set_constants(struct transfer *transfer) {
    CURL *easy = transfer->easy;
    const struct http_client_conf *conf = &transfer->client->conf;
    bool good = curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https") == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, client_open_socket) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, client_close_socket) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, transfer->client) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)conf->connect_ms) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_PROXY, conf->proxy.len > 0 ? conf->proxy.ptr : "") == CURLE_OK;
    if (good && transfer->client->elsewhere != NULL) {
        good = curl_easy_setopt(easy, CURLOPT_CONNECT_TO, transfer->client->elsewhere) == CURLE_OK;
    }
    if (good && conf->ca_file.len > 0) {
        good = curl_easy_setopt(easy, CURLOPT_CAINFO, conf->ca_file.ptr) == CURLE_OK;
    }
    return good;
}

static void finish(struct transfer *transfer, CURLcode code);

static void on_timeout(struct loop_timer *timer) {
    finish(CONTAINER_OF(timer, struct transfer, timeout), CURLE_OPERATION_TIMEDOUT);
}

static struct transfer *transfer_take(struct http_client *client) {
    struct transfer *transfer = client->idle;
    if (transfer != NULL) {
        client->idle = transfer->next;
        client->idle_count--;
        return transfer;
    }
    transfer = mem_try_alloc(sizeof(*transfer));
    if (transfer == NULL) {
        return NULL;
    }
    transfer->client = client;
    arena_init(&transfer->arena, TRANSFER_ARENA_CHUNK, /* ceiling: */ 0);
    buf_init(&transfer->url, URL_MAX + 1);
    buf_init(&transfer->body, client->conf.response_bytes);
    loop_timer_init(&transfer->timeout, client->loop, on_timeout);
    transfer->easy = curl_easy_init();
    if (transfer->easy == NULL || !set_constants(transfer)) {
        transfer_free(transfer);
        return NULL;
    }
    return transfer;
}

static void transfer_put(struct transfer *transfer) {
    struct http_client *client = transfer->client;
    arena_reset(&transfer->arena);
    buf_reset(&transfer->body);
    if (client->idle_count >= client->conf.connections) {
        transfer_free(transfer);
        return;
    }
    transfer->next = client->idle;
    client->idle = transfer;
    client->idle_count++;
}

/* From the multi and the active list; its answer can still be read. */
static void transfer_stop(struct transfer *transfer) {
    struct http_client *client = transfer->client;
    loop_timer_clear(&transfer->timeout);
    (void)curl_multi_remove_handle(transfer->pool->multi, transfer->easy); /* it is there */
    if (transfer->prev != NULL) {
        transfer->prev->next = transfer->next;
    } else {
        client->active = transfer->next;
    }
    if (transfer->next != NULL) {
        transfer->next->prev = transfer->prev;
    }
    transfer->call->transfer = NULL;
    transfer->call = NULL;
}

static enum err err_of(CURLcode code) {
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return ERR_TIMEOUT;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PROXY:
        return ERR_CONNECT;
    case CURLE_OUT_OF_MEMORY:
        return ERR_NOMEM;
    default:
        return ERR_IO; /* also HTTP/2 stream errors of servers that answer before they have read the body: retried */
    }
}

static int64_t retry_after(CURL *easy) {
    struct curl_header *header = NULL;
    if (curl_easy_header(easy, "Retry-After", 0, CURLH_HEADER, -1, &header) != CURLHE_OK) {
        return -1;
    }
    return retry_after_parse(slice_cstr(header->value), clock_ms());
}

/* hop: of a redirect, where the hops before it were allowed */
static void fill_failure(const struct transfer *transfer, CURLcode code, bool hop, struct http_result *result) {
    bool denied = transfer->denied && (!transfer->opened || (hop && code == CURLE_COULDNT_CONNECT));
    result->err = denied ? ERR_DENIED : err_of(code);
    result->unresolved = code == CURLE_COULDNT_RESOLVE_HOST;
    if (denied) {
        result->text = "the address is private, and private addresses are not allowed";
        result->refused_address = transfer->refused_address;
    } else if (code == CURLE_OPERATION_TIMEDOUT) {
        result->text = "no answer within the time allowed";
    } else {
        result->text = transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(code);
    }
}

static void fill_headers(struct transfer *transfer, struct http_result *result) {
    size_t count = 0;
    struct curl_header *header = NULL;
    while ((header = curl_easy_nextheader(transfer->easy, CURLH_HEADER, -1, header)) != NULL) {
        count++;
    }
    struct http_header *headers = ARENA_ARRAY(&transfer->arena, struct http_header, count + 1);
    for (size_t i = 0; i < count; i++) {
        header = curl_easy_nextheader(transfer->easy, CURLH_HEADER, -1, header);
        headers[i] = (struct http_header){slice_cstr(header->name), slice_cstr(header->value)};
    }
    result->headers = headers;
    result->header_count = count;
}

static void fill_url(const struct transfer *transfer, struct http_result *result) {
    char *url = NULL;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_EFFECTIVE_URL, &url); /* stays NULL */
    result->url = slice_cstr(url);
}

/* A status line counts even when the body broke off: the peer has decided. But not that of a redirect which was to be
 * followed and could not be. */
static void fill_result(struct transfer *transfer, CURLcode code, struct http_result *result) {
    long status = 0;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status); /* stays 0 */
    *result = (struct http_result){.retry_after_ms = -1,
        .text = "",
        .refused_address = "",
        .total_us = (clock_mono_ns() - transfer->started_ns) / 1000};
    if (transfer->call->want_headers) {
        fill_url(transfer, result);
    }
    bool hop = code != CURLE_OK && transfer->call->redirects > 0 && status >= 300 && status < 400;
    if (status < 200 || hop) {
        fill_failure(transfer, code == CURLE_OK ? CURLE_WEIRD_SERVER_REPLY : code, hop, result);
        return;
    }
    char *type = NULL;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_TYPE, &type); /* stays NULL */
    result->status = (int)status;
    result->body = buf_slice(&transfer->body);
    result->content_type = slice_cstr(type);
    result->retry_after_ms = retry_after(transfer->easy);
    result->body_cut = transfer->dropped > 0;
    result->broken = code != CURLE_OK;
    if (transfer->call->want_headers) {
        fill_headers(transfer, result);
    }
}

static void finish(struct transfer *transfer, CURLcode code) {
    struct http_call *call = transfer->call;
    struct http_result result;
    fill_result(transfer, code, &result);
    transfer_stop(transfer);
    call->on_done(call, &result); /* may free the call, send others, cancel others */
    transfer_put(transfer);
}

void pool_finish_done(struct pool *pool) {
    int left = 0;
    for (CURLMsg *msg = NULL; (msg = curl_multi_info_read(pool->multi, &left)) != NULL;) {
        struct transfer *transfer = NULL;
        (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &transfer); /* set at birth */
        finish(transfer, msg->data.result);
    }
}

static bool is_framing(struct slice name) {
    return slice_eq_nocase(name, SLICE("content-length")) || slice_eq_nocase(name, SLICE("transfer-encoding")) ||
        slice_eq_nocase(name, SLICE("expect"));
}

/* RFC 9110: a token */
static bool is_name(struct slice s) {
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c >= 0x7f || memchr("\"(),/:;<=>?@[\\]{}", c, 17) != NULL) {
            return false;
        }
    }
    return s.len > 0;
}

static bool has_break(struct slice s) {
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '\r' || s.ptr[i] == '\n' || s.ptr[i] == '\0') {
            return true;
        }
    }
    return false;
}

static struct curl_slist *line_add(struct transfer *transfer, struct curl_slist *next, struct slice text) {
    struct curl_slist *line = ARENA_NEW(&transfer->arena, struct curl_slist);
    line->data = (char *)(uintptr_t)text.ptr; /* libcurl reads it only */
    line->next = next;
    return line;
}

/* Lines in libcurl's notation: "Name;" has no value, "Name:" removes libcurl's own. */
static enum err set_headers(struct transfer *transfer, const struct http_call *call, struct errinfo *why) {
    struct curl_slist *lines = NULL;
    bool typed = false;
    for (size_t i = call->header_count; i-- > 0;) {
        struct slice name = call->headers[i].name;
        struct slice value = slice_trim(call->headers[i].value);
        if (!is_name(name) || has_break(value)) {
            return err_why(ERR_INVALID, why, "", "header %zu has a name or a value that cannot be sent", i);
        }
        if (is_framing(name)) {
            continue;
        }
        if (slice_eq_nocase(name, SLICE("content-type"))) {
            if (typed) {
                continue; /* a request has one: the last */
            }
            typed = true;
        }
        const char *format = value.len > 0 ? "%.*s: %.*s" : "%.*s;";
        lines = line_add(transfer, lines, arena_printf(&transfer->arena, format, SLICE_ARG(name), SLICE_ARG(value)));
    }
    if (call->body.len > 0) {
        lines = line_add(transfer, lines, SLICE("Expect:"));
    }
    if (!typed) {
        lines = line_add(transfer, lines, SLICE("Content-Type:"));
    }
    return curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, lines) == CURLE_OK ? OK : ERR_NOMEM;
}

static enum err set_method(struct transfer *transfer, const struct http_call *call) {
    CURL *easy = transfer->easy;
    CURLcode code = CURLE_OK;
    const char *custom = NULL;
    if (call->method == HTTP_METHOD_HEAD) {
        code = curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (call->method == HTTP_METHOD_GET && call->body.len == 0) {
        code = curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    } else {
        custom = call->method == HTTP_METHOD_POST ? NULL : http_method_name(call->method);
        const char *body = call->body.len > 0 ? call->body.ptr : "";
        (void)curl_easy_setopt(easy, CURLOPT_POST, 1L); /* these store a value and cannot fail */
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
        code = curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
        /* a POST becomes a GET; a PUT stays one, and must not lose its body then */
        (void)curl_easy_setopt(easy, CURLOPT_POSTREDIR, custom == NULL ? 0L : (long)CURL_REDIR_POST_ALL);
    }
    if (code == CURLE_OK && custom != transfer->custom_method) {
        code = curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, custom);
        transfer->custom_method = custom;
    }
    return code == CURLE_OK ? OK : ERR_NOMEM;
}

/* A kept handle often goes to the same place again. */
static enum err set_url(struct transfer *transfer, struct slice url, struct errinfo *why) {
    struct buf *last = &transfer->url;
    if (last->len > 0 && slice_eq(slice_of(last->ptr, last->len - 1), url)) {
        return OK;
    }
    enum err err = http_url_check(url, why);
    if (err != OK) {
        return err;
    }
    buf_reset(last);
    if (buf_append(last, url) != OK || buf_append_byte(last, '\0') != OK) {
        return ERR_NOMEM;
    }
    bool tls = url.ptr[4] == 's' || url.ptr[4] == 'S';
    long version = tls ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1;
    bool good = curl_easy_setopt(transfer->easy, CURLOPT_URL, last->ptr) == CURLE_OK &&
        curl_easy_setopt(transfer->easy, CURLOPT_HTTP_VERSION, version) == CURLE_OK &&
        curl_easy_setopt(transfer->easy, CURLOPT_PIPEWAIT, tls ? 1L : 0L) == CURLE_OK;
    if (!good) {
        buf_reset(last);
    }
    return good ? OK : ERR_NOMEM;
}

static enum err prepare(struct transfer *transfer, const struct http_call *call, struct errinfo *why) {
    if (call->method == HTTP_METHOD_OTHER) {
        return err_why(ERR_INVALID, why, "", "the method is not one that can be sent");
    }
    enum err err = set_url(transfer, call->url, why);
    if (err == OK) {
        err = set_method(transfer, call);
    }
    return err == OK ? set_headers(transfer, call, why) : err;
}

enum err http_client_send(struct http_client *client, struct http_call *call, struct errinfo *why) {
    struct pool *pool = &client->pools[client->conf.allow_private || call->allow_private];
    enum err err = pool_open(pool, why);
    if (err != OK) {
        return err;
    }
    struct transfer *transfer = transfer_take(client);
    if (transfer == NULL) {
        return err_why(ERR_NOMEM, why, "", "no memory for another request");
    }
    err = prepare(transfer, call, why);
    /* these store a value and cannot fail */
    (void)curl_easy_setopt(transfer->easy, CURLOPT_FOLLOWLOCATION, call->redirects > 0 ? 1L : 0L);
    (void)curl_easy_setopt(transfer->easy, CURLOPT_MAXREDIRS, (long)call->redirects);
    (void)curl_easy_setopt(transfer->easy, CURLOPT_ACCEPT_ENCODING, call->unpack ? "gzip, deflate" : NULL);
    transfer->pool = pool;
    transfer->denied = transfer->opened = false;
    transfer->dropped = 0;
    transfer->error[0] = '\0';
    if (err == OK && curl_multi_add_handle(pool->multi, transfer->easy) != CURLM_OK) {
        err = err_why(ERR_NOMEM, why, "", "no memory for another request");
    }
    if (err != OK) {
        transfer_put(transfer);
        return err;
    }
    transfer->call = call;
    call->transfer = transfer;
    transfer->started_ns = clock_mono_ns();
    transfer->prev = NULL;
    transfer->next = client->active;
    if (client->active != NULL) {
        client->active->prev = transfer;
    }
    client->active = transfer;
    if (call->timeout_ms > 0) {
        loop_timer_set(&transfer->timeout, clock_ms() + call->timeout_ms);
    }
    return OK;
}

void http_client_cancel(struct http_client *client, struct http_call *call) {
    struct transfer *transfer = call->transfer;
    if (transfer == NULL) {
        return;
    }
    ASSERT(transfer->client == client && transfer->call == call);
    transfer_stop(transfer);
    transfer_put(transfer);
}

void client_release(struct http_client *client) {
    if (!client->freed || client->handles > 0 || client->pools[0].defer.pending || client->pools[1].defer.pending) {
        return;
    }
    mem_free(client->socks);
    arena_fini(&client->arena);
    mem_free(client);
}

void http_client_free(struct http_client *client) {
    if (client == NULL) {
        return;
    }
    client->freed = true;
    client->handles++; /* ours, so that the memory outlives the callbacks below */
    while (client->active != NULL) {
        struct transfer *transfer = client->active;
        transfer_stop(transfer);
        transfer_free(transfer);
    }
    while (client->idle != NULL) {
        struct transfer *transfer = client->idle;
        client->idle = transfer->next;
        transfer_free(transfer);
    }
    pool_close(&client->pools[0]);
    pool_close(&client->pools[1]);
    client->handles--;
    client_release(client);
}

enum err http_url_check(struct slice url, struct errinfo *why) {
    size_t scheme = 0;
    if (url.len > 8 && slice_eq_nocase(slice_of(url.ptr, 8), SLICE("https://"))) {
        scheme = 8;
    } else if (url.len > 7 && slice_eq_nocase(slice_of(url.ptr, 7), SLICE("http://"))) {
        scheme = 7;
    }
    char host = scheme > 0 ? url.ptr[scheme] : '/';
    if (host == '/' || host == '?' || host == '#') {
        return err_why(ERR_INVALID, why, "", "a URL must begin with http:// or https:// and name a host");
    }
    if (url.len > URL_MAX) {
        return err_why(ERR_TOO_LARGE, why, "", "a URL of %zu bytes is longer than %u", url.len, URL_MAX);
    }
    for (size_t i = 0; i < url.len; i++) {
        unsigned char c = (unsigned char)url.ptr[i];
        if (c <= ' ' || c == 0x7f) {
            return err_why(ERR_INVALID, why, "", "a URL cannot hold a space or control character (byte %zu)", i);
        }
    }
    struct arena arena;
    arena_init(&arena, /* chunk_size: */ 0, /* ceiling: */ 0);
    struct slice text = arena_dup(&arena, url);
    CURLU *parsed = curl_url();
    CURLUcode code = parsed == NULL ? CURLUE_OUT_OF_MEMORY : curl_url_set(parsed, CURLUPART_URL, text.ptr, 0);
    curl_url_cleanup(parsed);
    arena_fini(&arena);
    if (code != CURLUE_OK) {
        return err_why(ERR_INVALID, why, "", "this is not a URL: %s", curl_url_strerror(code));
    }
    return OK;
}
