/* base64.h: decoding of RFC 4648's base64, strictly. Pure; any thread. */
#ifndef PBXHOOK_BASE64_H
#define PBXHOOK_BASE64_H

#include <stddef.h>
#include <sys/types.h>

/* At most so many bytes come out of a text of that size. */
#define BASE64_DECODED_MAX(size) ((size) / 4 * 3)

/*
 * Decodes a text with all its padding and nothing else in it (no blanks, no stray bits at the end, so
 * that one value has one text). The number of bytes, or -1. out may be the text itself, and has room for
 * BASE64_DECODED_MAX(size) bytes.
 */
ssize_t base64_decode(const char *text, size_t size, unsigned char *out);

#endif
