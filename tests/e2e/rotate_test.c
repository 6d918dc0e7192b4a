/*
 * rotate_test.c: secrets, address lists and certificates changed by a reload: what is new holds, what is gone
 * holds no more, nobody is refused in between; and what is wrong with a file is said and changes nothing.
 */
#include "world.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "certificates.h"
#include "sign.h"

#define EVENT      "{\"type\":\"call.new\",\"call_id\":\"c-1\"}"
#define OLD_SECRET "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
#define NEW_SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define OLD_TOKEN  "Authorization: Bearer the-old-token-000"
#define NEW_TOKEN  "Authorization: Bearer the-new-token-000"

static void write_secret(const struct world *world, const char *name, const char *text)
{
    char path[SCRATCH_PATH];
    scratch_path(world->directory, name, path);
    scratch_write_secret(path, text);
}

static void name_file(struct world *world, const char *variable, const char *name)
{
    char path[SCRATCH_PATH];
    scratch_path(world->directory, name, path);
    world_set(world, variable, path);
}

static void set_mode(const struct world *world, const char *name, mode_t mode)
{
    char path[SCRATCH_PATH];
    scratch_path(world->directory, name, path);
    assert_int_equal(chmod(path, mode), 0);
}

/* ---- Senders ------------------------------------------------------------------------------------- */

static int post_signed(struct world *world, const char *secret)
{
    static int number;
    char id[32];
    snprintf(id, sizeof id, "m-%d", ++number);
    return sign_post(world->client, ROUTE_FLAT, EVENT, secret, id, time(NULL));
}

static int post(struct world *world, const char *header)
{
    return client_post_with(world->client, ROUTE_FLAT, EVENT, header);
}

static void test_a_signing_secret(struct world *world)
{
    write_secret(world, "webhook", OLD_SECRET "\n");
    name_file(world, "PBXHOOK_WEBHOOK_SECRET_FILE", "webhook");
    world_start(world);
    assert_int_equal(post_signed(world, OLD_SECRET), 200);
    assert_int_equal(post_signed(world, NEW_SECRET), 401);
    write_secret(world, "webhook", OLD_SECRET "\n" NEW_SECRET "\n");
    world_reload(world);
    assert_int_equal(post_signed(world, OLD_SECRET), 200);
    assert_int_equal(post_signed(world, NEW_SECRET), 200);
    write_secret(world, "webhook", NEW_SECRET "\n");
    world_reload(world);
    assert_int_equal(post_signed(world, OLD_SECRET), 401);
    assert_int_equal(post_signed(world, NEW_SECRET), 200);
    store_await_events(world, 4);
}

/* Other keys, other files, other lists; and none of them any more. */
static void test_other_ways_in(struct world *world)
{
    write_secret(world, "tokens", "the-old-token-000\n");
    write_secret(world, "password", "s3cret\n");
    world_configure(world, "webhook { token_file = \"tokens\" }\n");
    world_start(world);
    assert_int_equal(post(world, OLD_TOKEN), 200);
    world_configure(world, "webhook { user = \"pbx\"\n password_file = \"password\"\n }\n");
    world_reload(world);
    assert_int_equal(post(world, OLD_TOKEN), 401);
    assert_int_equal(post(world, "Authorization: Basic cGJ4OnMzY3JldA=="), 200);
    world_configure(world, "webhook { allow_from = {\"192.0.2.0/24\"}\n"
                           " trusted_proxies = {\"127.0.0.1\"}\n }\n");
    world_reload(world);
    assert_int_equal(post(world, NULL), 403);
    assert_int_equal(post(world, "X-Forwarded-For: 192.0.2.7"), 200);
    world_configure(world, "");
    world_reload(world);
    assert_int_equal(post(world, NULL), 200);
}

/* The rule of the start holds for a reload: more than loopback wants something to be shown. */
static void test_the_door_is_not_left_open(struct world *world)
{
    world->server.host = "0.0.0.0";
    write_secret(world, "tokens", "the-old-token-000\n");
    world_configure(world, "webhook { token_file = \"tokens\" }\n");
    world_start(world);
    world_configure(world, "");
    world_reload_in_vain(world, "the webhook has no authentication");
    assert_int_equal(post(world, NULL), 401);
    assert_int_equal(post(world, OLD_TOKEN), 200);
    world_configure(world, "allow_unauthenticated = true\n");
    world_reload(world);
    assert_int_equal(post(world, NULL), 200);
}

