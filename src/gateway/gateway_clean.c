/* Texts that ids are made of: runes that nobody sees are dropped, rudderId, base64. Pure functions. */
#include "base/hash.h"
#include "gateway/gateway_internal.h"

struct rune_range {
    uint32_t first, last;
};

/* Runes that are not shown: controls, spaces but U+0020, format characters, private use, noncharacters (Unicode 15),
 * and the fillers that the original lists by number. Ascending. */
static const struct rune_range invisible[] = {
    {0x0000, 0x001f},
    {0x007f, 0x00a0},
    {0x00ad, 0x00ad},
    {0x034f, 0x034f},
    {0x0600, 0x0605},
    {0x061c, 0x061c},
    {0x06dd, 0x06dd},
    {0x070f, 0x070f},
    {0x0890, 0x0891},
    {0x08e2, 0x08e2},
    {0x115f, 0x1160},
    {0x1680, 0x1680},
    {0x17b4, 0x17b5},
    {0x180e, 0x180e},
    {0x2000, 0x200f},
    {0x2028, 0x202f},
    {0x205f, 0x206f},
    {0x2800, 0x2800},
    {0x3000, 0x3000},
    {0x3164, 0x3164},
    {0xe000, 0xf8ff},
    {0xfdd0, 0xfdef},
    {0xfeff, 0xfeff},
    {0xffa0, 0xffa0},
    {0xfff0, 0xfffb},
    {0xfffe, 0xffff},
    {0x110bd, 0x110bd},
    {0x110cd, 0x110cd},
    {0x13430, 0x1343f},
    {0x1bca0, 0x1bca3},
    {0x1d173, 0x1d17a},
    {0xe0000, 0xe007f},
    {0xf0000, 0x10ffff},
};

static bool is_invisible(uint32_t rune) {
    size_t low = 0;
    size_t high = COUNT_OF(invisible);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (rune > invisible[middle].last) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < COUNT_OF(invisible) && rune >= invisible[low].first;
}

static bool is_plain(struct slice text) {
    unsigned bad = 0;
    for (size_t i = 0; i < text.len; i++) {
        bad |= (unsigned char)(text.ptr[i] - 0x20) > 0x7e - 0x20;
    }
    return bad == 0;
}

static struct slice trim_spaces(struct slice s) {
    while (s.len > 0 && s.ptr[0] == ' ') {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && s.ptr[s.len - 1] == ' ') {
        s.len--;
    }
    return s;
}

/* Bytes of the rune at `at`; a byte that begins none (the text was not valid) is a rune of its own. */
static size_t rune_at(const unsigned char *at, size_t left, uint32_t *ret_rune) {
    size_t len = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : at[0] >= 0xc0 ? 2 : 1;
    if (len == 1 || len > left) {
        *ret_rune = at[0] < 0x80 ? at[0] : 0xfffd;
        return 1;
    }
    uint32_t rune = at[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        rune = rune << 6 | (at[i] & 0x3fu);
    }
    *ret_rune = rune;
    return len;
}

struct slice gateway_clean(struct slice text, struct arena *arena) {
    if (LIKELY(is_plain(text))) {
        return trim_spaces(text);
    }
    char *out = arena_alloc(arena, text.len);
    size_t len = 0;
    for (size_t at = 0; at < text.len;) {
        uint32_t rune = 0;
        size_t size = rune_at((const unsigned char *)text.ptr + at, text.len - at, &rune);
        if (!is_invisible(rune)) {
            memcpy(out + len, text.ptr + at, size);
            len += size;
        }
        at += size;
    }
    return trim_spaces(slice_of(out, len));
}

void gateway_rudder_id(struct slice key, char out[UUID_LEN]) {
    unsigned char bytes[16];
    hash_md5(key, bytes);
    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
    uuid_format(bytes, out);
}
