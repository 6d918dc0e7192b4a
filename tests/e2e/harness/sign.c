/* sign.c: see sign.h. */
#include "sign.h"

#include "cmocka_all.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#define KEY_MAX 96

/* The secrets of the tests have no padding. */
static size_t decode_key(const char *secret, unsigned char out[KEY_MAX])
{
    const char *base64 = secret + strlen("whsec_");
    size_t size = strlen(base64);
    assert_true(size / 4 * 3 <= KEY_MAX);
    assert_int_equal(EVP_DecodeBlock(out, (const unsigned char *)base64, (int)size), size / 4 * 3);
    return size / 4 * 3;
}

const char *const *sign_headers(const char *body, const char *secret, const char *id,
                                int64_t time_s)
{
    static char id_line[256], time_line[64], signature_line[128];
    static const char *const lines[] = {
        "Content-Type: application/json", "Expect:", id_line, time_line, signature_line, NULL};
    unsigned char key[KEY_MAX], digest[EVP_MAX_MD_SIZE], base64[64];
    unsigned digest_size = 0;
    char *content = NULL;

    size_t key_size = decode_key(secret, key);
    int size = asprintf(&content, "%s.%" PRId64 ".%s", id, time_s, body);
    assert_true(size > 0);
    assert_non_null(HMAC(EVP_sha256(), key, (int)key_size, (const unsigned char *)content,
                         (size_t)size, digest, &digest_size));
    free(content);
    EVP_EncodeBlock(base64, digest, (int)digest_size);
    snprintf(id_line, sizeof id_line, "webhook-id: %s", id);
    snprintf(time_line, sizeof time_line, "webhook-timestamp: %" PRId64, time_s);
    snprintf(signature_line, sizeof signature_line, "webhook-signature: v1,%s", (char *)base64);
    return lines;
}

int sign_post(struct client *client, const char *path, const char *body, const char *secret,
              const char *id, int64_t time_s)
{
    return client_send(client, "POST", path, body, strlen(body),
                       sign_headers(body, secret, id, time_s));
}
