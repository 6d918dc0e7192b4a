/* command_reload.c: `pbxhook reload`: asks the running server for it, waits, and says how it went. */
#include "operator/operator.h"

#include <stdio.h>
#include <stdlib.h>

static void watch_nothing(void *arg, const json_t *progress)
{
    (void)arg;
    (void)progress;
}

int operator_reload(const struct config *config)
{
    const struct operator_watch watch = {.progress = watch_nothing};
    char error[OPERATOR_ERROR_SIZE] = "out of memory";
    json_t *ok = NULL;
    json_t *request = json_pack("{s:s}", "command", "reload");
    int result =
        request == NULL ? -1 : operator_ask(config->state_dir, request, &watch, &ok, error);
    if (result == 1)
        puts("Reloaded: the new configuration and plugins are in force.");
    else if (result == 0)
        fprintf(stderr, "pbxhook reload: no server is running on %s\n", config->state_dir);
    else
        fprintf(stderr, "pbxhook reload: refused, the former configuration is in force: %s\n",
                error);
    json_decref(ok);
    json_decref(request);
    return result == 1 ? EXIT_SUCCESS : result == 0 ? OPERATOR_NOT_RUNNING : EXIT_FAILURE;
}
