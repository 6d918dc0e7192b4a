/* utf8.c: see utf8.h. */
#include "common/utf8.h"

#include <string.h>

size_t utf8_size(const unsigned char *c)
{
    size_t size = c[0] < 0x80 ? 1 : c[0] < 0xc2 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;

    if (c[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xf0 && c[1] < 0x90))
        return 0; /* longer than need be */
    if ((c[0] == 0xed && c[1] > 0x9f) || (c[0] == 0xf4 && c[1] > 0x8f))
        return 0; /* a surrogate; beyond Unicode */
    return size;
}

int utf8_is_text(const char *bytes, size_t size)
{
    while (size > 0) {
        unsigned char next[5] = {0}; /* of the longest character and its end */
        size_t length = 1;
        if ((unsigned char)bytes[0] >= 0x80) {
            memcpy(next, bytes, size < 4 ? size : 4);
            length = utf8_size(next);
        }
        if (length == 0 || bytes[0] == '\0')
            return 0;
        bytes += length;
        size -= length;
    }
    return 1;
}

void utf8_repair(char *text)
{
    unsigned char *c = (unsigned char *)text;

    while (*c != '\0') {
        size_t size = utf8_size(c);
        if (size == 0)
            *c = '?';
        c += size == 0 ? 1 : size;
    }
}
