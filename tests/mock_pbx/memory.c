/*
 * memory.c: see memory.h. The one place where mock-pbx gives up for want of memory.
 */
#include "memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_EXIT_CODE 3

void *memory_check(void *pointer)
{
    if (pointer == NULL) {
        fputs("mock-pbx: out of memory\n", stderr);
        exit(MEMORY_EXIT_CODE);
    }
    return pointer;
}

void *memory_get(size_t count, size_t size)
{
    return memory_check(calloc(count > 0 ? count : 1, size));
}

void *memory_resize(void *old, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size)
        return memory_check(NULL);
    return memory_check(realloc(old, count * size));
}

char *memory_dup_text(const char *text)
{
    return memory_check(strdup(text));
}
