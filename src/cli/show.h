/* Text for people: numbers, durations, sizes, tables with columns as wide as they need, colour on a terminal only. */
#ifndef SLUICE_CLI_SHOW_H
#define SLUICE_CLI_SHOW_H

#include "base/buf.h"

#define SHOW_SIZE 32

/* 1234567 -> "1 234 567" */
const char *show_count(int64_t n, char out[SHOW_SIZE]);
/* 1536 -> "1.5 KiB" */
const char *show_bytes(uint64_t bytes, char out[SHOW_SIZE]);
/* 93784000 -> "1 d 2 h"; the two largest units */
const char *show_duration(int64_t ms, char out[SHOW_SIZE]);
/* 1500 -> "1.5 ms" */
const char *show_micros(uint64_t us, char out[SHOW_SIZE]);
/* "2026-08-07T10:20:30.123Z" -> "10:20:30.123"; anything else as it is */
struct slice show_clock(struct slice rfc3339);

enum show_colour { SHOW_PLAIN, SHOW_RED, SHOW_GREEN, SHOW_YELLOW, SHOW_DIM };

#define SHOW_COLUMNS 14

/* Cells are gathered row by row, then printed once. Cells are copied; control characters in them become '?': they may
 * come from anybody's events. */
struct show_table {
    struct buf cells; /* the text of all cells */
    struct show_cell *cell;
    size_t count, room;
    size_t columns;
    bool right[SHOW_COLUMNS]; /* numbers */
};

struct show_cell {
    size_t at, len, width;
    enum show_colour colour;
};

void show_table_init(struct show_table *table, size_t columns);
void show_table_fini(struct show_table *table);
void show_table_cell(struct show_table *table, struct slice text, enum show_colour colour);
static inline void show_table_text(struct show_table *table, const char *text) {
    show_table_cell(table, slice_cstr(text), SHOW_PLAIN);
}
/* Two spaces between columns, no padding behind the last. */
void show_table_print(const struct show_table *table, bool colour, struct buf *out);

/* stdout is a terminal and NO_COLOR is not set. */
bool show_colour_wanted(void);
enum show_colour show_outcome_colour(struct slice outcome);
/* Appends `text` with control characters as '?', in colour. */
void show_text(struct buf *out, struct slice text, enum show_colour colour);
/* The same, filled up with spaces to `width` characters and one more: for rows that come one by one. A longer text
 * pushes the rest of its row to the right. */
void show_column(struct buf *out, struct slice text, size_t width, enum show_colour colour);
/* Writes `out` to stdout and empties it; false when nobody reads any more. */
bool show_flush(struct buf *out);

#endif
