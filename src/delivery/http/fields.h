/* Header fields and query strings of a request: legality, override by name, form encoding. */
#ifndef SLUICE_DELIVERY_HTTP_FIELDS_H
#define SLUICE_DELIVERY_HTTP_FIELDS_H

#include "http/http.h"
#include "json/json.h"

#define FIELDS_MAX 128

struct fields {
    struct http_header list[FIELDS_MAX];
    size_t count;
};

/* A token of RFC 9110 that is not one of those that belong to the connection (Content-Length, Transfer-Encoding, …). */
MUST enum err fields_check_name(struct slice name, struct errinfo *why);
/* No control characters but tab. */
MUST enum err fields_check_value(struct slice name, struct slice value, struct errinfo *why);
/* Replaces a field of that name (any case), or adds it. Checked. ERR_INVALID, ERR_TOO_LARGE past FIELDS_MAX. */
MUST enum err fields_set(struct fields *fields, struct slice name, struct slice value, struct errinfo *why);

/* A JSON value as the text of a header or a parameter: strings as they are, all else as compact JSON. */
struct slice fields_text(const struct json_doc *doc, uint32_t node, struct arena *arena);
/* `object` flattened (a.b[0].c), sorted by key, form-encoded. ERR_TOO_LARGE past 256 KiB. */
MUST enum err fields_query(
    const struct json_doc *doc, uint32_t object, struct arena *arena, struct slice *ret_query, struct errinfo *why);

#endif
