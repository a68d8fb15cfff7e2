/* Private to source/. */
#ifndef SLUICE_SOURCE_SOURCE_INTERNAL_H
#define SLUICE_SOURCE_SOURCE_INTERNAL_H

#include "source/source.h"
#include "json/json_write.h"

/* ---- verify.c ---- */
/* OK; ERR_SIGNATURE: the source has the secret of a signature, and none of those whose secret it has holds. */
enum err source_verify(
    const struct source_run *run, const struct destination_settings *settings, struct slice *ret_detail);

/* ---- body.c ---- */
/* The request as the code sees it: {"method","url","proto","headers","query", "json" | "form"}. ERR_PAYLOAD:
 * *ret_detail. */
MUST enum err source_body_write(const struct destination_type *type, const struct source_request *request,
    struct json_parser *parser, struct arena *arena, struct json_writer *w, struct slice *ret_detail);

#endif
