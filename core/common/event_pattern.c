/* event_pattern.c: see event_pattern.h. */
#include "common/event_pattern.h"

#include <string.h>

int event_pattern_matches(const char *pattern, const char *type)
{
    size_t length = strlen(pattern);

    if (length == 0 || pattern[length - 1] != '*')
        return strcmp(pattern, type) == 0;
    /* "call.*" takes what goes on after the dot, not "call." itself. */
    return strncmp(pattern, type, length - 1) == 0 && type[length - 1] != '\0';
}
