/*
 * address_list.h: addresses of clients, lists of address ranges, and which client stands behind trusted
 * proxies. IPv4 and IPv6 are one: 192.0.2.1 is ::ffff:192.0.2.1. Pure; any thread.
 */
#ifndef PBXHOOK_ADDRESS_LIST_H
#define PBXHOOK_ADDRESS_LIST_H

#include <stddef.h>
#include <sys/socket.h>

#define ADDRESS_BYTES     16
#define ADDRESS_TEXT_SIZE 46 /* INET6_ADDRSTRLEN */

struct address {
    unsigned char bytes[ADDRESS_BYTES];
};

struct address_range {
    struct address first;
    int prefix; /* bits of `first` that count: 0 to 128 */
};

/* Not terminated by anything: an empty list has count 0. */
struct address_list {
    struct address_range *range;
    size_t count;
};

/* "192.0.2.1", "2001:db8::1": 0, or -1. */
int address_parse(const char *text, size_t size, struct address *out);
/* "192.0.2.0/24", "2001:db8::/32", or one address alone: 0, or -1; also when bits are set behind the
 * prefix, for that is a slip of the pen. */
int address_range_parse(const char *text, struct address_range *out);

/* 0, or -1 when it is neither IPv4 nor IPv6. */
int address_from_socket(const struct sockaddr *socket_address, struct address *out);

/* "192.0.2.1". */
void address_format(const struct address *address, char out[ADDRESS_TEXT_SIZE]);

int address_equals(const struct address *one, const struct address *other);
int address_is_loopback(const struct address *address); /* 127.0.0.0/8, ::1 */

/* Reads texts, NULL at the end, or none at all (NULL). 0; -1 when out of memory or one is no range. */
int address_list_read(char *const *texts, struct address_list *out);
void address_list_free(struct address_list *list);

int address_list_has(const struct address_list *list, const struct address *address);
/* Whether it names everybody of IPv4 or of IPv6. */
int address_list_has_everybody(const struct address_list *list);

/* Lines of one header field, in the order of the request. */
#define FORWARDED_LINES_MAX 8
struct forwarded_lines {
    const char *line[FORWARDED_LINES_MAX]; /* borrowed                               */
    int count;                             /* may be more than there is room for     */
};

/*
 * Who sent the request that came from `peer`. When that is a trusted proxy, the field that it added to is
 * read from its end: the first address that is no trusted proxy is the client's. X-Forwarded-For and
 * Forwarded (RFC 7239) are understood; when both are there they must name the same client, since a proxy
 * that writes one of them passes on whatever a client put into the other. 0; or -1 when it can't be told,
 * and then nobody may be taken for the client.
 */
int address_find_client(const struct address_list *trusted, const struct address *peer,
                        const struct forwarded_lines *x_forwarded_for,
                        const struct forwarded_lines *forwarded, struct address *out);

#endif
