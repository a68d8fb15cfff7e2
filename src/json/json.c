/* The parser: stage 1 (json_stage1.h) finds where each token starts, then one walk over those positions checks the
 * grammar and writes the nodes. No recursion: open containers are on a stack of node indices of the depth the parser
 * was made for.
 *
 * What stage 1 leaves to the walk: everything but UTF-8, control characters in strings and strings without an end. What
 * the walk relies on: between two positions lie one token and white space. So a string ends at the last non-space byte
 * before the next position, and any other token must reach exactly that far. */
#include "json/json.h"

#include "json/json_stage1.h"
#include "json/json_text.h"

#define PARSER_NODES_LEAST 512
#define PARSER_NODES_KEPT (256 * 1024) /* more than this is given back when a small text follows */

struct json_parser {
    struct json_stage1 *stage1;
    struct json_node *nodes;
    size_t capacity;
    uint32_t max_depth;
    uint32_t stack[]; /* max_depth open containers */
};

struct walk {
    const char *text;
    const uint32_t *at;   /* position of the next token */
    const uint32_t *last; /* behind the last one: the length of the text */
    struct json_node *nodes;
    uint32_t made;
    uint32_t *stack;
    uint32_t depth, max_depth;
    uint32_t backslash; /* position of the first backslash not yet passed, or the length */
    enum err failed;
    uint32_t wrong_at;
    const char *wrong;
};

enum step { STEP_FAILED, STEP_LEAF, STEP_OPENED, STEP_MORE, STEP_DONE };

struct json_parser *json_parser_new(uint32_t max_depth) {
    ASSERT(max_depth >= 1 && max_depth <= UINT16_MAX);
    struct json_parser *parser = mem_alloc(sizeof(*parser) + max_depth * sizeof(parser->stack[0]));
    parser->max_depth = max_depth;
    parser->stage1 = json_stage1_new();
    ASSERT(parser->stage1 != NULL);
    return parser;
}

void json_parser_free(struct json_parser *parser) {
    if (parser == NULL) {
        return;
    }
    json_stage1_free(parser->stage1);
    mem_free(parser->nodes);
    mem_free(parser);
}

/* A node per structural position is always enough. The old nodes need not survive. */
static enum err nodes_make_room(struct json_parser *parser, size_t count) {
    bool too_large = parser->capacity > PARSER_NODES_KEPT && count < parser->capacity / 8;
    if (count <= parser->capacity && !too_large) {
        return OK;
    }
    size_t wanted = count < PARSER_NODES_LEAST ? PARSER_NODES_LEAST : count + count / 4;
    mem_free(parser->nodes);
    parser->capacity = 0;
    parser->nodes = mem_try_resize(NULL, wanted * sizeof(parser->nodes[0]));
    if (parser->nodes == NULL) {
        return ERR_NOMEM;
    }
    parser->capacity = wanted;
    return OK;
}

static enum step walk_fail(struct walk *w, uint32_t at, const char *what) {
    w->failed = ERR_INVALID_JSON;
    w->wrong_at = at;
    w->wrong = what;
    return STEP_FAILED;
}

/* The first byte of the next token; NUL, which starts no token, at the end of the text. */
static inline char walk_peek(const struct walk *w) {
    return LIKELY(w->at != w->last) ? w->text[*w->at] : '\0';
}

static inline struct json_node *walk_add(struct walk *w, uint32_t start, uint32_t end, enum json_kind kind) {
    struct json_node *node = &w->nodes[w->made++];
    *node = (struct json_node){
        .start = start,
        .end = end,
        .next = w->made,
        .depth = (uint16_t)w->depth,
        .kind = (uint8_t)kind,
    };
    return node;
}

/* Checks the escapes of the string that ends at `end`, and moves on to the first backslash behind it. */
static enum step walk_escapes(struct walk *w, uint32_t end) {
    const char *at = w->text + w->backslash;
    const char *close = w->text + end - 1;
    while (at != NULL && at < close) {
        size_t len = json_text_escape(at, close);
        if (len == 0) {
            return walk_fail(w, (uint32_t)(at - w->text), "invalid escape");
        }
        at += len;
        at = memchr(at, '\\', (size_t)(close - at));
    }
    const char *limit = w->text + *w->last;
    const char *next = memchr(close, '\\', (size_t)(limit - close));
    w->backslash = (uint32_t)((next != NULL ? next : limit) - w->text);
    return STEP_LEAF;
}

