/* address_list_test.c: addresses, ranges, and whom proxies are believed to have spoken to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "common/address_list.h"

static struct address address_of(const char *text)
{
    struct address address;
    assert_int_equal(address_parse(text, strlen(text), &address), 0);
    return address;
}

static void understands_ranges(void **state)
{
    static const struct {
        const char *range, *address;
        int code, has;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1", 0, 1},
        {"192.0.2.1", "192.0.2.2", 0, 0},
        {"192.0.2.0/24", "192.0.2.255", 0, 1},
        {"192.0.2.0/24", "192.0.3.0", 0, 0},
        {"192.0.2.128/25", "192.0.2.127", 0, 0},
        {"10.0.0.0/8", "::ffff:10.1.2.3", 0, 1}, /* one and the same */
        {"0.0.0.0/0", "255.255.255.255", 0, 1},
        {"0.0.0.0/0", "2001:db8::1", 0, 0},
        {"::/0", "2001:db8::1", 0, 1},
        {"::/0", "192.0.2.1", 0, 1},
        {"::ffff:0:0/96", "192.0.2.1", 0, 1},
        {"2001:db8::/32", "2001:db8:ffff::", 0, 1},
        {"2001:db8::/32", "2001:db9::", 0, 0},
        {"2001:db8::/33", "2001:db8:8000::", 0, 0},
        {"::1", "::1", 0, 1},
        {"::1/128", "::2", 0, 0},
        {"192.0.2.1/24", "", -1, 0},
        {"2001:db8::1/32", "", -1, 0},
        {"192.0.2.0/33", "", -1, 0},
        {"::/129", "", -1, 0},
        {"192.0.2.0/", "", -1, 0},
        {"192.0.2.0/-1", "", -1, 0},
        {"192.0.2.0/24x", "", -1, 0},
        {"192.0.2.0/0024", "", -1, 0},
        {"192.0.2", "", -1, 0},
        {"192.0.2.256", "", -1, 0},
        {"192.0.2.01", "", -1, 0},
        {"0x7f.1", "", -1, 0},
        {"[::1]", "", -1, 0},
        {"fe80::1%eth0", "", -1, 0},
        {"localhost", "", -1, 0},
        {"", "", -1, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct address_range range;
        if (address_range_parse(cases[i].range, &range) != cases[i].code)
            fail_msg("\"%s\": not %d", cases[i].range, cases[i].code);
        if (cases[i].code < 0)
            continue;
        struct address_list list = {.range = &range, .count = 1};
        struct address address = address_of(cases[i].address);
        if (address_list_has(&list, &address) != cases[i].has)
            fail_msg("%s in %s: not %d", cases[i].address, cases[i].range, cases[i].has);
    }
}

static void knows_loopback_and_everybody(void **state)
{
    static const struct {
        const char *text;
        int loopback;
    } addresses[] = {{"127.0.0.1", 1}, {"127.255.0.9", 1}, {"::1", 1}, {"::ffff:127.0.0.1", 1},
                     {"128.0.0.1", 0}, {"0.0.0.0", 0},     {"::", 0},  {"::2", 0},
                     {"7f00::1", 0},   {"192.0.2.1", 0}};
    static const struct {
        const char *list[3];
        int everybody;
    } lists[] = {
        {{NULL}, 0},         {{"10.0.0.0/8", NULL}, 0},    {{"10.0.0.0/8", "0.0.0.0/0", NULL}, 1},
        {{"::/0", NULL}, 1}, {{"::ffff:0:0/96", NULL}, 1}, {{"2001:db8::/96", NULL}, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        struct address address = address_of(addresses[i].text);
        assert_int_equal(address_is_loopback(&address), addresses[i].loopback);
    }
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        struct address_list list;
        assert_int_equal(address_list_read((char *const *)lists[i].list, &list), 0);
        assert_int_equal(address_list_has_everybody(&list), lists[i].everybody);
        address_list_free(&list);
    }
}

