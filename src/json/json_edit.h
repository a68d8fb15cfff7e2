/* Edits as splices: a list of (byte range, replacement) over the original text of one object, applied in one copy. All
 * bytes outside the ranges survive: key order, number text, white space, unknown fields. The result is the object
 * alone, without what stands around it in the document (an event out of its batch).
 *
 * thread: as the document. Owns nothing. */
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
    uint32_t object; /* the object being edited */
    uint32_t count;
    uint32_t appended;                         /* members added at its end */
    struct json_splice splices[JSON_EDIT_MAX]; /* ascending, apart */
};

void json_edit_init(struct json_edit *edit, const struct json_doc *doc, uint32_t object);
/* Replaces the value at `node` (inside the object, at any depth). `json` must be valid JSON and live until
 * json_edit_write. More than JSON_EDIT_MAX edits, or two of the same bytes, are our own bug: ASSERT. */
void json_edit_replace(struct json_edit *edit, uint32_t node, struct slice json);
/* Adds a member at the end of the object. `member` is `"key":value` without comma, valid JSON text, living until
 * json_edit_write. */
void json_edit_append(struct json_edit *edit, struct slice member);
/* Size of the edited object, and its text into `out` (at least that many bytes, no NUL). */
size_t json_edit_size(const struct json_edit *edit);
void json_edit_write(const struct json_edit *edit, char *out);

#endif
