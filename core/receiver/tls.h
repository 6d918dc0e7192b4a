/*
 * tls.h: the server's certificate and key: read, checked, and given to each new session by GnuTLS's question
 * for them. So another pair can take their place while the server runs: sessions go on with what they began with.
 */
#ifndef PBXHOOK_TLS_H
#define PBXHOOK_TLS_H

#include <stddef.h>

#include "common/config.h"

/* TLS 1.2 and 1.3, GnuTLS's own choice of ciphers, the server's order of them. */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE"

struct tls;

/*
 * Reads the two files if they are configured and sees that they are PEM and belong together; says so in
 * the log when the certificate is not valid now. 0 and *out, NULL when none is configured; or -1 and to the text in
 * `error` is added, a line for each, where it was set, key, file and reason.
 */
int tls_open(const struct config *config, struct tls **out, char *error, size_t error_size);
/* No session that began with it may still be shaking hands. Accepts NULL. */
void tls_free(struct tls *tls);

/*
 * Sessions that begin from here on get this one; NULL: they fail. The HTTP loop's, or whose before there is
 * one: there is one server in a process, for GnuTLS asks without saying on whose behalf.
 */
void tls_use(const struct tls *tls);

/* For MHD_OPTION_HTTPS_CERT_CALLBACK, a gnutls_certificate_retrieve_function2. */
void *tls_callback(void);

#endif
