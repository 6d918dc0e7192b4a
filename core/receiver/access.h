/*
 * access.h: keeps strangers out: reads the secrets that the configuration names, asks auth.h about each
 * request and refuses with 401 or 403. Opened once; the checks are the HTTP loop's.
 */
#ifndef PBXHOOK_ACCESS_H
#define PBXHOOK_ACCESS_H

#include <stddef.h>

#include "common/address_list.h"
#include "common/config.h"

struct access;
struct request;

/*
 * Reads the secret files and the address lists. `listen` is where the server listens, which a socket unit may
 * have said in place of the configuration. On failure -1 and to the text in `error` is added, a line for
 * each file that won't do, where it was set, which key, which file and why. It also refuses to go on listening to more than this machine while nobody has to show anything
 * (then `error` says what to set).
 */
int access_open(const struct config *config, const char *listen, struct access **out, char *error,
                size_t error_size);
void access_free(struct access *access); /* accepts NULL */

/* Whether it keeps secrets in memory. */
int access_has_secrets(const struct access *access);

/* Whether readers show the same to both, so that whoever reads already may go on. */
int access_has_same_readers(const struct access *one, const struct access *other);

/* Proxies whose word about the client is taken; and so many connections of theirs are nobody's fault. */
int access_is_trusted_proxy(const struct access *access, const struct address *address);

/* What can be judged by the head: may refuse the request. Not for OPTIONS, which shows no credentials. */
void access_check_head(struct request *request);

/* The whole body is there: judges its signature if that was due. 0, or -1: refused. */
int access_check_body(struct request *request);

#endif
