/*
 * sign.h: signs posts as Standard Webhooks want it. Belongs to the main thread.
 */
#ifndef MOCK_PBX_SIGN_H
#define MOCK_PBX_SIGN_H

#include <stddef.h>
#include <stdint.h>

#define SIGN_KEY_MAX   64
#define SIGN_TEXT_SIZE 64 /* "v1," and a digest in base64 */

struct sign_key {
    unsigned char bytes[SIGN_KEY_MAX];
    size_t size;
};

/* Reads "whsec_BASE64" or the base64 alone: 0, or -1. */
int sign_read_key(const char *text, struct sign_key *out);

/* The value of webhook-signature for the body sent now. */
void sign_make(const struct sign_key *key, const char *id, int64_t time_s, const void *body,
               size_t body_size, char out[SIGN_TEXT_SIZE]);

#endif
