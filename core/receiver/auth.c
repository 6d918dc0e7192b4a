/* auth.c: see auth.h. Secrets are compared by their digests, so that not even a length shows. */
#include "receiver/auth.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "common/base64.h"

/* Of user, colon and password in base64. */
#define BASIC_MAX 1024

int auth_has_any(const struct auth_credentials *credentials)
{
    return credentials->password_count > 0 || credentials->token_count > 0 ||
           credentials->key_count > 0;
}

static int is_same(const unsigned char digest[SHA256_DIGEST_LENGTH], const char *secret)
{
    unsigned char other[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)secret, strlen(secret), other);
    return CRYPTO_memcmp(digest, other, sizeof other) == 0;
}

/* Whether the text is one of the secrets; all are looked at. */
static int is_one_of(const char *text, size_t size, char *const *secrets, int count)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    int found = 0;

    SHA256((const unsigned char *)text, size, digest);
    for (int i = 0; i < count; i++)
        found |= is_same(digest, secrets[i]);
    return found;
}

static int check_basic(const struct auth_credentials *credentials, const char *base64)
{
    unsigned char decoded[BASE64_DECODED_MAX(BASIC_MAX)];
    unsigned char user[SHA256_DIGEST_LENGTH];
    size_t size = strlen(base64);

    if (credentials->password_count == 0 || size > BASIC_MAX)
        return 0;
    ssize_t length = base64_decode(base64, size, decoded);
    const unsigned char *colon = length < 0 ? NULL : memchr(decoded, ':', (size_t)length);
    if (colon == NULL)
        return 0;
    size_t user_size = (size_t)(colon - decoded);
    SHA256(decoded, user_size, user);
    int good = is_same(user, credentials->user);
    good &= is_one_of((const char *)colon + 1, (size_t)length - user_size - 1,
                      credentials->password, credentials->password_count);
    OPENSSL_cleanse(decoded, sizeof decoded);
    return good;
}

/* What follows the scheme and its blanks; NULL when it is another one. */
static const char *behind_scheme(const char *authorization, const char *scheme)
{
    size_t size = strlen(scheme);
    if (strncasecmp(authorization, scheme, size) != 0 || authorization[size] != ' ')
        return NULL;
    return authorization + size + strspn(authorization + size, " ");
}

int auth_check_authorization(const struct auth_credentials *credentials, const char *authorization)
{
    const char *rest;

    if (authorization == NULL)
        return 0;
    if ((rest = behind_scheme(authorization, "Basic")) != NULL)
        return check_basic(credentials, rest);
    if ((rest = behind_scheme(authorization, "Bearer")) != NULL)
        return is_one_of(rest, strlen(rest), credentials->token, credentials->token_count);
    return 0;
}

/* Of somebody who shows nothing good, what to say. */
static const char *explain_credentials(const struct auth_credentials *credentials,
                                       const struct auth_attempt *attempt)
{
    if (attempt->authorization != NULL)
        return "the credentials in Authorization are none of this server's";
    if (credentials->password_count == 0 && credentials->token_count == 0)
        return signature_explain(SIGNATURE_MISSING);
    return "the request shows no credentials";
}

enum auth_verdict auth_judge_sender(const struct auth_policy *policy,
                                    const struct auth_attempt *attempt, const char **explanation)
{
    const struct auth_credentials *senders = &policy->senders;

    if (policy->allow_from.count > 0 &&
        (attempt->client == NULL || !address_list_has(&policy->allow_from, attempt->client))) {
        *explanation = "this address may not post events (webhook.allow_from)";
        return AUTH_FORBIDDEN;
    }
    if (!auth_has_any(senders) || auth_check_authorization(senders, attempt->authorization))
        return AUTH_PASSED;
    if (senders->key_count > 0) {
        enum signature_verdict verdict = signature_check_head(&attempt->signature, attempt->now_s);
        if (verdict == SIGNATURE_GOOD)
            return AUTH_SIGNATURE_DUE;
        if (verdict != SIGNATURE_MISSING) {
            *explanation = signature_explain(verdict);
            return AUTH_UNAUTHORIZED;
        }
    }
    *explanation = explain_credentials(senders, attempt);
    return AUTH_UNAUTHORIZED;
}

enum auth_verdict auth_judge_reader(const struct auth_policy *policy,
                                    const struct auth_attempt *attempt, const char **explanation)
{
    const struct auth_credentials *readers = &policy->readers;

    if (auth_has_any(readers)) {
        if (auth_check_authorization(readers, attempt->authorization))
            return AUTH_PASSED;
        *explanation = explain_credentials(readers, attempt);
        return AUTH_UNAUTHORIZED;
    }
    /* Callers' numbers are nothing to show to whoever asks, so without a secret it stays at home. */
    if (policy->allow_unauthenticated ||
        (attempt->client != NULL && address_is_loopback(attempt->client)))
        return AUTH_PASSED;
    *explanation = "the dashboard has no token or password yet (dashboard.token_file), and "
                   "without one it answers this machine only";
    return AUTH_FORBIDDEN;
}

void auth_challenge(const struct auth_credentials *credentials, char out[AUTH_CHALLENGE_SIZE])
{
    const char *basic =
        credentials->password_count > 0 ? "Basic realm=\"pbxhook\", charset=\"UTF-8\"" : "";
    const char *bearer = credentials->token_count > 0 ? "Bearer realm=\"pbxhook\"" : "";

    /* A 401 must name a scheme, and signatures have no registered one. */
    if (credentials->password_count == 0 && credentials->token_count == 0)
        bearer = "Standard-Webhooks realm=\"pbxhook\"";
    snprintf(out, AUTH_CHALLENGE_SIZE, "%s%s%s", basic,
             basic[0] != '\0' && bearer[0] != '\0' ? ", " : "", bearer);
}
