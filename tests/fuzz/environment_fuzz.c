/*
 * environment_fuzz.c: the environment as configuration. The input is lines NAME=VALUE, the names without their
 * PBXHOOK_. What is taken is printed, and that file says the same without the environment.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config.h"
#include "common/log.h"
#include "fuzz.h"

#define VARIABLES_MAX 32

static char *variables[VARIABLES_MAX + 1];

static void take_variables(char *text)
{
    int count = 0;

    for (char *line = strtok_r(text, "\n", &text); line != NULL && count < VARIABLES_MAX;
         line = strtok_r(NULL, "\n", &text)) {
        char *variable = NULL;
        fuzz_require(asprintf(&variable, "PBXHOOK_%s", line) >= 0);
        if (strncmp(line, "CONFIG=", 7) == 0)
            free(variable); /* names the file, which is empty here */
        else
            variables[count++] = variable;
    }
    variables[count] = NULL;
}

static void release_variables(void)
{
    for (int i = 0; variables[i] != NULL; i++)
        free(variables[i]);
    variables[0] = NULL;
}

static struct config *load(const void *bytes, size_t size, int environment, char **told)
{
    char path[FUZZ_PATH_SIZE];
    size_t told_size = 0;
    struct config *config = NULL;
    int fd = fuzz_make_file(bytes, size, path);
    FILE *errors = open_memstream(told, &told_size);

    fuzz_require(errors != NULL);
    int code = config_load(path, environment, errors, &config);
    fclose(errors);
    close(fd);
    fuzz_require((code == 0) == (told_size == 0));
    if (code < 0)
        fuzz_require((*told)[told_size - 1] == '\n');
    return config;
}

static char *print(const struct config *config)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    fuzz_require(out != NULL && config_print(config, out, 0) == 0);
    fclose(out);
    return text;
}

static void check_printed(const struct config *config)
{
    char *told = NULL;
    char *text = print(config);
    struct config *again = load(text, strlen(text), 0, &told);

    fuzz_require(again != NULL);
    char *second = print(again);
    fuzz_require(strcmp(text, second) == 0);
    free(second);
    config_free(again);
    free(told);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {.next = data, .left = size};
    char *text = fuzz_take_text(&input);
    char **kept = environ;
    char *told = NULL;

    log_open("receiver", LOG_LEVEL_ERROR); /* unknown variables are warned of */
    take_variables(text);
    environ = variables;
    struct config *config = load("", 0, 1, &told);
    environ = kept;
    if (config != NULL)
        check_printed(config);
    config_free(config);
    release_variables();
    free(told);
    free(text);
    return 0;
}
