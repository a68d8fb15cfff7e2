/* The route table: rows from gateway_route.def, found by the hash of the path; then the few with a `{…}` in them. */
#include "base/hash.h"
#include "gateway/gateway_internal.h"

static const struct route routes[] = {
#define R(verb, at, handler, how, answer, name, about) \
    {.row = {.method = #verb, .path = at, .summary = about}, \
        .method = HTTP_METHOD_##verb, \
        .handle = gateway_handle_##handler, \
        .auth = AUTH_##how, \
        .reply = REPLY_##answer, \
        .type = {name, sizeof(name) - 1}, \
        .type_member = {"\"type\":\"" name "\"", sizeof("\"type\":\"\"" name) - 1}},
#include "gateway/gateway_route.def"
#undef R
};

static const struct gateway_route rows[] = {
#define R(verb, at, handler, how, answer, name, about) {.method = #verb, .path = at, .summary = about},
#include "gateway/gateway_route.def"
#undef R
};

_Static_assert(COUNT_OF(routes) < GATEWAY_ROUTE_SLOTS / 2, "the table of slots is to stay sparse");

const struct route gateway_route_preflight = {.row = {.method = "OPTIONS", .path = "*", .summary = "CORS preflight"},
    .method = HTTP_METHOD_OPTIONS,
    .handle = gateway_handle_preflight};
const struct route gateway_route_extra = {.row = {.method = "GET", .path = "*", .summary = "routes of other stages"},
    .method = HTTP_METHOD_GET,
    .handle = gateway_handle_extra};

const struct gateway_route *gateway_routes(size_t *ret_count) {
    *ret_count = COUNT_OF(rows);
    return rows;
}

static bool is_pattern(const struct route *route) {
    return strchr(route->row.path, '{') != NULL;
}

void gateway_route_table_init(struct route_table *table) {
    *table = (struct route_table){0};
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        size_t slot = hash64(slice_cstr(routes[i].row.path)) % GATEWAY_ROUTE_SLOTS;
        while (table->slots[slot] != 0) {
            slot = (slot + 1) % GATEWAY_ROUTE_SLOTS;
        }
        table->slots[slot] = (uint8_t)(i + 1);
    }
}

struct slice gateway_route_argument(const struct route *route, struct slice path) {
    const char *open = strchr(route->row.path, '{');
    ASSERT(open != NULL);
    struct slice before = slice_of(route->row.path, (size_t)(open - route->row.path));
    struct slice after = slice_cstr(strchr(open, '}') + 1);
    if (!slice_starts(path, before) || path.len <= before.len + after.len) {
        return SLICE_NONE;
    }
    struct slice argument = slice_of(path.ptr + before.len, path.len - before.len - after.len);
    bool ends = memcmp(argument.ptr + argument.len, after.ptr, after.len) == 0;
    return ends && memchr(argument.ptr, '/', argument.len) == NULL ? argument : SLICE_NONE;
}

static bool takes(const struct route *route, enum http_method method) {
    return route->method == method ||
        (method == HTTP_METHOD_HEAD && route->method == HTTP_METHOD_GET && route->reply != REPLY_GIF);
}

const struct route *gateway_route_find(
    const struct route_table *table, enum http_method method, struct slice path, enum err *ret_why) {
    *ret_why = ERR_NOT_HERE;
    size_t slot = hash64(path) % GATEWAY_ROUTE_SLOTS;
    for (; table->slots[slot] != 0; slot = (slot + 1) % GATEWAY_ROUTE_SLOTS) {
        const struct route *route = &routes[table->slots[slot] - 1];
        if (!slice_eq(path, slice_cstr(route->row.path))) {
            continue;
        }
        if (takes(route, method)) {
            return route;
        }
        *ret_why = ERR_METHOD_NOT_ALLOWED;
    }
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        if (is_pattern(&routes[i]) && gateway_route_argument(&routes[i], path).len > 0) {
            *ret_why = ERR_METHOD_NOT_ALLOWED;
            return takes(&routes[i], method) ? &routes[i] : NULL;
        }
    }
    return NULL;
}
