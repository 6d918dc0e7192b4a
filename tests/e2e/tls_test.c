/*
 * tls_test.c: TLS at the server's door and towards the PBX, with certificates that are made here.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certificates.h"

#define EVENT      "{\"type\":\"call.new\",\"call_id\":\"c-1\"}"
#define LARGE_SIZE (200 * 1000) /* several records of TLS, and several reads */

#define CLIENTS    20
#define POSTS      10

static void path_of(const struct world *world, const char *name, char out[SCRATCH_PATH])
{
    scratch_path(world->directory, name, out);
}

/* The server speaks TLS with these two files. */
static void set_tls(struct world *world, const char *certificate_name, const char *key_name)
{
    char certificate[SCRATCH_PATH], key[SCRATCH_PATH];
    path_of(world, certificate_name, certificate);
    path_of(world, key_name, key);
    world_set(world, "PBXHOOK_TLS_CERTIFICATE_FILE", certificate);
    world_set(world, "PBXHOOK_TLS_KEY_FILE", key);
}

/* Starts it; ca becomes the path of the authority that vouches for it. */
static void start_with_tls(struct world *world, char ca[SCRATCH_PATH])
{
    certificates_make(world->directory);
    set_tls(world, "server.pem", "server.key");
    path_of(world, "ca.pem", ca);
    world_start(world);
    world->client->ca_file = ca;
}

/* ---- At the server's door ------------------------------------------------------------------------ */

static void test_events_over_tls(struct world *world)
{
    char ca[SCRATCH_PATH];
    start_with_tls(world, ca);
    assert_int_equal(server_log_count(&world->server, "msg=listening", "scheme=https"), 1);
    for (int i = 0; i < 3; i++)
        world_post(world, &(struct event_text){.type = event_types[i], .call_id = "c-1"});
    store_await_events(world, 3);
    dashboard_check(world, &(struct world_counts){.active = 1, .calls = {[2] = 1}});
    assert_int_equal(client_get(world->client, "/healthz"), 200);
}

static void test_a_large_body(struct world *world)
{
    char ca[SCRATCH_PATH];
    char *body = malloc(LARGE_SIZE + 1);
    assert_non_null(body);
    memset(body, ' ', LARGE_SIZE);
    memcpy(body, EVENT, strlen(EVENT));
    body[LARGE_SIZE] = '\0';
    start_with_tls(world, ca);
    assert_int_equal(client_post(world->client, ROUTE_FLAT, body), 200);
    store_await_events(world, 1);
    free(body);
}

/* An encrypted connection can't be handed over: it is told so, and the session goes on. */
static void test_no_live_stream(struct world *world)
{
    char ca[SCRATCH_PATH];
    start_with_tls(world, ca);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(client_get(world->client, "/api/dashboard/stream"), 503);
        assert_non_null(strstr(world->client->body, "/api/dashboard/count"));
        assert_int_equal(client_get(world->client, "/api/dashboard/count"), 200);
    }
    assert_int_equal(client_get(world->client, "/"), 200);
}

/* Many sessions at once, each kept and used again: every post suspends and resumes its connection. */
static void test_many_sessions(struct world *world)
{
    char ca[SCRATCH_PATH];
    struct client *clients[CLIENTS];
    start_with_tls(world, ca);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = client_open(world->server.port);
        clients[i]->ca_file = ca;
    }
    for (int post = 0; post < POSTS; post++) {
        for (int i = 0; i < CLIENTS; i++) {
            char body[128];
            long connects = 0;
            snprintf(body, sizeof body, "{\"type\":\"call.new\",\"call_id\":\"c-%d-%d\"}", i, post);
            assert_int_equal(client_post(clients[i], ROUTE_SEED, body), 204);
            curl_easy_getinfo(clients[i]->easy, CURLINFO_NUM_CONNECTS, &connects);
            assert_int_equal(connects, post == 0);
        }
    }
    store_await_events(world, CLIENTS * POSTS);
    for (int i = 0; i < CLIENTS; i++)
        client_close(clients[i]);
    await(metric_get(world, "pbxhook_http_connections") <= 1);
}

