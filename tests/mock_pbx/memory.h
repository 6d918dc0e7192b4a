/*
 * memory.h: allocation for a tool that can do nothing sensible without memory: each one is checked
 * here, and a failure ends the program with a message and exit code 3.
 */
#ifndef MOCK_PBX_MEMORY_H
#define MOCK_PBX_MEMORY_H

#include <stddef.h>

/* Zeroed memory for count things of that size; the caller frees it with free(). Never NULL. */
void *memory_get(size_t count, size_t size);

/* Like realloc() for an array. Never NULL. */
void *memory_resize(void *old, size_t count, size_t size);

/* A new copy of the text. Never NULL. */
char *memory_dup_text(const char *text);

/* Ends the program when a library's own allocation failed (pointer NULL); else gives it back. */
void *memory_check(void *pointer);

#endif
