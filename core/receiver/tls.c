/* tls.c: see tls.h. libcrypto looks at the files because it can say what is wrong with them. */
#include "receiver/tls.h"

#include <stdio.h>
#include <string.h>

#include <microhttpd.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "common/log.h"

static int fail(const char *key, const char *path, const char *what, char *error, size_t error_size)
{
    snprintf(error, error_size, "%s: %s: %s", key, path, what);
    return -1;
}

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

static int check_pair(const struct tls *tls, const struct config *config, char *error,
                      size_t error_size)
{
    static const char certificate_key[] = "tls.certificate_file", key_key[] = "tls.key_file";
    X509 *certificate = parse_certificate(&tls->certificate);
    EVP_PKEY *key = parse_key(&tls->key);
    int result = 0;

    if (certificate == NULL)
        result =
            fail(certificate_key, config->tls.certificate_file,
                 "holds no certificate in PEM (-----BEGIN CERTIFICATE-----)", error, error_size);
    else if (key == NULL)
        result = fail(key_key, config->tls.key_file,
                      "holds no private key in PEM without a passphrase", error, error_size);
    else if (!X509_check_private_key(certificate, key))
        result = fail(key_key, config->tls.key_file,
                      "does not belong to the first certificate of tls.certificate_file", error,
                      error_size);
    else
        warn_about_time(certificate, config->tls.certificate_file);
    X509_free(certificate);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return result;
}

int tls_open(const struct config *config, struct tls *out, char *error, size_t error_size)
{
    const char *certificate_file = config->tls.certificate_file;
    struct tls tls = {.key = {.text = NULL}};
    char reason[512];

    if (certificate_file == NULL || certificate_file[0] == '\0') {
        *out = tls;
        return 0;
    }
    if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES) {
        snprintf(error, error_size,
                 "tls.certificate_file: this machine's libmicrohttpd has no TLS");
        return -1;
    }
    if (secret_file_read(certificate_file, SECRET_FILE_PUBLIC, &tls.certificate, reason,
                         sizeof reason) < 0)
        snprintf(error, error_size, "tls.certificate_file: %s", reason);
    else if (secret_file_read(config->tls.key_file, SECRET_FILE_PRIVATE, &tls.key, reason,
                              sizeof reason) < 0)
        snprintf(error, error_size, "tls.key_file: %s", reason);
    else if (check_pair(&tls, config, error, error_size) == 0) {
        *out = tls;
        return 0;
    }
    tls_close(&tls);
    return -1;
}

void tls_close(struct tls *tls)
{
    secret_file_free(&tls->certificate);
    secret_file_free(&tls->key);
}

int tls_is_on(const struct tls *tls)
{
    return tls->key.text != NULL;
}
