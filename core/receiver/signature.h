/*
 * signature.h: the symmetric signatures of Standard Webhooks: HMAC-SHA256 over "id.timestamp.body", sent
 * as "v1,BASE64" in webhook-signature. Pure: bytes in, verdict out; the caller brings the clock.
 */
#ifndef PBXHOOK_SIGNATURE_H
#define PBXHOOK_SIGNATURE_H

#include <stddef.h>
#include <stdint.h>

/* A timestamp that is further from our clock, either way, is a replay or a wrong clock. */
#define SIGNATURE_TOLERANCE_S 300

/* What the standard allows for a secret, in bytes behind its base64. */
#define SIGNATURE_KEY_MIN 24
#define SIGNATURE_KEY_MAX 64

struct signature_key {
    const unsigned char *bytes; /* borrowed */
    size_t size;
};

/*
 * Reads "whsec_BASE64", or the base64 alone, and decodes it in place. 0, or -1 when it is none or too
 * short or too long; then the text may be garbled.
 */
int signature_key_read(char *text, struct signature_key *out);

/* What a sender says in its head; each NULL when it was not sent. */
struct signature_head {
    const char *id;         /* webhook-id                                    */
    const char *timestamp;  /* webhook-timestamp: seconds since 1970         */
    const char *signatures; /* webhook-signature: one or more, blank between */
};

enum signature_verdict {
    SIGNATURE_GOOD,
    SIGNATURE_MISSING,   /* one of the three headers is not there      */
    SIGNATURE_MALFORMED, /* the timestamp is no number, the id is ""   */
    SIGNATURE_TOO_OLD,
    SIGNATURE_TOO_NEW,
    SIGNATURE_WRONG,
    SIGNATURE_NO_MEMORY
};

/* What can be judged before the body is there: everything but SIGNATURE_WRONG. */
enum signature_verdict signature_check_head(const struct signature_head *head, int64_t now_s);

/* Judges the rest, after signature_check_head(): good when any signature fits any of the keys. The time
 * it takes does not depend on how much of a signature is right. */
enum signature_verdict signature_check(const struct signature_key *keys, int key_count,
                                       const struct signature_head *head, const void *body,
                                       size_t body_size);

/* A sentence for the sender's author; a constant. "" for SIGNATURE_GOOD. */
const char *signature_explain(enum signature_verdict verdict);

#endif
