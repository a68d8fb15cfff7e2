/* Which addresses are inside: the ranges that a name on the internet has no business to lead to. And Retry-After. */
#include <arpa/inet.h>

#include "http/client_internal.h"

#define RETRY_AFTER_MOST_S (365 * 24 * 3600)

struct range4 {
    uint32_t network;
    unsigned bits;
};

#define IP4(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

static const struct range4 private4[] = {
    {IP4(0, 0, 0, 0), 8},      /* this host */
    {IP4(10, 0, 0, 0), 8},     /* RFC 1918 */
    {IP4(100, 64, 0, 0), 10},  /* carrier NAT */
    {IP4(127, 0, 0, 0), 8},    /* loopback */
    {IP4(169, 254, 0, 0), 16}, /* link-local, cloud metadata */
    {IP4(172, 16, 0, 0), 12},  /* RFC 1918 */
    {IP4(192, 0, 0, 0), 24},   /* protocol assignments */
    {IP4(192, 168, 0, 0), 16}, /* RFC 1918 */
    {IP4(198, 18, 0, 0), 15},  /* benchmarks */
    {IP4(224, 0, 0, 0), 4},    /* multicast */
    {IP4(240, 0, 0, 0), 4},    /* reserved, broadcast */
};

static bool private_v4(uint32_t address) {
    for (size_t i = 0; i < COUNT_OF(private4); i++) {
        if ((address ^ private4[i].network) >> (32 - private4[i].bits) == 0) {
            return true;
        }
    }
    return false;
}

static uint32_t v4_at(const unsigned char *b) {
    return IP4(b[0], b[1], b[2], b[3]);
}

static bool private_v6(const unsigned char *b) {
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    static const unsigned char nat64[12] = {0, 0x64, 0xff, 0x9b};
    static const unsigned char zeros[12];
    if (memcmp(b, mapped, sizeof(mapped)) == 0 || memcmp(b, nat64, sizeof(nat64)) == 0) {
        return private_v4(v4_at(b + 12));
    }
    if (b[0] == 0x20 && b[1] == 0x02) { /* 6to4 carries a v4 address */
        return private_v4(v4_at(b + 2));
    }
    bool low = memcmp(b, zeros, sizeof(zeros)) == 0;              /* ::, ::1, v4-compatible */
    bool local_nat64 = memcmp(b, "\0\x64\xff\x9b\0\x01", 6) == 0; /* 64:ff9b:1::/48 */
    bool unique_local = (b[0] & 0xfe) == 0xfc;
    bool link_or_site_local = b[0] == 0xfe && b[1] >= 0x80;
    bool multicast = b[0] == 0xff;
    return low || local_nat64 || unique_local || link_or_site_local || multicast;
}

bool address_is_private(const struct sockaddr *address) {
    if (address->sa_family == AF_INET) {
        return private_v4(ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        return private_v6(((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr);
    }
    return true; /* a family that no URL should lead to */
}

/* An IPv4 address behind a prefix of IPv6 is shown as itself. */
void address_write(const struct sockaddr *address, char text[static INET6_ADDRSTRLEN]) {
    text[0] = '\0';
    if (address->sa_family == AF_INET) {
        (void)inet_ntop(
            AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, text, INET6_ADDRSTRLEN);
    } else if (address->sa_family == AF_INET6) {
        const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        bool mapped = IN6_IS_ADDR_V4MAPPED(v6);
        (void)inet_ntop(mapped ? AF_INET : AF_INET6, mapped ? v6->s6_addr + 12 : v6->s6_addr, text, INET6_ADDRSTRLEN);
    }
}

int64_t retry_after_parse(struct slice value, int64_t now_ms) {
    value = slice_trim(value);
    uint64_t seconds = 0;
    enum err err = slice_to_u64(value, &seconds);
    if (err == OK) {
        return (int64_t)(seconds < RETRY_AFTER_MOST_S ? seconds : RETRY_AFTER_MOST_S) * 1000;
    }
    char text[64];
    if (err == ERR_RANGE || value.len == 0 || value.len >= sizeof(text)) {
        return err == ERR_RANGE ? (int64_t)RETRY_AFTER_MOST_S * 1000 : -1;
    }
    memcpy(text, value.ptr, value.len);
    text[value.len] = '\0';
    int64_t date = (int64_t)curl_getdate(text, NULL);
    if (date < 0) {
        return -1;
    }
    int64_t wait = date * 1000 - now_ms;
    int64_t most = (int64_t)RETRY_AFTER_MOST_S * 1000;
    return wait < 0 ? 0 : wait < most ? wait : most;
}