static void reads_the_socket_of_either_family(void **state)
{
    struct sockaddr_in ipv4 = {.sin_family = AF_INET,
                               .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr other = {.sa_family = AF_UNIX};
    struct address address;
    char text[ADDRESS_TEXT_SIZE];

    (void)state;
    assert_int_equal(address_from_socket((const struct sockaddr *)&ipv4, &address), 0);
    address_format(&address, text);
    assert_string_equal(text, "127.0.0.1");
    assert_int_equal(address_from_socket((const struct sockaddr *)&ipv6, &address), 0);
    address_format(&address, text);
    assert_string_equal(text, "::1");
    assert_int_equal(address_from_socket(&other, &address), -1);
    assert_int_equal(address_from_socket(NULL, &address), -1);
}

#define PROXY "10.0.0.1"

static void finds_the_client_behind_proxies(void **state)
{
    static const struct {
        const char *peer;
        const char *x[3];   /* X-Forwarded-For, line by line */
        const char *f[3];   /* Forwarded                     */
        const char *client; /* NULL: it can't be told      */
    } cases[] = {
        /* nobody's word is taken but a trusted proxy's */
        {"192.0.2.9", {"127.0.0.1"}, {"for=127.0.0.1"}, "192.0.2.9"},
        {PROXY, {NULL}, {NULL}, PROXY},
        {PROXY, {"192.0.2.9"}, {NULL}, "192.0.2.9"},
        /* what the client wrote itself stands before what the proxy added */
        {PROXY, {"127.0.0.1, 192.0.2.9"}, {NULL}, "192.0.2.9"},
        {PROXY, {"127.0.0.1", "192.0.2.9"}, {NULL}, "192.0.2.9"},
        {PROXY, {"rubbish, 192.0.2.9"}, {NULL}, "192.0.2.9"},
        /* several proxies */
        {PROXY, {"127.0.0.1, 192.0.2.9, 10.0.0.2"}, {NULL}, "192.0.2.9"},
        {PROXY, {"192.0.2.9,10.0.0.2", "10.0.0.3"}, {NULL}, "192.0.2.9"},
        {PROXY, {"10.0.0.2"}, {NULL}, "10.0.0.2"},
        /* forms */
        {PROXY, {"192.0.2.9:4711"}, {NULL}, "192.0.2.9"},
        {PROXY, {" 2001:db8::9 "}, {NULL}, "2001:db8::9"},
        {PROXY, {"[2001:db8::9]:4711"}, {NULL}, "2001:db8::9"},
        {PROXY, {"::ffff:192.0.2.9"}, {NULL}, "192.0.2.9"},
        {PROXY, {NULL}, {"for=192.0.2.9"}, "192.0.2.9"},
        {PROXY, {NULL}, {"For=\"[2001:db8::9]:4711\""}, "2001:db8::9"},
        {PROXY, {NULL}, {"proto=https; for=192.0.2.9 ;by=10.0.0.1"}, "192.0.2.9"},
        {PROXY, {NULL}, {"for=127.0.0.1, for=192.0.2.9, for=10.0.0.2"}, "192.0.2.9"},
        /* what can't be understood where it matters */
        {PROXY, {"unknown"}, {NULL}, NULL},
        {PROXY, {""}, {NULL}, NULL},
        {PROXY, {"192.0.2.9,"}, {NULL}, NULL},
        {PROXY, {"192.0.2.9, 10.0.0.2, x"}, {NULL}, NULL},
        {PROXY, {NULL}, {"for=unknown"}, NULL},
        {PROXY, {NULL}, {"for=_hidden"}, NULL},
        {PROXY, {NULL}, {"proto=https"}, NULL},
        {PROXY, {NULL}, {"for=192.0.2.9;for=127.0.0.1"}, NULL},
        /* both: the same client or nobody */
        {PROXY, {"192.0.2.9"}, {"for=192.0.2.9"}, "192.0.2.9"},
        {PROXY, {"192.0.2.9"}, {"for=127.0.0.1"}, NULL},
        {PROXY, {"127.0.0.1"}, {"for=192.0.2.9"}, NULL},
        {PROXY, {"192.0.2.9"}, {"for=rubbish"}, NULL},
    };
    static const char *const proxies[] = {"10.0.0.0/24", NULL};
    struct address_list trusted;

    (void)state;
    assert_int_equal(address_list_read((char *const *)proxies, &trusted), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct forwarded_lines x = {.count = 0}, f = {.count = 0};
        struct address peer = address_of(cases[i].peer), client = peer;
        char text[ADDRESS_TEXT_SIZE] = "";
        for (; cases[i].x[x.count] != NULL; x.count++)
            x.line[x.count] = cases[i].x[x.count];
        for (; cases[i].f[f.count] != NULL; f.count++)
            f.line[f.count] = cases[i].f[f.count];
        int code = address_find_client(&trusted, &peer, &x, &f, &client);
        if (code == 0)
            address_format(&client, text);
        const char *wanted = cases[i].client == NULL ? "" : cases[i].client;
        if (strcmp(text, wanted) != 0)
            fail_msg("case %zu: \"%s\" instead of \"%s\"", i, text, wanted);
    }
    struct forwarded_lines none = {.count = 0};
    struct forwarded_lines many = {.count = FORWARDED_LINES_MAX + 1};
    struct address peer = address_of(PROXY), client;
    assert_int_equal(address_find_client(&trusted, &peer, &many, &none, &client), -1);
    address_list_free(&trusted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(understands_ranges),
        cmocka_unit_test(knows_loopback_and_everybody),
        cmocka_unit_test(reads_the_socket_of_either_family),
        cmocka_unit_test(finds_the_client_behind_proxies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
