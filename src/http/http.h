/* What server and client share: methods, header pairs, status texts. */
#ifndef SLUICE_HTTP_HTTP_H
#define SLUICE_HTTP_HTTP_H

#include "json/json_write.h"

enum http_method {
    HTTP_METHOD_GET,
    HTTP_METHOD_HEAD,
    HTTP_METHOD_POST,
    HTTP_METHOD_PUT,
    HTTP_METHOD_PATCH,
    HTTP_METHOD_DELETE,
    HTTP_METHOD_OPTIONS,
    HTTP_METHOD_OTHER
};

struct http_header {
    struct slice name, value;
};

const char *http_method_name(enum http_method method);
enum http_method http_method_parse(struct slice name);
const char *http_status_text(int status);
/* Decodes %XX and '+' of a query value or path segment into `out` (at least s.len bytes); bad escapes are kept as they
 * are. Returns the length. */
size_t http_url_decode(struct slice s, char *out);
/* %XX of a byte: writes three. Returns that. */
size_t http_url_escape(char c, char *out);
/* As forms have it (WHATWG URL, application/x-www-form-urlencoded, with "~" kept): a blank is '+', the rest but
 * letters, digits and "-_.~" is %XX. `out` has room for 3 * s.len bytes. Returns the length. */
size_t http_url_encode(struct slice s, char *out);
/* Next `key=value` of a query; false at the end. Values undecoded. */
bool http_query_next(struct slice *query, struct slice *ret_key, struct slice *ret_value);

/* An object: each name with its value, in their order. */
void http_headers_write(struct json_writer *w, const struct http_header *list, size_t count);

#endif
