/*
 * new.c: see its header. The template's files are texts with @NAME@ and @EVENT@ in them; embed_files()
 * made `new_template` of them.
 */
#include "sdk/new.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* File name and text by turns, NULL at the end. */
extern const char *const new_template[];

#define EXIT_USAGE 2
#define MAX_NAME   40 /* leaves room for what the template makes of it */

/* ---- What is asked for ----------------------------------------------------------------------- */

static int is_name(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");

    return name[0] >= 'a' && name[0] <= 'z' && name[length] == '\0' && length <= MAX_NAME;
}

/* Narrower than what a plugin may take: it goes into C and JSON as it is, and into a sample event. */
static int is_event_type(const char *type)
{
    size_t length = strspn(type, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "0123456789._-");

    return length > 0 && type[length] == '\0' && length <= 100;
}

static int check(const struct new_arguments *arguments)
{
    if (!is_name(arguments->name)) {
        fprintf(stderr,
                "pbxhook: found the name \"%s\", wanted [a-z][a-z0-9_]*, at most %d characters\n",
                arguments->name, MAX_NAME);
        return -1;
    }
    if (!is_event_type(arguments->event)) {
        fprintf(stderr,
                "pbxhook: found the event \"%s\", wanted a type as in call.finished: letters, "
                "digits, \".\", \"_\" and \"-\"\n",
                arguments->event);
        return -1;
    }
    return 0;
}

/* ---- Writing --------------------------------------------------------------------------------- */

static const char *value_of(const struct new_arguments *arguments, const char *at, size_t *length)
{
    static const char name[] = "@NAME@", event[] = "@EVENT@";

    if (strncmp(at, name, sizeof name - 1) == 0) {
        *length = sizeof name - 1;
        return arguments->name;
    }
    if (strncmp(at, event, sizeof event - 1) == 0) {
        *length = sizeof event - 1;
        return arguments->event;
    }
    return NULL;
}

static void write_text(FILE *out, const struct new_arguments *arguments, const char *text)
{
    while (*text != '\0') {
        size_t length = 1;
        const char *value = *text == '@' ? value_of(arguments, text, &length) : NULL;

        if (value != NULL)
            fputs(value, out);
        else
            fputc(*text, out);
        text += length;
    }
}

/* Never over one that is there. */
static int write_file(const struct new_arguments *arguments, const char *directory,
                      const char *name, const char *text)
{
    char *path = NULL;
    FILE *out = NULL;
    int result = -1;

    /* The C file is named after the plugin. */
    if (strcmp(name, "plugin.c") == 0 ? asprintf(&path, "%s/%s.c", directory, arguments->name) < 0
                                      : asprintf(&path, "%s/%s", directory, name) < 0) {
        fputs("pbxhook: out of memory\n", stderr);
        return -1;
    }
    out = fopen(path, "wxe");
    if (out != NULL) {
        write_text(out, arguments, text);
        result = ferror(out) ? -1 : 0;
        if (fclose(out) != 0)
            result = -1;
    }
    if (result != 0)
        fprintf(stderr, "pbxhook: %s: %s\n", path, strerror(errno));
    else
        printf("%s\n", path);
    free(path);
    return result;
}

int new_run(const struct new_arguments *arguments)
{
    const char *directory = arguments->directory != NULL ? arguments->directory : arguments->name;

    if (check(arguments) != 0)
        return EXIT_USAGE;
    if (mkdir(directory, 0777) < 0 && errno != EEXIST) {
        fprintf(stderr, "pbxhook: %s: %s\n", directory, strerror(errno));
        return EXIT_FAILURE;
    }
    for (const char *const *file = new_template; *file != NULL; file += 2) {
        if (write_file(arguments, directory, file[0], file[1]) != 0)
            return EXIT_FAILURE;
    }
    printf("\nBuild and try it:\n  cd %s\n  cmake -S . -B build && cmake --build build\n"
           "  ctest --test-dir build --output-on-failure\n",
           directory);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
