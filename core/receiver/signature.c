/* signature.c: see signature.h. Only "v1" is known; the standard wants other versions passed over. */
#include "receiver/signature.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "common/base64.h"

#define DIGEST_SIZE      32
#define DIGEST_TEXT_SIZE 44 /* in base64 */

/* Eleven digits last until the year 5138. */
#define TIMESTAMP_DIGITS_MAX 11

int signature_key_read(char *text, struct signature_key *out)
{
    static const char prefix[] = "whsec_";
    char *base64 = text;

    if (strncmp(text, prefix, sizeof prefix - 1) == 0)
        base64 += sizeof prefix - 1;
    ssize_t size = base64_decode(base64, strlen(base64), (unsigned char *)base64);
    if (size < SIGNATURE_KEY_MIN || size > SIGNATURE_KEY_MAX)
        return -1;
    *out = (struct signature_key){.bytes = (unsigned char *)base64, .size = (size_t)size};
    return 0;
}

/* Decimal digits and nothing else: 0, or -1. */
static int read_timestamp(const char *text, int64_t *out)
{
    int64_t value = 0;
    size_t digits = strspn(text, "0123456789");

    if (digits == 0 || digits > TIMESTAMP_DIGITS_MAX || text[digits] != '\0')
        return -1;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (text[i] - '0');
    *out = value;
    return 0;
}

enum signature_verdict signature_check_head(const struct signature_head *head, int64_t now_s)
{
    int64_t sent_s = 0;

    if (head->id == NULL || head->timestamp == NULL || head->signatures == NULL)
        return SIGNATURE_MISSING;
    if (head->id[0] == '\0' || read_timestamp(head->timestamp, &sent_s) < 0)
        return SIGNATURE_MALFORMED;
    if (sent_s < now_s - SIGNATURE_TOLERANCE_S)
        return SIGNATURE_TOO_OLD;
    if (sent_s > now_s + SIGNATURE_TOLERANCE_S)
        return SIGNATURE_TOO_NEW;
    return SIGNATURE_GOOD;
}

static int update(EVP_MAC_CTX *context, const void *bytes, size_t size)
{
    return EVP_MAC_update(context, bytes, size);
}

/* The digest that one key gives: 0, or -1 when there is no memory. */
static int compute(EVP_MAC_CTX *context, const struct signature_key *key,
                   const struct signature_head *head, const void *body, size_t body_size,
                   unsigned char out[DIGEST_SIZE])
{
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_END};
    size_t size = 0;

    if (!EVP_MAC_init(context, key->bytes, key->size, parameters) ||
        !update(context, head->id, strlen(head->id)) || !update(context, ".", 1) ||
        !update(context, head->timestamp, strlen(head->timestamp)) || !update(context, ".", 1) ||
        !update(context, body, body_size) || !EVP_MAC_final(context, out, &size, DIGEST_SIZE) ||
        size != DIGEST_SIZE)
        return -1;
    return 0;
}

/* 1 when one of the signatures in the header is this digest. */
static int is_among(const char *signatures, const unsigned char digest[DIGEST_SIZE])
{
    static const char version[] = "v1,";
    int found = 0;

    while (*signatures != '\0') {
        unsigned char given[BASE64_DECODED_MAX(DIGEST_TEXT_SIZE)];
        size_t size = strcspn(signatures, " ");
        if (size == sizeof version - 1 + DIGEST_TEXT_SIZE &&
            memcmp(signatures, version, sizeof version - 1) == 0 &&
            base64_decode(signatures + sizeof version - 1, DIGEST_TEXT_SIZE, given) == DIGEST_SIZE)
            found |= CRYPTO_memcmp(given, digest, DIGEST_SIZE) == 0;
        signatures += size;
        signatures += strspn(signatures, " ");
    }
    return found;
}

enum signature_verdict signature_check(const struct signature_key *keys, int key_count,
                                       const struct signature_head *head, const void *body,
                                       size_t body_size)
{
    enum signature_verdict verdict = SIGNATURE_WRONG;
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *context = mac == NULL ? NULL : EVP_MAC_CTX_new(mac);

    if (context == NULL)
        verdict = SIGNATURE_NO_MEMORY;
    for (int i = 0; i < key_count && verdict == SIGNATURE_WRONG; i++) {
        unsigned char digest[DIGEST_SIZE];
        if (compute(context, &keys[i], head, body, body_size, digest) < 0)
            verdict = SIGNATURE_NO_MEMORY;
        else if (is_among(head->signatures, digest))
            verdict = SIGNATURE_GOOD;
    }
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(mac);
    return verdict;
}

const char *signature_explain(enum signature_verdict verdict)
{
    switch (verdict) {
    case SIGNATURE_GOOD:
        break;
    case SIGNATURE_MISSING:
        return "the request is not signed: webhook-id, webhook-timestamp or webhook-signature is "
               "not there";
    case SIGNATURE_MALFORMED:
        return "webhook-timestamp is not a number of seconds, or webhook-id is empty";
    case SIGNATURE_TOO_OLD:
        return "webhook-timestamp is more than 5 minutes ago: sign each attempt anew, and set the "
               "clocks";
    case SIGNATURE_TOO_NEW:
        return "webhook-timestamp is more than 5 minutes ahead: set the clocks";
    case SIGNATURE_WRONG:
        return "no signature in webhook-signature fits the body and this server's secrets";
    case SIGNATURE_NO_MEMORY:
        return "there is no memory to check the signature now: send it again later";
    }
    return "";
}
