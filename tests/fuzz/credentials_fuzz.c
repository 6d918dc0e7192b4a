/*
 * credentials_fuzz.c: what a sender shows: a signature's three fields, Authorization, and the base64 in both;
 * and the secret that the operator wrote down. The input is seven texts, parted by NULs: secret, id, timestamp,
 * signatures, authorization, password, body.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "common/base64.h"
#include "fuzz.h"
#include "receiver/auth.h"
#include "receiver/signature.h"

#define NOW_S       INT64_C(1767225600)
#define DIGEST_SIZE 32

struct shown {
    char *secret, *id, *timestamp, *signatures, *authorization, *password, *body;
};

static void take(struct fuzz_input *input, struct shown *out)
{
    char **texts[] = {&out->secret,        &out->id,       &out->timestamp, &out->signatures,
                      &out->authorization, &out->password, &out->body};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = fuzz_take_text(input);
}

static void release(struct shown *shown)
{
    free(shown->secret);
    free(shown->id);
    free(shown->timestamp);
    free(shown->signatures);
    free(shown->authorization);
    free(shown->password);
    free(shown->body);
}

/* libcrypto's, so that ours is not its own judge: new. */
static char *encode(const void *bytes, size_t size)
{
    char *text = malloc((size + 2) / 3 * 4 + 1);

    fuzz_require(text != NULL);
    EVP_EncodeBlock((unsigned char *)text, bytes, (int)size);
    return text;
}

/* One value has one text. */
static void check_base64(const char *text)
{
    size_t size = strlen(text);
    unsigned char *bytes = malloc(BASE64_DECODED_MAX(size) + 1);

    fuzz_require(bytes != NULL);
    ssize_t length = base64_decode(text, size, bytes);
    if (length >= 0) {
        char *again = encode(bytes, (size_t)length);
        fuzz_require((size_t)length <= BASE64_DECODED_MAX(size) && strcmp(again, text) == 0);
        free(again);
    }
    char *made = encode(text, size);
    unsigned char *back = malloc(BASE64_DECODED_MAX(strlen(made)) + 1);
    fuzz_require(back != NULL && base64_decode(made, strlen(made), back) == (ssize_t)size);
    fuzz_require(memcmp(back, text, size) == 0);
    free(back);
    free(made);
    free(bytes);
}

/* As an honest sender makes it, "v1,BASE64": new. */
static char *sign(const struct signature_key *key, const struct signature_head *head,
                  const char *body)
{
    unsigned char digest[DIGEST_SIZE];
    char *signed_text = NULL, *signature = NULL;
    int size = asprintf(&signed_text, "%s.%s.%s", head->id, head->timestamp, body);

    fuzz_require(size >= 0);
    fuzz_require(HMAC(EVP_sha256(), key->bytes, (int)key->size, (const unsigned char *)signed_text,
                      (size_t)size, digest, NULL) != NULL);
    char *base64 = encode(digest, sizeof digest);
    fuzz_require(asprintf(&signature, "v1,%s", base64) >= 0);
    free(base64);
    free(signed_text);
    return signature;
}

static void check_signed(const struct signature_key *key, struct signature_head head,
                         const char *body)
{
    char *good = sign(key, &head, body);
    char *beside = NULL;
    int held = strstr(head.signatures, good) != NULL;
    size_t size = strlen(body);

    /* Nobody hits upon a digest by chance: what holds, holds the right one. */
    if (signature_check(key, 1, &head, body, size) == SIGNATURE_GOOD)
        fuzz_require(held);
    fuzz_require(asprintf(&beside, "%s %s", head.signatures, good) >= 0);
    head.signatures = beside;
    fuzz_require(signature_check(key, 1, &head, body, size) == SIGNATURE_GOOD);
    fuzz_require(signature_check(key, 0, &head, body, size) == SIGNATURE_WRONG);
    good[4] = good[4] == 'A' ? 'B' : 'A';
    head.signatures = good;
    fuzz_require(signature_check(key, 1, &head, body, size) == SIGNATURE_WRONG);
    free(beside);
    free(good);
}

