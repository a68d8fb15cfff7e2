/* Which addresses count as private, at the edges of each range. */
#include <setjmp.h>
#include <stdarg.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "http/client_internal.h"

static bool is_private(const char *text) {
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    struct sockaddr_in four = {.sin_family = AF_INET};
    if (inet_pton(AF_INET, text, &four.sin_addr) == 1) {
        return address_is_private((struct sockaddr *)&four);
    }
    assert_int_equal(inet_pton(AF_INET6, text, &six.sin6_addr), 1);
    return address_is_private((struct sockaddr *)&six);
}

static void the_edges_of_each_private_range_are_inside(void **state) {
    (void)state;
    static const char *const inside[] = {"0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0",
        "100.127.255.255", "127.0.0.1", "127.255.255.255", "169.254.0.0", "169.254.169.254", "172.16.0.0",
        "172.31.255.255", "192.0.0.0", "192.0.0.255", "192.168.0.0", "192.168.255.255", "198.18.0.0", "198.19.255.255",
        "224.0.0.1", "239.255.255.255", "240.0.0.0", "255.255.255.255", "::", "::1", "::ffff:10.0.0.1",
        "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::1",
        "2002:7f00:1::", "fc00::", "fdff::1", "fe80::1", "febf::1", "fec0::1", "ff02::1"};
    for (size_t i = 0; i < COUNT_OF(inside); i++) {
        if (!is_private(inside[i])) {
            fail_msg("%s", inside[i]);
        }
    }
}

static void their_neighbours_are_outside(void **state) {
    (void)state;
    static const char *const outside[] = {"1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
        "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
        "191.255.255.255", "192.0.1.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0",
        "223.255.255.255", "8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::", "2001:4860:4860::8888",
        "2a00::1", "fbff::1"};
    for (size_t i = 0; i < COUNT_OF(outside); i++) {
        if (is_private(outside[i])) {
            fail_msg("%s", outside[i]);
        }
    }
}

static void a_family_that_is_no_internet_is_inside(void **state) {
    (void)state;
    struct sockaddr other = {.sa_family = AF_UNIX};
    assert_true(address_is_private(&other));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_edges_of_each_private_range_are_inside),
        cmocka_unit_test(their_neighbours_are_outside),
        cmocka_unit_test(a_family_that_is_no_internet_is_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
