/* What each conversion does; see convert.def. */
#include "destination/convert.h"

#include <ctype.h>
#include <math.h>

#include "base/encode.h"
#include "base/hash.h"
#include "http/http.h"

enum { SHA256_BYTES = 32 };

/* ---- texts ---- */

static struct slice map_case(struct slice text, struct arena *arena, int (*map)(int)) {
    char *out = arena_alloc(arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        out[i] = (char)(c < 0x80 ? map(c) : c);
    }
    return slice_of(out, text.len);
}

static struct slice strip(struct slice text, struct arena *arena) {
    char *out = arena_alloc(arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != ' ' && text.ptr[i] != '-') {
            out[len++] = text.ptr[i];
        }
    }
    return slice_of(out, len);
}

static struct slice sha256_hex(struct slice text, struct arena *arena) {
    static const char digits[] = "0123456789abcdef";
    unsigned char hash[SHA256_BYTES];
    hash_sha256(text, hash);
    char *out = arena_alloc(arena, 2 * SHA256_BYTES + 1);
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        out[2 * i] = digits[hash[i] >> 4];
        out[2 * i + 1] = digits[hash[i] & 15];
    }
    return slice_of(out, 2 * SHA256_BYTES);
}

static struct value gender(struct slice text, struct arena *arena) {
    static const struct slice words[] = {
        SLICE("f"), SLICE("female"), SLICE("woman"), SLICE("m"), SLICE("male"), SLICE("man")};
    text = slice_trim(text);
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (slice_eq_nocase(text, words[i])) {
            return value_of_text(sha256_hex(slice_of(words[i].ptr[0] == 'm' ? "m" : "f", 1), arena));
        }
    }
    return VALUE_NONE;
}

static struct slice base64(struct slice text, struct arena *arena) {
    struct buf out;
    buf_init(&out, 0);
    encode_base64(text, &out);
    return buf_keep(&out, arena);
}

static struct slice url_encode(struct slice text, struct arena *arena) {
    char *out = arena_alloc(arena, 3 * text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if ((c < 0x80 && isalnum(c)) || (c != '\0' && memchr("-_.!~*'()", c, 9) != NULL)) {
            out[len++] = (char)c;
        } else {
            len += http_url_escape((char)c, out + len);
        }
    }
    return slice_of(out, len);
}

static struct slice cut(struct slice text, size_t max) {
    if (text.len <= max) {
        return text;
    }
    while (max > 0 && ((unsigned char)text.ptr[max] & 0xc0) == 0x80) {
        max--;
    }
    return slice_of(text.ptr, max);
}

/* "https://a.b/c?d" -> "a.b"; *ret_scheme: whether there was one. */
static struct slice host_of(struct slice url, bool *ret_scheme) {
    url = slice_trim(url);
    *ret_scheme = false;
    for (size_t i = 0; i + 2 < url.len; i++) {
        if (memcmp(url.ptr + i, "://", 3) == 0) {
            url = slice_of(url.ptr + i + 3, url.len - i - 3);
            *ret_scheme = i > 0;
            break;
        }
    }
    size_t len = 0;
    while (len < url.len && memchr("/?#", url.ptr[len], 3) == NULL) {
        len++;
    }
    return slice_of(url.ptr, len);
}

static enum err hostname(struct slice text, const struct convert_run *run, struct value *value) {
    bool scheme = false;
    struct slice host = host_of(text, &scheme);
    const char *user = host.len > 0 ? memchr(host.ptr, '@', host.len) : NULL;
    if (user != NULL) {
        host = slice_of(user + 1, host.len - (size_t)(user + 1 - host.ptr));
    }
    const char *port = host.len > 0 ? memchr(host.ptr, ':', host.len) : NULL;
    if (port != NULL) {
        host.len = (size_t)(port - host.ptr);
    }
    if (!scheme || host.len == 0) {
        return err_why(
            ERR_INVALID, run->why, "event", "%.*s: \"%.*s\" is no URL", SLICE_ARG(run->what), SLICE_ARG(cut(text, 64)));
    }
    if (slice_starts(host, SLICE("www."))) {
        host = slice_of(host.ptr + 4, host.len - 4);
    }
    *value = value_of_text(map_case(host, run->arena, tolower));
    return OK;
}

static struct slice month_day(struct slice text, struct arena *arena) {
    enum { YEAR_AND_DASH = 5 };
    if (text.len < YEAR_AND_DASH) {
        return SLICE("");
    }
    struct slice copy = arena_dup(arena, slice_of(text.ptr + YEAR_AND_DASH, text.len - YEAR_AND_DASH));
    char *dash = memchr((char *)copy.ptr, '-', copy.len);
    if (dash != NULL) {
        *dash = '/';
    }
    return copy;
}