static void check_signature(const struct shown *shown)
{
    struct signature_key key;
    const struct signature_head head = {
        .id = shown->id, .timestamp = shown->timestamp, .signatures = shown->signatures};
    char *secret = strdup(shown->secret);

    fuzz_require(secret != NULL);
    enum signature_verdict verdict = signature_check_head(&head, NOW_S);
    fuzz_require((verdict == SIGNATURE_GOOD) == (signature_explain(verdict)[0] == '\0'));
    if (verdict == SIGNATURE_GOOD) {
        int64_t sent_s = strtoll(shown->timestamp, NULL, 10);
        fuzz_require(shown->id[0] != '\0' && llabs((long long)(sent_s - NOW_S)) <= 300);
    }
    if (signature_key_read(secret, &key) == 0) {
        char *again = encode(key.bytes, key.size);
        size_t prefix = strncmp(shown->secret, "whsec_", 6) == 0 ? 6 : 0;
        fuzz_require(key.size >= SIGNATURE_KEY_MIN && key.size <= SIGNATURE_KEY_MAX);
        fuzz_require(strcmp(again, shown->secret + prefix) == 0);
        free(again);
        check_signed(&key, head, shown->body);
    }
    free(secret);
}

/* Whether it is exactly scheme, blanks, text. */
static int is_scheme(const char *authorization, const char *scheme, const char *text)
{
    size_t size = strlen(scheme);

    if (strncasecmp(authorization, scheme, size) != 0 || authorization[size] != ' ')
        return 0;
    authorization += size;
    return strcmp(authorization + strspn(authorization, " "), text) == 0;
}

static void check_authorization(const struct shown *shown)
{
    const struct auth_credentials all = {.user = "pbx",
                                         .password = {shown->password},
                                         .password_count = 1,
                                         .token = {shown->password},
                                         .token_count = 1};
    const struct auth_credentials none = {.user = "pbx"};
    char *pair = NULL, *good = NULL;

    fuzz_require(asprintf(&pair, "pbx:%s", shown->password) >= 0);
    char *base64 = encode(pair, strlen(pair));
    int expected = is_scheme(shown->authorization, "Basic", base64) ||
                   is_scheme(shown->authorization, "Bearer", shown->password);
    /* A pair of more than 1024 characters is not looked at. */
    if (strlen(base64) <= 1024 || !is_scheme(shown->authorization, "Basic", base64))
        fuzz_require(auth_check_authorization(&all, shown->authorization) == expected);
    fuzz_require(auth_check_authorization(&none, shown->authorization) == 0);
    fuzz_require(asprintf(&good, "Basic %s", base64) >= 0);
    fuzz_require(auth_check_authorization(&all, good) == (strlen(base64) <= 1024));
    free(good);
    free(base64);
    free(pair);
}

static void check_judgement(const struct shown *shown)
{
    struct auth_policy policy = {
        .senders = {.user = "pbx", .token = {"a-token"}, .token_count = 1}};
    const struct auth_attempt attempt = {.authorization = shown->authorization,
                                         .signature = {.id = shown->id,
                                                       .timestamp = shown->timestamp,
                                                       .signatures = shown->signatures},
                                         .now_s = NOW_S};
    const char *explanation = NULL;

    enum auth_verdict verdict = auth_judge_sender(&policy, &attempt, &explanation);
    fuzz_require(verdict == AUTH_PASSED || verdict == AUTH_UNAUTHORIZED);
    fuzz_require((verdict == AUTH_PASSED) == is_scheme(shown->authorization, "Bearer", "a-token"));
    fuzz_require(verdict == AUTH_PASSED || (explanation != NULL && explanation[0] != '\0'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {.next = data, .left = size};
    struct shown shown;

    take(&input, &shown);
    check_base64(shown.secret);
    check_base64(shown.authorization);
    check_signature(&shown);
    check_authorization(&shown);
    check_judgement(&shown);
    release(&shown);
    return 0;
}
