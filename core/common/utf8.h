/*
 * utf8.h: what is UTF-8 and what is not. Texts that come from elsewhere (a PBX's answer, a plugin's reason) may be
 * anything, and one that was cut to fit may end within a character; a database takes neither.
 */
#ifndef PBXHOOK_UTF8_H
#define PBXHOOK_UTF8_H

#include <stddef.h>

/* How many bytes the character takes that starts here, 0 when it is no character of UTF-8. The text ends in NUL. */
size_t utf8_size(const unsigned char *c);
/* 1 when these bytes are whole characters of UTF-8, and none of them is NUL. */
int utf8_is_text(const char *bytes, size_t size);
/* In place, and not longer than before: each byte that belongs to no character becomes a question mark. */
void utf8_repair(char *text);

#endif
