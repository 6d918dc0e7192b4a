/* protocol.c: see protocol.h. "Message Formats" in PostgreSQL's documentation names what is read here. */
#include "protocol.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SSL_REQUEST    80877103u
#define GSSENC_REQUEST 80877104u
#define CANCEL_REQUEST 80877102u

static uint32_t read_int(const char *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return ntohl(value);
}

static int is_commit_text(const char *sql)
{
    while (isspace((unsigned char)*sql))
        sql++;
    return strncasecmp(sql, "COMMIT", 6) == 0 && !isalnum((unsigned char)sql[6]) && sql[6] != '_';
}

static int find_name(const struct protocol *protocol, const char *name)
{
    for (int i = 0; i < protocol->commit_count; i++)
        if (strcmp(protocol->commit_name[i], name) == 0)
            return i;
    return -1;
}

/* A name may be prepared anew, as another statement. */
static void note_prepared(struct protocol *protocol, const char *name, const char *sql)
{
    int at = find_name(protocol, name);
    if (at >= 0 && !is_commit_text(sql)) {
        protocol->commit_count--;
        memmove(protocol->commit_name[at], protocol->commit_name[protocol->commit_count],
                PROTOCOL_NAME_SIZE);
    } else if (at < 0 && is_commit_text(sql) && protocol->commit_count < PROTOCOL_NAMES) {
        snprintf(protocol->commit_name[protocol->commit_count++], PROTOCOL_NAME_SIZE, "%s", name);
    }
}

static size_t read_startup(struct protocol *protocol, const char *bytes, size_t size)
{
    if (size < 8 || read_int(bytes) > size)
        return 0;
    uint32_t code = read_int(bytes + 4);
    if (code == SSL_REQUEST || code == GSSENC_REQUEST)
        protocol->single_answers++;
    else if (code != CANCEL_REQUEST)
        protocol->has_started = 1;
    return read_int(bytes);
}

/* A message with a type: its size, or 0; the texts in it end with their NUL. */
static size_t whole_size(const char *bytes, size_t size)
{
    if (size < 5)
        return 0;
    size_t whole = (size_t)read_int(bytes + 1) + 1;
    return whole <= size ? whole : 0;
}

size_t protocol_from_client(struct protocol *protocol, const char *bytes, size_t size,
                            int *is_commit)
{
    *is_commit = 0;
    if (!protocol->has_started)
        return read_startup(protocol, bytes, size);
    size_t whole = whole_size(bytes, size);
    if (whole <= 5)
        return whole;
    const char *first = bytes + 5;
    const char *second = memchr(first, '\0', whole - 5);
    second = second != NULL ? second + 1 : bytes + whole;
    int has_second = memchr(second, '\0', (size_t)(bytes + whole - second)) != NULL;
    if (bytes[0] == 'P' && has_second) /* Parse: the statement's name, its text */
        note_prepared(protocol, first, second);
    if (bytes[0] == 'B' && has_second) /* Bind: the portal's name, the statement's name */
        *is_commit = find_name(protocol, second) >= 0;
    if (bytes[0] == 'Q')
        *is_commit = is_commit_text(first);
    return whole;
}

size_t protocol_from_database(struct protocol *protocol, const char *bytes, size_t size,
                              int *is_commit)
{
    *is_commit = 0;
    if (protocol->single_answers > 0 && size > 0) {
        protocol->single_answers--;
        return 1;
    }
    size_t whole = whole_size(bytes, size);
    *is_commit = whole == 5 + sizeof "COMMIT" && bytes[0] == 'C' && /* CommandComplete */
                 memcmp(bytes + 5, "COMMIT", sizeof "COMMIT") == 0;
    return whole;
}
