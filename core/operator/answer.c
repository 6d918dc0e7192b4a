/* answer.c: see answer.h. */
#include "operator/answer.h"

#include <stdio.h>

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

int answer_get(const struct config *config, const char *command, json_t *request, json_t **ok)
{
    const struct operator_watch watch = {.progress = watch_nothing};
    char error[OPERATOR_ERROR_SIZE] = "out of memory";
    int result = request == NULL ? -1 : operator_run(config, request, &watch, ok, error);
    if (result != 1)
        fprintf(stderr, "pbxhook %s: %s\n", command, error);
    json_decref(request);
    return result == 1 ? 0 : -1;
}
