/* Edits as splices: a list of (byte range, replacement) over the original text, applied in one copy. All bytes outside the
 * ranges survive: key order, number text, white space, unknown fields. */
#ifndef SLUICE_JSON_JSON_EDIT_H
#define SLUICE_JSON_JSON_EDIT_H

#include "json/json.h"

#define JSON_EDIT_MAX 16

struct json_splice {
    uint32_t start, end;
    struct slice text;
};

struct json_edit {
    const struct json_doc *doc;
    uint32_t object;      /* the object being edited */
    uint32_t count;
    uint32_t appended;    /* members added at its end */
    struct json_splice splices[JSON_EDIT_MAX];
};

void json_edit_init(struct json_edit *edit, const struct json_doc *doc, uint32_t object);
/* Replaces the value at `node` (inside the object). `json` must be valid JSON and live until json_edit_write. */
void json_edit_replace(struct json_edit *edit, uint32_t node, struct slice json);
/* Adds a member at the end of the object. `member` is `"key":value` without comma, valid JSON text, living until json_edit_write. */
void json_edit_append(struct json_edit *edit, struct slice member);
/* Size of the result, and the result itself into `out` (at least that many bytes). */
size_t json_edit_size(const struct json_edit *edit);
void json_edit_write(const struct json_edit *edit, char *out);

#endif