static struct slice fill_template(struct slice template, struct slice text, struct arena *arena) {
    static const char hole[] = "${value}";
    size_t hole_len = sizeof hole - 1;
    struct slice out = SLICE("");
    while (template.len > 0) {
        const char *at = memmem(template.ptr, template.len, hole, hole_len);
        size_t before = at == NULL ? template.len : (size_t)(at - template.ptr);
        struct slice filled = at == NULL ? SLICE("") : text;
        out = value_join((struct slice[]){out, slice_of(template.ptr, before), filled}, 3, arena);
        size_t skip = at == NULL ? before : before + hole_len;
        template = slice_of(template.ptr + skip, template.len - skip);
    }
    return out;
}

/* ---- numbers ---- */

static struct value leading(struct slice text, bool whole, struct arena *arena) {
    double number = 0;
    if (!value_leading_number(text, &number)) {
        return VALUE_NONE;
    }
    return value_of_double(whole ? trunc(number) : number, arena);
}

static enum err revenue(struct slice text, const struct convert_run *run, struct value *value) {
    double number = 0;
    text = slice_trim(text);
    if (text.len > 0 && text.ptr[0] == '$') {
        text = slice_of(text.ptr + 1, text.len - 1);
    }
    if (!value_leading_number(text, &number)) {
        return err_why(ERR_INVALID, run->why, "event", "%.*s: \"%.*s\" is no amount of money", SLICE_ARG(run->what),
            SLICE_ARG(cut(text, 64)));
    }
    struct slice rounded = arena_printf(run->arena, "%.2f", number);
    if (!value_of_decimal(rounded, run->arena, value)) {
        *value = value_leading_number(rounded, &number) ? value_of_double(number, run->arena) : VALUE_NONE;
    }
    return OK;
}

/* ---- times ---- */

static enum err convert_time(const struct convert_step *step, const struct convert_run *run, struct value *value) {
    int64_t ms = 0;
    double number = 0;
    if (step->id == CONVERT_TIME_S && value_number(value, run->arena, &number) && number == trunc(number)) {
        *value = value_of_double(number, run->arena);
        return OK;
    }
    if (!convert_read_time(value, run->arena, &ms)) {
        *value = VALUE_NONE;
        return OK;
    }
    switch (step->id) {
    case CONVERT_TIME_MS:
        *value = value_of_double((double)ms, run->arena);
        return OK;
    case CONVERT_TIME_S:
        *value = value_of_double(floor((double)ms / 1000), run->arena);
        return OK;
    case CONVERT_TIME_US:
        *value = value_of_double((double)ms * 1000, run->arena);
        return OK;
    case CONVERT_TIME:
        *value = value_of_text(convert_time_format(ms, step->text, run->arena));
        return OK;
    default:
        break;
    }
    if (step->past_ms >= 0 && ms < run->now_ms - step->past_ms) {
        return err_why(ERR_INVALID, run->why, "event", "%.*s: the time is more than %ld minutes in the past",
            SLICE_ARG(run->what), step->past_ms / 60000);
    }
    if (step->future_ms >= 0 && ms > run->now_ms + step->future_ms) {
        return err_why(ERR_INVALID, run->why, "event", "%.*s: the time is more than %ld minutes in the future",
            SLICE_ARG(run->what), step->future_ms / 60000);
    }
    return OK;
}

/* ---- choices ---- */

static bool is_one_of(struct slice text, const struct slice *texts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (slice_eq(text, texts[i])) {
            return true;
        }
    }
    return false;
}

static enum err lookup(const struct convert_step *step, const struct convert_run *run, struct value *value) {
    struct slice text = value_text(value, run->arena);
    for (size_t i = 0; i < step->lookup_count; i++) {
        if (is_one_of(text, step->lookup[i].from, step->lookup[i].from_count)) {
            *value = step->lookup[i].to;
            return OK;
        }
    }
    if (step->id == CONVERT_LOOKUP_STRICT) {
        return err_why(ERR_INVALID, run->why, "event", "%.*s: \"%.*s\" is none of the values that it may have",
            SLICE_ARG(run->what), SLICE_ARG(cut(text, 64)));
    }
    *value = VALUE_NONE;
    return OK;
}

static enum err pattern(const struct convert_step *step, const struct convert_run *run, const struct value *value) {
    struct slice text = value_text(value, run->arena);
    if (pattern_matches(step->pattern, text, run->arena)) {
        return OK;
    }
    return err_why(ERR_INVALID, run->why, "event", "%.*s: \"%.*s\" is not of the form %.*s", SLICE_ARG(run->what),
        SLICE_ARG(cut(text, 64)), SLICE_ARG(step->text));
}

static struct value list_of_one(const struct value *value, struct arena *arena) {
    struct value *item = ARENA_NEW(arena, struct value);
    *item = *value;
    return (struct value){.kind = VALUE_LIST, .items = item, .count = 1};
}

/* ---- one step ---- */

static bool is_text_step(enum convert_id id) {
    switch (id) {
    case CONVERT_TEXT:
    case CONVERT_LOWER:
    case CONVERT_UPPER:
    case CONVERT_STRIP:
    case CONVERT_SHA256:
    case CONVERT_BASE64:
    case CONVERT_URL_ENCODE:
    case CONVERT_CUT:
    case CONVERT_DOMAIN:
    case CONVERT_MONTH_DAY:
    case CONVERT_TEMPLATE:
        return true;
    default:
        return false;
    }
}

