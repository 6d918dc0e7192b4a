/* base64.c: see base64.h. Written out because libcrypto's passes over blanks and hides the padding. */
#include "common/base64.h"

#include <stdint.h>

/* 0 to 63, or -1. */
static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

/* Four characters, the last `padding` of them '='. 0, or -1. */
static int decode_group(const char *text, int padding, unsigned char *out)
{
    uint32_t bits = 0;

    for (int i = 0; i < 4; i++) {
        int value = i < 4 - padding ? value_of(text[i]) : 0;
        if (value < 0)
            return -1;
        bits = bits << 6 | (uint32_t)value;
    }
    if ((padding == 1 && (bits & 0xff) != 0) || (padding == 2 && (bits & 0xffff) != 0))
        return -1;
    for (int i = 0; i < 3 - padding; i++)
        out[i] = (unsigned char)(bits >> (16 - 8 * i));
    return 0;
}

ssize_t base64_decode(const char *text, size_t size, unsigned char *out)
{
    unsigned char *next = out;
    int padding = 0;

    if (size % 4 != 0)
        return -1;
    if (size > 0 && text[size - 1] == '=')
        padding = text[size - 2] == '=' ? 2 : 1;
    for (size_t i = 0; i < size; i += 4) {
        int here = i + 4 == size ? padding : 0;
        if (decode_group(text + i, here, next) < 0)
            return -1;
        next += 3 - here;
    }
    return next - out;
}
