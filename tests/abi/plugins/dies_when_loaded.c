/* dies_when_loaded.c: whoever loads it dies, as of half a copy of a file. */
#include "minimal.h"

#include <signal.h>

__attribute__((constructor)) static void die(void)
{
    signal(SIGBUS, SIG_DFL);
    raise(SIGBUS);
}

PBXHOOK_PLUGIN = {
    .name = "dies_when_loaded",
    .version = "1.0.0",
    .summary = "is not loaded to the end",
    .events = events,
    .handle = handle,
    PBXHOOK_PLUGIN_HEADER,
};
