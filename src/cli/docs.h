/* The reference pages, as a table. Private to cli/. */
#ifndef SLUICE_CLI_DOCS_H
#define SLUICE_CLI_DOCS_H

#include "base/buf.h"

struct docs_page {
    const char *name, *summary;
    void (*print)(struct buf *out); /* Markdown */
};
const struct docs_page *docs_pages(size_t *ret_count);

/* docs_destinations.c */
void docs_page_destinations(struct buf *out);
void docs_page_sources(struct buf *out);

#endif
