/*
 * auth.h: who may post events and who may read the dashboard: credentials against what a request shows.
 * Pure: access.c reads the files and speaks HTTP.
 *
 * An address list must hold, if there is one. Of signature, Basic and bearer token, one of those that are
 * configured suffices, for a sender may be able to do only one.
 */
#ifndef PBXHOOK_AUTH_H
#define PBXHOOK_AUTH_H

#include <stddef.h>
#include <stdint.h>

#include "common/address_list.h"
#include "receiver/signature.h"

/* Of each kind, so that an old and a new one hold at the same time. */
#define AUTH_SECRETS_MAX 16

/* What one group of clients may show; all of it borrowed. */
struct auth_credentials {
    const char *user; /* of Basic, with any of the passwords */
    char *password[AUTH_SECRETS_MAX];
    int password_count;
    char *token[AUTH_SECRETS_MAX];
    int token_count;
    struct signature_key key[AUTH_SECRETS_MAX];
    int key_count;
};

int auth_has_any(const struct auth_credentials *credentials);

enum auth_verdict {
    AUTH_PASSED,
    AUTH_SIGNATURE_DUE, /* to be judged by signature_check() when the body is there */
    AUTH_UNAUTHORIZED,
    AUTH_FORBIDDEN
};

/* What a request shows in its head. */
struct auth_attempt {
    const struct address *client; /* NULL: nobody knows       */
    const char *authorization;    /* the field; NULL: none    */
    struct signature_head signature;
    int64_t now_s;
};

struct auth_policy {
    struct auth_credentials senders, readers;
    struct address_list allow_from; /* senders; empty: everybody                   */
    int allow_unauthenticated;      /* readers without credentials: not only loopback */
};

/* explanation becomes a sentence for the client's author, a constant, unless it passed. */
enum auth_verdict auth_judge_sender(const struct auth_policy *policy,
                                    const struct auth_attempt *attempt, const char **explanation);
enum auth_verdict auth_judge_reader(const struct auth_policy *policy,
                                    const struct auth_attempt *attempt, const char **explanation);

/* Whether the field holds one of the passwords or tokens. Takes the same time wherever it is wrong. */
int auth_check_authorization(const struct auth_credentials *credentials, const char *authorization);

/* The schemes that would do, for WWW-Authenticate. */
#define AUTH_CHALLENGE_SIZE 128
void auth_challenge(const struct auth_credentials *credentials, char out[AUTH_CHALLENGE_SIZE]);

#endif
