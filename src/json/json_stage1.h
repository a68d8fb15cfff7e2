/* The JSON library behind a C interface: only its first stage, which finds where values and punctuation start, and
 * proves that the text is UTF-8, has no control characters inside strings and no open string. Private to json/.
 *
 * Only the first stage, because the library's document refuses 1e400 and large integers, and forgets byte positions.
 *
 * thread: one scanner belongs to one thread. */
#ifndef SLUICE_JSON_JSON_STAGE1_H
#define SLUICE_JSON_JSON_STAGE1_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct json_stage1;

enum json_stage1_result { JSON_STAGE1_DONE, JSON_STAGE1_EMPTY, JSON_STAGE1_BAD_TEXT, JSON_STAGE1_NOMEM };

/* NULL when out of memory; free takes NULL. */
struct json_stage1 *json_stage1_new(void);
void json_stage1_free(struct json_stage1 *stage1);
/* On DONE: (*ret_index)[0 .. *ret_count) ascending positions of { } [ ] : , of opening quotes and of the first byte of
 * any other run of non-space bytes, and (*ret_index)[*ret_count] == len. Owned by `stage1` until its next run. 64
 * readable bytes must follow the text; len <= UINT32_MAX - 64. */
enum json_stage1_result json_stage1_run(
    struct json_stage1 *stage1, const char *text, size_t len, const uint32_t **ret_index, uint32_t *ret_count);

#ifdef __cplusplus
}
#endif

#endif
