/*
 * fuzz.h: what the fuzz targets share. A target is one function that takes any bytes and asserts what must
 * hold of whatever they make; libFuzzer calls it (preset fuzz), and replay.c with each file of its corpus.
 */
#ifndef PBXHOOK_FUZZ_H
#define PBXHOOK_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process when something that must hold does not, in every build. */
#define fuzz_require(condition)                                                                    \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fuzz_fail(__FILE__, __LINE__, #condition);                                             \
    } while (0)
void fuzz_fail(const char *file, int line, const char *condition) __attribute__((noreturn));

/* The input as texts, one behind the other. */
struct fuzz_input {
    const uint8_t *next;
    size_t left;
};

/* What stands before the next NUL, or all that is left: a new text of exactly its size and a NUL, so that
 * who reads on behind it is seen. Never NULL. */
char *fuzz_take_text(struct fuzz_input *input);
/* The next byte; 0 when none is left. */
uint8_t fuzz_take_byte(struct fuzz_input *input);

/* 1: UTF-8 without control characters. */
int fuzz_is_printable(const char *text);

/* A file in memory with these bytes, and its path for who opens files by their names. The descriptor is the
 * caller's to close. */
#define FUZZ_PATH_SIZE 32
int fuzz_make_file(const void *bytes, size_t size, char path[FUZZ_PATH_SIZE]);

#endif
