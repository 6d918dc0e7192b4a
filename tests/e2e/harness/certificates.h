/*
 * certificates.h: a certificate authority of the test's own and what it vouches for, made by openssl(1) in
 * the test's directory: ca.pem; server.pem and server.key, for 127.0.0.1; other-ca.pem, which vouches for
 * nothing; other.key. certificates_renew() makes server.pem and server.key anew, of the same authority.
 */
#ifndef E2E_CERTIFICATES_H
#define E2E_CERTIFICATES_H

void certificates_make(const char *directory);
void certificates_renew(const char *directory);

#endif
