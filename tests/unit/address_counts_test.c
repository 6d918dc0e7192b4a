/* address_counts_test.c: each address by itself, networks of IPv6 as one, and nothing left in the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "receiver/address_counts.h"

static struct address address_of(const char *text)
{
    struct address address;
    assert_int_equal(address_parse(text, strlen(text), &address), 0);
    return address;
}

static void check(const struct address_counts *counts, const char *text, int count)
{
    struct address address = address_of(text);
    assert_int_equal(address_counts_get(counts, &address), count);
}

static void add(struct address_counts *counts, const char *text)
{
    struct address address = address_of(text);
    assert_int_equal(address_counts_add(counts, &address), 0);
}

static void take(struct address_counts *counts, const char *text)
{
    struct address address = address_of(text);
    address_counts_remove(counts, &address);
}

static int is_empty(const struct address_counts *counts)
{
    for (int i = 0; i < ADDRESS_COUNTS_BUCKETS; i++) {
        if (counts->bucket[i] != NULL)
            return 0;
    }
    return 1;
}

static void counts_addresses_and_networks(void **state)
{
    static struct address_counts counts;
    (void)state;
    check(&counts, "192.0.2.1", 0);
    add(&counts, "192.0.2.1");
    add(&counts, "192.0.2.1");
    add(&counts, "::ffff:192.0.2.1");
    add(&counts, "192.0.2.2");
    check(&counts, "192.0.2.1", 3);
    check(&counts, "192.0.2.2", 1);
    add(&counts, "2001:db8:0:1::1");
    add(&counts, "2001:db8:0:1:ffff::2");
    check(&counts, "2001:db8:0:1::3", 2);
    check(&counts, "2001:db8:0:2::1", 0);
    take(&counts, "192.0.2.9"); /* was never there */
    take(&counts, "2001:db8:0:1::9");
    check(&counts, "2001:db8:0:1::1", 1);
    take(&counts, "2001:db8:0:1::1");
    take(&counts, "192.0.2.2");
    for (int i = 3; i > 0; i--) {
        check(&counts, "192.0.2.1", i);
        take(&counts, "192.0.2.1");
    }
    assert_true(is_empty(&counts));
}

/* More addresses than buckets: chains are gone through and taken apart in any order. */
static void keeps_chains_apart(void **state)
{
    static struct address_counts counts;
    struct address address = address_of("10.0.0.0");
    (void)state;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 5000; i++) {
            address.bytes[14] = (unsigned char)(i >> 8);
            address.bytes[15] = (unsigned char)i;
            assert_int_equal(address_counts_get(&counts, &address), round == 0 ? 0 : 1);
            if (round == 0)
                assert_int_equal(address_counts_add(&counts, &address), 0);
            else
                address_counts_remove(&counts, &address);
        }
    }
    assert_true(is_empty(&counts));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_addresses_and_networks),
        cmocka_unit_test(keeps_chains_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
