/* door.c: see door.h. */
#include "receiver/door.h"

#include <stdio.h>
#include <stdlib.h>

int door_open(const struct config *config, const char *listen, struct door **out, char *error,
              size_t error_size)
{
    struct door *door = calloc(1, sizeof *door);

    if (door == NULL) {
        snprintf(error, error_size, "out of memory");
        return -1;
    }
    door->config = config;
    error[0] = '\0';
    int has_access = access_open(config, listen, &door->access, error, error_size) == 0;
    int has_tls = tls_open(config, &door->tls, error, error_size) == 0; /* all is told at once */
    if (!has_access || !has_tls) {
        door_free(door);
        return -1;
    }
    *out = door;
    return 0;
}

void door_free(struct door *door)
{
    while (door != NULL) {
        struct door *before = door->before;
        access_free(door->access);
        tls_free(door->tls);
        free(door);
        door = before;
    }
}