static void test_another_authority_is_not_believed(struct world *world)
{
    char ca[SCRATCH_PATH], other[SCRATCH_PATH];
    start_with_tls(world, ca);
    path_of(world, "other-ca.pem", other);
    world->client->ca_file = other;
    assert_int_equal(client_get(world->client, "/healthz"), 0);
    world->client->ca_file = ca;
    assert_int_equal(client_get(world->client, "/healthz"), 200);
}

static size_t ignore(char *data, size_t size, size_t count, void *arg)
{
    (void)data;
    (void)arg;
    return size * count;
}

/* Asks with one version of TLS, the client willing: libcurl's code, and in `error` its words. */
static CURLcode ask_with(const struct world *world, const char *ca, long version,
                         char error[CURL_ERROR_SIZE])
{
    char url[128];
    CURL *easy = curl_easy_init();
    assert_non_null(easy);
    snprintf(url, sizeof url, "https://127.0.0.1:%d/healthz", world->server.port);
    error[0] = '\0';
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_CAINFO, ca);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)wait_stretch(WAIT_LIMIT_MS));
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, version);
    curl_easy_setopt(easy, CURLOPT_SSL_CIPHER_LIST, "DEFAULT@SECLEVEL=0");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
    CURLcode code = curl_easy_perform(easy);
    curl_easy_cleanup(easy);
    return code;
}

static void test_versions(struct world *world)
{
    char ca[SCRATCH_PATH], error[CURL_ERROR_SIZE];
    start_with_tls(world, ca);
    assert_int_equal(
        ask_with(world, ca, CURL_SSLVERSION_TLSv1_3 | CURL_SSLVERSION_MAX_TLSv1_3, error),
        CURLE_OK);
    assert_int_equal(
        ask_with(world, ca, CURL_SSLVERSION_TLSv1_2 | CURL_SSLVERSION_MAX_TLSv1_2, error),
        CURLE_OK);
    static const long old[] = {CURL_SSLVERSION_TLSv1_1 | CURL_SSLVERSION_MAX_TLSv1_1,
                               CURL_SSLVERSION_TLSv1_0 | CURL_SSLVERSION_MAX_TLSv1_0};
    for (size_t i = 0; i < sizeof old / sizeof old[0]; i++) {
        assert_int_equal(ask_with(world, ca, old[i], error), CURLE_SSL_CONNECT_ERROR);
        /* The client said its hello, and the server hung up. */
        if (strstr(error, "SYSCALL") == NULL && strstr(error, "alert") == NULL &&
            strstr(error, "unexpected eof") == NULL)
            fail_msg("not refused by the server: %s", error);
    }
}

static void test_plain_http_is_not_understood(struct world *world)
{
    char ca[SCRATCH_PATH], answer[4096];
    start_with_tls(world, ca);
    char *request = socket_make_post(ROUTE_FLAT, EVENT);
    int fd = socket_connect(world->server.port);
    socket_write_text(fd, request);
    assert_int_equal(socket_read_answer(fd, answer, sizeof answer), 0);
    close(fd);
    free(request);
    assert_int_equal(client_post(world->client, ROUTE_FLAT, EVENT), 200);
    store_await_events(world, 1);
}

/* ---- Wrong files --------------------------------------------------------------------------------- */

static void check_refused(struct world *world, const char *wanted)
{
    static const char *const commands[] = {"serve", "check"};
    for (size_t i = 0; i < 2; i++) {
        const char *const words[] = {PBXHOOK_BUILD_DIR "/pbxhook", commands[i], NULL};
        struct process_result result;
        process_run(words, &world->server.environment, world->directory, &result);
        assert_int_equal(result.exit_status, 1);
        if (strstr(result.errors, wanted) == NULL)
            fail_msg("%s: \"%s\" is not in: %s", commands[i], wanted, result.errors);
        assert_null(strstr(result.errors, "PRIVATE KEY"));
        process_forget(&result);
    }
}

