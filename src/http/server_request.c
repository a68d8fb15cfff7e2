/* What a handler asks of its request. */
#include "http/server_internal.h"

bool http_request_header(const struct http_request *request, struct slice name, struct slice *ret_value) {
    for (size_t i = 0; i < request->header_count; i++) {
        if (slice_eq_nocase(request->headers[i].name, name)) {
            *ret_value = request->headers[i].value;
            return true;
        }
    }
    return false;
}

static struct slice decoded(struct http_request *request, struct slice s) {
    char *out = arena_alloc(&request->arena, s.len + 1); /* bounded by header_bytes */
    return slice_of(out, http_url_decode(s, out));
}

bool http_request_query(struct http_request *request, struct slice key, struct slice *ret_value) {
    struct slice rest = request->query;
    struct slice name;
    struct slice value;
    while (http_query_next(&rest, &name, &value)) {
        if (slice_eq(name, key) || slice_eq(decoded(request, name), key)) {
            *ret_value = decoded(request, value);
            return true;
        }
    }
    return false;
}