static void test_broken_secrets(struct world *world)
{
    write_secret(world, "webhook", OLD_SECRET "\n");
    write_secret(world, "tokens", "the-old-token-000\n");
    write_secret(world, "pbx", "s3cret\n");
    name_file(world, "PBXHOOK_WEBHOOK_SECRET_FILE", "webhook");
    name_file(world, "PBXHOOK_WEBHOOK_TOKEN_FILE", "tokens");
    name_file(world, "PBXHOOK_PBX_PASSWORD_FILE", "pbx");
    world_set(world, "PBXHOOK_PBX_USER", "pbxhook");
    world_start(world);
    write_secret(world, "tokens", "");
    world_reload_in_vain(world, "tokens: is empty");
    write_secret(world, "tokens", "\n\n");
    world_reload_in_vain(world, "tokens: found 0 lines with a secret");
    write_secret(world, "tokens", "the-new-token-000\n");
    set_mode(world, "tokens", 0644);
    world_reload_in_vain(world, "tokens: everybody can read it");
    set_mode(world, "tokens", 0600);
    write_secret(world, "webhook", "whsec_short\n");
    world_reload_in_vain(world, "webhook: secret 1 is not \"whsec_\"");
    write_secret(world, "webhook", NEW_SECRET "\n");
    write_secret(world, "pbx", "");
    world_reload_in_vain(world, "pbx: is empty");
    assert_int_equal(post(world, OLD_TOKEN), 200);
    assert_int_equal(post(world, NEW_TOKEN), 401);
    assert_int_equal(post_signed(world, OLD_SECRET), 200);
    assert_int_equal(post_signed(world, NEW_SECRET), 401);
    write_secret(world, "pbx", "n3w\n");
    world_reload(world);
    assert_int_equal(post(world, NEW_TOKEN), 200);
    assert_int_equal(post_signed(world, NEW_SECRET), 200);
}

/* ---- Readers ------------------------------------------------------------------------------------- */

static int subscribe(const struct world *world)
{
    static const char request[] = "GET /api/dashboard/stream HTTP/1.1\r\nHost: x\r\n"
                                  "Authorization: Bearer the-old-token-000\r\n\r\n";
    int fd = socket_connect(world->server.port);
    assert_true(fd >= 0);
    socket_write_text(fd, request);
    return fd;
}

static int count_as(struct world *world, const char *header)
{
    const char *const headers[] = {header, NULL};
    return client_send(world->client, "GET", "/api/dashboard/count", NULL, 0, headers);
}

/* Who reads the stream has shown a token once; when that is taken back, so is the stream. */
static void test_a_readers_token(struct world *world)
{
    world_set(world, "PBXHOOK_DASHBOARD_METRICS_PUBLIC", "true");
    write_secret(world, "tokens", "the-old-token-000\n");
    name_file(world, "PBXHOOK_DASHBOARD_TOKEN_FILE", "tokens");
    world_start(world);
    int fd = subscribe(world);
    metric_await(world, "pbxhook_stream_readers", 1);
    world_reload(world);
    metric_check(world, "pbxhook_stream_readers", 1);
    write_secret(world, "tokens", "the-new-token-000\n");
    world_reload(world);
    assert_int_equal(socket_await_end(fd, wait_stretch(WAIT_LIMIT_MS)), 0);
    metric_await(world, "pbxhook_stream_readers", 0);
    close(fd);
    assert_int_equal(count_as(world, OLD_TOKEN), 401);
    assert_int_equal(count_as(world, NEW_TOKEN), 200);
}

/* ---- Certificates -------------------------------------------------------------------------------- */

static void start_with_tls(struct world *world, char ca[SCRATCH_PATH])
{
    certificates_make(world->directory);
    name_file(world, "PBXHOOK_TLS_CERTIFICATE_FILE", "server.pem");
    name_file(world, "PBXHOOK_TLS_KEY_FILE", "server.key");
    scratch_path(world->directory, "ca.pem", ca);
    world_start(world);
    world->client->ca_file = ca;
}

static size_t ignore(char *data, size_t size, size_t count, void *arg)
{
    (void)data;
    (void)arg;
    return size * count;
}

