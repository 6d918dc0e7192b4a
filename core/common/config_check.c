/*
 * config_check.c: whether a text is an address, a URL, an origin, ... The table of keys names these
 * functions. Pure: nothing is resolved, opened or connected to.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "common/address_list.h"
#include "common/config_internal.h"
#include "common/utf8.h"

#define PORT_MAX 65535

static int is_port(const char *text, long min)
{
    size_t digits = strspn(text, "0123456789");

    if (digits == 0 || digits > 5 || text[digits] != '\0')
        return 0;
    long port = strtol(text, NULL, 10);
    return port >= min && port <= PORT_MAX;
}

static int is_ipv6(const char *start, size_t size)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr unused;
    const char *zone = memchr(start, '%', size);

    if (zone != NULL)
        size = (size_t)(zone - start);
    if (size >= sizeof address)
        return 0;
    memcpy(address, start, size);
    address[size] = '\0';
    return inet_pton(AF_INET6, address, &unused) == 1;
}

/* A name, or an IPv4 address: what is all digits and dots must be one. */
static int is_name_or_ipv4(const char *start, size_t size)
{
    char host[256];
    struct in_addr unused;

    if (size == 0 || size >= sizeof host)
        return 0;
    memcpy(host, start, size);
    host[size] = '\0';
    if (strspn(host, "0123456789.") == size)
        return inet_pton(AF_INET, host, &unused) == 1;
    for (const char *c = host; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c) && strchr("-._", *c) == NULL)
            return 0;
    }
    return 1;
}

/* What follows the host that text begins with; NULL when it begins with none. */
static const char *behind_host(const char *text)
{
    if (*text == '[') {
        const char *end = strchr(text, ']');
        return end != NULL && is_ipv6(text + 1, (size_t)(end - text - 1)) ? end + 1 : NULL;
    }
    size_t size = strcspn(text, ":/?#");
    return is_name_or_ipv4(text, size) ? text + size : NULL;
}

int config_check_address(const char *text)
{
    const char *rest = behind_host(text);
    return rest != NULL && *rest == ':' && is_port(rest + 1, 0);
}

static int has_part(CURLU *url, CURLUPart which)
{
    char *part = NULL;
    int has = curl_url_get(url, which, &part, 0) == CURLUE_OK;
    curl_free(part);
    return has;
}

int config_check_url(const char *text)
{
    size_t prefix = strncasecmp(text, "http://", 7) == 0 ? 7 : 8;

    /* libcurl mends "http:host" and "http:///host"; what is written here must mean one thing. */
    if (prefix == 8 && strncasecmp(text, "https://", 8) != 0)
        return 0;
    if (text[prefix] == '/')
        return 0;
    /* The client sends with libcurl, so libcurl says what it understands. */
    CURLU *url = curl_url();
    int good = url != NULL && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
               has_part(url, CURLUPART_HOST) && !has_part(url, CURLUPART_USER) &&
               !has_part(url, CURLUPART_PASSWORD);
    curl_url_cleanup(url);
    return good;
}

int config_check_target(const char *text)
{
    return config_check_url(text) && strpbrk(text, "?#") == NULL;
}

static int is_default_port(const char *origin, const char *port)
{
    return (strncmp(origin, "http://", 7) == 0 && strtol(port, NULL, 10) == 80) ||
           (strncmp(origin, "https://", 8) == 0 && strtol(port, NULL, 10) == 443);
}

/* No page is fetched by these: to an Origin header they never come. An application's own scheme does. */
static int is_scheme_of_pages(const char *origin)
{
    static const char *const others[] = {"ftp://", "ws://", "wss://"};

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strncmp(origin, others[i], strlen(others[i])) == 0)
            return 0;
    }
    return 1;
}

/* It is compared with the Origin header byte by byte, so it has to be written as browsers do. */
int config_check_origin(const char *text)
{
    if (strcmp(text, "*") == 0)
        return 1;
    for (const char *c = text; *c != '\0'; c++) {
        if (isupper((unsigned char)*c))
            return 0;
    }
    size_t scheme = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789+-.");
    if (!islower((unsigned char)text[0]) || strncmp(text + scheme, "://", 3) != 0 ||
        !is_scheme_of_pages(text))
        return 0;
    const char *rest = behind_host(text + scheme + 3);
    if (rest == NULL || *rest == '\0')
        return rest != NULL;
    return *rest == ':' && is_port(rest + 1, 1) && !is_default_port(text, rest + 1);
}

int config_check_range(const char *text)
{
    struct address_range unused;
    return address_range_parse(text, &unused) == 0;
}

int config_check_token(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c) && strchr("._:-", *c) == NULL)
            return 0;
    }
    return *text != '\0';
}

int config_check_user(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == ':' || iscntrl((unsigned char)*c))
            return 0;
    }
    return config_check_utf8(text);
}

int config_check_name(const char *text)
{
    size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return islower((unsigned char)text[0]) && text[size] == '\0';
}

int config_check_utf8(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;

    while (*c != '\0') {
        size_t size = utf8_size(c);
        if (size == 0)
            return 0;
        c += size;
    }
    return 1;
}
