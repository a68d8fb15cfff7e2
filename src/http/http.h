/* What server and client share: methods, header pairs, status texts. */
#ifndef SLUICE_HTTP_HTTP_H
#define SLUICE_HTTP_HTTP_H

#include "base/slice.h"

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
/* Next `key=value` of a query; false at the end. Values undecoded. */
bool http_query_next(struct slice *query, struct slice *ret_key, struct slice *ret_value);

#endif
