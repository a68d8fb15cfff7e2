/* Writes JSON into a buf: commas, quotes and escapes are never anybody else's business. Misuse (a value without a key
 * in an object, unbalanced ends) is an ASSERT. Check buf.failed once at the end. Output is compact. */
#ifndef SLUICE_JSON_JSON_WRITE_H
#define SLUICE_JSON_JSON_WRITE_H

#include "base/buf.h"

#define JSON_WRITE_DEPTH 32

struct json_writer {
    struct buf *out;
    uint8_t depth;
    bool comma, after_key;
    char stack[JSON_WRITE_DEPTH];
};

void json_writer_init(struct json_writer *w, struct buf *out);
void json_write_object(struct json_writer *w);
void json_write_array(struct json_writer *w);
void json_write_end(struct json_writer *w); /* closes the innermost */
void json_write_key(struct json_writer *w, struct slice key);
void json_write_string(struct json_writer *w, struct slice s); /* invalid UTF-8 becomes U+FFFD */
void json_write_u64(struct json_writer *w, uint64_t v);
void json_write_i64(struct json_writer *w, int64_t v);
void json_write_bool(struct json_writer *w, bool v);
void json_write_null(struct json_writer *w);
void json_write_double(struct json_writer *w, double v); /* shortest text that reads back; non-finite -> null */
/* A value that is JSON already (validated by json_parse). */
void json_write_raw(struct json_writer *w, struct slice json);
/* The same, its characters beyond ASCII as \u escapes: for readers that hold texts in 8 or in 16 bits a character. */
void json_write_ascii(struct json_writer *w, struct slice json);
/* key + value in one call */
void json_put_string(struct json_writer *w, const char *key, struct slice v);
void json_put_cstr(struct json_writer *w, const char *key, const char *v); /* NULL -> null */
void json_put_u64(struct json_writer *w, const char *key, uint64_t v);
void json_put_i64(struct json_writer *w, const char *key, int64_t v);
void json_put_bool(struct json_writer *w, const char *key, bool v);
void json_put_raw(struct json_writer *w, const char *key, struct slice json);
/* RFC 3339 UTC ms; 0 -> null */
void json_put_time(struct json_writer *w, const char *key, int64_t ms);

/* Appends `s` escaped, with quotes, to `out`. */
void json_escape(struct buf *out, struct slice s);

#endif