static void test_wrong_files(struct world *world)
{
    char path[SCRATCH_PATH];
    certificates_make(world->directory);
    world_set(world, "PBXHOOK_LISTEN", "127.0.0.1:0");
    set_tls(world, "server.pem", "other.key");
    check_refused(world, "does not belong to the first certificate");
    set_tls(world, "server.key", "server.key");
    check_refused(world, "tls.certificate_file: ");
    set_tls(world, "server.pem", "server.pem");
    path_of(world, "server.pem", path);
    assert_int_equal(chmod(path, 0600), 0);
    check_refused(world, "holds no private key");
    set_tls(world, "server.pem", "nothing.key");
    check_refused(world, "nothing.key: No such file");
    set_tls(world, "server.pem", "server.key");
    path_of(world, "server.key", path);
    assert_int_equal(chmod(path, 0644), 0);
    check_refused(world, "everybody can read it");
}

/* ---- Towards the PBX ----------------------------------------------------------------------------- */

/* The PBX speaks TLS; the server believes `authority`. */
static void start_with_tls_pbx(struct world *world, const char *authority, char *certificate[1],
                               char *key[1])
{
    char path[SCRATCH_PATH];
    certificates_make(world->directory);
    path_of(world, "server.pem", path);
    *certificate = scratch_read(path);
    path_of(world, "server.key", path);
    *key = scratch_read(path);
    world_close_pbx(world);
    fake_pbx_use_tls(world->pbx, *certificate, *key);
    fake_pbx_open(world->pbx);
    world_set(world, "PBXHOOK_PBX_URL", fake_pbx_url(world->pbx));
    if (authority != NULL) {
        path_of(world, authority, path);
        world_set(world, "PBXHOOK_PBX_CA_FILE", path);
    }
    world_set(world, "PBXHOOK_PBX_DEADLINE", "1s");
    world_start(world);
    world_post(world, &(struct event_text){
                          .type = "call.standby", .call_id = "c-1", .their_number = "1199999999"});
}

static void forget_pbx(struct world *world, char *certificate, char *key)
{
    fake_pbx_free(world->pbx);
    world->pbx = NULL;
    free(certificate);
    free(key);
}

static void test_a_pbx_that_is_vouched_for(struct world *world)
{
    char *certificate = NULL, *key = NULL;
    start_with_tls_pbx(world, "ca.pem", &certificate, &key);
    metric_await(world, "pbxhook_actions_total{outcome=\"delivered\"}", 1);
    assert_int_equal(fake_pbx_count_of(world->pbx, "c-1"), 1);
    forget_pbx(world, certificate, key);
}

/* Callers' data does not go to whoever answers at the PBX's address. */
static void check_not_believed(struct world *world, const char *authority)
{
    char *certificate = NULL, *key = NULL;
    start_with_tls_pbx(world, authority, &certificate, &key);
    metric_await(world, "pbxhook_actions_total{outcome=\"expired\"}", 1);
    assert_int_equal(fake_pbx_count(world->pbx), 0);
    await(server_log_count(&world->server, "msg=action", "outcome=expired") == 1);
    /* Of each try; the last one may have been cut short by the deadline. */
    assert_true(server_log_count(&world->server, "msg=action", "certificate") >= 1);
    forget_pbx(world, certificate, key);
}

static void test_a_pbx_of_another_authority(struct world *world)
{
    check_not_believed(world, "other-ca.pem");
}

static void test_a_pbx_that_the_system_does_not_know(struct world *world)
{
    check_not_believed(world, NULL);
}

int main(void)
{
    static const struct world_test tests[] = {
        {"events over TLS", test_events_over_tls},
        {"a large body", test_a_large_body},
        {"no live stream", test_no_live_stream},
        {"many sessions", test_many_sessions},
        {"another authority is not believed", test_another_authority_is_not_believed},
        {"versions", test_versions},
        {"plain HTTP is not understood", test_plain_http_is_not_understood},
        {"wrong files", test_wrong_files},
        {"a PBX that is vouched for", test_a_pbx_that_is_vouched_for},
        {"a PBX of another authority", test_a_pbx_of_another_authority},
        {"a PBX that the system does not know", test_a_pbx_that_the_system_does_not_know},
    };
    return WORLD_RUN("tls", tests);
}
