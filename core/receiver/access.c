/*
 * access.c: see access.h. What is refused is logged at most once a minute for each kind, so that nobody
 * can fill the disk with it.
 */
#include "receiver/access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/secret_file.h"
#include "receiver/auth.h"
#include "receiver/listen.h"
#include "receiver/request.h"

#define LOG_EVERY_US ((int64_t)60 * 1000000)

/* The kinds that are logged apart. */
enum refusal { REFUSAL_SENDER_401, REFUSAL_SENDER_403, REFUSAL_READER_401, REFUSAL_READER_403 };
#define REFUSAL_KINDS 4

/* The files, by the keys that name them. */
enum secret_kind {
    SECRET_SENDER_KEYS,
    SECRET_SENDER_PASSWORDS,
    SECRET_SENDER_TOKENS,
    SECRET_READER_PASSWORDS,
    SECRET_READER_TOKENS
};
#define SECRET_KINDS 5

struct access {
    struct auth_policy policy;
    struct address_list trusted_proxies;
    int metrics_public;
    char *sender, *reader; /* the user names */
    struct secret_file file[SECRET_KINDS];
    int64_t quiet_until_us[REFUSAL_KINDS];
    int64_t untold[REFUSAL_KINDS]; /* refusals since the last line */
};

/* ---- Opening ------------------------------------------------------------------------------------- */

static int is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* Reads one file's lines: how many, 0 when there is no such file configured, or -1. */
static int read_lines(struct access *access, const struct config *config, enum secret_kind kind,
                      const char *key, const char *path, char *lines[AUTH_SECRETS_MAX], char *error,
                      size_t error_size)
{
    char reason[512];

    if (!is_set(path))
        return 0;
    if (secret_file_read(path, SECRET_FILE_PRIVATE, &access->file[kind], reason, sizeof reason) < 0)
        return config_add_error(config, error, error_size, "%s: %s", key, reason);
    int count = secret_file_lines(&access->file[kind], lines, AUTH_SECRETS_MAX);
    if (count >= 1 && count <= AUTH_SECRETS_MAX)
        return count;
    return config_add_error(config, error, error_size,
                            "%s: %s: found %d lines with a secret, wanted 1 to %d", key, path,
                            count, AUTH_SECRETS_MAX);
}

static int read_keys(struct access *access, const struct config *config, char *error,
                     size_t error_size)
{
    const char *path = config->webhook.secret_file;
    struct auth_credentials *senders = &access->policy.senders;
    char *lines[AUTH_SECRETS_MAX];

    int count = read_lines(access, config, SECRET_SENDER_KEYS, "webhook.secret_file", path, lines,
                           error, error_size);
    for (int i = 0; i < count; i++) {
        if (signature_key_read(lines[i], &senders->key[i]) < 0)
            return config_add_error(
                config, error, error_size,
                "webhook.secret_file: %s: secret %d is not \"whsec_\" and the base64 of %d to "
                "%d bytes; make one: echo whsec_$(openssl rand -base64 32)",
                path, i + 1, SIGNATURE_KEY_MIN, SIGNATURE_KEY_MAX);
        senders->key_count = i + 1;
    }
    return count < 0 ? -1 : 0;
}

/* All of them, so that all that is wrong is told. */
static int read_secrets(struct access *access, const struct config *config, char *error,
                        size_t error_size)
{
    const struct {
        enum secret_kind kind;
        const char *key, *path;
        char **lines;
        int *count;
    } files[] = {
        {SECRET_SENDER_PASSWORDS, "webhook.password_file", config->webhook.password_file,
         access->policy.senders.password, &access->policy.senders.password_count},
        {SECRET_SENDER_TOKENS, "webhook.token_file", config->webhook.token_file,
         access->policy.senders.token, &access->policy.senders.token_count},
        {SECRET_READER_PASSWORDS, "dashboard.password_file", config->dashboard.password_file,
         access->policy.readers.password, &access->policy.readers.password_count},
        {SECRET_READER_TOKENS, "dashboard.token_file", config->dashboard.token_file,
         access->policy.readers.token, &access->policy.readers.token_count},
    };

    int result = read_keys(access, config, error, error_size);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        int count = read_lines(access, config, files[i].kind, files[i].key, files[i].path,
                               files[i].lines, error, error_size);
        if (count < 0)
            result = -1;
        else
            *files[i].count = count;
    }
    return result;
}

