/* Method names, status texts, and the decoding of targets. */
#include "http/http.h"

#include "base/encode.h"

static const char *const method_names[] = {
    [HTTP_METHOD_GET] = "GET",
    [HTTP_METHOD_HEAD] = "HEAD",
    [HTTP_METHOD_POST] = "POST",
    [HTTP_METHOD_PUT] = "PUT",
    [HTTP_METHOD_PATCH] = "PATCH",
    [HTTP_METHOD_DELETE] = "DELETE",
    [HTTP_METHOD_OPTIONS] = "OPTIONS",
    [HTTP_METHOD_OTHER] = "OTHER",
};

const char *http_method_name(enum http_method method) {
    return method_names[method];
}

enum http_method http_method_parse(struct slice name) {
    for (unsigned i = 0; i < HTTP_METHOD_OTHER; i++) {
        if (slice_eq(name, slice_cstr(method_names[i]))) {
            return (enum http_method)i;
        }
    }
    return HTTP_METHOD_OTHER;
}

struct status_text {
    int status;
    const char *text;
};

/* RFC 9110 and RFC 6585; the common ones first. */
static const struct status_text status_texts[] = {
    {200, "OK"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {404, "Not Found"},
    {413, "Content Too Large"},
    {429, "Too Many Requests"},
    {500, "Internal Server Error"},
    {503, "Service Unavailable"},
    {100, "Continue"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {425, "Too Early"},
    {431, "Request Header Fields Too Large"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

const char *http_status_text(int status) {
    for (size_t i = 0; i < COUNT_OF(status_texts); i++) {
        if (status_texts[i].status == status) {
            return status_texts[i].text;
        }
    }
    return "Unknown";
}

size_t http_url_decode(struct slice s, char *out) {
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '%' && i + 2 < s.len) {
            int high = decode_hex_digit(s.ptr[i + 1]);
            int low = decode_hex_digit(s.ptr[i + 2]);
            if (high >= 0 && low >= 0) {
                c = (char)(high << 4 | low);
                i += 2;
            }
        } else if (c == '+') {
            c = ' ';
        }
        out[len++] = c;
    }
    return len;
}

bool http_query_next(struct slice *query, struct slice *ret_key, struct slice *ret_value) {
    while (query->len > 0) {
        struct slice pair = slice_cut(*query, '&', query);
        if (pair.len > 0) {
            *ret_key = slice_cut(pair, '=', ret_value);
            return true;
        }
    }
    return false;
}

size_t http_url_escape(char c, char *out) {
    static const char digits[] = "0123456789ABCDEF";
    out[0] = '%';
    out[1] = digits[(unsigned char)c >> 4];
    out[2] = digits[(unsigned char)c & 15];
    return 3;
}

size_t http_url_encode(struct slice s, char *out) {
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            (c != '\0' && memchr("-_.~", c, 4) != NULL)) {
            out[len++] = (char)c;
        } else if (c == ' ') {
            out[len++] = '+';
        } else {
            len += http_url_escape((char)c, out + len);
        }
    }
    return len;
}

void http_headers_write(struct json_writer *w, const struct http_header *list, size_t count) {
    json_write_object(w);
    for (size_t i = 0; i < count; i++) {
        json_write_key(w, list[i].name);
        json_write_string(w, list[i].value);
    }
    json_write_end(w);
}
