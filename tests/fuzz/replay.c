/*
 * replay.c: gives a fuzz target each file of a directory, in builds without libFuzzer: what was found once
 * stays mended, with every compiler and sanitizer. Fails when the directory has no file.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz.h"

/* In memory of its own, of exactly its size. 0, or -1. */
static int replay(const char *path)
{
    struct stat info;
    FILE *file = fopen(path, "re");
    uint8_t *bytes = NULL;
    int code = -1;

    if (file == NULL || fstat(fileno(file), &info) < 0)
        goto done;
    size_t size = (size_t)info.st_size;
    bytes = malloc(size > 0 ? size : 1);
    if (bytes == NULL || fread(bytes, 1, size, file) != size)
        goto done;
    fprintf(stderr, "%s\n", path); /* the last one before a crash is its cause */
    LLVMFuzzerTestOneInput(bytes, size);
    code = 0;
done:
    if (code < 0)
        fprintf(stderr, "%s: can't be read\n", path);
    free(bytes);
    if (file != NULL)
        fclose(file);
    return code;
}

static int is_input(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    struct dirent **entries = NULL;
    int failed = 0;

    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS_DIRECTORY\n", argv[0]);
        return 2;
    }
    int count = scandir(argv[1], &entries, is_input, alphasort);
    for (int i = 0; i < count; i++) {
        char *path = NULL;
        failed |= asprintf(&path, "%s/%s", argv[1], entries[i]->d_name) < 0 || replay(path) < 0;
        free(path);
        free(entries[i]);
    }
    free(entries);
    if (count <= 0)
        fprintf(stderr, "%s: found no input\n", argv[1]);
    return failed || count <= 0;
}
