/*
 * sign.c: HMAC-SHA256 over "id.timestamp.body", by libcrypto. Shares nothing with the server's own check,
 * so that each proves the other.
 */
#include "sign.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

int sign_read_key(const char *text, struct sign_key *out)
{
    /* libcrypto writes whole groups of three, the padding's included. */
    unsigned char decoded[SIGN_KEY_MAX + 3];
    size_t size;

    if (strncmp(text, "whsec_", 6) == 0)
        text += 6;
    size = strlen(text);
    if (size == 0 || size % 4 != 0 || size / 4 * 3 > sizeof decoded ||
        EVP_DecodeBlock(decoded, (const unsigned char *)text, (int)size) < 0)
        return -1;
    out->size = size / 4 * 3 - (text[size - 1] == '=') - (text[size - 2] == '=');
    if (out->size > SIGN_KEY_MAX)
        return -1;
    memcpy(out->bytes, decoded, out->size);
    return 0;
}

void sign_make(const struct sign_key *key, const char *id, int64_t time_s, const void *body,
               size_t body_size, char out[SIGN_TEXT_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_size = 0;
    size_t head_size = strlen(id) + 32;
    char *content = memory_get(head_size + body_size, 1);
    int size = snprintf(content, head_size, "%s.%" PRId64 ".", id, time_s);

    memcpy(content + size, body, body_size);
    memory_check(HMAC(EVP_sha256(), key->bytes, (int)key->size, (const unsigned char *)content,
                      (size_t)size + body_size, digest, &digest_size));
    free(content);
    memcpy(out, "v1,", 4);
    EVP_EncodeBlock((unsigned char *)out + 3, digest, (int)digest_size);
}
