/* sign.h: a sender's side of Standard Webhooks, by libcrypto alone. */
#ifndef E2E_SIGN_H
#define E2E_SIGN_H

#include <stdint.h>

#include "client.h"

/* POSTs JSON to `path`, signed with "whsec_...", as if the sender's clock showed time_s: the status. */
int sign_post(struct client *client, const char *path, const char *body, const char *secret,
              const char *id, int64_t time_s);

/* The headers alone, NULL at the end; overwritten by the next call. */
const char *const *sign_headers(const char *body, const char *secret, const char *id,
                                int64_t time_s);

#endif