/* The string whose opening quote is at `start`; w->at is behind it. */
static inline enum step walk_string(struct walk *w, uint32_t start) {
    uint32_t end = *w->at;
    while (UNLIKELY(w->text[end - 1] != '"') && json_text_is_space(w->text[end - 1])) {
        end--;
    }
    if (UNLIKELY(end < start + 2 || w->text[end - 1] != '"')) {
        return walk_fail(w, start, "string without an end");
    }
    struct json_node *node = walk_add(w, start, end, JSON_STRING);
    if (UNLIKELY(w->backslash < end)) {
        node->escaped = 1;
        return walk_escapes(w, end);
    }
    return STEP_LEAF;
}

static inline const char *skip_digits(const char *at, const char *end) {
    while (at < end && *at >= '0' && *at <= '9') {
        at++;
    }
    return at;
}

/* The end of the number at `at`, or NULL: -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)? */
static const char *number_end(const char *at, const char *end) {
    at += *at == '-';
    const char *digits = skip_digits(at, end);
    if (digits == at || (*at == '0' && digits != at + 1)) {
        return NULL;
    }
    if (digits < end && *digits == '.') {
        at = digits + 1;
        digits = skip_digits(at, end);
        if (digits == at) {
            return NULL;
        }
    }
    if (digits < end && (*digits | 0x20) == 'e') {
        at = digits + 1;
        at += at < end && (*at == '+' || *at == '-');
        digits = skip_digits(at, end);
        if (digits == at) {
            return NULL;
        }
    }
    return digits;
}

static const char *literal_end(const char *at, const char *end, struct slice literal) {
    bool same = (size_t)(end - at) >= literal.len && memcmp(at, literal.ptr, literal.len) == 0;
    return same ? at + literal.len : NULL;
}

/* A number or a literal at `start`; w->at is behind it. */
static enum step walk_scalar(struct walk *w, uint32_t start) {
    uint32_t next = *w->at;
    const char *at = w->text + start;
    const char *limit = w->text + next;
    const char *end = NULL;
    enum json_kind kind = JSON_NUMBER;
    switch (*at) {
    case 't':
        kind = JSON_TRUE;
        end = literal_end(at, limit, SLICE("true"));
        break;
    case 'f':
        kind = JSON_FALSE;
        end = literal_end(at, limit, SLICE("false"));
        break;
    case 'n':
        kind = JSON_NULL;
        end = literal_end(at, limit, SLICE("null"));
        break;
    case '-':
    case '0' ... '9':
        end = number_end(at, limit);
        break;
    default:
        return walk_fail(w, start, "expected a value");
    }
    if (end == NULL || (end != limit && !json_text_is_space(*end))) {
        return walk_fail(w, start, kind == JSON_NUMBER ? "invalid number" : "invalid literal");
    }
    walk_add(w, start, (uint32_t)(end - w->text), kind);
    return STEP_LEAF;
}

/* A key and its colon. */
static inline enum step walk_key(struct walk *w) {
    if (UNLIKELY(walk_peek(w) != '"')) {
        return walk_fail(w, *w->at, "expected a key");
    }
    uint32_t start = *w->at++;
    if (UNLIKELY(walk_string(w, start) == STEP_FAILED)) {
        return STEP_FAILED;
    }
    if (UNLIKELY(walk_peek(w) != ':')) {
        return walk_fail(w, *w->at, "expected ':'");
    }
    w->at++;
    return STEP_LEAF;
}

/* The container at `start`, up to its first value; w->at is behind its bracket. */
static enum step walk_open(struct walk *w, uint32_t start, enum json_kind kind) {
    if (UNLIKELY(w->depth == w->max_depth)) {
        w->wrong_at = start;
        w->wrong = "nested too deeply";
        w->failed = ERR_TOO_DEEP;
        return STEP_FAILED;
    }
    struct json_node *node = walk_add(w, start, 0, kind);
    if (walk_peek(w) == (kind == JSON_OBJECT ? '}' : ']')) {
        node->end = *w->at++ + 1;
        return STEP_LEAF;
    }
    w->stack[w->depth++] = w->made - 1;
    if (kind == JSON_OBJECT && walk_key(w) == STEP_FAILED) {
        return STEP_FAILED;
    }
    return STEP_OPENED;
}

