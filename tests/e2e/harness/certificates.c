/* certificates.c: see certificates.h. */
#include "certificates.h"

#include "cmocka_all.h"

#include "process.h"
#include "scratch.h"

static void run(const char *directory, const char *const *words)
{
    struct environment environment;
    struct process_result result;
    environment_init(&environment);
    process_run(words, &environment, directory, &result);
    if (result.exit_status != 0)
        fail_msg("openssl ended with %d: %s", result.exit_status, result.errors);
    process_forget(&result);
    environment_clear(&environment);
}

#define NEW_CERTIFICATE                                                                            \
    "/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",    \
        "-nodes", "-days", "2"

static void make_authority(const char *directory, const char *name, const char *certificate_name,
                           const char *key_name)
{
    char certificate[SCRATCH_PATH], key[SCRATCH_PATH];
    scratch_path(directory, certificate_name, certificate);
    scratch_path(directory, key_name, key);
    const char *const words[] = {
        NEW_CERTIFICATE, "-subj",     name,      "-addext", "basicConstraints=critical,CA:TRUE",
        "-out",          certificate, "-keyout", key,       NULL};
    run(directory, words);
}

void certificates_renew(const char *directory)
{
    char ca[SCRATCH_PATH], ca_key[SCRATCH_PATH], certificate[SCRATCH_PATH], key[SCRATCH_PATH];
    scratch_path(directory, "ca.pem", ca);
    scratch_path(directory, "ca.key", ca_key);
    scratch_path(directory, "server.pem", certificate);
    scratch_path(directory, "server.key", key);
    const char *const words[] = {NEW_CERTIFICATE,
                                 "-subj",
                                 "/CN=pbxhook",
                                 "-addext",
                                 "subjectAltName=IP:127.0.0.1",
                                 "-addext",
                                 "basicConstraints=critical,CA:FALSE",
                                 "-CA",
                                 ca,
                                 "-CAkey",
                                 ca_key,
                                 "-out",
                                 certificate,
                                 "-keyout",
                                 key,
                                 NULL};
    run(directory, words);
}

void certificates_make(const char *directory)
{
    make_authority(directory, "/CN=Test authority", "ca.pem", "ca.key");
    make_authority(directory, "/CN=Another authority", "other-ca.pem", "other.key");
    certificates_renew(directory);
}
