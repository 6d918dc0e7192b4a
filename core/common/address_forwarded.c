/*
 * address_forwarded.c: what proxies say about the client: X-Forwarded-For and Forwarded, both read from
 * their end, where the nearest proxy wrote. Pure. Whatever can't be understood ends the search: behind
 * it nothing can be believed.
 */
#include <string.h>
#include <strings.h>

#include "common/address_list.h"

static const char blanks[] = " \t";

struct span {
    const char *start;
    size_t size;
};

static struct span trim(const char *start, size_t size)
{
    while (size > 0 && strchr(blanks, start[0]) != NULL) {
        start++;
        size--;
    }
    while (size > 0 && strchr(blanks, start[size - 1]) != NULL)
        size--;
    return (struct span){.start = start, .size = size};
}

/* "192.0.2.1", "192.0.2.1:4711", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:4711": 0, or -1 (also for
 * "unknown" and names that hide an address). */
static int read_node(struct span node, struct address *out)
{
    if (node.size > 0 && node.start[0] == '[') {
        const char *end = memchr(node.start, ']', node.size);
        if (end == NULL)
            return -1;
        return address_parse(node.start + 1, (size_t)(end - node.start - 1), out);
    }
    const char *colon = memchr(node.start, ':', node.size);
    size_t before = colon == NULL ? node.size : (size_t)(colon - node.start);
    int has_port = colon != NULL && memchr(colon + 1, ':', node.size - before - 1) == NULL;
    return address_parse(node.start, has_port ? before : node.size, out);
}

/* One element of X-Forwarded-For. */
static int read_x_forwarded_for(struct span element, struct address *out)
{
    return read_node(element, out);
}

/* One element of Forwarded: `for=192.0.2.1;proto=https`, `for="[2001:db8::1]:4711"`. Exactly one for=. */
static int read_forwarded(struct span element, struct address *out)
{
    const char *at = element.start;
    const char *end = element.start + element.size;
    int found = 0;

    while (at < end) {
        const char *semicolon = memchr(at, ';', (size_t)(end - at));
        const char *stop = semicolon == NULL ? end : semicolon;
        struct span pair = trim(at, (size_t)(stop - at));
        if (pair.size > 4 && strncasecmp(pair.start, "for=", 4) == 0) {
            struct span node = {.start = pair.start + 4, .size = pair.size - 4};
            if (node.size >= 2 && node.start[0] == '"' && node.start[node.size - 1] == '"') {
                node.start++;
                node.size -= 2;
            }
            if (found++ > 0 || read_node(node, out) < 0)
                return -1;
        }
        at = stop + 1;
    }
    return found == 1 ? 0 : -1;
}

/* Goes from the peer outwards until somebody is no trusted proxy. 0, or -1. A comma in a quoted text
 * makes an element that can't be read, so it can only hide an address, never invent one. */
static int walk(const struct address_list *trusted, const struct address *peer,
                const struct forwarded_lines *lines,
                int (*read_element)(struct span element, struct address *out), struct address *out)
{
    struct address at = *peer;

    if (lines->count > FORWARDED_LINES_MAX)
        return -1;
    for (int i = lines->count - 1; i >= 0; i--) {
        const char *line = lines->line[i];
        size_t size = strlen(line);
        for (;;) {
            const char *comma = memrchr(line, ',', size);
            const char *start = comma == NULL ? line : comma + 1;
            struct span element = trim(start, size - (size_t)(start - line));
            if (!address_list_has(trusted, &at))
                goto found;
            if (read_element(element, &at) < 0)
                return -1;
            if (comma == NULL)
                break;
            size = (size_t)(comma - line);
        }
    }
found:
    *out = at;
    return 0;
}

int address_find_client(const struct address_list *trusted, const struct address *peer,
                        const struct forwarded_lines *x_forwarded_for,
                        const struct forwarded_lines *forwarded, struct address *out)
{
    struct address client = *peer, other = *peer;

    if (!address_list_has(trusted, peer)) {
        *out = *peer;
        return 0;
    }
    if (x_forwarded_for->count > 0 &&
        walk(trusted, peer, x_forwarded_for, read_x_forwarded_for, &client) < 0)
        return -1;
    if (forwarded->count > 0 && walk(trusted, peer, forwarded, read_forwarded, &other) < 0)
        return -1;
    if (forwarded->count > 0 && x_forwarded_for->count > 0 && !address_equals(&client, &other))
        return -1;
    *out = x_forwarded_for->count > 0 ? client : other;
    return 0;
}