static inline enum step walk_value(struct walk *w) {
    char c = walk_peek(w);
    uint32_t start = *w->at;
    if (UNLIKELY(w->at == w->last)) {
        return walk_fail(w, start, "expected a value, not the end");
    }
    w->at++;
    switch (c) {
    case '"':
        return walk_string(w, start);
    case '{':
        return walk_open(w, start, JSON_OBJECT);
    case '[':
        return walk_open(w, start, JSON_ARRAY);
    default:
        return walk_scalar(w, start);
    }
}

/* Behind a value: closes what ends here. MORE: a value follows; DONE: the root is complete. */
static inline enum step walk_close(struct walk *w) {
    while (w->depth > 0) {
        struct json_node *parent = &w->nodes[w->stack[w->depth - 1]];
        bool in_object = parent->kind == JSON_OBJECT;
        char c = walk_peek(w);
        if (c == ',') {
            w->at++;
            return in_object && walk_key(w) == STEP_FAILED ? STEP_FAILED : STEP_MORE;
        }
        if (UNLIKELY(c != (in_object ? '}' : ']'))) {
            return walk_fail(w, *w->at, in_object ? "expected ',' or '}'" : "expected ',' or ']'");
        }
        parent->end = *w->at++ + 1;
        parent->next = w->made;
        w->depth--;
    }
    if (w->at != w->last) {
        return walk_fail(w, *w->at, "text behind the value");
    }
    return STEP_DONE;
}

static enum err walk_text(struct walk *w) {
    enum step step = STEP_MORE;
    while (step != STEP_DONE) {
        step = walk_value(w);
        if (step == STEP_LEAF) {
            step = walk_close(w);
        }
        if (UNLIKELY(step == STEP_FAILED)) {
            return w->failed;
        }
    }
    return OK;
}

static enum err json_wrong(enum err e, uint64_t at, const char *what, struct errinfo *why) {
    if (why != NULL) {
        why->at = at;
    }
    return err_why(e, why, "", "%s at byte %llu", what, (unsigned long long)at);
}

enum err json_parse(struct json_parser *parser, struct slice text, struct json_doc *ret_doc, struct errinfo *why) {
    if (text.len > UINT32_MAX - JSON_PADDING) {
        return err_why(ERR_TOO_LARGE, why, "", "text of %zu bytes; the limit is 4 GiB", text.len);
    }
    const uint32_t *index = NULL;
    uint32_t count = 0;
    enum json_stage1_result scanned = json_stage1_run(parser->stage1, text.ptr, text.len, &index, &count);
    if (scanned == JSON_STAGE1_NOMEM) {
        return err_why(ERR_NOMEM, why, "", "no memory for the positions of a text of %zu bytes", text.len);
    }
    if (scanned == JSON_STAGE1_EMPTY) {
        return json_wrong(ERR_INVALID_JSON, text.len, "expected a value, not the end", why);
    }
    if (scanned == JSON_STAGE1_BAD_TEXT) {
        const char *what = NULL;
        size_t at = json_text_first_error(text.ptr, text.len, &what);
        return json_wrong(ERR_INVALID_JSON, at, what, why);
    }
    if (nodes_make_room(parser, count) != OK) {
        return err_why(ERR_NOMEM, why, "", "no memory for the nodes of a text of %zu bytes", text.len);
    }
    const char *backslash = memchr(text.ptr, '\\', text.len);
    struct walk w = {
        .text = text.ptr,
        .at = index,
        .last = index + count,
        .nodes = parser->nodes,
        .stack = parser->stack,
        .max_depth = parser->max_depth,
        .backslash = (uint32_t)(backslash != NULL ? (size_t)(backslash - text.ptr) : text.len),
    };
    if (walk_text(&w) != OK) {
        return json_wrong(w.failed, w.wrong_at, w.wrong, why);
    }
    *ret_doc = (struct json_doc){.text = text.ptr, .len = text.len, .nodes = parser->nodes, .count = w.made};
    return OK;
}
