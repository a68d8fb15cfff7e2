/* Times: read as JavaScript's Date would read what SDKs send, written in a format of tokens. */
#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "destination/convert.h"

enum {
    DAY_MS = 86400000,
    DATE_LEN = 10, /* 2026-08-07 */
    LOCAL_MIN = 16 /* 2026-08-07T10:20 */
};

static const int64_t TIME_MAX_MS = 253402300799999; /* the end of the year 9999 */

static bool in_range(double ms) {
    return isfinite(ms) && ms >= 0 && ms <= (double)TIME_MAX_MS;
}

/* A time without zone is UTC; a date alone is its midnight. */
static bool read_text(struct slice text, struct arena *arena, int64_t *ret_ms) {
    text = slice_trim(text);
    if (clock_parse(text, ret_ms) == OK) {
        return true;
    }
    struct slice whole = SLICE_NONE;
    if (text.len == DATE_LEN) {
        whole = arena_printf(arena, "%.*sT00:00:00Z", SLICE_ARG(text));
    } else if (text.len == LOCAL_MIN) {
        whole = arena_printf(arena, "%.*s:00Z", SLICE_ARG(text));
    } else if (text.len > LOCAL_MIN) {
        whole = arena_printf(arena, "%.*sZ", SLICE_ARG(text));
    }
    return whole.len > 0 && clock_parse(whole, ret_ms) == OK;
}

bool convert_read_time(const struct value *v, struct arena *arena, int64_t *ret_ms) {
    double number = 0;
    struct slice text = value_text(v, arena);
    bool digits = text.len > 0 && value_number(v, arena, &number) && text.len > DATE_LEN;
    if (v->kind == VALUE_NUMBER || digits) {
        if ((v->kind == VALUE_NUMBER && !value_number(v, arena, &number)) || !in_range(number)) {
            return false;
        }
        *ret_ms = (int64_t)number;
        return true;
    }
    return value_is_text(v) && read_text(text, arena, ret_ms);
}

struct civil {
    int year, month, day, hour, minute, second, millisecond;
};

/* Days since 1970 to a date, by eras of 400 years that begin in March. */
static struct civil civil_of(int64_t ms) {
    int64_t days = ms / DAY_MS;
    int64_t rest = ms % DAY_MS;
    if (rest < 0) {
        rest += DAY_MS;
        days--;
    }
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t of_era = shifted - era * 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * of_year + 2) / 153;
    struct civil c = {.day = (int)(of_year - (153 * month + 2) / 5 + 1)};
    c.month = (int)(month < 10 ? month + 3 : month - 9);
    c.year = (int)(year_of_era + era * 400 + (c.month <= 2));
    c.hour = (int)(rest / 3600000);
    c.minute = (int)(rest / 60000 % 60);
    c.second = (int)(rest / 1000 % 60);
    c.millisecond = (int)(rest % 1000);
    return c;
}

/* Longest tokens first. */
static const char *const tokens[] = {"YYYY", "SSS", "YY", "MM", "DD", "HH", "hh", "mm", "ss", "ZZ", "M", "D", "H", "h",
    "m", "s", "A", "a", "Z", "X", "x"};

static void write_token(const char *token, const struct civil *c, int64_t ms, char *out, size_t size) {
    int hour12 = c->hour % 12 == 0 ? 12 : c->hour % 12;
    bool two = token[1] != '\0';
    switch (token[0]) {
    case 'Y':
        snprintf(out, size, token[2] != '\0' ? "%04d" : "%02d", token[2] != '\0' ? c->year : c->year % 100);
        break;
    case 'S':
        snprintf(out, size, "%03d", c->millisecond);
        break;
    case 'Z':
        snprintf(out, size, "%s", two ? "+0000" : "+00:00");
        break;
    case 'A':
        snprintf(out, size, "%s", c->hour < 12 ? "AM" : "PM");
        break;
    case 'a':
        snprintf(out, size, "%s", c->hour < 12 ? "am" : "pm");
        break;
    case 'X':
        snprintf(out, size, "%ld", ms / 1000);
        break;
    case 'x':
        snprintf(out, size, "%ld", ms);
        break;
    default: {
        int n = token[0] == 'M' ? c->month
            : token[0] == 'D'   ? c->day
            : token[0] == 'H'   ? c->hour
            : token[0] == 'h'   ? hour12
            : token[0] == 'm'   ? c->minute
                                : c->second;
        snprintf(out, size, two ? "%02d" : "%d", n);
        break;
    }
    }
}

static const char *token_at(struct slice format) {
    for (size_t i = 0; i < COUNT_OF(tokens); i++) {
        if (slice_starts(format, slice_cstr(tokens[i]))) {
            return tokens[i];
        }
    }
    return NULL;
}

struct slice convert_time_format(int64_t ms, struct slice format, struct arena *arena) {
    enum { TOKEN_ROOM = 24 };
    struct civil c = civil_of(ms);
    size_t room = (format.len + 1) * TOKEN_ROOM;
    char *out = arena_alloc(arena, room);
    size_t len = 0;
    while (format.len > 0) {
        const char *close = format.ptr[0] == '[' ? memchr(format.ptr, ']', format.len) : NULL;
        const char *token = close == NULL ? token_at(format) : NULL;
        size_t used = 1;
        if (close != NULL) {
            used = (size_t)(close - format.ptr) + 1;
            memcpy(out + len, format.ptr + 1, used - 2);
            len += used - 2;
        } else if (token != NULL) {
            used = strlen(token);
            write_token(token, &c, ms, out + len, TOKEN_ROOM);
            len += strlen(out + len);
        } else {
            out[len++] = format.ptr[0];
        }
        format = slice_of(format.ptr + used, format.len - used);
    }
    return slice_of(out, len);
}
