/* address_list.c: addresses and ranges; the fields that proxies write are in address_forwarded.c. */
#include "common/address_list.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define MAPPED_BITS 96 /* before the 32 of an IPv4 address */

static const unsigned char mapped_prefix[MAPPED_BITS / 8] = {[10] = 0xff, [11] = 0xff};

static void set_ipv4(const void *bytes, struct address *out)
{
    memcpy(out->bytes, mapped_prefix, sizeof mapped_prefix);
    memcpy(out->bytes + sizeof mapped_prefix, bytes, 4);
}

static int is_ipv4(const struct address *address)
{
    return memcmp(address->bytes, mapped_prefix, sizeof mapped_prefix) == 0;
}

int address_parse(const char *text, size_t size, struct address *out)
{
    char copy[ADDRESS_TEXT_SIZE];
    unsigned char bytes[ADDRESS_BYTES];

    if (size >= sizeof copy || memchr(text, '\0', size) != NULL)
        return -1;
    memcpy(copy, text, size);
    copy[size] = '\0';
    if (inet_pton(AF_INET, copy, bytes) == 1)
        set_ipv4(bytes, out);
    else if (inet_pton(AF_INET6, copy, bytes) == 1)
        memcpy(out->bytes, bytes, ADDRESS_BYTES);
    else
        return -1;
    return 0;
}

/* How many of the leading bits are the same. */
static int common_bits(const struct address *one, const struct address *other)
{
    for (int i = 0; i < ADDRESS_BYTES; i++) {
        unsigned different = (unsigned)(one->bytes[i] ^ other->bytes[i]);
        if (different != 0)
            return i * 8 + __builtin_clz(different) - 24;
    }
    return ADDRESS_BYTES * 8;
}

static int has_bits_behind(const struct address_range *range)
{
    for (int bit = range->prefix; bit < ADDRESS_BYTES * 8; bit++) {
        if ((range->first.bytes[bit / 8] & (0x80 >> bit % 8)) != 0)
            return 1;
    }
    return 0;
}

int address_range_parse(const char *text, struct address_range *out)
{
    size_t size = strcspn(text, "/");
    int is_dotted = memchr(text, ':', size) == NULL;
    int limit = is_dotted ? 32 : 128;
    struct address_range range = {.prefix = limit};

    if (address_parse(text, size, &range.first) < 0)
        return -1;
    if (text[size] == '/') {
        const char *number = text + size + 1;
        size_t digits = strspn(number, "0123456789");
        if (digits == 0 || digits > 3 || number[digits] != '\0')
            return -1;
        range.prefix = (int)strtol(number, NULL, 10);
    }
    if (range.prefix > limit)
        return -1;
    if (is_dotted)
        range.prefix += MAPPED_BITS;
    if (has_bits_behind(&range))
        return -1;
    *out = range;
    return 0;
}

int address_from_socket(const struct sockaddr *socket_address, struct address *out)
{
    if (socket_address == NULL)
        return -1;
    if (socket_address->sa_family == AF_INET) {
        struct sockaddr_in ipv4;
        memcpy(&ipv4, socket_address, sizeof ipv4);
        set_ipv4(&ipv4.sin_addr, out);
        return 0;
    }
    if (socket_address->sa_family == AF_INET6) {
        struct sockaddr_in6 ipv6;
        memcpy(&ipv6, socket_address, sizeof ipv6);
        memcpy(out->bytes, &ipv6.sin6_addr, ADDRESS_BYTES);
        return 0;
    }
    return -1;
}

void address_format(const struct address *address, char out[ADDRESS_TEXT_SIZE])
{
    const char *text =
        is_ipv4(address)
            ? inet_ntop(AF_INET, address->bytes + sizeof mapped_prefix, out, ADDRESS_TEXT_SIZE)
            : inet_ntop(AF_INET6, address->bytes, out, ADDRESS_TEXT_SIZE);
    if (text == NULL)
        out[0] = '\0';
}

int address_equals(const struct address *one, const struct address *other)
{
    return memcmp(one->bytes, other->bytes, ADDRESS_BYTES) == 0;
}

int address_is_loopback(const struct address *address)
{
    static const struct address ipv6_loopback = {.bytes = {[ADDRESS_BYTES - 1] = 1}};

    if (is_ipv4(address))
        return address->bytes[sizeof mapped_prefix] == 127;
    return address_equals(address, &ipv6_loopback);
}

int address_list_read(char *const *texts, struct address_list *out)
{
    struct address_list list = {.count = 0};

    while (texts != NULL && texts[list.count] != NULL)
        list.count++;
    if (list.count > 0) {
        list.range = calloc(list.count, sizeof *list.range);
        if (list.range == NULL)
            return -1;
    }
    for (size_t i = 0; i < list.count; i++) {
        if (address_range_parse(texts[i], &list.range[i]) < 0) {
            address_list_free(&list);
            return -1;
        }
    }
    *out = list;
    return 0;
}

void address_list_free(struct address_list *list)
{
    free(list->range);
    *list = (struct address_list){.range = NULL};
}

int address_list_has(const struct address_list *list, const struct address *address)
{
    for (size_t i = 0; i < list->count; i++) {
        if (common_bits(&list->range[i].first, address) >= list->range[i].prefix)
            return 1;
    }
    return 0;
}

int address_list_has_everybody(const struct address_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct address_range *range = &list->range[i];
        if (range->prefix == 0 || (range->prefix == MAPPED_BITS && is_ipv4(&range->first)))
            return 1;
    }
    return 0;
}
