/*
 * tls.h: the server's certificate and key, read and checked before libmicrohttpd's GnuTLS gets them.
 */
#ifndef PBXHOOK_TLS_H
#define PBXHOOK_TLS_H

#include <stddef.h>

#include "common/config.h"
#include "common/secret_file.h"

/* TLS 1.2 and 1.3, GnuTLS's own choice of ciphers, the server's order of them. */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE"

struct tls {
    struct secret_file certificate; /* PEM, its chain behind it */
    struct secret_file key;         /* PEM; text NULL: no TLS   */
};

/*
 * Reads the two files if they are configured and sees that they are PEM and belong together; says so in
 * the log when the certificate is not valid now. 0, or -1 and `error` names key, file and reason.
 */
int tls_open(const struct config *config, struct tls *out, char *error, size_t error_size);
void tls_close(struct tls *tls); /* accepts one that is zero */

int tls_is_on(const struct tls *tls);

#endif
