/* tls.c: see tls.h. libcrypto looks at the files because it can say what is wrong with them. */
#include "receiver/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "common/log.h"
#include "common/secret_file.h"

#define CHAIN_MAX 16 /* certificates in the file */

struct tls {
    gnutls_pcert_st chain[CHAIN_MAX]; /* the server's own first */
    unsigned chain_size;
    gnutls_privkey_t key;
};

/* Read, and not yet GnuTLS's. */
struct pair {
    struct secret_file certificate; /* PEM, its chain behind it */
    struct secret_file key;         /* PEM                      */
};

static const char certificate_key[] = "tls.certificate_file", key_key[] = "tls.key_file";

static int fail(const struct config *config, const char *key, const char *what, char *error,
                size_t error_size)
{
    const char *path = key == certificate_key ? config->tls.certificate_file : config->tls.key_file;
    return config_add_error(config, error, error_size, "%s: %s: %s", key, path, what);
}

/* ---- What the files hold -------------------------------------------------------------------------- */

/* There is nobody to ask for a passphrase. */
static int give_no_passphrase(char *out, int size, int writing, void *arg)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

static X509 *parse_certificate(const struct secret_file *file)
{
    BIO *bio = BIO_new_mem_buf(file->text, (int)file->size);
    X509 *certificate = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, give_no_passphrase, NULL);
    BIO_free(bio);
    return certificate;
}

static EVP_PKEY *parse_key(const struct secret_file *file)
{
    BIO *bio = BIO_new_mem_buf(file->text, (int)file->size);
    EVP_PKEY *key =
        bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, give_no_passphrase, NULL);
    BIO_free(bio);
    return key;
}

/* Clients will say so, too, but not where their operator looks. */
static void warn_about_time(const X509 *certificate, const char *path)
{
    const char *what = NULL;

    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
        what = "the TLS certificate has expired";
    else if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
        what = "the TLS certificate is not valid yet";
    if (what != NULL)
        log_warning(what, log_text("file", path));
}

static int check_pair(const struct pair *pair, const struct config *config, char *error,
                      size_t error_size)
{
    X509 *certificate = parse_certificate(&pair->certificate);
    EVP_PKEY *key = parse_key(&pair->key);
    int result = 0;

    if (certificate == NULL)
        result =
            fail(config, certificate_key,
                 "holds no certificate in PEM (-----BEGIN CERTIFICATE-----)", error, error_size);
    else if (key == NULL)
        result = fail(config, key_key, "holds no private key in PEM without a passphrase", error,
                      error_size);
    else if (!X509_check_private_key(certificate, key))
        result = fail(config, key_key,
                      "does not belong to the first certificate of tls.certificate_file", error,
                      error_size);
    else
        warn_about_time(certificate, config->tls.certificate_file);
    X509_free(certificate);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return result;
}

/* ---- GnuTLS's ------------------------------------------------------------------------------------- */

static gnutls_datum_t datum_of(const struct secret_file *file)
{
    return (gnutls_datum_t){.data = (unsigned char *)file->text, .size = (unsigned)file->size};
}

static int import(const struct pair *pair, const struct config *config, struct tls *tls,
                  char *error, size_t error_size)
{
    const gnutls_datum_t certificate = datum_of(&pair->certificate), key = datum_of(&pair->key);
    unsigned size = CHAIN_MAX;
    int code = gnutls_pcert_list_import_x509_raw(
        tls->chain, &size, &certificate, GNUTLS_X509_FMT_PEM,
        GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED | GNUTLS_X509_CRT_LIST_SORT);
    if (code < 0)
        return fail(config, certificate_key, gnutls_strerror(code), error, error_size);
    tls->chain_size = size;
    code = gnutls_privkey_init(&tls->key);
    if (code == 0)
        code = gnutls_privkey_import_x509_raw(tls->key, &key, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (code < 0)
        return fail(config, key_key, gnutls_strerror(code), error, error_size);
    return 0;
}

static _Atomic(const struct tls *) in_use;

void tls_use(const struct tls *tls)
{
    in_use = tls;
}

static int give_credentials(gnutls_session_t session, const gnutls_datum_t *authorities,
                            int authority_count, const gnutls_pk_algorithm_t *algorithms,
                            int algorithm_count, gnutls_pcert_st **chain, unsigned *chain_size,
                            gnutls_privkey_t *key)
{
    const struct tls *tls = in_use;
    (void)session;
    (void)authorities;
    (void)authority_count;
    (void)algorithms;
    (void)algorithm_count;
    if (tls == NULL)
        return -1;
    *chain = (gnutls_pcert_st *)tls->chain; /* GnuTLS only reads it */
    *chain_size = tls->chain_size;
    *key = tls->key;
    return 0;
}

void *tls_callback(void)
{
    gnutls_certificate_retrieve_function2 *function = give_credentials;
    void *out;
    memcpy(&out, &function, sizeof out); /* C has no cast for it, POSIX has the promise */
    return out;
}

/* ---- Opening and closing --------------------------------------------------------------------------- */

static int read_pair(const struct config *config, struct pair *out, char *error, size_t error_size)
{
    char reason[512];
    int result = 0;

    if (secret_file_read(config->tls.certificate_file, SECRET_FILE_PUBLIC, &out->certificate,
                         reason, sizeof reason) < 0)
        result = config_add_error(config, error, error_size, "%s: %s", certificate_key, reason);
    if (secret_file_read(config->tls.key_file, SECRET_FILE_PRIVATE, &out->key, reason,
                         sizeof reason) < 0)
        result = config_add_error(config, error, error_size, "%s: %s", key_key, reason);
    return result < 0 ? -1 : check_pair(out, config, error, error_size);
}

int tls_open(const struct config *config, struct tls **out, char *error, size_t error_size)
{
    struct pair pair = {.key = {.text = NULL}};
    struct tls *tls = NULL;
    int result = -1;

    if (config->tls.certificate_file == NULL || config->tls.certificate_file[0] == '\0') {
        *out = NULL;
        return 0;
    }
    if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES ||
        MHD_is_feature_supported(MHD_FEATURE_HTTPS_CERT_CALLBACK) != MHD_YES)
        return config_add_error(config, error, error_size,
                                "%s: this machine's libmicrohttpd has no TLS", certificate_key);
    if (read_pair(config, &pair, error, error_size) < 0)
        goto done;
    tls = calloc(1, sizeof *tls);
    if (tls == NULL)
        fail(config, certificate_key, "out of memory", error, error_size);
    else
        result = import(&pair, config, tls, error, error_size);
    if (result == 0) {
        *out = tls;
        tls = NULL;
    }
done:
    tls_free(tls);
    secret_file_free(&pair.certificate);
    secret_file_free(&pair.key);
    return result;
}

void tls_free(struct tls *tls)
{
    if (tls == NULL)
        return;
    for (unsigned i = 0; i < tls->chain_size; i++)
        gnutls_pcert_deinit(&tls->chain[i]);
    if (tls->key != NULL)
        gnutls_privkey_deinit(tls->key);
    free(tls);
}
