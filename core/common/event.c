/*
 * event.c: makes, frees and identifies events. Called by the envelope's reader, the spool's readers
 * and the webhook route. Never looks into a body: that is envelope.c.
 */
#include "common/event.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/evp.h>

#define SHA256_SIZE 32
#define TIME_SIZE   6 /* of an identity's beginning */

/* Hashed before the key or the body, so that a key "x" never equals a content "x". Identities are
 * stored: neither these nor the digest may change. */
#define DOMAIN_KEY     "k"
#define DOMAIN_CONTENT "c"

/* Fetching a digest and making a context cost more than hashing a body: one for the process, and one
 * for each thread, which its end frees. */
static pthread_once_t hasher_once = PTHREAD_ONCE_INIT;
static pthread_key_t hasher_key;
static EVP_MD *hasher_digest; /* NULL: not to be had */

static void hasher_free(void *context)
{
    EVP_MD_CTX_free(context);
}

static void hasher_prepare(void)
{
    if (pthread_key_create(&hasher_key, hasher_free) == 0)
        hasher_digest = EVP_MD_fetch(NULL, "SHA256", NULL);
}

/* This thread's context, borrowed; NULL when out of memory. */
static EVP_MD_CTX *hasher_get(void)
{
    pthread_once(&hasher_once, hasher_prepare);
    if (hasher_digest == NULL)
        return NULL;

    EVP_MD_CTX *context = pthread_getspecific(hasher_key);
    if (context != NULL)
        return context;
    context = EVP_MD_CTX_new();
    if (context != NULL && pthread_setspecific(hasher_key, context) != 0) {
        EVP_MD_CTX_free(context);
        return NULL;
    }
    return context;
}

static int identify(struct event *event, const char *domain, const void *data, size_t size)
{
    uint8_t digest[SHA256_SIZE];
    EVP_MD_CTX *context = hasher_get();

    if (context == NULL || EVP_DigestInit_ex2(context, hasher_digest, NULL) != 1 ||
        EVP_DigestUpdate(context, domain, 1) != 1 || EVP_DigestUpdate(context, data, size) != 1 ||
        EVP_DigestFinal_ex(context, digest, NULL) != 1)
        return -1;
    memcpy(event->identity, digest, sizeof event->identity);
    return 0;
}

/* The time's last six bytes, the most significant first: until the year 10889. */
static void begin_with_time(struct event *event, int64_t time_ms)
{
    for (int i = 0; i < TIME_SIZE; i++)
        event->identity[i] = (uint8_t)((uint64_t)time_ms >> (8 * (TIME_SIZE - 1 - i)));
}

/* received_ms would not do: the same event, received again, must be the same. */
static void begin_with_own_time(struct event *event)
{
    begin_with_time(event, event->has_time ? event->time_ms : 0);
}

int event_identify_by_key(struct event *event, const char *key)
{
    if (identify(event, DOMAIN_KEY, key, strlen(key)) < 0)
        return -1;
    begin_with_own_time(event);
    return 0;
}

int event_identify_by_content(struct event *event)
{
    if (identify(event, DOMAIN_CONTENT, event->body, event->body_size) < 0)
        return -1;
    begin_with_own_time(event);
    return 0;
}

int event_identify_uniquely(struct event *event)
{
    uint8_t random[EVENT_IDENTITY_SIZE];
    ssize_t got;

    do {
        got = getrandom(random, sizeof random, 0);
    } while (got < 0 && errno == EINTR);
    /* So few bytes come whole or not at all. */
    if (got != (ssize_t)sizeof random)
        return -1;
    memcpy(event->identity, random, sizeof random);
    begin_with_time(event, event->received_ms);
    return 0;
}

void event_identity_hex(const struct event *event, char out[EVENT_IDENTITY_SIZE * 2 + 1])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < EVENT_IDENTITY_SIZE; i++) {
        out[2 * i] = digits[event->identity[i] >> 4];
        out[2 * i + 1] = digits[event->identity[i] & 0xf];
    }
    out[EVENT_IDENTITY_SIZE * 2] = '\0';
}

int64_t event_call_hash(const char *call_id)
{
    /* FNV-1a. Its lowest bit is no more than the parity of the text's lowest bits, so the upper half
     * is folded in before somebody takes it modulo a small number. */
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (const char *at = call_id; *at != '\0'; at++)
        hash = (hash ^ (uint8_t)*at) * UINT64_C(0x100000001b3);
    return (int64_t)((hash ^ (hash >> 32)) & INT64_MAX);
}

struct event *event_new(const char *const field[EVENT_FIELD_COUNT], const char *body,
                        size_t body_size)
{
    size_t size[EVENT_FIELD_COUNT]; /* with the NUL */
    size_t total = sizeof(struct event);

    for (int i = 0; i < EVENT_FIELD_COUNT; i++) {
        size[i] = field[i] == NULL ? 1 : strlen(field[i]) + 1;
        total += size[i];
    }
    if (body_size >= SIZE_MAX - total)
        return NULL;
    struct event *event = malloc(total + body_size + 1);
    if (event == NULL)
        return NULL;

    *event = (struct event){.body_size = body_size};
    char *text = (char *)(event + 1);
    for (int i = 0; i < EVENT_FIELD_COUNT; i++) {
        event->field[i] = memcpy(text, field[i] == NULL ? "" : field[i], size[i]);
        text += size[i];
    }
    event->body = text;
    if (body_size > 0)
        memcpy(text, body, body_size);
    text[body_size] = '\0';
    event->state = lifecycle_from_type(event->field[EVENT_TYPE]);
    return event;
}

void event_free(struct event *event)
{
    free(event);
}