#define SERIAL_SIZE 128

/* The serial number of the certificate that a new client is shown. */
static void see_serial(const struct world *world, const char *ca, char out[SERIAL_SIZE])
{
    static const char name[] = "Serial Number:";
    struct curl_certinfo *info = NULL;
    char url[128];
    CURL *easy = curl_easy_init();
    assert_non_null(easy);
    snprintf(url, sizeof url, "https://127.0.0.1:%d/healthz", world->server.port);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_CAINFO, ca);
    curl_easy_setopt(easy, CURLOPT_CERTINFO, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)wait_stretch(WAIT_LIMIT_MS));
    assert_int_equal(curl_easy_perform(easy), CURLE_OK);
    curl_easy_getinfo(easy, CURLINFO_CERTINFO, &info);
    assert_true(info != NULL && info->num_of_certs >= 1);
    out[0] = '\0';
    for (struct curl_slist *line = info->certinfo[0]; line != NULL; line = line->next) {
        if (strncmp(line->data, name, strlen(name)) == 0)
            snprintf(out, SERIAL_SIZE, "%s", line->data + strlen(name));
    }
    assert_string_not_equal(out, "");
    curl_easy_cleanup(easy);
}

/* New sessions are shown the new one; one that is there goes on. */
static void test_a_certificate(struct world *world)
{
    char ca[SCRATCH_PATH], before[SERIAL_SIZE], after[SERIAL_SIZE];
    long connects = 1;
    start_with_tls(world, ca);
    assert_int_equal(post(world, NULL), 200);
    see_serial(world, ca, before);
    certificates_renew(world->directory);
    see_serial(world, ca, after);
    assert_string_equal(after, before);
    world_reload(world);
    see_serial(world, ca, after);
    assert_string_not_equal(after, before);
    assert_int_equal(post(world, NULL), 200);
    curl_easy_getinfo(world->client->easy, CURLINFO_NUM_CONNECTS, &connects);
    assert_int_equal(connects, 0);
}

static void test_broken_certificates(struct world *world)
{
    char ca[SCRATCH_PATH], before[SERIAL_SIZE], after[SERIAL_SIZE], path[SCRATCH_PATH];
    start_with_tls(world, ca);
    see_serial(world, ca, before);
    scratch_path(world->directory, "server.key", path);
    char *key = scratch_read(path);
    certificates_renew(world->directory);
    char *other = scratch_read(path);
    scratch_write_secret(path, key);
    world_reload_in_vain(world, "server.key: does not belong to the first certificate");
    scratch_write_secret(path, "-----BEGIN PRIVATE KEY-----\nrubbish\n-----END PRIVATE KEY-----\n");
    world_reload_in_vain(world, "server.key: holds no private key");
    assert_int_equal(unlink(path), 0);
    world_reload_in_vain(world, "server.key: No such file");
    scratch_write_secret(path, other);
    set_mode(world, "server.key", 0644);
    world_reload_in_vain(world, "server.key: everybody can read it");
    set_mode(world, "server.key", 0600);
    scratch_path(world->directory, "server.pem", path);
    char *certificate = scratch_read(path);
    scratch_write(path, "nothing");
    world_reload_in_vain(world, "server.pem: holds no certificate");
    see_serial(world, ca, after);
    assert_string_equal(after, before);
    scratch_write(path, certificate);
    world_reload(world);
    see_serial(world, ca, after);
    assert_string_not_equal(after, before);
    free(key);
    free(other);
    free(certificate);
}

static void test_tls_is_not_turned_on_or_off(struct world *world)
{
    char ca[SCRATCH_PATH];
    certificates_make(world->directory);
    scratch_path(world->directory, "ca.pem", ca);
    world_start(world);
    world_configure(world,
                    "tls { certificate_file = \"server.pem\"\n key_file = \"server.key\"\n }\n");
    world_reload_in_vain(world, "TLS can't be turned on while the server runs");
    assert_int_equal(post(world, NULL), 200);
    server_stop(&world->server);
    world_start(world);
    world->client->ca_file = ca;
    world_configure(world, "");
    world_reload_in_vain(world, "TLS can't be turned off while the server runs");
    assert_int_equal(post(world, NULL), 200);
}

