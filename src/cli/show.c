/* Formatting for people. Pure, but for show_colour_wanted and show_flush. */
#include "cli/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"

const char *show_count(int64_t n, char out[SHOW_SIZE]) {
    char digits[SHOW_SIZE];
    int len = snprintf(digits, sizeof digits, "%ld", (long)n);
    int at = 0;
    for (int i = 0; i < len; i++) {
        int left = len - i;
        if (i > 0 && left % 3 == 0 && digits[i - 1] != '-') {
            out[at++] = ' ';
        }
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

const char *show_bytes(uint64_t bytes, char out[SHOW_SIZE]) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    double value = (double)bytes;
    while (value >= 1024 && unit + 1 < COUNT_OF(units)) {
        value /= 1024;
        unit++;
    }
    bool whole = unit == 0 || value >= 100;
    snprintf(out, SHOW_SIZE, whole ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return out;
}

const char *show_duration(int64_t ms, char out[SHOW_SIZE]) {
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"d", 86400000}, {"h", 3600000}, {"min", 60000}, {"s", 1000}, {"ms", 1}};
    if (ms <= 0) {
        return "0 s";
    }
    size_t unit = 0;
    while (units[unit].ms > ms) {
        unit++;
    }
    long first = (long)(ms / units[unit].ms);
    long second = unit + 1 < COUNT_OF(units) ? (long)(ms % units[unit].ms / units[unit + 1].ms) : 0;
    if (second > 0 && units[unit + 1].ms > 1) {
        snprintf(out, SHOW_SIZE, "%ld %s %ld %s", first, units[unit].name, second, units[unit + 1].name);
    } else {
        snprintf(out, SHOW_SIZE, "%ld %s", first, units[unit].name);
    }
    return out;
}

const char *show_micros(uint64_t us, char out[SHOW_SIZE]) {
    if (us < 1000) {
        snprintf(out, SHOW_SIZE, "%lu us", (unsigned long)us);
    } else if (us < 1000000) {
        snprintf(out, SHOW_SIZE, us < 100000 ? "%.1f ms" : "%.0f ms", (double)us / 1000);
    } else {
        snprintf(out, SHOW_SIZE, "%.1f s", (double)us / 1000000);
    }
    return out;
}

struct slice show_clock(struct slice rfc3339) {
    enum { DATE_LEN = 11, CLOCK_LEN = 12 };
    if (rfc3339.len < DATE_LEN + CLOCK_LEN || rfc3339.ptr[DATE_LEN - 1] != 'T') {
        return rfc3339;
    }
    return slice_of(rfc3339.ptr + DATE_LEN, CLOCK_LEN);
}

/* ---- text that came from outside ---- */

static const char *colour_code(enum show_colour colour) {
    switch (colour) {
    case SHOW_RED:
        return "\033[31m";
    case SHOW_GREEN:
        return "\033[32m";
    case SHOW_YELLOW:
        return "\033[33m";
    case SHOW_DIM:
        return "\033[2m";
    case SHOW_PLAIN:
        break;
    }
    return "";
}

static void append_clean(struct buf *out, struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        buf_append_byte(out, c < 0x20 || c == 0x7f ? '?' : (char)c);
    }
}

void show_text(struct buf *out, struct slice text, enum show_colour colour) {
    buf_append(out, slice_cstr(colour_code(colour)));
    append_clean(out, text);
    if (colour != SHOW_PLAIN) {
        buf_append(out, SLICE("\033[0m"));
    }
}

/* Characters, taking each UTF-8 sequence for one. */
static size_t width_of(struct slice text) {
    size_t width = 0;
    for (size_t i = 0; i < text.len; i++) {
        width += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    }
    return width;
}

/* ---- tables ---- */

void show_table_init(struct show_table *table, size_t columns) {
    ASSERT(columns > 0 && columns <= SHOW_COLUMNS);
    *table = (struct show_table){.columns = columns};
    buf_init(&table->cells, 0);
}

void show_table_fini(struct show_table *table) {
    buf_fini(&table->cells);
    mem_free(table->cell);
}

void show_table_cell(struct show_table *table, struct slice text, enum show_colour colour) {
    if (table->count == table->room) {
        table->room = table->room > 0 ? table->room * 2 : 64;
        table->cell = mem_resize(table->cell, table->room * sizeof *table->cell);
    }
    size_t at = table->cells.len;
    append_clean(&table->cells, text);
    table->cell[table->count++] =
        (struct show_cell){.at = at, .len = text.len, .width = width_of(text), .colour = colour};
}

static void pad(struct buf *out, size_t count) {
    for (size_t i = 0; i < count; i++) {
        buf_append_byte(out, ' ');
    }
}

void show_column(struct buf *out, struct slice text, size_t width, enum show_colour colour) {
    size_t used = width_of(text);
    show_text(out, text, colour);
    pad(out, (used < width ? width - used : 0) + 1);
}

void show_table_print(const struct show_table *table, bool colour, struct buf *out) {
    size_t widths[SHOW_COLUMNS] = {0};
    for (size_t i = 0; i < table->count; i++) {
        size_t column = i % table->columns;
        widths[column] = table->cell[i].width > widths[column] ? table->cell[i].width : widths[column];
    }
    for (size_t i = 0; i < table->count; i++) {
        const struct show_cell *cell = &table->cell[i];
        size_t column = i % table->columns;
        bool last = column + 1 == table->columns;
        size_t space = widths[column] - cell->width;
        if (table->right[column]) {
            pad(out, space);
        }
        show_text(out, slice_of(table->cells.ptr + cell->at, cell->len), colour ? cell->colour : SHOW_PLAIN);
        if (!last) {
            pad(out, (table->right[column] ? 0 : space) + 2);
        }
        if (last) {
            buf_append_byte(out, '\n');
        }
    }
}

bool show_colour_wanted(void) {
    const char *no = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) == 1 && (no == NULL || no[0] == '\0');
}

enum show_colour show_outcome_colour(struct slice outcome) {
    static const struct {
        struct slice word;
        enum show_colour colour;
    } table[] = {
        {SLICE("delivered"), SHOW_GREEN},
        {SLICE("running"), SHOW_GREEN},
        {SLICE("rejected"), SHOW_RED},
        {SLICE("dead"), SHOW_RED},
        {SLICE("expired"), SHOW_RED},
        {SLICE("paused"), SHOW_RED},
        {SLICE("retry"), SHOW_YELLOW},
        {SLICE("waiting"), SHOW_YELLOW},
        {SLICE("pending"), SHOW_YELLOW},
        {SLICE("filtered"), SHOW_DIM},
        {SLICE("duplicate"), SHOW_DIM},
        {SLICE("disabled"), SHOW_DIM},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        if (slice_eq(table[i].word, outcome)) {
            return table[i].colour;
        }
    }
    return SHOW_PLAIN;
}

bool show_flush(struct buf *out) {
    bool ok = out->len == 0 || fwrite(out->ptr, 1, out->len, stdout) == out->len;
    ok = fflush(stdout) == 0 && ok;
    buf_reset(out);
    return ok;
}
