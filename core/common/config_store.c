/*
 * config_store.c: store.url: SQLite's path, or a URL of PostgreSQL's, which libpq itself reads, so that
 * all of its options are known; and the same URL for people, without its password. Pure.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "common/config_internal.h"

#define SQLITE_SCHEME "sqlite:"
#define MASK          "***"

int config_store_is_sqlite(const char *url)
{
    return strncmp(url, SQLITE_SCHEME, strlen(SQLITE_SCHEME)) == 0;
}

/* The length of "postgresql://" or "postgres://", or 0. */
static size_t postgres_scheme(const char *text)
{
    static const char *const schemes[] = {"postgresql://", "postgres://"};

    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (strncmp(text, schemes[i], strlen(schemes[i])) == 0)
            return strlen(schemes[i]);
    }
    return 0;
}

/* 1 when libpq understands it, else 0 and libpq's reason in `why`. */
static int is_understood(const char *url, char *why, size_t size)
{
    char *message = NULL;
    PQconninfoOption *options = PQconninfoParse(url, &message);
    int good = options != NULL;

    if (!good)
        snprintf(why, size, "%.*s", message == NULL ? 0 : (int)strcspn(message, "\n"), message);
    PQfreemem(message);
    PQconninfoFree(options);
    return good;
}

int config_store_read(const char *text, const char *base, char **out)
{
    const char *path = text + strlen(SQLITE_SCHEME);
    char why[256];
    char *absolute;
    int made;

    if (postgres_scheme(text) > 0) {
        if (!is_understood(text, why, sizeof why))
            return CONFIG_E_VALUE;
        *out = strdup(text);
        return *out == NULL ? CONFIG_E_MEMORY : 0;
    }
    if (!config_store_is_sqlite(text) || path[0] == '\0')
        return CONFIG_E_VALUE;
    absolute = config_path_absolute(base, path);
    made = absolute == NULL ? -1 : asprintf(out, SQLITE_SCHEME "%s", absolute);
    free(absolute);
    return made < 0 ? CONFIG_E_MEMORY : 0;
}

void config_store_wanted(const char *text, char *out, size_t size)
{
    char why[256] = "";
    char *masked = config_store_mask(text);

    /* libpq's reason may quote the URL: with a password in it, it is not for a log. */
    if (postgres_scheme(text) > 0 && masked != NULL && strcmp(masked, text) == 0 &&
        !is_understood(text, why, sizeof why))
        snprintf(out, size, "a URL that libpq understands: %s", why);
    else if (postgres_scheme(text) > 0)
        snprintf(out, size, "a URL that libpq understands");
    else
        snprintf(out, size, "sqlite:PATH or postgresql://...");
    free(masked);
}

/* ---- Without passwords --------------------------------------------------------------------------- */

/* The end of "user:password@" in what follows the scheme: its last @ before the path, or NULL. */
static const char *end_of_user(const char *rest)
{
    const char *at = NULL;

    for (const char *c = rest; *c != '\0' && *c != '/' && *c != '?'; c++) {
        if (*c == '@')
            at = c;
    }
    return at;
}

/* password=, sslpassword= and whatever else ends so. */
static int is_secret(const char *option, size_t name_size)
{
    static const char word[] = "password";
    size_t size = sizeof word - 1;

    return name_size >= size && strncasecmp(option + name_size - size, word, size) == 0;
}

static void print_options(const char *options, FILE *out)
{
    while (*options != '\0') {
        size_t size = strcspn(options, "&");
        size_t name = strcspn(options, "=&");
        if (name < size && is_secret(options, name))
            fprintf(out, "%.*s=" MASK, (int)name, options);
        else
            fprintf(out, "%.*s", (int)size, options);
        options += size;
        if (*options == '&')
            fputc(*options++, out);
    }
}

char *config_store_mask(const char *url)
{
    size_t scheme = postgres_scheme(url);
    char *text = NULL;
    size_t text_size = 0;
    FILE *out;

    if (scheme == 0)
        return strdup(url);
    out = open_memstream(&text, &text_size);
    if (out == NULL)
        return NULL;
    const char *rest = url + scheme;
    const char *at = end_of_user(rest);
    const char *colon = at == NULL ? NULL : memchr(rest, ':', (size_t)(at - rest));
    fprintf(out, "%.*s", (int)scheme, url);
    if (colon != NULL) {
        fprintf(out, "%.*s:" MASK, (int)(colon - rest), rest);
        rest = at;
    }
    size_t place = strcspn(rest, "?");
    fprintf(out, "%.*s", (int)place, rest);
    if (rest[place] == '?') {
        fputc('?', out);
        print_options(rest + place + 1, out);
    }
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
