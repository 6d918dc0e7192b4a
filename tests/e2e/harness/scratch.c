/* scratch.c: see scratch.h. */
#include "scratch.h"

#include "cmocka_all.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_DIRECTORIES 16
#define PRINTED_LINES    40

void scratch_make(const char *parent, char out[SCRATCH_PATH])
{
    if (parent == NULL)
        parent = getenv("TMPDIR");
    if (parent == NULL || parent[0] != '/')
        parent = "/tmp";
    snprintf(out, SCRATCH_PATH, "%s/pbxhook-e2e-XXXXXX", parent);
    if (mkdtemp(out) == NULL)
        fail_msg("can't make %s: %s", out, strerror(errno));
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    remove(path);
    return 0;
}

void scratch_remove(const char *directory)
{
    if (directory[0] == '\0')
        return;
    nftw(directory, remove_entry, OPEN_DIRECTORIES, FTW_DEPTH | FTW_PHYS);
}

void scratch_path(const char *directory, const char *name, char out[SCRATCH_PATH])
{
    int size = snprintf(out, SCRATCH_PATH, "%s/%s", directory, name);
    assert_in_range(size, 1, SCRATCH_PATH - 1);
}

void scratch_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
        fail_msg("can't write %s: %s", path, strerror(errno));
}

void scratch_write_secret(const char *path, const char *text)
{
    scratch_write(path, text);
    assert_int_equal(chmod(path, 0600), 0);
}

char *scratch_read(const char *path)
{
    FILE *file = fopen(path, "re");
    size_t capacity = 65536, size = 0, got = 0;
    char *text = malloc(capacity + 1);
    assert_non_null(text);
    while (file != NULL && (got = fread(text + size, 1, capacity - size, file)) > 0) {
        size += got;
        if (size == capacity) {
            capacity *= 2;
            char *longer = realloc(text, capacity + 1);
            assert_non_null(longer);
            text = longer;
        }
    }
    if (file != NULL)
        fclose(file);
    text[size] = '\0';
    return text;
}

void scratch_print_end(const char *path, const char *what)
{
    char *whole = scratch_read(path);
    const char *at = whole + strlen(whole);
    for (int lines = 0; at > whole && lines <= PRINTED_LINES; at--)
        lines += at[-1] == '\n';
    fprintf(stderr, "---- the end of %s (%s):\n%s----\n", what, path, at);
    free(whole);
}
