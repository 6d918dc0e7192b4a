/*
 * config_fuzz.c: a configuration file. What is taken is printed as it is in force, and that is taken again and
 * prints the same; what is refused has been told, line by line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config.h"
#include "fuzz.h"

/* NULL when it was refused; *told becomes what was told: new. */
static struct config *load(const void *bytes, size_t size, char **told)
{
    char path[FUZZ_PATH_SIZE];
    size_t told_size = 0;
    struct config *config = NULL;
    int fd = fuzz_make_file(bytes, size, path);
    FILE *errors = open_memstream(told, &told_size);

    fuzz_require(errors != NULL);
    int code = config_load(path, 0, errors, &config);
    fclose(errors);
    fuzz_require(strlen(*told) == told_size);
    fuzz_require((code == 0) == (told_size == 0) && (code == 0) == (config != NULL));
    if (code < 0)
        fuzz_require(strncmp(*told, path, strlen(path)) == 0);
    close(fd);
    return config;
}

static char *print(const struct config *config, int comments)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    fuzz_require(out != NULL && config_print(config, out, comments) == 0);
    fclose(out);
    fuzz_require(strlen(text) == size);
    return text;
}

static void check_lines(char *told)
{
    size_t size = strlen(told);

    fuzz_require(size > 0 && told[size - 1] == '\n');
    for (char *end; (end = strchr(told, '\n')) != NULL; told = end + 1) {
        fuzz_require(end > told);
        for (const char *at = told; at < end; at++)
            fuzz_require((unsigned char)*at >= ' ' && *at != 0x7f);
    }
}

static void check_again(const struct config *config)
{
    char *told = NULL;
    char *text = print(config, 0);
    struct config *again = load(text, strlen(text), &told);

    fuzz_require(again != NULL);
    char *second = print(again, 0);
    fuzz_require(strcmp(text, second) == 0);
    free(second);
    free(told);
    free(text);
    char error[512];
    fuzz_require(config_can_follow(config, again, error, sizeof error) == 0);
    config_free(again);
}

/* As people are shown it; but for passwords, which are masked, it is the same. */
static void check_shown(const struct config *config)
{
    char *told = NULL;
    char *text = print(config, 1);

    config_free(load(text, strlen(text), &told));
    free(told);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *told = NULL;
    struct config *config = load(data, size, &told);

    if (config != NULL) {
        check_again(config);
        check_shown(config);
    } else {
        check_lines(told);
    }
    config_free(config);
    free(told);
    return 0;
}
