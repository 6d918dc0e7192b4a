/* answer.c: see answer.h. */
#include "operator/answer.h"

#include <stdio.h>
#include <stdlib.h>

#include "operator/operation.h"

const char *answer_text(const json_t *object, const char *member)
{
    const char *value = json_string_value(json_object_get(object, member));
    return value != NULL ? value : "";
}

int64_t answer_number(const json_t *object, const char *member)
{
    return json_integer_value(json_object_get(object, member));
}

static void watch_nothing(void *arg, const json_t *progress)
{
    (void)arg;
    (void)progress;
}

int answer_check(const char *command, const json_t *request)
{
    char error[OPERATION_ERROR_SIZE] = "";
    struct operation *operation = NULL;
    if (operation_begin(request, &operation, error) == 0) {
        operation_free(operation);
        return 0;
    }
    fprintf(stderr, "pbxhook %s: %s\n", command, error);
    return OPERATOR_USAGE;
}

static int get(const struct config *config, const char *command, const json_t *request, json_t **ok)
{
    const struct operator_watch watch = {.progress = watch_nothing};
    char error[OPERATOR_ERROR_SIZE];
    if (operator_run(config, request, &watch, ok, error) == 1)
        return 0;
    fprintf(stderr, "pbxhook %s: %s\n", command, error);
    return EXIT_FAILURE;
}

int answer_get(const struct config *config, const char *command, json_t *request, json_t **ok)
{
    if (request == NULL) {
        fprintf(stderr, "pbxhook %s: what it was given is not UTF-8, or out of memory\n", command);
        return EXIT_FAILURE;
    }
    int status = answer_check(command, request);
    if (status == 0)
        status = get(config, command, request, ok);
    json_decref(request);
    return status;
}
