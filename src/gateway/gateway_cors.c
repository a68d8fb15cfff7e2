/* CORS as the original answers it: every Origin is reflected, with credentials; what a preflight asks for is allowed.
 */
#include "gateway/gateway_internal.h"

size_t gateway_add_headers(void *ctx, const struct http_request *request, struct http_header *out, size_t room) {
    (void)ctx; /* shape of the server's callback */
    ASSERT(room >= 7);
    size_t count = 0;
    struct slice origin;
    out[count++] = (struct http_header){SLICE("Vary"), SLICE("Origin")};
    if (!http_request_header(request, SLICE("origin"), &origin)) {
        return count;
    }
    out[count++] = (struct http_header){SLICE("Access-Control-Allow-Origin"), origin};
    out[count++] = (struct http_header){SLICE("Access-Control-Allow-Credentials"), SLICE("true")};
    if (request->method != HTTP_METHOD_OPTIONS) {
        out[count++] = (struct http_header){SLICE("Access-Control-Expose-Headers"), SLICE("Retry-After")};
        return count;
    }
    struct slice asked;
    out[count++] = (struct http_header){SLICE("Access-Control-Allow-Methods"), SLICE("GET, POST, HEAD")};
    if (http_request_header(request, SLICE("access-control-request-headers"), &asked)) {
        out[count++] = (struct http_header){SLICE("Access-Control-Allow-Headers"), asked};
    }
    out[count++] = (struct http_header){SLICE("Access-Control-Max-Age"), SLICE("7200")};
    return count;
}

void gateway_handle_preflight(struct worker *worker, struct http_request *request, struct intake *intake) {
    (void)request; /* the headers are added to every answer */
    gateway_respond_page(worker, intake, 204, SLICE_NONE, SLICE_NONE);
}