static char *copy_text(const char *text)
{
    return strdup(text != NULL ? text : "");
}

/* Its own, because it may outlive the configuration for a moment. */
static int copy_users(struct access *access, const struct config *config, char *error,
                      size_t error_size)
{
    access->policy.senders.user = access->sender = copy_text(config->webhook.user);
    access->policy.readers.user = access->reader = copy_text(config->dashboard.user);
    if (access->sender != NULL && access->reader != NULL)
        return 0;
    snprintf(error, error_size, "out of memory");
    return -1;
}

static int read_lists(struct access *access, const struct config *config, char *error,
                      size_t error_size)
{
    if (address_list_read(config->webhook.allow_from, &access->policy.allow_from) == 0 &&
        address_list_read(config->webhook.trusted_proxies, &access->trusted_proxies) == 0)
        return 0;
    snprintf(error, error_size, "webhook.allow_from, webhook.trusted_proxies: no memory for them");
    return -1;
}

/* Whether everybody who reaches the address could post events. */
static int is_exposed(const struct access *access, const char *listen)
{
    const struct address_list *allowed = &access->policy.allow_from;

    return !auth_has_any(&access->policy.senders) &&
           (allowed->count == 0 || address_list_has_everybody(allowed)) && !listen_is_local(listen);
}

static int check_exposure(const struct access *access, const struct config *config,
                          const char *listen, char *error, size_t error_size)
{
    if (!is_exposed(access, listen))
        return 0;
    if (config->allow_unauthenticated) {
        log_warning("everybody who reaches this address can post events and read the dashboard "
                    "(allow_unauthenticated)",
                    log_text("listen", listen));
        return 0;
    }
    return config_add_error(
        config, error, error_size,
        "listen \"%s\": this is more than loopback, and the webhook has no authentication; set "
        "webhook.secret_file (PBXHOOK_WEBHOOK_SECRET_FILE), webhook.token_file, webhook.user "
        "with webhook.password_file, or webhook.allow_from; or, if something before it keeps "
        "strangers out, allow_unauthenticated = true (PBXHOOK_ALLOW_UNAUTHENTICATED)",
        listen);
}

int access_open(const struct config *config, const char *listen, struct access **out, char *error,
                size_t error_size)
{
    struct access *access = calloc(1, sizeof *access);

    if (access == NULL) {
        snprintf(error, error_size, "out of memory");
        return -1;
    }
    access->metrics_public = config->dashboard.metrics_public;
    access->policy.allow_unauthenticated = config->allow_unauthenticated;
    if (copy_users(access, config, error, error_size) < 0 ||
        read_secrets(access, config, error, error_size) < 0 ||
        read_lists(access, config, error, error_size) < 0 ||
        check_exposure(access, config, listen, error, error_size) < 0) {
        access_free(access);
        return -1;
    }
    *out = access;
    return 0;
}

void access_free(struct access *access)
{
    if (access == NULL)
        return;
    for (int i = 0; i < SECRET_KINDS; i++)
        secret_file_free(&access->file[i]);
    free(access->sender);
    free(access->reader);
    address_list_free(&access->policy.allow_from);
    address_list_free(&access->trusted_proxies);
    free(access);
}

int access_has_secrets(const struct access *access)
{
    return auth_has_any(&access->policy.senders) || auth_has_any(&access->policy.readers);
}

static int is_same_list(char *const *one, int one_count, char *const *other, int other_count)
{
    int same = one_count == other_count;
    for (int i = 0; i < one_count && same; i++)
        same = strcmp(one[i], other[i]) == 0;
    return same;
}

int access_has_same_readers(const struct access *one, const struct access *other)
{
    const struct auth_credentials *now = &one->policy.readers, *then = &other->policy.readers;
    return one->policy.allow_unauthenticated == other->policy.allow_unauthenticated &&
           strcmp(now->user, then->user) == 0 &&
           is_same_list(now->password, now->password_count, then->password, then->password_count) &&
           is_same_list(now->token, now->token_count, then->token, then->token_count);
}

int access_is_trusted_proxy(const struct access *access, const struct address *address)
{
    return address_list_has(&access->trusted_proxies, address);
}

/* ---- Refusing ------------------------------------------------------------------------------------ */

