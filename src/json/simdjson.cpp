/* The one C++ file: json_stage1.h over simdjson's stage 1. Nothing throws; memory of the library is its own (operator
 * new, nothrow) and is given back when a text far smaller than the largest so far comes along. */
#include "json/json_stage1.h"

#include <memory>
#include <new>

#include <simdjson.h>

namespace {

constexpr size_t capacity_least = 16 * 1024;
constexpr size_t capacity_kept = 1024 * 1024; /* never shrinks below */

bool make_room(std::unique_ptr<simdjson::internal::dom_parser_implementation> &parser, size_t len) {
    size_t capacity = parser ? parser->capacity() : 0;
    bool too_small = capacity < len || !parser;
    bool too_large = capacity > capacity_kept && len < capacity / 8;
    if (!too_small && !too_large) {
        return true;
    }
    size_t wanted = len < capacity_least ? capacity_least : len + len / 4;
    if (wanted > UINT32_MAX) {
        wanted = UINT32_MAX;
    }
    parser.reset();
    return simdjson::get_active_implementation()->create_dom_parser_implementation(wanted, 1, parser) ==
        simdjson::SUCCESS;
}

} // namespace

struct json_stage1 {
    std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
};

struct json_stage1 *json_stage1_new(void) {
    return new (std::nothrow) json_stage1;
}

void json_stage1_free(struct json_stage1 *stage1) {
    delete stage1;
}

enum json_stage1_result json_stage1_run(
    struct json_stage1 *stage1, const char *text, size_t len, const uint32_t **ret_index, uint32_t *ret_count) {
    if (len == 0) {
        return JSON_STAGE1_EMPTY;
    }
    if (!make_room(stage1->parser, len)) {
        stage1->parser.reset();
        return JSON_STAGE1_NOMEM;
    }
    simdjson::internal::dom_parser_implementation &parser = *stage1->parser;
    simdjson::error_code code =
        parser.stage1(reinterpret_cast<const uint8_t *>(text), len, simdjson::stage1_mode::regular);
    if (code == simdjson::EMPTY) {
        return JSON_STAGE1_EMPTY;
    }
    if (code != simdjson::SUCCESS) {
        return JSON_STAGE1_BAD_TEXT;
    }
    parser.structural_indexes[parser.n_structural_indexes] = static_cast<uint32_t>(len);
    *ret_index = parser.structural_indexes.get();
    *ret_count = parser.n_structural_indexes;
    return JSON_STAGE1_DONE;
}
