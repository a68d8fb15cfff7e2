/* Log lines: built in a buffer on the stack, cut at LINE_MAX_BYTES, written by one write(2).
 *
 * text: 2026-08-07T00:00:00.000Z info  store segment rolled offset=1 bytes=2
 * json: {"time":"...","level":"info","tag":"store","message":"segment rolled","offset":"1","bytes":"2"}
 * A pair's value runs to the next ` key=`, so a sentence as the last value needs no quotes. JSON is written here by
 * hand, the one exception: base/ is below json/. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    LINE_MAX_BYTES = 2048,
    PAIRS_MAX_BYTES = 1024,
    LINES_PER_SECOND = 10, /* of one call site */
};

static const char *const level_names[] = {"debug", "info", "warn", "error"};
enum log_level log_threshold = LOG_INFO;
static bool as_json;

void log_setup(enum log_level level, bool json) {
    log_threshold = level;
    as_json = json;
}

struct line {
    char text[LINE_MAX_BYTES];
    size_t len;
};

static void line_byte(struct line *line, char c) {
    if (line->len < sizeof line->text - 8) { /* keeps room for the closing quote, brace and newline */
        line->text[line->len++] = c;
    }
}

static void line_raw(struct line *line, struct slice s) {
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        line_byte(line, c < 0x20 || c == 0x7f ? '?' : (char)c);
    }
}

static void line_json_text(struct line *line, struct slice s) {
    line_byte(line, '"');
    for (size_t i = 0; i < s.len && line->len < sizeof line->text - 16; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == '"' || c == '\\') {
            line_byte(line, '\\');
        }
        /* ids are ASCII; anything else would have to be checked as UTF-8 first */
        line_byte(line, c < 0x20 || c >= 0x7f ? '?' : (char)c);
    }
    line->text[line->len++] = '"';
}

static void line_json_pair(struct line *line, struct slice key, struct slice value) {
    if (line->len + key.len + value.len + 32 > sizeof line->text) {
        return; /* a pair that does not fit is left out whole, so that the line stays JSON */
    }
    line_byte(line, line->len == 0 ? '{' : ',');
    line_json_text(line, key);
    line_byte(line, ':');
    line_json_text(line, value);
}

static bool is_key_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

/* Length of a key that begins at s and is followed by '=', else 0. */
static size_t key_length(struct slice s) {
    size_t n = 0;
    while (n < s.len && is_key_byte(s.ptr[n])) {
        n++;
    }
    return n > 0 && n < s.len && s.ptr[n] == '=' ? n : 0;
}

static void line_json_pairs(struct line *line, struct slice pairs) {
    while (pairs.len > 0) {
        size_t key_len = key_length(pairs);
        size_t from = key_len > 0 ? key_len + 1 : 0;
        size_t end = from;
        while (end < pairs.len &&
            !(pairs.ptr[end] == ' ' && key_length(slice_of(pairs.ptr + end + 1, pairs.len - end - 1)) > 0)) {
            end++;
        }
        struct slice key = key_len > 0 ? slice_of(pairs.ptr, key_len) : SLICE("text");
        line_json_pair(line, key, slice_trim(slice_of(pairs.ptr + from, end - from)));
        size_t used = end < pairs.len ? end + 1 : end;
        pairs = slice_of(pairs.ptr + used, pairs.len - used);
    }
}

static void write_line(struct line *line) {
    line->text[line->len++] = '\n';
    ssize_t n = write(STDERR_FILENO, line->text, line->len);
    (void)n; /* stderr gone or full: there is nobody left to tell */
}

/* False when this call site has used up its lines of this second; *ret_dropped: lines lost in an earlier second. */
static bool may_log(struct log_site *site, uint32_t *ret_dropped) {
    int64_t second = (int64_t)(clock_mono_ns() / UINT64_C(1000000000)); /* the test clock may stand still */
    int64_t seen = __atomic_load_n(&site->second, __ATOMIC_RELAXED);
    if (seen != second &&
        __atomic_compare_exchange_n(&site->second, &seen, second, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        uint32_t count = __atomic_exchange_n(&site->count, 1, __ATOMIC_RELAXED);
        *ret_dropped = count > LINES_PER_SECOND ? count - LINES_PER_SECOND : 0;
        return true;
    }
    return __atomic_add_fetch(&site->count, 1, __ATOMIC_RELAXED) <= LINES_PER_SECOND;
}

static void write_json(const char *time, const char *level, const char *tag, const char *message, struct slice pairs) {
    struct line line = {.len = 0};
    line_json_pair(&line, SLICE("time"), slice_cstr(time));
    line_json_pair(&line, SLICE("level"), slice_cstr(level));
    line_json_pair(&line, SLICE("tag"), slice_cstr(tag));
    line_json_pair(&line, SLICE("message"), slice_cstr(message));
    line_json_pairs(&line, pairs);
    line.text[line.len++] = '}';
    write_line(&line);
}

static void write_text(const char *time, const char *level, const char *tag, const char *message, struct slice pairs) {
    struct line line = {.len = 0};
    line_raw(&line, slice_cstr(time));
    line_byte(&line, ' ');
    line_raw(&line, slice_cstr(level));
    line_raw(&line, slice_of("  ", 6 - strlen(level))); /* names are 4 or 5 long */
    line_raw(&line, slice_cstr(tag));
    line_byte(&line, ' ');
    line_raw(&line, slice_cstr(message));
    if (pairs.len > 0) {
        line_byte(&line, ' ');
        line_raw(&line, pairs);
    }
    write_line(&line);
}

void log_line(
    struct log_site *site, enum log_level level, const char *tag, const char *message, const char *format, ...) {
    uint32_t dropped = 0;
    if (!may_log(site, &dropped)) {
        return;
    }
    char pairs[PAIRS_MAX_BYTES];
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(pairs, sizeof pairs - 32, format, args);
    va_end(args);
    size_t len = wanted < 0 ? 0 : strlen(pairs);
    if (dropped > 0) {
        int added = snprintf(pairs + len, sizeof pairs - len, "%srepeats_dropped=%u", len > 0 ? " " : "", dropped);
        len += added > 0 ? (size_t)added : 0;
    }
    char time[CLOCK_RFC3339_SIZE];
    clock_format(clock_ms(), time);
    (as_json ? write_json : write_text)(time, level_names[level], tag, message, slice_of(pairs, len));
}