static void log_refusal(struct access *access, enum refusal kind, const struct request *request,
                        const struct address *client, const char *explanation)
{
    const struct address *shown = client != NULL ? client : &request->place->address;
    int64_t now_us = request->shared->now_us;
    char address[ADDRESS_TEXT_SIZE];

    access->untold[kind]++;
    if (now_us < access->quiet_until_us[kind])
        return;
    address_format(shown, address);
    log_warning("access refused", log_text("address", address),
                log_text("path", request->route->path), log_text("reason", explanation),
                log_int("count", access->untold[kind]));
    access->untold[kind] = 0;
    access->quiet_until_us[kind] = now_us + LOG_EVERY_US;
}

static void refuse(struct access *access, struct request *request, const struct address *client,
                   enum auth_verdict verdict, const char *explanation)
{
    int is_sender = request->route->success != 0;
    int forbidden = verdict == AUTH_FORBIDDEN;
    enum metrics_reject counted =
        forbidden ? METRICS_REJECT_FORBIDDEN : METRICS_REJECT_UNAUTHORIZED;
    enum refusal kind = is_sender   ? forbidden ? REFUSAL_SENDER_403 : REFUSAL_SENDER_401
                        : forbidden ? REFUSAL_READER_403
                                    : REFUSAL_READER_401;
    char challenge[AUTH_CHALLENGE_SIZE];

    if (is_sender)
        metrics_add(&request->shared->metrics->rejected[counted], 1);
    log_refusal(access, kind, request, client, explanation);
    auth_challenge(is_sender ? &access->policy.senders : &access->policy.readers, challenge);
    request_refuse(
        request, &(struct problem){.status = forbidden ? MHD_HTTP_FORBIDDEN : MHD_HTTP_UNAUTHORIZED,
                                   .reason = metrics_reject_name(counted),
                                   .detail = explanation,
                                   .header = forbidden ? NULL : MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                                   .value = challenge});
}

/* ---- Checking ------------------------------------------------------------------------------------ */

static struct signature_head signature_of(const struct request_head *head)
{
    return (struct signature_head){.id = head->webhook_id,
                                   .timestamp = head->webhook_timestamp,
                                   .signatures = head->webhook_signature};
}

static int is_open_to_all(const struct access *access, const struct route *route)
{
    return route->access == ROUTE_OPEN ||
           (route->access == ROUTE_METRICS && access->metrics_public);
}

/* NULL when a proxy says something that can't be understood. */
static const struct address *find_client(const struct access *access, const struct request *request,
                                         struct address *out)
{
    const struct request_head *head = &request->head;
    return address_find_client(&access->trusted_proxies, &request->place->address,
                               &head->x_forwarded_for, &head->forwarded, out) == 0
               ? out
               : NULL;
}

void access_check_head(struct request *request)
{
    struct access *access = request->shared->access;
    const char *explanation = "";
    struct address client;

    if (is_open_to_all(access, request->route))
        return;
    struct auth_attempt attempt = {.client = find_client(access, request, &client),
                                   .authorization = request->head.authorization,
                                   .signature = signature_of(&request->head),
                                   .now_s = clock_wall_ms() / 1000};
    enum auth_verdict verdict = request->route->access == ROUTE_SENDERS
                                    ? auth_judge_sender(&access->policy, &attempt, &explanation)
                                    : auth_judge_reader(&access->policy, &attempt, &explanation);
    if (verdict == AUTH_SIGNATURE_DUE)
        request->signature_due = 1;
    else if (verdict != AUTH_PASSED)
        refuse(access, request, attempt.client, verdict, explanation);
}

int access_check_body(struct request *request)
{
    struct access *access = request->shared->access;
    const struct auth_credentials *senders = &access->policy.senders;
    struct signature_head head = signature_of(&request->head);
    struct address client;

    if (!request->signature_due)
        return 0;
    enum signature_verdict verdict =
        signature_check(senders->key, senders->key_count, &head,
                        request->body == NULL ? "" : request->body, request->body_size);
    if (verdict == SIGNATURE_GOOD)
        return 0;
    if (verdict == SIGNATURE_NO_MEMORY) { /* the sender is not to blame, and may be right */
        request_refuse_for_memory(request, signature_explain(verdict));
        return -1;
    }
    refuse(access, request, find_client(access, request, &client), AUTH_UNAUTHORIZED,
           signature_explain(verdict));
    return -1;
}