#define POSTERS   4
#define ROTATIONS 8
#define KEPT      10 /* posts on one connection */

/* They go on until a post fails, also when the test gives up and its server is gone. */
static struct posters {
    char ca[SCRATCH_PATH];
    int port;
    _Atomic int next, acknowledged, failed, stop;
} posters;

static void *post_on(void *arg)
{
    (void)arg;
    while (!posters.stop && posters.failed == 0) {
        struct client *client = client_open(posters.port);
        client->ca_file = posters.ca;
        for (int i = 0; i < KEPT && !posters.stop && posters.failed == 0; i++) {
            char body[128];
            snprintf(body, sizeof body, "{\"type\":\"call.new\",\"call_id\":\"load-%d\"}",
                     posters.next++);
            int status = client_post(client, ROUTE_FLAT, body);
            posters.acknowledged += status == 200;
            posters.failed += status != 200;
        }
        client_close(client);
    }
    return NULL;
}

/* Not one request fails, whether its session is new or not. */
static void test_certificates_under_load(struct world *world)
{
    char before[SERIAL_SIZE], after[SERIAL_SIZE];
    pthread_t thread[POSTERS];
    start_with_tls(world, posters.ca);
    posters.port = world->server.port;
    for (int i = 0; i < POSTERS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, post_on, NULL), 0);
    see_serial(world, posters.ca, before);
    for (int i = 1; i <= ROTATIONS; i++) {
        await(posters.acknowledged >= i * 100);
        certificates_renew(world->directory);
        world_reload(world);
        see_serial(world, posters.ca, after);
        assert_string_not_equal(after, before);
        memcpy(before, after, sizeof before);
    }
    posters.stop = 1;
    for (int i = 0; i < POSTERS; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(posters.failed, 0);
    await(store_int(world, "SELECT count(*) FROM events", NULL) == posters.acknowledged);
}

/* ---- Towards the PBX ----------------------------------------------------------------------------- */

static void call(struct world *world, const char *call_id)
{
    world_post(world, &(struct event_text){
                          .type = "call.standby", .call_id = call_id, .their_number = call_id});
}

/* The PBX shows a certificate of another authority from now on. */
static void test_the_pbxs_authority(struct world *world)
{
    char path[SCRATCH_PATH], ca[SCRATCH_PATH];
    certificates_make(world->directory);
    scratch_path(world->directory, "server.pem", path);
    char *certificate = scratch_read(path);
    scratch_path(world->directory, "server.key", path);
    char *key = scratch_read(path);
    world_close_pbx(world);
    fake_pbx_use_tls(world->pbx, certificate, key);
    fake_pbx_open(world->pbx);
    world_set(world, "PBXHOOK_PBX_URL", fake_pbx_url(world->pbx));
    world_set(world, "PBXHOOK_PBX_DEADLINE", "1s");
    scratch_path(world->directory, "other-ca.pem", path);
    char *other = scratch_read(path);
    scratch_path(world->directory, "authorities.pem", path);
    scratch_write(path, other);
    name_file(world, "PBXHOOK_PBX_CA_FILE", "authorities.pem");
    world_start(world);
    call(world, "c-1");
    metric_await(world, "pbxhook_actions_total{outcome=\"expired\"}", 1);
    scratch_write(path, "nothing");
    world_reload_in_vain(world, "authorities.pem: holds no certificate");
    scratch_path(world->directory, "ca.pem", ca);
    char *right = scratch_read(ca);
    scratch_write(path, right);
    world_reload(world);
    call(world, "c-2");
    await(fake_pbx_count_of(world->pbx, "c-2") == 1);
    fake_pbx_free(world->pbx);
    world->pbx = NULL;
    free(certificate);
    free(key);
    free(other);
    free(right);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"a signing secret", test_a_signing_secret},
        {"other ways in", test_other_ways_in},
        {"the door is not left open", test_the_door_is_not_left_open},
        {"broken secrets", test_broken_secrets},
        {"a reader's token", test_a_readers_token},
        {"a certificate", test_a_certificate},
        {"broken certificates", test_broken_certificates},
        {"TLS is not turned on or off", test_tls_is_not_turned_on_or_off},
        {"certificates under load", test_certificates_under_load},
        {"the PBX's authority", test_the_pbxs_authority},
    };
    return WORLD_RUN("rotate", tests);
}