/* Steps from text to text. */
static struct slice apply_text(const struct convert_step *step, struct slice text, struct arena *arena) {
    bool scheme = false;
    switch (step->id) {
    case CONVERT_TEXT:
        return text;
    case CONVERT_LOWER:
        return map_case(text, arena, tolower);
    case CONVERT_UPPER:
        return map_case(text, arena, toupper);
    case CONVERT_STRIP:
        return strip(text, arena);
    case CONVERT_SHA256:
        return sha256_hex(text, arena);
    case CONVERT_BASE64:
        return base64(text, arena);
    case CONVERT_URL_ENCODE:
        return url_encode(text, arena);
    case CONVERT_CUT:
        return cut(text, step->number);
    case CONVERT_DOMAIN:
        return host_of(text, &scheme);
    case CONVERT_MONTH_DAY:
        return month_day(text, arena);
    case CONVERT_TEMPLATE:
        return fill_template(step->text, text, arena);
    default:
        return text;
    }
}

static enum err apply_number(const struct convert_step *step, const struct convert_run *run, struct value *value) {
    struct slice text = value_text(value, run->arena);
    double number = 0;
    bool plain = step->id != CONVERT_INTEGER && step->id != CONVERT_REVENUE &&
        (value->kind == VALUE_NUMBER || value_is_text(value)) && value_of_decimal(text, run->arena, value);
    if (plain) {
        return OK;
    }
    switch (step->id) {
    case CONVERT_NUMBER:
        *value = value_number(value, run->arena, &number) ? value_of_double(number, run->arena) : VALUE_NONE;
        return OK;
    case CONVERT_REVENUE:
        return revenue(text, run, value);
    default:
        break;
    }
    *value = leading(text, step->id == CONVERT_INTEGER, run->arena);
    if (step->id == CONVERT_FLOAT_STRICT && value->kind == VALUE_ABSENT) {
        return err_why(ERR_INVALID, run->why, "event", "%.*s: \"%.*s\" is no number", SLICE_ARG(run->what),
            SLICE_ARG(cut(text, 64)));
    }
    return OK;
}

/* Steps that look at what kind of value it is. */
static void apply_shape(const struct convert_step *step, struct arena *arena, struct value *value) {
    bool dropped = (step->id == CONVERT_ARRAY && !value_is_array(value)) ||
        (step->id == CONVERT_OBJECT && !value_is_object(value)) ||
        (step->id == CONVERT_ALLOW && !is_one_of(value_text(value, arena), step->texts, step->text_count));
    if (dropped) {
        *value = VALUE_NONE;
    } else if (step->id == CONVERT_TRIM && value_is_text(value)) {
        *value = value_of_text(slice_trim(value_text(value, arena)));
    } else if (step->id == CONVERT_LIST) {
        *value = list_of_one(value, arena);
    } else if (step->id == CONVERT_JSON || (step->id == CONVERT_JSON_OBJECTS && !value_is_text(value))) {
        *value = value_of_text(value_json(value, arena));
    } else if (step->id == CONVERT_GENDER_SHA256) {
        *value = gender(value_text(value, arena), arena);
    } else if (step->id == CONVERT_FLATTEN) {
        *value = convert_flatten(value, step->text.len > 0, arena);
    } else {
        *value = convert_members(value, step, arena);
    }
}

static enum err apply(const struct convert_step *step, const struct convert_run *run, struct value *value) {
    if (step->id == CONVERT_IS_BOOLEAN) {
        *value = value_of_bool(value->kind == VALUE_BOOL);
        return OK;
    }
    if (value->kind == VALUE_ABSENT || value->kind == VALUE_NULL) {
        return OK;
    }
    switch (step->id) {
    case CONVERT_NUMBER:
    case CONVERT_FLOAT:
    case CONVERT_FLOAT_STRICT:
    case CONVERT_INTEGER:
    case CONVERT_REVENUE:
        return apply_number(step, run, value);
    case CONVERT_TIME:
    case CONVERT_TIME_MS:
    case CONVERT_TIME_S:
    case CONVERT_TIME_US:
    case CONVERT_WITHIN:
        return convert_time(step, run, value);
    case CONVERT_LOOKUP:
    case CONVERT_LOOKUP_STRICT:
        return lookup(step, run, value);
    case CONVERT_PATTERN:
        return pattern(step, run, value);
    case CONVERT_HOSTNAME:
        return hostname(value_text(value, run->arena), run, value);
    default:
        break;
    }
    if (is_text_step(step->id)) {
        *value = value_of_text(apply_text(step, value_text(value, run->arena), run->arena));
    } else {
        apply_shape(step, run->arena, value);
    }
    return OK;
}

enum err convert_apply(
    const struct convert_step *steps, size_t count, const struct convert_run *run, struct value *value) {
    for (size_t i = 0; i < count; i++) {
        enum err e = apply(&steps[i], run, value);
        if (e != OK) {
            return e;
        }
    }
    return OK;
}
