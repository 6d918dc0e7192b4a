/* exits_when_loaded.c: whoever loads it ends, and with a status that says that all is well. */
#include "minimal.h"

#include <unistd.h>

__attribute__((constructor)) static void leave(void)
{
    _exit(0);
}

PBXHOOK_PLUGIN = {
    .name = "exits_when_loaded",
    .version = "1.0.0",
    .summary = "is not loaded to the end",
    .events = events,
    .handle = handle,
    PBXHOOK_PLUGIN_HEADER,
};
